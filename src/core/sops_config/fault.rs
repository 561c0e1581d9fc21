//! What makes a rule unusable.

use std::path::Path;

use super::model::{ConfigError, Position};
use super::path_regex::RegexError;
use crate::core::identity::{Recipient, RecipientError};
use crate::core::readers::KeyKind;
use crate::core::yaml::{Node, NotParsed};

/// Something in a rule that sops stumbles over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) position: Position,
    pub(super) kind: FaultKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// kb cannot tell what the `path_regex` matches.
    PathRegex {
        expression: String,
        source: RegexError,
    },
    /// Neither an age recipient nor a placeholder.
    Recipient(String),
    /// Not a key of this kind.
    Key { kind: KeyKind, value: String },
    /// Several fields that say which values are encrypted.
    Selections(Vec<&'static str>),
    /// Key groups that no file can be encrypted for.
    Groups(&'static str),
    /// More than kb reads.
    Beyond(&'static str),
    /// A value of another type.
    Type {
        expected: &'static str,
        /// Whether sops then reads nothing of the file.
        stops_sops: bool,
    },
}

impl Fault {
    /// Whether sops reads nothing of a file that has it.
    pub(super) fn stops_sops(&self) -> bool {
        matches!(
            self.kind,
            FaultKind::Type {
                stops_sops: true,
                ..
            }
        )
    }

    /// The same as an error of the file at `path`.
    pub(super) fn of(&self, path: &Path) -> ConfigError {
        let place = self.position.in_file(path);
        match &self.kind {
            FaultKind::PathRegex { expression, source } => ConfigError::PathRegex {
                place,
                expression: expression.clone(),
                source: source.clone(),
            },
            FaultKind::Recipient(value) => ConfigError::Recipient {
                place,
                source: value
                    .parse::<Recipient>()
                    .err()
                    .unwrap_or(RecipientError::Unknown),
                value: shown(value),
            },
            FaultKind::Key { kind, value } => ConfigError::Key {
                place,
                kind: *kind,
                value: shown(value),
            },
            FaultKind::Selections(fields) => ConfigError::Selections {
                place,
                fields: fields.clone(),
            },
            FaultKind::Groups(reason) | FaultKind::Beyond(reason) => ConfigError::Parse {
                place,
                reason: (*reason).to_owned(),
            },
            FaultKind::Type { expected, .. } => ConfigError::Parse {
                place,
                reason: (*expected).to_owned(),
            },
        }
    }
}

/// What is left of a key that is wrapped or in groups.
pub(super) fn letters_and_digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// The text, unless it is a private key, in whatever form.
fn shown(text: &str) -> String {
    let letters = letters_and_digits(text).to_ascii_uppercase();
    if letters.contains("AGESECRETKEY") {
        "[private key]".to_owned()
    } else {
        text.to_owned()
    }
}

impl From<&Node<'_>> for Position {
    fn from(node: &Node<'_>) -> Self {
        Self {
            line: node.line as u64,
            column: node.column as u64 + 1,
        }
    }
}

impl From<&NotParsed> for Position {
    fn from(error: &NotParsed) -> Self {
        Self {
            line: error.line,
            column: error.column,
        }
    }
}
