//! A key for a rule that is there.

use granit_parser::ScalarStyle;

use super::lines::{
    after_in_flow, key_quote, line_end, line_ending, line_start, quoted_as, quoted_as_key,
};
use super::recipients::{Entry, entries, key_groups, of_groups};
use super::{Splice, Unsupported};
use crate::core::identity::Recipient;
use crate::core::sops_config::placeholder::is_placeholder;
use crate::core::yaml::{Document, Kind, Node};

type Splices = Result<Vec<Splice>, Unsupported>;

/// Where the keys of a rule stand, or would.
enum Keys<'d> {
    /// In this value.
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
        ([], _) => keys_in(document, rule, false),
        (_, [pair]) => Keys::Value {
            value: document.resolve(&pair.value),
            list: true,
        },
        ([group], []) => keys_in(document, document.resolve(group), true),
        ([first, ..], _) => {
            let form = "several key groups without a key";
            return Err(Unsupported::at(first, form));
        }
    };
    put(document, rule, &keys, recipient)
}

/// Puts the recipient beside the keys that the rule has.
pub(super) fn beside(document: &Document, index: usize, recipient: &Recipient) -> Splices {
    let rule = rule(document, index)?;
    let keys = match key_groups(document, rule) {
        [] => match keys_in(document, rule, false) {
            Keys::Missing { .. } if document.get(rule, "age").is_some() => {
                let form = "a rule whose keys are merged in";
                return Err(Unsupported::at(rule, form));
            }
            keys => keys,
        },
        [group] => keys_in(document, document.resolve(group), true),
        [first, ..] => return Err(Unsupported::at(first, "one of several key groups")),
    };
    put(document, rule, &keys, recipient)
}

/// The rule of this index, wherever it is written.
fn rule<'d>(document: &'d Document<'d>, index: usize) -> Result<&'d Node<'d>, Unsupported> {
    let items = document.top_list("creation_rules");
    let rule = items.get(index).map(|item| document.resolve(item));
    rule.ok_or(Unsupported {
        line: 1,
        column: 0,
        form: "creation_rules of this form",
    })
}

fn keys_in<'d>(document: &'d Document<'d>, mapping: &'d Node<'d>, list: bool) -> Keys<'d> {
    match mapping.own("age") {
        Some(pair) => Keys::Value {
            value: document.resolve(&pair.value),
            list,
        },
        None => Keys::Missing { mapping, list },
    }
}

fn put(document: &Document, rule: &Node, keys: &Keys<'_>, recipient: &Recipient) -> Splices {
    let (value, list) = match keys {
        Keys::Missing { mapping, list } => {
            return entry_beside(document.text, mapping, recipient, *list);
        }
        Keys::Value { value, list } => (*value, *list),
    };
    let found = entries(document, value)?;
    let mut placeholders = found.iter().filter(|entry| is_placeholder(&entry.text));
    match (placeholders.next(), placeholders.next()) {
        (Some(one), None) => Ok(vec![Splice::replace(one.range.clone(), recipient.as_str())]),
        (Some(_), Some(_)) => Err(Unsupported::at(value, "several placeholders")),
        (None, _) if found.is_empty() => into_nothing(document.text, value, recipient, list),
        (None, _) => behind(document.text, rule, value, &found, recipient),
    }
}

/// Into a value that holds nothing yet.
fn into_nothing(text: &str, value: &Node, recipient: &Recipient, list: bool) -> Splices {
    let quoted = quoted_as_key(text, value, recipient.as_str());
    let in_list = match list {
        true => format!("[{quoted}]"),
        false => quoted.clone(),
    };
    let range = value.start..value.end;
    Ok(vec![match &value.kind {
        Kind::Sequence { items, .. } if items.is_empty() => Splice::insert(value.start + 1, quoted),
        Kind::Scalar { .. } if value.is_nothing() => {
            Splice::insert(value.start, format!(" {in_list}"))
        }
        Kind::Scalar { .. } if value.is_null() => Splice::replace(range, in_list),
        // Two quotes with nothing between them.
        Kind::Scalar { .. } if value.end == value.start + 2 => {
            Splice::replace(range, quoted_as(text, value, recipient.as_str()))
        }
        _ => return Err(Unsupported::at(value, "an empty value of this form")),
    }])
}

/// Behind the last key.
fn behind(
    text: &str,
    rule: &Node,
    value: &Node,
    keys: &[Entry<'_>],
    recipient: &Recipient,
) -> Splices {
    if let Kind::Sequence { flow, items } = &value.kind {
        return item_after(text, *flow, items, recipient);
    }
    let last = &keys[keys.len() - 1].range;
    let separator = match keys.len().checked_sub(2) {
        Some(previous) => text[keys[previous].range.end..last.start].to_owned(),
        None => ",".to_owned(),
    };
    let key = format!("{separator}{recipient}");
    let in_flow = matches!(rule.kind, Kind::Mapping { flow: true, .. });
    let plain = matches!(value.kind, Kind::Scalar { style, .. } if style == ScalarStyle::Plain);
    if in_flow && plain {
        // Here a bare comma would begin the next entry.
        let quote = Splice::insert(value.start, "\"");
        return Ok(vec![quote, Splice::insert(last.end, format!("{key}\""))]);
    }
    Ok(vec![Splice::insert(last.end, key)])
}

/// One more item at the end of a list.
fn item_after(text: &str, flow: bool, items: &[Node], recipient: &Recipient) -> Splices {
    let last = &items[items.len() - 1];
    let quoted = quoted_as(text, last, recipient.as_str());
    if flow {
        return Ok(after_in_flow(text, last.outer..last.end, &quoted));
    }
    let start = line_start(text, last.outer);
    let lead = &text[start..last.outer];
    let dash = lead
        .find('-')
        .filter(|_| lead.trim_start().starts_with('-'));
    let Some(dash) = dash else {
        return Err(Unsupported::at(last, "a list of this form"));
    };
    let item = format!("{}{}- {quoted}", line_ending(text, last.end), &lead[..dash]);
    Ok(vec![Splice::insert(line_end(text, last.end), item)])
}

/// A mapping without `age` gets one after its last entry.
fn entry_beside(text: &str, mapping: &Node, recipient: &Recipient, list: bool) -> Splices {
    let value = |quote: &str| {
        let quoted = format!("{quote}{recipient}{quote}");
        if list { format!("[{quoted}]") } else { quoted }
    };
    let (flow, pairs) = match &mapping.kind {
        Kind::Mapping { flow, pairs } => (*flow, pairs),
        // A dash with nothing behind it.
        Kind::Scalar { .. } if mapping.is_nothing() && text[..mapping.start].ends_with('-') => {
            let entry = format!(" age: {}", value(""));
            return Ok(vec![Splice::insert(mapping.start, entry)]);
        }
        _ => return Err(Unsupported::at(mapping, "a rule of this form")),
    };
    if !flow {
        let indent = " ".repeat(mapping.column);
        let entry = format!(
            "{}{indent}age: {}",
            line_ending(text, mapping.end),
            value("")
        );
        return Ok(vec![Splice::insert(line_end(text, mapping.end), entry)]);
    }
    let quote = key_quote(text, mapping);
    let entry = format!("{quote}age{quote}: {}", value("\""));
    Ok(match pairs.last() {
        Some(last) => after_in_flow(text, last.key.outer..last.end(), &entry),
        None => vec![Splice::insert(mapping.start + 1, entry)],
    })
}
