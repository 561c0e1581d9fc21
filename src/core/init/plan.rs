//! Finds out what there is to do.

use std::time::Duration;

use super::{ChangePlan, ConfigChange, InLine, InitError, KeySource, NewSecret, Plan, Request};
use crate::core::cluster::{Cluster, ClusterError, Mode, SecretName};
use crate::core::flux_secret::{self, ClusterKeys};
use crate::core::identity::{Identity, Recipient};
use crate::core::sops_config::{NotEvident, SopsConfig, evident};

/// How often `.sops.yaml` is looked at again where it does not name the key: too
/// short a time for a person to notice.
const LOOKS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

/// Finds out what there is to do, down to a trial of the very request.
///
/// # Errors
/// See [`InitError`]. Nothing has been changed.
pub fn plan(cluster: &Cluster, request: Request) -> Result<Plan, InitError> {
    let Request {
        secret,
        create_namespace,
        config,
        key,
    } = request;
    let keys = flux_secret::fetch(cluster, &secret)?;
    let (recipient, new_secret) = match (key, keys) {
        (KeySource::Generate, Some(keys)) => {
            return in_line_soon(&secret, &config, &keys, LOOKS).map(Plan::InLine);
        }
        (KeySource::Generate, None) => {
            let (identity, recipient) = Identity::generate();
            (recipient, Some((identity, true)))
        }
        (KeySource::Import(identity), keys) => {
            let recipient = identity.recipient().cloned();
            let recipient = recipient.ok_or(InitError::ImportUnknownRecipient)?;
            match keys {
                Some(keys) => {
                    same_key(&secret, &keys, &recipient)?;
                    if config.names(&recipient) {
                        return Ok(Plan::InLine(InLine {
                            recipient,
                            bad_lines: keys.bad_lines,
                        }));
                    }
                    (recipient, None)
                }
                None => (recipient, Some((identity, false))),
            }
        }
        (KeySource::Existing, Some(keys)) => match in_line(&secret, &config, &keys) {
            Err(InitError::NotNamed { recipient, .. }) => (recipient, None),
            other => return other.map(Plan::InLine),
        },
        (KeySource::Existing, None) => return Err(InitError::NothingExists { secret }),
    };
    let config_change = config_change(&config, &recipient)?;
    let new_secret = match new_secret {
        None => None,
        Some((identity, generated)) => Some(NewSecret {
            new_namespace: try_to_create(cluster, &secret, &identity, create_namespace)?,
            identity,
            generated,
        }),
    };
    Ok(Plan::Change(Box::new(ChangePlan {
        secret,
        config,
        recipient,
        new_secret,
        config_change,
    })))
}

/// Where the recipient goes, unless `.sops.yaml` names it already.
fn config_change(
    config: &SopsConfig,
    recipient: &Recipient,
) -> Result<Option<ConfigChange>, InitError> {
    if config.names(recipient) {
        return Ok(None);
    }
    let place = evident(config).map_err(|NotEvident { rules }| InitError::NotEvident {
        config_path: config.path.clone(),
        rules,
    })?;
    let text = config.with_recipient(place, recipient)?;
    Ok(Some(ConfigChange { place, text }))
}

/// Tries the very request. Returns whether the namespace must be made first:
/// then the Secret itself could not be tried.
fn try_to_create(
    cluster: &Cluster,
    secret: &SecretName,
    identity: &Identity,
    create_namespace: bool,
) -> Result<bool, InitError> {
    match flux_secret::create(cluster, secret, identity, Mode::DryRun) {
        Ok(_) => Ok(false),
        Err(ClusterError::NamespaceMissing { .. }) if create_namespace => {
            cluster.create_namespace(&secret.namespace, Mode::DryRun)?;
            Ok(true)
        }
        Err(ClusterError::NamespaceMissing { namespace }) => {
            Err(InitError::NamespaceMissing { namespace })
        }
        Err(error) => Err(error.into()),
    }
}

/// What is said of a cluster that has its key, when none was given to it.
fn in_line(
    secret: &SecretName,
    config: &SopsConfig,
    keys: &ClusterKeys,
) -> Result<InLine, InitError> {
    let active: Vec<&Recipient> = keys.active().filter_map(Identity::recipient).collect();
    let Some(first) = active.first() else {
        return Err(InitError::UnknownRecipient {
            secret: secret.clone(),
        });
    };
    match active.iter().find(|recipient| config.names(recipient)) {
        Some(recipient) => Ok(InLine {
            recipient: (*recipient).clone(),
            bad_lines: keys.bad_lines.clone(),
        }),
        None => Err(InitError::NotNamed {
            secret: secret.clone(),
            recipient: (*first).clone(),
            config_path: config.path.clone(),
        }),
    }
}

/// As [`in_line`], with a few more looks at `.sops.yaml`: another run may have
/// created the Secret just now, and be about to write the same file.
pub(super) fn in_line_soon(
    secret: &SecretName,
    config: &SopsConfig,
    keys: &ClusterKeys,
    looks: u32,
) -> Result<InLine, InitError> {
    let mut answer = in_line(secret, config, keys);
    for _ in 0..looks {
        if !matches!(answer, Err(InitError::NotNamed { .. })) {
            break;
        }
        std::thread::sleep(PAUSE);
        answer = in_line(secret, &SopsConfig::load_or_empty(&config.path)?, keys);
    }
    answer
}

/// Whether the key that is to be imported is the one that the cluster has.
pub(super) fn same_key(
    secret: &SecretName,
    keys: &ClusterKeys,
    imported: &Recipient,
) -> Result<(), InitError> {
    let mut active = keys.active().filter_map(Identity::recipient);
    let Some(first) = active.next() else {
        return Err(InitError::UnknownRecipient {
            secret: secret.clone(),
        });
    };
    if first == imported || active.any(|recipient| recipient == imported) {
        return Ok(());
    }
    Err(InitError::ImportOther {
        secret: secret.clone(),
        held: first.clone(),
        imported: imported.clone(),
    })
}
