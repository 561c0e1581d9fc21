//! What people have reviewed: the rules and files of the remote's default branch, as of the
//! last fetch.
//!
//! Whoever can open a pull request can change `.sops.yaml` in it. So what a working tree's
//! rules say beyond the reviewed ones is shown to the person who acts on it.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::audit::Rules;
use super::encrypted::EncryptedFile;
use super::git::{Branch, Git, GitError};
use super::repository::FoundConfig;
use super::sops_config::{FILE_NAME, SopsConfig};

/// What was reviewed.
pub struct Reviewed {
    /// The branch, as in `origin/main`.
    pub branch: String,
    commit: String,
    /// The configs, by their absolute path.
    configs: HashMap<PathBuf, Vec<u8>>,
}

impl Reviewed {
    /// Reads the rules of the remote's default branch: `origin/HEAD`, else `origin/main`,
    /// else `origin/master`. `None` if there is no such branch in this clone.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn load(git: &Git) -> Result<Option<Self>, GitError> {
        let branch = git.default_branch()?;
        branch.map(|branch| Self::at(git, branch)).transpose()
    }

    /// The same; where there is no such branch, what is checked out. `None` in a repository
    /// without commits.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn load_or_head(git: &Git) -> Result<Option<Self>, GitError> {
        if let Some(reviewed) = Self::load(git)? {
            return Ok(Some(reviewed));
        }
        let head = git.head()?.map(|commit| Branch {
            name: "HEAD".to_owned(),
            commit,
        });
        head.map(|head| Self::at(git, head)).transpose()
    }

    fn at(git: &Git, branch: Branch) -> Result<Self, GitError> {
        let mut configs = HashMap::new();
        for path in git.files_called(&branch.commit, FILE_NAME)? {
            let content = git.show(&branch.commit, &path)?;
            configs.insert(git.root().join(path), content);
        }
        Ok(Self {
            branch: branch.name,
            commit: branch.commit,
            configs,
        })
    }

    /// The commit.
    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// The reviewed rules for files in these directories, which are absolute.
    pub fn rules<'p>(
        &self,
        directories: impl IntoIterator<Item = &'p Path>,
        named: Option<&FoundConfig>,
    ) -> Rules {
        let load = |path: &Path| {
            let content = self.configs.get(path)?;
            Some(SopsConfig::from_bytes(path, content.clone()))
        };
        Rules::by(directories, named, load)
    }
}

/// Whether a file of an absolute path has the data key that it has on the remote's default
/// branch, or in HEAD, where there is no such branch. Whoever made a data key can read what
/// is written under it later.
///
/// # Errors
/// [`GitError`]
pub fn has_same_data_key(git: &Git, path: &Path, file: &EncryptedFile) -> Result<bool, GitError> {
    let Ok(inner) = path.strip_prefix(git.root()) else {
        return Ok(true);
    };
    let commit = match git.default_branch()? {
        Some(branch) => Some(branch.commit),
        None => git.head()?,
    };
    let Some(commit) = commit else {
        return Ok(false);
    };
    let Some(content) = git.show_if_there(&commit, inner)? else {
        return Ok(false);
    };
    let stanzas = |file: &EncryptedFile| {
        let entries = file.metadata.entries();
        let stanzas = entries.map(|entry| entry.wrapped.trim().to_owned());
        stanzas.collect::<BTreeSet<String>>()
    };
    let reviewed = EncryptedFile::parse(path, &content);
    Ok(reviewed.is_ok_and(|reviewed| stanzas(&reviewed) == stanzas(file)))
}
