//! What stands where recipients belong, as byte ranges.

use std::ops::Range;

use granit_parser::ScalarStyle;

use super::lines::{line_end, line_start, next_line};
use super::{Splice, UnsupportedForm};
use crate::core::yaml::{Document, Node, NodeKind, Pair};

/// One recipient or placeholder in the text.
#[derive(Debug)]
pub(super) struct RecipientEntry<'d> {
    pub(super) text: String,
    pub(super) range: Range<usize>,
    /// The scalar that it stands in; a comma may separate it from others.
    pub(super) scalar: &'d Node<'d>,
    /// The index of the list item, if it stands in a list.
    pub(super) item: Option<usize>,
}

/// The entries whose values sops reads as recipients in a rule: `age` of the
/// rule, and of its key groups.
pub(super) fn of_rule<'d>(document: &'d Document<'d>, rule: &'d Node<'d>) -> Vec<&'d Pair<'d>> {
    let mut found: Vec<&Pair> = document.pair(rule, "age").into_iter().collect();
    found.extend(of_groups(document, key_groups(document, rule)));
    found
}

/// The key groups of a rule. If there are any, sops passes over its own `age`.
pub(super) fn key_groups<'d>(document: &'d Document<'d>, rule: &'d Node<'d>) -> &'d [Node<'d>] {
    document.get(rule, "key_groups").map_or(&[], Node::items)
}

/// The same of key groups, and of the groups merged into them.
pub(super) fn of_groups<'d>(
    document: &'d Document<'d>,
    groups: &'d [Node<'d>],
) -> Vec<&'d Pair<'d>> {
    let mut found = Vec::new();
    for group in groups {
        let merged = document.get(group, "merge").map_or(&[][..], Node::items);
        found.extend(of_groups(document, merged));
        found.extend(document.pair(group, "age"));
    }
    found
}

/// The recipients in a value of `age`.
pub(super) fn entries<'d>(
    document: &'d Document<'d>,
    value: &'d Node<'d>,
) -> Result<Vec<RecipientEntry<'d>>, UnsupportedForm> {
    let scalars: Vec<(Option<usize>, &Node)> = match &value.kind {
        NodeKind::Sequence { items, .. } => {
            let items = items.iter().enumerate();
            items
                .map(|(index, item)| (Some(index), document.resolve(item)))
                .collect()
        }
        _ => vec![(None, value)],
    };
    let mut entries = Vec::new();
    for (item, scalar) in scalars {
        for (range, text) in tokens(document.text, scalar)? {
            entries.push(RecipientEntry {
                text,
                range,
                scalar,
                item,
            });
        }
    }
    Ok(entries)
}

/// The parts of a scalar between its commas, without the white space around
/// them, as they stand in the text.
fn tokens(text: &str, scalar: &Node) -> Result<Vec<(Range<usize>, String)>, UnsupportedForm> {
    let NodeKind::Scalar { style, value } = &scalar.kind else {
        return Err(UnsupportedForm::at(scalar, "a value that is no text"));
    };
    if scalar.is_null() {
        return Ok(Vec::new());
    }
    let quote = match style {
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => 1,
        _ => 0,
    };
    let mut from = scalar.start + quote;
    let mut found = Vec::new();
    for part in text[from..scalar.end - quote].split(',') {
        let trimmed = part.trim();
        if !trimmed.is_empty() {
            let start = from + part.len() - part.trim_start().len();
            found.push((start..start + trimmed.len(), one_line(trimmed)));
        }
        from += part.len() + 1;
    }
    // What is spelled with escapes is not where it seems to be.
    let read = value
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    if read
        .map(one_line)
        .eq(found.iter().map(|(_, text)| text.clone()))
    {
        Ok(found)
    } else {
        Err(UnsupportedForm::at(scalar, "a text with escapes"))
    }
}

/// A line break in a scalar reads as a space.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Removes an item from a list: its line (the comment behind it too), or in brackets it
/// and the comma on one side.
pub(super) fn without_item(
    document: &Document,
    list: &Node,
    index: usize,
    kept_after: bool,
) -> Result<Vec<Splice>, UnsupportedForm> {
    let text = document.text;
    let NodeKind::Sequence { flow, items } = &list.kind else {
        return Err(UnsupportedForm::at(list, "a value that is no list"));
    };
    let item = &items[index];
    let start = line_start(text, item.outer);
    let is_own_line = text[start..item.outer].trim() == "-";
    let range = match (flow, index.checked_sub(1)) {
        (true, _) if text[list.start..list.end].contains('\n') => {
            return Err(UnsupportedForm::at(list, "brackets over several lines"));
        }
        (true, _) if kept_after => item.outer..items[index + 1].outer,
        (true, Some(previous)) => items[previous].end..item.end,
        (false, _) if is_own_line => {
            let end = next_line(text, item.end);
            // At the very end of the text the line before loses its line ending.
            let is_ended = text[..end].ends_with('\n') || start == 0;
            let start = if is_ended {
                start
            } else {
                line_end(text, line_start(text, start - 1))
            };
            start..end
        }
        _ => return Err(UnsupportedForm::at(item, "a list of this form")),
    };
    Ok(vec![Splice::remove(range)])
}
