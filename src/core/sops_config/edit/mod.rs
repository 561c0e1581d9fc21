//! Splices a recipient into the text of a `.sops.yaml`.
//!
//! An edit is data ([`InsertAt`]). From it come splices, replacements of byte
//! ranges; `verify` reads the result again, before anyone gets to see it.
//!
//! | module | does |
//! | --- | --- |
//! | `rule_key` | a key for a rule that is there |
//! | `new_rule` | a rule more |
//! | `replace` | another recipient in the place of one |
//! | `recipients`, `lines` | where recipients and lines are in the text |
//! | `verify` | reads the result again |

mod lines;
mod new_rule;
mod recipients;
mod replace;
mod rule_key;
#[cfg(test)]
mod tests;
mod verify;

use std::ops::Range;
use std::path::PathBuf;

use super::config::SopsConfig;
use super::model::Position;
use crate::core::identity::Recipient;
use crate::core::yaml::{Document, Node, Stream};

/// Where a new recipient goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InsertAt {
    /// The rule with this index (from 0) has no key yet: it gets one.
    Rule(usize),
    /// Beside the keys of the rule with this index.
    Beside(usize),
    /// Into a new rule.
    NewRule {
        /// The index of the rule that it comes before, or the number of rules.
        before: usize,
        /// Its expression.
        path_regex: String,
    },
    /// Wherever this recipient stands.
    InsteadOf(Recipient),
}

impl InsertAt {
    /// The same with the items of the list instead of the rules that sops reads in it.
    fn among_items(&self, config: &SopsConfig) -> Self {
        let rules = &config.rules;
        let item = |index: usize| rules.get(index).map_or(index, |rule| rule.item);
        match self {
            Self::Rule(index) => Self::Rule(item(*index)),
            Self::Beside(index) => Self::Beside(item(*index)),
            Self::NewRule { before, path_regex } => Self::NewRule {
                before: match rules.get(*before) {
                    Some(rule) => rule.item,
                    None => usize::MAX,
                },
                path_regex: path_regex.clone(),
            },
            Self::InsteadOf(old) => Self::InsteadOf(old.clone()),
        }
    }
}

/// Why kb leaves a `.sops.yaml` to its author.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigEditError {
    /// The key would go into a form that kb does not edit.
    #[error("{place}: kb cannot put a key into {form}")]
    Form {
        /// `FILE:LINE:COLUMN`.
        place: String,
        /// What stands there.
        form: &'static str,
        /// The rule that was to be added, without its key.
        rule: Option<String>,
    },
    /// The file is in UTF-16, which sops reads and kb does not write.
    #[error("{} is in UTF-16, and kb changes only files in UTF-8", .path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
    },
    /// The edited text would not read as intended: an anchor is used by other
    /// rules too, for instance. Nothing was written.
    #[error("{place}: a key put in here would change more than the rule that is meant")]
    Unintended {
        /// `FILE:LINE:COLUMN`.
        place: String,
    },
}

/// A form that kb does not edit, and where it stands.
struct UnsupportedForm {
    position: Position,
    form: &'static str,
}

impl UnsupportedForm {
    fn at(node: &Node, form: &'static str) -> Self {
        Self {
            position: node.into(),
            form,
        }
    }
}

/// One replacement in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Splice {
    range: Range<usize>,
    with: String,
}

impl Splice {
    fn replace(range: Range<usize>, with: impl Into<String>) -> Self {
        Self {
            range,
            with: with.into(),
        }
    }

    fn insert(at: usize, text: impl Into<String>) -> Self {
        Self::replace(at..at, text)
    }

    fn remove(range: Range<usize>) -> Self {
        Self::replace(range, "")
    }
}

impl SopsConfig {
    /// The config with `recipient` in `place`.
    ///
    /// # Errors
    /// [`ConfigEditError`] where the file has a form that kb does not edit, or where
    /// the result would differ in more than was intended.
    pub fn with(&self, place: &InsertAt, recipient: &Recipient) -> Result<Self, ConfigEditError> {
        if self.encoding.is_utf16() {
            return Err(ConfigEditError::Encoding {
                path: self.path.clone(),
            });
        }
        let form = |position: Position, form| ConfigEditError::Form {
            place: position.in_file(&self.path),
            form,
            rule: match place {
                InsertAt::NewRule { path_regex, .. } => Some(new_rule::to_paste(path_regex)),
                _ => None,
            },
        };
        let mut stream = Stream::parse_first(&self.text)
            .map_err(|error| form(Position::from(&error), "YAML of this form"))?;
        let document = stream
            .documents
            .pop()
            .unwrap_or_else(|| Document::empty(&self.text));
        let splices = match place.among_items(self) {
            InsertAt::Rule(index) => rule_key::give(&document, index, recipient),
            InsertAt::Beside(index) => rule_key::beside(&document, index, recipient),
            InsertAt::NewRule { before, path_regex } => {
                new_rule::insert(&document, before, &path_regex, recipient)
            }
            InsertAt::InsteadOf(old) => replace::everywhere(&document, &old, recipient),
        };
        let splices = splices.map_err(|found| form(found.position, found.form))?;
        let first = splices.iter().map(|splice| splice.range.start).min();
        apply(&self.text, splices)
            .and_then(|text| Self::parse(&self.path, true, text, self.encoding).ok())
            .filter(|after| verify::is_as_intended(self, after, place, recipient))
            .ok_or_else(|| ConfigEditError::Unintended {
                place: Position::of(&self.text, first.unwrap_or_default()).in_file(&self.path),
            })
    }
}

/// Carries the splices out. What an alias leads to twice is spliced once; two
/// removals may overlap, anything else must not.
fn apply(text: &str, mut splices: Vec<Splice>) -> Option<String> {
    splices.sort_by_key(|splice| (splice.range.start, splice.range.end));
    splices.dedup();
    let mut edited = String::with_capacity(text.len());
    let mut done = 0;
    let mut removed_to = 0;
    for Splice { range, with } in splices {
        let removal = with.is_empty();
        if range.start < done && !(removal && range.start <= removed_to) {
            return None;
        }
        edited.push_str(&text[done..range.start.max(done)]);
        edited.push_str(&with);
        done = done.max(range.end);
        if removal {
            removed_to = done;
        }
    }
    edited.push_str(&text[done..]);
    Some(edited)
}
