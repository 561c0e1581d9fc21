//! Reads an edited text again: only the intended difference may be there.

use serde_json::{Value, json};

use super::Place;
use crate::core::identity::Recipient;
use crate::core::sops_config::config::SECRET_VALUES;
use crate::core::sops_config::placeholder::is_placeholder;
use crate::core::yaml::Stream;

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
            // What an anchor defines is read wherever it stands.
            if let Some(placeholder) = lists.iter().flatten().next().cloned() {
                for reading in [&mut before.rest, &mut after.rest] {
                    replace_in_texts(reading, &placeholder, new);
                }
            }
            lists.clear();
            is.clear();
        }
        Place::Beside(index) => {
            // One placeholder may have given way.
            let was = before.rules.get_mut(*index)?;
            let is = after.rules.get_mut(*index)?;
            let (old_keys, old_placeholders) = keys_and_placeholders(was);
            let (keys, placeholders) = keys_and_placeholders(is);
            let gone = old_placeholders.checked_sub(placeholders);
            let mut wanted = [old_keys, vec![new.to_owned()]].concat();
            wanted.sort();
            if keys != wanted || gone.is_none_or(|gone| gone > 1) {
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
            for reading in [&mut before, &mut after] {
                replace_in_texts(&mut reading.rest, old.as_str(), new);
            }
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
    if list.iter().any(|key| key == old) {
        merge(list, old, new);
    }
}

fn merge(list: &mut Vec<String>, old: &str, new: &str) {
    let mut seen = false;
    for key in list.iter_mut().filter(|key| *key == old) {
        new.clone_into(key);
    }
    list.retain(|key| key != new || !std::mem::replace(&mut seen, true));
}

/// As [`replace()`], in every text and list of texts; there without order.
fn replace_in_texts(value: &mut Value, old: &str, new: &str) {
    match value {
        Value::String(text) if text.contains(old) || text.contains(new) => {
            let mut list = keys(text);
            merge(&mut list, old, new);
            list.sort();
            *text = list.join(",");
        }
        Value::Array(values) if values.iter().all(Value::is_string) => {
            let texts = values.iter().filter_map(Value::as_str);
            let mut list: Vec<String> = texts.map(str::to_owned).collect();
            merge(&mut list, old, new);
            if list.iter().any(|key| key == new) {
                list.sort();
            }
            *values = list.into_iter().map(Value::from).collect();
        }
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| replace_in_texts(value, old, new)),
        Value::Object(map) => map
            .values_mut()
            .for_each(|value| replace_in_texts(value, old, new)),
        _ => {}
    }
}

/// The keys, sorted, and the number of placeholders.
fn keys_and_placeholders(lists: &[Vec<String>]) -> (Vec<String>, usize) {
    let (placeholders, mut keys): (Vec<String>, Vec<String>) = lists
        .iter()
        .flatten()
        .cloned()
        .partition(|key| is_placeholder(key));
    keys.sort();
    (keys, placeholders.len())
}

impl Reading {
    fn of(text: &str) -> Option<Self> {
        let stream = Stream::parse_first(text).ok()?;
        let values = stream.values().ok()?;
        let mut rest = match values.into_iter().next() {
            Some(Value::Null) | None => json!({}),
            Some(value) => value,
        };
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
        if group.is_null() {
            *group = json!({});
        }
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
