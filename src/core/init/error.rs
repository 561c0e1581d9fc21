//! What can stop `init`.

use std::fmt;
use std::path::PathBuf;

use crate::core::cluster::{ClusterError, SecretName};
use crate::core::flux_secret::FetchError;
use crate::core::identity::Recipient;
use crate::core::reencrypt::ReencryptError;
use crate::core::replace::ReplaceError;
use crate::core::sops_config::{ConfigEditError, ConfigError, PlacementError};

/// What a `.sops.yaml` lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigGap {
    /// It does not name the recipient.
    Name,
    /// It has no rule for these paths that names the recipient.
    Rule(String),
    /// It still names another one that this one was to replace.
    Replacement(Recipient),
}

impl fmt::Display for ConfigGap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("does not name it"),
            Self::Rule(paths) => write!(f, "does not name it in a rule for {paths}"),
            Self::Replacement(old) => write!(f, "still names {old}"),
        }
    }
}

/// Why `init` stopped. Unless a variant says otherwise, nothing was changed but
/// that a namespace which was to be created may be there now.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The API server.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Reading `.sops.yaml`.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Editing `.sops.yaml`.
    #[error(transparent)]
    Edit(#[from] ConfigEditError),
    /// Writing `.sops.yaml`, before anything else was changed.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// Moving files for retired keys, some of which may be moved.
    #[error(transparent)]
    Reencrypt(#[from] ReencryptError),
    /// The Secret holds only keys that are retired.
    #[error("the Secret {secret} holds no other keys than retired ones")]
    OnlyRetired {
        /// The Secret.
        secret: SecretName,
    },
    /// The cluster's key is another one than a moment ago.
    #[error("the key in the Secret {secret} was changed by someone else meanwhile")]
    KeyChanged {
        /// The Secret.
        secret: SecretName,
    },
    /// A rotation is under way.
    #[error("a rotation of the cluster's key is under way ({secret})")]
    UnderWay {
        /// The Secret.
        secret: SecretName,
    },
    /// Asking the cluster for its keys.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The Secret is there and has a key, and `.sops.yaml` does not name it.
    #[error(
        "the cluster has its key already ({secret}: {recipient}), and {} {lack}",
        .config_path.display()
    )]
    NotNamed {
        /// The Secret.
        secret: SecretName,
        /// The recipient of its key.
        recipient: Recipient,
        /// The `.sops.yaml`.
        config_path: PathBuf,
        /// What it lacks.
        lack: ConfigGap,
    },
    /// The Secret is there and has a key whose recipient kb cannot tell.
    #[error(
        "the cluster has a post-quantum key already ({secret}), whose recipient kb cannot compute"
    )]
    UnknownRecipient {
        /// The Secret.
        secret: SecretName,
    },
    /// The key to import is a post-quantum one.
    #[error("the key is a post-quantum one, whose recipient kb cannot compute for .sops.yaml")]
    ImportUnknownRecipient,
    /// The cluster has another key than the one to import.
    #[error(
        "the cluster has another key already ({secret}: {held}); the one to import is {imported}"
    )]
    ImportOther {
        /// The Secret.
        secret: SecretName,
        /// The recipient of its key.
        held: Recipient,
        /// The recipient of the key to import.
        imported: Recipient,
    },
    /// The cluster has no key that `.sops.yaml` could be brought in line with.
    #[error("the cluster has no Secret {secret}, and so no key for .sops.yaml")]
    NothingExists {
        /// The Secret.
        secret: SecretName,
    },
    /// Choosing a rule of `.sops.yaml`.
    #[error(transparent)]
    Choose(#[from] PlacementError),
    /// Files remain that only the recipient to replace opens, or may remain.
    #[error("{}", still_needed(.old, .files, .unread))]
    StillNeeded {
        /// The recipient.
        old: Recipient,
        /// The files.
        files: Vec<PathBuf>,
        /// What could not be read.
        unread: Vec<PathBuf>,
    },
    /// The namespace is missing, and was not to be made.
    #[error("the namespace {namespace} is not there")]
    NamespaceMissing {
        /// The namespace.
        namespace: String,
    },
    /// Someone created the Secret while kb was about to, and deleted it again.
    #[error("the Secret {secret} came and went while kb was about to create it")]
    Vanished {
        /// The Secret.
        secret: SecretName,
    },
    /// The server did not answer when the Secret was to be created: it may be
    /// there. Nobody has seen its key, and `.sops.yaml` does not name it.
    #[error("it is not certain whether the Secret {secret} was created")]
    Uncertain {
        /// The Secret.
        secret: SecretName,
        /// Why there was no answer.
        #[source]
        source: Box<ClusterError>,
    },
    /// `.sops.yaml` could not be written after the Secret was created. The
    /// Secret is gone again, and nobody has seen its key.
    #[error("the new Secret {secret} was taken back, because .sops.yaml was not written")]
    TakenBack {
        /// The Secret.
        secret: SecretName,
        /// The `.sops.yaml`.
        config_path: PathBuf,
        /// Why.
        #[source]
        source: ReplaceError,
    },
    /// The same, and the Secret could not be deleted either: it is still there.
    #[error("the new Secret {secret} could not be taken back after this: {write}")]
    LeftBehind {
        /// The Secret.
        secret: SecretName,
        /// Why `.sops.yaml` was not written.
        write: ReplaceError,
        /// Why the Secret was not deleted.
        #[source]
        cleanup: Box<ClusterError>,
    },
}

fn still_needed(old: &Recipient, files: &[PathBuf], unread: &[PathBuf]) -> String {
    match (files.len(), unread.len()) {
        (0, _) => format!("what cannot be read here may be encrypted for {old} alone"),
        (1, _) => format!("without the key of {old} nobody could read this file again"),
        (count, _) => {
            format!("without the key of {old} nobody could read these {count} files again")
        }
    }
}
