//! What can stop a rotation.

use std::path::PathBuf;

use crate::core::cluster::{ClusterError, SecretName};
use crate::core::flux_secret::Manager;
use crate::core::flux_secret::{BadLine, FetchError, JournalError, SecretCopy};
use crate::core::identity::Recipient;
use crate::core::reencrypt::{FailedFile, ReencryptError};

/// Why a rotation stopped. Unless a variant says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// It was not begun.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Reading the cluster's keys.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Changing the Secret, or trying to.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Re-encrypting.
    #[error(transparent)]
    Reencrypt(#[from] ReencryptError),
    /// kb was told to stop.
    #[error("stopped: nothing was changed")]
    Stopped,
    /// The server did not answer when the new key was to be put there: it may be
    /// there. No file was changed.
    #[error("it is not certain whether the new key is in the Secret {secret}")]
    Uncertain {
        /// The Secret.
        secret: SecretName,
        /// Why there was no answer.
        #[source]
        source: Box<ClusterError>,
    },
    /// The new key is in the cluster, beside the old one; some files may be moved,
    /// and others not.
    #[error("the rotation is not finished")]
    Interrupted {
        /// Why.
        #[source]
        source: Box<RotateError>,
    },
    /// A copy of the Secret did not take the new key. No file was changed.
    #[error("the copy {secret} did not take the new key")]
    Copy {
        /// The copy.
        secret: SecretName,
        /// Why.
        #[source]
        source: Box<JournalError>,
    },
    /// All is done but the last update of the Secret, which holds both keys.
    #[error("the new key is not the current one in the Secret {secret} yet")]
    NotPromoted {
        /// The Secret, or a copy of it.
        secret: SecretName,
        /// Whether it is a copy.
        is_copy: bool,
        /// Why.
        #[source]
        source: Box<JournalError>,
    },
}

/// Why a rotation is not begun.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The keys in the Secret, or the one to import.
    #[error(transparent)]
    Keys(#[from] BadKeys),
    /// Nothing in the repository knows any of the cluster's keys.
    #[error("nothing in this repository is for this cluster ({secret}: {})", Recipient::list(.held))]
    WrongCluster {
        /// The Secret.
        secret: SecretName,
        /// The recipients of its keys.
        held: Vec<Recipient>,
        /// What could not be read, and so may know them.
        unread: Vec<PathBuf>,
    },
    /// The repository knows only keys of the cluster that are retired.
    #[error("this clone knows only retired keys of the cluster ({secret}: now {})", Recipient::list(.current))]
    Behind {
        /// The Secret.
        secret: SecretName,
        /// The recipients of its current keys.
        current: Vec<Recipient>,
    },
    /// Something else would put the old key back.
    #[error("the Secret {secret} is managed by {}, which would put the old key back", in_words(.managers))]
    Managed {
        /// The Secret, or a copy of it.
        secret: SecretName,
        /// By whom.
        managers: Vec<Manager>,
    },
    /// The repository holds the very Secret, and Flux would put the old key back.
    #[error(
        "a manifest of the Secret {secret} is in this repository: Flux would put the old key back from it"
    )]
    InRepository {
        /// The Secret.
        secret: SecretName,
        /// The files.
        files: Vec<PathBuf>,
    },
    /// The Secret has `immutable: true`.
    #[error("the Secret {secret} is immutable: its keys cannot be changed")]
    Immutable {
        /// The Secret, or a copy of it.
        secret: SecretName,
        /// Whether it is a copy.
        is_copy: bool,
    },
    /// Files that cannot be moved.
    #[error("{}", match .0.len() {
        1 => "a file cannot be re-encrypted".to_owned(),
        count => format!("{count} files cannot be re-encrypted"),
    })]
    Files(Vec<FailedFile>),
    /// Kustomizations decrypt with copies of the Secret.
    #[error("Kustomizations decrypt with copies of the key")]
    Copies(Vec<SecretCopy>),
    /// The same, and kb may not read them.
    #[error("Kustomizations decrypt with Secrets that kb may not read")]
    UnreadableCopies(Vec<SecretCopy>),
    /// The rotation cannot run in a copy.
    #[error("the copy {secret} cannot be rotated too: {why}")]
    UnfitCopy {
        /// The copy.
        secret: SecretName,
        /// Why.
        why: UnfitCopy,
    },
    /// The cluster has no Secret, and files are for a key of `.sops.yaml`.
    #[error("the cluster has no key, and files remain for keys of .sops.yaml")]
    KeyIsMissing {
        /// The files.
        files: Vec<PathBuf>,
    },
}

/// Why a rotation cannot run in a copy of the Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitCopy {
    /// Another rotation is under way there.
    #[error("a rotation of its own is under way there")]
    UnderWay,
    /// Keys are in use there that are not replaced.
    #[error("it holds other keys beside the old one")]
    OtherKeys,
    /// Lines in it are no keys, and would be lost.
    #[error("it holds lines that are no keys")]
    BadLines,
}

/// What is wrong with the keys.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadKeys {
    /// Lines of the Secret that would be moved, and are no identities.
    #[error("the Secret {secret} holds lines that are no keys")]
    Lines {
        /// The Secret.
        secret: SecretName,
        /// The lines.
        lines: Vec<BadLine>,
    },
    /// A key in use is a post-quantum one.
    #[error("the cluster's key is a post-quantum one, whose recipient kb cannot compute")]
    UnknownRecipient,
    /// The key to import is a post-quantum one.
    #[error("the new key is a post-quantum one, whose recipient kb cannot compute")]
    NewUnknown,
    /// The key that is being brought in is one.
    #[error(
        "age.next.agekey in the Secret {0} holds a post-quantum key, which kb did not put there"
    )]
    NextUnknown(SecretName),
    /// A rotation to another key than the one to import is under way.
    #[error("a rotation to another key is under way{}", .0.as_ref().map_or(String::new(), |key| format!(": {key}")))]
    OtherUnderWay(Option<Recipient>),
    /// The key to import is the cluster's key.
    #[error("the key to import is the one that the cluster has: {0}")]
    Same(Recipient),
}

fn in_words(managers: &[Manager]) -> String {
    let texts: Vec<String> = managers.iter().map(ToString::to_string).collect();
    texts.join(" and ")
}
