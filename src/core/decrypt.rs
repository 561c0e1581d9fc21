//! `decrypt`: the plaintext of a file, with the key that its cluster holds.

use std::path::{Path, PathBuf};

use secrecy::SecretBox;

use super::cluster::{Cluster, SecretName};
use super::flux_secret::{self, BadLine, ClusterKeys, FetchError};
use super::identity::Recipient;
use super::sops::{Decrypt, Keys, Sops, SopsError};
use super::sops_file::Metadata;

/// The plaintext, and what was noticed on the way.
pub struct Decrypted {
    /// The plaintext, byte for byte as from sops.
    pub plaintext: SecretBox<Vec<u8>>,
    /// Lines in the cluster's Secret that are no identity.
    pub bad_lines: Vec<BadLine>,
    /// What sops said beside it, on success.
    pub sops_warnings: Vec<String>,
}

/// Why there is no plaintext.
#[derive(Debug, thiserror::Error)]
pub enum DecryptError {
    /// Asking the cluster for its keys.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The cluster has no such Secret.
    #[error("the cluster has no Secret {secret}")]
    SecretMissing {
        /// The Secret.
        secret: SecretName,
        /// Whether the namespace is there; `None` where that may not be asked.
        namespace_exists: Option<bool>,
    },
    /// None of the cluster's keys opens the file.
    #[error("{} is encrypted for another cluster", .file.display())]
    OtherCluster {
        /// The file.
        file: PathBuf,
        /// Who can open it.
        recipients: Vec<Recipient>,
        /// What the cluster holds.
        held: Vec<Recipient>,
        /// What stands among its keys and is none.
        bad_lines: Vec<BadLine>,
        /// The Secret that holds it.
        secret: SecretName,
    },
    /// sops.
    #[error(transparent)]
    Sops(#[from] SopsError),
}

/// Decrypts the file of `request`, whose `metadata` was read before. With a
/// `cluster`, its keys are used and no other age key; without one, the keys
/// that sops finds: right only where [`Metadata::is_personal`].
///
/// # Errors
/// See [`DecryptError`].
pub fn decrypt(
    request: &Decrypt<'_>,
    metadata: &Metadata,
    cluster: Option<(&Cluster, &SecretName)>,
    sops: &Sops,
) -> Result<Decrypted, DecryptError> {
    let keys = match cluster {
        Some((cluster, secret)) => Some(fetch_keys(cluster, secret, request.file, metadata)?),
        None => None,
    };
    let identities = keys.as_ref().map(ClusterKeys::for_sops);
    let decrypted = sops.decrypt(
        request,
        identities.as_ref().map_or(Keys::Own, Keys::Cluster),
    )?;
    Ok(Decrypted {
        plaintext: decrypted.plaintext,
        bad_lines: keys.map(|keys| keys.bad_lines).unwrap_or_default(),
        sops_warnings: decrypted.warnings,
    })
}

/// The cluster's keys.
///
/// # Errors
/// [`DecryptError::SecretMissing`], [`DecryptError::Fetch`]
pub fn fetch(cluster: &Cluster, secret: &SecretName) -> Result<ClusterKeys, DecryptError> {
    flux_secret::fetch(cluster, secret)?.ok_or_else(|| DecryptError::SecretMissing {
        secret: secret.clone(),
        namespace_exists: cluster.namespace_exists(&secret.namespace).ok(),
    })
}

/// The cluster's keys, if one of them can open the file.
///
/// # Errors
/// As for [`fetch`], and [`DecryptError::OtherCluster`].
pub(super) fn fetch_keys(
    cluster: &Cluster,
    secret: &SecretName,
    file: &Path,
    metadata: &Metadata,
) -> Result<ClusterKeys, DecryptError> {
    let keys = fetch(cluster, secret)?;
    let held = keys.recipients();
    let mut recipients = metadata.recipients.iter();
    if recipients.any(|recipient| keys.may_open(recipient, &held)) {
        return Ok(keys);
    }
    Err(DecryptError::OtherCluster {
        file: file.to_owned(),
        recipients: metadata.recipients.clone(),
        held,
        bad_lines: keys.bad_lines,
        secret: secret.clone(),
    })
}
