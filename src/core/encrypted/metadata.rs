//! The sops metadata of a file: who can open it, and which values are encrypted.
//!
//! As sops 3.13 reads it (`stores/metadata.go`): names of fields in upper or lower case, a
//! single entry where a list belongs, its own lists before `key_groups`. Nothing
//! authenticates any of it. What kb does not know for certain is a doubt, with which the
//! file's values are left to sops. Of two fields with the same name sops takes either: a key
//! that has such a field is none that kb can read.

mod read;

use std::ops::Range;

use super::contents::Path;
use super::token::Token;
use super::{Damage, Unsupported};
use crate::core::identity::Recipient;
use crate::core::readers::{KeyKind, Reader, Readers};
use crate::core::sops_config::Selection;

pub(super) use read::{folded, is_known_field};

/// What an armored age file begins and ends with, and its first line in base64.
const ARMOR: (&str, &str) = (
    "-----BEGIN AGE ENCRYPTED FILE-----",
    "-----END AGE ENCRYPTED FILE-----",
);
const FIRST_LINE: &str = "YWdlLWVuY3J5cHRpb24ub3JnL3Yx";

/// The metadata of a document.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// The keys that open it, by key group: those that sops reads.
    pub groups: Vec<Vec<WrappedKey>>,
    /// Keys in `key_groups` that sops passes over, because there are lists of keys
    /// beside them.
    pub passed_over: Vec<WrappedKey>,
    /// How many groups it takes, where the file says it.
    pub threshold: Option<u64>,
    /// Which values are encrypted.
    pub selection: Selection,
    /// The same as it stands there; several would be an error for sops.
    pub selection_fields: Vec<(&'static str, String)>,
    /// Whether the MAC is over the encrypted values alone.
    pub mac_only_encrypted: bool,
    /// The MAC, encrypted.
    pub(super) mac: Option<Located>,
    /// The additional data of the MAC: when the file was written, as in RFC 3339.
    pub(super) last_modified: Option<String>,
    doubt: Option<Unsupported>,
}

/// A key that opens a file, and the data key that is encrypted to it.
#[derive(Clone, Debug)]
pub struct WrappedKey {
    /// The key.
    pub reader: Reader,
    /// The data key, encrypted to it; of age, an armored age file.
    pub wrapped: String,
    /// The way to it, below the metadata.
    pub(super) path: Path,
    /// Where the recipient of an age key stands.
    pub(super) recipient: Option<Located>,
    /// Where the data key stands.
    pub(super) enc: Option<Located>,
}

/// A text, and the bytes in the file that it stands in.
#[derive(Clone, Debug)]
pub(super) struct Located {
    pub(super) range: Range<usize>,
    pub(super) text: String,
}

/// What a file's values are opened by, of metadata without a doubt.
pub(super) struct Certain<'m> {
    pub(super) mac: &'m Located,
    pub(super) last_modified: &'m str,
    pub(super) mac_only_encrypted: bool,
    pub(super) selection: &'m Selection,
    /// The age keys, in order.
    pub(super) keys: Vec<AgeKey<'m>>,
}

/// A recipient, and the data key that is encrypted to it.
#[derive(Clone, Copy)]
pub(super) struct AgeKey<'m> {
    /// The recipient's text.
    pub(super) recipient: &'m Located,
    /// An armored age file.
    pub(super) wrapped: &'m Located,
    /// The way to it.
    pub(super) path: &'m Path,
}

impl<'m> AgeKey<'m> {
    /// The recipient, as sops takes it.
    pub(super) fn name(&self) -> &'m str {
        self.recipient.text.trim()
    }
}

impl Metadata {
    /// Who can open it: the groups that sops reads.
    pub fn readers(&self) -> Readers {
        let group =
            |group: &Vec<WrappedKey>| group.iter().map(|entry| entry.reader.clone()).collect();
        Readers {
            groups: self.groups.iter().map(group).collect(),
            threshold: self.threshold,
        }
    }

    /// All keys that stand in it, those that sops passes over too.
    pub fn entries(&self) -> impl Iterator<Item = &WrappedKey> {
        self.groups.iter().flatten().chain(&self.passed_over)
    }

    /// The age recipients, in order.
    pub fn recipients(&self) -> Vec<Recipient> {
        let readers = self.entries().filter_map(|entry| entry.reader.recipient());
        readers.cloned().collect()
    }

    /// The data keys that are encrypted to age recipients: armored age files.
    pub fn wrapped_keys(&self) -> Vec<&str> {
        let age = self.entries();
        let age = age.filter(|entry| entry.reader.kind() == KeyKind::Age);
        age.map(|entry| entry.wrapped.as_str()).collect()
    }

    /// Whether a key that is not age's (PGP, a cloud's KMS, Vault) opens it too.
    pub fn has_other_keys(&self) -> bool {
        self.entries()
            .any(|entry| entry.reader.kind() != KeyKind::Age)
    }

    /// Whether an age recipient stands in it that kb cannot read. sops does not look at the
    /// recipient to open a file.
    pub fn has_unreadable_recipient(&self) -> bool {
        self.entries().any(|entry| {
            let kind = KeyKind::Age;
            matches!(&entry.reader, Reader::Unreadable { kind: of, .. } if *of == kind)
        })
    }

    /// Whether the data key is split among several key groups, so that one key alone may
    /// not open it.
    pub fn is_split(&self) -> bool {
        self.groups.len() > 1
    }

    /// Whether no key stands in it.
    pub fn is_keyless(&self) -> bool {
        self.entries().next().is_none()
    }

    /// Whether only people's own keys open the file, and no cluster's could.
    pub fn is_personal(&self) -> bool {
        let mut readers = self.entries().filter_map(|entry| entry.reader.recipient());
        !readers.any(Recipient::may_be_a_clusters)
    }

    /// What sops finds broken in it whatever key it has: there is no MAC, or the data key for
    /// an age key is not an age file; of these keys, if there are such.
    pub fn damage(&self, of: Option<&Readers>) -> Option<Damage> {
        let mut keys = self.entries();
        let is_broken = |entry: &WrappedKey| {
            entry.reader.kind() == KeyKind::Age
                && of.is_none_or(|readers| readers.names(&entry.reader))
                && !is_age_file(&entry.wrapped)
        };
        if self.mac.is_none() {
            Some(Damage::NoMac)
        } else if keys.any(is_broken) {
            Some(Damage::DataKey)
        } else {
            None
        }
    }

    /// Whether it is as sops writes it for one group of age recipients.
    pub fn is_certain(&self) -> bool {
        let certain = self.certain();
        certain.is_ok_and(|certain| Token::kind_of(&certain.mac.text).is_some())
    }

    /// What it takes to open the values, if kb is certain of all that stands there.
    ///
    /// # Errors
    /// [`Unsupported`]
    pub(super) fn certain(&self) -> Result<Certain<'_>, Unsupported> {
        if let Some(doubt) = self.doubt {
            return Err(doubt);
        }
        let [group] = self.groups.as_slice() else {
            return Err(Unsupported::OtherKeys);
        };
        let keys: Option<Vec<AgeKey<'_>>> = group.iter().map(WrappedKey::age_key).collect();
        let found = self.mac.as_ref().zip(self.last_modified.as_deref());
        let ((mac, last_modified), keys) = found.zip(keys).ok_or(Unsupported::Metadata)?;
        Ok(Certain {
            mac,
            last_modified,
            mac_only_encrypted: self.mac_only_encrypted,
            selection: &self.selection,
            keys,
        })
    }

    /// Whether it has the same MAC and keys as another, so that it can be given the same
    /// new ones. What else it says counts in the first document alone.
    pub(super) fn equals(&self, other: &Self) -> bool {
        let texts = |metadata: &Self| {
            let entries = metadata.entries();
            let entries = entries.map(|entry| (entry.reader.clone(), entry.wrapped.clone()));
            entries.collect::<Vec<_>>()
        };
        let mac = |metadata: &Self| metadata.mac.as_ref().map(|mac| mac.text.clone());
        mac(self) == mac(other)
            && self.last_modified == other.last_modified
            && texts(self) == texts(other)
    }
}

impl WrappedKey {
    fn age_key(&self) -> Option<AgeKey<'_>> {
        Some(AgeKey {
            recipient: self.recipient.as_ref()?,
            wrapped: self.enc.as_ref()?,
            path: &self.path,
        })
    }
}

/// Whether a text is an armored age file, as far as can be told without a key.
fn is_age_file(text: &str) -> bool {
    let inner = text.trim().strip_prefix(ARMOR.0);
    let inner = inner.and_then(|inner| inner.strip_suffix(ARMOR.1));
    inner.is_some_and(|inner| inner.trim_start().starts_with(FIRST_LINE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::encrypted::Format;
    use crate::core::encrypted::contents::Contents;

    const GOOD: &str = "a: b\nsops:\n    age:\n        - recipient: r\n          enc: e\n    \
                        lastmodified: \"2026-11-22T10:00:00Z\"\n    mac: m\n    version: 3.13.2\n";

    /// For each of these sops has an error, or another idea of who opens the file.
    #[test]
    fn metadata_that_sops_does_not_take_is_left_to_it() {
        let read = |text: &str| {
            let contents = Contents::read(Format::Yaml, text).map_err(|_| ())?;
            contents.doubt.map_or(Ok(()), |_| Err(()))?;
            Metadata::of(&contents.documents[0])
                .certain()
                .map(drop)
                .map_err(|_| ())
        };
        assert!(read(GOOD).is_ok());
        for good in [
            "pgp: []",
            "kms: null",
            "mac_only_encrypted: true",
            "encrypted_regex: \"\"",
        ] {
            assert!(read(&format!("{GOOD}    {good}\n")).is_ok(), "{good}");
        }
        for bad in [
            "pgp:\n    - null",
            "pgp:\n    - {}",
            "kms:\n    - arn: null",
            "pgp:\n    - fp: F",
            "key_groups:\n    - age: []",
            "encrypted_regex: {}",
            "encrypted_suffix: []",
            "encrypted_suffix: null",
            "shamir_threshold: 2",
            "other: x",
            "mac_only_encrypted: \"tRUE\"",
            "mac_only_encrypted: null",
            "encrypted_suffix: a\n    unencrypted_suffix: b",
            "encrypted_regex: (",
            "encrypted_comment_regex: a",
        ] {
            assert!(read(&format!("{GOOD}    {bad}\n")).is_err(), "{bad}");
        }
        for (from, to) in [
            ("version: 3.13.2", "version: \"\""),
            ("version: 3.13.2", "version: latest"),
            ("10:00:00Z", "10:00:00.5Z"),
            ("\"2026-11-22T10:00:00Z\"", "yesterday"),
            ("          enc: e\n", ""),
            ("enc: e\n", "enc: e\n        - {}\n"),
            ("    mac: m\n", ""),
        ] {
            assert!(read(&GOOD.replace(from, to)).is_err(), "{to}");
        }
    }
}
