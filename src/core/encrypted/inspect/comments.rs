//! Comments that hold a value: `# password: hunter2`.

use super::{Leaf, SECTIONS};
use crate::core::encrypted::ENCRYPTED_VALUE;
use crate::core::encrypted::contents::EncryptedComment;
use crate::core::placeholder::is_placeholder;

/// Keys in comments that are there for programs and readers.
const NO_KEYS: [&str; 22] = [
    "$schema",
    "cspell",
    "default",
    "docs",
    "e.g",
    "eslint",
    "example",
    "fixme",
    "from",
    "http",
    "https",
    "i.e",
    "info",
    "link",
    "note",
    "ref",
    "renovate",
    "see",
    "source",
    "todo",
    "usage",
    "yaml-language-server",
];

/// The last word of keys whose values are secrets.
const SENSITIVE: [&str; 13] = [
    "apikey",
    "credential",
    "credentials",
    "key",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "pw",
    "pwd",
    "secret",
    "token",
];

/// A comment that holds a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commented {
    /// Its key.
    pub key: String,
    /// The value that stands before it, by its number.
    pub previous: Option<usize>,
    /// The value that stands behind it, in the same mapping.
    pub next: Option<usize>,
    /// The value that follows, in whatever mapping.
    pub behind: Option<usize>,
    /// The key that opens the mapping in which nothing else stands, commented out or not.
    pub opened_by: Option<String>,
    /// Whether its value is one word.
    pub is_word: bool,
    /// Whether it is written as the entry of a mapping within another one.
    pub is_indented: bool,
    /// The byte that its text begins at.
    pub start: usize,
}

/// Finds the comments in a document's `text` that hold a value.
pub(super) fn find(
    text: &str,
    comments: &[EncryptedComment<'_>],
    values: &[Leaf<'_>],
) -> Vec<Commented> {
    let held = comments.iter().filter_map(|comment| {
        let (key, is_word) = commented_key(comment.text)?;
        let is_indented = comment.text.starts_with("  ") || comment.text.starts_with('\t');
        Some((comment.range.start, key, is_word, is_indented))
    });
    let held: Vec<(usize, String, bool, bool)> = held.collect();
    if held.is_empty() {
        return Vec::new();
    }
    let mut starts: Vec<(usize, usize)> = values.iter().map(|it| it.start).zip(0..).collect();
    starts.sort_unstable();
    let mut last: Option<(usize, Option<String>)> = None;
    let mut line_ahead = None;
    let held = held.into_iter().map(|(at, key, is_word, is_indented)| {
        let opened_by = opening_key(text, at, last.as_ref());
        last = Some((at, opened_by.clone()));
        let behind = starts.partition_point(|(start, _)| *start < at);
        let previous = behind.checked_sub(1).map(|before| starts[before].1);
        let behind = starts.get(behind);
        // What is indented less belongs to a mapping around, and what comes after it too.
        let ahead = line_ahead.filter(|line: &Option<usize>| line.is_none_or(|line| line > at));
        let ahead = ahead.unwrap_or_else(|| next_line(text, at));
        line_ahead = Some(ahead);
        let own = indentation(text, at);
        let is_inner = ahead.is_none_or(|line| indentation(text, line) >= own);
        let next = behind.filter(|(start, _)| is_inner && own >= indentation(text, *start));
        Commented {
            key,
            previous,
            next: next.map(|(_, number)| *number),
            behind: behind.map(|(_, number)| *number),
            opened_by,
            is_word,
            is_indented,
            start: at,
        }
    });
    held.collect()
}

/// The key without a value in the last line before the byte `at`; of comments only a section
/// of a Secret. `last` is an earlier byte in a comment, and what was found for it.
fn opening_key(text: &str, at: usize, last: Option<&(usize, Option<String>)>) -> Option<String> {
    let mut end = at;
    while let Some(line_end) = text[..end].rfind('\n') {
        let start = text[..line_end].rfind('\n').map_or(0, |at| at + 1);
        let line = text[start..line_end].trim();
        end = start;
        let comment = line.strip_prefix('#');
        if let Some((_, found)) = last.filter(|(at, _)| comment.is_some() && *at >= start) {
            return found.clone();
        }
        if line.is_empty() {
            continue;
        }
        let key = comment.unwrap_or(line).trim_start_matches(['#', ' ', '\t']);
        let key = key
            .strip_suffix(':')
            .map(|key| key.trim_matches(['"', '\'']));
        match key {
            Some(key) if comment.is_none() || SECTIONS.contains(&key) => {
                return Some(key.to_owned());
            }
            None if comment.is_none() => return None,
            _ => {}
        }
    }
    None
}

/// Where the next line begins that is neither empty nor a comment.
fn next_line(text: &str, at: usize) -> Option<usize> {
    let mut start = at + text[at..].find('\n')? + 1;
    for line in text[start..].split_inclusive('\n') {
        let content = line.trim_start();
        if !content.is_empty() && !content.starts_with('#') {
            return Some(start);
        }
        start += line.len();
    }
    None
}

/// The indentation of the line of a byte.
fn indentation(text: &str, at: usize) -> usize {
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let line = &text[start..];
    line.len() - line.trim_start_matches([' ', '-']).len()
}

/// The key in a comment, if a value stands there too, and whether that is one word.
fn commented_key(comment: &str) -> Option<(String, bool)> {
    let text = comment.trim_start_matches(['#', ';', ' ', '\t']).trim();
    let text = text.strip_prefix("- ").unwrap_or(text);
    if text.starts_with(ENCRYPTED_VALUE) {
        return None;
    }
    let at = text.find([':', '='])?;
    let (key, rest) = (&text[..at], &text[at + 1..]);
    let is_assignment = text[at..].starts_with('=');
    if !is_assignment && !rest.starts_with([' ', '\t']) {
        return None;
    }
    let key = key.trim().trim_matches(['"', '\'']);
    let is_key = |c: char| c.is_alphanumeric() || "_.-/".contains(c);
    let folded = key.to_lowercase();
    if key.is_empty() || !key.chars().all(is_key) || NO_KEYS.contains(&&*folded) {
        return None;
    }
    let value = rest.split(" #").next().unwrap_or_default().trim();
    let anchored = value.strip_prefix('&').and_then(|it| it.split_once(' '));
    let value = anchored.map_or(value, |(_, value)| value.trim());
    let value = value.trim_matches(['"', '\'']);
    let is_word = !value.contains(char::is_whitespace);
    let is_url = value.contains("://") && !value.contains('@');
    let is_nothing = matches!(
        value,
        "" | "true" | "false" | "null" | "~" | "|" | ">" | "|-" | ">-"
    );
    let is_known = is_sensitive(key) || SECTIONS.contains(&key);
    let is_value = !is_nothing && !is_url && (is_word || is_known);
    (is_value && !is_placeholder(value)).then(|| (key.to_owned(), is_word))
}

/// Whether a key is called like one of a secret.
pub fn is_sensitive(key: &str) -> bool {
    SENSITIVE.contains(&&*last_word(key))
}

/// The last word of a key, in small letters: of `adminPassword` and `ADMIN_PASSWORD` the
/// same.
pub fn last_word(key: &str) -> String {
    let is_sign = |c: char| !c.is_alphanumeric();
    let key = key.trim_end_matches(|c: char| is_sign(c) || c.is_ascii_digit());
    let last = key.rsplit(is_sign).next().unwrap_or_default();
    let is_mixed = last.chars().any(char::is_lowercase);
    let start = last.rfind(|c: char| c.is_uppercase()).filter(|_| is_mixed);
    last[start.unwrap_or(0)..].to_lowercase()
}

impl Commented {
    /// How it is called where it is spoken of.
    pub fn name(&self) -> String {
        format!("the comment \"# {}: …\"", self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_secrets_are_known_by_their_last_word() {
        for key in [
            "password",
            "DB_PASSWORD",
            "adminPassword",
            "api-key",
            "apiKey2",
            "a.token",
        ] {
            assert!(is_sensitive(key), "{key}");
        }
        for key in [
            "TOKEN_TIME",
            "SMTP_AUTH_STRATEGY",
            "passwordReset",
            "keyboard",
            "user",
        ] {
            assert!(!is_sensitive(key), "{key}");
        }
    }

    #[test]
    fn a_comment_holds_a_value_only_if_it_is_one() {
        for comment in [
            " password: hunter2",
            "password: hunter2",
            " PASSWORD=hunter2",
            "#  'password': \"hunter2\" # old",
            " - token: hunter2",
            " password: correct horse battery",
            " url: postgres://user:hunter2@db/x",
            " password: &pass hunter2",
        ] {
            assert!(commented_key(comment).is_some(), "{comment}");
        }
        for comment in [
            " the password: see the wiki",
            " yaml-language-server: $schema=https://example.org/x.json",
            " renovate: datasource=docker",
            " https://example.org",
            " docs: https://example.org/a",
            " TODO: rotate",
            " owner: the team of Ann",
            " password:",
            " password: ${PASSWORD}",
            " password: &pass \"${PASSWORD}\"",
            "ENC[AES256_GCM,data:x,type:comment]",
            " enabled: true",
        ] {
            assert_eq!(commented_key(comment), None, "{comment}");
        }
    }
}
