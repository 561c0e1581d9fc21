//! What people have reviewed: the rules and files of the remote's default branch, as of the
//! last fetch.
//!
//! Whoever can open a pull request can change `.sops.yaml` in it. So what a working tree's
//! rules say beyond the reviewed ones is shown to the person who acts on it.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::encrypted::EncryptedFile;
use super::git::{Branch, Git, GitError};
use super::identity::Recipient;
use super::readers::{Reader, Readers};
use super::repository::{FoundConfig, inner};
use super::rules::Rules;
use super::sops_config::{FILE_NAME, SopsConfig};

/// What was reviewed.
pub struct Reviewed<'g> {
    git: &'g Git,
    /// The branch, as in `origin/main`.
    pub branch: String,
    commit: String,
    /// The configs, by their path from the top of the repository.
    configs: HashMap<PathBuf, Vec<u8>>,
}

/// A file would be encrypted for readers that could not read it where it was reviewed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{} would be encrypted for {}, which cannot read it on {branch} yet", .path.display(), Reader::list(.readers))]
pub struct Unreviewed {
    /// The file.
    pub path: PathBuf,
    /// Those of the readers that nobody has accepted.
    pub readers: Vec<Reader>,
    /// The branch, as in `origin/main`.
    pub branch: String,
    /// When something was last fetched; `None` if that cannot be told.
    pub fetched: Option<SystemTime>,
}

/// Decides about readers that were not reviewed, and returns those that are not accepted.
pub type AcceptReaders<'a> = dyn Fn(&ReviewedReaders, Vec<Reader>) -> Vec<Reader> + 'a;

/// Who can read a file on the remote's default branch.
pub struct ReviewedReaders {
    /// The file.
    pub path: PathBuf,
    /// The branch, as in `origin/main`.
    pub branch: String,
    /// When something was last fetched; `None` if that cannot be told.
    pub fetched: Option<SystemTime>,
    /// Those that its rule names there.
    rule: Readers,
    /// Those that the file is encrypted for there.
    file: Readers,
}

impl ReviewedReaders {
    /// Those of `readers` who could not read the file there. Keys that are `held` by one
    /// cluster are not in the list.
    pub fn newcomers(&self, readers: &Readers, held: &[Recipient]) -> Vec<Reader> {
        let by_file = self.file.newcomers(readers, held);
        let by_rule = self.rule.newcomers(readers, held).into_iter();
        let mut newcomers: Vec<Reader> = Vec::new();
        for reader in by_rule.filter(|reader| by_file.contains(reader)) {
            if !newcomers.contains(reader) {
                newcomers.push(reader.clone());
            }
        }
        newcomers
    }

    /// Checks that all of these newcomers were accepted: that none is `refused`.
    ///
    /// # Errors
    /// [`Unreviewed`]
    pub fn check_none(&self, refused: Vec<Reader>) -> Result<(), Unreviewed> {
        if refused.is_empty() {
            return Ok(());
        }
        Err(Unreviewed {
            path: self.path.clone(),
            readers: refused,
            branch: self.branch.clone(),
            fetched: self.fetched,
        })
    }
}

impl<'g> Reviewed<'g> {
    /// Reads the rules of the remote's default branch: `origin/HEAD`, else `origin/main`,
    /// else `origin/master`. `None` if there is no such branch in this clone.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn load(git: &'g Git) -> Result<Option<Self>, GitError> {
        let branch = git.default_branch()?;
        branch.map(|branch| Self::at(git, branch)).transpose()
    }

    /// The same; where there is no such branch, what is checked out. `None` in a repository
    /// without commits.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn load_or_head(git: &'g Git) -> Result<Option<Self>, GitError> {
        if let Some(reviewed) = Self::load(git)? {
            return Ok(Some(reviewed));
        }
        let head = git.head()?.map(|commit| Branch {
            name: "HEAD".to_owned(),
            commit,
        });
        head.map(|head| Self::at(git, head)).transpose()
    }

    fn at(git: &'g Git, branch: Branch) -> Result<Self, GitError> {
        let mut configs = HashMap::new();
        for path in git.files_called(&branch.commit, FILE_NAME)? {
            // What leads out of the repository is nothing that was reviewed.
            if let Some(content) = git.show_target(&branch.commit, &path)? {
                configs.insert(path, content);
            }
        }
        Ok(Self {
            git,
            branch: branch.name,
            commit: branch.commit,
            configs,
        })
    }

    /// The commit.
    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// The reviewed rules for files in these directories, which are absolute. A config that
    /// was named and is not in the repository is taken as it is: no commit changes it.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn rules<'p>(
        &self,
        directories: impl IntoIterator<Item = &'p Path>,
        named: Option<&FoundConfig>,
    ) -> Result<Rules, GitError> {
        let root = self.git.root();
        let parse = |path: &Path, content| SopsConfig::from_bytes(path, content);
        let Some(named) = named else {
            return Ok(Rules::by(directories, |path| {
                let content = self.configs.get(&inner(root, path)?)?;
                Some(parse(path, content.clone()))
            }));
        };
        let Some(path) = inner(root, &named.path) else {
            return Ok(Rules::of_named(named, SopsConfig::load(&named.path)));
        };
        let content = self.git.show_target(&self.commit, &path)?;
        Ok(content.map_or_else(Rules::default, |content| {
            Rules::of_named(named, parse(&named.path, content))
        }))
    }

    /// Who can read the file of this absolute path on the branch.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn readers_of(
        &self,
        path: &Path,
        named: Option<&FoundConfig>,
    ) -> Result<ReviewedReaders, GitError> {
        let rules = self.rules(path.parent(), named)?;
        let rule = rules.of(path).usable();
        let content = match inner(self.git.root(), path) {
            Some(path) => self.git.show_target(&self.commit, &path)?,
            None => None,
        };
        let file = content.and_then(|content| EncryptedFile::parse(path, &content).ok());
        Ok(ReviewedReaders {
            path: path.to_owned(),
            branch: self.branch.clone(),
            fetched: self.git.last_fetch(),
            rule: rule.map_or_else(Readers::default, |rule| rule.rule.readers.clone()),
            file: file.map_or_else(Readers::default, |file| file.metadata.readers()),
        })
    }
}

/// Whether a file of an absolute path has the data key that it has on the remote's default
/// branch, or in HEAD, where there is no such branch. Whoever made a data key can read what
/// is written under it later.
///
/// # Errors
/// [`GitError`]
pub fn has_same_data_key(git: &Git, path: &Path, file: &EncryptedFile) -> Result<bool, GitError> {
    let Some(inner) = inner(git.root(), path) else {
        return Ok(false);
    };
    let commit = match git.default_branch()? {
        Some(branch) => Some(branch.commit),
        None => git.head()?,
    };
    let Some(commit) = commit else {
        return Ok(false);
    };
    let Some(content) = git.show_target(&commit, &inner)? else {
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
