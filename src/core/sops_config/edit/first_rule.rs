//! The first rule of a file that has none.

use super::{EditError, Splice, end_of_line, line_ending};
use crate::core::identity::Recipient;
use crate::core::sops_config::tree::{Kind, Node};
use crate::core::sops_config::{DEFAULT_PATH_REGEX, SECRET_VALUES};

pub(super) fn first_rule(
    text: &str,
    root: Option<&Node>,
    recipient: &Recipient,
    form: impl Fn(&Node, &'static str) -> EditError,
) -> Result<Splice, EditError> {
    let Some(root) = root else {
        return Ok(append_to_text(text, &first_rule_lines(recipient, text)));
    };
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

fn first_rule_lines(recipient: &Recipient, text: &str) -> String {
    let newline = line_ending(text);
    format!(
        "creation_rules:{newline}{}",
        rule_lines(recipient, "  ", newline)
    )
}

/// The lines of a rule, without the last line ending.
fn rule_lines(recipient: &Recipient, indent: &str, newline: &str) -> String {
    format!(
        "{indent}- path_regex: {DEFAULT_PATH_REGEX}{newline}\
         {indent}  encrypted_regex: {SECRET_VALUES}{newline}\
         {indent}  age: {recipient}"
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
