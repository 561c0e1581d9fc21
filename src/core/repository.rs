//! Which directory is the repository, and which `.sops.yaml` applies.

use std::path::{Component, Path, PathBuf};

use super::sops_config::FILE_NAME;

/// sops looks for its config in so many directories, from the working
/// directory upward (`config/config.go`, `maxDepth`).
const SOPS_SEARCH_DEPTH: usize = 100;

/// sops ignores a config of this name; people write it all the same.
const MISNAMED: &str = ".sops.yml";

/// Where the config is, and whether kb may change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigLocation {
    /// The file that sops reads, or `None` if it finds none.
    pub found: Option<FoundConfig>,
    /// The file that kb changes or makes. One that was found outside the
    /// repository is left alone, unless it was named.
    pub target: PathBuf,
    /// A `.sops.yml` in the repository where sops finds no config.
    pub misnamed: Option<PathBuf>,
}

impl ConfigLocation {
    /// A config that applies now, and would no longer once the target is made:
    /// it lies outside the repository.
    pub fn shadowed(&self) -> Option<&Path> {
        let found = self.found.as_ref().map(|found| found.path.as_path());
        found.filter(|found| *found != self.target)
    }
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

impl Upward {
    fn from(directory: &Path) -> Self {
        let owned = |path: &Path| path.ancestors().map(Path::to_owned).collect();
        let real = directory.canonicalize();
        Self {
            spelled: owned(directory),
            real: owned(real.as_deref().unwrap_or(directory)),
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
    fn git_root(&self) -> Option<PathBuf> {
        let root = self.real.iter().find(|dir| dir.join(".git").exists())?;
        Some(self.spelling(root))
    }

    /// The nearest file of this name upward, and how many levels.
    fn nearest(&self, name: &str) -> Option<(PathBuf, usize)> {
        let mut levels = self.real.iter().take(SOPS_SEARCH_DEPTH).enumerate();
        levels.find_map(|(level, dir)| {
            let there = dir.join(name).exists();
            there.then(|| (self.spelling(dir).join(name), level))
        })
    }

    fn config(&self) -> Option<FoundConfig> {
        let (path, level) = self.nearest(FILE_NAME)?;
        let top = || PathBuf::from("/");
        let base = self.spelled.get(level).cloned().unwrap_or_else(top);
        Some(FoundConfig { path, base })
    }
}

/// Finds the config as sops does: the one that is `named` (`SOPS_CONFIG` or
/// `--config`), else the nearest `.sops.yaml` upward from `directory`, which is
/// absolute.
pub fn find_config(directory: &Path, named: Option<&Path>) -> Option<FoundConfig> {
    let Some(named) = named else {
        return Upward::from(directory).config();
    };
    let path = directory.join(named);
    let base = absolute(path.parent().unwrap_or(&path), Path::new(""));
    Some(FoundConfig { path, base })
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

/// The top of the repository around an absolute `directory`: the Git working
/// tree's; outside Git, the directory of the `.sops.yaml` found.
pub fn root(directory: &Path) -> Option<PathBuf> {
    let upward = Upward::from(directory);
    let config = || upward.config()?.path.parent().map(Path::to_owned);
    upward.git_root().or_else(config)
}

/// Finds the config for an absolute `directory`; see [`find_config`].
pub fn locate(directory: &Path, named: Option<&Path>) -> ConfigLocation {
    let found = find_config(directory, named);
    let root = root(directory).unwrap_or_else(|| directory.to_owned());
    let ours = found
        .as_ref()
        .filter(|found| named.is_some() || found.path.starts_with(&root));
    let target = match ours {
        Some(found) => found.path.clone(),
        None => root.join(FILE_NAME),
    };
    let misnamed = match ours {
        Some(_) => None,
        None => Upward::from(directory).nearest(MISNAMED),
    };
    ConfigLocation {
        found,
        target,
        misnamed: misnamed
            .map(|(path, _)| path)
            .filter(|path| path.starts_with(&root)),
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
        assert_eq!(config.target, dir.path().join("repo/.sops.yaml"));
        assert_eq!(
            config.shadowed(),
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
        assert_eq!(config.target, dir.path().join("repo/../else/where.yaml"));
        assert_eq!(config.shadowed(), None);
    }

    #[test]
    fn outside_git_the_config_marks_the_repository() {
        let dir = tree(&["repo/.sops.yaml", "repo/apps/x"]);
        let config = locate(&dir.path().join("repo/apps"), None);
        assert_eq!(
            root(&dir.path().join("repo/apps")),
            Some(dir.path().join("repo"))
        );
        assert_eq!(config.target, dir.path().join("repo/.sops.yaml"));
    }

    #[test]
    fn the_nearest_config_in_a_git_tree_is_the_one() {
        let dir = tree(&["repo/.git/HEAD", "repo/.sops.yaml", "repo/apps/.sops.yaml"]);
        let config = locate(&dir.path().join("repo/apps"), None);
        assert_eq!(config.target, dir.path().join("repo/apps/.sops.yaml"));
    }
}
