//! Whether the Secret is ours to change, and which copies of it there are.

use std::collections::BTreeMap;
use std::fmt;

use crate::core::cluster::{Cluster, ClusterError, Kustomization, SecretName, StoredSecret};
use crate::core::flux_secret::{FetchError, Journal};
use crate::core::identity::Recipient;

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
pub(super) fn managers(stored: &StoredSecret, entries: &[&str]) -> Vec<Manager> {
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

/// Another Secret that Kustomizations decrypt with, and that holds the key.
pub struct Copy {
    /// Where it is.
    pub secret: SecretName,
    /// The Kustomizations, as `namespace/name`.
    pub used_by: Vec<String>,
    /// What is in it, or `None` where kb may not read it: then it may be no copy.
    pub(super) journal: Option<Journal>,
}

/// Without the keys in it.
impl fmt::Debug for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Copy({})", self.secret)
    }
}

/// What Kustomizations tell.
pub(super) struct Copies {
    pub(super) found: Vec<Copy>,
    /// Whether kb may not see the Kustomizations.
    pub(super) unseen: bool,
}

/// Finds the copies of a Secret that hold one of the `old` keys.
pub(super) fn copies(
    cluster: &Cluster,
    secret: &SecretName,
    old: &[Recipient],
) -> Result<Copies, FetchError> {
    let kustomizations = match cluster.kustomizations() {
        Ok(found) => found.unwrap_or_default(),
        Err(ClusterError::Forbidden { .. }) => {
            return Ok(Copies {
                found: Vec::new(),
                unseen: true,
            });
        }
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    for (other, used_by) in others(&kustomizations, secret) {
        let journal = match Journal::read(cluster, &other) {
            Ok(Some(journal)) => Some(journal),
            Ok(None) | Err(FetchError::Keys(_)) => continue,
            Err(FetchError::Cluster(ClusterError::Forbidden { .. })) => None,
            Err(error) => return Err(error),
        };
        let holds = |journal: &Journal| {
            let mut held = journal.keys.recipients().into_iter();
            held.any(|recipient| old.contains(&recipient))
        };
        if journal.as_ref().is_none_or(holds) {
            found.push(Copy {
                secret: other,
                used_by,
                journal,
            });
        }
    }
    Ok(Copies {
        found,
        unseen: false,
    })
}

/// The other Secrets that the Kustomizations decrypt with.
fn others(
    kustomizations: &[Kustomization],
    secret: &SecretName,
) -> BTreeMap<SecretName, Vec<String>> {
    let mut others: BTreeMap<SecretName, Vec<String>> = BTreeMap::new();
    for kustomization in kustomizations {
        let named = kustomization.secret.clone();
        if let Some(other) = named.filter(|named| named != secret) {
            let user = format!("{}/{}", kustomization.namespace, kustomization.name);
            others.entry(other).or_default().push(user);
        }
    }
    others
}
