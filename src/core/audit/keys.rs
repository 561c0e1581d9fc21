//! Finds age private keys in any file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem::{Finder, find_iter};

use crate::core::identity::PRIVATE_KEY_PREFIX;
use crate::core::scan::in_utf16;

/// So many characters stand behind the prefix at least: an X25519 identity has 59,
/// and one that is cut short still tells most of itself. What is shorter is an
/// example, as in `AGE-SECRET-KEY-1…`.
const SHORTEST: usize = 40;
/// A line of base64 that goes on in the next one has so many characters at least:
/// programs break lines after 64 or 76.
const WRAPPED: usize = 60;

/// Looks for the text form of identities: as it is, in UTF-16, which PowerShell writes,
/// and in base64, as it stands in the `data` of a Secret.
pub(super) struct KeyFinder {
    plain: Finder<'static>,
    wide: [Finder<'static>; 2],
    encoded: [Finder<'static>; 3],
}

impl KeyFinder {
    pub(super) fn new() -> Self {
        // Each of the three ways in which the text can lie in base64's groups; without
        // the characters that what is before and behind it has a share in.
        let encoded = [0, 1, 2].map(|before| {
            let text = [&b"\0\0"[..before], PRIVATE_KEY_PREFIX.as_bytes()].concat();
            let text = STANDARD.encode(&text[..text.len() / 3 * 3]);
            let shared = [0, 2, 3][before];
            Finder::new(&text.as_bytes()[shared..]).into_owned()
        });
        Self {
            plain: Finder::new(PRIVATE_KEY_PREFIX).into_owned(),
            wide: in_utf16(PRIVATE_KEY_PREFIX).map(|text| Finder::new(&text).into_owned()),
            encoded,
        }
    }

    /// The line of the first private key, from 1.
    pub(super) fn line_of_key(&self, bytes: &[u8]) -> Option<u64> {
        let is_key = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        let is_wide = |byte: &u8| is_key(byte) || *byte == 0;
        let plain = first(&self.plain, bytes, SHORTEST, is_key);
        let wide = self.wide.iter();
        let wide = wide.filter_map(|finder| first(finder, bytes, 2 * SHORTEST, is_wide));
        let found = plain.into_iter().chain(wide).chain(self.in_base64(bytes));
        let found = found.chain(self.in_wrapped_base64(bytes)).min()?;
        Some(find_iter(&bytes[..found], b"\n").count() as u64 + 1)
    }

    fn in_base64(&self, bytes: &[u8]) -> Option<usize> {
        let all = self.encoded.iter();
        let all = all.filter_map(|finder| first(finder, bytes, SHORTEST, is_base64));
        all.min()
    }

    /// The same where it is broken into lines: then a line end may stand in the middle.
    /// The place is that of the first line.
    fn in_wrapped_base64(&self, bytes: &[u8]) -> Option<usize> {
        let mut joined: Vec<u8> = Vec::new();
        let mut start = 0;
        let mut at = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = line.trim_ascii();
            let goes_on = text.len() >= WRAPPED && text.iter().all(is_base64);
            if goes_on && joined.is_empty() {
                start = at;
            }
            if goes_on || !joined.is_empty() {
                joined.extend(text);
            }
            at += line.len();
            if !goes_on || at == bytes.len() {
                if self.in_base64(&joined).is_some() {
                    return Some(start);
                }
                joined.clear();
            }
        }
        None
    }
}

fn is_base64(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=".contains(byte)
}

/// The first place of a text that goes on for so many bytes of its kind.
fn first(
    finder: &Finder<'_>,
    bytes: &[u8],
    length: usize,
    is_of_kind: impl Fn(&u8) -> bool,
) -> Option<usize> {
    finder.find_iter(bytes).find(|at| {
        let rest = &bytes[at + finder.needle().len()..];
        rest.iter().take_while(|byte| is_of_kind(byte)).count() >= length
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::identity::Identity;

    #[test]
    fn a_private_key_is_found_in_every_form_that_people_keep_it_in() {
        let finder = KeyFinder::new();
        let key = Identity::generate().0;
        let key = key.key().expose();
        let line = |text: &[u8]| finder.line_of_key(text);
        assert_eq!(line(format!("a\nkey: {key}\n").as_bytes()), Some(2));
        let cut = format!("'{}'", &key[..key.len() - 9]);
        assert_eq!(line(cut.as_bytes()), Some(1));
        for text in in_utf16(&format!("# public key\r\n{key}\r\n")) {
            assert_eq!(line(&text), Some(2));
        }
        for before in 0..80 {
            let file = format!("{}\n{key}\n", "#".repeat(before));
            let encoded = STANDARD.encode(file);
            let found = line(format!("\n\nage.agekey: {encoded}").as_bytes());
            assert_eq!(found, Some(3), "behind {before}");
            for width in [64, 76] {
                let lines: Vec<&[u8]> = encoded.as_bytes().chunks(width).collect();
                let wrapped = [b"a: |\n  ", &lines.join(&b"\n  "[..])[..], b"\nb: c\n"].concat();
                let found = line(&wrapped);
                assert!(found.is_some(), "behind {before}, lines of {width}");
            }
        }
        for example in [
            "AGE-SECRET-KEY-1…",
            "AGE-SECRET-KEY-1QQQQ",
            "AGE-SECRET-KEY-",
        ] {
            assert_eq!(line(example.as_bytes()), None, "{example}");
        }
    }
}
