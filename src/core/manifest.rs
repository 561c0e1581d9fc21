//! Kubernetes manifests, as far as kb reads them.
//!
//! | module | holds |
//! | --- | --- |
//! | this one | whether a file holds the cluster's own Secret |
//! | `secret` | what the API server refuses in a Secret |
//! | `metadata` | what it refuses in the metadata of one |
//! | `syntax` | what names, keys and labels must look like |
//! | `fault` | how that is collected and worded |

mod fault;
mod metadata;
pub mod secret;
mod syntax;

use std::path::Path;

use base64::Engine as _;
use serde_json::Value;

use super::cluster::SecretName;
use super::encrypted::{self, EncryptedFile};
use super::identity::{Identity, Recipient};
use super::yaml::{self, GO_BASE64, YamlErrorKind};

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

/// Whether the file holds the Secret of this name, and whose it is. The cluster's
/// keys are `identities`, and their `recipients`.
pub fn held_by(
    path: &Path,
    secret: &SecretName,
    identities: &[&Identity],
    recipients: &[Recipient],
) -> HeldBy {
    let Ok(bytes) = encrypted::read(path) else {
        return HeldBy::Nobody;
    };
    let documents = match yaml::values(&bytes) {
        Ok(documents) => documents,
        // kubectl may read what is too large for kb.
        Err(error) if error.reason == YamlErrorKind::Repetition => return HeldBy::Unknown,
        // What is no YAML, and so no JSON, is no manifest.
        Err(_) => return HeldBy::Nobody,
    };
    let manifests = documents.iter().flat_map(with_items);
    let mut named = manifests.filter(|found| is_named(found, secret)).peekable();
    if named.peek().is_none() {
        return HeldBy::Nobody;
    }
    match EncryptedFile::parse(path, &bytes) {
        Ok(file) => match file
            .metadata
            .recipients()
            .iter()
            .any(|key| recipients.contains(key))
        {
            true => HeldBy::ThisCluster,
            false => HeldBy::Unknown,
        },
        Err(_) => match named.any(|found| holds_any(found, identities)) {
            true => HeldBy::ThisCluster,
            false => HeldBy::Nobody,
        },
    }
}

/// The document, or those in a list.
fn with_items(document: &Value) -> Vec<&Value> {
    match document["items"].as_array() {
        Some(items) => items.iter().flat_map(with_items).collect(),
        None => vec![document],
    }
}

/// Whether it is this Secret. Kustomize may give the namespace, so a manifest without one
/// may be it; so may one whose author forgot the apiVersion. A kind of the same name in
/// another API group is not.
fn is_named(manifest: &Value, secret: &SecretName) -> bool {
    let metadata = &manifest["metadata"];
    let namespace = &metadata["namespace"];
    let version = &manifest["apiVersion"];
    manifest["kind"] == "Secret"
        && (version.is_null() || *version == "v1")
        && metadata["name"] == *secret.name
        && (namespace.is_null() || *namespace == *secret.namespace)
}

fn holds_any(manifest: &Value, identities: &[&Identity]) -> bool {
    let texts = |section: &str| {
        let values = manifest[section].as_object().into_iter().flatten();
        values.filter_map(|(_, value)| value.as_str())
    };
    let decoded = texts("data").filter_map(|text| {
        let text: String = text.split_whitespace().collect();
        String::from_utf8(GO_BASE64.decode(text).ok()?).ok()
    });
    let mut all = decoded.chain(texts("stringData").map(ToOwned::to_owned));
    all.any(|text| identities.iter().any(|it| text.contains(it.key().expose())))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_found_in_base64_that_only_go_takes() {
        let (identity, _) = Identity::generate();
        // Of the last digit, not all bits are in use.
        let mut text = STANDARD.encode(identity.key().expose()).into_bytes();
        let last = text.iter().rposition(|digit| *digit != b'=');
        text[last.expect("a digit")] += 1;
        let text = String::from_utf8(text).expect("ASCII");
        assert!(STANDARD.decode(&text).is_err(), "{text}");
        let holds = |text: &str| holds_any(&json!({"data": {"age.agekey": text}}), &[&identity]);
        assert!(holds(&text));
        assert!(!holds("aHVudGVyMg=="));
    }
}
