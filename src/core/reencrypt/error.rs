//! What can keep files from being moved.

use std::path::PathBuf;

use super::UndecidedReason;
use crate::core::encrypted::FileError;
use crate::core::encrypted::{OpenError, Unsupported};
use crate::core::git::GitError;
use crate::core::identity::Recipient;
use crate::core::replace::ReplaceError;
use crate::core::sops::SopsError;
use crate::core::sops_config::{ConfigEditError, ConfigError};

/// A file, and why it cannot be moved.
#[derive(Debug)]
pub struct FailedFile {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub why: FileReencryptError,
}

/// Why a file cannot be moved.
#[derive(Debug, thiserror::Error)]
pub enum FileReencryptError {
    /// It is not there, cannot be read, or is damaged.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its rule names the cluster's key, and the file does not: someone may have
    /// removed it from the metadata, which nothing authenticates.
    #[error("it is not encrypted for this cluster's key, which its rule names")]
    NotForCluster,
    /// Someone has to decide about its readers.
    #[error(transparent)]
    Undecided(#[from] UndecidedReason),
    /// It was changed since its readers were decided.
    #[error("it was changed meanwhile")]
    Changed,
    /// sops may see other keys in it than kb does.
    #[error("kb cannot tell for certain which keys sops would use: {0}")]
    Unsure(Unsupported),
    /// sops cannot re-encrypt it.
    #[error(transparent)]
    Sops(#[from] SopsError),
    /// kb does not re-encrypt it by itself, and was not to let sops do it; or something
    /// in it is not authentic.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// sops would take a comment that it cannot open for plaintext.
    #[error("an encrypted value in a comment of it does not open, and would be lost")]
    LostComment,
    /// The result is for others than it should be.
    #[error("the result is for other recipients than it should be")]
    OtherRecipients,
    /// The result does not open with the new key.
    #[error("the result does not open with the new key")]
    NotForNew,
    /// The result holds other values.
    #[error("the result does not hold the same values")]
    OtherValues,
    /// The result still opens with an old key.
    #[error("the result still opens with an old key")]
    StillForOld,
    /// The result has the old data key, which whoever had an old key knows.
    #[error("the result has the old data key")]
    SameDataKey,
    /// It cannot be replaced.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
}

impl FileReencryptError {
    /// Whether it may be what re-encrypts the file, and not what is in it.
    pub(super) fn is_of_the_engine(&self) -> bool {
        match self {
            Self::Sops(error) => match error {
                SopsError::MacMismatch { .. } | SopsError::NoKey { .. } => false,
                error => !error.is_of_a_value(),
            },
            Self::Open(OpenError::NoRandomness)
            | Self::OtherRecipients
            | Self::NotForNew
            | Self::OtherValues
            | Self::StillForOld
            | Self::SameDataKey
            | Self::Replace(_) => true,
            Self::File(error) => matches!(error, FileError::Read { .. }),
            Self::Open(_)
            | Self::NotForCluster
            | Self::Undecided(_)
            | Self::Changed
            | Self::Unsure(_)
            | Self::LostComment => false,
        }
    }
}

/// Why files were not moved. Unless a variant says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReencryptError {
    /// Some files cannot be moved.
    #[error("{}", troubled(.0.len()))]
    Files(Vec<FailedFile>),
    /// A `.sops.yaml` that names the key cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A `.sops.yaml` cannot be edited.
    #[error(transparent)]
    Edit(#[from] ConfigEditError),
    /// A `.sops.yaml` cannot be replaced, or files cannot be written.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// Which rules were reviewed, git could not tell.
    #[error("cannot tell which rules were reviewed")]
    Git(#[from] GitError),
    /// What could be read before cannot be read any more.
    #[error("{}", unread(.0))]
    Unread(Vec<PathBuf>),
    /// kb was told to stop.
    #[error("stopped")]
    Stopped,
    /// Some files were moved, and others not: someone else changes them all the
    /// time.
    #[error("files for {} are changed by someone else all the time", Recipient::list(.old))]
    Unsettled {
        /// The recipients that should be gone.
        old: Vec<Recipient>,
        /// The files that still name them.
        files: Vec<PathBuf>,
    },
}

fn unread(paths: &[PathBuf]) -> String {
    match paths {
        [path] => format!("{} cannot be read any more", path.display()),
        paths => format!("{} places cannot be read any more", paths.len()),
    }
}

fn troubled(count: usize) -> String {
    match count {
        1 => "a file cannot be re-encrypted".to_owned(),
        count => format!("{count} files cannot be re-encrypted"),
    }
}
