//! `status`: whether the cluster's key, `.sops.yaml`, the files and Flux match.
//!
//! | module | looks at |
//! | --- | --- |
//! | `secret` | the Secret that Flux decrypts with |
//! | `config` | the rules |
//! | `files` | who the files are for, and whether Flux can apply them |
//! | `flux` | Flux's Kustomizations |
//! | `pending` | commits that they have not applied yet |

mod config;
mod files;
mod flux;
mod pending;
mod secret;

use std::path::PathBuf;

use super::audit::Audit;
use super::cluster::{Cluster, ClusterError, Controller, SecretName};
use super::flux_secret::ClusterKeys;
use super::git::Git;
use super::identity::Recipient;
use super::sops::Sops;

pub use config::ConfigProblem;
pub use files::{FileProblem, OnProgress};
pub use flux::FluxProblem;
pub use pending::Pending;
pub use secret::SecretProblem;

/// What is looked at.
pub struct StatusRequest<'a> {
    /// The Secret that Flux decrypts with.
    pub secret: SecretName,
    /// The top of the repository.
    pub root: PathBuf,
    /// Its files.
    pub audit: &'a Audit,
    /// The repository, where it is one of Git's.
    pub git: Option<Git>,
    /// What opens files, to see whether their MAC is right.
    pub sops: &'a Sops,
}

/// What was found.
#[derive(Debug, Default)]
pub struct StatusReport {
    /// The recipients of the cluster's keys.
    pub keys: ClusterRecipients,
    /// What is wrong with the Secret.
    pub secret: Vec<SecretProblem>,
    /// What is wrong with the rules.
    pub config: Vec<ConfigProblem>,
    /// What is wrong with the encrypted files; what must not be committed is in the
    /// [`Audit`].
    pub files: Vec<(PathBuf, FileProblem)>,
    /// What is wrong with Flux's Kustomizations.
    pub flux: Vec<FluxProblem>,
    /// How many encrypted files there are.
    pub encrypted: usize,
    /// How many of them are for this cluster.
    pub ours: usize,
    /// How many Kustomizations there are; `None` if the cluster does not know such
    /// objects.
    pub kustomizations: Option<usize>,
    /// Whether kb may not list Kustomizations.
    pub flux_unseen: bool,
    /// The kustomize-controllers; `None` if kb may not list Deployments.
    pub controllers: Option<Vec<Controller>>,
    /// Kustomizations that decrypt and name no Secret, where it cannot be told which one
    /// the controller takes.
    pub fallback_unseen: Vec<String>,
    /// Commits that Kustomizations have not applied yet.
    pub pending: Vec<Pending>,
    /// Whether kb may not list Secrets, and so sees only those copies that are named.
    pub copies_unseen: bool,
    /// Whether no file was opened, because sops cannot read the config there.
    pub files_unopened: bool,
    /// Kustomizations, and the Secrets that they decrypt with and that kb may not read.
    pub unseen_secrets: Vec<(String, SecretName)>,
}

/// The recipients of a cluster's keys.
#[derive(Debug, Default)]
pub struct ClusterRecipients {
    /// Those in use.
    pub current: Vec<Recipient>,
    /// The one that a rotation brings in.
    pub next: Vec<Recipient>,
    /// Those that rotations have retired.
    pub retired: Vec<Recipient>,
}

impl ClusterRecipients {
    fn of(keys: &ClusterKeys) -> Self {
        let recipients = |identities: Vec<&super::identity::Identity>| {
            let known = identities.into_iter().filter_map(|key| key.recipient());
            known.cloned().collect()
        };
        Self {
            current: recipients(keys.in_use().collect()),
            next: recipients(keys.next().iter().collect()),
            retired: keys.retired(),
        }
    }

    /// Those that new files are to be encrypted for.
    fn active(&self) -> impl Iterator<Item = &Recipient> {
        self.current.iter().chain(&self.next)
    }
}

/// Looks at all of it.
///
/// # Errors
/// When the cluster does not answer.
pub fn look(
    cluster: &Cluster,
    request: &StatusRequest<'_>,
    progress: &OnProgress<'_>,
) -> Result<StatusReport, ClusterError> {
    let mut status = StatusReport::default();
    let kustomizations = match cluster.kustomizations() {
        Ok(found) => {
            status.kustomizations = found.as_ref().map(Vec::len);
            found.unwrap_or_default()
        }
        Err(ClusterError::Forbidden { .. }) => {
            status.flux_unseen = true;
            Vec::new()
        }
        Err(error) => return Err(error),
    };
    status.controllers = cluster.controllers(&request.secret.namespace)?;
    let flux = flux::Flux::new(cluster, request, kustomizations)?;
    status.pending = flux.pending(request);
    let stored = cluster.secret(&request.secret)?;
    let keys = secret::look(cluster, request, stored.as_ref(), &flux, &mut status)?;
    config::look(request, keys.as_ref(), &mut status);
    files::look(request, keys.as_ref(), &mut status, progress);
    flux.look(cluster, request, keys.as_ref(), &mut status)?;
    Ok(status)
}
