//! The file under a new data key.

use std::ops::Range;

use super::contents::EncryptedDocument;
use super::metadata::{AgeKey, Certain};
use super::token::{Cipher, NONCE};
use super::{OpenError, Unsupported, Verified};
use crate::core::data_key::{DataKey, WrapError};
use crate::core::identity::Recipient;

/// The first line of an armored age file (<https://age-encryption.org/v1>).
const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";

/// Who can open it from now on. The first of them that is not there yet takes the place
/// of the first that leaves; the order of the others stays.
pub struct Recipients<'a>(pub &'a [Recipient]);

/// What stands in the place of some bytes.
struct TextEdit {
    range: Range<usize>,
    text: String,
}

/// What becomes of the list of recipients.
struct NewList<'m> {
    /// For each entry that is there, the recipient in its place; `None` if it goes.
    places: Vec<Option<&'m str>>,
    /// The recipients behind them.
    added: Vec<&'m str>,
}

impl<'m> NewList<'m> {
    fn new(old: &[AgeKey<'m>], wanted: &'m Recipients<'m>) -> Self {
        let is_wanted = |name: &str| wanted.0.iter().any(|key| key.as_str() == name);
        let is_there = |name: &str| old.iter().any(|key| key.name() == name);
        let new = wanted.0.iter().map(Recipient::as_str);
        let mut new = new.filter(|name| !is_there(name));
        let mut places = Vec::new();
        for (at, key) in old.iter().enumerate() {
            let is_double = old[..at].iter().any(|before| before.name() == key.name());
            places.push(if is_wanted(key.name()) && !is_double {
                Some(key.name())
            } else {
                new.next()
            });
        }
        Self {
            places,
            added: new.collect(),
        }
    }

    fn keeps_its_length(&self) -> bool {
        self.added.is_empty() && self.places.iter().all(Option::is_some)
    }
}

impl Verified<'_> {
    /// The file under this data key, for other recipients.
    ///
    /// # Errors
    /// [`OpenError::Unsupported`], [`OpenError::NoRandomness`]
    pub fn reencrypted(
        &self,
        key: &DataKey,
        recipients: &Recipients<'_>,
    ) -> Result<Vec<u8>, OpenError> {
        let mut edits = Vec::new();
        let cipher = Cipher::new(key);
        let mut nonces = vec![[0; NONCE]; self.opened.len()];
        getrandom::fill(nonces.as_flattened_mut()).map_err(|_| OpenError::NoRandomness)?;
        for (value, nonce) in self.opened.iter().zip(nonces) {
            let (kind, data) = (value.kind, &value.additional_data);
            let sealed = cipher.seal(kind, &value.plaintext, data, nonce);
            let sealed = sealed.ok_or(Unsupported::Values)?;
            edits.extend(value.ranges.iter().map(|range| TextEdit {
                range: range.clone(),
                text: sealed.clone(),
            }));
        }
        self.rewrap(key, recipients, &mut edits)?;
        Ok(edited(self.contents.text, 0..self.contents.text.len(), edits)?.into_bytes())
    }

    /// Encrypts the data key to each recipient.
    fn rewrap(
        &self,
        key: &DataKey,
        recipients: &Recipients<'_>,
        edits: &mut Vec<TextEdit>,
    ) -> Result<(), OpenError> {
        let first = self.metadata.first().ok_or(Unsupported::Metadata)?;
        let first = first.certain()?;
        let list = NewList::new(&first.keys, recipients);
        let wrap = |name: &str| {
            key.wrap(name).map_err(|error| match error {
                WrapError::NotX25519 => OpenError::from(Unsupported::OtherRecipients),
                WrapError::NoRandomness => OpenError::NoRandomness,
            })
        };
        let places = list.places.iter().map(|name| name.map(wrap).transpose());
        let places: Vec<Option<String>> = places.collect::<Result<_, _>>()?;
        let added = list.added.iter().map(|name| wrap(name));
        let added: Vec<String> = added.collect::<Result<_, _>>()?;
        let documents = self.contents.documents.iter();
        let documents = documents.filter(|document| document.has_metadata);
        for (document, metadata) in documents.zip(&self.metadata) {
            let certain = metadata.certain()?;
            let names = list.places.iter().zip(&places);
            let mut in_place = Vec::new();
            for (there, (name, wrapped)) in certain.keys.iter().zip(names) {
                in_place.push(match name.zip(wrapped.as_ref()) {
                    Some((name, wrapped)) => Some(self.entry(*there, name, wrapped)?),
                    None => None,
                });
            }
            if list.keeps_its_length() {
                edits.extend(in_place.into_iter().flatten().flatten());
                continue;
            }
            let new = list.added.iter().copied().zip(&added);
            edits.push(self.list(document, &certain, in_place, new)?);
        }
        Ok(())
    }

    /// The edits of an entry that gets this recipient, and a data key encrypted to it.
    fn entry(
        &self,
        there: AgeKey<'_>,
        name: &str,
        wrapped: &str,
    ) -> Result<Vec<TextEdit>, Unsupported> {
        // The range of a block scalar runs into the next line.
        let range = there.wrapped.range.clone();
        let length = self.contents.text[range.clone()].trim_end().len();
        let range = range.start..range.start + length;
        let mut edits = vec![TextEdit {
            text: self.armored(there, range.clone(), wrapped)?,
            range,
        }];
        if name != there.name() {
            let range = there.recipient.range.clone();
            let bytes = &self.contents.text[range.clone()];
            // Not if it is written with escapes.
            if !bytes.contains(there.name()) {
                return Err(Unsupported::Metadata);
            }
            let text = bytes.replace(there.name(), name);
            edits.push(TextEdit { range, text });
        }
        Ok(edits)
    }

    /// The whole list anew: the entries that stay, each with its edits, and new ones
    /// written as the first is.
    fn list<'n>(
        &self,
        document: &EncryptedDocument<'_>,
        certain: &Certain<'_>,
        in_place: Vec<Option<Vec<TextEdit>>>,
        new: impl Iterator<Item = (&'n str, &'n String)>,
    ) -> Result<TextEdit, Unsupported> {
        let text = self.contents.text;
        let item_range = |key: &AgeKey<'_>| {
            let mut items = document.items.iter();
            let (_, range) = items.find(|(item, _)| item == key.path)?;
            Some(range.clone())
        };
        let ranges = certain.keys.iter().map(item_range);
        let ranges: Option<Vec<Range<usize>>> = ranges.collect();
        let ranges = ranges.ok_or(Unsupported::OtherRecipientCount)?;
        let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
            return Err(Unsupported::OtherRecipientCount);
        };
        let between = self.between_items(&ranges)?;
        let mut items = Vec::new();
        for (range, edits) in ranges.iter().zip(in_place) {
            if let Some(edits) = edits {
                items.push(edited(text, range.clone(), edits)?);
            }
        }
        for (name, wrapped) in new {
            let edits = self.entry(certain.keys[0], name, wrapped)?;
            items.push(edited(text, first.clone(), edits)?);
        }
        Ok(TextEdit {
            range: first.start..last.end,
            text: items.join(&between),
        })
    }

    /// What stands between two items of the list.
    fn between_items(&self, ranges: &[Range<usize>]) -> Result<String, Unsupported> {
        let text = self.contents.text;
        let between = match ranges {
            [first, second, ..] => text[first.end..second.start].to_owned(),
            [only] => {
                let line = text[..only.start].rfind('\n').map_or(0, |at| at + 1);
                let lead = &text[line..only.start];
                let line_end = if text[..line].ends_with("\r\n") {
                    "\r\n"
                } else {
                    "\n"
                };
                if lead.trim_start().starts_with('-') {
                    format!("{line_end}{lead}")
                } else if lead.trim().is_empty() {
                    format!(",{line_end}{lead}")
                } else {
                    ",".to_owned()
                }
            }
            [] => return Err(Unsupported::OtherRecipientCount),
        };
        // Not a comment.
        match between.trim() {
            "-" | "," => Ok(between),
            _ => Err(Unsupported::OtherRecipientCount),
        }
    }

    /// The bytes of a data key that is encrypted to a recipient, with another one in it.
    /// Its lines are parted as they were: by the indentation of YAML, by `\n` in quotes.
    fn armored(
        &self,
        there: AgeKey<'_>,
        range: Range<usize>,
        wrapped: &str,
    ) -> Result<String, Unsupported> {
        let bytes = &self.contents.text[range];
        let old: Vec<&str> = there.wrapped.text.trim_end().lines().collect();
        let begin = bytes.find(BEGIN).ok_or(Unsupported::Metadata)? + BEGIN.len();
        let first_line = old.get(1).ok_or(Unsupported::Metadata)?;
        let parted = bytes[begin..]
            .find(first_line)
            .ok_or(Unsupported::Metadata)?;
        let between = &bytes[begin..begin + parted];
        let is_between = between.trim_matches([' ', '\r', '\n']);
        if !matches!(is_between, "" | "\\n") {
            return Err(Unsupported::Metadata);
        }
        let (old, new) = (old.join(between), wrapped.trim_end());
        match bytes.matches(&old).count() {
            1 => Ok(bytes.replace(&old, &new.lines().collect::<Vec<_>>().join(between))),
            _ => Err(Unsupported::Metadata),
        }
    }
}

/// A part of a text with its edits carried out.
fn edited(text: &str, part: Range<usize>, mut edits: Vec<TextEdit>) -> Result<String, Unsupported> {
    edits.sort_by_key(|edit| edit.range.start);
    let mut result = String::with_capacity(part.len() + part.len() / 8);
    let mut at = part.start;
    for edit in edits {
        let between = text.get(at..edit.range.start);
        result.push_str(between.ok_or(Unsupported::Values)?);
        result.push_str(&edit.text);
        at = edit.range.end;
    }
    let rest = text.get(at..part.end.max(at));
    result.push_str(rest.ok_or(Unsupported::Values)?);
    Ok(result)
}
