//! Splices a recipient into the text of a `.sops.yaml`.

mod first_rule;
mod rule_key;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::evident::Place;
use super::model;
use super::tree::{self, Kind, Node};
use super::{DEFAULT_PATH_REGEX, SECRET_VALUES, SopsConfig};
use crate::core::identity::Recipient;
use first_rule::first_rule;
use rule_key::key_of_rule;

/// Why kb leaves a `.sops.yaml` to its author.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EditError {
    /// The key would go into a form that kb does not edit.
    #[error("{place}: kb cannot put a key into {form}")]
    Form {
        /// `FILE:LINE:COLUMN`.
        place: String,
        /// What stands there.
        form: &'static str,
    },
    /// The edited text would not read as intended. Nothing was written.
    #[error("{path}: putting the key in would change more than the key")]
    Unintended {
        /// The file.
        path: String,
    },
}

/// One replacement in a text.
struct Splice {
    from: usize,
    to: usize,
    with: String,
}

pub(super) fn with_recipient(
    config: &SopsConfig,
    place: Place,
    recipient: &Recipient,
) -> Result<String, EditError> {
    let text = &config.text;
    let form = |node: &Node, form| EditError::Form {
        place: format!(
            "{}:{}:{}",
            config.path.display(),
            node.line,
            node.column + 1
        ),
        form,
    };
    let root = tree::parse(text).map_err(|()| EditError::Form {
        place: config.path.display().to_string(),
        form: "YAML of this form",
    })?;
    let splice = match (place, &root) {
        (Place::FirstRule, root) => first_rule(text, root.as_ref(), recipient, form)?,
        (Place::Rule(index), root) => {
            let rules = root.as_ref().and_then(|root| root.get("creation_rules"));
            let rule = rules.and_then(|pair| match &pair.value.kind {
                Kind::Sequence { items, .. } => items.get(index),
                _ => None,
            });
            let Some(rule) = rule else {
                return Err(EditError::Form {
                    place: config.rules[index].position.in_file(&config.path),
                    form: "creation_rules that stand elsewhere in the file",
                });
            };
            key_of_rule(text, rule, &config.rules[index], recipient, form)?
        }
    };
    let mut edited = text.clone();
    edited.replace_range(splice.from..splice.to, &splice.with);
    verify(config, place, recipient, &edited)?;
    Ok(edited)
}

/// Reads the edited text again. In the rule that was meant stands the recipient
/// and no other key, and all else (every other rule, `stores`, and what kb does
/// not know) reads as before.
fn verify(
    config: &SopsConfig,
    place: Place,
    recipient: &Recipient,
    edited: &str,
) -> Result<(), EditError> {
    let read = |text: &str| {
        let value: Option<Value> = serde_saphyr::from_str(text).ok()?;
        let mut value = value
            .filter(|value| !value.is_null())
            .unwrap_or_else(|| json!({}));
        let rules = value.as_object_mut()?.remove("creation_rules");
        let rules = rules
            .filter(|rules| !rules.is_null())
            .unwrap_or_else(|| json!([]));
        Some((value, rules.as_array()?.clone()))
    };
    let as_intended = || {
        let (before, mut rules_before) = read(&config.text)?;
        let (after, mut rules_after) = read(edited)?;
        let index = match place {
            Place::Rule(index) => index,
            Place::FirstRule => {
                rules_before.push(json!({
                    "path_regex": DEFAULT_PATH_REGEX,
                    "encrypted_regex": SECRET_VALUES,
                }));
                0
            }
        };
        let rule = model::parse(&config.path, edited)
            .ok()?
            .into_iter()
            .nth(index)?;
        let only_key = rule.age.len() == 1 && rule.names(recipient) && !rule.other_keys;
        for rules in [&mut rules_before, &mut rules_after] {
            rules.get_mut(index)?.as_object_mut()?.remove("age");
        }
        Some(only_key && before == after && rules_before == rules_after)
    };
    if as_intended() == Some(true) {
        return Ok(());
    }
    Err(EditError::Unintended {
        path: config.path.display().to_string(),
    })
}

/// The line ending that the file uses.
fn line_ending(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// The end of the line that holds the byte before `at`, its line ending not
/// included: a comment behind a value stays behind it.
fn end_of_line(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |found| at + found);
    if text[at..end].ends_with('\r') {
        end - 1
    } else {
        end
    }
}
