//! What the API server refuses in a Secret: `ValidateSecret` in `pkg/apis/core/validation`
//! of k8s.io/kubernetes, and fields that its decoder does not know or cannot read, which
//! `kubectl apply` and Flux do not pass over.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::{Map, Value};

use super::fault::{Faults, dotted, similar};
use super::{metadata, syntax};
use crate::core::encrypted::inspect::{PATCH, SECTIONS};
use crate::core::placeholder::filled_in;
use crate::core::yaml::GO_BASE64;

pub use super::fault::{ManifestFault, TextOrigin, shown};

/// All fields of a Secret (k8s.io/api/core/v1).
const FIELDS: [&str; 7] = [
    "apiVersion",
    "kind",
    "metadata",
    "data",
    "stringData",
    "type",
    "immutable",
];
/// All values together are no larger, in bytes.
const LARGEST: usize = 1 << 20;

/// Finds what the API server refuses in a Secret. What Flux fills in (`${NAME}`) is not
/// known, and only judged by what is around it. A patch (`$patch`) need not have all that
/// its type needs.
pub fn faults(secret: &Value, text: TextOrigin) -> Vec<ManifestFault> {
    let mut patch = is_patch(secret).then(|| secret.clone());
    if let Some(patch) = &mut patch {
        remove_directives(patch);
    }
    let is_patch = patch.is_some();
    let secret = patch.as_ref().unwrap_or(secret);
    let mut faults = Faults::of(text);
    let Some(fields) = secret.as_object() else {
        return faults.found;
    };
    for field in fields.keys().filter(|key| *key != "sops") {
        if !FIELDS.contains(&field.as_str()) {
            let advice = match similar(field, &FIELDS) {
                Some(known) => format!("write {known}"),
                None => "values belong in stringData (text) or data (base64)".to_owned(),
            };
            let words = format!("a Secret has no field {}: {advice}", shown(field));
            faults.add(&[field], words);
        }
    }
    metadata::check(&mut faults, &secret["metadata"]);
    let immutable = &secret["immutable"];
    if !immutable.is_boolean() && !immutable.is_null() && faults.known(immutable).is_some() {
        let words = "immutable is not a truth value: write true or false, without quotes";
        faults.add(&["immutable"], words);
    }
    let kind = faults.text(&["type"], &secret["type"]);
    let entries = faults.entries(secret);
    if let Some(kind) = kind.filter(|_| !is_patch) {
        faults.check_type(kind, &entries, &secret["metadata"]["annotations"]);
    }
    faults.found
}

/// Whether it is a patch for a Secret: it says what becomes of a mapping in it.
pub fn is_patch(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.contains_key(PATCH) || fields.values().any(is_patch),
        Value::Array(items) => items.iter().any(is_patch),
        _ => false,
    }
}

fn remove_directives(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove(PATCH);
            fields.values_mut().for_each(remove_directives);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_directives),
        _ => {}
    }
}

/// A value of a Secret.
struct ValueEntry<'v> {
    section: &'static str,
    /// Its bytes, where they are known.
    content: Option<ValueContent<'v>>,
}

enum ValueContent<'v> {
    Text(&'v str),
    Decoded(Vec<u8>),
}

impl ValueContent<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Decoded(bytes) => bytes,
        }
    }
}

impl Faults {
    /// The values of the Secret, by their keys: `stringData` replaces what is in `data`.
    fn entries<'v>(&mut self, secret: &'v Value) -> BTreeMap<&'v str, ValueEntry<'v>> {
        let mut entries = BTreeMap::new();
        for section in SECTIONS {
            let values = self.mapping(&[section], &secret[section]);
            for (key, value) in values.into_iter().flatten() {
                let keys = [section, key.as_str()];
                let literal = filled_in(key, "a");
                if !syntax::is_data_key(literal.as_deref().unwrap_or(key)) {
                    let words = format!(
                        "the key {} is invalid: use letters, digits, - _ and . (at most 253, and neither . alone nor .. in front)",
                        dotted(&keys)
                    );
                    self.add(&keys, words);
                }
                let content = self.content(section, &keys, value);
                entries.insert(key.as_str(), ValueEntry { section, content });
            }
        }
        let sizes = entries
            .values()
            .filter_map(|entry| Some(entry.content.as_ref()?.bytes().len()));
        if sizes.sum::<usize>() > LARGEST {
            let section = SECTIONS
                .into_iter()
                .find(|section| !secret[*section].is_null());
            let words = "the values are larger than 1 MiB together, which is the most that a Secret can hold";
            self.add(&[section.unwrap_or_default()], words);
        }
        entries
    }

    fn content<'v>(
        &mut self,
        section: &str,
        keys: &[&str],
        value: &'v Value,
    ) -> Option<ValueContent<'v>> {
        if value.is_null() {
            return Some(ValueContent::Text(""));
        }
        let text = self.text(keys, value)?;
        let is_known = self.known(value).is_some();
        if section != "data" {
            return is_known.then_some(ValueContent::Text(text));
        }
        let literal = filled_in(text, "");
        if !is_known && literal.is_none() {
            return None;
        }
        // Whatever is filled in, the rest has to be base64.
        let is_digit = |c: char| c.is_ascii_alphanumeric() || "+/=\r\n".contains(c);
        if literal.is_some_and(|literal| literal.chars().all(is_digit)) {
            return None;
        }
        // Line ends are passed over.
        let digits: Vec<u8> = text.bytes().filter(|b| !b"\r\n".contains(b)).collect();
        match GO_BASE64.decode(digits) {
            Ok(bytes) => Some(ValueContent::Decoded(bytes)),
            Err(_) => {
                let words = format!(
                    "{} is not base64: encode it, or write it as it is under stringData",
                    dotted(keys)
                );
                self.add(keys, words);
                None
            }
        }
    }

    fn check_type(
        &mut self,
        kind: &str,
        entries: &BTreeMap<&str, ValueEntry<'_>>,
        annotations: &Value,
    ) {
        const ACCOUNT: &str = "kubernetes.io/service-account.name";
        // A key that is filled in may be the one.
        let is_open = entries.keys().any(|key| filled_in(key, "").is_some());
        let mut needs = |words: String| {
            if !is_open {
                self.add(&["type"], format!("a Secret of type {kind} needs {words}"));
            }
        };
        let in_sections = "in stringData or data";
        match kind {
            "kubernetes.io/service-account-token" => {
                let is_named = |annotations: &Map<String, Value>| {
                    annotations
                        .get(ACCOUNT)
                        .is_some_and(|name| *name != "" && !name.is_null())
                };
                if annotations.as_object().is_some_and(|it| !is_named(it)) || annotations.is_null()
                {
                    needs(format!("the annotation {ACCOUNT}"));
                }
            }
            "kubernetes.io/dockercfg" => self.check_json(kind, ".dockercfg", entries, is_open),
            "kubernetes.io/dockerconfigjson" => {
                self.check_json(kind, ".dockerconfigjson", entries, is_open);
            }
            "kubernetes.io/basic-auth"
                if !entries.contains_key("username") && !entries.contains_key("password") =>
            {
                needs(format!("username or password {in_sections}"));
            }
            "kubernetes.io/ssh-auth" => {
                let key = entries.get("ssh-privatekey");
                let is_empty = |entry: &ValueEntry<'_>| {
                    entry
                        .content
                        .as_ref()
                        .is_some_and(|it| it.bytes().is_empty())
                };
                if key.is_none_or(is_empty) {
                    needs(format!("ssh-privatekey {in_sections}"));
                }
            }
            "kubernetes.io/tls" => {
                for key in ["tls.crt", "tls.key"] {
                    if !entries.contains_key(key) {
                        needs(format!("{key} {in_sections}"));
                    }
                }
            }
            _ => {}
        }
    }

    fn check_json(
        &mut self,
        kind: &str,
        key: &str,
        entries: &BTreeMap<&str, ValueEntry<'_>>,
        is_open: bool,
    ) {
        match entries.get(key) {
            None if is_open => {}
            None => {
                let words = format!("a Secret of type {kind} needs {key} in stringData or data");
                self.add(&["type"], words);
            }
            Some(entry) => {
                let Some(content) = &entry.content else {
                    return;
                };
                // Go takes invalid UTF-8 for replacement characters.
                let text = String::from_utf8_lossy(content.bytes());
                if serde_json::from_str::<Option<Map<String, Value>>>(&text).is_err() {
                    let keys = [entry.section, key];
                    let words = format!("{} is not a JSON object", dotted(&keys));
                    self.add(&keys, words);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::yaml;

    const GOOD: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {a: b}\n";

    fn all(text: &str) -> Vec<String> {
        let values = yaml::values(text.as_bytes()).expect(text);
        let faults = faults(&values[0], TextOrigin::Plain);
        faults.into_iter().map(|fault| fault.words).collect()
    }

    /// With another line at the end, or in the place of the one that begins so.
    fn with(line: &str) -> Vec<String> {
        let field = line.split(':').next().expect("a field");
        let kept = GOOD
            .lines()
            .filter(|it| !it.starts_with(&format!("{field}:")));
        let kept: Vec<&str> = kept.collect();
        all(&format!("{}\n{line}\n", kept.join("\n")))
    }

    #[test]
    fn names_keys_and_types_are_those_of_the_api_server() {
        for line in [
            "metadata: {name: a.b-c.0}",
            "metadata: {name: a, namespace: kube-system, labels: {a.b/C_d: , e: 'F.1'}}",
            "metadata: {name: a, generateName: a-, annotations: {A.b/C: 'x y'}}",
            "metadata: {name: a, finalizers: [orphan, a.b/c], creationTimestamp: null}",
            "metadata: {name: a, creationTimestamp: 2026-01-01T00:00:00Z, generation: 1}",
            "immutable: true",
            "type: example.org/x",
            "$patch: replace",
            "stringData: {$patch: replace, a: b}",
            "metadata: {name: a, labels: {$patch: delete}}",
            "data: {'tls.crt': '', _: aGk=, .dockerconfigjson: e30=}",
        ] {
            assert_eq!(with(line), [] as [String; 0], "{line}");
        }
        for (line, words) in [
            ("metadata: {}", "needs metadata.name"),
            ("metadata: [a]", "metadata is not a mapping"),
            ("metadata: {generateName: a-}", "needs metadata.name"),
            ("metadata: {name: Db}", "metadata.name is invalid"),
            ("metadata: {name: a_b}", "metadata.name is invalid"),
            ("metadata: {name: 'a.'}", "metadata.name is invalid"),
            ("metadata: {name: 1}", "metadata.name is read as a number"),
            (
                "metadata: {name: a, namespace: a.b}",
                "metadata.namespace is invalid",
            ),
            (
                "metadata: {name: a, label: {}}",
                "metadata has no field label",
            ),
            ("metadata: {name: a, generatename: b}", "write generateName"),
            (
                "metadata: {name: a, labels: {a: 1}}",
                "metadata.labels.a is read as a number",
            ),
            (
                "metadata: {name: a, labels: {a: true}}",
                "metadata.labels.a is read as true",
            ),
            (
                "metadata: {name: a, labels: {a: 'x y'}}",
                "metadata.labels.a is invalid",
            ),
            (
                "metadata: {name: a, labels: {a/b/c: x}}",
                "the label a/b/c has an invalid key",
            ),
            (
                "metadata: {name: a, annotations: {a b: x}}",
                "the annotation a b has",
            ),
            (
                "metadata: {name: a, annotations: {a: [x]}}",
                "metadata.annotations.a is a list",
            ),
            (
                "metadata: {name: a, finalizers: [x]}",
                "a finalizer is invalid",
            ),
            (
                "metadata: {name: a, ownerReferences: [{kind: x}]}",
                "an owner reference needs",
            ),
            ("immutable: 'true'", "immutable is not a truth value"),
            ("type: 1", "type is read as a number"),
            ("stringData: {a b: c}", "the key stringData.a b is invalid"),
            ("stringData: {..a: c}", "the key stringData...a is invalid"),
            ("stringData: {a: 1}", "stringData.a is read as a number"),
            ("stringData: {a: {b: c}}", "stringData.a is a mapping"),
            ("stringData: a", "stringData is not a mapping"),
            ("data: {a: hunter2}", "data.a is not base64"),
            ("data: {a: aGk}", "data.a is not base64"),
            ("string_data: {}", "no field string_data: write stringData"),
            ("spec: {}", "no field spec: values belong in stringData"),
        ] {
            let found = with(line);
            assert!(
                found.iter().any(|it| it.contains(words)),
                "{line}: {found:?}"
            );
            assert!(!found.concat().contains("hunter2"), "{found:?}");
        }
    }

    #[test]
    fn a_type_needs_its_keys_and_sizes_have_bounds() {
        let typed = |kind: &str, entries: &str| {
            all(&format!(
                "{GOOD}type: kubernetes.io/{kind}\ndata: {entries}\n"
            ))
        };
        for (kind, entries) in [
            ("tls", "{tls.crt: , tls.key: }"),
            ("dockerconfigjson", "{.dockerconfigjson: e30=}"),
            ("dockerconfigjson", "{.dockerconfigjson: bnVsbA==}"),
            ("dockercfg", "{.dockercfg: e30=}"),
            ("basic-auth", "{password: }"),
            ("ssh-auth", "{ssh-privatekey: aGk=}"),
            ("tls", "{tls.crt: aGk=, $patch: merge}"),
        ] {
            assert_eq!(typed(kind, entries), [] as [String; 0], "{kind}");
        }
        for (kind, entries) in [
            ("tls", "{tls.crt: aGk=}"),
            ("dockerconfigjson", "{.dockercfg: e30=}"),
            ("dockerconfigjson", "{.dockerconfigjson: aGk=}"),
            ("dockercfg", "{.dockercfg: W10=}"),
            ("basic-auth", "{user: }"),
            ("ssh-auth", "{ssh-privatekey: }"),
            ("service-account-token", "{}"),
        ] {
            assert_eq!(
                typed(kind, entries).len(),
                1,
                "{kind}: {:?}",
                typed(kind, entries)
            );
        }
        let large = |size: usize| all(&GOOD.replace("a: b", &format!("a: {}", "x".repeat(size))));
        assert_eq!(large(LARGEST), [] as [String; 0]);
        assert_eq!(large(LARGEST + 1).len(), 1);
    }

    #[test]
    fn what_flux_fills_in_is_judged_by_what_is_around_it() {
        for line in [
            "metadata: {name: '${APP}-secret', namespace: '${NS:=default}', labels: {a: '${A}'}}",
            "metadata: {name: a, labels: '${LABELS}'}",
            "immutable: ${IMMUTABLE}",
            "type: ${TYPE}",
            "data: {a: '${A}', b: 'aGk${B}='}",
            "stringData: {'${KEY}': a}",
        ] {
            assert_eq!(with(line), [] as [String; 0], "{line}");
        }
        for line in [
            "metadata: {name: '${APP}_secret'}",
            "metadata: {name: '$${APP}'}",
            "metadata: {name: '${}'}",
            "metadata: {name: a, labels: {a: '${A} b'}}",
            "data: {a: 'pa$$${A}'}",
            "stringData: {'${KEY} b': a}",
        ] {
            assert_eq!(with(line).len(), 1, "{line}: {:?}", with(line));
        }
    }
}
