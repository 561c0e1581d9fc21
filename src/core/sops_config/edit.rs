//! Splices a recipient into the text of a `.sops.yaml`.

use serde_json::{Value, json};

use super::evident::Place;
use super::model::{self, CreationRule};
use super::tree::{self, Kind, Node};
use super::{DEFAULT_PATH_REGEX, SECRET_VALUES, SopsConfig};
use crate::core::identity::Recipient;

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
        (Place::FirstRule, None) => append_to_text(text, &first_rule_lines(recipient, text)),
        (Place::FirstRule, Some(root)) => first_rule(text, root, recipient, form)?,
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

/// The lines of a rule, without the last line ending.
fn rule_lines(recipient: &Recipient, indent: &str, newline: &str) -> String {
    format!(
        "{indent}- path_regex: {DEFAULT_PATH_REGEX}{newline}\
         {indent}  encrypted_regex: {SECRET_VALUES}{newline}\
         {indent}  age: {recipient}"
    )
}

fn first_rule_lines(recipient: &Recipient, text: &str) -> String {
    let newline = line_ending(text);
    format!(
        "creation_rules:{newline}{}",
        rule_lines(recipient, "  ", newline)
    )
}

/// Adds lines at the end of the text; a missing final line ending stays missing.
fn append_to_text(text: &str, lines: &str) -> Splice {
    let newline = line_ending(text);
    let ended = text.is_empty() || text.ends_with('\n');
    // After a byte order mark alone there is no line to end either.
    let ended = ended || text == "\u{feff}";
    Splice {
        from: text.len(),
        to: text.len(),
        with: if ended {
            format!("{lines}{newline}")
        } else {
            format!("{newline}{lines}")
        },
    }
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

fn first_rule(
    text: &str,
    root: &Node,
    recipient: &Recipient,
    form: impl Fn(&Node, &'static str) -> EditError,
) -> Result<Splice, EditError> {
    let newline = line_ending(text);
    let flow_rule = || {
        format!(
            "{{\"path_regex\": {}, \"encrypted_regex\": {}, \"age\": \"{recipient}\"}}",
            serde_json::Value::from(DEFAULT_PATH_REGEX),
            serde_json::Value::from(SECRET_VALUES),
        )
    };
    let Kind::Mapping { flow, pairs } = &root.kind else {
        return Err(form(root, "a document that is not a mapping"));
    };
    match (root.get("creation_rules"), flow) {
        (None, false) if root.column == 0 => {
            Ok(append_to_text(text, &first_rule_lines(recipient, text)))
        }
        (None, false) => Err(form(root, "a document that is indented as a whole")),
        (None, true) => {
            let at = pairs
                .last()
                .map_or(root.start + 1, |pair| pair.value.end.max(pair.key.end));
            let comma = if pairs.is_empty() { "" } else { ", " };
            Ok(Splice {
                from: at,
                to: at,
                with: format!("{comma}\"creation_rules\": [{}]", flow_rule()),
            })
        }
        (Some(pair), true) => match &pair.value.kind {
            Kind::Sequence { flow: true, items } if items.is_empty() => Ok(Splice {
                from: pair.value.start + 1,
                to: pair.value.start + 1,
                with: flow_rule(),
            }),
            Kind::Scalar { .. } if !pair.value.is_nothing() => Ok(Splice {
                from: pair.value.start,
                to: pair.value.end,
                with: format!("[{}]", flow_rule()),
            }),
            _ => Err(form(&pair.value, "an empty creation_rules of this form")),
        },
        // `creation_rules:`, `creation_rules: []` or `creation_rules: null`: the
        // value goes, and the rule follows on the next lines.
        (Some(pair), false) => {
            let colon = pair.key.end + text[pair.key.end..].find(':').unwrap_or_default() + 1;
            let value_end = if pair.value.is_nothing() {
                colon
            } else {
                pair.value.end
            };
            let line_end = end_of_line(text, value_end);
            let comment = &text[value_end..line_end];
            let indent = " ".repeat(root.column + 2);
            Ok(Splice {
                from: colon,
                to: line_end,
                with: format!(
                    "{comment}{newline}{}",
                    rule_lines(recipient, &indent, newline)
                ),
            })
        }
    }
}

fn key_of_rule(
    text: &str,
    rule: &Node,
    read: &CreationRule,
    recipient: &Recipient,
    form: impl Fn(&Node, &'static str) -> EditError,
) -> Result<Splice, EditError> {
    if read.key_groups {
        return Err(form(rule, "key_groups that hold no key yet"));
    }
    let Kind::Mapping { flow, pairs } = &rule.kind else {
        return Err(form(rule, "a rule that stands elsewhere in the file"));
    };
    let Some(pair) = rule.get("age") else {
        return Ok(key_beside(text, rule, *flow, pairs.is_empty(), recipient));
    };
    let value = &pair.value;
    let replace = |node: &Node, with: String| Splice {
        from: node.start,
        to: node.end,
        with,
    };
    match &value.kind {
        Kind::Scalar { .. } if value.is_nothing() => {
            let colon = pair.key.end + text[pair.key.end..].find(':').unwrap_or_default() + 1;
            Ok(Splice {
                from: colon,
                to: colon,
                with: format!(" {recipient}"),
            })
        }
        Kind::Scalar { block: true } => Err(form(value, "a block scalar that holds no key yet")),
        Kind::Scalar { block: false } => {
            // The quotes, if there are any, are the author's.
            let quote = match text[value.start..].chars().next() {
                Some(quote @ ('"' | '\'')) => quote.to_string(),
                _ => String::new(),
            };
            Ok(replace(value, format!("{quote}{recipient}{quote}")))
        }
        Kind::Sequence { items, .. } => match items.as_slice() {
            [] => Ok(replace(value, format!("[{recipient}]"))),
            [item] if matches!(item.kind, Kind::Scalar { block: false }) => {
                Ok(replace(item, recipient.to_string()))
            }
            _ => Err(form(value, "a list of several placeholders")),
        },
        Kind::Alias => Err(form(value, "an alias")),
        Kind::Mapping { .. } => Err(form(value, "a mapping")),
    }
}

/// A rule without `age` gets one after its last entry.
fn key_beside(text: &str, rule: &Node, flow: bool, empty: bool, recipient: &Recipient) -> Splice {
    if flow {
        let inner = text[rule.start..rule.end - 1].trim_end();
        let at = rule.start + inner.len();
        let comma = if empty || inner.ends_with(',') {
            ""
        } else {
            ", "
        };
        return Splice {
            from: at,
            to: at,
            with: format!("{comma}\"age\": \"{recipient}\""),
        };
    }
    let at = end_of_line(text, rule.end);
    let indent = " ".repeat(rule.column);
    Splice {
        from: at,
        to: at,
        with: format!("{}{indent}age: {recipient}", line_ending(text)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::evident;
    use super::*;
    use crate::core::identity::Identity;

    fn edited(text: &str) -> (String, String) {
        let path = Path::new(".sops.yaml");
        let config = SopsConfig {
            path: path.to_owned(),
            text: text.to_owned(),
            exists: true,
            rules: model::parse(path, text).expect(text),
        };
        let (_, recipient) = Identity::generate();
        let place = evident(&config).expect(text);
        let result = config.with_recipient(place, &recipient).expect(text);
        (result, recipient.to_string())
    }

    /// Each case: the text before, and after with `KEY` for the recipient.
    #[test]
    fn a_rule_without_a_key_gets_it_and_every_other_byte_stays() {
        let cases = [
            (
                "creation_rules:\n  - path_regex: x\n",
                "creation_rules:\n  - path_regex: x\n    age: KEY\n",
            ),
            (
                "creation_rules:\n- path_regex: x # why\n# end",
                "creation_rules:\n- path_regex: x # why\n  age: KEY\n# end",
            ),
            (
                "creation_rules:\r\n  - path_regex: x\r\n",
                "creation_rules:\r\n  - path_regex: x\r\n    age: KEY\r\n",
            ),
            (
                "creation_rules:\n  - path_regex: x",
                "creation_rules:\n  - path_regex: x\n    age: KEY",
            ),
            (
                "creation_rules:\n  - age: # here\n    path_regex: x\n",
                "creation_rules:\n  - age: KEY # here\n    path_regex: x\n",
            ),
            (
                "creation_rules:\n  - age:\n    path_regex: x\n",
                "creation_rules:\n  - age: KEY\n    path_regex: x\n",
            ),
            (
                "creation_rules:\n  - age: \"\" # c\n",
                "creation_rules:\n  - age: \"KEY\" # c\n",
            ),
            (
                "creation_rules:\n  - age: age1abc... # c\n",
                "creation_rules:\n  - age: KEY # c\n",
            ),
            (
                "creation_rules:\n  - age: '<your key>'\n",
                "creation_rules:\n  - age: 'KEY'\n",
            ),
            (
                "creation_rules:\n  - age: []\n",
                "creation_rules:\n  - age: [KEY]\n",
            ),
            (
                "creation_rules:\n  - age:\n      - <key> # c\n",
                "creation_rules:\n  - age:\n      - KEY # c\n",
            ),
            (
                "creation_rules:\n  - age: ~\n",
                "creation_rules:\n  - age: KEY\n",
            ),
            (
                "creation_rules: [{path_regex: x}]\n",
                "creation_rules: [{path_regex: x, \"age\": \"KEY\"}]\n",
            ),
            (
                "creation_rules:\n  - encrypted_regex: >-\n      ^data$\n\n# tail\nstores: {}\n",
                "creation_rules:\n  - encrypted_regex: >-\n      ^data$\n    age: KEY\n\n# tail\nstores: {}\n",
            ),
            (
                "\u{feff}creation_rules:\n  - path_regex: é # ü\n",
                "\u{feff}creation_rules:\n  - path_regex: é # ü\n    age: KEY\n",
            ),
        ];
        for (before, after) in cases {
            let (result, key) = edited(before);
            assert_eq!(result.replace(&key, "KEY"), after, "from {before:?}");
        }
    }

    const RULE: &str = "  - path_regex: (^|/)[^/]*secret[^/]*\\.ya?ml$\n    encrypted_regex: ^(data|stringData)$\n    age: KEY";

    #[test]
    fn a_file_without_rules_gets_its_first_one() {
        for (before, head, tail) in [
            ("", "creation_rules:\n", "\n"),
            (
                "# only a comment",
                "# only a comment\ncreation_rules:\n",
                "",
            ),
            ("---\n", "---\ncreation_rules:\n", "\n"),
            (
                "stores:\n  yaml:\n    indent: 2\n",
                "stores:\n  yaml:\n    indent: 2\ncreation_rules:\n",
                "\n",
            ),
            ("creation_rules:\n", "creation_rules:\n", "\n"),
            (
                "creation_rules: [] # none\nstores: {}\n",
                "creation_rules: # none\n",
                "\nstores: {}\n",
            ),
            ("creation_rules: null\n", "creation_rules:\n", "\n"),
            ("creation_rules:", "creation_rules:\n", ""),
        ] {
            let (result, key) = edited(before);
            assert_eq!(
                result.replace(&key, "KEY"),
                format!("{head}{RULE}{tail}"),
                "from {before:?}"
            );
        }
    }

    #[test]
    fn json_style_stays_json() {
        for before in [
            "{\"creation_rules\": []}",
            "{}",
            "{\"stores\": {}}\n",
            "{\"creation_rules\": null}",
        ] {
            let (result, _) = edited(before);
            serde_json::from_str::<serde_json::Value>(&result).expect(&result);
        }
    }
}
