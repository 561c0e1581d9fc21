//! Opens every value of a file, and verifies its MAC.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::Range;

use memchr::memmem;
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use super::contents::{Contents, EncryptedDocument, Path, ScalarValue, Segment, Value};
use super::metadata::Certain;
use super::token::{Cipher, Token, ValueType};
use super::{ENCRYPTED_VALUE, OpenError, Tampered, Unsupported};
use crate::core::data_key::DataKey;
use crate::core::sops_config::Position;

/// What the hash begins with where it is over the encrypted values alone: the
/// SHA-256 of "sops" (`sops.go`, `MACOnlyEncryptedInitialization`).
const ENCRYPTED_ONLY: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
    0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// So many bytes are read to find the places of comments, in one file: a second's work.
const MOST_TRIED: usize = 256 << 20;
/// To try a comment in a place takes as long as to read so many bytes, whatever its length.
const TRY: usize = 256;

/// An encrypted value that is authentic.
pub(super) struct OpenedValue {
    /// Its bytes in the file, without quotes. The MAC stands in each document.
    pub(super) ranges: Vec<Range<usize>>,
    /// What it is authentic for.
    pub(super) additional_data: String,
    pub(super) kind: ValueType,
    pub(super) plaintext: Zeroizing<Vec<u8>>,
}

/// Opens everything that is encrypted in a file: the values, the comments, the MACs.
///
/// # Errors
/// [`OpenError`]
pub(super) fn open(
    contents: &Contents<'_>,
    metadata: &[Certain<'_>],
    key: &DataKey,
) -> Result<Vec<OpenedValue>, OpenError> {
    let first = metadata.first().ok_or(Unsupported::Metadata)?;
    let mut walk = OpenWalk {
        text: contents.text,
        cipher: Cipher::new(key),
        metadata: first,
        hash: Sha512::new(),
        opened: Vec::new(),
    };
    if first.mac_only_encrypted {
        walk.hash.update(ENCRYPTED_ONLY);
    }
    for document in &contents.documents {
        for value in &document.values {
            walk.value(value)?;
        }
    }
    walk.mac(metadata)?;
    walk.comments(&contents.documents)?;
    // None is left that nobody has looked at.
    let all = memmem::find_iter(contents.text.as_bytes(), ENCRYPTED_VALUE).count();
    let known: usize = walk.opened.iter().map(|opened| opened.ranges.len()).sum();
    match all == known {
        true => Ok(walk.opened),
        false => Err(Unsupported::Values.into()),
    }
}

/// The additional data of what stands in a mapping or list, and around it.
fn and_around(path: &Path) -> impl Iterator<Item = String> {
    let lengths = (0..=path.0.len()).rev();
    lengths.map(|length| Path(path.0[..length].to_vec()).additional_data())
}

/// The additional data of everything that can stand in a mapping or list, each once.
fn all_places(documents: &[EncryptedDocument<'_>]) -> BTreeSet<String> {
    let containers = documents.iter().flat_map(|document| &document.containers);
    containers.map(Path::additional_data).collect()
}

struct OpenWalk<'a> {
    text: &'a str,
    cipher: Cipher,
    metadata: &'a Certain<'a>,
    hash: Sha512,
    opened: Vec<OpenedValue>,
}

impl OpenWalk<'_> {
    /// As sops walks over a value (`sops.go`, `Decrypt`).
    fn value(&mut self, value: &Value<'_>) -> Result<(), OpenError> {
        let selected = self.metadata.selection.selects(&value.path.keys());
        let hashed = match &value.scalar {
            ScalarValue::Null => return Ok(()),
            ScalarValue::Text(text) if selected && text.is_empty() => return Ok(()),
            ScalarValue::Text(text) if selected => {
                let token = Token::parse(text).ok_or(Unsupported::Values)?;
                // sops writes a comment in a list as an item, and no comment is in the MAC.
                let is_comment = token.kind == ValueType::Comment;
                let is_item = matches!(value.path.0.last(), Some(Segment::Index(_)));
                if is_comment && !is_item {
                    return Err(Unsupported::Values.into());
                }
                let range = self.range_of(text, &value.range)?;
                let opened = self.open(vec![range], &token, value.path.additional_data());
                let opened = opened.ok_or_else(|| self.tampered(value))?;
                if !token.kind.fits(&opened.plaintext) {
                    return Err(Unsupported::Values.into());
                }
                if !is_comment {
                    self.hash.update(&opened.plaintext);
                }
                self.opened.push(opened);
                return Ok(());
            }
            // sops wants a text there.
            ScalarValue::Other(_) if selected => return Err(Unsupported::Values.into()),
            ScalarValue::Text(text) => text.as_bytes(),
            ScalarValue::Other(text) => text.as_bytes(),
        };
        if !self.metadata.mac_only_encrypted {
            self.hash.update(hashed);
        }
        Ok(())
    }

    /// The documents' MACs are the same text.
    fn mac(&mut self, documents: &[Certain<'_>]) -> Result<(), OpenError> {
        // Whoever has it can try plaintexts on it: that is why sops encrypts it.
        let mut computed = Zeroizing::new(Vec::with_capacity(128));
        for byte in self.hash.finalize_reset() {
            let digits =
                [byte >> 4, byte & 0xf].map(|digit| b"0123456789ABCDEF"[usize::from(digit)]);
            computed.extend(digits);
        }
        let text = &self.metadata.mac.text;
        let ranges = documents
            .iter()
            .map(|it| self.range_of(text, &it.mac.range));
        let ranges = ranges.collect::<Result<_, _>>()?;
        let token = Token::parse(text).filter(|token| token.kind == ValueType::Text);
        let additional_data = self.metadata.last_modified.to_owned();
        let opened = token.and_then(|token| self.open(ranges, &token, additional_data));
        let opened = opened.filter(|mac| mac.plaintext == computed);
        self.opened.push(opened.ok_or(Unsupported::Mac)?);
        Ok(())
    }

    /// Where in the tree sops sees a comment depends on its YAML parser. A wrong guess
    /// is not authentic, so it can be tried: where kb's parser sees it, at the mappings
    /// and lists before and behind it, around those, then anywhere.
    fn comments(&mut self, documents: &[EncryptedDocument<'_>]) -> Result<(), OpenError> {
        let mut places: Option<BTreeSet<String>> = None;
        let left = Cell::new(MOST_TRIED);
        for document in documents {
            for comment in &document.comments {
                if !comment.text.starts_with(ENCRYPTED_VALUE) {
                    continue;
                }
                let token = Token::parse(comment.text).filter(|it| it.kind == ValueType::Comment);
                let token = token.ok_or(Unsupported::Values)?;
                let open = |place: String| {
                    let steps = TRY + token.length() + place.len();
                    // With nothing left, it is not found.
                    left.set(left.get().checked_sub(steps)?);
                    self.open(vec![comment.range.clone()], &token, place)
                };
                let (here, next) = (comment.container, comment.next);
                let near = [Some(here), Some(next), next.checked_sub(1)];
                let near = near.into_iter().flatten();
                let near = near.filter_map(|at| document.containers.get(at));
                let mut opened = near.flat_map(and_around).find_map(open);
                if opened.is_none() {
                    let places = places.get_or_insert_with(|| all_places(documents));
                    let steps = places
                        .iter()
                        .map(|place| TRY + token.length() + place.len());
                    if steps.sum::<usize>() > left.get() {
                        return Err(Unsupported::Values.into());
                    }
                    opened = places.iter().cloned().find_map(open);
                }
                let opened = opened.ok_or_else(|| Tampered::Comment {
                    position: Position::of(self.text, comment.range.start),
                })?;
                self.opened.push(opened);
            }
        }
        Ok(())
    }

    fn open(
        &self,
        ranges: Vec<Range<usize>>,
        token: &Token,
        additional_data: String,
    ) -> Option<OpenedValue> {
        let plaintext = self.cipher.open(token, &additional_data)?;
        Some(OpenedValue {
            ranges,
            additional_data,
            kind: token.kind,
            plaintext,
        })
    }

    /// Where the token stands in the bytes of its value.
    fn range_of(&self, token: &str, value: &Range<usize>) -> Result<Range<usize>, Unsupported> {
        let bytes = &self.text.as_bytes()[value.clone()];
        // Most often it is not in quotes.
        let found = match bytes.starts_with(token.as_bytes()) {
            true => Some(0),
            false => memmem::find(bytes, token.as_bytes()),
        };
        let start = value.start + found.ok_or(Unsupported::Values)?;
        Ok(start..start + token.len())
    }

    fn tampered(&self, value: &Value<'_>) -> OpenError {
        OpenError::Tampered(Tampered::Value {
            position: Position::of(self.text, value.range.start),
            path: value.path.dotted(),
        })
    }
}
