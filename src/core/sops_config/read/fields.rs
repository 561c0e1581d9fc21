//! The entries of a mapping, and their values as go-yaml decodes them into fields that
//! have a type.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;

use super::{Stop, of_type};
use crate::core::sops_config::fault::RuleFault;
use crate::core::sops_config::path_regex::{GoRegex, RegexError};
use crate::core::yaml::scalar::Resolved;
use crate::core::yaml::{
    Document, Effort, NODE, Node, NodeKind, NotParsed, YamlErrorKind, is_merge,
};

/// So much memory the compiled expressions of a file may take, in bytes. Usual ones take
/// some ten thousand each.
const MOST_COMPILED: usize = 16 << 20;
/// Mappings are merged into each other this deep.
const DEEPEST_MERGE: usize = 1_000;

const TEXT: &str = "a text is expected here";
const LIST: &str = "a list is expected here";
const ENTRIES: &str = "entries (name: value) are expected here";
const BOOLEAN: &str = "true or false is expected here";
const NUMBER: &str = "a number is expected here";

/// A document that rules are read from.
pub(super) struct RulesDocument<'d> {
    pub(super) document: &'d Document<'d>,
    /// What stands on a line before a comment that marks a key for recovery, in order.
    for_recovery: Vec<Range<usize>>,
    effort: &'d Effort,
    /// So much memory expressions may still take.
    left_to_compile: Cell<usize>,
}

/// An entry of a mapping.
pub(super) struct Field<'d> {
    pub(super) name: Cow<'d, str>,
    pub(super) key: &'d Node<'d>,
    /// As it stands there, maybe an alias.
    pub(super) written: &'d Node<'d>,
    /// Its value, or what an alias stands for.
    pub(super) value: &'d Node<'d>,
}

impl<'d> Field<'d> {
    pub(super) fn find<'f>(fields: &'f [Self], name: &str) -> Option<&'f Self> {
        fields.iter().find(|field| field.name == name)
    }
}

impl<'d> RulesDocument<'d> {
    pub(super) fn new(document: &'d Document<'d>, effort: &'d Effort) -> Self {
        let comments = document.comments.iter();
        let recovery = comments.filter(|comment| is_of_recovery(comment.text));
        let before = recovery.map(|comment| {
            let end = comment.range.start;
            line_start(document.text, end)..end
        });
        Self {
            document,
            for_recovery: before.collect(),
            effort,
            left_to_compile: Cell::new(MOST_COMPILED),
        }
    }

    /// Whether a comment on the line of this byte marks its key for recovery.
    pub(super) fn is_for_recovery(&self, at: usize) -> bool {
        let before = self.for_recovery.partition_point(|range| range.end <= at);
        let range = self.for_recovery.get(before);
        range.is_some_and(|range| range.contains(&at))
    }

    fn count(&self, node: &Node<'_>) -> Result<(), NotParsed> {
        let spent = self.effort.spend(NODE + node.length());
        spent.map_err(|reason| error(node, reason))
    }

    /// Counts what was read from a field: so many items, of so many bytes together. The
    /// next mapping that is read is refused if it was too much.
    pub(super) fn spend(&self, items: usize, bytes: usize) {
        let _ = self
            .effort
            .spend(items.saturating_mul(NODE).saturating_add(bytes));
    }

    /// Reads and compiles an expression.
    ///
    /// # Errors
    /// What is wrong with it; [`RegexError::TooLarge`] too where the expressions of the
    /// file are too large together.
    pub(super) fn expression(&self, text: &str) -> Result<GoRegex, RegexError> {
        self.spend(1, text.len());
        let left = self.left_to_compile.get();
        if left == 0 {
            return Err(RegexError::TooLarge);
        }
        let regex = GoRegex::new(text)?;
        self.left_to_compile.set(left.saturating_sub(regex.size()));
        Ok(regex)
    }

    /// The entries of a mapping: its own, then those that are merged into it and that it
    /// does not have. Nothing at all has none.
    pub(super) fn fields_or_nothing(&self, node: &'d Node<'d>) -> Result<Vec<Field<'d>>, Stop> {
        let node = self.document.resolve(node);
        match &node.kind {
            NodeKind::Mapping { .. } => Ok(self.fields(node)?),
            _ if node.is_null() => Ok(Vec::new()),
            _ => Err(of_type(node, ENTRIES).into()),
        }
    }

    /// See [`Self::fields_or_nothing`].
    pub(super) fn fields(&self, mapping: &'d Node<'d>) -> Result<Vec<Field<'d>>, NotParsed> {
        let mut entries = Entries {
            source: self,
            fields: Vec::new(),
            known: HashMap::new(),
            mappings: 0,
        };
        entries.add(mapping, DEEPEST_MERGE)?;
        Ok(entries.fields)
    }

    /// The items of a list, with their index, aliases followed. go-yaml drops items that
    /// are nothing.
    pub(super) fn items(
        &self,
        node: &'d Node<'d>,
    ) -> Result<Vec<(usize, &'d Node<'d>)>, RuleFault> {
        let node = self.document.resolve(node);
        match &node.kind {
            NodeKind::Sequence { items, .. } => {
                self.spend(items.len(), 0);
                let items = items.iter().map(|item| self.document.resolve(item));
                Ok(items
                    .enumerate()
                    .filter(|(_, item)| !item.is_null())
                    .collect())
            }
            _ if node.is_null() => Ok(Vec::new()),
            _ => Err(of_type(node, LIST)),
        }
    }

    /// The items of the list in the field of this name.
    pub(super) fn list(
        &self,
        fields: &[Field<'d>],
        name: &str,
    ) -> Result<Vec<(usize, &'d Node<'d>)>, RuleFault> {
        match Field::find(fields, name) {
            Some(field) => self.items(field.value),
            None => Ok(Vec::new()),
        }
    }
}

/// The entries of a mapping while they are collected.
struct Entries<'s, 'd> {
    source: &'s RulesDocument<'d>,
    fields: Vec<Field<'d>>,
    /// For each name, which of the mappings it was found in.
    known: HashMap<Cow<'d, str>, usize>,
    mappings: usize,
}

impl<'d> Entries<'_, 'd> {
    fn add(&mut self, node: &'d Node<'d>, depth: usize) -> Result<(), NotParsed> {
        let document = self.source.document;
        let mapping = document.resolve(node);
        let NodeKind::Mapping { pairs, .. } = &mapping.kind else {
            return Err(error(node, YamlErrorKind::Syntax));
        };
        let Some(depth) = depth.checked_sub(1) else {
            return Err(error(node, YamlErrorKind::Repetition));
        };
        self.mappings += 1;
        let here = self.mappings;
        let mut merged = None;
        for pair in pairs {
            self.source.count(&pair.key)?;
            if is_merge(&pair.key) {
                if merged.replace(&pair.value).is_some() {
                    return Err(error(&pair.key, YamlErrorKind::DuplicateKey));
                }
                continue;
            }
            let key = document.resolve(&pair.key);
            let Some(name) = key.text() else {
                return Err(error(&pair.key, YamlErrorKind::Syntax));
            };
            if key.is_null() {
                continue;
            }
            match self.known.get(&name) {
                Some(there) if *there == here => {
                    return Err(error(&pair.key, YamlErrorKind::DuplicateKey));
                }
                // What a mapping has already hides what is merged into it.
                Some(_) => continue,
                None => {}
            }
            self.known.insert(name.clone(), here);
            self.fields.push(Field {
                name,
                key,
                written: &pair.value,
                value: document.resolve(&pair.value),
            });
        }
        match merged.map(|merged| (merged, &merged.kind)) {
            Some((_, NodeKind::Sequence { items, .. })) => {
                items.iter().try_for_each(|item| self.add(item, depth))
            }
            Some((merged, _)) => self.add(merged, depth),
            None => Ok(()),
        }
    }
}

/// A field of text: any scalar, in its own spelling; empty if there is none.
pub(super) fn text(fields: &[Field<'_>], name: &str) -> Result<String, RuleFault> {
    let Some(field) = Field::find(fields, name) else {
        return Ok(String::new());
    };
    match field.value.text() {
        _ if field.value.is_null() => Ok(String::new()),
        Some(text) => Ok(text.into_owned()),
        None => Err(of_type(field.value, TEXT)),
    }
}

/// A truth value, in the words of YAML 1.1 too.
pub(super) fn boolean(fields: &[Field<'_>], name: &str) -> Result<bool, RuleFault> {
    let Some(field) = Field::find(fields, name) else {
        return Ok(false);
    };
    match (field.value.resolved(), field.value.text().as_deref()) {
        (Some(Resolved::Null), _) => Ok(false),
        (Some(Resolved::Boolean(boolean)), _) => Ok(boolean),
        (Some(Resolved::Text), Some("y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON")) => {
            Ok(true)
        }
        (Some(Resolved::Text), Some("n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF")) => {
            Ok(false)
        }
        _ => Err(of_type(field.value, BOOLEAN)),
    }
}

/// A whole number; 0 if there is none.
pub(super) fn integer(fields: &[Field<'_>], name: &str) -> Result<i64, RuleFault> {
    let Some(field) = Field::find(fields, name) else {
        return Ok(0);
    };
    match field.value.resolved() {
        Some(Resolved::Null) => Ok(0),
        Some(Resolved::Integer(integer)) => Ok(integer),
        // As go-yaml does.
        Some(Resolved::Float(float)) if float.abs() < 1e15 => Ok(float as i64),
        _ => Err(of_type(field.value, NUMBER)),
    }
}

pub(super) fn error(node: &Node<'_>, reason: YamlErrorKind) -> NotParsed {
    NotParsed {
        line: node.line as u64,
        column: node.column as u64 + 1,
        reason,
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |found| found + 1)
}

/// Whether a comment says that its key is for recovery.
fn is_of_recovery(comment: &str) -> bool {
    let mut words = comment.split(|c: char| !c.is_alphanumeric());
    words.any(|word| word.eq_ignore_ascii_case("recovery"))
}
