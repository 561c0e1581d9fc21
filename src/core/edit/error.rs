//! What can stop `edit`.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::core::audit::Mismatch;
use crate::core::decrypt::DecryptError;
use crate::core::drafts::{DraftError, DraftOpenError, Head};
use crate::core::editor::EditorError;
use crate::core::encrypted::FileError;
use crate::core::git::GitError;
use crate::core::identity::Recipient;
use crate::core::private_dir::{PlaceError, PrivateDir};
use crate::core::readers::Reader;
use crate::core::replace::ReplaceError;
use crate::core::reviewed::Unreviewed;
use crate::core::sops::SopsError;
use crate::core::sops_config::{ConfigError, RuleSummary};

/// Why `edit` stopped. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// Reading the file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Reading `.sops.yaml`.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Asking the cluster for its keys, or decrypting.
    #[error(transparent)]
    Decrypt(#[from] DecryptError),
    /// sops, when it encrypted.
    #[error(transparent)]
    Sops(#[from] SopsError),
    /// Writing the file.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// Making the private directory.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The editor.
    #[error(transparent)]
    Editor(#[from] EditorError),
    /// The file is a link to something that is not there.
    #[error("{} is a link that leads nowhere", .path.display())]
    DanglingLink {
        /// The file.
        path: PathBuf,
    },
    /// There is no `.sops.yaml` to say who a new file is for.
    #[error("{} is new, and there is no .sops.yaml that says for whom it is to be encrypted", .path.display())]
    NoConfig {
        /// The file.
        path: PathBuf,
    },
    /// No rule is for a new file.
    #[error("{} is new, and no rule of {} is for it", .path.display(), .config_path.display())]
    NoRule {
        /// The file.
        path: PathBuf,
        /// The `.sops.yaml`.
        config_path: PathBuf,
        /// The rules that there are.
        rules: Vec<RuleSummary>,
    },
    /// The rule for a new file has no key.
    #[error("the rule for {} in {} has no key ({rule})", .path.display(), .config_path.display())]
    RuleWithoutKey {
        /// The file.
        path: PathBuf,
        /// The `.sops.yaml`.
        config_path: PathBuf,
        /// The rule.
        rule: RuleSummary,
    },
    /// The file is still encrypted for a key that was retired.
    #[error("{} is still encrypted for a retired key of the cluster: {retired}", .path.display())]
    Retired {
        /// The file.
        path: PathBuf,
        /// The key.
        retired: Recipient,
    },
    /// A text for this file waits to be saved.
    #[error("there is a draft for {} that is not saved yet", .path.display())]
    Waiting {
        /// The file.
        path: PathBuf,
        /// Where the text is.
        kept: Box<KeptDraft>,
    },
    /// There is no draft for this file.
    #[error("there is no draft for {}", .path.display())]
    NothingKept {
        /// The file.
        path: PathBuf,
    },
    /// Signals cannot be watched.
    #[error("cannot watch for signals")]
    Watch(#[source] io::Error),
    /// The memory did not take the text, or did not give it back.
    #[error("cannot write to {} or read it", .path.display())]
    Memory {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The text was closed as bad as it was, or too often.
    #[error("the text was not saved: {reason}")]
    GivenUp {
        /// What is wrong with it.
        reason: String,
    },
    /// The text was closed as it was, and what stdin holds was not read.
    #[error("nothing was saved: the editor did not read what was piped in for {}", .path.display())]
    NotRead {
        /// The file.
        path: PathBuf,
    },
    /// The text was closed as it was, and its MAC is as wrong as before.
    #[error("nothing was saved: the MAC of {} still does not match", .path.display())]
    MacNotFixed {
        /// The file.
        path: PathBuf,
    },
    /// kb got a signal to stop.
    #[error("kb was stopped by a signal: nothing was saved")]
    Stopped,
    /// The editor, or someone else, took the text away.
    #[error("the text is gone: {} was removed while the editor ran", .path.display())]
    Gone {
        /// Where it was.
        path: PathBuf,
    },
    /// Someone removed what was typed.
    #[error("{reason}; and the text could not be kept, because someone removed it")]
    Lost {
        /// Why it was not saved.
        reason: Box<EditError>,
    },
    /// Its editor still runs, and kb does not.
    #[error("{} is still open in the editor of a killed kb (pid {pid})", .path.display())]
    StillOpen {
        /// The file.
        path: PathBuf,
        /// The process.
        pid: u32,
    },
    /// The draft is not opened.
    #[error(transparent)]
    Draft(#[from] DraftOpenError),
    /// The draft is not removed.
    #[error("cannot remove the draft {}", .path.display())]
    NotRemoved {
        /// The age file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another run works on the text that waits.
    #[error("another kb works on the text for {}", .path.display())]
    Resumed {
        /// The file.
        path: PathBuf,
    },
    /// A text was for another cluster's key.
    #[error("{} is for another key now than when this text was opened", .path.display())]
    OtherKeys {
        /// The file.
        path: PathBuf,
        /// Who it was for.
        before: Vec<Recipient>,
        /// Who it is for.
        now: Vec<Recipient>,
    },
    /// None of the cluster's keys opens what sops made by the rule.
    #[error("no key of this cluster alone would open {} by its rule", .path.display())]
    NotOpened {
        /// The file.
        path: PathBuf,
    },
    /// Its metadata is not as its rule says: nothing authenticates it.
    #[error("{} is encrypted otherwise than its rule {} says", .path.display(), .mismatch.rule)]
    OtherThanRule {
        /// The file.
        path: PathBuf,
        /// How it differs.
        mismatch: Box<Mismatch>,
    },
    /// Its rule was changed while the editor was open.
    #[error("the rule of {} was changed while the editor was open", .path.display())]
    RuleChanged {
        /// The file.
        path: PathBuf,
    },
    /// Its rule names servers that nobody has accepted.
    #[error("to encrypt {}, its data key would be sent to {}", .path.display(), Reader::list(.servers))]
    Servers {
        /// The file.
        path: PathBuf,
        /// The keys on them.
        servers: Vec<Reader>,
    },
    /// It would be for readers that could not read it where it was reviewed.
    #[error(transparent)]
    Unreviewed(#[from] Unreviewed),
    /// git could not tell what was reviewed.
    #[error("cannot tell which readers of the file were reviewed")]
    Git(#[from] GitError),
    /// sops made something else than a file for the keys that it should be for.
    #[error("sops encrypted {} for other keys than its rule named before", .path.display())]
    WrongKeys {
        /// The file.
        path: PathBuf,
    },
    /// Something went wrong, and there is a text that is not saved: it is kept.
    #[error("{source}")]
    Kept {
        /// Where the text is.
        kept: Box<KeptDraft>,
        /// What went wrong.
        source: Box<EditError>,
    },
}

/// Where a text is that is not saved.
#[derive(Clone, Debug)]
pub struct KeptDraft {
    /// What it is.
    pub head: Head,
    /// Where it is.
    pub place: KeptPlace,
}

/// Where a text is that is not saved.
#[derive(Clone, Debug)]
pub enum KeptPlace {
    /// Encrypted, in this file.
    Draft(PathBuf),
    /// In plaintext, in this file.
    Plain {
        /// The text.
        path: PathBuf,
        /// Whether that is in memory.
        in_memory: bool,
        /// Why it is not a draft.
        reason: Arc<DraftError>,
    },
}

impl EditError {
    /// The private directory did not take something, or did not give it back.
    pub(super) fn memory(directory: &PrivateDir, source: io::Error) -> Self {
        Self::Memory {
            path: directory.text(),
            source,
        }
    }
}
