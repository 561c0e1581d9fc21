//! The plain data in a tree: aliases and merge keys followed, within bounds.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use granit_parser::ScalarStyle;
use serde_json::{Map, Number, Value};

use super::scalar::{self, Resolved};
use super::tree::{Document, Node, NodeKind};
use super::{Effort, NODE, NotParsed, YamlErrorKind};

/// Collections are followed into each other this deep. The parser has a limit of its own,
/// and each alias could add as many levels.
const DEEPEST: usize = 1_000;

/// Base64 as Go decodes it, in `!!binary` and in JSON: whatever the bits behind the last
/// byte are.
pub const GO_BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

impl<'t> Node<'t> {
    /// What a scalar stands for: its style and tag decide. `None` of a collection or an
    /// alias.
    pub fn resolved(&self) -> Option<Resolved> {
        let NodeKind::Scalar { style, value } = &self.kind else {
            return None;
        };
        let core = self
            .tag
            .as_ref()
            .and_then(|tag| tag.suffix_in_namespace("tag:yaml.org,2002:"));
        Some(match (core.as_deref(), style) {
            (Some("str" | "binary"), _) => Resolved::Text,
            (Some("float"), _) => scalar::float(value).map_or(Resolved::Unclear, Resolved::Float),
            (Some(_), _) => scalar::resolve(value),
            (None, ScalarStyle::Plain) if self.tag.is_none() => scalar::resolve(value),
            (None, _) => Resolved::Text,
        })
    }

    /// What [`scalar::old_boolean`] says of it, if it is written without quotes and a tag.
    pub fn old_boolean(&self) -> Option<bool> {
        match &self.kind {
            NodeKind::Scalar { style, value }
                if *style == ScalarStyle::Plain && self.tag.is_none() =>
            {
                scalar::old_boolean(value)
            }
            _ => None,
        }
    }

    /// The length of a scalar's text, in bytes; 0 of anything else.
    pub fn length(&self) -> usize {
        match &self.kind {
            NodeKind::Scalar { value, .. } => value.len(),
            _ => 0,
        }
    }

    /// The text of a scalar, whatever it stands for; that of `!!binary` decoded.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        let NodeKind::Scalar { value, .. } = &self.kind else {
            return None;
        };
        let is_binary = self.tag.as_ref().is_some_and(|tag| {
            let core = tag.suffix_in_namespace("tag:yaml.org,2002:");
            core.as_deref() == Some("binary")
        });
        if !is_binary {
            return Some(Cow::Borrowed(value));
        }
        let stripped: String = value.split_whitespace().collect();
        Some(match GO_BASE64.decode(stripped) {
            Ok(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
            Err(_) => Cow::Borrowed(value),
        })
    }
}

impl<'t> Document<'t> {
    /// The document as plain data. Of two entries with the same key there is no telling
    /// which one counts.
    ///
    /// # Errors
    /// [`YamlErrorKind::DuplicateKey`], [`YamlErrorKind::Repetition`]; [`YamlErrorKind::Syntax`] for a key that is
    /// a mapping or a list.
    pub fn to_value(&self, effort: &Effort) -> Result<Value, NotParsed> {
        self.unfolded(EqualKeys::Refused, effort)
    }

    /// The document as plain data, as Go programs read it that do not insist on unique
    /// keys, such as kustomize: the last of several entries with the same key counts.
    ///
    /// # Errors
    /// As for [`Self::to_value`], but for [`YamlErrorKind::DuplicateKey`].
    pub fn to_value_as_go(&self, effort: &Effort) -> Result<Value, NotParsed> {
        self.unfolded(EqualKeys::LastCounts, effort)
    }

    /// A node of the document as plain data, as [`Self::to_value_as_go`] and as go-yaml 2
    /// reads it into any type: `yes` is true.
    ///
    /// # Errors
    /// As for [`Self::to_value_as_go`].
    pub fn node_to_value_as_go(
        &self,
        node: &Node<'t>,
        effort: &Effort,
    ) -> Result<Value, NotParsed> {
        self.unfolded_node(node, EqualKeys::LastCounts, true, effort)
    }

    fn unfolded(&self, equal_keys: EqualKeys, effort: &Effort) -> Result<Value, NotParsed> {
        let root = self.root.as_ref();
        root.map_or(Ok(Value::Null), |root| {
            self.unfolded_node(root, equal_keys, false, effort)
        })
    }

    fn unfolded_node(
        &self,
        node: &Node<'t>,
        equal_keys: EqualKeys,
        old_booleans: bool,
        effort: &Effort,
    ) -> Result<Value, NotParsed> {
        let mut unfolding = Unfolding {
            document: self,
            equal_keys,
            old_booleans,
            effort,
            depth: 0,
        };
        unfolding.value(node)
    }
}

/// What becomes of entries of one mapping with the same key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EqualKeys {
    Refused,
    LastCounts,
}

/// Plain data that is being made of a document.
struct Unfolding<'d, 't> {
    document: &'d Document<'t>,
    equal_keys: EqualKeys,
    /// Whether YAML 1.1's other words for true and false count.
    old_booleans: bool,
    effort: &'d Effort,
    depth: usize,
}

impl<'d, 't> Unfolding<'d, 't> {
    fn value(&mut self, node: &'d Node<'t>) -> Result<Value, NotParsed> {
        self.deeper(node)?;
        let value = match &node.kind {
            NodeKind::Scalar { .. } => {
                let old = node.old_boolean().filter(|_| self.old_booleans);
                old.map_or_else(|| scalar_value(node), Value::Bool)
            }
            NodeKind::Sequence { items, .. } => {
                let items = items.iter().map(|item| self.value(item));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            NodeKind::Mapping { .. } => {
                let mut map = Map::new();
                self.mapping(node, &mut map)?;
                Value::Object(map)
            }
            NodeKind::Alias(_) => self.behind_alias(node, Self::value)?,
        };
        self.depth -= 1;
        Ok(value)
    }

    fn behind_alias<T>(
        &mut self,
        alias: &'d Node<'t>,
        read: impl FnOnce(&mut Self, &'d Node<'t>) -> Result<T, NotParsed>,
    ) -> Result<T, NotParsed> {
        let target = self.document.resolve(alias);
        if matches!(target.kind, NodeKind::Alias(_)) {
            return Err(NotParsed::at(alias, YamlErrorKind::Syntax));
        }
        read(self, target)
    }

    /// Goes one step into a node.
    fn deeper(&mut self, node: &Node<'_>) -> Result<(), NotParsed> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(NotParsed::at(node, YamlErrorKind::Repetition));
        }
        self.spend(node, node.length())
    }

    /// Counts a node, and the bytes that are copied with it.
    fn spend(&self, node: &Node<'_>, bytes: usize) -> Result<(), NotParsed> {
        let spent = self.effort.spend(NODE + bytes);
        spent.map_err(|reason| NotParsed::at(node, reason))
    }

    /// Adds the entries of a mapping: its own, then those that are merged into it and
    /// that it does not have.
    fn mapping(
        &mut self,
        node: &'d Node<'t>,
        map: &mut Map<String, Value>,
    ) -> Result<(), NotParsed> {
        self.deeper(node)?;
        let NodeKind::Mapping { pairs, .. } = &node.kind else {
            return Err(NotParsed::at(node, YamlErrorKind::Syntax));
        };
        let mut own = Map::new();
        let mut merged = Vec::new();
        for pair in pairs {
            if is_merge(&pair.key) {
                merged.push(&pair.value);
                continue;
            }
            let key = self.document.resolve(&pair.key);
            // go-yaml refuses a mapping or list as a key.
            let Some(name) = key.text() else {
                return Err(NotParsed::at(&pair.key, YamlErrorKind::Syntax));
            };
            self.spend(&pair.key, key.length())?;
            // What a mapping has already hides what is merged into it.
            if map.contains_key(&*name) {
                continue;
            }
            let value = self.value(&pair.value)?;
            let earlier = own.insert(name.into_owned(), value);
            if earlier.is_some() && self.equal_keys == EqualKeys::Refused {
                return Err(NotParsed::at(&pair.key, YamlErrorKind::DuplicateKey));
            }
        }
        map.extend(own);
        for value in merged {
            self.merge(value, map)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn merge(
        &mut self,
        value: &'d Node<'t>,
        map: &mut Map<String, Value>,
    ) -> Result<(), NotParsed> {
        // A list may be merged into itself.
        self.deeper(value)?;
        match &value.kind {
            NodeKind::Alias(_) => {
                self.behind_alias(value, |this, target| this.merge(target, map))?
            }
            NodeKind::Sequence { items, .. } => {
                items.iter().try_for_each(|item| self.merge(item, map))?;
            }
            NodeKind::Mapping { .. } => self.mapping(value, map)?,
            NodeKind::Scalar { .. } => return Err(NotParsed::at(value, YamlErrorKind::Syntax)),
        }
        self.depth -= 1;
        Ok(())
    }
}

/// Whether it is the key that merges another mapping in, with or without the tag that sops
/// writes before it.
pub fn is_merge(key: &Node<'_>) -> bool {
    let is_named = matches!(
        &key.kind,
        NodeKind::Scalar { style: ScalarStyle::Plain, value } if value == "<<"
    );
    let is_tagged = key.tag.as_ref().map(|tag| {
        let core = tag.suffix_in_namespace("tag:yaml.org,2002:");
        core.as_deref() == Some("merge")
    });
    is_named && is_tagged.unwrap_or(true)
}

fn scalar_value(node: &Node<'_>) -> Value {
    let text = || Value::String(node.text().unwrap_or_default().into_owned());
    match node.resolved() {
        Some(Resolved::Null) => Value::Null,
        Some(Resolved::Boolean(boolean)) => Value::Bool(boolean),
        Some(Resolved::Integer(integer)) => Value::from(integer),
        Some(Resolved::Float(number)) => Number::from_f64(number).map_or_else(text, Value::Number),
        // A number, although JSON has none for it.
        Some(Resolved::Unclear) if node.text().is_some_and(|it| scalar::is_not_finite(&it)) => {
            Value::from(f64::MAX)
        }
        _ => text(),
    }
}
