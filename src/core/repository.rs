//! Which directory is the repository, and which `.sops.yaml` applies.

use std::path::{Path, PathBuf};

use super::sops_config::FILE_NAME;

/// sops looks for its config in so many directories, from the working
/// directory upward (`config/config.go`, `maxDepth`).
const SOPS_SEARCH_DEPTH: usize = 100;

/// The repository that a command works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Its top: the Git working tree's; outside Git, the directory of the
    /// `.sops.yaml` found, else the directory it was looked for from.
    pub root: PathBuf,
    /// Whether it is a Git working tree.
    pub is_git: bool,
}

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
pub fn git_root(directory: &Path) -> Option<&Path> {
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

/// Finds the repository and its config, from an absolute `directory`.
pub fn locate(directory: &Path, named: Option<&Path>) -> (Repository, ConfigLocation) {
    let found = find_config(directory, named);
    let repository = match git_root(directory) {
        Some(root) => Repository {
            root: root.to_owned(),
            is_git: true,
        },
        None => Repository {
            root: found
                .as_deref()
                .and_then(Path::parent)
                .unwrap_or(directory)
                .to_owned(),
            is_git: false,
        },
    };
    let ours = found
        .as_ref()
        .filter(|path| named.is_some() || path.starts_with(&repository.root));
    let target = match ours {
        Some(path) => path.clone(),
        None => repository.root.join(FILE_NAME),
    };
    (repository, ConfigLocation { found, target })
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
        let (repository, config) = locate(&dir.path().join("repo/apps"), None);
        assert_eq!(repository.root, dir.path().join("repo"));
        assert_eq!(config.target, dir.path().join("repo/.sops.yaml"));
        assert_eq!(
            config.shadowed(),
            Some(dir.path().join(".sops.yaml").as_path())
        );
    }

    #[test]
    fn a_named_config_is_the_target_wherever_it_is() {
        let dir = tree(&["else/where.yaml", "repo/.git/HEAD"]);
        let (_, config) = locate(
            &dir.path().join("repo"),
            Some(Path::new("../else/where.yaml")),
        );
        assert_eq!(config.target, dir.path().join("repo/../else/where.yaml"));
        assert_eq!(config.shadowed(), None);
    }

    #[test]
    fn outside_git_the_config_marks_the_repository() {
        let dir = tree(&["repo/.sops.yaml", "repo/apps/x"]);
        let (repository, config) = locate(&dir.path().join("repo/apps"), None);
        assert_eq!(repository.root, dir.path().join("repo"));
        assert!(!repository.is_git);
        assert_eq!(config.target, dir.path().join("repo/.sops.yaml"));
    }

    #[test]
    fn the_nearest_config_in_a_git_tree_is_the_one() {
        let dir = tree(&["repo/.git/HEAD", "repo/.sops.yaml", "repo/apps/.sops.yaml"]);
        let (_, config) = locate(&dir.path().join("repo/apps"), None);
        assert_eq!(config.target, dir.path().join("repo/apps/.sops.yaml"));
    }
}
