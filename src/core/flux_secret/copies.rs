//! Copies of the Secret that Kustomizations decrypt with.

use std::collections::BTreeMap;
use std::fmt;

use super::{FetchError, KeySecret};
use crate::core::cluster::{Cluster, ClusterError, Kustomization, SecretName};
use crate::core::identity::Recipient;

/// Another Secret that Kustomizations decrypt with, and that holds a key.
pub struct SecretCopy {
    /// Where it is.
    pub secret: SecretName,
    /// The Kustomizations, as `namespace/name`.
    pub used_by: Vec<String>,
    /// What is in it, or `None` where kb may not read it: then it may be no copy.
    pub journal: Option<KeySecret>,
}

/// Without the keys in it.
impl fmt::Debug for SecretCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretCopy({})", self.secret)
    }
}

/// Finds the copies of a Secret that hold one of the `keys`, and those that kb may
/// not read.
///
/// # Errors
/// See [`FetchError`].
pub fn copies(
    cluster: &Cluster,
    kustomizations: &[Kustomization],
    secret: &SecretName,
    keys: &[Recipient],
) -> Result<Vec<SecretCopy>, FetchError> {
    let mut users: BTreeMap<&SecretName, Vec<String>> = BTreeMap::new();
    for found in kustomizations {
        if let Some(other) = found.secret.as_ref().filter(|named| *named != secret) {
            let user = format!("{}/{}", found.namespace, found.name);
            users.entry(other).or_default().push(user);
        }
    }
    let mut copies = Vec::new();
    for (other, used_by) in users {
        let journal = match KeySecret::read(cluster, other) {
            Ok(Some(journal)) => Some(journal),
            Ok(None) | Err(FetchError::Keys(_)) => continue,
            Err(FetchError::Cluster(ClusterError::Forbidden { .. })) => None,
            Err(error) => return Err(error),
        };
        let holds = |journal: &KeySecret| {
            let mut held = journal.keys.recipients().into_iter();
            held.any(|recipient| keys.contains(&recipient))
        };
        if journal.as_ref().is_none_or(holds) {
            copies.push(SecretCopy {
                secret: other.clone(),
                used_by,
                journal,
            });
        }
    }
    Ok(copies)
}
