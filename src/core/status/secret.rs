//! The Secret that Flux decrypts with.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::flux::Flux;
use super::{ClusterRecipients, StatusReport, StatusRequest};
use crate::core::audit::FileContent;
use crate::core::cluster::{Cluster, ClusterError, SecretName, StoredSecret};
use crate::core::flux_secret::{
    BadLine, ClusterKeys, KeysError, MISNAMED_ENTRY, Manager, RETIRED_ENTRY, empty_entries,
    managers, right_name, unread_entries,
};
use crate::core::identity::{Identity, Recipient};
use crate::core::manifest::{self, HeldBy};

/// What is wrong with the Secret.
#[derive(Debug)]
pub enum SecretProblem {
    /// There is none.
    Missing {
        /// Whether its namespace is there; `None` where that may not be asked.
        namespace_exists: Option<bool>,
    },
    /// It holds no key.
    NoKey(KeysError),
    /// It holds no other keys than retired ones.
    OnlyRetired,
    /// An entry holds a key, and Flux does not read it for its name.
    NotRead {
        /// The entry.
        entry: String,
        /// A name that Flux reads, and that no other entry has.
        right: String,
    },
    /// A line of an entry is no key, for which Flux refuses the whole Secret.
    BadLine(BadLine),
    /// An entry that Flux reads holds nothing.
    Empty {
        /// The entry.
        entry: String,
    },
    /// Something else manages it, and would put back what it has.
    Managed(Manager),
    /// A file of the repository holds this very Secret.
    InRepository {
        /// The file.
        path: PathBuf,
    },
    /// A Secret of this name in another namespace holds another key.
    OtherCopy {
        /// That Secret.
        copy: SecretName,
        /// The recipients of its keys.
        held: Vec<Recipient>,
    },
    /// A rotation is under way.
    UnderWay {
        /// The recipient of the new key.
        next: Vec<Recipient>,
    },
    /// Keys that were rotated away are still there.
    NotPruned {
        /// Their recipients.
        retired: Vec<Recipient>,
    },
}

/// Looks at the Secret as it is stored. Returns its keys, if it holds any.
pub(super) fn look(
    cluster: &Cluster,
    request: &StatusRequest<'_>,
    stored: Option<&StoredSecret>,
    flux: &Flux,
    status: &mut StatusReport,
) -> Result<Option<ClusterKeys>, ClusterError> {
    let secret = &request.secret;
    let problems = &mut status.secret;
    let Some(stored) = stored else {
        let namespace_exists = cluster.namespace_exists(&secret.namespace).ok();
        problems.push(SecretProblem::Missing { namespace_exists });
        return Ok(None);
    };
    let keys = ClusterKeys::read(secret, stored);
    let entries = keys.as_ref().map(ClusterKeys::entries_in_use);
    let entries = entries.unwrap_or_else(|_| vec![MISNAMED_ENTRY]);
    let managers = managers(stored, &entries).into_iter();
    problems.extend(managers.map(SecretProblem::Managed));
    let keys = match keys {
        Ok(keys) => keys,
        Err(error) => {
            problems.push(SecretProblem::NoKey(error));
            return Ok(None);
        }
    };
    problems.extend(
        unread_entries(stored)
            .into_iter()
            .map(|entry| SecretProblem::NotRead {
                entry: entry.to_owned(),
                right: right_name(stored, entry),
            }),
    );
    problems.extend(empty_entries(stored).into_iter().map(|entry| {
        let entry = entry.to_owned();
        SecretProblem::Empty { entry }
    }));
    problems.extend(keys.bad_lines.iter().cloned().map(SecretProblem::BadLine));
    status.keys = ClusterRecipients::of(&keys);
    if keys.active().next().is_none() {
        problems.push(SecretProblem::OnlyRetired);
    } else if !keys.next().is_empty() {
        let next = status.keys.next.clone();
        problems.push(SecretProblem::UnderWay { next });
    } else if stored.entry(RETIRED_ENTRY).is_some() {
        let retired = status.keys.retired.clone();
        problems.push(SecretProblem::NotPruned { retired });
    }
    problems.extend(in_repository(request, &keys));
    let copies = other_copies(cluster, request, &keys, flux, status)?;
    status.secret.extend(copies);
    Ok(Some(keys))
}

/// The files of the repository that hold the Secret itself.
fn in_repository(request: &StatusRequest<'_>, keys: &ClusterKeys) -> Vec<SecretProblem> {
    let identities: Vec<&Identity> = keys.identities().collect();
    let recipients = keys.recipients();
    let files = request.audit.files.iter();
    // A manifest of it is encrypted, or not and a Secret, or holds a private key.
    let candidates = files
        .filter(|file| file.private_key.is_some() || !matches!(file.content, FileContent::Other));
    let held = candidates.filter(|file| {
        let held = manifest::held_by(&file.path, &request.secret, &identities, &recipients);
        held == HeldBy::ThisCluster
    });
    let problem = |path: PathBuf| SecretProblem::InRepository { path };
    held.map(|file| problem(file.path.clone())).collect()
}

/// The Secrets of the same name elsewhere that do not hold the key in use. One whose key
/// a rule names, or that only Kustomizations of other repositories decrypt with, is no
/// copy.
fn other_copies(
    cluster: &Cluster,
    request: &StatusRequest<'_>,
    keys: &ClusterKeys,
    flux: &Flux,
    status: &mut StatusReport,
) -> Result<Vec<SecretProblem>, ClusterError> {
    let secret = &request.secret;
    let found = match cluster.secrets_called(&secret.name)? {
        Some(found) => found,
        // Those that are known by name can be asked for one by one.
        None => {
            status.copies_unseen = true;
            let names = flux.secrets().filter(|named| named.name == secret.name);
            let names: BTreeSet<&SecretName> = names.collect();
            let mut found = Vec::new();
            for name in names {
                match cluster.secret(name) {
                    Ok(stored) => found.extend(stored.map(|stored| (name.clone(), stored))),
                    Err(ClusterError::Forbidden { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            found
        }
    };
    let active: Vec<&Recipient> = keys.active().filter_map(Identity::recipient).collect();
    let mut problems = Vec::new();
    for (copy, stored) in found {
        if copy == *secret || flux.is_others(&copy) {
            continue;
        }
        // One without any key is no copy.
        let Ok(held) = ClusterKeys::read(&copy, &stored) else {
            continue;
        };
        let held = held.recipients();
        let mut configs = request.audit.rules.configs();
        let is_named = configs.any(|config| held.iter().any(|key| config.names(key)));
        let holds_all = active.iter().all(|key| held.contains(key));
        if !holds_all && !is_named {
            problems.push(SecretProblem::OtherCopy { copy, held });
        }
    }
    Ok(problems)
}
