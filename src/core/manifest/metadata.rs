//! What the API server refuses in the metadata of a Secret (`ValidateObjectMeta`).

use serde_json::Value;

use super::fault::{Faults, dotted, shown, similar};
use super::syntax;
use crate::core::placeholder::filled_in;

/// All fields of `ObjectMeta` (k8s.io/apimachinery/pkg/apis/meta/v1).
const FIELDS: [&str; 15] = [
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];
/// Those of an owner reference.
const OWNER_FIELDS: [&str; 6] = [
    "apiVersion",
    "kind",
    "name",
    "uid",
    "controller",
    "blockOwnerDeletion",
];
/// Finalizers that need no domain in front.
const FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];
/// All annotations together are no larger, in bytes.
const LARGEST_ANNOTATIONS: usize = 256 << 10;

const NAME: &str = "use lower-case letters, digits, - and . (at most 253), with a letter or digit at both ends and beside each .";
const QUALIFIED: &str = "use letters, digits, - _ and . (at most 63), with a letter or digit at both ends, and at most one domain in front, as in example.org/name";

/// Finds what is wrong with the metadata.
pub(super) fn check(faults: &mut Faults, metadata: &Value) {
    let needs_name = "a Secret needs metadata.name";
    let Some(fields) = faults.mapping(&["metadata"], metadata) else {
        if metadata.is_null() {
            faults.add(&["metadata"], needs_name);
        }
        return;
    };
    for field in fields.keys().filter(|key| !FIELDS.contains(&key.as_str())) {
        let advice = similar(field, &FIELDS).map(|known| format!(": write {known}"));
        let advice = advice.unwrap_or_default();
        let words = format!("metadata has no field {}{advice}", shown(field));
        faults.add(&["metadata", field], words);
    }
    match faults.text(&["metadata", "name"], &metadata["name"]) {
        None if !metadata["name"].is_null() => {}
        None | Some("") => faults.add(&["metadata", "name"], needs_name),
        Some(name) => check_text(
            faults,
            &["metadata", "name"],
            name,
            syntax::is_subdomain,
            NAME,
        ),
    }
    let keys = ["metadata", "generateName"];
    if let Some(name) = faults
        .text(&keys, &metadata["generateName"])
        .filter(|it| !it.is_empty())
    {
        check_text(faults, &keys, name, syntax::is_beginning_of_subdomain, NAME);
    }
    let keys = ["metadata", "namespace"];
    if let Some(name) = faults
        .text(&keys, &metadata["namespace"])
        .filter(|it| !it.is_empty())
    {
        let advice = "use lower-case letters, digits and - (at most 63), with a letter or digit at both ends";
        check_text(faults, &keys, name, syntax::is_label, advice);
    }
    for field in ["selfLink", "uid", "resourceVersion"] {
        faults.text(&["metadata", field], &metadata[field]);
    }
    for field in ["generation", "deletionGracePeriodSeconds"] {
        let value = &metadata[field];
        let is_negative = field == "generation" && value.as_i64().is_some_and(|it| it < 0);
        let is_wrong = !value.is_null() && value.as_i64().is_none() || is_negative;
        if is_wrong && faults.known(value).is_some() {
            let words = format!("metadata.{field} is not a whole number: delete it");
            faults.add(&["metadata", field], words);
        }
    }
    for field in ["creationTimestamp", "deletionTimestamp"] {
        let value = &metadata[field];
        let is_time = |text: &str| text.parse::<jiff::Timestamp>().is_ok();
        let is_wrong = !value.is_null() && !value.as_str().is_some_and(is_time);
        if is_wrong && faults.known(value).is_some() {
            let words = format!("metadata.{field} is not a time: delete it");
            faults.add(&["metadata", field], words);
        }
    }
    check_labels(faults, &metadata["labels"]);
    check_annotations(faults, &metadata["annotations"]);
    check_finalizers(faults, &metadata["finalizers"]);
    check_owners(faults, &metadata["ownerReferences"]);
    list(faults, "managedFields", &metadata["managedFields"]);
}

/// Checks a text as far as it is known.
fn check_text(
    faults: &mut Faults,
    keys: &[&str],
    text: &str,
    is_valid: impl Fn(&str) -> bool,
    advice: &str,
) {
    let literal = filled_in(text, "a");
    let is_known = faults.known(&Value::from(text)).is_some() || literal.is_some();
    if is_known && !is_valid(literal.as_deref().unwrap_or(text)) {
        faults.add(keys, format!("{} is invalid: {advice}", dotted(keys)));
    }
}

fn check_labels(faults: &mut Faults, labels: &Value) {
    let entries = faults.mapping(&["metadata", "labels"], labels);
    for (key, value) in entries.into_iter().flatten() {
        let keys = ["metadata", "labels", key.as_str()];
        if !syntax::is_qualified_name(filled_in(key, "a").as_deref().unwrap_or(key)) {
            faults.add(
                &keys,
                format!("the label {} has an invalid key: {QUALIFIED}", shown(key)),
            );
        }
        if let Some(value) = faults.text(&keys, value) {
            let advice = "use letters, digits, - _ and . (at most 63), with a letter or digit at both ends, or put it into an annotation";
            check_text(faults, &keys, value, syntax::is_label_value, advice);
        }
    }
}

fn check_annotations(faults: &mut Faults, annotations: &Value) {
    let entries = faults.mapping(&["metadata", "annotations"], annotations);
    let mut size = 0;
    for (key, value) in entries.into_iter().flatten() {
        let keys = ["metadata", "annotations", key.as_str()];
        let literal = filled_in(key, "a");
        let folded = literal.as_deref().unwrap_or(key).to_lowercase();
        if !syntax::is_qualified_name(&folded) {
            let words = format!(
                "the annotation {} has an invalid key: {QUALIFIED}",
                shown(key)
            );
            faults.add(&keys, words);
        }
        let value = faults.text(&keys, value).unwrap_or_default();
        size += key.len() + value.len();
    }
    if size > LARGEST_ANNOTATIONS {
        let words = "the annotations are larger than 256 KiB together, which is the most that an object can have";
        faults.add(&["metadata", "annotations"], words);
    }
}

fn check_finalizers(faults: &mut Faults, finalizers: &Value) {
    let keys = ["metadata", "finalizers"];
    let mut names = Vec::new();
    for item in list(faults, "finalizers", finalizers) {
        let Some(name) = faults.text(&keys, item) else {
            continue;
        };
        let is_valid = |name: &str| {
            syntax::is_qualified_name(name) && (name.contains('/') || FINALIZERS.contains(&name))
        };
        if filled_in(name, "").is_none() && !is_valid(name) {
            faults.add(
                &keys,
                "a finalizer is invalid: write it with a domain in front, as in example.org/name",
            );
        }
        names.push(name);
    }
    if names.contains(&"orphan") && names.contains(&"foregroundDeletion") {
        faults.add(
            &keys,
            "the finalizers orphan and foregroundDeletion exclude each other: delete one of them",
        );
    }
}

fn check_owners(faults: &mut Faults, owners: &Value) {
    let keys = ["metadata", "ownerReferences"];
    let mut controllers = 0;
    for owner in list(faults, "ownerReferences", owners) {
        let Some(fields) = faults.mapping(&keys, owner) else {
            continue;
        };
        if let Some(field) = fields
            .keys()
            .find(|key| !OWNER_FIELDS.contains(&key.as_str()))
        {
            faults.add(
                &keys,
                format!("an owner reference has no field {}", shown(field)),
            );
        }
        for field in ["apiVersion", "kind", "name", "uid"] {
            let is_missing = |text: &str| {
                text.is_empty() || field == "apiVersion" && version_of(text).is_empty()
            };
            let value = &owner[field];
            if value.is_null() || value.as_str().is_some_and(is_missing) {
                faults.add(&keys, format!("an owner reference needs {field}"));
            }
            faults.text(&["metadata", "ownerReferences", field], value);
        }
        if owner["apiVersion"] == "v1" && owner["kind"] == "Event" {
            faults.add(&keys, "an Event cannot be an owner: delete this reference");
        }
        for field in ["controller", "blockOwnerDeletion"] {
            let value = &owner[field];
            if !value.is_null() && !value.is_boolean() && faults.known(value).is_some() {
                let words = format!(
                    "{field} of an owner reference is not a truth value: write true or false, without quotes"
                );
                faults.add(&keys, words);
            }
        }
        controllers += usize::from(owner["controller"] == true);
    }
    if controllers > 1 {
        faults.add(&keys, "only one owner reference can have controller: true");
    }
}

/// The version in `group/version`; nothing if there are more parts.
fn version_of(text: &str) -> &str {
    match text.split_once('/') {
        None => text,
        Some((_, version)) if version.contains('/') => "",
        Some((_, version)) => version,
    }
}

/// The list that stands there; whatever else stands there is a fault.
fn list<'v>(faults: &mut Faults, field: &str, value: &'v Value) -> &'v [Value] {
    if let Value::Array(items) = value {
        return items;
    }
    if !value.is_null() && faults.known(value).is_some() {
        faults.add(
            &["metadata", field],
            format!("metadata.{field} is not a list"),
        );
    }
    &[]
}
