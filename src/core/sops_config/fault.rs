//! What makes a rule unusable.

use std::path::Path;

use super::model::{ConfigError, Position};
use super::path_regex::RegexError;
use crate::core::excerpt::excerpt;
use crate::core::identity::{Recipient, RecipientError};
use crate::core::readers::KeyKind;
use crate::core::yaml::{Node, NotParsed};

/// Something in a rule that sops stumbles over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RuleFault {
    pub(super) position: Position,
    pub(super) kind: FaultKind,
}

/// What is wrong in a rule.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum FaultKind {
    /// kb cannot tell what the `path_regex` matches.
    #[error(
        "kb cannot tell which files the path_regex \"{}\" matches: {reason}",
        excerpt(.expression)
    )]
    PathRegex {
        /// The expression.
        expression: String,
        /// What is wrong with it.
        reason: RegexError,
    },
    /// Neither an age recipient nor a placeholder.
    #[error("\"{}\" is not a recipient: {reason}", excerpt(.value))]
    Recipient {
        /// What stands there, unless it is a private key.
        value: String,
        /// What is wrong with it.
        reason: RecipientError,
    },
    /// Not a key of this kind.
    #[error("\"{}\" is not a key for {}", excerpt(.value), .kind.metadata_name())]
    Key {
        /// The kind of key that it stands for.
        kind: KeyKind,
        /// What stands there, unless it is a private key.
        value: String,
    },
    /// A rule says in several ways which values are encrypted; sops takes one.
    #[error("the rule has {}, and sops takes only one of them", .0.join(" and "))]
    Selections(Vec<&'static str>),
    /// Key groups that no file can be encrypted for, or more than kb reads.
    #[error("{0}")]
    Beyond(&'static str),
    /// A value of another type.
    #[error("{expected}")]
    Type {
        /// What kb says of it.
        expected: &'static str,
        /// Whether sops then reads nothing of the file.
        stops_sops: bool,
    },
}

impl FaultKind {
    /// A text that is no key of this kind.
    pub(super) fn of_key(kind: KeyKind, text: &str) -> Self {
        let value = shown(text);
        if kind == KeyKind::Age {
            let reason = text.parse::<Recipient>().err();
            let reason = reason.unwrap_or(RecipientError::Unknown);
            Self::Recipient { value, reason }
        } else {
            Self::Key { kind, value }
        }
    }
}

impl RuleFault {
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
        ConfigError::Fault {
            place: self.position.in_file(path),
            kind: self.kind.clone(),
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
