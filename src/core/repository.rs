//! Which directory is the repository, and which `.sops.yaml` applies.

use std::path::{Path, PathBuf};

use super::sops_config::FILE_NAME;

/// sops looks for its config in so many directories, from the working
/// directory upward (`config/config.go`, `maxDepth`).
const SOPS_SEARCH_DEPTH: usize = 100;

/// Where the config is, and whether kb may change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigLocation {
    /// The file that sops reads, or `None` if it finds none.
    pub found: Option<PathBuf>,
    /// The file that kb changes or makes. One that was found outside the
    /// repository is left alone, unless it was named.
    pub target: PathBuf,
}

impl ConfigLocation {
    /// A config that applies now, and would no longer once the target is made:
    /// it lies outside the repository.
    pub fn shadowed(&self) -> Option<&Path> {
        self.found.as_deref().filter(|found| *found != self.target)
    }
}

/// The top of the Git working tree around `directory`: the nearest directory
/// upward that has a `.git` (a file in submodules and worktrees).
fn git_root(directory: &Path) -> Option<&Path> {
    directory.ancestors().find(|dir| dir.join(".git").exists())
}

/// Finds the config as sops does: the one that is `named` (`SOPS_CONFIG` or
/// `--config`), else the nearest `.sops.yaml` upward from `directory`.
pub fn find_config(directory: &Path, named: Option<&Path>) -> Option<PathBuf> {
    if let Some(path) = named {
        return Some(directory.join(path));
    }
    let mut upward = directory.ancestors().take(SOPS_SEARCH_DEPTH);
    upward.find_map(|dir| {
        let path = dir.join(FILE_NAME);
        path.exists().then_some(path)
    })
}

/// The top of the repository around an absolute `directory`: the Git working
/// tree's; outside Git, the directory of the `.sops.yaml` found.
pub fn root(directory: &Path) -> Option<PathBuf> {
    let config = || find_config(directory, None);
    match git_root(directory) {
        Some(root) => Some(root.to_owned()),
        None => config()?.parent().map(Path::to_owned),
    }
}

/// Finds the config for an absolute `directory`; see [`find_config`].
pub fn locate(directory: &Path, named: Option<&Path>) -> ConfigLocation {
    let found = find_config(directory, named);
    let root = root(directory).unwrap_or_else(|| directory.to_owned());
    let ours = found
        .as_ref()
        .filter(|path| named.is_some() || path.starts_with(&root));
    let target = match ours {
        Some(path) => path.clone(),
        None => root.join(FILE_NAME),
    };
    ConfigLocation { found, target }
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
