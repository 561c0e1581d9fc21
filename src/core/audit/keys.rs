//! Finds age private keys in any file.

use std::collections::BTreeSet;

use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use memchr::memmem::{Finder, find_iter};

use crate::core::identity::PRIVATE_KEY_PREFIX;
use crate::core::scan::in_utf16;

/// So many letters stand behind the prefix at least: an X25519 identity has 58, and one
/// that is cut short still tells most of itself. What is shorter is an example, as in
/// `AGE-SECRET-KEY-1…`.
const SHORTEST: usize = 40;
/// So many of them are different ones: of a real key's first 40 fewer than these are not
/// to be expected once in 10^12 keys.
const FEWEST_LETTERS: usize = 12;
/// What a key is written with (BIP 173, bech32), in capitals.
const LETTERS: &[u8] = b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
/// What stands between the prefix and the letters: of an X25519 and of a post-quantum key.
const SEPARATORS: [&[u8]; 2] = [b"1", b"PQ-1"];
/// So many characters of base64 are decoded behind the beginning of a prefix.
const DECODED: usize = 160;
/// So many characters of a group of base64 are left out, for what stands before the text
/// has a share in them.
const SHARED: [usize; 3] = [0, 2, 3];
/// Whatever the bits behind the last byte are.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// A line of base64 that goes on in the next one has so many characters at least:
/// programs break lines after 64 or 76.
const WRAPPED: usize = 60;

/// Looks for the text form of identities: as it is, in UTF-16, which PowerShell writes,
/// and in base64, as in the `data` of a Secret, which may be in UTF-16 too. Only
/// what can be a key counts: bech32 has no B, I, O and 1.
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
            Finder::new(&text.as_bytes()[SHARED[before]..]).into_owned()
        });
        Self {
            plain: Finder::new(PRIVATE_KEY_PREFIX).into_owned(),
            wide: in_utf16(PRIVATE_KEY_PREFIX).map(|text| Finder::new(&text).into_owned()),
            encoded,
        }
    }

    /// The line of the first private key, from 1.
    pub(super) fn line_of_key(&self, bytes: &[u8]) -> Option<u64> {
        let plain = self.first_plain(bytes);
        let wide = self.wide.iter();
        let wide = wide.filter_map(|finder| {
            finder.find_iter(bytes).find(|at| {
                let rest = bytes[at + finder.needle().len()..].iter();
                // The zero of the last letter of the prefix may be left.
                let rest: Vec<u8> = rest
                    .take(2 * DECODED)
                    .copied()
                    .filter(|byte| *byte != 0)
                    .collect();
                is_key(&rest)
            })
        });
        let found = plain.into_iter().chain(wide).chain(self.in_base64(bytes));
        let found = found.chain(self.in_wrapped_base64(bytes)).min();
        if let Some(found) = found {
            return Some(find_iter(&bytes[..found], b"\n").count() as u64 + 1);
        }
        // Base64 in UTF-16: the lines are the same.
        let narrow = narrowed(bytes)?;
        let found = self
            .in_base64(&narrow)
            .or_else(|| self.in_wrapped_base64(&narrow))?;
        Some(find_iter(&narrow[..found], b"\n").count() as u64 + 1)
    }

    fn first_plain(&self, bytes: &[u8]) -> Option<usize> {
        let found = self.plain.find_iter(bytes);
        let length = self.plain.needle().len();
        found.into_iter().find(|at| is_key(&bytes[at + length..]))
    }

    fn in_base64(&self, bytes: &[u8]) -> Option<usize> {
        let all = self.encoded.iter().zip(SHARED);
        let all = all.filter_map(|(finder, shared)| {
            finder.find_iter(bytes).find(|at| {
                // The group that the text begins in.
                let start = at.saturating_sub(shared);
                let text = bytes[start..].iter().take_while(|byte| is_base64(byte));
                let text: Vec<u8> = text.take(DECODED).copied().collect();
                let groups = &text[..text.len() / 4 * 4];
                let decoded = LENIENT.decode(groups);
                decoded.is_ok_and(|decoded| self.first_plain(&decoded).is_some())
            })
        });
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
                if !joined.is_empty() && self.in_base64(&joined).is_some() {
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

/// Whether what stands behind a prefix can be a key.
fn is_key(rest: &[u8]) -> bool {
    let mut separators = SEPARATORS.iter();
    let Some(letters) = separators.find_map(|separator| rest.strip_prefix(*separator)) else {
        return false;
    };
    let letters = letters.iter().take_while(|byte| LETTERS.contains(byte));
    let letters: Vec<&u8> = letters.take(SHORTEST).collect();
    let distinct: BTreeSet<&u8> = letters.iter().copied().collect();
    letters.len() == SHORTEST && distinct.len() >= FEWEST_LETTERS
}

/// A text in UTF-16 without the zeros, if it looks like one.
fn narrowed(bytes: &[u8]) -> Option<Vec<u8>> {
    let head = &bytes[..bytes.len().min(256)];
    let zeros = head.iter().filter(|byte| **byte == 0).count();
    let is_wide = zeros * 3 > head.len();
    is_wide.then(|| bytes.iter().copied().filter(|byte| *byte != 0).collect())
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
        let encoded = STANDARD.encode(format!("# public key\n{key}\n"));
        for text in in_utf16(&format!("data:\r\n  key: {encoded}\r\n")) {
            assert_eq!(line(&text), Some(2));
        }
        let post_quantum = key.replace("KEY-1", "KEY-PQ-1");
        assert_eq!(line(post_quantum.as_bytes()), Some(1));
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
            // One letter, and letters that are not in bech32.
            &format!("AGE-SECRET-KEY-1{}", "X".repeat(58)),
            &format!("AGE-SECRET-KEY-{}", "X".repeat(58)),
            &format!("AGE-SECRET-KEY-1{}", "QPZR".repeat(15)),
            "AGE-SECRET-KEY-1ABC123DEF456GHI789JKL012MNO345PQR678STU901VWX234YZ567",
            &format!("AGE-SECRET-KEY-1{}", key[20..].to_lowercase()),
        ] {
            assert_eq!(line(example.as_bytes()), None, "{example}");
            let encoded = STANDARD.encode(format!("{example}\n"));
            assert_eq!(line(encoded.as_bytes()), None, "{example}");
        }
    }
}
