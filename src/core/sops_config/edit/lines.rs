//! Where lines begin and end, and how neighbours are written.

use std::ops::Range;

use super::Splice;
use crate::core::yaml::{Kind, Node};

/// One more element behind the one that stands in `last`, in a flow collection.
/// If that has a line for itself, so has the new one, and a comment stays where
/// it is.
pub(super) fn after_in_flow(text: &str, last: Range<usize>, element: &str) -> Vec<Splice> {
    let lead = &text[line_start(text, last.start)..last.start];
    let end = line_end(text, last.end);
    if !lead.trim().is_empty() {
        // go-yaml takes `a:,` for one word.
        let space = match text[..last.end].ends_with(':') {
            true => " ",
            false => "",
        };
        return vec![Splice::insert(last.end, format!("{space}, {element}"))];
    }
    let line = format!("{}{lead}{element}", line_ending(text, last.start));
    let behind = text[last.end..end].trim();
    if behind.starts_with(',') && item_ends(behind) {
        vec![Splice::insert(end, format!("{line},"))]
    } else if behind.starts_with('#') {
        vec![Splice::insert(last.end, ","), Splice::insert(end, line)]
    } else {
        vec![Splice::insert(last.end, format!(",{line}"))]
    }
}

/// Whether nothing but a comma or a comment follows in the line.
pub(super) fn item_ends(rest: &str) -> bool {
    let rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    rest.is_empty() || rest.starts_with('#')
}

/// The line ending of the line that holds the byte `at`; of the last one that
/// has one, of the line before.
pub(super) fn line_ending(text: &str, at: usize) -> &'static str {
    let end = text[at..].find('\n').map(|found| at + found);
    match end.or_else(|| text[..at].rfind('\n')) {
        Some(end) if text[..end].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// Where the line of the byte `at` begins.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |found| found + 1)
}

/// The end of the line that holds the byte `at`, its line ending not included:
/// a comment behind a value stays behind it.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |found| at + found);
    if text[at..end].ends_with('\r') {
        end - 1
    } else {
        end
    }
}

/// Where the next line begins, or the end of the text.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    text[at..]
        .find('\n')
        .map_or(text.len(), |found| at + found + 1)
}

/// The byte behind the colon of a key.
pub(super) fn after_colon(text: &str, key: &Node) -> usize {
    key.end + text[key.end..].find(':').unwrap_or_default() + 1
}

/// The quotes that the keys of a flow mapping have; JSON's if it has none.
pub(super) fn key_quote(text: &str, mapping: &Node) -> &'static str {
    match &mapping.kind {
        Kind::Mapping { pairs, .. } => match pairs.first() {
            Some(pair) if !text[pair.key.start..].starts_with('"') => "",
            _ => "\"",
        },
        _ => "",
    }
}

/// `with` in the quotes that the node has.
pub(super) fn quoted_as(text: &str, node: &Node, with: &str) -> String {
    match text[node.start..].chars().next() {
        Some(quote @ ('"' | '\'')) => format!("{quote}{with}{quote}"),
        _ => with.to_owned(),
    }
}

/// `with` as the value of an entry that has none yet: quoted where the entry's
/// key is, as in JSON.
pub(super) fn quoted_as_key(text: &str, value: &Node, with: &str) -> String {
    match text[..value.start].trim_end().ends_with("\":") {
        true => format!("\"{with}\""),
        false => with.to_owned(),
    }
}
