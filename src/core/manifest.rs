//! Kubernetes manifests, as far as kb reads them.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::cluster::SecretName;
use super::identity::{Identity, Recipient};
use super::sops_file::{ENCRYPTED_VALUE, Metadata};

/// The fields of a Secret that hold values.
pub const SECTIONS: [&str; 2] = ["data", "stringData"];

/// Whether a document is a Secret of the core API.
pub fn is_secret(document: &Value) -> bool {
    document["kind"] == "Secret" && document["apiVersion"] == "v1"
}

/// Whether a document is an object of Kubernetes.
pub fn is_manifest(document: &Value) -> bool {
    let is_text = |field: &str| document[field].is_string();
    is_text("apiVersion") && is_text("kind")
}

/// The Secret in a document, or those in a list.
pub fn secrets(document: &Value) -> Vec<&Value> {
    let items = document["items"].as_array().into_iter().flatten();
    // There the items need no kind of their own.
    let is_list_of_secrets = document["kind"] == "SecretList" && document["apiVersion"] == "v1";
    let items = items.filter(|item| is_list_of_secrets || is_secret(item));
    let own = [document]
        .into_iter()
        .filter(|document| is_secret(document));
    items.chain(own).collect()
}

/// The values of a Secret that are not empty: the section, the key, and the value.
pub fn filled_values(secret: &Value) -> impl Iterator<Item = (&'static str, &str, &Value)> {
    SECTIONS.into_iter().flat_map(move |section| {
        let values = secret[section].as_object().into_iter().flatten();
        let filled = values.filter(|(_, value)| !is_empty(value));
        filled.map(move |(key, value)| (section, key.as_str(), value))
    })
}

/// sops leaves empty values as they are.
pub fn is_empty(value: &Value) -> bool {
    value.is_null() || *value == ""
}

/// Whether sops has encrypted the value.
pub fn is_encrypted(value: &Value) -> bool {
    let text = value.as_str();
    text.is_some_and(|text| text.starts_with(ENCRYPTED_VALUE))
}

/// Whose the Secret in a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBy {
    /// It holds one of the cluster's keys, or the cluster's Flux can open it.
    ThisCluster,
    /// It is encrypted for others, so it cannot be told.
    Unknown,
    /// There is no such Secret in it, or it is another cluster's.
    Nobody,
}

/// A document of a file; one that is no manifest stands in nobody's way.
#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Manifest(Manifest),
    Other(IgnoredAny),
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Manifest {
    kind: Option<String>,
    metadata: ObjectName,
    data: Option<BTreeMap<String, Value>>,
    #[serde(rename = "stringData")]
    string_data: Option<BTreeMap<String, Value>>,
    /// Of a `kind: List`.
    items: Option<Vec<Document>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ObjectName {
    name: Option<String>,
    namespace: Option<String>,
}

/// Whether the file holds the Secret of this name, and whose it is. The cluster's
/// keys are `identities`, and their `recipients`.
pub fn held_by(
    path: &Path,
    secret: &SecretName,
    identities: &[&Identity],
    recipients: &[Recipient],
) -> HeldBy {
    let Ok(bytes) = std::fs::read(path) else {
        return HeldBy::Nobody;
    };
    let options = serde_saphyr::options! { budget: None, with_snippet: false };
    // JSON is YAML. What is neither is no manifest.
    let documents: Result<Vec<Document>, _> =
        serde_saphyr::from_slice_multiple_with_options(&bytes, options);
    let documents = documents.unwrap_or_default();
    let manifests = documents.iter().flat_map(Document::manifests);
    let mut named = manifests.filter(|found| found.is(secret)).peekable();
    if named.peek().is_none() {
        return HeldBy::Nobody;
    }
    match Metadata::parse(path, &bytes) {
        Ok(metadata) => match metadata
            .recipients
            .iter()
            .any(|key| recipients.contains(key))
        {
            true => HeldBy::ThisCluster,
            false => HeldBy::Unknown,
        },
        Err(_) => match named.any(|found| found.holds_any(identities)) {
            true => HeldBy::ThisCluster,
            false => HeldBy::Nobody,
        },
    }
}

impl Document {
    /// The manifest, or those in a list.
    fn manifests(&self) -> Vec<&Manifest> {
        match self {
            Self::Manifest(manifest) => match &manifest.items {
                Some(items) => items.iter().flat_map(Self::manifests).collect(),
                None => vec![manifest],
            },
            Self::Other(IgnoredAny) => Vec::new(),
        }
    }
}

impl Manifest {
    /// Kustomize may give the namespace, so a manifest without one may be it.
    fn is(&self, secret: &SecretName) -> bool {
        let namespace = self.metadata.namespace.as_ref();
        self.kind.as_deref() == Some("Secret")
            && self.metadata.name.as_ref() == Some(&secret.name)
            && namespace.is_none_or(|namespace| *namespace == secret.namespace)
    }

    fn holds_any(&self, identities: &[&Identity]) -> bool {
        let texts = |values: &Option<BTreeMap<String, Value>>| {
            let values = values.iter().flat_map(BTreeMap::values);
            let texts = values.filter_map(Value::as_str);
            texts.map(ToOwned::to_owned).collect::<Vec<String>>()
        };
        let decoded = texts(&self.data).into_iter().filter_map(|text| {
            let text: String = text.split_whitespace().collect();
            String::from_utf8(STANDARD.decode(text).ok()?).ok()
        });
        let mut all = decoded.chain(texts(&self.string_data));
        all.any(|text| identities.iter().any(|it| text.contains(it.key().expose())))
    }
}
