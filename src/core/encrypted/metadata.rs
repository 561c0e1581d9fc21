//! The sops metadata of a file: who can open it, and which values are encrypted.
//!
//! As sops 3.13 reads it (`stores/metadata.go`): names of fields in upper or lower case, a
//! single entry where a list belongs, its own lists before `key_groups`. Nothing
//! authenticates any of it. What kb does not know for certain is a doubt, with which the
//! file's values are left to sops. Of two fields with the same name sops takes either: a key
//! that has such a field is none that kb can read.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::contents::{Document, Path, SOPS, Scalar, Segment, Value};
use super::token::Token;
use super::{Damage, Unsupported};
use crate::core::identity::Recipient;
use crate::core::readers::{KeyKind, Reader, Readers};
use crate::core::sops_config::{SELECTION_FIELDS, Selection};
use crate::core::yaml::scalar::is_time;

/// What an armored age file begins and ends with, and its first line in base64.
const ARMOR: (&str, &str) = (
    "-----BEGIN AGE ENCRYPTED FILE-----",
    "-----END AGE ENCRYPTED FILE-----",
);
const FIRST_LINE: &str = "YWdlLWVuY3J5cHRpb24ub3JnL3Yx";
/// The list of key groups.
const KEY_GROUPS: &str = "key_groups";

/// The metadata of a document.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// The keys that open it, by key group: those that sops reads.
    pub groups: Vec<Vec<Entry>>,
    /// Keys in `key_groups` that sops passes over, because there are lists of keys
    /// beside them.
    pub passed_over: Vec<Entry>,
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
pub struct Entry {
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
    /// Reads the metadata of a document.
    pub(super) fn of(document: &Document<'_>) -> Self {
        let mut fields = Fields::default();
        let mut seen = HashSet::new();
        for value in &document.metadata {
            if !seen.insert(&value.path) {
                fields.doubt(Unsupported::Metadata);
            }
            fields.take(value);
        }
        for path in &document.containers {
            fields.take_container(path);
        }
        if document.has_doubled_metadata {
            fields.doubt(Unsupported::Metadata);
        }
        fields.into_metadata()
    }

    /// Who can open it: the groups that sops reads.
    pub fn readers(&self) -> Readers {
        let group = |group: &Vec<Entry>| group.iter().map(|entry| entry.reader.clone()).collect();
        Readers {
            groups: self.groups.iter().map(group).collect(),
            threshold: self.threshold,
        }
    }

    /// All keys that stand in it, those that sops passes over too.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
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
        let is_broken = |entry: &Entry| {
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
        let keys: Option<Vec<AgeKey<'_>>> = group.iter().map(Entry::age_key).collect();
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

/// Which entry a value belongs to: the key group, the kind of key, the place in its list,
/// and the way to it, for lists of the same kind can have several spellings.
type EntryId = (Option<usize>, KeyKind, usize, Path);

#[derive(Default)]
struct Fields {
    mac: Option<Located>,
    last_modified: Option<String>,
    mac_only_encrypted: bool,
    is_versioned: bool,
    threshold: Option<u64>,
    selections: Vec<(&'static str, String)>,
    entries: BTreeMap<EntryId, RawEntry>,
    groups: BTreeSet<usize>,
    doubt: Option<Unsupported>,
}

#[derive(Default)]
struct RawEntry {
    fields: BTreeMap<String, Located>,
    context: BTreeMap<String, String>,
    /// Whether a field stands there twice.
    is_ambiguous: bool,
}

impl Fields {
    fn doubt(&mut self, doubt: Unsupported) {
        self.doubt.get_or_insert(doubt);
    }

    /// The name of a field as sops has it.
    fn name(&mut self, key: &str) -> String {
        let name = folded(key);
        if name != key {
            self.doubt(Unsupported::Metadata);
        }
        name
    }

    fn take(&mut self, value: &Value<'_>) {
        use Segment::{Index, Key};
        match value.path.0.as_slice() {
            [Key(field)] => {
                let name = self.name(field);
                self.field(&name, value);
            }
            [Key(groups), Index(group), rest @ ..] if self.is(groups, KEY_GROUPS) => {
                self.groups.insert(*group);
                self.entry(Some(*group), rest, 2, value);
            }
            // A single group where a list belongs.
            [Key(groups), rest @ ..] if self.is(groups, KEY_GROUPS) => {
                self.groups.insert(0);
                self.entry(Some(0), rest, 1, value);
            }
            rest => self.entry(None, rest, 0, value),
        }
    }

    fn is(&self, key: &str, name: &str) -> bool {
        folded(key) == name
    }

    /// Takes a field of the metadata itself.
    fn field(&mut self, name: &str, value: &Value<'_>) {
        if matches!(value.scalar, Scalar::Null) {
            // sops 3.7 writes lists of keys with nothing in them.
            if kind_of(name).is_none_or(|kind| kind == KeyKind::Age) && name != KEY_GROUPS {
                self.doubt(Unsupported::Metadata);
            }
            return;
        }
        let located = Located {
            range: value.range.clone(),
            text: value.scalar.text().to_owned(),
        };
        let is_text = matches!(value.scalar, Scalar::Text(_));
        let known = SELECTION_FIELDS.iter().find(|known| **known == name);
        match (name, known) {
            ("mac", _) if is_text => self.mac = Some(located),
            ("lastmodified", _) => {
                if !is_text || !is_time(&located.text, false) {
                    self.doubt(Unsupported::Metadata);
                }
                self.last_modified = Some(located.text);
            }
            ("version", _) => self.is_versioned = is_text && is_version(&located.text),
            ("mac_only_encrypted", _) => {
                let truth = truth(&located.text);
                if truth.is_none() {
                    self.doubt(Unsupported::Metadata);
                }
                // sops takes other spellings too, such as any number but 0.
                let is_no = ["", "0", "f", "F"].contains(&located.text.as_str());
                self.mac_only_encrypted = truth.unwrap_or(!is_no);
            }
            ("shamir_threshold", _) => {
                // sops takes other spellings of a number too; no rule has this one.
                self.threshold = Some(located.text.trim().parse().unwrap_or(u64::MAX));
                self.doubt(Unsupported::OtherKeys);
            }
            (_, Some(known)) => {
                if !is_text {
                    self.doubt(Unsupported::Metadata);
                }
                if !located.text.is_empty() {
                    self.selections.push((known, located.text));
                }
            }
            _ => self.doubt(Unsupported::Metadata),
        }
    }

    /// Takes a field of an entry, which stands at `rest` behind so many steps.
    fn entry(&mut self, group: Option<usize>, rest: &[Segment], steps: usize, value: &Value<'_>) {
        use Segment::{Index, Key};
        let [Key(list), inner @ ..] = rest else {
            return self.doubt(Unsupported::Metadata);
        };
        let name = self.name(list);
        let Some(kind) = kind_of(&name) else {
            return self.doubt(Unsupported::Metadata);
        };
        if kind != KeyKind::Age || group.is_some() {
            self.doubt(Unsupported::OtherKeys);
        }
        let is_null = matches!(value.scalar, Scalar::Null);
        // Before 3.10, sops writes lists of a group that have nothing in them.
        if is_null && inner.is_empty() {
            return;
        }
        // A single entry where a list belongs.
        let (index, inner, steps) = match inner {
            [Index(index), inner @ ..] => (*index, inner, steps + 2),
            inner => {
                self.doubt(Unsupported::Metadata);
                (0, inner, steps + 1)
            }
        };
        if is_null || !matches!(value.scalar, Scalar::Text(_)) {
            self.doubt(Unsupported::Metadata);
        }
        let field = match inner {
            [Key(field), ..] => self.name(field),
            _ => String::new(),
        };
        let path = Path(value.path.0[..steps].to_vec());
        let entry = self.entries.entry((group, kind, index, path)).or_default();
        match inner {
            [Key(_)] => {
                let located = Located {
                    range: value.range.clone(),
                    text: value.scalar.text().to_owned(),
                };
                entry.is_ambiguous |= entry.fields.insert(field, located).is_some();
            }
            [Key(_), Key(name)] if field == "context" => {
                let text = value.scalar.text().to_owned();
                entry.context.insert(name.as_str().to_owned(), text);
            }
            [] if is_null => {}
            _ => self.doubt(Unsupported::Metadata),
        }
    }

    /// A mapping or list of the document. There may be nothing in it, so that no value
    /// shows it.
    fn take_container(&mut self, path: &Path) {
        use Segment::{Index, Key};
        let [Key(first), inside @ ..] = path.0.as_slice() else {
            return;
        };
        if first != SOPS {
            return;
        }
        let mut is_known = false;
        match inside {
            [] => is_known = true,
            [Key(list)] => {
                is_known = kind_of(list).is_some() || list == KEY_GROUPS;
            }
            [Key(list), Index(index)] if kind_of(list) == Some(KeyKind::Age) => {
                let first = (None, KeyKind::Age, *index, Path::default());
                let next = self.entries.range(first..).next();
                is_known = next.is_some_and(|((group, kind, at, _), _)| {
                    (*group, *kind, at) == (None, KeyKind::Age, index)
                });
            }
            [Key(groups), Index(group)] if self.is(groups, KEY_GROUPS) => {
                self.groups.insert(*group);
            }
            _ => {}
        }
        if !is_known {
            self.doubt(Unsupported::Metadata);
        }
    }

    fn into_metadata(mut self) -> Metadata {
        let selection = selection(&self.selections);
        if !self.is_versioned || self.selections.len() > 1 || !selection.is_by_keys() {
            self.doubt(Unsupported::Metadata);
        }
        let mut own = Vec::new();
        let mut grouped: BTreeMap<usize, Vec<Entry>> = self
            .groups
            .iter()
            .map(|group| (*group, Vec::new()))
            .collect();
        let mut age_entries = 0;
        for ((group, kind, index, path), raw) in std::mem::take(&mut self.entries) {
            if kind == KeyKind::Age && group.is_none() {
                // A list in order, with nothing left out.
                if index != age_entries {
                    self.doubt(Unsupported::Metadata);
                }
                age_entries += 1;
            }
            let known = ["recipient", "enc"];
            if kind == KeyKind::Age
                && (raw.fields.len() != 2 || !known.iter().all(|it| raw.fields.contains_key(*it)))
            {
                self.doubt(Unsupported::Metadata);
            }
            let entry = Entry::new(kind, path, raw);
            match group {
                None => own.push(entry),
                Some(group) => grouped.entry(group).or_default().push(entry),
            }
        }
        let (groups, passed_over) = if own.is_empty() {
            (grouped.into_values().collect(), Vec::new())
        } else {
            let passed_over: Vec<Entry> = grouped.into_values().flatten().collect();
            (vec![own], passed_over)
        };
        Metadata {
            groups,
            passed_over,
            threshold: self.threshold,
            selection,
            selection_fields: self.selections,
            mac_only_encrypted: self.mac_only_encrypted,
            mac: self.mac,
            last_modified: self.last_modified,
            doubt: self.doubt,
        }
    }
}

impl Entry {
    fn age_key(&self) -> Option<AgeKey<'_>> {
        Some(AgeKey {
            recipient: self.recipient.as_ref()?,
            wrapped: self.enc.as_ref()?,
            path: &self.path,
        })
    }

    fn new(kind: KeyKind, path: Path, mut raw: RawEntry) -> Self {
        let text = |field: &str| {
            let found = raw.fields.get(field);
            found.map_or("", |located| located.text.as_str())
        };
        let reader = match kind {
            kind if raw.is_ambiguous => Reader::unreadable(kind, "an entry that has a field twice"),
            KeyKind::Age => Reader::age(text("recipient")),
            KeyKind::Pgp => Reader::pgp(text("fp")),
            KeyKind::Kms => Reader::Kms {
                arn: text("arn").to_owned(),
                role: text("role").to_owned(),
                profile: text("aws_profile").to_owned(),
                context: Some(raw.context.clone()),
            },
            KeyKind::GcpKms => Reader::Gcp(text("resource_id").to_owned()),
            KeyKind::HuaweiKms => Reader::Huawei(text("key_id").to_owned()),
            KeyKind::AzureKeyVault => Reader::Azure {
                vault: text("vault_url").trim_end_matches('/').to_owned(),
                name: text("name").to_owned(),
                version: text("version").to_owned(),
            },
            KeyKind::Vault => Reader::Vault {
                address: text("vault_address").trim_end_matches('/').to_owned(),
                engine: text("engine_path").trim_matches('/').to_owned(),
                key: text("key_name").to_owned(),
            },
        };
        let enc = raw.fields.remove("enc");
        Self {
            reader,
            wrapped: enc.as_ref().map(|enc| enc.text.clone()).unwrap_or_default(),
            path,
            recipient: raw.fields.remove("recipient"),
            enc,
        }
    }
}

fn kind_of(name: &str) -> Option<KeyKind> {
    let name = folded(name);
    let mut kinds = KeyKind::ALL.into_iter();
    kinds.find(|kind| kind.metadata_name() == name)
}

/// Whether a text is an armored age file, as far as can be told without a key.
fn is_age_file(text: &str) -> bool {
    let inner = text.trim().strip_prefix(ARMOR.0);
    let inner = inner.and_then(|inner| inner.strip_suffix(ARMOR.1));
    inner.is_some_and(|inner| inner.trim_start().starts_with(FIRST_LINE))
}

/// Whether sops writes a field behind these keys, in small letters, into its metadata
/// (`stores/stores.go`, `Metadata`).
pub(super) fn is_known_field(keys: &[&str]) -> bool {
    // The first one is a sentence that old versions write.
    const FIELDS: [&str; 6] = [
        "attention",
        "lastmodified",
        "mac",
        "mac_only_encrypted",
        "shamir_threshold",
        "version",
    ];
    const OF_KEYS: [(&str, &[&str]); 7] = [
        ("age", &["recipient", "enc"]),
        ("pgp", &["created_at", "enc", "fp"]),
        (
            "kms",
            &[
                "arn",
                "role",
                "created_at",
                "enc",
                "aws_profile",
                "encryption_context",
            ],
        ),
        ("gcp_kms", &["resource_id", "created_at", "enc"]),
        (
            "azure_kv",
            &[
                "vault_url",
                "vaulturl",
                "name",
                "version",
                "created_at",
                "enc",
            ],
        ),
        (
            "hc_vault",
            &[
                "vault_address",
                "engine_path",
                "key_name",
                "created_at",
                "enc",
            ],
        ),
        ("hckms", &["key_id", "created_at", "enc"]),
    ];
    match keys {
        [KEY_GROUPS, rest @ ..] if !rest.is_empty() => is_known_field(rest),
        [field] => FIELDS.contains(field) || SELECTION_FIELDS.contains(field),
        ["kms", "context", _] => true,
        [list, field] => {
            let of_key = OF_KEYS.iter().find(|(kind, _)| kind == list);
            of_key.is_some_and(|(_, fields)| fields.contains(field))
        }
        _ => false,
    }
}

/// A name in small letters, as Go's `strings.EqualFold` compares: U+017F is an s to it, and
/// U+212A a k.
pub(super) fn folded(name: &str) -> String {
    let letters = name.chars().map(|letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    });
    letters.collect()
}

/// The selection that a file names. Compiling an expression takes longer than all else
/// that is done for a file, and the files of a repository have few: the first ones are
/// kept, as long as the process lives.
fn selection(fields: &[(&'static str, String)]) -> Selection {
    const MOST: usize = 64;
    type Known = Vec<(Vec<(&'static str, String)>, Selection)>;
    static KNOWN: Mutex<Known> = Mutex::new(Vec::new());
    // What was cut short by a panic elsewhere is still only what was compiled.
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let find = |known: &Known| {
        let found = known.iter().find(|(known, _)| known == fields);
        found.map(|(_, selection)| selection.clone())
    };
    if let Some(selection) = find(&known()) {
        return selection;
    }
    // Meanwhile other files wait for nothing.
    let selection = Selection::new(|wanted| {
        let found = fields.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, text)| text.clone())
    });
    let mut known = known();
    if known.len() < MOST && find(&known).is_none() {
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
fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
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
