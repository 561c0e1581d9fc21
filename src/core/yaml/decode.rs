//! From bytes to text, as YAML readers do it.
//!
//! YAML 1.2.2, section 5.2: a byte order mark tells the encoding, and without one it is
//! UTF-8. go-yaml, which sops, kubectl and Flux read with, knows UTF-8 and UTF-16
//! (`readerc.go`, `yaml_parser_determine_encoding`) and takes nothing else for text.

use std::borrow::Cow;

/// How a text is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8 without a byte order mark.
    Utf8,
    /// UTF-8 with one, which stays in the text.
    Utf8WithMark,
    /// UTF-16, the low byte first; the mark is not in the text.
    Utf16Le,
    /// UTF-16, the high byte first; the mark is not in the text.
    Utf16Be,
}

impl Encoding {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf8WithMark => "UTF-8 with a byte order mark",
            Self::Utf16Le | Self::Utf16Be => "UTF-16",
        }
    }

    /// Whether it is one of those of two bytes.
    pub fn is_utf16(self) -> bool {
        matches!(self, Self::Utf16Le | Self::Utf16Be)
    }
}

/// A text, and how it was encoded.
#[derive(Clone, Debug)]
pub struct Decoded<'b> {
    /// The text. All byte ranges in this module are ranges of it.
    pub text: Cow<'b, str>,
    /// How it was encoded.
    pub encoding: Encoding,
}

/// Bytes that are not a text in the encoding that they announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotText {
    /// The text before the first byte that does not fit.
    pub before: String,
    /// What they are announced as.
    pub encoding: Encoding,
}

/// Decodes bytes by their byte order mark.
///
/// # Errors
/// [`NotText`]
pub fn decode(bytes: &[u8]) -> Result<Decoded<'_>, NotText> {
    let (encoding, units) = match bytes {
        [0xff, 0xfe, rest @ ..] => (Encoding::Utf16Le, rest),
        [0xfe, 0xff, rest @ ..] => (Encoding::Utf16Be, rest),
        [0xef, 0xbb, 0xbf, ..] => (Encoding::Utf8WithMark, bytes),
        _ => (Encoding::Utf8, bytes),
    };
    let text = match encoding {
        Encoding::Utf8 | Encoding::Utf8WithMark => str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|error| String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned()),
        Encoding::Utf16Le => from_utf16(units, u16::from_le_bytes),
        Encoding::Utf16Be => from_utf16(units, u16::from_be_bytes),
    };
    match text {
        Ok(text) => Ok(Decoded { text, encoding }),
        Err(before) => Err(NotText { before, encoding }),
    }
}

/// The text, or what comes before the first unit that has no meaning.
fn from_utf16<'b>(units: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'b, str>, String> {
    let (pairs, rest) = units.as_chunks::<2>();
    let mut text = String::with_capacity(pairs.len());
    for decoded in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match decoded {
            Ok(char) => text.push(char),
            Err(_) => return Err(text),
        }
    }
    if rest.is_empty() {
        Ok(Cow::Owned(text))
    } else {
        Err(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_order_mark_tells_the_encoding() {
        for (bytes, text, encoding) in [
            (&b"a: b"[..], "a: b", Encoding::Utf8),
            (b"\xef\xbb\xbfa", "\u{feff}a", Encoding::Utf8WithMark),
            (b"\xff\xfea\0\xac\x20", "a\u{20ac}", Encoding::Utf16Le),
            (b"\xfe\xff\0a", "a", Encoding::Utf16Be),
        ] {
            let decoded = decode(bytes).expect("a text");
            assert_eq!((&*decoded.text, decoded.encoding), (text, encoding));
        }
        for (bytes, before) in [
            (&b"ab\xff"[..], "ab"),
            (b"\xff\xfea\0b", "a"),
            (b"\xff\xfea\0\0\xd8b\0", "a"),
        ] {
            assert_eq!(decode(bytes).expect_err("no text").before, before);
        }
    }
}
