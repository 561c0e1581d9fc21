//! Whether a file may hold a Secret, by its bytes: most files are of no interest, which
//! is to cost little.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use memchr::memmem::Finder;

/// The kind, and that of a list of such.
const KIND: &str = "Secret";
const LIST: &str = "List";

/// What can write a letter of the kind otherwise: an escape of its first letter, of a
/// later one or a line break between them, and tags that decode Base64. Nothing else in
/// YAML or JSON makes letters of other characters.
const HIDING: [&str; 11] = [
    "\\x53",
    "\\u0053",
    "\\U00000053",
    "S\\",
    "Se\\",
    "Sec\\",
    "Secr\\",
    "Secre\\",
    "!!",
    "!<",
    "%TAG",
];
/// `binary`, with each letter escaped.
const LONGEST_TAG: usize = 18;
/// So many of them are about the letters themselves.
const LETTERS: usize = 8;

static SECRET: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(KIND));
static HIDDEN: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new(HIDING).ok());

/// How the kind of a Secret may be written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mention {
    /// It is not.
    Nowhere,
    /// As a word.
    Plain,
    /// With escapes.
    Escaped,
    /// By a tag.
    Tagged,
}

impl Mention {
    /// Looks at bytes in UTF-8.
    pub(super) fn of(bytes: &[u8]) -> Self {
        if is_named(bytes) {
            return Self::Plain;
        }
        let Some(hidden) = HIDDEN.as_ref() else {
            return Self::Tagged;
        };
        let mut found = Self::Nowhere;
        for hit in hidden.find_overlapping_iter(bytes) {
            if hit.pattern().as_usize() >= LETTERS {
                if may_decode(hit.pattern().as_usize(), &bytes[hit.end()..]) {
                    found = Self::Tagged;
                }
                continue;
            }
            // Behind a backslash in the middle an escape follows, or a line end.
            let is_first_letter = hit.pattern().as_usize() < 3;
            let next = bytes.get(hit.end());
            let goes_on = next.is_some_and(|next| b"xuU\r\n\xc2\xe2".contains(next));
            if is_first_letter || goes_on {
                return Self::Escaped;
            }
        }
        found
    }
}

/// Whether the tag that goes on so may be the one for Base64.
fn may_decode(pattern: usize, rest: &[u8]) -> bool {
    if HIDING[pattern] != "!!" {
        return true;
    }
    let tag = rest
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'%');
    rest.starts_with(b"binary") || tag.take(LONGEST_TAG).any(|byte| *byte == b'%')
}

/// Whether the word is there by itself, in the place of a value.
fn is_named(bytes: &[u8]) -> bool {
    let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    let is_word = |at: usize| {
        let rest = &bytes[at + KIND.len()..];
        let rest = rest.strip_prefix(LIST.as_bytes()).unwrap_or(rest);
        !rest.first().is_some_and(is_of_word) && may_be_value(&bytes[..at])
    };
    SECRET.find_iter(bytes).any(is_word)
}

/// Whether a value may follow: behind a colon, an anchor, a tag, the sign of a block
/// scalar, an escaped line end, or a comment that a line ends with.
fn may_be_value(before: &[u8]) -> bool {
    let is_space = |byte: &u8| byte.is_ascii_whitespace();
    let unquoted = match before {
        [rest @ .., b'"' | b'\''] => rest,
        before => before,
    };
    let spaces = unquoted
        .iter()
        .rev()
        .take_while(|byte| is_space(byte))
        .count();
    let (text, gap) = unquoted.split_at(unquoted.len() - spaces);
    let word = text.rsplit(is_space).next().unwrap_or_default();
    let is_new_line = gap.contains(&b'\n') || gap.contains(&b'\r');
    let line = || {
        text.rsplit(|byte| b"\r\n".contains(byte))
            .next()
            .unwrap_or_default()
    };
    match text.last() {
        Some(b':') => may_be_kind(&text[..text.len() - 1]),
        Some(b'\\' | b'|' | b'>') => true,
        // `|-` and the like.
        Some(b'-' | b'+' | b'0'..=b'9') if is_new_line => {
            word.starts_with(b"|") || word.starts_with(b">")
        }
        _ if !gap.is_empty() && (word.starts_with(b"&") || word.starts_with(b"!")) => true,
        _ => is_new_line && line().contains(&b'#'),
    }
}

/// Whether the key that ends here may be `kind`: with escapes, or an alias, it may be.
fn may_be_kind(before: &[u8]) -> bool {
    let text = before.trim_ascii_end();
    let key = match text {
        [inner @ .., quote @ (b'"' | b'\'')] => inner.rsplit(|byte| byte == quote).next(),
        text => text.rsplit(|byte| b" \t\r\n{,?-\xbf".contains(byte)).next(),
    };
    let key = key.unwrap_or_default();
    key == b"kind" || key.is_empty() || key.starts_with(b"*") || key.contains(&b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_seen_however_it_is_written() {
        for text in [
            "kind: Secret\n",
            "{\"kind\":\"Secret\"}",
            "{\"kind\":Secret}",
            "kind: SecretList",
            "\"k\\x69nd\": Secret",
            "kind:\n  Secret\n",
            "kind: # why\n  Secret\n",
            "kind: |-\n  Secret\n",
            "kind: >2-\n   Secret\n",
            "? kind\n: Secret\n",
            "a: &s Secret\nkind: *s\n",
            "kind: !!str Secret",
            "kind: \"\\\n  Secret\"",
            "kind: \"\\x53ecret\"",
            "kind: \"\\u0053ecret\"",
            "kind: \"S\\x65cret\"",
            "kind: \"Sec\\\n  ret\"",
            "kind: \"Secre\\u0074\"",
            "kind: !!binary U2VjcmV0",
            "kind: !<tag:yaml.org,2002:binary> U2VjcmV0",
            "%TAG !e! tag:yaml.org,2002:\n---\nkind: !e!binary U2VjcmV0",
        ] {
            assert_ne!(Mention::of(text.as_bytes()), Mention::Nowhere, "{text}");
        }
        for text in [
            "kind: ExternalSecret\n",
            "kind: SecretStore\n",
            "kind: Deployment\nname: a-Secret\n",
            "Secret agents\n",
            "{\"description\": \"The Secret of this kind.\", \"enum\": [\"ConfigMap\", \"Secret\"]}",
            "kinds:\n  - Secret\n",
            "{\"const\": \"Secret\"}",
            "type: Secret\n",
            "if (!!binding) {}",
            "C:\\Sys\\Secure\n",
            "/\\S\\s+/",
        ] {
            assert_eq!(Mention::of(text.as_bytes()), Mention::Nowhere, "{text}");
        }
    }
}
