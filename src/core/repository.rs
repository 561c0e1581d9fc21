//! Which directory is the repository, and which `.sops.yaml` applies.

use std::path::{Component, Path, PathBuf};

use super::sops_config::{FILE_NAME, PathForm};

/// sops looks for its config in so many directories, from the working
/// directory upward (`config/config.go`, `maxDepth`).
const SOPS_SEARCH_DEPTH: usize = 100;

/// sops ignores a config of this name; people write it all the same.
pub const MISNAMED: &str = ".sops.yml";

/// Where the config is, and whether kb may change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigLocation {
    /// The file that kb changes or makes. One that was found outside the
    /// repository is left alone, unless it was named.
    pub path: PathBuf,
    /// A config outside the repository that applies now, and would no longer
    /// once the one at `path` is made.
    pub shadowed: Option<PathBuf>,
    /// A `.sops.yml` in the repository where sops finds no config.
    pub misnamed: Option<PathBuf>,
    /// The repositories whose files it is for: the one around the working
    /// directory, and the one around a config that was named.
    pub roots: Vec<PathBuf>,
    /// What the paths of those files look like to its rules.
    pub paths: PathForm,
}

/// A config as sops finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundConfig {
    /// The file.
    pub path: PathBuf,
    /// The directory that sops takes for the file's own, and cuts off paths as
    /// text before it matches them. In a working directory that was reached
    /// through a link it can be another one: sops goes up with `..`, which the
    /// kernel follows from the real directory, and then takes that many names
    /// off the path by which the directory was reached.
    pub base: PathBuf,
}

/// The directory and those above it: as they are spelled, and in truth.
struct Upward {
    spelled: Vec<PathBuf>,
    real: Vec<PathBuf>,
}

/// A file upward.
struct Nearest {
    name: &'static str,
    /// The real directory that it is in.
    directory: PathBuf,
    /// How many levels up that is.
    level: usize,
}

impl Upward {
    fn from(directory: &Path) -> Self {
        let owned = |path: &Path| path.ancestors().map(Path::to_owned).collect();
        let spelled = absolute(directory, Path::new(""));
        let real = directory.canonicalize();
        Self {
            real: owned(real.as_deref().unwrap_or(&spelled)),
            spelled: owned(&spelled),
        }
    }

    /// A real directory, spelled as the person came there if they did.
    fn spelling(&self, real: &Path) -> PathBuf {
        let same = |path: &&PathBuf| path.canonicalize().is_ok_and(|path| path == real);
        let spelled = self.spelled.iter().find(same);
        spelled.map_or_else(|| real.to_owned(), PathBuf::clone)
    }

    /// The top of the Git working tree: the nearest directory upward that has a
    /// `.git` (a file in submodules and worktrees).
    fn git_root(&self) -> Option<&PathBuf> {
        self.real.iter().find(|dir| dir.join(".git").exists())
    }

    fn nearest(&self, name: &'static str) -> Option<Nearest> {
        let mut levels = self.real.iter().take(SOPS_SEARCH_DEPTH).enumerate();
        let (level, directory) = levels.find(|(_, dir)| dir.join(name).exists())?;
        Some(Nearest {
            name,
            directory: directory.clone(),
            level,
        })
    }

    /// The real top of the repository: the Git working tree's; outside Git, the
    /// directory of the nearest config.
    fn root(&self) -> Option<PathBuf> {
        let config = || Some(self.nearest(FILE_NAME)?.directory);
        self.git_root().cloned().or_else(config)
    }

    fn path(&self, file: &Nearest) -> PathBuf {
        self.spelling(&file.directory).join(file.name)
    }
}

/// Finds the config as sops does: the one that is `named` (`SOPS_CONFIG` or
/// `--config`), else the nearest `.sops.yaml` upward from `directory`, which is
/// absolute.
pub fn find_config(directory: &Path, named: Option<&Path>) -> Option<FoundConfig> {
    if let Some(named) = named {
        let path = directory.join(named);
        let base = absolute(path.parent().unwrap_or(&path), Path::new(""));
        return Some(FoundConfig { path, base });
    }
    let upward = Upward::from(directory);
    let found = upward.nearest(FILE_NAME)?;
    let top = || PathBuf::from("/");
    Some(FoundConfig {
        path: upward.path(&found),
        base: upward.spelled.get(found.level).cloned().unwrap_or_else(top),
    })
}

/// The `.sops.yml` that stands nearer to `file` (absolute) than the config that sops
/// finds, in its repository: its author thinks that it is the config.
pub fn misnamed_for(file: &Path) -> Option<PathBuf> {
    let around = file.ancestors().skip(1).find(|above| above.is_dir())?;
    let upward = Upward::from(around);
    let root = upward.root().unwrap_or_else(|| upward.real[0].clone());
    let misnamed = upward.nearest(MISNAMED)?;
    let found = upward.nearest(FILE_NAME);
    let is_hidden = hides(found.as_ref(), &misnamed);
    (misnamed.directory.starts_with(root) && !is_hidden).then(|| upward.path(&misnamed))
}

/// Whether a config stands as near as a `.sops.yml`.
fn hides(config: Option<&Nearest>, misnamed: &Nearest) -> bool {
    config.is_some_and(|config| config.level <= misnamed.level)
}

/// The path as a walk from one of the `roots` comes to it, links on the way to it or
/// to the root notwithstanding; `None` if it is below none of them.
pub fn below(roots: &[PathBuf], path: &Path) -> Option<PathBuf> {
    // The last name may itself be a link, which is what is meant.
    let real = path.parent()?.canonicalize().ok()?.join(path.file_name()?);
    roots.iter().find_map(|root| {
        let inner = real.strip_prefix(root.canonicalize().ok()?).ok()?;
        Some(root.join(inner))
    })
}

/// The path that a repository has for an absolute `path`, from its top: whatever links lead
/// to the repository, and none of those in it, which its own commits can change. `None` if
/// it is not in the repository at `root`.
pub fn inner(root: &Path, path: &Path) -> Option<PathBuf> {
    let root = root.canonicalize().ok()?;
    let above: Vec<&Path> = path.ancestors().collect();
    above.into_iter().rev().find_map(|above| {
        let entry = above.canonicalize().ok()?;
        let entry = entry.strip_prefix(&root).ok()?;
        let rest = path.strip_prefix(above).ok()?;
        // Joined with nothing, a path would end in a slash.
        Some(entry.components().chain(rest.components()).collect())
    })
}

/// The path from an absolute `directory`, `..` taken off as text, links or not:
/// Go's `filepath.Abs`, which is what sops matches rules against.
pub fn absolute(directory: &Path, path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in directory.join(path).components() {
        match part {
            Component::ParentDir => drop(clean.pop()),
            Component::CurDir => {}
            part => clean.push(part),
        }
    }
    clean
}

/// The file that `path` is for the kernel, where that is another one than
/// [`absolute`] gives: behind a link, `..` leads elsewhere. Then what kb reads and
/// what sops reads would be two files.
pub fn other_file(directory: &Path, path: &Path) -> Option<PathBuf> {
    let parent = |path: &Path| path.parent().and_then(|parent| parent.canonicalize().ok());
    let typed = directory.join(path);
    let (kernel, text) = (parent(&typed)?, parent(&absolute(directory, path)));
    (Some(&kernel) != text.as_ref()).then(|| kernel.join(path.file_name().unwrap_or_default()))
}

/// The top of the Git working tree around an absolute `directory`.
pub fn git_root(directory: &Path) -> Option<PathBuf> {
    Upward::from(directory).git_root().cloned()
}

/// The top of the repository around an absolute `directory`: the Git working
/// tree's; outside Git, the directory of the `.sops.yaml` found.
pub fn root(directory: &Path) -> Option<PathBuf> {
    let upward = Upward::from(directory);
    upward.root().map(|root| upward.spelling(&root))
}

/// Finds the config for an absolute `directory`; see [`find_config`].
pub fn locate(directory: &Path, named: Option<&Path>) -> ConfigLocation {
    let upward = Upward::from(directory);
    let root = upward.root().unwrap_or_else(|| upward.real[0].clone());
    let spelled_root = upward.spelling(&root);
    if let Some(named) = named {
        let path = directory.join(named);
        let folder = path.parent().unwrap_or(&path);
        let around = Upward::from(folder);
        let real = &around.real[0];
        let own_root = around.root().unwrap_or_else(|| real.clone());
        let mut roots = vec![spelled_root];
        // Not so far up that half a home directory would be looked through.
        if !own_root.starts_with(&root) && !root.starts_with(&own_root) {
            roots.push(around.spelling(&own_root));
        }
        return ConfigLocation {
            paths: match (root.starts_with(real), real.starts_with(&root)) {
                (true, _) => PathForm::Relative,
                (false, true) => PathForm::Either,
                (false, false) => PathForm::Absolute,
            },
            path,
            shadowed: None,
            misnamed: None,
            roots,
        };
    }
    let found = upward.nearest(FILE_NAME);
    let ours = |file: &Nearest| file.directory.starts_with(&root);
    let path = match &found {
        Some(file) if ours(file) => upward.path(file),
        _ => spelled_root.join(FILE_NAME),
    };
    let misnamed = upward
        .nearest(MISNAMED)
        .filter(|file| ours(file) && !hides(found.as_ref().filter(|found| ours(found)), file));
    ConfigLocation {
        path,
        shadowed: found
            .filter(|file| !ours(file))
            .map(|file| upward.path(&file)),
        misnamed: misnamed.map(|file| upward.path(&file)),
        roots: vec![spelled_root],
        paths: PathForm::Relative,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests arrange files")]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("temporary directory");
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().expect("in a directory")).expect("mkdir");
            std::fs::write(path, "").expect("write");
        }
        dir
    }

    #[test]
    fn a_config_above_the_git_top_is_left_alone() {
        let dir = tree(&[".sops.yaml", "repo/.git/HEAD", "repo/apps/x"]);
        let config = locate(&dir.path().join("repo/apps"), None);
        assert_eq!(
            root(&dir.path().join("repo/apps")),
            Some(dir.path().join("repo"))
        );
        assert_eq!(config.path, dir.path().join("repo/.sops.yaml"));
        assert_eq!(
            config.shadowed.as_deref(),
            Some(dir.path().join(".sops.yaml").as_path())
        );
    }

    #[test]
    fn a_named_config_is_the_target_wherever_it_is() {
        let dir = tree(&["else/where.yaml", "repo/.git/HEAD"]);
        let config = locate(
            &dir.path().join("repo"),
            Some(Path::new("../else/where.yaml")),
        );
        assert_eq!(config.path, dir.path().join("repo/../else/where.yaml"));
        assert_eq!(config.shadowed.as_deref(), None);
    }

    #[test]
    fn outside_git_the_config_marks_the_repository() {
        let dir = tree(&["repo/.sops.yaml", "repo/apps/x"]);
        let config = locate(&dir.path().join("repo/apps"), None);
        assert_eq!(
            root(&dir.path().join("repo/apps")),
            Some(dir.path().join("repo"))
        );
        assert_eq!(config.path, dir.path().join("repo/.sops.yaml"));
    }

    #[test]
    fn a_repository_is_the_same_through_a_link() {
        let dir = tree(&["repo/.git/HEAD", "repo/prod/.sops.yaml", "repo/prod/db/x"]);
        let top = dir.path().canonicalize().expect("a directory");
        for (link, to, path) in [
            ("p", "repo/prod", "p/.sops.yaml"),
            ("d", "repo/prod/db", "repo/prod/.sops.yaml"),
            ("r", "repo", "r/.sops.yaml"),
        ] {
            std::os::unix::fs::symlink(top.join(to), top.join(link)).expect("symlink");
            let config = locate(&top.join(link), None);
            assert_eq!(config.path, top.join(path), "through {link}");
            assert_eq!(config.shadowed, None, "through {link}");
        }
    }

    #[test]
    fn links_to_a_repository_are_followed_and_those_in_it_are_not() {
        let dir = tree(&["repo/.git/HEAD", "repo/prod/x", "repo/staging/x", "else/x"]);
        let top = dir.path().canonicalize().expect("a directory");
        for (link, to) in [
            ("r", "repo"),
            ("p", "repo/prod"),
            ("file", "repo/prod/x"),
            ("repo/link", "repo/staging"),
            ("repo/out", "else"),
        ] {
            std::os::unix::fs::symlink(top.join(to), top.join(link)).expect("symlink");
        }
        for (path, expected) in [
            ("repo/prod/x", Some("prod/x")),
            ("repo/new/deep/x", Some("new/deep/x")),
            ("repo/link/x", Some("link/x")),
            ("repo/out/x", Some("out/x")),
            ("r/link/x", Some("link/x")),
            ("p/x", Some("prod/x")),
            ("p/new", Some("prod/new")),
            ("file", Some("prod/x")),
            ("else/x", None),
            ("new/x", None),
        ] {
            let found = inner(&top.join("repo"), &top.join(path));
            assert_eq!(found.as_deref(), expected.map(Path::new), "{path}");
        }
    }

    #[test]
    fn a_config_outside_the_tree_is_for_files_elsewhere() {
        let dir = tree(&["else/where.yaml", "repo/.git/HEAD", "repo/x/y"]);
        let paths = |named: &str| {
            let config = locate(&dir.path().join("repo/x"), Some(Path::new(named)));
            config.paths
        };
        assert_eq!(paths("../../else/where.yaml"), PathForm::Absolute);
        assert_eq!(paths("../../where.yaml"), PathForm::Relative);
        assert_eq!(paths("../where.yaml"), PathForm::Relative);
        assert_eq!(paths("y/where.yaml"), PathForm::Either);
    }

    #[test]
    fn the_nearest_config_in_a_git_tree_is_the_one() {
        let dir = tree(&["repo/.git/HEAD", "repo/.sops.yaml", "repo/apps/.sops.yaml"]);
        let config = locate(&dir.path().join("repo/apps"), None);
        assert_eq!(config.path, dir.path().join("repo/apps/.sops.yaml"));
    }
}
