//! Looks for a program in the places where it may be, in order.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::build;
use super::catalog::{Tool, required_version};

/// The oldest sops accepted from outside the cache.
pub(super) const OLDEST_SOPS: (u64, u64, u64) = (3, 13, 3);

/// Where to look. Values, not the environment itself, so that the order can
/// be tested.
#[derive(Debug)]
pub(super) struct Places {
    /// `$KUBEBUILDER_ASSETS`.
    pub(super) assets: Option<PathBuf>,
    /// `$PATH`.
    pub(super) path: OsString,
    /// The cache, which holds `<folder>-<version>/<binary>`.
    pub(super) cache: PathBuf,
    /// `tests/tools`.
    pub(super) modules: PathBuf,
}

impl Places {
    /// As the environment of this process says.
    ///
    /// # Panics
    /// If neither `KB_TEST_TOOLS` nor `XDG_CACHE_HOME` nor `HOME` is set.
    pub(super) fn from_env() -> Self {
        let dir = |name| env::var_os(name).filter(|value| !value.is_empty());
        let cache = if let Some(tools) = dir("KB_TEST_TOOLS") {
            PathBuf::from(tools)
        } else if let Some(cache) = dir("XDG_CACHE_HOME") {
            PathBuf::from(cache).join("kb/test-tools")
        } else if let Some(home) = dir("HOME") {
            PathBuf::from(home).join(".cache/kb/test-tools")
        } else {
            panic!("no place for the test tools: set HOME, XDG_CACHE_HOME or KB_TEST_TOOLS")
        };
        Self {
            // A relative one is meant from here, not from within a world.
            assets: dir("KUBEBUILDER_ASSETS")
                .map(|assets| std::path::absolute(assets).expect("there is a working directory")),
            path: dir("PATH").unwrap_or_default(),
            cache,
            modules: Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools"),
        }
    }

    /// The program's path, absolute; builds it if it is nowhere.
    pub(super) fn locate(&self, tool: Tool) -> PathBuf {
        let [path] = self.locate_all([tool]);
        path
    }

    /// As [`Places::locate`]. What is built is numbered, for the person who waits.
    pub(super) fn locate_all<const N: usize>(&self, tools: [Tool; N]) -> [PathBuf; N] {
        let found = tools.map(|tool| (tool, self.find(tool)));
        let missing = found.iter().filter(|(_, path)| path.is_none()).count();
        let mut number = 0;
        found.map(|(tool, path)| {
            path.unwrap_or_else(|| {
                number += 1;
                let count = format!("{number} of {missing}");
                build::build(tool, &self.module(tool), &self.cached(tool), &count)
            })
        })
    }

    /// The program's path if it is somewhere already.
    pub(super) fn find(&self, tool: Tool) -> Option<PathBuf> {
        let binary = tool.recipe().binary;
        let given = self.assets.iter().cloned();
        given
            .chain(env::split_paths(&self.path))
            // A relative entry of PATH would mean something else in each world.
            .filter(|dir| dir.is_absolute())
            .map(|dir| dir.join(binary))
            .find(|file| file.is_file() && is_fit(tool, file))
            .or_else(|| Some(self.cached(tool)).filter(|file| file.is_file()))
    }

    /// Where the program is, or will be, in the cache.
    pub(super) fn cached(&self, tool: Tool) -> PathBuf {
        let recipe = tool.recipe();
        let file = self.module(tool).join("go.mod");
        let go_mod = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let version = required_version(&go_mod, recipe.module)
            .unwrap_or_else(|| panic!("{} does not require {}", file.display(), recipe.module));
        self.cache
            .join(format!("{}-{version}", recipe.folder))
            .join(recipe.binary)
    }

    fn module(&self, tool: Tool) -> PathBuf {
        self.modules.join(tool.recipe().folder)
    }
}

/// Whether a program found outside the cache can serve: it says its version
/// in an empty environment, as it will be run in a closed world (the shims of
/// version managers do not, they need their owner's HOME), and it is new
/// enough where that matters.
fn is_fit(tool: Tool, file: &Path) -> bool {
    let output = Command::new(file)
        .args(tool.recipe().version_args)
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .output();
    let Ok(output) = output else { return false };
    if !output.status.success() {
        return false;
    }
    match tool {
        Tool::Sops => sops_version(&String::from_utf8_lossy(&output.stdout))
            .is_some_and(|version| version >= OLDEST_SOPS),
        // A newer one is no judge in its place.
        Tool::OldestSops => false,
        // Another version may read a kubeconfig differently, and some are wrappers that send
        // requests of their own.
        Tool::Kubectl => false,
        // What others call so is something else.
        Tool::Proxy => false,
        Tool::Age
        | Tool::AgeKeygen
        | Tool::Etcd
        | Tool::KubeApiserver
        | Tool::KustomizeController => true,
    }
}

/// Reads `sops 3.13.3`, the first line of `sops --version`; `None` if it is
/// anything else. What follows the three numbers is not looked at.
fn sops_version(text: &str) -> Option<(u64, u64, u64)> {
    let mut words = text.lines().next()?.split_whitespace();
    if words.next()? != "sops" {
        return None;
    }
    let mut numbers = words.next()?.split(['.', '-', '+']);
    let mut number = || numbers.next()?.parse().ok();
    Some((number()?, number()?, number()?))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};

    use tempfile::TempDir;

    use super::{Places, Tool, sops_version};

    /// A shell script as `dir/name` that says one line and ends with `code`.
    /// Written by another process: a file that this one has open for writing
    /// while another test's thread forks cannot be executed ("text file busy").
    fn script(dir: &Path, name: &str, line: &str, code: i32) -> PathBuf {
        let file = dir.join(name);
        let mut child = Command::new("sh")
            .args(["-c", r#"mkdir -p "$1" && cat >"$2" && chmod +x "$2""#, "sh"])
            .args([dir, &file])
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let text = format!("#!/bin/sh\necho '{line}'\nexit {code}\n");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        stdin.write_all(text.as_bytes()).expect("sh reads");
        drop(stdin);
        assert!(child.wait().expect("sh ends").success());
        file
    }

    /// Empty places below a temporary directory; the versions are real.
    fn places(root: &TempDir) -> Places {
        let root = root.path();
        Places {
            assets: Some(root.join("assets")),
            path: std::env::join_paths([root.join("path1"), root.join("path2")]).expect("a PATH"),
            cache: root.join("cache"),
            modules: Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools"),
        }
    }

    #[test]
    fn assets_come_before_path_before_cache() {
        let root = TempDir::new().expect("a temporary directory");
        let places = places(&root);
        assert_eq!(places.find(Tool::Etcd), None);

        let cached = places.cached(Tool::Etcd);
        fs::create_dir_all(cached.parent().expect("a parent")).expect("a cache");
        fs::write(&cached, "").expect("a file");
        assert_eq!(places.find(Tool::Etcd), Some(cached));

        let in_path = script(&root.path().join("path2"), "etcd", "etcd Version: 3", 0);
        assert_eq!(places.find(Tool::Etcd), Some(in_path));

        let asset = script(&root.path().join("assets"), "etcd", "etcd Version: 3", 0);
        assert_eq!(places.find(Tool::Etcd), Some(asset));
    }

    #[test]
    fn old_sops_in_path_is_passed_over() {
        let root = TempDir::new().expect("a temporary directory");
        let places = places(&root);
        script(&root.path().join("path1"), "sops", "sops 3.8.1", 0);
        assert_eq!(places.find(Tool::Sops), None);
        let newer = script(&root.path().join("path2"), "sops", "sops 3.14.0", 0);
        assert_eq!(places.find(Tool::Sops), Some(newer));
    }

    #[test]
    fn program_that_fails_in_an_empty_environment_is_passed_over() {
        let root = TempDir::new().expect("a temporary directory");
        let places = places(&root);
        script(
            &root.path().join("path1"),
            "age-keygen",
            "no version set",
            1,
        );
        assert_eq!(places.find(Tool::AgeKeygen), None);
    }

    #[test]
    fn cache_is_keyed_by_the_version_in_go_mod() {
        let root = TempDir::new().expect("a temporary directory");
        let cached = places(&root).cached(Tool::AgeKeygen);
        let version = cached.parent().expect("a parent").file_name();
        let version = version.expect("a name").to_str().expect("text");
        assert!(version.starts_with("age-1."), "{version}");
    }

    #[test]
    fn sops_version_is_read_from_the_first_line() {
        assert_eq!(sops_version("sops 3.13.3\n"), Some((3, 13, 3)));
        assert_eq!(sops_version("sops 3.13.3 (latest)\n"), Some((3, 13, 3)));
        assert_eq!(sops_version("sops 3.14.0-rc.1\n"), Some((3, 14, 0)));
        assert_eq!(sops_version("usage: sops\n"), None);
        assert_eq!(sops_version("sops 3\n"), None);
    }
}
