//! Hints for what goes wrong with `.sops.yaml`.

use std::io::ErrorKind;

use super::Failure;
use crate::cli::options::quoted;
use crate::core::replace::ReplaceError;
use crate::core::sops_config::{ConfigError, EditError};

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            ConfigError::Read { .. } => failure.hint("ls -l shows who may read it"),
            ConfigError::Parse { .. } => failure.hint("the file's form: https://getsops.io/docs/#using-sopsyaml-conf-to-select-kms-pgp-and-age-for-new-files"),
            ConfigError::Recipient { .. } => failure
                .hint("age-keygen -y prints the recipient of a private key")
                .hint("a key that is still to be filled in is written <key>"),
        }
    }
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            EditError::Form { .. } | EditError::Unintended { .. } => failure
                .hint("write the rule by hand with a placeholder, age: <key>, and run it again"),
        }
    }
}

impl From<ReplaceError> for Failure {
    fn from(error: ReplaceError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            ReplaceError::Io { path, source } => {
                let directory = path.parent().unwrap_or(&path).to_string_lossy();
                let directory = quoted(&directory);
                failure.hint(match source.kind() {
                    ErrorKind::NotFound => format!("mkdir -p {directory}"),
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                        format!("df {directory} shows what is left on the disk")
                    }
                    _ => format!("ls -ld {directory} shows who may write there"),
                })
            }
            ReplaceError::Changed { .. } => failure.hint("look at it, and run it again"),
        }
    }
}
