//! `decrypt`: the plaintext of a file, with the key that its cluster holds.

use std::path::{Path, PathBuf};

use secrecy::{SecretBox, SecretString};

use super::cluster::{Cluster, ClusterError};
use super::flux_secret::{BadLine, ClusterKeys, KeysError, SecretName};
use super::identity::Recipient;
use super::sops::{Decrypt, Keys, Sops, SopsError};
use super::sops_file::{FileError, Metadata};

/// The plaintext, and what was noticed on the way.
pub struct Decrypted {
    /// The plaintext, byte for byte as from sops.
    pub plaintext: SecretBox<Vec<u8>>,
    /// Lines in the cluster's Secret that are no identity.
    pub bad_lines: Vec<BadLine>,
    /// What sops said beside it, on success.
    pub sops_warnings: String,
}

/// Why there is no plaintext.
#[derive(Debug, thiserror::Error)]
pub enum DecryptError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The API server.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The cluster has no such Secret.
    #[error("the cluster has no Secret {secret}")]
    SecretMissing {
        /// The Secret.
        secret: SecretName,
        /// Whether the namespace is there; `None` where that may not be asked.
        namespace_exists: Option<bool>,
    },
    /// The Secret holds no key.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// None of the cluster's keys opens the file.
    #[error("{} is encrypted for another cluster", .file.display())]
    OtherCluster {
        /// The file.
        file: PathBuf,
        /// Who can open it.
        recipients: Vec<Recipient>,
        /// What the cluster holds.
        held: Vec<Recipient>,
        /// The Secret that holds it.
        secret: SecretName,
    },
    /// sops.
    #[error(transparent)]
    Sops(#[from] SopsError),
}

/// Decrypts the file of `request`. `connect` is called only if a cluster's key
/// could open the file: one for developers' own keys asks no cluster.
///
/// # Errors
/// See [`DecryptError`].
pub fn decrypt<E: From<DecryptError>>(
    request: &Decrypt<'_>,
    secret: &SecretName,
    sops: &Sops,
    connect: impl FnOnce() -> Result<Cluster, E>,
) -> Result<Decrypted, E> {
    let metadata = Metadata::read(request.file).map_err(DecryptError::from)?;
    let keys = if metadata.is_personal() {
        None
    } else {
        let cluster = connect()?;
        Some(fetch_keys(&cluster, secret, request.file, &metadata)?)
    };
    let (identities, bad_lines): (Option<SecretString>, _) = match keys {
        Some(keys) => (Some(keys.for_sops()), keys.bad_lines),
        None => (None, Vec::new()),
    };
    let keys = identities.as_ref().map_or(Keys::Own, Keys::Cluster);
    let decrypted = sops.decrypt(request, keys).map_err(DecryptError::from)?;
    Ok(Decrypted {
        plaintext: decrypted.plaintext,
        bad_lines,
        sops_warnings: decrypted.warnings,
    })
}

/// The cluster's keys, if one of them can open the file.
fn fetch_keys(
    cluster: &Cluster,
    secret: &SecretName,
    file: &Path,
    metadata: &Metadata,
) -> Result<ClusterKeys, DecryptError> {
    let Some(data) = cluster.secret_data(secret)? else {
        return Err(DecryptError::SecretMissing {
            secret: secret.clone(),
            namespace_exists: cluster.namespace_exists(&secret.namespace).ok(),
        });
    };
    let keys = ClusterKeys::read(secret, &data)?;
    let held = keys.recipients();
    let opens = metadata
        .recipients
        .iter()
        .any(|recipient| held.contains(recipient));
    // Of an identity whose recipient is unknown, only sops can tell.
    if !opens && !keys.has_unknown_recipients() {
        return Err(DecryptError::OtherCluster {
            file: file.to_owned(),
            recipients: metadata.recipients.clone(),
            held,
            secret: secret.clone(),
        });
    }
    Ok(keys)
}
