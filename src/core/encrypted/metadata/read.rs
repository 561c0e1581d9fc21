//! Reads the metadata of a document.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use super::{Located, Metadata, WrappedKey};
use crate::core::encrypted::Unsupported;
use crate::core::encrypted::contents::{
    EncryptedDocument, Path, SOPS, ScalarValue, Segment, Value,
};
use crate::core::readers::{KeyKind, Reader};
use crate::core::sops_config::{SELECTION_FIELDS, Selection};
use crate::core::yaml::scalar::is_time;

/// The list of key groups.
const KEY_GROUPS: &str = "key_groups";

impl Metadata {
    /// Reads the metadata of a document.
    pub(in crate::core::encrypted) fn of(document: &EncryptedDocument<'_>) -> Self {
        let mut fields = MetadataFields::default();
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
}

/// Which entry a value belongs to: the key group, the kind of key, the place in its list,
/// and the way to it, for lists of the same kind can have several spellings.
type EntryId = (Option<usize>, KeyKind, usize, Path);

#[derive(Default)]
struct MetadataFields {
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

impl MetadataFields {
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
        if matches!(value.scalar, ScalarValue::Null) {
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
        let is_text = matches!(value.scalar, ScalarValue::Text(_));
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
        let is_null = matches!(value.scalar, ScalarValue::Null);
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
        if is_null || !matches!(value.scalar, ScalarValue::Text(_)) {
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
        let mut grouped: BTreeMap<usize, Vec<WrappedKey>> = self
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
            let entry = WrappedKey::new(kind, path, raw);
            match group {
                None => own.push(entry),
                Some(group) => grouped.entry(group).or_default().push(entry),
            }
        }
        let (groups, passed_over) = if own.is_empty() {
            (grouped.into_values().collect(), Vec::new())
        } else {
            let passed_over: Vec<WrappedKey> = grouped.into_values().flatten().collect();
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

impl WrappedKey {
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

/// Whether sops writes a field behind these keys, in small letters, into its metadata
/// (`stores/stores.go`, `Metadata`).
pub(in crate::core::encrypted) fn is_known_field(keys: &[&str]) -> bool {
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
pub(in crate::core::encrypted) fn folded(name: &str) -> String {
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
