//! What shows that a text is encrypted, however it is written and whether it parses or not.
//!
//! A file that age opens holds an armored age file, whatever its format: in plain letters,
//! with escapes, folded over lines, or in Base64 (`!!binary`, and the data of a Secret,
//! which Flux decrypts as well). So these texts are searched where a parser finds no
//! metadata, or is not certain of what it found.

use std::borrow::Cow;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};

use super::ENCRYPTED_VALUE;
use crate::core::identity::Recipient;
use crate::core::yaml;

/// What stands in the armor's first line (<https://age-encryption.org/v1>), without spaces.
const ARMOR: &str = "AGEENCRYPTEDFILE-----";
/// The same as it is written.
pub const ARMOR_LINE: &str = "AGE ENCRYPTED FILE-----";
const ARMOR_BEGIN: &str = "-----BEGINAGEENCRYPTEDFILE-----";
const ARMOR_END: &str = "-----END";
/// What was cut off or typed badly may still be opened.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    NO_PAD.with_decode_allow_trailing_bits(true),
);

/// A text in a form that can be searched: without white space, and with what its escapes
/// stand for.
pub struct Traces(String);

impl Traces {
    /// The traces in the content of a file.
    pub fn of(bytes: &[u8]) -> Self {
        let text = match yaml::decode(bytes) {
            Ok(decoded) => decoded.text,
            Err(error) if error.encoding.is_utf16() => Cow::Owned(error.before),
            Err(_) => String::from_utf8_lossy(bytes),
        };
        Self(unescaped(&text))
    }

    /// Whether an armored age file may be in it. Without one, no age key opens anything in
    /// the file.
    pub fn may_hold_age_file(&self) -> bool {
        let in_base64 = [ARMOR_LINE, ENCRYPTED_VALUE]
            .into_iter()
            .flat_map(in_base64);
        self.0.contains(ARMOR) || in_base64.into_iter().any(|it| self.0.contains(&it))
    }

    /// Whether an encrypted value is in it.
    pub fn has_encrypted_value(&self) -> bool {
        self.has(ENCRYPTED_VALUE)
    }

    /// Whether the recipient stands in it.
    pub fn names(&self, recipient: &Recipient) -> bool {
        self.has(recipient.as_str())
    }

    fn has(&self, text: &str) -> bool {
        self.0.contains(text) || in_base64(text).iter().any(|it| self.0.contains(it))
    }

    /// What its texts in Base64 stand for that show an age file or an encrypted value, such
    /// as the data of a Secret: wherever they are, also in what no parser reads.
    pub fn encoded(&self) -> Vec<Vec<u8>> {
        let needles = [ARMOR_LINE, ENCRYPTED_VALUE]
            .into_iter()
            .flat_map(|text| in_base64(text).into_iter().enumerate());
        let needles: Vec<(usize, String)> = needles.collect();
        let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
        let mut found = Vec::new();
        for run in self.0.split(|c| !is_letter(c)) {
            let starts = needles.iter().flat_map(|(before, needle)| {
                let places = run.match_indices(needle.as_str());
                // Four letters are three bytes.
                places.map(|(at, _)| (at + 4 - first_letter(*before)) % 4)
            });
            for start in starts.collect::<BTreeSet<usize>>() {
                let letters = &run[start..];
                // One letter alone is no byte.
                let end = letters.len() - usize::from(letters.len() % 4 == 1);
                found.extend(TOLERANT.decode(&letters[..end]));
            }
        }
        found
    }

    /// The age files in it, without their armor. What is not Base64 ends one.
    pub fn age_files(&self) -> Vec<Vec<u8>> {
        let texts = self.0.split(ARMOR_BEGIN).skip(1);
        let bodies = texts.map(|text| text.split(ARMOR_END).next().unwrap_or_default());
        let decoded = bodies.filter_map(|body| {
            let letters = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
            let body: String = body.chars().filter(|c| letters(*c)).collect();
            TOLERANT.decode(body).ok()
        });
        decoded.collect()
    }
}

/// A text without white space and backslashes, and with what its escapes stand for.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = match rest.as_bytes() {
            [b'\\', b'x', ..] => 2,
            [b'\\', b'u', ..] => 4,
            [b'\\', b'U', ..] => 8,
            // A line end or a tab.
            [b'\\', b'n' | b'r' | b't', ..] => {
                rest = &rest[2..];
                continue;
            }
            _ => 0,
        };
        let digits = rest.get(2..2 + length).filter(|_| length > 0);
        let escaped = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        if let Some(escaped) = escaped.and_then(char::from_u32) {
            if !escaped.is_whitespace() {
                plain.push(escaped);
            }
            rest = &rest[2 + length..];
            continue;
        }
        if !letter.is_whitespace() && letter != '\\' {
            plain.push(letter);
        }
        rest = &rest[letter.len_utf8()..];
    }
    plain
}

/// What a text is in Base64, wherever in the encoded bytes it begins: its letters that do
/// not depend on what stands before and behind it.
pub fn in_base64(text: &str) -> [String; 3] {
    [0, 1, 2].map(|before| {
        let bytes = [&[0; 2][..before], text.as_bytes()].concat();
        let letters = STANDARD.encode(&bytes);
        letters[first_letter(before)..bytes.len() * 8 / 6].to_owned()
    })
}

/// The first letter that has no bit of the bytes before: six bits are in a letter.
fn first_letter(before: usize) -> usize {
    (before * 8).div_ceil(6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::identity::Identity;

    #[test]
    fn a_text_is_found_at_every_place_in_base64() {
        let (_, recipient) = Identity::generate();
        for before in ["", "a", "ab", "abc", "recipient: "] {
            let text = format!("{before}{recipient}: x");
            let encoded = STANDARD.encode(text);
            let wrapped = format!("{}\n   {}", &encoded[..17], &encoded[17..]);
            assert!(Traces::of(wrapped.as_bytes()).names(&recipient), "{before}");
        }
    }

    #[test]
    fn what_is_in_base64_is_found_at_every_place_and_beside_other_letters() {
        for before in ["", "a", "ab", "abc"] {
            let text = format!("{before}-----BEGIN AGE ENCRYPTED FILE-----\nYWJj\n-----END AGE\n");
            let encoded = STANDARD.encode(&text);
            for shown in [
                format!("- op: add\n  value: {encoded}\nkey: [broken"),
                format!("x{encoded}"),
                format!(
                    "value: |\n  {}\n  {}\nnext: y",
                    &encoded[..10],
                    &encoded[10..]
                ),
            ] {
                let found = Traces::of(shown.as_bytes()).encoded();
                let files = found.iter().flat_map(|it| Traces::of(it).age_files());
                assert!(files.count() > 0, "{shown}");
            }
        }
        assert!(Traces::of(b"value: YWJjZGVm").encoded().is_empty());
    }

    #[test]
    fn an_age_file_is_found_however_it_is_written() {
        for text in [
            "-----BEGIN AGE ENCRYPTED FILE-----\nYWJj\nZGU=\n-----END AGE ENCRYPTED FILE-----\n",
            r"x=-----BEGIN AGE ENCRYPTED FILE-----\nYWJj\nZGU=\n-----END AGE ENCRYPTED FILE-----\n",
            r#""-----BEGIN\x20\u0041GE ENCRYPTED\ FILE-----\n\nYWJj\n\U0000005aGU=\n-----END AGE"#,
            "> -----BEGIN AGE\n  ENCRYPTED FILE-----\r\n  YWJj\r\n  ZGU=\r\n-----END AGE",
        ] {
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            for bytes in [text.as_bytes().to_vec(), [&b"\xff\xfe"[..], &wide].concat()] {
                let traces = Traces::of(&bytes);
                assert!(traces.may_hold_age_file(), "{text}");
                assert_eq!(traces.age_files(), [b"abcde"], "{text}");
            }
            let data = STANDARD.encode(text.replace("\\x20", " ").replace("\\u0041", "A"));
            let is_plain = text.contains("AGE ENCRYPTED FILE");
            let found = Traces::of(data.as_bytes()).may_hold_age_file();
            assert!(found || !is_plain, "{text}");
        }
        assert!(!Traces::of(b"the armor of age: AGE ENCRYPTED FILE").may_hold_age_file());
    }
}
