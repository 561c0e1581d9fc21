//! A key for a rule that is there.

use super::lines::{line_end, line_ending, line_start, quoted_as};
use super::recipients::{RecipientEntry, entries, key_groups, of_groups};
use super::{Splice, UnsupportedForm};
use crate::core::identity::Recipient;
use crate::core::sops_config::model::Position;
use crate::core::sops_config::placeholder::is_placeholder;
use crate::core::yaml::{Document, Node, NodeKind};

type Splices = Result<Vec<Splice>, UnsupportedForm>;

/// Where the keys of a rule stand, or would.
enum KeysField<'d> {
    /// In this value, which may be an alias.
    Value {
        value: &'d Node<'d>,
        /// Whether it has to be a list, as in a key group.
        list: bool,
    },
    /// In an entry that this mapping does not have yet.
    Missing { mapping: &'d Node<'d>, list: bool },
}

/// Puts the recipient where the rule has an empty value, a placeholder, or no
/// `age` at all.
pub(super) fn give(document: &Document, index: usize, recipient: &Recipient) -> Splices {
    let rule = rule(document, index)?;
    let groups = key_groups(document, rule);
    let keys = match (groups, of_groups(document, groups).as_slice()) {
        // What is merged in with `<<` is for other rules too: the rule gets
        // its own.
        ([], _) => keys_in(rule, false),
        (_, [pair]) => KeysField::Value {
            value: &pair.value,
            list: true,
        },
        ([group], []) => keys_in(document.resolve(group), true),
        ([first, ..], _) => {
            let form = "several key groups without a key";
            return Err(UnsupportedForm::at(first, form));
        }
    };
    put(document, rule, &keys, recipient)
}

/// Puts the recipient beside the keys that the rule has.
pub(super) fn beside(document: &Document, index: usize, recipient: &Recipient) -> Splices {
    let rule = rule(document, index)?;
    let keys = match key_groups(document, rule) {
        [] => match keys_in(rule, false) {
            KeysField::Missing { .. } if document.get(rule, "age").is_some() => {
                let form = "a rule whose keys are merged in";
                return Err(UnsupportedForm::at(rule, form));
            }
            keys => keys,
        },
        [group] => keys_in(document.resolve(group), true),
        [first, ..] => return Err(UnsupportedForm::at(first, "one of several key groups")),
    };
    put(document, rule, &keys, recipient)
}

/// The rule of this index, wherever it is written.
fn rule<'d>(document: &'d Document<'d>, index: usize) -> Result<&'d Node<'d>, UnsupportedForm> {
    let items = document.top_list("creation_rules");
    let rule = items.get(index).map(|item| document.resolve(item));
    rule.ok_or(UnsupportedForm {
        position: Position { line: 1, column: 1 },
        form: "creation_rules of this form",
    })
}

fn keys_in<'d>(mapping: &'d Node<'d>, list: bool) -> KeysField<'d> {
    match mapping.own("age") {
        Some(pair) => KeysField::Value {
            value: &pair.value,
            list,
        },
        None => KeysField::Missing { mapping, list },
    }
}

fn put(document: &Document, rule: &Node, keys: &KeysField<'_>, recipient: &Recipient) -> Splices {
    let in_braces = match rule.kind {
        NodeKind::Mapping { flow: true, .. } => Err(UnsupportedForm::at(rule, "a rule in braces")),
        _ => Ok(()),
    };
    let (written, list) = match keys {
        KeysField::Missing { mapping, list } => {
            in_braces?;
            return entry_beside(document.text, mapping, recipient, *list);
        }
        KeysField::Value { value, list } => (*value, *list),
    };
    let value = document.resolve(written);
    let found = entries(document, value)?;
    let mut placeholders = found.iter().filter(|entry| is_placeholder(&entry.text));
    if let Some(one) = placeholders.next() {
        return match placeholders.next() {
            None => Ok(vec![Splice::replace(one.range.clone(), recipient.as_str())]),
            Some(_) => Err(UnsupportedForm::at(value, "several placeholders")),
        };
    }
    in_braces?;
    if found.is_empty() {
        return into_nothing(document.text, value, recipient, list);
    }
    if written.start == value.start {
        return behind(document.text, value, &found, recipient);
    }
    // Other rules may have what the alias stands for: this one gets a copy.
    let copy = match &value.kind {
        NodeKind::Sequence { items, .. } => {
            let items = items
                .iter()
                .map(|item| &document.text[item.start..item.end]);
            format!("[{}, {recipient}]", items.collect::<Vec<_>>().join(", "))
        }
        _ => {
            let keys = found.iter().map(|entry| &*entry.text);
            format!("{},{recipient}", keys.collect::<Vec<_>>().join(","))
        }
    };
    Ok(vec![Splice::replace(written.start..written.end, copy)])
}

/// Into a value that holds nothing yet.
fn into_nothing(text: &str, value: &Node, recipient: &Recipient, list: bool) -> Splices {
    let key = match list {
        true => format!("[{recipient}]"),
        false => recipient.to_string(),
    };
    let range = value.start..value.end;
    Ok(vec![match &value.kind {
        NodeKind::Sequence { items, .. } if items.is_empty() => {
            Splice::insert(value.start + 1, recipient.as_str())
        }
        NodeKind::Scalar { .. } if value.is_nothing() => {
            Splice::insert(value.start, format!(" {key}"))
        }
        NodeKind::Scalar { .. } if value.is_null() => Splice::replace(range, key),
        // Two quotes with nothing between them.
        NodeKind::Scalar { .. } if value.end == value.start + 2 => {
            Splice::replace(range, quoted_as(text, value, recipient.as_str()))
        }
        _ => return Err(UnsupportedForm::at(value, "an empty value of this form")),
    }])
}

/// Behind the last key.
fn behind(text: &str, value: &Node, keys: &[RecipientEntry<'_>], recipient: &Recipient) -> Splices {
    if let NodeKind::Sequence { flow, items } = &value.kind {
        return item_after(text, value, *flow, &items[items.len() - 1], recipient);
    }
    let last = &keys[keys.len() - 1].range;
    let separator = match keys.len().checked_sub(2) {
        Some(previous) => text[keys[previous].range.end..last.start].to_owned(),
        None => ",".to_owned(),
    };
    Ok(vec![Splice::insert(
        last.end,
        format!("{separator}{recipient}"),
    )])
}

/// One more item at the end of a list.
fn item_after(text: &str, list: &Node, flow: bool, last: &Node, recipient: &Recipient) -> Splices {
    let quoted = quoted_as(text, last, recipient.as_str());
    if flow {
        if text[list.start..list.end].contains('\n') {
            return Err(UnsupportedForm::at(list, "brackets over several lines"));
        }
        return Ok(vec![Splice::insert(last.end, format!(", {quoted}"))]);
    }
    let start = line_start(text, last.outer);
    let lead = &text[start..last.outer];
    let dash = lead
        .find('-')
        .filter(|_| lead.trim_start().starts_with('-'));
    let Some(dash) = dash else {
        return Err(UnsupportedForm::at(last, "a list of this form"));
    };
    let item = format!("{}{}- {quoted}", line_ending(text, last.end), &lead[..dash]);
    Ok(vec![Splice::insert(line_end(text, last.end), item)])
}

/// A mapping without `age` gets one after its last entry.
fn entry_beside(text: &str, mapping: &Node, recipient: &Recipient, list: bool) -> Splices {
    let key = if list {
        format!("[{recipient}]")
    } else {
        recipient.to_string()
    };
    match &mapping.kind {
        NodeKind::Mapping { flow: false, .. } => {
            let indent = " ".repeat(mapping.column);
            let entry = format!("{}{indent}age: {key}", line_ending(text, mapping.end));
            Ok(vec![Splice::insert(line_end(text, mapping.end), entry)])
        }
        // A dash with nothing behind it.
        NodeKind::Scalar { .. } if mapping.is_nothing() && text[..mapping.start].ends_with('-') => {
            Ok(vec![Splice::insert(mapping.start, format!(" age: {key}"))])
        }
        _ => Err(UnsupportedForm::at(mapping, "a rule of this form")),
    }
}
