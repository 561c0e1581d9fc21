//! A key for a rule that is there.

use granit_parser::ScalarStyle;

use super::recipients::{entries, group_lists};
use super::{Form, Splice, after_in_flow, line_end, line_ending, line_start};
use crate::core::identity::Recipient;
use crate::core::sops_config::document::{Document, Kind, Node};

/// Puts the recipient where the rule has an empty value, a placeholder, or no
/// `age` at all.
pub(super) fn give(
    document: &Document,
    index: usize,
    recipient: &Recipient,
) -> Result<Vec<Splice>, Form> {
    let rule = rule(document, index)?;
    let groups = document.get(rule, "key_groups");
    let groups = groups.filter(|groups| !groups.items().is_empty());
    let value = match groups {
        Some(groups) => match group_lists(document, Some(groups)).as_slice() {
            [list] => *list,
            [] if groups.items().len() == 1 => {
                let group = document.resolve(&groups.items()[0]);
                return entry_beside(document.text, group, recipient, true);
            }
            _ => return Err(Form::at(groups, "several key groups without a key")),
        },
        // What is merged in with `<<` is for other rules too: the rule gets
        // its own.
        None => match rule.own("age") {
            Some(pair) if pair.value.is_nothing() => {
                let colon = after_colon(document.text, &pair.key);
                return Ok(vec![Splice::insert(colon, format!(" {recipient}"))]);
            }
            Some(pair) => document.resolve(&pair.value),
            None => return entry_beside(document.text, rule, recipient, false),
        },
    };
    let placeholders = entries(document, value)?;
    let range = value.start..value.end;
    Ok(vec![match placeholders.as_slice() {
        [one] => Splice::replace(one.range.clone(), recipient.as_str()),
        [] => match &value.kind {
            Kind::Sequence { items, .. } if items.is_empty() => {
                let text = quoted_as_neighbours(document.text, value, recipient.as_str());
                Splice::insert(value.start + 1, text)
            }
            Kind::Scalar { .. } if value.is_null() => Splice::replace(range, recipient.as_str()),
            Kind::Scalar { .. } if value.end - value.start >= 2 => {
                // The quotes around nothing are the author's.
                let quote = &document.text[value.start..=value.start];
                Splice::replace(range, format!("{quote}{recipient}{quote}"))
            }
            _ => return Err(Form::at(value, "an empty value of this form")),
        },
        _ => return Err(Form::at(value, "several placeholders")),
    }])
}

/// Puts the recipient beside the keys that the rule has.
pub(super) fn beside(
    document: &Document,
    index: usize,
    recipient: &Recipient,
) -> Result<Vec<Splice>, Form> {
    let rule = rule(document, index)?;
    let text = document.text;
    let groups = document.get(rule, "key_groups");
    let value = match groups.filter(|groups| !groups.items().is_empty()) {
        Some(groups) if groups.items().len() > 1 => {
            return Err(Form::at(groups, "one of several key groups"));
        }
        Some(groups) => {
            let group = document.resolve(&groups.items()[0]);
            match group.own("age") {
                Some(pair) => document.resolve(&pair.value),
                None => return entry_beside(text, group, recipient, true),
            }
        }
        None => match rule.own("age") {
            Some(pair) => document.resolve(&pair.value),
            None if document.get(rule, "age").is_some() => {
                return Err(Form::at(rule, "a rule whose keys are merged in"));
            }
            None => return entry_beside(text, rule, recipient, false),
        },
    };
    let keys = entries(document, value)?;
    let Some(last) = keys.last() else {
        return Err(Form::at(value, "an empty value of this form"));
    };
    if let Kind::Sequence { flow, items } = &value.kind {
        return item_after(text, value, *flow, items, recipient);
    }
    let separator = match keys.len().checked_sub(2) {
        Some(previous) => text[keys[previous].range.end..last.range.start].to_owned(),
        None => ",".to_owned(),
    };
    let key = Splice::insert(last.range.end, format!("{separator}{recipient}"));
    let in_flow = matches!(rule.kind, Kind::Mapping { flow: true, .. });
    let plain = matches!(value.kind, Kind::Scalar { style, .. } if style == ScalarStyle::Plain);
    if in_flow && plain {
        // Here a bare comma would begin the next entry.
        let key = Splice::insert(last.range.end, format!("{separator}{recipient}\""));
        return Ok(vec![Splice::insert(value.start, "\""), key]);
    }
    Ok(vec![key])
}

/// One more item at the end of a list.
fn item_after(
    text: &str,
    list: &Node,
    flow: bool,
    items: &[Node],
    recipient: &Recipient,
) -> Result<Vec<Splice>, Form> {
    let last = &items[items.len() - 1];
    if !flow {
        let start = line_start(text, last.start);
        let lead = &text[start..last.start];
        let dash = lead
            .find('-')
            .filter(|_| lead.trim_start().starts_with('-'));
        let Some(dash) = dash else {
            return Err(Form::at(last, "a list of this form"));
        };
        let newline = line_ending(text);
        let quoted = quoted_as(text, last, recipient.as_str());
        let item = format!("{newline}{}- {quoted}", &lead[..dash]);
        return Ok(vec![Splice::insert(line_end(text, last.end), item)]);
    }
    let quoted = quoted_as_neighbours(text, list, recipient.as_str());
    Ok(after_in_flow(text, last.start..last.end, &quoted))
}

/// The rule of this index, wherever it is written.
fn rule<'d>(document: &'d Document, index: usize) -> Result<&'d Node, Form> {
    let items = document.top_list("creation_rules");
    let rule = items.get(index).map(|item| document.resolve(item));
    rule.ok_or(Form {
        line: 1,
        column: 0,
        form: "creation_rules of this form",
    })
}

/// A mapping without `age` gets one after its last entry. In a key group it is
/// always a list.
fn entry_beside(
    text: &str,
    mapping: &Node,
    recipient: &Recipient,
    list: bool,
) -> Result<Vec<Splice>, Form> {
    let (flow, pairs) = match &mapping.kind {
        Kind::Mapping { flow, pairs } => (*flow, pairs),
        // A dash with nothing behind it.
        Kind::Scalar { .. } if mapping.is_nothing() && text[..mapping.start].ends_with('-') => {
            let entry = format!(" age: {recipient}");
            return Ok(vec![Splice::insert(mapping.start, entry)]);
        }
        _ => return Err(Form::at(mapping, "a rule of this form")),
    };
    let value = |quote: &str| {
        let quoted = format!("{quote}{recipient}{quote}");
        if list { format!("[{quoted}]") } else { quoted }
    };
    if !flow {
        let indent = " ".repeat(mapping.column);
        let entry = format!("{}{indent}age: {}", line_ending(text), value(""));
        return Ok(vec![Splice::insert(line_end(text, mapping.end), entry)]);
    }
    let quote = match pairs.first() {
        Some(pair) if !text[pair.key.start..].starts_with('"') => "",
        _ => "\"",
    };
    let entry = format!("{quote}age{quote}: {}", value("\""));
    let Some(last) = pairs.last() else {
        return Ok(vec![Splice::insert(mapping.start + 1, entry)]);
    };
    let end = last.value.end.max(last.key.end);
    Ok(after_in_flow(text, last.key.start..end, &entry))
}

/// The text in the quotes that the node has.
fn quoted_as(text: &str, node: &Node, with: &str) -> String {
    match text[node.start..].chars().next() {
        Some(quote @ ('"' | '\'')) => format!("{quote}{with}{quote}"),
        _ => with.to_owned(),
    }
}

/// The text in the quotes that the list's last item has; in a list without any,
/// JSON's where the document is JSON.
fn quoted_as_neighbours(text: &str, list: &Node, with: &str) -> String {
    match list.items().last() {
        Some(last) => quoted_as(text, last, with),
        None if text[..list.start].trim_end().ends_with("\":") => format!("\"{with}\""),
        None => with.to_owned(),
    }
}

/// The byte behind the colon of a key.
pub(super) fn after_colon(text: &str, key: &Node) -> usize {
    key.end + text[key.end..].find(':').unwrap_or_default() + 1
}
