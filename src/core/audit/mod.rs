//! Looks at files by the rules of `.sops.yaml` and by their own content. It needs no
//! cluster and no key.
//!
//! | module | holds |
//! | --- | --- |
//! | `sources` | which files there are, and their content: working tree or index |
//! | `content` | what stands in a file |
//! | `leak` | what of it must not be committed |
//! | `lost` | encrypted files that no rule is for any more |
//! | `mismatch` | whether an encrypted file is as its rule says |
//! | `keys` | private keys in any file |
//! | `ignored` | `.kbignore`: what people have decided to leave out |

mod content;
mod ignored;
mod keys;
mod leak;
mod lost;
mod mismatch;
mod sources;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use super::git::{BlobError, GitError};
use super::rules::Rules;

pub use content::{Cause, EncryptedContent, FileContent, Plain, PlainValue, Plaintext};
pub use ignored::{FILE_NAME as IGNORE_FILE, IgnoreChange};
pub use leak::Leak;
pub use lost::LostRule;
pub use mismatch::Mismatch;
pub use sources::{AuditOptions, Depth, index, working_tree};

/// Files that were looked at.
#[derive(Debug)]
pub struct Audit {
    /// The rules that they were looked at by.
    pub rules: Rules,
    /// Those of interest, ordered by path.
    pub files: Vec<Examined>,
    /// All that were looked at.
    pub paths: Vec<PathBuf>,
    /// What could not be read.
    pub unread: Vec<(PathBuf, io::Error)>,
    /// Those of them that `.kbignore` leaves out.
    pub ignored: Vec<PathBuf>,
    /// What the commit changes in `.kbignore`, if the index was looked at.
    pub ignore_change: Option<IgnoreChange>,
    /// The files whose conflict is not resolved, if the index was looked at.
    pub unmerged: Vec<PathBuf>,
    /// The encrypted files that no rule is for any more.
    pub lost_rules: HashMap<PathBuf, LostRule>,
}

/// A file that is of interest: it is encrypted, or should be, or holds a private key.
#[derive(Debug)]
pub struct Examined {
    /// Its path, absolute.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// The line in which an age private key stands, from 1.
    pub private_key: Option<u64>,
    /// What stands in it.
    pub content: FileContent,
    /// Whether `.kbignore` leaves it out: then only private keys and wrong readers count.
    pub is_ignored: bool,
}

/// Why files were not looked at.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Which files there are, git tells.
    #[error(transparent)]
    Git(#[from] GitError),
    /// What stands in the index, too.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A path that was named is not there.
    #[error("there is no {}", .path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
}
