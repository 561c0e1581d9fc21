//! What stands in a `.sops.yaml`, and what may be wrong with it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde_saphyr::Location;

use super::path_regex::{PathRegex, RegexError, TooComplex};
use super::selection::Selection;
use crate::core::identity::{Recipient, RecipientError};

/// Why a `.sops.yaml` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not YAML, or not a `.sops.yaml`.
    #[error("{place}: {reason}")]
    Parse {
        /// `FILE:LINE:COLUMN`.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// It is called `.sops.yml`, which sops passes over.
    #[error("sops does not read {}: its config is called .sops.yaml", .path.display())]
    Misnamed {
        /// The file.
        path: PathBuf,
    },
    /// sops cannot compile a `path_regex`.
    #[error("{place}: the path_regex \"{expression}\" does not compile")]
    PathRegex {
        /// `FILE:LINE:COLUMN`.
        place: String,
        /// The expression.
        expression: String,
        /// What is wrong with it.
        #[source]
        source: RegexError,
    },
    /// Something stands as a recipient that is none, and no placeholder either.
    #[error("{place}: \"{value}\" is no recipient")]
    Recipient {
        /// `FILE:LINE:COLUMN`.
        place: String,
        /// What stands there.
        value: String,
        /// What is wrong with it.
        #[source]
        source: RecipientError,
    },
}

/// What is left of a key that is wrapped or in groups.
fn letters_and_digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// The text, unless it is a private key, in whatever form.
fn shown(text: &str) -> String {
    match letters_and_digits(text)
        .to_ascii_uppercase()
        .contains("AGESECRETKEY")
    {
        true => "[private key]".to_owned(),
        false => text.to_owned(),
    }
}

/// A place in the file, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

impl Position {
    /// The place of a byte in a text.
    pub(in crate::core) fn of(text: &str, at: usize) -> Self {
        let line = &text[text[..at].rfind('\n').map_or(0, |found| found + 1)..at];
        Self {
            line: text[..at].matches('\n').count() as u64 + 1,
            column: line.chars().count() as u64 + 1,
        }
    }

    /// `FILE:LINE:COLUMN`
    pub fn in_file(self, path: &Path) -> String {
        format!("{}:{}:{}", path.display(), self.line, self.column)
    }
}

impl From<Location> for Position {
    fn from(location: Location) -> Self {
        Self {
            line: location.line(),
            column: location.column(),
        }
    }
}

/// What stands where an age recipient belongs.
#[derive(Clone, Debug)]
pub struct KeyText {
    /// The text, without the spaces around it.
    pub text: String,
    /// Where it stands (for an alias: where it is defined).
    pub position: Position,
}

impl KeyText {
    /// A text that a template leaves for the reader to fill in: `<…>`, or
    /// `age1` followed by something that no key has, as in `age1abc...`.
    pub fn is_placeholder(&self) -> bool {
        is_placeholder(&self.text)
    }
}

/// A run of letters and digits that is as long as this is no example of a key
/// (one has 62 characters).
const LONGEST_EXAMPLE: usize = 30;

/// Whether the letters and digits together could be a key, wrapped or in groups:
/// all of bech32's alphabet, and about as many.
fn is_key_in_pieces(text: &str) -> bool {
    let letters = letters_and_digits(text);
    let data = letters.strip_prefix("age1").unwrap_or(&letters);
    data.len() > LONGEST_EXAMPLE && !data.to_ascii_lowercase().contains(['1', 'b', 'i', 'o'])
}

/// See [`KeyText::is_placeholder`].
pub(super) fn is_placeholder(text: &str) -> bool {
    let no_key = |rest: &str| rest.contains(|c: char| !matches!(c, 'a'..='z' | '0'..='9'));
    // A real key with a slip in it, or two without a comma, must not go.
    let mut runs = text.split(|c: char| !c.is_ascii_alphanumeric());
    if runs.any(|run| run.len() >= LONGEST_EXAMPLE) || is_key_in_pieces(text) {
        return false;
    }
    (text.starts_with('<') && text.ends_with('>'))
        || text
            .strip_prefix("age1")
            .is_some_and(|rest| no_key(rest) && text.parse::<Recipient>().is_err())
}

/// The `path_regex` of a rule.
#[derive(Clone, Debug)]
pub struct RulePaths {
    /// The expression.
    pub text: String,
    /// Where it stands.
    pub position: Position,
    /// What it matches, or why sops cannot compile it.
    pub regex: Result<PathRegex, RegexError>,
}

/// One creation rule.
#[derive(Clone, Debug)]
pub struct CreationRule {
    /// Where it begins.
    pub position: Position,
    /// The regular expression of its paths; `None` (or an empty one, as sops has
    /// it) matches every path.
    pub path_regex: Option<RulePaths>,
    /// What stands as age recipients, placeholders included: the rule's own
    /// `age`, or the `age` of its key groups, which sops prefers.
    pub age: Vec<KeyText>,
    /// Whether it has a key that is not age's: PGP, a cloud's KMS, Vault.
    pub other_keys: bool,
    /// Which values are encrypted, by `encrypted_regex` or one of its siblings.
    pub selection: Selection,
}

impl CreationRule {
    /// Whether the rule encrypts to nobody yet.
    pub fn has_no_key(&self) -> bool {
        !self.other_keys && self.age.iter().all(KeyText::is_placeholder)
    }

    /// Whether files under this rule are encrypted to `recipient`.
    pub fn names(&self, recipient: &Recipient) -> bool {
        self.age.iter().any(|key| key.text == recipient.as_str())
    }

    /// The text of its `path_regex`, where it has one.
    pub fn paths(&self) -> Option<String> {
        Some(self.path_regex.as_ref()?.text.clone())
    }

    /// The recipients that files under this rule are encrypted to.
    pub fn recipients(&self) -> impl Iterator<Item = Recipient> {
        self.age.iter().filter_map(|key| key.text.parse().ok())
    }

    /// The rule as it is shown to a person.
    pub fn summary(&self) -> RuleSummary {
        RuleSummary {
            position: self.position,
            path_regex: self.paths(),
            keys: self.age.iter().map(|key| key.text.clone()).collect(),
            other_keys: self.other_keys,
            has_no_key: self.has_no_key(),
        }
    }

    /// Whether it is for these very paths, by the text of the expression; an
    /// empty one is as good as none.
    pub fn has_paths(&self, regex: &PathRegex) -> bool {
        let paths = self.path_regex.as_ref();
        paths.map_or("", |paths| &paths.text) == regex.as_str()
    }

    /// The compiled expression of its paths; `None` matches every path.
    pub(super) fn regex(&self) -> Result<Option<&PathRegex>, TooComplex> {
        let paths = self.path_regex.as_ref();
        let regex = paths.map(|paths| paths.regex.as_ref().map_err(|_| TooComplex));
        regex.transpose()
    }

    /// Whether the rule is for this path, which is relative to the config.
    pub(super) fn matches(&self, path: &Path) -> bool {
        match &self.path_regex {
            None => true,
            Some(paths) => paths.regex.as_ref().is_ok_and(|regex| regex.matches(path)),
        }
    }

    pub(super) fn check(&self, path: &Path) -> Result<(), ConfigError> {
        if let Some(paths) = &self.path_regex
            && let Err(source) = &paths.regex
        {
            return Err(ConfigError::PathRegex {
                place: paths.position.in_file(path),
                expression: paths.text.clone(),
                source: source.clone(),
            });
        }
        for key in self.age.iter().filter(|key| !key.is_placeholder()) {
            key.text
                .parse::<Recipient>()
                .map_err(|source| ConfigError::Recipient {
                    place: key.position.in_file(path),
                    value: shown(&key.text),
                    source,
                })?;
        }
        Ok(())
    }
}

/// A rule as it is shown to a person who must choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSummary {
    /// Where it stands.
    pub position: Position,
    /// Its `path_regex`, or `None` if it matches every path.
    pub path_regex: Option<String>,
    /// The age recipients and placeholders in it.
    pub keys: Vec<String>,
    /// Whether PGP, KMS or Vault keys are in it too.
    pub other_keys: bool,
    /// Whether it has no key but placeholders.
    pub has_no_key: bool,
}

impl RuleSummary {
    /// The keys in it, in words.
    pub fn key_list(&self) -> String {
        let mut keys = self.keys.clone();
        if self.other_keys {
            keys.push("keys of another kind".to_owned());
        }
        if keys.is_empty() {
            keys.push("no key".to_owned());
        }
        keys.join(", ")
    }
}

impl fmt::Display for RuleSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths = self.path_regex.as_deref().unwrap_or("(every path)");
        // It stays one line whatever stands in it.
        let paths = paths.replace(char::is_control, "\u{fffd}");
        write!(f, "line {}: {paths}", self.position.line)
    }
}
