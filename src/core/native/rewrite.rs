//! The file under a new data key.

use std::ops::Range;

use super::metadata::AgeKey;
use super::token::{Cipher, NONCE};
use super::{NotNative, Outside, Verified};
use crate::core::data_key::{DataKey, WrapError};
use crate::core::identity::Recipient;

/// The first line of an armored age file (<https://age-encryption.org/v1>).
const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";

/// Who can open it from now on.
pub struct Recipients<'a> {
    /// Those that go.
    pub old: &'a [Recipient],
    /// The one that comes, in the place of the one that goes.
    pub new: &'a Recipient,
}

/// What stands in the place of some bytes.
struct Edit {
    range: Range<usize>,
    text: String,
}

impl Verified<'_> {
    /// The file under this data key, for other recipients: those that go must be one,
    /// and in it.
    ///
    /// # Errors
    /// [`NotNative::Outside`], [`NotNative::NoRandomness`]
    pub fn reencrypted(
        &self,
        key: &DataKey,
        recipients: &Recipients<'_>,
    ) -> Result<Vec<u8>, NotNative> {
        let mut edits = Vec::new();
        let cipher = Cipher::new(key);
        let mut nonces = vec![[0; NONCE]; self.opened.len()];
        getrandom::fill(nonces.as_flattened_mut()).map_err(|_| NotNative::NoRandomness)?;
        for (value, nonce) in self.opened.iter().zip(nonces) {
            let (kind, data) = (value.kind, &value.additional_data);
            let sealed = cipher.seal(kind, &value.plaintext, data, nonce);
            let sealed = sealed.ok_or(Outside::Values)?;
            edits.extend(value.ranges.iter().map(|range| Edit {
                range: range.clone(),
                text: sealed.clone(),
            }));
        }
        self.rewrap(key, recipients, &mut edits)?;
        Ok(self.edited(edits)?)
    }

    /// Encrypts the data key to each recipient.
    fn rewrap(
        &self,
        key: &DataKey,
        recipients: &Recipients<'_>,
        edits: &mut Vec<Edit>,
    ) -> Result<(), NotNative> {
        let first = self.metadata.first().ok_or(Outside::Metadata)?;
        let is_old = |key: &&AgeKey| recipients.old.iter().any(|old| old.as_str() == key.name());
        let is_new = |key: &AgeKey| key.name() == recipients.new.as_str();
        if first.keys.iter().filter(is_old).count() != 1 || first.keys.iter().any(is_new) {
            return Err(Outside::FewerRecipients.into());
        }
        for (at, age_key) in first.keys.iter().enumerate() {
            let replaced = is_old(&age_key).then(|| recipients.new.as_str());
            let recipient = replaced.unwrap_or(age_key.name());
            let wrapped = key.wrap(recipient).map_err(|error| match error {
                WrapError::NotX25519 => Outside::OtherRecipients.into(),
                WrapError::NoRandomness => NotNative::NoRandomness,
            })?;
            for metadata in &self.metadata {
                let there = &metadata.keys[at];
                edits.push(Edit {
                    range: there.wrapped.range.clone(),
                    text: self.armored(there, &wrapped)?,
                });
                if let Some(new) = replaced {
                    let range = there.recipient.range.clone();
                    let bytes = &self.contents.text[range.clone()];
                    // Not if it is written with escapes.
                    if !bytes.contains(there.name()) {
                        return Err(Outside::Metadata.into());
                    }
                    let text = bytes.replace(there.name(), new);
                    edits.push(Edit { range, text });
                }
            }
        }
        Ok(())
    }

    /// The bytes of a data key that is encrypted to a recipient, with another one in it.
    /// Its lines are parted as they were: by the indentation of YAML, by `\n` in quotes.
    fn armored(&self, there: &AgeKey, wrapped: &str) -> Result<String, Outside> {
        let bytes = &self.contents.text[there.wrapped.range.clone()];
        let old: Vec<&str> = there.wrapped.text.trim_end().lines().collect();
        let begin = bytes.find(BEGIN).ok_or(Outside::Metadata)? + BEGIN.len();
        let first_line = old.get(1).ok_or(Outside::Metadata)?;
        let parted = bytes[begin..].find(first_line).ok_or(Outside::Metadata)?;
        let between = &bytes[begin..begin + parted];
        let is_between = between.trim_matches([' ', '\r', '\n']);
        if !matches!(is_between, "" | "\\n") {
            return Err(Outside::Metadata);
        }
        let (old, new) = (old.join(between), wrapped.trim_end());
        match bytes.matches(&old).count() {
            1 => Ok(bytes.replace(&old, &new.lines().collect::<Vec<_>>().join(between))),
            _ => Err(Outside::Metadata),
        }
    }

    fn edited(&self, mut edits: Vec<Edit>) -> Result<Vec<u8>, Outside> {
        edits.sort_by_key(|edit| edit.range.start);
        let text = self.contents.text;
        let mut result = Vec::with_capacity(text.len() + text.len() / 8);
        let mut at = 0;
        for edit in edits {
            let between = text.get(at..edit.range.start).ok_or(Outside::Values)?;
            result.extend_from_slice(between.as_bytes());
            result.extend_from_slice(edit.text.as_bytes());
            at = edit.range.end;
        }
        result.extend_from_slice(&text.as_bytes()[at..]);
        Ok(result)
    }
}
