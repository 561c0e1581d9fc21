//! What stands in a `.sops.yaml`, and what may be wrong with it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fault::{FaultKind, RuleFault};
use super::path_regex::{GoRegex, RegexError};
use super::placeholder::is_placeholder;
use super::selection::{SELECTION_FIELDS, Selection};
use crate::core::conflict;
use crate::core::excerpt::excerpt;
use crate::core::identity::Recipient;
use crate::core::readers::{KeyKind, Readers};

/// Why a `.sops.yaml` cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// It is not YAML, or not a `.sops.yaml`.
    #[error("{place}: {reason}")]
    Parse {
        /// `FILE:LINE:COLUMN`.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// Git left the markers of a merge conflict in it.
    #[error("{place}: {}", conflict::FOUND)]
    Conflict {
        /// `FILE:LINE:COLUMN`.
        place: String,
    },
    /// It is called `.sops.yml`, which sops passes over.
    #[error("sops does not read {}: its config is called .sops.yaml", .path.display())]
    Misnamed {
        /// The file.
        path: PathBuf,
    },
    /// Something is wrong in a rule.
    #[error("{place}: {kind}")]
    Fault {
        /// `FILE:LINE:COLUMN`.
        place: String,
        /// What is wrong.
        kind: FaultKind,
    },
    /// A field that sops does not know, and without which a rule says too little.
    #[error("{place}: {field} As it is, {effect}")]
    UnknownField {
        /// `FILE:LINE:COLUMN`.
        place: String,
        /// The field.
        field: UnknownField,
        /// What comes of it.
        effect: &'static str,
    },
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

/// What stands where an age recipient belongs.
#[derive(Clone, Debug)]
pub struct RecipientText {
    /// The text, without the spaces around it.
    pub text: String,
}

impl RecipientText {
    /// Whether it is a text that a template leaves for the reader to fill in: `<…>`,
    /// `${…}`, `{{…}}`, `REPLACE_ME`, `age1abc...` and the like.
    pub fn is_placeholder(&self) -> bool {
        is_placeholder(&self.text)
    }
}

/// A field that sops does not know, and so ignores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownField {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub position: Position,
    /// The known one that it looks like.
    pub nearest: Option<&'static str>,
}

impl fmt::Display for UnknownField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.replace(char::is_control, "\u{fffd}");
        write!(f, "unknown field {name}, which sops ignores")?;
        self.nearest
            .map_or(Ok(()), |nearest| write!(f, "; did you mean {nearest}?"))
    }
}

/// The `path_regex` of a rule.
#[derive(Clone, Debug)]
pub struct RulePaths {
    /// The expression.
    pub text: String,
    /// Where it stands.
    pub position: Position,
    /// What it matches, or why kb cannot tell.
    pub regex: Result<GoRegex, RegexError>,
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
    pub age: Vec<RecipientText>,
    /// Who may read its files, by key group; placeholders are not in it.
    pub readers: Readers,
    /// Recipients on whose line a comment has the word "recovery".
    pub recovery: Vec<Recipient>,
    /// Which values are encrypted, by `encrypted_regex` or one of its siblings.
    pub selection: Selection,
    /// The fields that say so, with their text.
    pub selection_fields: Vec<(&'static str, String)>,
    /// Whether the MAC is of encrypted values alone.
    pub mac_only_encrypted: bool,
    /// Fields that sops does not know, those of its key groups too.
    pub unknown_fields: Vec<UnknownField>,
    /// What sops stumbles over, the first one first.
    pub(super) faults: Vec<RuleFault>,
    /// Whether nobody can tell which paths it is for.
    pub(super) paths_unknown: bool,
    /// Which item of its list it is. It differs from its index among the rules where
    /// items before it are nothing: sops drops those.
    pub(super) item: usize,
}

impl CreationRule {
    /// A rule with nothing in it: it is for every path.
    pub(super) fn empty(position: Position, item: usize) -> Self {
        Self {
            position,
            path_regex: None,
            age: Vec::new(),
            readers: Readers::default(),
            recovery: Vec::new(),
            selection: Selection::default(),
            selection_fields: Vec::new(),
            mac_only_encrypted: false,
            unknown_fields: Vec::new(),
            faults: Vec::new(),
            paths_unknown: false,
            item,
        }
    }

    /// Whether the rule encrypts to nobody yet.
    pub fn has_no_key(&self) -> bool {
        !self.other_keys() && self.age.iter().all(RecipientText::is_placeholder)
    }

    /// Whether it has a key that is not age's: PGP, a cloud's KMS, Vault.
    pub fn other_keys(&self) -> bool {
        self.readers
            .all()
            .any(|reader| reader.kind() != KeyKind::Age)
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
            other_keys: self.other_keys(),
            has_no_key: self.has_no_key(),
        }
    }

    /// Whether it is for these very paths, by the text of the expression; an
    /// empty one is as good as none.
    pub fn has_paths(&self, regex: &GoRegex) -> bool {
        let paths = self.path_regex.as_ref();
        paths.map_or("", |paths| &paths.text) == regex.as_str()
    }

    /// The compiled expression of its paths; `None` matches every path.
    pub(super) fn regex(&self) -> Result<Option<&GoRegex>, &RegexError> {
        let paths = self.path_regex.as_ref();
        paths.map(|paths| paths.regex.as_ref()).transpose()
    }

    /// Whether the rule is for this path, which is relative to the config; `None` where
    /// nobody can tell.
    pub(super) fn matches(&self, path: &Path) -> Option<bool> {
        match &self.path_regex {
            _ if self.paths_unknown => None,
            None => Some(true),
            Some(paths) => Some(paths.regex.as_ref().ok()?.matches(path)),
        }
    }

    /// Whether sops can use it, for the file at `path`.
    ///
    /// # Errors
    /// The first thing that sops stumbles over.
    pub(super) fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let fault = self.faults.first();
        fault.map_or(Ok(()), |fault| Err(fault.of(path)))
    }

    /// Checks that no field was misspelled without which the rule is for other paths, or
    /// for other values, than its author meant.
    ///
    /// # Errors
    /// [`ConfigError::UnknownField`]
    pub(super) fn check_fields(&self, path: &Path) -> Result<(), ConfigError> {
        self.check_misspelled(path, |meant| match meant {
            "path_regex" if self.path_regex.is_none() => Some("the rule is for every path"),
            name if SELECTION_FIELDS.contains(&name) && !self.selection.is_explicit() => {
                Some("the rule encrypts whole manifests, which Flux cannot apply")
            }
            _ => None,
        })
    }

    /// Checks that one can tell which paths it is for.
    ///
    /// # Errors
    /// What is wrong with its `path_regex`.
    pub(super) fn check_paths(&self, path: &Path) -> Result<(), ConfigError> {
        if self.paths_unknown {
            self.check(path)?;
        }
        self.check_misspelled(path, |meant| {
            let is_meant = meant == "path_regex" && self.path_regex.is_none();
            is_meant.then_some("the rule is for every path")
        })
    }

    /// `effect`: what comes of it that this known field is missing.
    fn check_misspelled(
        &self,
        path: &Path,
        effect: impl Fn(&str) -> Option<&'static str>,
    ) -> Result<(), ConfigError> {
        let mut fields = self.unknown_fields.iter();
        let found = fields.find_map(|field| Some((field, effect(field.nearest?)?)));
        found.map_or(Ok(()), |(field, effect)| {
            Err(ConfigError::UnknownField {
                place: field.position.in_file(path),
                field: field.clone(),
                effect,
            })
        })
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
        write!(f, "line {}: {}", self.position.line, excerpt(&paths))
    }
}
