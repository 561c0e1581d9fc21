//! Drafts: texts that could not be saved, encrypted in the person's state directory.
//!
//! A draft outlives a logout, a restart and the theft of the machine: it is an age file
//! for the public keys of the rule that its file has, and holds no key itself.
//!
//! | module | holds |
//! | --- | --- |
//! | `head` | what can be known of a draft without a key |
//! | `sealed` | the draft as an age file |

mod head;
mod sealed;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use age::{DecryptError, EncryptError};

use super::identity::Identity;
use super::replace::{self, ReplaceError};
use super::state;

pub use head::Head;
pub use sealed::{DraftContents, EmergencyFile};

/// The ending of a draft's name.
const ENDING: &str = "age";
/// The number of random letters and digits in the name of a draft.
const RANDOM_LENGTH: usize = 8;
/// The number of bytes of a draft that are read to find its head.
const LONGEST_HEAD: u64 = 256 * 1024;

/// The directory of drafts.
#[derive(Clone, Debug)]
pub struct Drafts {
    directory: Option<PathBuf>,
}

/// A draft.
#[derive(Debug)]
pub struct Draft {
    /// The age file.
    pub path: PathBuf,
    /// What it says of itself.
    pub head: Head,
}

/// Why there is no draft of a text.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// There is no age key to encrypt it for.
    #[error("its rule names no age key that kb can encrypt a draft for")]
    NoKey,
    /// There is no state directory.
    #[error("neither $XDG_STATE_HOME nor $HOME is set, so there is no directory for drafts")]
    NoDirectory,
    /// The directory is not the person's own.
    #[error("cannot use {} for drafts", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The text that a killed run left in memory cannot be read.
    #[error("cannot read {}", .path.display())]
    Unreadable {
        /// The text.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Encrypting.
    #[error("cannot encrypt a draft")]
    Encrypt(#[source] EncryptError),
    /// Writing.
    #[error(transparent)]
    Write(#[from] ReplaceError),
}

/// Why a draft is not opened.
#[derive(Debug, thiserror::Error)]
pub enum DraftOpenError {
    /// It cannot be read.
    #[error("cannot read the draft {}", .path.display())]
    Read {
        /// The age file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No key that is available opens it.
    #[error("no key of this cluster opens the draft {}", .path.display())]
    NoKey {
        /// The age file.
        path: PathBuf,
    },
    /// It is not what kb wrote.
    #[error("the draft {} is damaged", .path.display())]
    Damaged {
        /// The age file.
        path: PathBuf,
    },
}

impl Drafts {
    /// Those in a directory, which need not be there yet; `None` where there is no place
    /// for them.
    pub fn new(directory: Option<PathBuf>) -> Self {
        Self { directory }
    }

    /// Writes a draft for those that its head names.
    ///
    /// # Errors
    /// [`DraftError`]; nothing is left behind.
    pub fn save(&self, head: Head, contents: &DraftContents) -> Result<Draft, DraftError> {
        if head.recipients.is_empty() {
            return Err(DraftError::NoKey);
        }
        let directory = self.directory.as_ref().ok_or(DraftError::NoDirectory)?;
        let sealed = sealed::seal(&head, contents).map_err(DraftError::Encrypt)?;
        let path = directory.join(new_name(&head).map_err(|source| DraftError::Directory {
            path: directory.clone(),
            source,
        })?);
        let _directories = replace::create_private_parents(&path)?;
        state::close(directory).map_err(|source| DraftError::Directory {
            path: directory.clone(),
            source,
        })?;
        clear_temporary(directory);
        state::write(&path, None, &sealed)?;
        Ok(Draft { path, head })
    }

    /// All drafts, the newest first, and the files beside them that kb cannot read.
    pub fn all(&self) -> (Vec<Draft>, Vec<PathBuf>) {
        let entries = self.directory.iter().flat_map(std::fs::read_dir);
        let paths = entries.flatten().flatten().map(|entry| entry.path());
        let (mut drafts, mut unreadable) = (Vec::new(), Vec::new());
        for path in paths.filter(|path| path.extension().is_some_and(|it| it == ENDING)) {
            match head_of(&path) {
                Some(head) => drafts.push(Draft { path, head }),
                None => unreadable.push(path),
            }
        }
        drafts.sort_by(|one, other| {
            let key = |draft: &Draft| (draft.head.since, draft.path.clone());
            key(other).cmp(&key(one))
        });
        unreadable.sort();
        (drafts, unreadable)
    }

    /// The drafts for the file that every run knows as `target`, the newest first.
    pub fn of(&self, target: &Path) -> Vec<Draft> {
        let (mut drafts, _) = self.all();
        drafts.retain(|draft| draft.head.target == target);
        drafts
    }
}

impl Draft {
    /// Keeps other runs from resuming it; `None` if one does so already, or if it was deleted.
    pub fn lock(self) -> Option<LockedDraft> {
        let file = File::open(&self.path).ok()?;
        file.try_lock().ok()?;
        self.path
            .exists()
            .then_some(LockedDraft { draft: self, file })
    }
}

/// A draft that this run alone works on. Dropping it leaves the draft there.
#[derive(Debug)]
pub struct LockedDraft {
    draft: Draft,
    file: File,
}

impl LockedDraft {
    /// The draft.
    pub fn draft(&self) -> &Draft {
        &self.draft
    }

    /// Decrypts it with one of these keys.
    ///
    /// # Errors
    /// [`DraftOpenError`]
    pub fn open<'a>(
        &self,
        identities: impl IntoIterator<Item = &'a Identity>,
    ) -> Result<DraftContents, DraftOpenError> {
        let path = self.draft.path.clone();
        match sealed::open(BufReader::new(&self.file), identities) {
            Ok(Some(contents)) => Ok(contents),
            Err(DecryptError::NoMatchingKeys) => Err(DraftOpenError::NoKey { path }),
            Err(DecryptError::Io(source)) if source.kind() != io::ErrorKind::InvalidData => {
                Err(DraftOpenError::Read { path, source })
            }
            Ok(None) | Err(_) => Err(DraftOpenError::Damaged { path }),
        }
    }

    /// Removes it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn discard(self) -> io::Result<()> {
        state::remove(&self.draft.path)
    }
}

/// Removes the temporary files of runs that were killed while they wrote a draft.
fn clear_temporary(directory: &Path) {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let temporary = entries.filter(|entry| replace::is_temporary(&entry.file_name()));
    let temporary: Vec<PathBuf> = temporary.map(|entry| entry.path()).collect();
    replace::clear_strays(&temporary);
}

fn head_of(path: &Path) -> Option<Head> {
    if !path.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let file = File::open(path).ok()?;
    sealed::head(BufReader::new(file.take(LONGEST_HEAD)))
}

/// `db-secret.yaml.1a2b3c4d.age`: the name of the file, for whoever looks into the
/// directory.
fn new_name(head: &Head) -> io::Result<String> {
    // Characters, of up to four bytes; a name has at most 255 bytes.
    const LONGEST: usize = 50;
    let mut random = [0; RANDOM_LENGTH / 2];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = head.name.to_string_lossy();
    let name: String = name.trim_start_matches('.').chars().take(LONGEST).collect();
    Ok(format!("{name}.{random}.{ENDING}"))
}
