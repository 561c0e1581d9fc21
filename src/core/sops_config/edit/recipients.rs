//! What stands where recipients belong, as byte ranges.

use std::ops::Range;

use granit_parser::ScalarStyle;

use super::{Form, item_ends, line_end, line_start, next_line};
use crate::core::sops_config::document::{Document, Kind, Node};

/// One recipient or placeholder in the text.
#[derive(Debug)]
pub(super) struct Entry<'d> {
    pub(super) text: String,
    pub(super) range: Range<usize>,
    /// The scalar that it stands in; a comma may separate it from others.
    pub(super) scalar: &'d Node,
    /// The index of the list item, if it stands in a list.
    pub(super) item: Option<usize>,
}

/// The values of `age` that sops reads as recipients in a rule: the rule's own,
/// and those of its key groups.
pub(super) fn lists_of_rule<'d>(document: &'d Document, rule: &'d Node) -> Vec<&'d Node> {
    let mut lists: Vec<&Node> = document.get(rule, "age").into_iter().collect();
    lists.extend(group_lists(document, document.get(rule, "key_groups")));
    lists
}

/// The values of `age` in key groups, and in the groups merged into them.
pub(super) fn group_lists<'d>(document: &'d Document, groups: Option<&'d Node>) -> Vec<&'d Node> {
    let mut lists = Vec::new();
    for group in groups.map_or(&[][..], Node::items) {
        lists.extend(group_lists(document, document.get(group, "merge")));
        lists.extend(document.get(group, "age"));
    }
    lists
}

/// The recipients in a value of `age`.
pub(super) fn entries<'d>(document: &'d Document, value: &'d Node) -> Result<Vec<Entry<'d>>, Form> {
    let scalars: Vec<(Option<usize>, &Node)> = match &value.kind {
        Kind::Sequence { items, .. } => {
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
            entries.push(Entry {
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
fn tokens(text: &str, scalar: &Node) -> Result<Vec<(Range<usize>, String)>, Form> {
    let Kind::Scalar { style, value } = &scalar.kind else {
        return Err(Form::at(scalar, "a value that is no text"));
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
        Err(Form::at(scalar, "a text with escapes"))
    }
}

/// A line break in a scalar reads as a space.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What goes with an item of a list: its line if it has one for itself (the
/// comment behind it too), else it and the comma on one side.
pub(super) fn item_range(
    document: &Document,
    list: &Node,
    index: usize,
    kept_after: bool,
) -> Result<Range<usize>, Form> {
    let text = document.text;
    let Kind::Sequence { flow, items } = &list.kind else {
        return Err(Form::at(list, "a value that is no list"));
    };
    let item = &items[index];
    let start = line_start(text, item.start);
    let before = text[start..item.start].trim();
    let after = text[item.end..line_end(text, item.end)].trim_start();
    let own_line = match flow {
        true => before.is_empty() && item_ends(after),
        false => before == "-",
    };
    if own_line {
        let end = next_line(text, item.end);
        // At the very end of the text the line before loses its line ending.
        let ended = text[..end].ends_with('\n') || start == 0;
        return Ok(if ended {
            start..end
        } else {
            line_end(text, start - 1)..end
        });
    }
    match (flow, index.checked_sub(1)) {
        (true, _) if kept_after => Ok(item.start..items[index + 1].start),
        (true, Some(previous)) => Ok(items[previous].end..item.end),
        _ => Err(Form::at(item, "a list of this form")),
    }
}
