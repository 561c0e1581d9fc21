//! Why sops did not do it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use secrecy::SecretString;

use crate::core::excerpt::excerpt;

use super::encrypt::ENCRYPT;
use super::rotate::ROTATE;
use super::{MINIMUM_VERSION, SopsVersion};

/// Why sops did not do it.
#[derive(Debug, thiserror::Error)]
pub enum SopsError {
    /// It is not on `PATH`.
    #[error("sops is not installed: there is no such program on PATH")]
    NotInstalled,
    /// It could not be started.
    #[error("cannot start {}", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is too old.
    #[error("{} is version {found}, and kb needs {MINIMUM_VERSION} or newer", .program.display())]
    TooOld {
        /// The program.
        program: PathBuf,
        /// Its version.
        found: SopsVersion,
    },
    /// What it answers to `--version` is not sops's answer.
    #[error("{} does not say its version as sops does", .program.display())]
    NotSops {
        /// The program.
        program: PathBuf,
    },
    /// Exit 51: the file was changed by hand after it was encrypted.
    #[error("the MAC of {} does not match: it was changed without sops", .file.display())]
    MacMismatch {
        /// The file.
        file: PathBuf,
    },
    /// Exit 128: none of the keys opened it.
    #[error("sops cannot open {} with any key it found:\n{said}", .file.display())]
    NoKey {
        /// The file.
        file: PathBuf,
        /// What became of each key, as sops says it.
        said: String,
    },
    /// `--extract` names something that is not in the file, or is no path.
    #[error("--extract {expression} names nothing in {}", .file.display())]
    Extract {
        /// The file.
        file: PathBuf,
        /// What was asked for.
        expression: String,
    },
    /// It cannot take the text that is to be encrypted for what the file's name
    /// says that it is.
    #[error("sops does not take the text for {}", .file.display())]
    Refused {
        /// The file.
        file: PathBuf,
        /// Why, in sops's words. They may quote the text.
        said: SecretString,
    },
    /// It was to be encrypted for something that kb cannot read as a key.
    #[error("{} cannot be encrypted for {reader}", .file.display())]
    NotAKey {
        /// The file.
        file: PathBuf,
        /// What it was to be for.
        reader: String,
    },
    /// kb was told to end while it ran.
    #[error("kb was stopped by a signal, and ended sops")]
    Stopped,
    /// Anything else. What sops said is not repeated: many of its messages
    /// quote the file, and where a person typed a plaintext into an encrypted
    /// file that is the plaintext.
    #[error("sops cannot {task} {}: {reason} ({status})", .file.display())]
    Failed {
        /// What it was to do, as in "decrypt".
        task: &'static str,
        /// The file.
        file: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What the exit code means.
        reason: &'static str,
    },
}

/// So many keys are named that do not open a file.
const MOST_LINES: usize = 20;

/// The exit code for a value that does not decrypt (`cmd/sops/codes`,
/// `ErrorDecryptingTree`).
const BAD_VALUE: i32 = 25;

impl SopsError {
    /// Whether it is a value of the file that does not decrypt.
    pub fn is_of_a_value(&self) -> bool {
        matches!(self, Self::Failed { status, .. } if status.code() == Some(BAD_VALUE))
    }

    /// What the exit code of a `task` with `file` means; `said` is its stderr.
    pub(super) fn new(task: &'static str, file: &Path, status: ExitStatus, said: &str) -> Self {
        let file = file.to_owned();
        let reason = match status.code() {
            Some(51) => return Self::MacMismatch { file },
            Some(128) if task != ENCRYPT => {
                // The lines between quote the metadata, where anything may stand.
                let of_keys =
                    |line: &&str| line.ends_with(": FAILED") || line.ends_with(": SUCCESS");
                let lines = said.lines().filter(of_keys).take(MOST_LINES);
                let said = lines.map(excerpt).collect::<Vec<String>>().join("\n");
                return Self::NoKey { file, said };
            }
            Some(128) => "it cannot reach a key that the file is to be for",
            Some(1) if task == ENCRYPT => "it cannot reach a key of its rule, or read its config",
            Some(1) if task == ROTATE => {
                "it cannot encrypt for a recipient of the file, or read its sops metadata"
            }
            Some(1) => "it cannot read the file or its sops metadata",
            Some(3) => "it cannot write to its temporary directory",
            Some(4) => "the plaintext does not fit the file's format",
            Some(5) => "it cannot read its config",
            Some(21) => "it cannot encrypt the MAC",
            Some(61) => "it finds no .sops.yaml",
            Some(111) => "its rule has no key",
            Some(24) => "its MAC is damaged",
            Some(BAD_VALUE) => "a value in it was damaged, or typed in without sops",
            Some(52) => "it has no MAC",
            _ => "it does not say why by its exit code",
        };
        Self::Failed {
            task,
            file,
            status,
            reason,
        }
    }
}
