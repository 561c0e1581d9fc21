//! Puts back a key that was pruned.

use crate::core::cluster::{Cluster, Mode, SecretName};
use crate::core::flux_secret::{FetchError, JournalError, KeySecret};
use crate::core::identity::{Identity, Recipient};

/// Why a key was not put back. Nothing was changed, unless the server left it open.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The cluster has no such Secret.
    #[error("the cluster has no Secret {secret} to put a retired key back into")]
    SecretMissing {
        /// The Secret.
        secret: SecretName,
    },
    /// A rotation is under way.
    #[error("a rotation of the cluster's key is under way ({secret})")]
    UnderWay {
        /// The Secret.
        secret: SecretName,
    },
    /// The key is there.
    #[error("the Secret {secret} holds the key {recipient} already")]
    AlreadyThere {
        /// The Secret.
        secret: SecretName,
        /// Its public key.
        recipient: Recipient,
    },
    /// It is a post-quantum key.
    #[error("the key is a post-quantum one, whose public key kb cannot compute")]
    UnknownRecipient,
    /// The API server, or what stands in the Secret.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Changing the Secret.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Adds keys to the retired ones of a cluster; its current key stays what it is. Returns
/// their public keys.
///
/// # Errors
/// [`RestoreError`]
pub fn restore(
    cluster: &Cluster,
    secret: &SecretName,
    keys: &[Identity],
    mode: Mode,
) -> Result<Vec<Recipient>, RestoreError> {
    let mut recipients = Vec::new();
    for key in keys {
        let recipient = key.recipient().cloned();
        recipients.push(recipient.ok_or(RestoreError::UnknownRecipient)?);
    }
    let Some(mut journal) = KeySecret::read(cluster, secret)? else {
        return Err(RestoreError::SecretMissing {
            secret: secret.clone(),
        });
    };
    if !journal.keys.next().is_empty() {
        return Err(RestoreError::UnderWay {
            secret: secret.clone(),
        });
    }
    let mut all = keys.iter().zip(&recipients);
    if let Some((_, recipient)) = all.find(|(key, _)| journal.holds(key)) {
        return Err(RestoreError::AlreadyThere {
            secret: secret.clone(),
            recipient: recipient.clone(),
        });
    }
    journal.restore(cluster, keys, mode)?;
    Ok(recipients)
}
