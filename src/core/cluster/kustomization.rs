//! Flux's Kustomizations, as far as kb reads them.
//!
//! Their form: kustomize-controller's `api/v1/kustomization_types.go`.

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;

use super::SecretName;

/// Their name in the API.
pub(super) const RESOURCE: &str = "kustomizations";
/// The name of its Git sources in the API.
pub(super) const SOURCE_RESOURCE: &str = "gitrepositories";
/// The kind of a Git source.
pub const GIT_SOURCE: &str = "GitRepository";
/// The versions of it, the one of Flux 2.0 and newer first. What kb reads is the
/// same in both.
pub(super) const VERSIONS: [&str; 2] = ["v1", "v1beta2"];

/// A Kustomization of Flux.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kustomization {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it decrypts what it applies.
    pub decrypts: bool,
    /// The Secret that it decrypts with, where it names one: always of its own
    /// namespace.
    pub secret: Option<SecretName>,
    /// The revision that it has applied, as in `main@sha1:…`.
    pub applied_revision: Option<String>,
    /// The revision of the source code that the applied one was made of: of an OCI
    /// artifact or a bucket, what whoever pushed it says.
    pub applied_origin: Option<String>,
    /// The one that it has tried to apply last.
    pub attempted_revision: Option<String>,
    /// The directory of its source that it applies.
    pub path: String,
    /// Further directories that it applies, from that one.
    pub components: Vec<String>,
    /// Where that comes from.
    pub source: SourceRef,
    /// Why it is not ready, where it says so.
    pub failure: Option<String>,
}

/// Where a Kustomization has its files from.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceRef {
    /// `GitRepository`, `OCIRepository` or `Bucket`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

fn texts(object: &DynamicObject, pointer: &str) -> Vec<String> {
    let list = object.data.pointer(pointer).and_then(Value::as_array);
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(ToOwned::to_owned).collect()
}

/// The message of a condition Ready that is false.
fn failure(object: &DynamicObject) -> Option<String> {
    let conditions = object.data.pointer("/status/conditions")?.as_array()?;
    let mut conditions = conditions.iter();
    let ready = conditions.find(|condition| condition["type"] == "Ready")?;
    let message = ready["message"]
        .as_str()
        .filter(|_| ready["status"] == "False")?;
    Some(message.to_owned())
}

/// The URL of a Git source.
pub(super) fn url(source: &DynamicObject) -> Option<String> {
    Some(source.data.pointer("/spec/url")?.as_str()?.to_owned())
}

impl Kustomization {
    pub(super) fn sources(
        client: &kube::Client,
        version: &str,
        namespace: &str,
    ) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("source.toolkit.fluxcd.io", version, "GitRepository");
        let resource = ApiResource::from_gvk_with_plural(&kind, SOURCE_RESOURCE);
        Api::namespaced_with(client.clone(), namespace, &resource)
    }

    pub(super) fn api(client: &kube::Client, version: &str) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("kustomize.toolkit.fluxcd.io", version, "Kustomization");
        Api::all_with(
            client.clone(),
            &ApiResource::from_gvk_with_plural(&kind, RESOURCE),
        )
    }

    pub(super) fn new(object: &DynamicObject) -> Self {
        let text = |pointer: &str| {
            let value = object.data.pointer(pointer).and_then(Value::as_str);
            value.map(ToOwned::to_owned)
        };
        let namespace = object.metadata.namespace.clone().unwrap_or_default();
        Self {
            name: object.metadata.name.clone().unwrap_or_default(),
            decrypts: object.data.pointer("/spec/decryption").is_some(),
            secret: text("/spec/decryption/secretRef/name").map(|name| SecretName {
                namespace: namespace.clone(),
                name,
            }),
            applied_revision: text("/status/lastAppliedRevision"),
            applied_origin: text("/status/lastAppliedOriginRevision"),
            attempted_revision: text("/status/lastAttemptedRevision"),
            path: text("/spec/path").unwrap_or_default(),
            components: texts(object, "/spec/components"),
            source: SourceRef {
                kind: text("/spec/sourceRef/kind").unwrap_or_default(),
                namespace: text("/spec/sourceRef/namespace").unwrap_or_else(|| namespace.clone()),
                name: text("/spec/sourceRef/name").unwrap_or_default(),
            },
            failure: failure(object),
            namespace,
        }
    }
}
