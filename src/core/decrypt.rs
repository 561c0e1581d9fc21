//! `decrypt`: the plaintext of a file, with the key that its cluster holds.

use std::path::{Path, PathBuf};

use secrecy::SecretBox;

use super::cluster::{Cluster, SecretName};
use super::data_key::Opener;
use super::encrypted::{EncryptedFile, KeyPolicy, Metadata, Unsupported, Verified};
use super::flux_secret::{self, BadLine, ClusterKeys, FetchError};
use super::identity::Recipient;
use super::readers::{Reader, Readers};
use super::servers::Servers;
use super::sops::{Access, AllowedIdentities, Sops, SopsDecrypt, SopsError};

/// The plaintext, and what was noticed on the way.
pub struct Decrypted {
    /// The plaintext, byte for byte as from sops.
    pub plaintext: SecretBox<Vec<u8>>,
    /// Lines in the cluster's Secret that are no identity.
    pub bad_lines: Vec<BadLine>,
    /// What sops said beside it, on success.
    pub sops_warnings: Vec<String>,
    /// Keys in the file that its rule does not name, and that sops did not get.
    pub foreign: Vec<Reader>,
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
    /// sops may see other keys in it than kb does.
    #[error("kb cannot tell for certain which keys sops would use to open {}", .file.display())]
    Unsure {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: Unsupported,
    },
    /// Nothing that may be used opens it.
    #[error("no key that may be used opens {}: {}", .file.display(), reasons(.foreign, .not_accepted))]
    NothingLeft {
        /// The file.
        file: PathBuf,
        /// The keys that its rule does not name.
        foreign: Vec<Reader>,
        /// The servers that its rule names and that nobody has accepted.
        not_accepted: Vec<Reader>,
    },
    /// The MAC is right by what kb computes, and sops computes another one.
    #[error("sops says that the MAC of {} does not match, and it does: sops 3.12.0 to 3.13.2 computes a wrong one for comments in lists", .file.display())]
    WrongBySops {
        /// The file.
        file: PathBuf,
    },
    /// sops.
    #[error(transparent)]
    Sops(#[from] SopsError),
}

fn reasons(foreign: &[Reader], not_accepted: &[Reader]) -> String {
    let mut reasons = Vec::new();
    if !foreign.is_empty() {
        reasons.push(format!("its rule does not name {}", Reader::list(foreign)));
    }
    if !not_accepted.is_empty() {
        reasons.push(format!(
            "nobody has accepted {}",
            Reader::list(not_accepted)
        ));
    }
    reasons.join("; ")
}

/// What to decrypt, and how much of it.
pub struct DecryptRequest<'a> {
    /// The encrypted file; absolute.
    pub path: &'a Path,
    /// What it is.
    pub file: &'a EncryptedFile,
    /// Its content.
    pub content: &'a [u8],
    /// The readers of its rule.
    pub rule: Option<&'a Readers>,
    /// The key servers that may be used.
    pub servers: &'a Servers,
    /// sops's `--extract` expression, such as `["data"]["password"]`.
    pub extract: Option<&'a str>,
    /// Whether a MAC that does not match is tolerated.
    pub ignore_mac: bool,
}

/// Decrypts a file. With a `cluster`, its keys are used and no other age key; without one,
/// the keys that sops finds: right only where [`Metadata::is_personal`].
///
/// # Errors
/// See [`DecryptError`].
pub fn decrypt(
    request: &DecryptRequest<'_>,
    cluster: Option<(&Cluster, &SecretName)>,
    sops: &Sops,
) -> Result<Decrypted, DecryptError> {
    let metadata = &request.file.metadata;
    let keys = match cluster {
        Some((cluster, secret)) => Some(fetch_keys(cluster, secret, request.path, metadata)?),
        None => None,
    };
    let decrypted = request.open(keys.as_ref(), sops)?;
    Ok(Decrypted {
        bad_lines: keys.map(|keys| keys.bad_lines).unwrap_or_default(),
        ..decrypted
    })
}

impl DecryptRequest<'_> {
    /// Decrypts it with these keys of the cluster, or with the person's own.
    ///
    /// # Errors
    /// [`DecryptError::Unsure`], [`DecryptError::NothingLeft`], [`DecryptError::Sops`]
    pub(super) fn open(
        &self,
        keys: Option<&ClusterKeys>,
        sops: &Sops,
    ) -> Result<Decrypted, DecryptError> {
        let held = keys.map(ClusterKeys::recipients).unwrap_or_default();
        let policy = KeyPolicy {
            rule: self.rule,
            held: &held,
            servers: self.servers,
        };
        let openable = policy.apply(self.file, self.content);
        let openable = openable.map_err(|source| DecryptError::Unsure {
            file: self.path.to_owned(),
            source,
        })?;
        if openable.kinds.is_empty() {
            return Err(DecryptError::NothingLeft {
                file: self.path.to_owned(),
                foreign: openable.foreign,
                not_accepted: openable.not_accepted,
            });
        }
        let identities = keys.map(ClusterKeys::for_sops);
        // Where one of the cluster's keys opens it, nothing else is needed.
        let is_split = self.file.metadata.is_split();
        let kinds = if keys.is_some() && !is_split {
            &[][..]
        } else {
            &openable.kinds
        };
        let access = Access {
            keys: identities
                .as_ref()
                .map_or(AllowedIdentities::Own, AllowedIdentities::Cluster),
            kinds,
        };
        let request = SopsDecrypt {
            file: self.path,
            format: self.file.format,
            content: &openable.content,
            extract: self.extract,
            ignore_mac: self.ignore_mac,
        };
        let decrypted = sops.decrypt(&request, access).map_err(|error| {
            let opens = |keys: &ClusterKeys| {
                let opener = Opener::new(keys.identities());
                Verified::open(self.file.format, self.content, &opener).is_ok()
            };
            match error {
                SopsError::MacMismatch { .. } if keys.is_some_and(opens) => {
                    let file = self.path.to_owned();
                    DecryptError::WrongBySops { file }
                }
                error => error.into(),
            }
        })?;
        Ok(Decrypted {
            plaintext: decrypted.plaintext,
            bad_lines: Vec::new(),
            sops_warnings: decrypted.warnings,
            foreign: openable.foreign,
        })
    }
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
    let recipients = metadata.recipients();
    if recipients
        .iter()
        .any(|recipient| keys.may_open(recipient, &held))
    {
        return Ok(keys);
    }
    Err(DecryptError::OtherCluster {
        file: file.to_owned(),
        recipients,
        held,
        bad_lines: keys.bad_lines,
        secret: secret.clone(),
    })
}
