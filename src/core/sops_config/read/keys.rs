//! The readers that sops makes of a rule (`getKeyGroupsFromCreationRule`,
//! `extractMasterKeys`).

use std::collections::BTreeMap;

use super::fields::{Field, RulesDocument, error, text};
use super::{Stop, known, of_type};
use crate::core::identity::Recipient;
use crate::core::readers::{KeyKind, Reader, Readers};
use crate::core::sops_config::fault::{FaultKind, RuleFault};
use crate::core::sops_config::model::{Position, RecipientText, UnknownField};
use crate::core::sops_config::placeholder::{has_placeholder, is_placeholder};
use crate::core::yaml::scalar::Resolved;
use crate::core::yaml::{Node, NodeKind, YamlErrorKind};

const KEYS: &str = "keys are expected here: a text with commas between them, or a list";
/// Key groups are merged into each other this deep.
const DEEPEST_MERGE: usize = 100;

/// The keys of a rule while they are collected.
pub(super) struct KeyCollector<'s, 'd> {
    source: &'s RulesDocument<'d>,
    pub(super) readers: Readers,
    /// What stands as age recipients, placeholders included.
    pub(super) age: Vec<RecipientText>,
    /// Recipients that a comment marks.
    pub(super) recovery: Vec<Recipient>,
    pub(super) faults: Vec<RuleFault>,
    /// Of key groups.
    pub(super) unknown_fields: Vec<UnknownField>,
    /// Whether a key group has no entry at all.
    pub(super) has_empty_group: bool,
    group: Vec<Reader>,
    /// Entries of this group, placeholders too.
    entries: usize,
}

/// A text that stands for a key.
struct KeyEntry {
    text: String,
    position: Position,
    is_for_recovery: bool,
}

impl<'s, 'd> KeyCollector<'s, 'd> {
    pub(super) fn new(source: &'s RulesDocument<'d>) -> Self {
        Self {
            source,
            readers: Readers::default(),
            age: Vec::new(),
            recovery: Vec::new(),
            faults: Vec::new(),
            unknown_fields: Vec::new(),
            has_empty_group: false,
            group: Vec::new(),
            entries: 0,
        }
    }

    fn close_group(&mut self) {
        self.has_empty_group |= self.entries == 0;
        self.entries = 0;
        self.readers.groups.push(std::mem::take(&mut self.group));
    }

    /// The keys of a rule without key groups: they make one.
    pub(super) fn read_flat(&mut self, fields: &[Field<'d>]) -> Result<(), Stop> {
        let profile = self.text(fields, "aws_profile");
        for entry in self.key_field(fields, "age") {
            self.add_age(entry);
        }
        for entry in self.key_field(fields, "pgp") {
            self.add(entry, KeyKind::Pgp, Reader::pgp);
        }
        for entry in self.key_field(fields, "kms") {
            self.add(entry, KeyKind::Kms, |text| Reader::kms(text, &profile));
        }
        for entry in self.key_field(fields, "gcp_kms") {
            self.add(entry, KeyKind::GcpKms, Reader::gcp);
        }
        let huawei = self.texts(fields, "hckms");
        for entry in split(huawei, true) {
            self.add(entry, KeyKind::HuaweiKms, Reader::huawei);
        }
        for entry in self.key_field(fields, "azure_keyvault") {
            self.add(entry, KeyKind::AzureKeyVault, Reader::azure);
        }
        for entry in self.key_field(fields, "hc_vault_transit_uri") {
            if !entry.text.is_empty() {
                self.add(entry, KeyKind::Vault, Reader::vault);
            }
        }
        self.close_group();
        Ok(())
    }

    /// The key groups of a rule.
    pub(super) fn read_groups(&mut self, groups: &[(usize, &'d Node<'d>)]) -> Result<(), Stop> {
        for (_, group) in groups {
            self.read_group(group, DEEPEST_MERGE)?;
            self.close_group();
        }
        Ok(())
    }

    fn read_group(&mut self, group: &'d Node<'d>, depth: usize) -> Result<(), Stop> {
        let depth = depth.checked_sub(1);
        let depth = depth.ok_or_else(|| error(group, YamlErrorKind::Repetition))?;
        let fields = match self.source.fields_or_nothing(group) {
            Err(Stop::Fault(fault)) => {
                self.faults.push(fault);
                return Ok(());
            }
            fields => fields?,
        };
        let unknown = known::unknown(&fields, known::GROUP);
        self.unknown_fields.extend(unknown);
        for (_, merged) in self.list(&fields, "merge") {
            self.read_group(merged, depth)?;
        }
        for entry in self.texts(&fields, "age") {
            for entry in split(vec![entry], false) {
                self.add_age(entry);
            }
        }
        for entry in self.texts(&fields, "pgp") {
            self.add(entry, KeyKind::Pgp, Reader::pgp);
        }
        self.read_servers(&fields)?;
        for entry in self.texts(&fields, "hc_vault") {
            self.add(entry, KeyKind::Vault, Reader::vault);
        }
        Ok(())
    }

    /// The keys of a group that are mappings of their own.
    fn read_servers(&mut self, group: &[Field<'d>]) -> Result<(), Stop> {
        for (node, fields) in self.mappings(group, "kms")? {
            let [role, profile] = ["role", "aws_profile"].map(|name| self.text(&fields, name));
            let context = self.context(&fields)?;
            let arn = self.text(&fields, "arn");
            self.add(entry(node, arn), KeyKind::Kms, |arn| {
                Reader::kms_entry(arn, &role, &profile, context)
            });
        }
        for (node, fields) in self.mappings(group, "gcp_kms")? {
            let id = self.text(&fields, "resource_id");
            self.add(entry(node, id), KeyKind::GcpKms, Reader::gcp);
        }
        for (node, fields) in self.mappings(group, "hckms")? {
            let id = self.text(&fields, "key_id");
            self.add(entry(node, id), KeyKind::HuaweiKms, Reader::huawei);
        }
        for (node, fields) in self.mappings(group, "azure_keyvault")? {
            let [vault, key, version] =
                ["vaultUrl", "key", "version"].map(|name| self.text(&fields, name));
            if has_placeholder(&key) {
                self.entries += 1;
                continue;
            }
            self.add(entry(node, vault), KeyKind::AzureKeyVault, |vault| {
                Reader::azure_entry(vault, &key, &version)
            });
        }
        Ok(())
    }

    /// The encryption context of a key of AWS KMS.
    fn context(&mut self, key: &[Field<'d>]) -> Result<BTreeMap<String, String>, Stop> {
        let mut context = BTreeMap::new();
        let Some(field) = Field::find(key, "context") else {
            return Ok(context);
        };
        for field in self.source.fields_or_nothing(field.value)? {
            match field.value.text() {
                // sops panics where there is nothing.
                Some(text) if !field.value.is_null() => {
                    context.insert(field.name.into_owned(), text.into_owned());
                }
                _ => self
                    .faults
                    .push(of_type(field.value, "a text is expected here")),
            }
        }
        Ok(context)
    }

    fn add_age(&mut self, entry: KeyEntry) {
        self.age.push(RecipientText {
            text: entry.text.clone(),
        });
        let is_for_recovery = entry.is_for_recovery;
        let before = self.group.len();
        self.add(entry, KeyKind::Age, Reader::age);
        let added = self.group[before..].first().and_then(Reader::recipient);
        if let Some(recipient) = added.filter(|_| is_for_recovery) {
            self.recovery.push(recipient.clone());
        }
    }

    fn add(&mut self, entry: KeyEntry, kind: KeyKind, read: impl FnOnce(&str) -> Reader) {
        self.entries += 1;
        let is_age = kind == KeyKind::Age;
        if is_placeholder(&entry.text) || !is_age && has_placeholder(&entry.text) {
            return;
        }
        let reader = read(&entry.text);
        if let Reader::Unreadable { .. } = reader {
            self.faults.push(RuleFault {
                position: entry.position,
                kind: FaultKind::of_key(kind, &entry.text),
            });
        }
        self.group.push(reader);
    }

    fn text(&mut self, fields: &[Field<'d>], name: &str) -> String {
        text(fields, name).unwrap_or_else(|fault| {
            self.faults.push(fault);
            String::new()
        })
    }

    fn list(&mut self, fields: &[Field<'d>], name: &str) -> Vec<(usize, &'d Node<'d>)> {
        self.source.list(fields, name).unwrap_or_else(|fault| {
            self.faults.push(fault);
            Vec::new()
        })
    }

    /// A list of mappings, each with its entries.
    fn mappings(
        &mut self,
        fields: &[Field<'d>],
        name: &str,
    ) -> Result<Vec<(&'d Node<'d>, Vec<Field<'d>>)>, Stop> {
        let mut mappings = Vec::new();
        for (_, node) in self.list(fields, name) {
            match self.source.fields_or_nothing(node) {
                Ok(fields) => mappings.push((node, fields)),
                Err(Stop::Fault(fault)) => self.faults.push(fault),
                Err(stop) => return Err(stop),
            }
        }
        Ok(mappings)
    }

    /// A list of texts: any scalars.
    fn texts(&mut self, fields: &[Field<'d>], name: &str) -> Vec<KeyEntry> {
        let Some(field) = Field::find(fields, name) else {
            return Vec::new();
        };
        let items = self.source.items(field.value).unwrap_or_else(|fault| {
            self.faults.push(fault);
            Vec::new()
        });
        let mut entries = Vec::new();
        for (index, item) in items {
            match item.text() {
                Some(text) => entries.push(self.scalar(field, Some(index), item).entry(&text)),
                None => self.faults.push(of_type(item, "a text is expected here")),
            }
        }
        self.spend(&entries);
        entries
    }

    fn spend(&self, entries: &[KeyEntry]) {
        let bytes = entries.iter().map(|entry| entry.text.len()).sum();
        self.source.spend(entries.len(), bytes);
    }

    /// Keys as text with commas between them, or as a list of texts, whose items sops
    /// joins with commas and splits again (`parseKeyField`).
    fn key_field(&mut self, fields: &[Field<'d>], name: &str) -> Vec<KeyEntry> {
        let Some(field) = Field::find(fields, name) else {
            return Vec::new();
        };
        let items = match &field.value.kind {
            NodeKind::Sequence { items, .. } => items,
            _ if field.value.is_null() => return Vec::new(),
            _ => {
                let Some(text) = key_text(field.value) else {
                    self.faults.push(no_keys(field.value));
                    return Vec::new();
                };
                let parts = text
                    .split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty());
                let scalar = self.scalar(field, None, field.value);
                let entries: Vec<KeyEntry> = parts.map(|part| scalar.entry(part)).collect();
                self.source.spend(entries.len(), text.len());
                return entries;
            }
        };
        let mut entries = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let item = self.source.document.resolve(item);
            match key_text(item) {
                Some(text) => entries.push(self.scalar(field, Some(index), item).entry(&text)),
                None => self.faults.push(no_keys(item)),
            }
        }
        let entries = split(entries, false);
        self.spend(&entries);
        entries
    }

    /// The scalar that is the value of a field, or an item of its list.
    fn scalar(&self, field: &Field<'d>, index: Option<usize>, node: &'d Node<'d>) -> KeyScalar<'d> {
        let written = match index {
            Some(index) => field.value.items().get(index).unwrap_or(node),
            None => field.written,
        };
        let is_marked = |at| self.source.is_for_recovery(at);
        let alias = is_marked(written.start);
        KeyScalar {
            node,
            // No comment stands inside a scalar of several lines.
            text: self.source.document.text[node.start..node.end].trim_end_matches(['"', '\'']),
            first: alias || is_marked(node.start),
            last: alias || is_marked(node.end),
        }
    }
}

/// A scalar with keys in it.
struct KeyScalar<'d> {
    node: &'d Node<'d>,
    /// As it is written, without quotes at its end.
    text: &'d str,
    /// Whether a comment on its first line, and on its last one, marks a key.
    first: bool,
    last: bool,
}

impl KeyScalar<'_> {
    fn entry(&self, key: &str) -> KeyEntry {
        KeyEntry {
            text: key.trim().to_owned(),
            position: self.node.into(),
            is_for_recovery: if self.text.ends_with(key.trim()) {
                self.last
            } else {
                self.first
            },
        }
    }
}

fn entry(node: &Node<'_>, text: String) -> KeyEntry {
    KeyEntry {
        text,
        position: node.into(),
        is_for_recovery: false,
    }
}

/// The text of a node that go-yaml resolves to one.
fn key_text<'n>(node: &'n Node<'_>) -> Option<std::borrow::Cow<'n, str>> {
    let is_text = node
        .resolved()
        .is_some_and(|resolved| resolved == Resolved::Text);
    node.text().filter(|_| is_text)
}

fn no_keys(node: &Node<'_>) -> RuleFault {
    RuleFault {
        position: node.into(),
        kind: FaultKind::Type {
            expected: KEYS,
            stops_sops: false,
        },
    }
}

/// Items that are joined with commas: if all are empty together, there is none.
fn join(entries: Vec<KeyEntry>) -> Vec<KeyEntry> {
    match entries.as_slice() {
        [only] if only.text.is_empty() => Vec::new(),
        _ => entries,
    }
}

/// Items that are split at commas. `skips_empty`: whether sops passes over empty ones.
fn split(entries: Vec<KeyEntry>, skips_empty: bool) -> Vec<KeyEntry> {
    let mut parts = Vec::new();
    for entry in join(entries) {
        for part in entry.text.split(',').map(str::trim) {
            if !(skips_empty && part.is_empty()) {
                parts.push(KeyEntry {
                    text: part.to_owned(),
                    ..entry
                });
            }
        }
    }
    parts
}
