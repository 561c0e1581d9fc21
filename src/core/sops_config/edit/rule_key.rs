//! The key of a rule that has none yet.

use super::{EditError, Splice, end_of_line, line_ending};
use crate::core::identity::Recipient;
use crate::core::sops_config::model::CreationRule;
use crate::core::sops_config::tree::{Kind, Node};

/// Puts the recipient where the rule has an empty value, a placeholder, or no
/// `age` at all. `read` is the same rule as serde-saphyr read it.
pub(super) fn key_of_rule(
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
