//! `prune`: retired keys leave the cluster, each once nothing needs it.
//!
//! A key is needed by what it opens, and by what may be for it and cannot be read: in the
//! working tree, in the commits that people go on from, and in the revisions that Flux
//! applies. Each of these is a check with a name, and keeps keys unless it is overridden by
//! that name.
//!
//! | module | does |
//! | --- | --- |
//! | `judge` | which keys a file needs |
//! | `revision` | all files of a commit |
//! | `tree` | all files of a working tree |
//! | `places` | searches all places |
//! | `deployed` | the revisions that Flux applies |
//! | `needs` | the types of a verdict |
//! | `restore` | puts a key back |

mod deployed;
mod judge;
mod needs;
mod places;
mod restore;
mod revision;
mod tree;

use std::path::PathBuf;
use std::time::SystemTime;

use super::cluster::{Cluster, ClusterError, Kustomization, Mode, SecretName};
use super::drafts::Drafts;
use super::flux_secret::{Dropped, FetchError, JournalError, KeySecret, SecretCopy, copies};
use super::git::{Git, GitError};
use super::identity::Identity;
use super::reencrypt::RepositoryFiles;

use judge::Judge;
use places::{KeyNeeds, NeedsSearch};

pub use deployed::{SaidDeployed, SaidError};
pub use needs::{Need, NeedReason, NeededAt, PruneCheck, RetiredKey};
pub use restore::{RestoreError, restore};

/// What is asked for.
pub struct PruneRequest {
    /// The Secret that Flux decrypts with.
    pub secret: SecretName,
    /// Where the files are. What it leaves out is left out of commits as well.
    pub tree: RepositoryFiles,
    /// Paths that are left out of commits, and are not in the working tree.
    pub gone: Vec<PathBuf>,
    /// The history of the repository, where it has one.
    pub git: Option<Git>,
    /// What a person says is deployed, where the cluster does not name a commit.
    pub said: Vec<SaidDeployed>,
    /// The checks that keep no key.
    pub despite: Vec<PruneCheck>,
    /// Texts that could not be saved.
    pub drafts: Drafts,
}

/// Verdicts about retired keys.
pub struct PruneVerdicts {
    journal: KeySecret,
    dropped: Dropped,
    /// The keys, in the order of the Secret.
    pub keys: Vec<RetiredKey>,
    /// Findings that keep no key, such as other branches.
    pub remarks: PruneRemarks,
}

/// Findings that keep no key.
#[derive(Debug, Default)]
pub struct PruneRemarks {
    /// The commits that were looked at.
    pub looked_at: Vec<NeededAt>,
    /// When something was last fetched, where that can be told.
    pub last_fetch: Option<SystemTime>,
    /// Whether the cluster has no Kustomizations.
    pub no_flux: bool,
    /// Whether no branch is checked out, so that there is no upstream.
    pub is_detached: bool,
    /// The upstream that is not in this clone.
    pub not_here: Vec<String>,
    /// Remotes that were never fetched from.
    pub never_fetched: Vec<String>,
    /// Remotes whose default branch is not known.
    pub no_default_branch: Vec<String>,
    /// Other branches, tags and stashes that need a key: with a merge it is needed again.
    pub refs: Vec<String>,
    /// Why those could not be looked at.
    pub refs_unseen: Option<String>,
    /// Other Secrets that Kustomizations decrypt with, and that hold it too, or may.
    pub copies: Vec<SecretCopy>,
}

/// Why nothing is known of the retired keys, or nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// The cluster has no such Secret.
    #[error("the cluster has no Secret {secret}")]
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
    /// The cluster has no other key.
    #[error("the Secret {secret} holds no other keys than retired ones")]
    OnlyRetired {
        /// The Secret.
        secret: SecretName,
    },
    /// Git reads another repository than the one that its `.git` seems to make.
    #[error(
        "{} is not a Git repository: git reads the one of {} instead",
        .path.display(),
        .top.display()
    )]
    NotARepository {
        /// The `.git`.
        path: PathBuf,
        /// The top of the repository that git reads.
        top: PathBuf,
    },
    /// Nothing of this path is in the working tree or in a commit.
    #[error("{} is neither in the working tree nor in a commit that was searched", .path.display())]
    SkipsNothing {
        /// The path.
        path: PathBuf,
    },
    /// What was said to be deployed is of no use.
    #[error(transparent)]
    Said(#[from] SaidError),
    /// git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The API server, or what stands in the Secret.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Changing the Secret.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Looks for retired keys, and for what needs each. `None` if there are none.
///
/// # Errors
/// [`PruneError`]
pub fn look(
    cluster: &Cluster,
    request: &PruneRequest,
) -> Result<Option<PruneVerdicts>, PruneError> {
    let secret = &request.secret;
    let journal = KeySecret::read(cluster, secret)?;
    let journal = journal.ok_or_else(|| PruneError::SecretMissing {
        secret: secret.clone(),
    })?;
    if !journal.keys.next().is_empty() {
        return Err(PruneError::UnderWay {
            secret: secret.clone(),
        });
    }
    if !journal.has_retired_entry() {
        return Ok(None);
    }
    if journal.keys.active().next().is_none() {
        return Err(PruneError::OnlyRetired {
            secret: secret.clone(),
        });
    }
    // The retired ones first: they are judged by their number.
    let mut retired: Vec<&Identity> = Vec::new();
    for key in journal.keys.retired_keys() {
        if !retired.iter().any(|known| known.is_same(key)) {
            retired.push(key);
        }
    }
    let held: Vec<&Identity> = retired
        .iter()
        .copied()
        .chain(journal.keys.active())
        .collect();
    let judge = Judge::new(held.iter().copied());
    let recipients: Vec<_> = held.iter().map(|key| key.recipient().cloned()).collect();
    let in_use = &recipients[retired.len()..];
    let mut look = NeedsSearch {
        request,
        judge: &judge,
        recipients: &recipients,
        retired: &(0..retired.len()).collect(),
        found: KeyNeeds::default(),
        remarks: PruneRemarks::default(),
    };
    let kustomizations = look.list(cluster);
    let ours = |found: &&Kustomization| {
        found.decrypts && found.secret.as_ref().is_none_or(|named| named == secret)
    };
    let ours: Vec<&Kustomization> = kustomizations.iter().filter(ours).collect();
    let deployed = deployed::revisions(&ours, &request.said)?;
    look.at_all(&deployed)?;
    look.at_drafts(in_use);
    let NeedsSearch {
        found, mut remarks, ..
    } = look;
    remarks.copies = copies(cluster, &kustomizations, secret, &journal.keys.retired())?;
    let mut keys: Vec<RetiredKey> = retired.iter().map(|key| of_key(key)).collect();
    for (of, need) in found.needs {
        for (at, key) in keys.iter_mut().enumerate() {
            if of.contains(&at) {
                key.needs.push(need.clone());
            }
        }
    }
    let bad_lines = journal.keys.bad_retired_lines().count();
    if bad_lines > 0 {
        keys.push(RetiredKey {
            bad_lines,
            ..unknown_key()
        });
    }
    for need in keys.iter_mut().flat_map(|key| &mut key.needs) {
        need.is_overridden = request.despite.contains(&need.check);
    }
    let dropped = Dropped {
        keys: retired
            .iter()
            .zip(&keys)
            .filter(|(_, key)| !key.is_needed())
            .map(|(identity, _)| (*identity).clone())
            .collect(),
        bad_lines: keys.iter().any(|key| key.bad_lines > 0 && !key.is_needed()),
    };
    Ok(Some(PruneVerdicts {
        journal,
        dropped,
        keys,
        remarks,
    }))
}

fn of_key(key: &Identity) -> RetiredKey {
    match key.recipient() {
        None => unknown_key(),
        recipient => RetiredKey {
            recipient: recipient.cloned(),
            bad_lines: 0,
            needs: Vec::new(),
        },
    }
}

fn unknown_key() -> RetiredKey {
    RetiredKey {
        recipient: None,
        bad_lines: 0,
        needs: vec![Need {
            check: PruneCheck::Unreadable,
            place: NeededAt::Secret,
            why: NeedReason::UnknownRecipient,
            is_overridden: false,
        }],
    }
}

impl NeedsSearch<'_> {
    /// The Kustomizations: where they cannot be listed, nobody knows what is deployed.
    fn list(&mut self, cluster: &Cluster) -> Vec<Kustomization> {
        let error = match cluster.kustomizations() {
            Ok(Some(found)) => return found,
            Ok(None) => {
                self.remarks.no_flux = true;
                return Vec::new();
            }
            Err(error) => error,
        };
        let why = match &error {
            ClusterError::Forbidden { .. } => NeedReason::MayNotList,
            _ => NeedReason::Failed(error.to_string()),
        };
        let (check, place) = (PruneCheck::FluxUnseen, NeededAt::Kustomizations);
        self.found.add(self.judge.all(), check, place, why);
        Vec::new()
    }
}

impl PruneVerdicts {
    /// Whether there is anything to drop: keys that nothing needs, or lines that repeat a
    /// key in use.
    pub fn has_droppable(&self) -> bool {
        self.keys.is_empty() || self.keys.iter().any(|key| !key.is_needed())
    }

    /// Has the server try the very request, or carries it out: drops the keys that nothing
    /// needs.
    ///
    /// # Errors
    /// [`JournalError`]
    pub fn execute(&mut self, cluster: &Cluster, mode: Mode) -> Result<(), JournalError> {
        self.journal.prune(cluster, &self.dropped, mode)
    }
}
