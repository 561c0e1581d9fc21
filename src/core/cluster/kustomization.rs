//! Flux's Kustomizations, as far as kb reads them.
//!
//! Their form: kustomize-controller's `api/v1/kustomization_types.go`.

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;

use super::SecretName;

/// Their name in the API.
pub(super) const RESOURCE: &str = "kustomizations";
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
}

impl Kustomization {
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
            namespace,
        }
    }
}
