//! Which objects are Secrets, and which values are theirs.

use std::collections::HashMap;

use crate::core::encrypted::contents::{Path, Segment};

/// The fields of a Secret that hold values.
pub const SECTIONS: [&str; 2] = ["data", "stringData"];

/// What says in a patch of kustomize's what becomes of the mapping that it is in.
pub const PATCH: &str = "$patch";
/// The fields of a Secret, or of a patch for one, that hold none (k8s.io/api/core/v1). A
/// document with no others has nothing to encrypt.
pub const HEAD: [&str; 6] = ["apiVersion", "kind", "metadata", "type", "immutable", PATCH];
/// The core API, as apimachinery parses a version.
const CORE: [&str; 2] = ["v1", "/v1"];
/// Where `kubectl apply` keeps all that was applied, the values of Secrets too.
const LAST_APPLIED: [&str; 3] = [
    "metadata",
    "annotations",
    "kubectl.kubernetes.io/last-applied-configuration",
];
/// What that is called where it is spoken of.
pub(super) const LAST_APPLIED_NAME: &str = "the annotation last-applied-configuration";

/// A Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptedSecret {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// For each list that it is in, the index of its item.
    pub items: Vec<usize>,
}

/// A value of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretValue {
    /// Which of the document's Secrets it belongs to.
    pub secret: usize,
    /// Its name within the Secret, as in `data.password`.
    pub name: String,
    /// Whether it stands in `data`: then it is base64.
    pub is_data: bool,
    /// Whether it stands directly in `data` or `stringData`.
    pub is_entry: bool,
}

/// What was found in a document.
pub(super) struct DocumentContent {
    pub(super) secrets: Vec<EncryptedSecret>,
    /// The objects of kind Secret that do not say of which API.
    pub(super) without_version: Vec<EncryptedSecret>,
    /// For each value, what it is of a Secret.
    pub(super) values: Vec<Option<SecretValue>>,
    pub(super) is_manifest: bool,
    /// Whether it has a kind, and a name unless it is a list.
    pub(super) is_identified: bool,
}

/// What an object says of itself. Each of two equal keys counts.
#[derive(Clone, Default)]
struct Object {
    kinds: Vec<String>,
    versions: Vec<String>,
    name: Option<String>,
    /// The number of the Secret that it is.
    secret: Option<usize>,
}

/// Finds the Secrets of a document: `paths` and `texts` are those of its values,
/// `containers` the ways to its mappings and lists.
pub(super) fn find(paths: &[Path], texts: &[&str], containers: &[Path]) -> DocumentContent {
    let mut objects: HashMap<&[Segment], Object> = HashMap::new();
    objects.insert(&[], Object::default());
    for Path(steps) in containers {
        if length_of_items(steps) == steps.len() {
            objects.entry(steps).or_default();
        }
    }
    for (Path(steps), text) in paths.iter().zip(texts) {
        let (prefix, rest) = steps.split_at(length_of_items(steps));
        let Some(object) = objects.get_mut(prefix) else {
            continue;
        };
        match rest {
            [Segment::Key(key)] if key == "kind" => object.kinds.push((*text).to_owned()),
            [Segment::Key(key)] if key == "apiVersion" => object.versions.push((*text).to_owned()),
            [Segment::Key(outer), Segment::Key(inner)]
                if outer == "metadata" && inner == "name" =>
            {
                object.name = Some((*text).to_owned());
            }
            _ => {}
        }
    }
    let root = &objects[&[][..]];
    let is_manifest = !root.kinds.is_empty() && !root.versions.is_empty();
    let is_list = root.kinds.iter().any(|kind| kind.ends_with("List"));
    let is_named = root.name.as_ref().is_some_and(|name| !name.is_empty());
    let has_kind = root.kinds.iter().any(|kind| !kind.is_empty());
    let is_identified = is_list || has_kind && is_named;
    let (secrets, without_version) = number_secrets(&mut objects);
    let values = paths.iter().map(|path| value_of(&path.0, &objects));
    let values = values.collect();
    DocumentContent {
        secrets,
        without_version,
        values,
        is_manifest,
        is_identified,
    }
}

/// Numbers the Secrets. An item that says nothing of its kind is of its list's
/// (`decodeToList` in apimachinery). The second list is of those without a version.
fn number_secrets(
    objects: &mut HashMap<&[Segment], Object>,
) -> (Vec<EncryptedSecret>, Vec<EncryptedSecret>) {
    let mut prefixes: Vec<&[Segment]> = objects.keys().copied().collect();
    prefixes.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    let (mut secrets, mut without_version) = (Vec::new(), Vec::new());
    for prefix in prefixes {
        let list = prefix.len().checked_sub(2);
        let list = list
            .and_then(|length| objects.get(&prefix[..length]))
            .cloned();
        let Some(object) = objects.get_mut(prefix) else {
            continue;
        };
        if object.kinds.is_empty()
            && object.versions.is_empty()
            && let Some(list) = list
        {
            let kinds = list.kinds.iter().map(|kind| kind.strip_suffix("List"));
            let kinds = kinds
                .zip(&list.kinds)
                .map(|(item, kind)| item.unwrap_or(kind));
            object.kinds = kinds.map(ToOwned::to_owned).collect();
            object.versions = list.versions;
        }
        let is_core = object.versions.iter().any(|it| CORE.contains(&&**it));
        if !object.kinds.iter().any(|kind| kind == "Secret") {
            continue;
        }
        let indices = prefix.iter().filter_map(|step| match step {
            Segment::Index(index) => Some(*index),
            Segment::Key(_) => None,
        });
        let secret = EncryptedSecret {
            name: object.name.clone(),
            items: indices.collect(),
        };
        if is_core {
            object.secret = Some(secrets.len());
            secrets.push(secret);
        } else if object.versions.iter().all(String::is_empty) {
            without_version.push(secret);
        }
    }
    (secrets, without_version)
}

/// So many of the steps lead into lists of objects: `items`, an index, and so on.
fn length_of_items(steps: &[Segment]) -> usize {
    let (pairs, _) = steps.as_chunks::<2>();
    let is_item = |pair: &&[Segment; 2]| matches!(pair, [Segment::Key(key), Segment::Index(_)] if key == "items");
    2 * pairs.iter().take_while(is_item).count()
}

fn value_of(steps: &[Segment], objects: &HashMap<&[Segment], Object>) -> Option<SecretValue> {
    let innermost = length_of_items(steps);
    let mut lengths = (0..=innermost).rev().step_by(2);
    lengths.find_map(|length| {
        let (prefix, rest) = steps.split_at(length);
        let secret = objects.get(prefix)?.secret?;
        let [Segment::Key(first), behind @ ..] = rest else {
            return None;
        };
        let keys = rest.iter().filter_map(|step| match step {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        });
        let keys: Vec<&str> = keys.collect();
        let is_head = HEAD.contains(&first.as_str());
        if is_head && keys != LAST_APPLIED {
            return None;
        }
        let is_section = SECTIONS.contains(&first.as_str());
        Some(SecretValue {
            secret,
            name: if is_head {
                LAST_APPLIED_NAME.to_owned()
            } else {
                super::dotted(&keys)
            },
            is_data: first == "data",
            is_entry: is_section && matches!(behind, [Segment::Key(_)]),
        })
    })
}
