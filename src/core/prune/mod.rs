//! `prune`: retired keys leave the cluster, once nothing needs them.
//!
//! A retired key is needed as long as a file or a rule of the working tree is for
//! it, or a file of a revision that a Kustomization has applied: Flux opens that
//! one again and again. A revision that cannot be looked up counts as needing it.

mod deployed;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::cluster::{Cluster, ClusterError, Kustomization, Mode, SecretName};
use super::encrypted::EncryptedFile;
use super::flux_secret::{FetchError, Journal, JournalError, SecretCopy, copies};
use super::git::{Git, GitError};
use super::identity::Recipient;
use super::reencrypt::{Tree, configs};
use super::scan::Search;
use super::sops_config::ConfigError;

pub use deployed::{Deployed, State};

/// What is asked for.
pub struct Request {
    /// The Secret that Flux decrypts with.
    pub secret: SecretName,
    /// Where the files are.
    pub tree: Tree,
    /// The history of the repository, where it has one.
    pub git: Option<Git>,
}

/// Retired keys that are to go.
pub struct Prune {
    journal: Journal,
    /// Their recipients.
    pub retired: Vec<Recipient>,
    /// What still needs them.
    pub needs: Needs,
    /// What to know, and no reason to keep them.
    pub remarks: Remarks,
}

/// What still needs a retired key.
#[derive(Debug, Default)]
pub struct Needs {
    /// Files of the working tree.
    pub files: Vec<PathBuf>,
    /// `.sops.yaml` files of the working tree.
    pub configs: Vec<PathBuf>,
    /// Directories with their own `.git`, with such files.
    pub foreign: BTreeSet<PathBuf>,
    /// What could not be read.
    pub unread: Vec<PathBuf>,
    /// Revisions that are deployed.
    pub deployed: Vec<Deployed>,
    /// Whether kb may not list Kustomizations, and so cannot tell what is deployed.
    pub flux_forbidden: bool,
    /// Whether nothing in the repository is for the cluster: it is another one's.
    pub strange_repository: bool,
    /// Whether there are retired keys whose recipients kb cannot tell: post-quantum
    /// ones, and lines that are no keys.
    pub unknown_keys: bool,
}

impl Needs {
    /// Whether nothing does.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
            && self.configs.is_empty()
            && self.foreign.is_empty()
            && self.unread.is_empty()
            && self.deployed.is_empty()
            && !self.flux_forbidden
            && !self.strange_repository
            && !self.unknown_keys
    }
}

/// What is no reason to keep a retired key.
#[derive(Debug, Default)]
pub struct Remarks {
    /// Whether the cluster has no Kustomizations, so that only the working tree
    /// counts.
    pub no_flux: bool,
    /// Branches whose tip holds files for it: with a merge they come back.
    pub branches: Vec<String>,
    /// Why the branches could not be looked at.
    pub git: Option<GitError>,
    /// Other Secrets that Kustomizations decrypt with, and that hold it too, or may.
    pub copies: Vec<SecretCopy>,
}

/// Why retired keys were not looked for, or stay.
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
    /// A `.sops.yaml` that holds a retired key's recipient does not parse.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nothing in the repository is for the cluster: what needs the keys is elsewhere.
    #[error(
        "nothing in this repository is for this cluster ({secret}), so kb cannot tell what needs its retired keys"
    )]
    StrangeRepository {
        /// The Secret.
        secret: SecretName,
    },
    /// Something needs them.
    #[error("something still needs the retired key {}", Recipient::list(.retired))]
    Needed {
        /// The recipients.
        retired: Vec<Recipient>,
        /// What.
        needs: Box<Needs>,
    },
    /// The API server, or what stands in the Secret.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Changing the Secret.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Looks for retired keys, and for what needs them. `None` if there are none.
///
/// # Errors
/// [`PruneError`]
pub fn look(cluster: &Cluster, request: &Request) -> Result<Option<Prune>, PruneError> {
    let secret = &request.secret;
    let journal = Journal::read(cluster, secret)?;
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
    let retired = journal.keys.retired();
    let held = journal.keys.recipients();
    let mut needs = working_tree(&request.tree, &retired, &held)?;
    needs.unknown_keys = journal.keys.has_unknown_retired();
    // Files may be for one whose recipient kb cannot tell.
    needs.strange_repository &= !journal.keys.has_unknown_recipients();
    let mut remarks = Remarks::default();
    let kustomizations = match cluster.kustomizations() {
        Ok(Some(found)) => found,
        Ok(None) => {
            remarks.no_flux = true;
            Vec::new()
        }
        Err(ClusterError::Forbidden { .. }) => {
            needs.flux_forbidden = true;
            Vec::new()
        }
        Err(error) => return Err(FetchError::from(error).into()),
    };
    let ours = |found: &&Kustomization| {
        found.decrypts && found.secret.as_ref().is_none_or(|named| named == secret)
    };
    let ours: Vec<&Kustomization> = kustomizations.iter().filter(ours).collect();
    let git = request.git.as_ref();
    needs.deployed = deployed::needing(&ours, git, &retired);
    remarks.copies = copies(cluster, &kustomizations, secret, &retired)?;
    match git.map(|git| branches(git, &retired)).transpose() {
        Ok(branches) => remarks.branches = branches.unwrap_or_default(),
        Err(error) => remarks.git = Some(error),
    }
    Ok(Some(Prune {
        journal,
        retired,
        needs,
        remarks,
    }))
}

impl Prune {
    /// Has the server try the very request, or carries it out; `regardless` of what
    /// needs the keys.
    ///
    /// # Errors
    /// [`PruneError::Needed`], [`PruneError::Journal`]
    pub fn execute(
        mut self,
        cluster: &Cluster,
        regardless: bool,
        mode: Mode,
    ) -> Result<(), PruneError> {
        if !regardless && self.needs.strange_repository {
            return Err(PruneError::StrangeRepository {
                secret: self.journal.secret,
            });
        }
        if !regardless && !self.needs.is_empty() {
            return Err(PruneError::Needed {
                retired: self.retired,
                needs: Box::new(self.needs),
            });
        }
        Ok(self.journal.prune(cluster, mode)?)
    }
}

/// What in the working tree needs a `retired` key, of all that the cluster has `held`.
fn working_tree(
    tree: &Tree,
    retired: &[Recipient],
    held: &[Recipient],
) -> Result<Needs, PruneError> {
    let search = Search {
        roots: &tree.roots,
        recipients: held,
        skip: &tree.skip,
        ..Search::default()
    };
    let scan = search.run();
    let mut needs = Needs {
        unread: scan.unread,
        strange_repository: true,
        ..Needs::default()
    };
    for found in scan.files {
        let is_retired = found.named.iter().any(|key| retired.contains(key));
        needs.strange_repository = false;
        match found.foreign {
            _ if !is_retired => {}
            Some(foreign) => drop(needs.foreign.insert(foreign)),
            None => needs.files.push(found.path),
        }
    }
    for config in configs(tree, scan.configs, held)? {
        let mentions = |keys: &[Recipient]| keys.iter().any(|key| config.mentions(key));
        needs.strange_repository &= !mentions(held);
        if mentions(retired) {
            needs.configs.push(config.path);
        }
    }
    Ok(needs)
}

/// The branches whose tip holds files for a retired key.
fn branches(git: &Git, retired: &[Recipient]) -> Result<Vec<String>, GitError> {
    let mut found = Vec::new();
    let mut looked_at: Vec<(String, bool)> = Vec::new();
    for branch in git.branches()? {
        let known = looked_at
            .iter()
            .find(|(commit, _)| *commit == branch.commit);
        let needs = match known {
            Some((_, needs)) => *needs,
            None => !files_for(git, &branch.commit, retired)?.is_empty(),
        };
        if needs {
            found.push(branch.name);
        }
        looked_at.push((branch.commit, needs));
    }
    Ok(found)
}

/// The encrypted files of a commit that are for one of the recipients.
fn files_for(git: &Git, commit: &str, recipients: &[Recipient]) -> Result<Vec<PathBuf>, GitError> {
    let texts: Vec<&str> = recipients.iter().map(Recipient::as_str).collect();
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = git.files_with(commit, &texts)?;
    let mut failed = None;
    found.retain(|path| match git.show(commit, path) {
        Ok(content) => is_for(path, &content, recipients),
        Err(error) => {
            failed = Some(error);
            true
        }
    });
    failed.map_or(Ok(found), Err)
}

fn is_for(path: &Path, content: &[u8], recipients: &[Recipient]) -> bool {
    let file = EncryptedFile::parse(path, content);
    file.is_ok_and(|file| {
        let named = file.metadata.recipients();
        named.iter().any(|key| recipients.contains(key))
    })
}
