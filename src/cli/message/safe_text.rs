//! Text from outside, made safe: it neither drives the terminal nor repeats a private key.

use std::path::Path;

use crate::core::identity::PRIVATE_KEY_PREFIX;

/// A path in a list, where a line end in it would look like a line of its own.
pub fn one_line(path: &Path) -> String {
    path.display().to_string().replace('\n', "\\n")
}

/// Text that neither moves the cursor, nor hides what is there, nor holds
/// a private key. Line ends stay.
pub fn safe(text: &str) -> String {
    let text = without_private_keys(text);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\t' => out.push(c),
            '\r' if chars.peek() == Some(&'\n') => out.push(c),
            // Control characters, and those that reorder or hide text.
            _ if c.is_control()
                || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                    | '\u{2066}'..='\u{2069}' | '\u{feff}') =>
            {
                out.extend(c.escape_unicode());
            }
            _ => out.push(c),
        }
    }
    out
}

/// Text that holds no private key.
pub fn without_private_keys(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match private_key_at(rest) {
            Some(length) => {
                out.push_str("[private key]");
                rest = &rest[length..];
            }
            None => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

/// Whether the text contains a private key.
pub fn holds_private_key(text: &str) -> bool {
    let mut starts = text.char_indices().map(|(at, _)| at);
    starts.any(|at| private_key_at(&text[at..]).is_some())
}

/// The length of the private key that the text begins with. The words
/// "AGE-SECRET-KEY-1…" in one of kb's own messages are none.
fn private_key_at(text: &str) -> Option<usize> {
    const SHORTEST: usize = PRIVATE_KEY_PREFIX.len() + 8;
    let start = text.get(..PRIVATE_KEY_PREFIX.len())?;
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let length = end.unwrap_or(text.len());
    (start.eq_ignore_ascii_case(PRIVATE_KEY_PREFIX) && length >= SHORTEST).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_drive_the_terminal() {
        assert_eq!(
            safe("a\u{1b}[2Jb\rc\u{202e}d\u{9b}"),
            "a\\u{1b}[2Jb\\u{d}c\\u{202e}d\\u{9b}"
        );
        assert_eq!(safe("two\nlines é"), "two\nlines é");
    }

    #[test]
    fn a_private_key_is_never_repeated() {
        assert_eq!(
            safe("unexpected 'AGE-SECRET-KEY-1QQQQQQQ' and age-secret-key-pq-1xyzxyz."),
            "unexpected '[private key]' and [private key]."
        );
        let own = "a line AGE-SECRET-KEY-1…, as age-keygen writes it";
        assert_eq!(safe(own), own);
    }
}
