//! The sops metadata, as far as it bears on the values.
//!
//! Stricter than [`Metadata`](crate::core::sops_file::Metadata), which says who can
//! open a file: with a field that is not known here the file is left to sops.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::Outside;
use super::contents::{Document, Path, SOPS, Scalar, Segment, Value};
use super::scalar::is_time;
use crate::core::sops_config::Selection;

/// The keys that are not age's. sops 3.7 writes them with nothing in them.
const OTHER_KEYS: [&str; 7] = [
    "pgp",
    "kms",
    "gcp_kms",
    "hckms",
    "azure_kv",
    "hc_vault",
    "key_groups",
];

/// Which values are encrypted. sops takes one of these at a time.
const SELECTIONS: [&str; 4] = [
    "encrypted_regex",
    "unencrypted_regex",
    "encrypted_suffix",
    "unencrypted_suffix",
];

/// The metadata of a document.
pub(super) struct Metadata {
    /// The MAC, encrypted.
    pub(super) mac: Located,
    /// The additional data of the MAC: when the file was written, as in RFC 3339.
    pub(super) last_modified: String,
    /// Whether the MAC is over the encrypted values alone.
    pub(super) mac_only_encrypted: bool,
    /// Which values are encrypted.
    pub(super) selection: Selection,
    /// The age keys, in order.
    pub(super) keys: Vec<AgeKey>,
}

/// A recipient, and the data key that is encrypted to it.
pub(super) struct AgeKey {
    /// The recipient's text.
    pub(super) recipient: Located,
    /// An armored age file.
    pub(super) wrapped: Located,
}

impl AgeKey {
    /// The recipient, as sops takes it.
    pub(super) fn name(&self) -> &str {
        self.recipient.text.trim()
    }
}

/// A text, and the bytes in the file that it stands in.
pub(super) struct Located {
    pub(super) range: Range<usize>,
    pub(super) text: String,
}

#[derive(Default)]
struct Fields {
    mac: Option<Located>,
    last_modified: Option<String>,
    mac_only_encrypted: bool,
    is_versioned: bool,
    selections: Vec<(&'static str, String)>,
    keys: Vec<(Option<Located>, Option<Located>)>,
}

impl Metadata {
    /// Takes what stands in the metadata of a document.
    ///
    /// # Errors
    /// [`Outside`]
    pub(super) fn new(document: &Document<'_>) -> Result<Self, Outside> {
        let mut fields = Fields::default();
        let mut seen = HashSet::new();
        for value in &document.metadata {
            if !seen.insert(&value.path) {
                return Err(Outside::Metadata);
            }
            fields.take(value)?;
        }
        if !document.containers.iter().all(|path| fields.may_hold(path)) {
            return Err(Outside::Metadata);
        }
        let selection = selection(&fields.selections);
        if !fields.is_versioned || fields.selections.len() > 1 || !selection.is_by_keys() {
            return Err(Outside::Metadata);
        }
        let key = |(recipient, wrapped): (Option<_>, Option<_>)| {
            Some(AgeKey {
                recipient: recipient?,
                wrapped: wrapped?,
            })
        };
        let keys: Option<Vec<AgeKey>> = fields.keys.into_iter().map(key).collect();
        let found = fields.mac.zip(fields.last_modified).zip(keys);
        let ((mac, last_modified), keys) = found.ok_or(Outside::Metadata)?;
        Ok(Self {
            mac,
            last_modified,
            mac_only_encrypted: fields.mac_only_encrypted,
            selection,
            keys,
        })
    }

    /// Whether it has the same MAC and keys as another, so that it can be given the same
    /// new ones. What else it says counts in the first document alone.
    pub(super) fn equals(&self, other: &Self) -> bool {
        let texts = |key: &AgeKey| (key.recipient.text.clone(), key.wrapped.text.clone());
        self.mac.text == other.mac.text
            && self.last_modified == other.last_modified
            && self.keys.iter().map(texts).eq(other.keys.iter().map(texts))
    }
}

impl Fields {
    /// Whether a mapping or list is one that the metadata has. There may be nothing in
    /// it, so that no value shows it.
    fn may_hold(&self, path: &Path) -> bool {
        use Segment::{Index, Key};
        let [Key(first), inside @ ..] = path.0.as_slice() else {
            return true;
        };
        match inside {
            _ if first != SOPS => true,
            [] => true,
            [Key(age)] if age == "age" => true,
            [Key(age), Index(index)] => age == "age" && *index < self.keys.len(),
            [Key(other)] => is_other_list(&[other]),
            _ => false,
        }
    }

    fn take(&mut self, value: &Value<'_>) -> Result<(), Outside> {
        use Segment::{Index, Key};
        let keys = value.path.keys();
        let text = match &value.scalar {
            Scalar::Null if keys.len() == value.path.0.len() && is_other_list(&keys) => {
                return Ok(());
            }
            Scalar::Null => return Err(Outside::Metadata),
            Scalar::Text(text) => Some(text.clone().into_owned()),
            Scalar::Other(_) => None,
        };
        let located = || {
            Some(Located {
                range: value.range.clone(),
                text: text.clone()?,
            })
        };
        match value.path.0.as_slice() {
            [Key(field)] => match field.as_str() {
                "mac" => self.mac = located(),
                "lastmodified" => self.last_modified = text.filter(|text| is_time(text, false)),
                "version" => self.is_versioned = text.as_deref().is_some_and(is_version),
                "mac_only_encrypted" => {
                    self.mac_only_encrypted = truth(&value.scalar).ok_or(Outside::Metadata)?;
                }
                field => {
                    let known = SELECTIONS.iter().find(|known| **known == field);
                    let (known, text) = known.zip(text).ok_or(Outside::Metadata)?;
                    if !text.is_empty() {
                        self.selections.push((known, text));
                    }
                }
            },
            [Key(age), Index(index), Key(field)] if age == "age" => {
                // A list in order; what is far out of it is none.
                if *index > self.keys.len() {
                    return Err(Outside::Metadata);
                }
                if *index == self.keys.len() {
                    self.keys.push((None, None));
                }
                match field.as_str() {
                    "recipient" => self.keys[*index].0 = located(),
                    "enc" => self.keys[*index].1 = located(),
                    _ => return Err(Outside::Metadata),
                }
            }
            [Key(other), ..] if OTHER_KEYS.contains(&other.as_str()) => {
                return Err(Outside::OtherKeys);
            }
            _ => return Err(Outside::Metadata),
        }
        Ok(())
    }
}

/// The selection that a file names. Compiling an expression takes longer than all else
/// that is done for a file, and the files of a repository have few: the first ones are
/// kept, as long as the process lives.
fn selection(fields: &[(&'static str, String)]) -> Selection {
    const MOST: usize = 64;
    type Known = Vec<(Vec<(&'static str, String)>, Selection)>;
    static KNOWN: Mutex<Known> = Mutex::new(Vec::new());
    // What was cut short by a panic elsewhere is still only what was compiled.
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, selection)) = known.iter().find(|(known, _)| known == fields) {
        return selection.clone();
    }
    let selection = Selection::new(|wanted| {
        let found = fields.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, text)| text.clone())
    });
    if known.len() < MOST {
        known.push((fields.to_vec(), selection.clone()));
    }
    selection
}

/// Whether it is a version of sops: three numbers (<https://semver.org>).
fn is_version(text: &str) -> bool {
    let is_number = |part: &str| {
        part.parse::<u16>()
            .is_ok_and(|number| number.to_string() == part)
    };
    text.split('.').count() == 3 && text.split('.').all(is_number)
}

/// As Go's `strconv.ParseBool` takes it, without the numbers and letters.
fn truth(scalar: &Scalar<'_>) -> Option<bool> {
    let text = match scalar {
        Scalar::Null => return None,
        Scalar::Text(text) => text,
        Scalar::Other(text) => text.as_str(),
    };
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// Whether the keys lead to the list of another kind of keys.
fn is_other_list(keys: &[&str]) -> bool {
    matches!(keys, [other] if OTHER_KEYS.contains(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::native::contents::Contents;
    use crate::core::sops_file::Format;

    const GOOD: &str = "a: b\nsops:\n    age:\n        - recipient: r\n          enc: e\n    \
                        lastmodified: \"2026-11-22T10:00:00Z\"\n    mac: m\n    version: 3.13.2\n";

    /// For each of these sops has an error, or another idea of who opens the file.
    #[test]
    fn metadata_that_sops_does_not_take_is_left_to_it() {
        let read = |text: &str| {
            let contents = Contents::read(Format::Yaml, text.as_bytes()).map_err(|_| ())?;
            Metadata::new(&contents.documents[0]).map_err(|_| ())
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
