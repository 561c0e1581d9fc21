//! `init`: gives a cluster its keypair, and `.sops.yaml` the public half.
//!
//! [`plan`] looks at everything and changes nothing; [`CreatePlan::execute`]
//! carries it out. The Secret is created, never applied: the API server
//! decides who of several wins, and the others find the Secret there.

use std::path::PathBuf;
use std::time::Duration;

use super::cluster::{Cluster, ClusterError, Created, Mode, SecretName};
use super::flux_secret::{self, BadLine, ClusterKeys, FetchError};
use super::identity::{Identity, Recipient};
use super::replace::{self, ReplaceError};
use super::sops_config::{
    ConfigError, EditError, NotEvident, Place, RuleSummary, SopsConfig, evident,
};

/// How often, and how long apart, the loser of a race looks whether the winner
/// has written `.sops.yaml`.
const WINNER_TRIES: u32 = 10;
const WINNER_PAUSE: Duration = Duration::from_millis(100);

/// What `init` is to bring about.
pub struct Request {
    /// The Secret that Flux decrypts with.
    pub secret: SecretName,
    /// Whether a missing namespace is created.
    pub create_namespace: bool,
    /// The `.sops.yaml` to change, or to make; checked.
    pub config: SopsConfig,
}

/// What there is to do.
pub enum Plan {
    /// Nothing: the cluster has its key, and `.sops.yaml` names it.
    InLine(InLine),
    /// The cluster gets a keypair.
    Create(Box<CreatePlan>),
}

/// A cluster that has its key, and a `.sops.yaml` that names it.
#[derive(Debug)]
pub struct InLine {
    /// The recipient of the cluster's key.
    pub recipient: Recipient,
    /// Lines in the Secret that are no identity.
    pub bad_lines: Vec<BadLine>,
}

/// A new keypair, and where its halves go.
pub struct CreatePlan {
    request: Request,
    identity: Identity,
    /// The new public key.
    pub recipient: Recipient,
    /// Where it goes in `.sops.yaml`.
    pub place: Place,
    /// The content of `.sops.yaml` afterwards.
    pub config_text: String,
    /// Whether the namespace is made first.
    pub new_namespace: bool,
}

/// How it ended.
pub enum Outcome {
    /// The Secret and `.sops.yaml` are there. The private key is to be shown,
    /// once.
    Created(Identity),
    /// Someone else was faster, and all is in line.
    InLine(InLine),
}

/// Why `init` stopped. Unless a variant says otherwise, nothing was changed but
/// that a namespace which was to be created may be there now.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The API server.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Reading `.sops.yaml`.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Editing `.sops.yaml`.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// Writing `.sops.yaml`, before anything else was changed.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// Asking the cluster for its keys.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The Secret is there and has a key, and `.sops.yaml` does not name it.
    #[error(
        "the cluster has its key already ({secret}: {recipient}), and {} does not name it",
        .config_path.display()
    )]
    NotNamed {
        /// The Secret.
        secret: SecretName,
        /// The recipient of its key.
        recipient: Recipient,
        /// The `.sops.yaml`.
        config_path: PathBuf,
    },
    /// The Secret is there and has a key whose recipient kb cannot tell.
    #[error(
        "the cluster has a post-quantum key already ({secret}), whose recipient kb cannot compute"
    )]
    UnknownRecipient {
        /// The Secret.
        secret: SecretName,
    },
    /// `.sops.yaml` has rules, and none is evidently this cluster's.
    #[error("{} does not say which of its rules the new cluster's key is for", .config_path.display())]
    NotEvident {
        /// The `.sops.yaml`.
        config_path: PathBuf,
        /// Its rules.
        rules: Vec<RuleSummary>,
    },
    /// The namespace is missing, and was not to be made.
    #[error("the namespace {namespace} is not there")]
    NamespaceMissing {
        /// The namespace.
        namespace: String,
    },
    /// Someone created the Secret while kb was about to, and deleted it again.
    #[error("the Secret {secret} came and went while kb was about to create it")]
    Vanished {
        /// The Secret.
        secret: SecretName,
    },
    /// The server did not answer when the Secret was to be created: it may be
    /// there. Nobody has seen its key, and `.sops.yaml` does not name it.
    #[error("it is not certain whether the Secret {secret} was created")]
    Uncertain {
        /// The Secret.
        secret: SecretName,
        /// Why there was no answer.
        #[source]
        source: Box<ClusterError>,
    },
    /// `.sops.yaml` could not be written after the Secret was created. The
    /// Secret is gone again, and nobody has seen its key.
    #[error("the new Secret {secret} was taken back, because .sops.yaml was not written")]
    TakenBack {
        /// The Secret.
        secret: SecretName,
        /// The `.sops.yaml`.
        config_path: PathBuf,
        /// Why.
        #[source]
        source: ReplaceError,
    },
    /// The same, and the Secret could not be deleted either: it is still there.
    #[error("the new Secret {secret} could not be taken back after this: {write}")]
    LeftBehind {
        /// The Secret.
        secret: SecretName,
        /// Why `.sops.yaml` was not written.
        write: ReplaceError,
        /// Why the Secret was not deleted.
        #[source]
        cleanup: Box<ClusterError>,
    },
}

/// Finds out what there is to do, down to a trial of the very request.
///
/// # Errors
/// See [`InitError`]. Nothing has been changed.
pub fn plan(cluster: &Cluster, request: Request) -> Result<Plan, InitError> {
    let config = &request.config;
    if let Some(in_line) = existing(cluster, &request.secret, config)? {
        return Ok(Plan::InLine(in_line));
    }
    let (identity, recipient) = Identity::generate();
    let place = evident(config).map_err(|NotEvident { rules }| InitError::NotEvident {
        config_path: config.path.clone(),
        rules,
    })?;
    let config_text = config.with_recipient(place, &recipient)?;
    let mut new_namespace = false;
    match flux_secret::create(cluster, &request.secret, &identity, Mode::DryRun) {
        Ok(_) => {}
        // The Secret itself cannot be tried where its namespace is missing.
        Err(ClusterError::NamespaceMissing { .. }) if request.create_namespace => {
            cluster.create_namespace(&request.secret.namespace, Mode::DryRun)?;
            new_namespace = true;
        }
        Err(ClusterError::NamespaceMissing { namespace }) => {
            return Err(InitError::NamespaceMissing { namespace });
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Plan::Create(Box::new(CreatePlan {
        request,
        identity,
        recipient,
        place,
        config_text,
        new_namespace,
    })))
}

/// What is said of a cluster whose Secret is there; `None` if it is not.
fn existing(
    cluster: &Cluster,
    secret: &SecretName,
    config: &SopsConfig,
) -> Result<Option<InLine>, InitError> {
    let Some(keys) = flux_secret::fetch(cluster, secret)? else {
        return Ok(None);
    };
    let mut active = keys.active().filter_map(Identity::recipient);
    let Some(first) = active.next() else {
        return Err(InitError::UnknownRecipient {
            secret: secret.clone(),
        });
    };
    let named = std::iter::once(first)
        .chain(active)
        .find(|recipient| config.names(recipient));
    match named {
        Some(recipient) => Ok(Some(InLine {
            recipient: recipient.clone(),
            bad_lines: keys.bad_lines.clone(),
        })),
        None => Err(InitError::NotNamed {
            secret: secret.clone(),
            recipient: first.clone(),
            config_path: config.path.clone(),
        }),
    }
}

impl CreatePlan {
    /// The Secret to be created.
    pub fn secret(&self) -> &SecretName {
        &self.request.secret
    }

    /// The `.sops.yaml` as it is now.
    pub fn config(&self) -> &SopsConfig {
        &self.request.config
    }

    /// Creates the Secret, then puts the recipient into `.sops.yaml`. The new
    /// `.sops.yaml` is on disk, beside the old one, before the Secret is made.
    ///
    /// # Errors
    /// See [`InitError`].
    pub fn execute(self, cluster: &Cluster) -> Result<Outcome, InitError> {
        let (secret, config) = (self.secret(), self.config());
        let before = config.exists.then_some(config.text.as_bytes());
        let staged = replace::stage(&config.path, before, self.config_text.as_bytes())?;
        if self.new_namespace {
            cluster.create_namespace(&secret.namespace, Mode::Persist)?;
        }
        let uid = match flux_secret::create(cluster, secret, &self.identity, Mode::Persist) {
            Ok(Created::New { uid }) => uid,
            Ok(Created::AlreadyThere) => {
                drop(staged);
                return self.lost_race(cluster);
            }
            Err(error @ (ClusterError::Timeout { .. } | ClusterError::Unreachable { .. })) => {
                self.look_for_own(cluster, error)?
            }
            Err(error) => return Err(error.into()),
        };
        let Err(write) = staged.commit() else {
            return Ok(Outcome::Created(self.identity));
        };
        Err(match cluster.delete_secret(secret, &uid) {
            Ok(()) => InitError::TakenBack {
                secret: secret.clone(),
                config_path: config.path.clone(),
                source: write,
            },
            Err(cleanup) => InitError::LeftBehind {
                secret: secret.clone(),
                write,
                cleanup: Box::new(cleanup),
            },
        })
    }

    /// Someone else has created the Secret: it is as if it had been there. The
    /// winner may be about to write the same `.sops.yaml`.
    fn lost_race(&self, cluster: &Cluster) -> Result<Outcome, InitError> {
        let (secret, path) = (self.secret(), &self.config().path);
        let mut tries = 0;
        loop {
            let now = SopsConfig::load_or_empty(path)?;
            match existing(cluster, secret, &now) {
                Err(InitError::NotNamed { .. }) if tries < WINNER_TRIES => {
                    tries += 1;
                    std::thread::sleep(WINNER_PAUSE);
                }
                Err(error) => return Err(error),
                Ok(Some(in_line)) => return Ok(Outcome::InLine(in_line)),
                Ok(None) => {
                    return Err(InitError::Vanished {
                        secret: secret.clone(),
                    });
                }
            }
        }
    }

    /// The server did not say whether it created the Secret: looks whether this
    /// very key is there. Returns the Secret's uid.
    fn look_for_own(&self, cluster: &Cluster, error: ClusterError) -> Result<String, InitError> {
        let keys = flux_secret::fetch(cluster, self.secret());
        let own = |keys: &ClusterKeys| keys.recipients().contains(&self.recipient);
        match keys {
            Ok(Some(keys)) if own(&keys) => Ok(keys.uid),
            _ => Err(InitError::Uncertain {
                secret: self.secret().clone(),
                source: Box::new(error),
            }),
        }
    }
}
