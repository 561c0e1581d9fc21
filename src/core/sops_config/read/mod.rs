//! Reads the rules of a `.sops.yaml` as sops 3.13 does (`config/config.go`): the first
//! document, go-yaml's way of decoding into fields that have a type, and the readers
//! that sops makes of a rule.
//!
//! | module | holds |
//! | --- | --- |
//! | `fields` | the entries of a mapping, merged ones too, and their values by type |
//! | `keys` | the readers of a rule |
//! | `known` | the names of the fields, and what an unknown one was meant to be |
//! | `rule` | a rule |

mod fields;
mod keys;
mod known;
mod rule;

use std::path::Path;

use super::fault::{FaultKind, RuleFault};
use super::model::{ConfigError, CreationRule, UnknownField};
use super::syntax;
use crate::core::yaml::{Document, NotParsed};
use fields::{Field, RulesDocument};

/// The rules of a file.
#[derive(Default)]
pub(super) struct ParsedRules {
    pub(super) creation: Vec<CreationRule>,
    pub(super) recreation: Vec<CreationRule>,
    /// At the top of the file.
    pub(super) unknown_fields: Vec<UnknownField>,
}

/// Reads the text of the file at `path`, which is only named in errors.
pub(super) fn rules(path: &Path, text: &str) -> Result<ParsedRules, ConfigError> {
    let mut stream = syntax::stream(path, text)?;
    // A file of nothing but comments is an empty document.
    let document = stream
        .documents
        .pop()
        .unwrap_or_else(|| Document::empty(text));
    let source = RulesDocument::new(&document, &stream.effort);
    let read = || -> Result<ParsedRules, Stop> {
        let mut rules = ParsedRules::default();
        let Some(root) = &document.root else {
            return Ok(rules);
        };
        let root = source.fields_or_nothing(root)?;
        // People put anchors there, under any name.
        rules.unknown_fields = known::unknown(&root, known::TOP);
        rules.unknown_fields.retain(|field| field.nearest.is_some());
        for (item, node) in source.list(&root, "creation_rules")? {
            rules.creation.push(rule::read(&source, item, node)?);
        }
        for (item, node) in source.list(&root, "destination_rules")? {
            let destination = source.fields_or_nothing(node)?;
            let rule = Field::find(&destination, "recreation_rule");
            if let Some(field) = rule.filter(|field| !field.value.is_null()) {
                rules
                    .recreation
                    .push(rule::read(&source, item, field.value)?);
            }
        }
        Ok(rules)
    };
    read().map_err(|stop| match stop {
        Stop::NotParsed(error) => syntax::of_parser(path, text, &error),
        Stop::Fault(fault) => fault.of(path),
    })
}

/// Why the rules of a file cannot be told from each other.
enum Stop {
    NotParsed(NotParsed),
    Fault(RuleFault),
}

impl From<NotParsed> for Stop {
    fn from(error: NotParsed) -> Self {
        Self::NotParsed(error)
    }
}

impl From<RuleFault> for Stop {
    fn from(fault: RuleFault) -> Self {
        Self::Fault(fault)
    }
}

/// What go-yaml refuses: then sops reads nothing of the file.
fn of_type(node: &crate::core::yaml::Node<'_>, expected: &'static str) -> RuleFault {
    RuleFault {
        position: node.into(),
        kind: FaultKind::Type {
            expected,
            stops_sops: true,
        },
    }
}
