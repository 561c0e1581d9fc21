//! A rule, as sops reads it.

use super::fields::{Field, RulesDocument, boolean, integer, text};
use super::keys::KeyCollector;
use super::{Stop, known, of_type};
use crate::core::readers::MOST_KEYS;
use crate::core::sops_config::fault::{FaultKind, RuleFault};
use crate::core::sops_config::model::{CreationRule, Position, RulePaths};
use crate::core::sops_config::selection::{SELECTION_FIELDS, Selection};
use crate::core::yaml::{Node, NodeKind};

const EXPRESSION: &str = "kb cannot tell which values this expression selects";

const TOO_MANY_KEYS: &str = "the rule names more than 1,000 keys, and kb does not read so many";

/// Reads the rule that is this item of its list.
pub(super) fn read<'d>(
    source: &RulesDocument<'d>,
    item: usize,
    node: &'d Node<'d>,
) -> Result<CreationRule, Stop> {
    let node = source.document.resolve(node);
    let NodeKind::Mapping { .. } = &node.kind else {
        let fault = of_type(node, "entries (name: value) are expected here");
        return Ok(CreationRule {
            paths_unknown: true,
            faults: vec![fault],
            ..CreationRule::empty(node.into(), item)
        });
    };
    let fields = source.fields(node)?;
    let mut faults = Vec::new();
    let mut rule = CreationRule::empty(node.into(), item);
    rule.unknown_fields = known::unknown(&fields, known::RULE);
    match path_regex(source, &fields) {
        Ok(paths) => rule.path_regex = paths,
        Err(fault) => {
            rule.paths_unknown = true;
            faults.push(fault);
        }
    }
    if let Some(paths) = &rule.path_regex
        && let Err(reason) = &paths.regex
    {
        rule.paths_unknown = true;
        faults.push(RuleFault {
            position: paths.position,
            kind: FaultKind::PathRegex {
                expression: paths.text.clone(),
                reason: reason.clone(),
            },
        });
    }
    read_selection(source, &mut rule, &fields, &mut faults);
    rule.mac_only_encrypted = boolean(&fields, "mac_only_encrypted").unwrap_or_else(|fault| {
        faults.push(fault);
        false
    });
    read_keys(source, &mut rule, &fields, &mut faults)?;
    rule.faults = faults;
    Ok(rule)
}

/// The `path_regex`; an empty one is as good as none.
fn path_regex(
    source: &RulesDocument<'_>,
    fields: &[Field<'_>],
) -> Result<Option<RulePaths>, RuleFault> {
    let expression = text(fields, "path_regex")?;
    let field = Field::find(fields, "path_regex").filter(|_| !expression.is_empty());
    Ok(field.map(|field| RulePaths {
        regex: source.expression(&expression),
        position: field.value.into(),
        text: expression,
    }))
}

fn read_selection(
    source: &RulesDocument<'_>,
    rule: &mut CreationRule,
    fields: &[Field<'_>],
    faults: &mut Vec<RuleFault>,
) {
    for name in SELECTION_FIELDS {
        match text(fields, name) {
            Ok(text) if text.is_empty() => {}
            Ok(text) => {
                let is_regex = ["encrypted_regex", "unencrypted_regex"].contains(&name);
                if is_regex && source.expression(&text).is_err() {
                    let field = Field::find(fields, name);
                    faults.push(RuleFault {
                        position: field.map_or(rule.position, |field| field.value.into()),
                        kind: FaultKind::Beyond(EXPRESSION),
                    });
                }
                rule.selection_fields.push((name, text));
            }
            Err(fault) => faults.push(fault),
        }
    }
    let names: Vec<&'static str> = rule
        .selection_fields
        .iter()
        .map(|(name, _)| *name)
        .collect();
    if names.len() > 1 {
        let places = names.iter().filter_map(|name| Field::find(fields, name));
        let last = places.map(|field| field.key).max_by_key(|key| key.start);
        faults.push(RuleFault {
            position: last.map_or(rule.position, Position::from),
            kind: FaultKind::Selections(names),
        });
    }
    rule.selection = Selection::new(|field| {
        let mut said = rule.selection_fields.iter();
        let (_, text) = said.find(|(name, _)| *name == field)?;
        Some(text.clone())
    });
}

fn read_keys<'d>(
    source: &RulesDocument<'d>,
    rule: &mut CreationRule,
    fields: &[Field<'d>],
    faults: &mut Vec<RuleFault>,
) -> Result<(), Stop> {
    let groups = source.list(fields, "key_groups").unwrap_or_else(|fault| {
        faults.push(fault);
        Vec::new()
    });
    let mut keys = KeyCollector::new(source);
    if groups.is_empty() {
        keys.read_flat(fields)?;
    } else {
        keys.read_groups(&groups)?;
    }
    faults.append(&mut keys.faults);
    let threshold = integer(fields, "shamir_threshold").unwrap_or_else(|fault| {
        faults.push(fault);
        0
    });
    if let Some(reason) = impossible(groups.len(), threshold, keys.has_empty_group) {
        let field = Field::find(fields, "key_groups");
        faults.push(RuleFault {
            position: field.map_or(rule.position, |field| field.key.into()),
            kind: FaultKind::Beyond(reason),
        });
    }
    rule.unknown_fields.append(&mut keys.unknown_fields);
    rule.readers = keys.readers;
    if rule.readers.all().nth(MOST_KEYS).is_some() {
        faults.push(RuleFault {
            position: rule.position,
            kind: FaultKind::Beyond(TOO_MANY_KEYS),
        });
        let mut left = MOST_KEYS;
        for group in &mut rule.readers.groups {
            group.truncate(left);
            left -= group.len();
        }
    }
    rule.readers.threshold = u64::try_from(threshold)
        .ok()
        .filter(|threshold| *threshold > 0);
    rule.age = keys.age;
    rule.recovery = keys.recovery;
    Ok(())
}

/// Why no file can be encrypted for several groups.
fn impossible(groups: usize, threshold: i64, has_empty_group: bool) -> Option<&'static str> {
    if groups < 2 {
        None
    } else if has_empty_group {
        Some("one of the key groups has no key, and sops encrypts for none of them then")
    } else if threshold != 0 && threshold < 2 {
        Some("the shamir_threshold of several key groups is 2 at least")
    } else if u64::try_from(threshold).is_ok_and(|needed| needed > groups as u64) {
        Some("the shamir_threshold is larger than the number of key groups")
    } else {
        None
    }
}
