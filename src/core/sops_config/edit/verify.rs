//! Reads an edited text again: only the intended difference may be there.

use serde_json::{Value, json};

use crate::core::identity::Recipient;
use crate::core::sops_config::SECRET_VALUES;
use crate::core::sops_config::choose::Place;
use crate::core::sops_config::model::is_placeholder;

/// A config, taken apart: the recipients of each list, and all else.
struct Reading {
    /// For each rule its lists: its own, and those of its key groups.
    rules: Vec<Vec<Vec<String>>>,
    /// The same for the rules of `destination_rules`.
    destinations: Vec<Vec<Vec<String>>>,
    /// The file without those lists.
    rest: Value,
}

/// Whether `after` reads as `before`, but for `recipient` in `place`. `None`
/// where one of them cannot be read.
pub(super) fn as_intended(
    before: &str,
    after: &str,
    place: &Place,
    recipient: &Recipient,
) -> Option<bool> {
    let mut before = Reading::of(before)?;
    let mut after = Reading::of(after)?;
    let new = recipient.as_str();
    match place {
        Place::Rule(index) => {
            // What stood there were placeholders at most.
            let lists = before.rules.get_mut(*index)?;
            let mut was = lists.iter().flatten();
            let is = after.rules.get_mut(*index)?;
            if !was.all(|key| is_placeholder(key)) || !is.iter().flatten().eq([new]) {
                return Some(false);
            }
            lists.clear();
            is.clear();
        }
        Place::Beside(index) => {
            let was = before.rules.get_mut(*index)?;
            let is = after.rules.get_mut(*index)?;
            let mut wanted: Vec<String> = was.iter().flatten().cloned().collect();
            wanted.push(new.to_owned());
            if !is.iter().flatten().eq(&wanted) {
                return Some(false);
            }
            was.clear();
            is.clear();
        }
        Place::NewRule {
            before: at,
            path_regex,
        } => {
            let rules = before.rest.as_object_mut()?.entry("creation_rules");
            let rules = rules.or_insert_with(|| json!([]));
            if rules.is_null() {
                *rules = json!([]);
            }
            let rule = json!({"path_regex": path_regex, "encrypted_regex": SECRET_VALUES});
            let at = (*at).min(before.rules.len());
            rules.as_array_mut()?.insert(at, rule);
            before.rules.insert(at, vec![vec![new.to_owned()]]);
        }
        Place::InsteadOf(old) => {
            let lists = before.rules.iter_mut().chain(&mut before.destinations);
            for list in lists.flatten() {
                replace(list, old.as_str(), new);
            }
            // Which of two equal ones has stayed is not looked at.
            for reading in [&mut before, &mut after] {
                let lists = reading.rules.iter_mut().chain(&mut reading.destinations);
                lists.flatten().for_each(|list| list.sort());
            }
            // What an anchor defines is read wherever it stands.
            replace_in_texts(&mut before.rest, old.as_str(), new);
            replace_in_texts(&mut after.rest, old.as_str(), new);
        }
    }
    Some(
        before.rules == after.rules
            && before.destinations == after.destinations
            && before.rest == after.rest,
    )
}

/// Each `old` becomes `new`, which stands once then.
fn replace(list: &mut Vec<String>, old: &str, new: &str) {
    if !list.iter().any(|key| key == old) {
        return;
    }
    let mut seen = false;
    for key in list.iter_mut().filter(|key| *key == old) {
        new.clone_into(key);
    }
    list.retain(|key| key != new || !std::mem::replace(&mut seen, true));
}

fn replace_in_texts(value: &mut Value, old: &str, new: &str) {
    match value {
        Value::String(text) if text.contains(old) || text.contains(new) => {
            let mut keys = keys(text);
            keys.iter_mut()
                .filter(|key| *key == old)
                .for_each(|key| new.clone_into(key));
            keys.dedup();
            *text = keys.join(",");
        }
        Value::Array(values) => {
            values
                .iter_mut()
                .for_each(|value| replace_in_texts(value, old, new));
            let mut seen = false;
            values.retain(|value| value != new || !std::mem::replace(&mut seen, true));
        }
        Value::Object(map) => map
            .values_mut()
            .for_each(|value| replace_in_texts(value, old, new)),
        _ => {}
    }
}

impl Reading {
    fn of(text: &str) -> Option<Self> {
        let value: Option<Value> = serde_saphyr::from_str(text).ok()?;
        let mut rest = value
            .filter(|value| !value.is_null())
            .unwrap_or_else(|| json!({}));
        let root = rest.as_object_mut()?;
        let mut rules = Vec::new();
        for rule in list(root.get_mut("creation_rules")) {
            rules.push(take_lists(rule));
        }
        let mut destinations = Vec::new();
        for rule in list(root.get_mut("destination_rules")) {
            if let Some(rule) = rule.get_mut("recreation_rule") {
                destinations.push(take_lists(rule));
            }
        }
        Some(Self {
            rules,
            destinations,
            rest,
        })
    }
}

fn list(value: Option<&mut Value>) -> &mut [Value] {
    match value.and_then(Value::as_array_mut) {
        Some(values) => values,
        None => &mut [],
    }
}

/// Takes the lists of recipients out of a rule. Nothing at all reads as a rule
/// without entries.
fn take_lists(rule: &mut Value) -> Vec<Vec<String>> {
    if rule.is_null() {
        *rule = json!({});
    }
    let Some(rule) = rule.as_object_mut() else {
        return Vec::new();
    };
    let mut lists: Vec<Vec<String>> = rule.remove("age").iter().map(recipients).collect();
    take_group_lists(rule.get_mut("key_groups"), &mut lists);
    lists
}

fn take_group_lists(groups: Option<&mut Value>, lists: &mut Vec<Vec<String>>) {
    for group in list(groups) {
        if let Some(group) = group.as_object_mut() {
            take_group_lists(group.get_mut("merge"), lists);
            lists.extend(group.remove("age").iter().map(recipients));
        }
    }
}

fn recipients(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => keys(text),
        Value::Array(values) => {
            let texts = values.iter().filter_map(Value::as_str);
            texts.flat_map(keys).collect()
        }
        _ => Vec::new(),
    }
}

fn keys(text: &str) -> Vec<String> {
    let keys = text.split(',').map(str::trim);
    keys.filter(|key| !key.is_empty())
        .map(str::to_owned)
        .collect()
}
