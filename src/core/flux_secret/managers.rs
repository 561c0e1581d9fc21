//! Who else manages the Secret, and would put back what they have in it.

use std::fmt;

use crate::core::cluster::StoredSecret;

/// kustomize-controller labels what it applies.
const FLUX_NAME_LABEL: &str = "kustomize.toolkit.fluxcd.io/name";
const FLUX_NAMESPACE_LABEL: &str = "kustomize.toolkit.fluxcd.io/namespace";
/// helm-controller and Helm do so too.
const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
const HELM: &str = "Helm";

/// Something that would put the old key back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manager {
    /// An owner of the Secret, as `Kind/name`.
    Owner(String),
    /// A Kustomization of Flux, as `namespace/name`.
    Kustomization(String),
    /// Helm.
    Helm,
    /// Someone who has applied the key by server-side apply.
    Applier(String),
}

impl fmt::Display for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(owner) => write!(f, "its owner {owner}"),
            Self::Kustomization(name) => write!(f, "the Kustomization {name}"),
            Self::Helm => f.write_str("Helm"),
            Self::Applier(name) => write!(f, "{name}, which has applied the key"),
        }
    }
}

/// Who else manages the Secret, and the `entries` that would change.
pub fn managers(stored: &StoredSecret, entries: &[&str]) -> Vec<Manager> {
    let mut found: Vec<Manager> = stored.owners().map(Manager::Owner).collect();
    if let Some(name) = stored.label(FLUX_NAME_LABEL) {
        let namespace = stored.label(FLUX_NAMESPACE_LABEL).unwrap_or("?");
        found.push(Manager::Kustomization(format!("{namespace}/{name}")));
    }
    if stored.label(MANAGED_BY_LABEL) == Some(HELM) {
        found.push(Manager::Helm);
    }
    for entry in entries {
        for applier in stored.appliers_of(entry) {
            let applier = Manager::Applier(applier.to_owned());
            if !found.contains(&applier) {
                found.push(applier);
            }
        }
    }
    found
}
