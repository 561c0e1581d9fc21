//! The fields of a kubeconfig's mappings, with the types that client-go gives them.
//!
//! client-go reads a kubeconfig as YAML 1.1 (go-yaml 2) and converts it to JSON: null is the
//! same as nothing, the last of several equal keys counts, `<<` merges where it is written,
//! and fields that it does not know are ignored. A known field of the wrong type, anywhere
//! in the file, makes it refuse the whole file.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::Value;

use crate::core::yaml::scalar::Resolved;
use crate::core::yaml::{
    Document, Effort, GO_BASE64, NODE, Node, NodeKind, YamlErrorKind, is_merge,
};

/// Mappings are merged into each other this deep.
const DEEPEST_MERGE: usize = 100;

/// What is wrong in a file. It never repeats a value: that may be a token.
#[derive(Debug)]
pub(super) struct FieldFault {
    /// The line, from 1.
    pub(super) line: usize,
    pub(super) reason: String,
}

impl FieldFault {
    pub(super) fn new(node: &Node<'_>, reason: impl Into<String>) -> Self {
        Self {
            line: node.line,
            reason: reason.into(),
        }
    }

    /// The same fault, of a named entry.
    pub(super) fn of(self, entry: &str) -> Self {
        Self {
            line: self.line,
            reason: format!("{entry}: {}", self.reason),
        }
    }
}

/// The entries of a mapping.
pub(super) struct MappingFields<'n> {
    document: &'n Document<'n>,
    effort: &'n Effort,
    entries: BTreeMap<String, &'n Node<'n>>,
}

impl<'n> MappingFields<'n> {
    /// The fields of a node; none of null.
    pub(super) fn read(
        document: &'n Document<'n>,
        effort: &'n Effort,
        node: &'n Node<'n>,
        what: &str,
    ) -> Result<Self, FieldFault> {
        let mut fields = Self {
            document,
            effort,
            entries: BTreeMap::new(),
        };
        let node = document.resolve(node);
        match node.kind {
            NodeKind::Mapping { .. } => fields.add(node, 0)?,
            _ if node.is_null() => {}
            _ => return Err(FieldFault::new(node, format!("{what} is not a mapping"))),
        }
        Ok(fields)
    }

    /// Adds the entries of a mapping, or of the mappings of a list: later ones replace
    /// earlier ones.
    fn add(&mut self, node: &'n Node<'n>, depth: usize) -> Result<(), FieldFault> {
        let node = self.document.resolve(node);
        let spent = self.effort.spend(NODE);
        let unread =
            |reason: YamlErrorKind| FieldFault::new(node, reason.words().unwrap_or_default());
        spent.map_err(unread)?;
        if depth > DEEPEST_MERGE {
            return Err(unread(YamlErrorKind::Repetition));
        }
        match &node.kind {
            NodeKind::Mapping { pairs, .. } => {
                for pair in pairs {
                    if is_merge(&pair.key) {
                        self.add(&pair.value, depth + 1)?;
                        continue;
                    }
                    let key = self.document.resolve(&pair.key);
                    let name = key.text().filter(|_| !key.is_null());
                    let name = name.ok_or_else(|| FieldFault::new(key, "a key is not a text"))?;
                    self.effort.spend(NODE + key.length()).map_err(unread)?;
                    let value = self.document.resolve(&pair.value);
                    self.entries.insert(name.into_owned(), value);
                }
                Ok(())
            }
            // Of the mappings in a list the first has precedence.
            NodeKind::Sequence { items, .. } if depth > 0 => {
                let mut items = items.iter().rev();
                items.try_for_each(|item| self.add(item, depth + 1))
            }
            _ => Err(FieldFault::new(node, "<< is not a mapping")),
        }
    }

    /// The value of an entry that is not null.
    fn get(&self, name: &str) -> Option<&'n Node<'n>> {
        let value = self.entries.get(name).copied();
        value.filter(|value| !value.is_null())
    }

    /// A text; empty if there is none.
    pub(super) fn text(&self, name: &str) -> Result<String, FieldFault> {
        self.get(name)
            .map_or(Ok(String::new()), |node| text(node, name))
    }

    /// Base64 of bytes; empty if there is none.
    pub(super) fn data(&self, name: &str) -> Result<Vec<u8>, FieldFault> {
        let Some(node) = self.get(name) else {
            return Ok(Vec::new());
        };
        if let NodeKind::Sequence { .. } = node.kind {
            // encoding/json takes a list of numbers for bytes.
            return self.list(name, |item| {
                let byte = item.text().and_then(|text| text.parse().ok());
                byte.ok_or_else(|| FieldFault::new(item, format!("{name} is not base64")))
            });
        }
        let mut text = text(node, name)?;
        text.retain(|char| !matches!(char, '\r' | '\n'));
        let decoded = GO_BASE64.decode(text);
        decoded.map_err(|_| FieldFault::new(node, format!("{name} is not base64")))
    }

    /// A truth value; `false` if there is none.
    pub(super) fn flag(&self, name: &str) -> Result<bool, FieldFault> {
        let Some(node) = self.get(name) else {
            return Ok(false);
        };
        boolean(node).ok_or_else(|| FieldFault::new(node, format!("{name} is not true or false")))
    }

    /// The fields of the mapping of this name; none if there is none.
    pub(super) fn inner(&self, name: &str) -> Result<Self, FieldFault> {
        let inner = self.optional(name)?;
        Ok(inner.unwrap_or_else(|| Self {
            document: self.document,
            effort: self.effort,
            entries: BTreeMap::new(),
        }))
    }

    /// The fields of the mapping of this name.
    pub(super) fn optional(&self, name: &str) -> Result<Option<Self>, FieldFault> {
        let inner = self.get(name);
        inner
            .map(|node| Self::read(self.document, self.effort, node, name))
            .transpose()
    }

    /// The items of a list.
    pub(super) fn list<T>(
        &self,
        name: &str,
        read: impl Fn(&'n Node<'n>) -> Result<T, FieldFault>,
    ) -> Result<Vec<T>, FieldFault> {
        match self.get(name).map(|node| (node, &node.kind)) {
            None => Ok(Vec::new()),
            Some((node, NodeKind::Sequence { items, .. })) => {
                let spent = self.effort.spend(NODE * items.len());
                spent
                    .map_err(|reason| FieldFault::new(node, reason.words().unwrap_or_default()))?;
                items
                    .iter()
                    .map(|item| read(self.document.resolve(item)))
                    .collect()
            }
            Some((node, _)) => Err(FieldFault::new(node, format!("{name} is not a list"))),
        }
    }

    /// A list of mappings, and the line of each.
    pub(super) fn mappings(&self, name: &str) -> Result<Vec<(usize, Self)>, FieldFault> {
        self.list(name, |item| {
            let what = format!("an entry of {name}");
            Ok((
                item.line,
                Self::read(self.document, self.effort, item, &what)?,
            ))
        })
    }

    /// A list of texts; a null in it is an empty one.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, FieldFault> {
        self.list(name, |item| match item.is_null() {
            true => Ok(String::new()),
            false => text(item, &format!("an entry of {name}")),
        })
    }

    /// The names of all entries, null ones too, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.entries.keys()
    }

    /// A field as plain data; `null` if there is none.
    pub(super) fn value(&self, name: &str) -> Result<Value, FieldFault> {
        let Some(node) = self.get(name) else {
            return Ok(Value::Null);
        };
        let value = self.document.node_to_value_as_go(node, self.effort);
        value.map_err(|error| FieldFault::new(node, error.reason.words().unwrap_or_default()))
    }
}

fn text(node: &Node<'_>, name: &str) -> Result<String, FieldFault> {
    let is_text = match node.resolved() {
        // go-yaml 2 leaves a time as it is written.
        Some(Resolved::Text | Resolved::Time(_)) => boolean(node).is_none(),
        _ => false,
    };
    let text = node.text().filter(|_| is_text);
    let text = text.ok_or_else(|| FieldFault::new(node, format!("{name} is not a string")))?;
    Ok(text.into_owned())
}

fn boolean(node: &Node<'_>) -> Option<bool> {
    match node.resolved()? {
        Resolved::Boolean(boolean) => Some(boolean),
        Resolved::Text => node.old_boolean(),
        _ => None,
    }
}
