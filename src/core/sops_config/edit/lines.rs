//! Where lines begin and end, and how neighbours are written.

use crate::core::yaml::Node;

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

/// `with` in the quotes that the node has.
pub(super) fn quoted_as(text: &str, node: &Node, with: &str) -> String {
    match text[node.start..].chars().next() {
        Some(quote @ ('"' | '\'')) => format!("{quote}{with}{quote}"),
        _ => with.to_owned(),
    }
}
