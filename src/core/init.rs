//! `init`: gives a cluster its keypair, and `.sops.yaml` the public half.
//!
//! [`plan`] looks at everything and changes nothing; [`CreatePlan::execute`]
//! carries it out. The Secret is created, never applied: the API server
//! decides who of several wins, and the others find the Secret there.

use std::path::PathBuf;

use super::cluster::{Cluster, ClusterError, Created, Mode};
use super::flux_secret::{self, BadLine, ClusterKeys, KeysError, SecretName};
use super::identity::{Identity, Recipient};
use super::replace::{self, ReplaceError};
use super::sops_config::{
    self, ConfigError, EditError, NotEvident, Place, RuleSummary, SopsConfig, evident,
};

/// What `init` is to bring about.
pub struct Request {
    /// The Secret that Flux decrypts with.
    pub secret: SecretName,
    /// Whether a missing namespace is created.
    pub create_namespace: bool,
    /// The `.sops.yaml` to change, or to make.
    pub config_path: PathBuf,
    /// Its content, or `None` if there is none yet.
    pub config: Option<SopsConfig>,
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
    /// Where it goes in `.sops.yaml`; `None` makes a new file.
    pub place: Option<Place>,
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

/// Why `init` stopped. Unless a variant says otherwise, nothing was changed.
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
    /// The Secret is there, and holds no key.
    #[error(transparent)]
    Keys(#[from] KeysError),
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
    /// `.sops.yaml` could not be written after the Secret was created. The
    /// Secret is gone again, and nobody has seen its key.
    #[error("the new Secret {secret} was taken back, because .sops.yaml was not written")]
    TakenBack {
        /// The Secret.
        secret: SecretName,
        /// Why.
        #[source]
        source: ReplaceError,
    },
    /// The same, and the Secret could not be deleted either: it is still there.
    #[error("{source}, and the new Secret {secret} could not be taken back: {cleanup}")]
    LeftBehind {
        /// The Secret.
        secret: SecretName,
        /// Why `.sops.yaml` was not written.
        source: ReplaceError,
        /// Why the Secret was not deleted.
        cleanup: Box<ClusterError>,
    },
}

/// Finds out what there is to do, down to a trial of the very request.
///
/// # Errors
/// See [`InitError`]. Nothing has been changed.
pub fn plan(cluster: &Cluster, request: Request) -> Result<Plan, InitError> {
    if let Some(in_line) = existing(
        cluster,
        &request.secret,
        &request.config_path,
        request.config.as_ref(),
    )? {
        return Ok(Plan::InLine(in_line));
    }
    let identity = Identity::generate();
    let recipient = identity
        .recipient()
        .cloned()
        .ok_or_else(|| InitError::UnknownRecipient {
            secret: request.secret.clone(),
        })?;
    let (place, config_text) = match &request.config {
        None => (None, sops_config::new_file(&recipient)),
        Some(config) => {
            config.rules.check(&config.path)?;
            let place = evident(config).map_err(|NotEvident { rules }| InitError::NotEvident {
                config_path: config.path.clone(),
                rules,
            })?;
            (Some(place), config.with_recipient(place, &recipient)?)
        }
    };
    let entry = flux_secret::entry_text(&identity);
    let mut new_namespace = false;
    match cluster.create_secret(&request.secret, &entry, Mode::DryRun) {
        Ok(_) => {}
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
    config_path: &std::path::Path,
    config: Option<&SopsConfig>,
) -> Result<Option<InLine>, InitError> {
    let Some(data) = cluster.secret_data(secret)? else {
        return Ok(None);
    };
    let keys = ClusterKeys::read(secret, &data)?;
    let active: Vec<&Recipient> = keys.active().filter_map(Identity::recipient).collect();
    let Some(first) = active.first() else {
        return Err(InitError::UnknownRecipient {
            secret: secret.clone(),
        });
    };
    let named = |recipient: &&&Recipient| config.is_some_and(|config| config.rules.name(recipient));
    match active.iter().find(named) {
        Some(recipient) => Ok(Some(InLine {
            recipient: (*recipient).clone(),
            bad_lines: keys.bad_lines,
        })),
        None => Err(InitError::NotNamed {
            secret: secret.clone(),
            recipient: (*first).clone(),
            config_path: config_path.to_owned(),
        }),
    }
}

impl CreatePlan {
    /// The Secret to be created.
    pub fn secret(&self) -> &SecretName {
        &self.request.secret
    }

    /// The `.sops.yaml` to be changed or made.
    pub fn config_path(&self) -> &std::path::Path {
        &self.request.config_path
    }

    /// The content of `.sops.yaml` now, or `None` if there is none.
    pub fn config_before(&self) -> Option<&str> {
        self.request
            .config
            .as_ref()
            .map(|config| config.text.as_str())
    }

    /// Creates the Secret, then puts the recipient into `.sops.yaml`. The new
    /// `.sops.yaml` is on disk, beside the old one, before the Secret is made.
    ///
    /// # Errors
    /// See [`InitError`].
    pub fn execute(self, cluster: &Cluster) -> Result<Outcome, InitError> {
        let secret = &self.request.secret;
        let path = &self.request.config_path;
        let before = self.config_before().map(str::as_bytes);
        let staged = replace::stage(path, before, self.config_text.as_bytes())?;
        if self.new_namespace {
            cluster.create_namespace(&secret.namespace, Mode::Persist)?;
        }
        let entry = flux_secret::entry_text(&self.identity);
        let uid = match cluster.create_secret(secret, &entry, Mode::Persist)? {
            Created::New { uid } => uid,
            Created::AlreadyThere => {
                drop(staged);
                let config = path.exists().then(|| SopsConfig::load(path)).transpose()?;
                let found = existing(cluster, secret, path, config.as_ref())?;
                return found
                    .map(Outcome::InLine)
                    .ok_or_else(|| InitError::Vanished {
                        secret: secret.clone(),
                    });
            }
        };
        match staged.commit() {
            Ok(()) => Ok(Outcome::Created(self.identity)),
            Err(source) => match cluster.delete_secret(secret, &uid) {
                Ok(()) => Err(InitError::TakenBack {
                    secret: secret.clone(),
                    source,
                }),
                Err(cleanup) => Err(InitError::LeftBehind {
                    secret: secret.clone(),
                    source,
                    cleanup: Box::new(cleanup),
                }),
            },
        }
    }
}
