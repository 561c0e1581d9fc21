//! `init`: gives a cluster its keypair, and `.sops.yaml` the public half.
//!
//! [`plan()`] looks at everything and changes nothing; [`ChangePlan::execute`]
//! carries it out. The Secret is created, never applied: the API server
//! decides who of several wins, and the others find the Secret there.

mod config_change;
mod error;
mod plan;
mod run;
mod unmatched;

use std::path::PathBuf;

use super::cluster::SecretName;
use super::flux_secret::BadLine;
use super::identity::{Identity, Recipient};
use super::sops_config::{PathForm, PlacementError, RuleSelector, SopsConfig};

pub use config_change::ConfigChange;
pub use error::{ConfigGap, InitError};
pub use plan::plan;
pub use unmatched::{Unmatched, find_unmatched};

/// What `init` is to bring about.
pub struct InitRequest {
    /// The Secret that Flux decrypts with.
    pub secret: SecretName,
    /// Whether a missing namespace is created.
    pub create_namespace: bool,
    /// The `.sops.yaml` to change, or to make; checked.
    pub config: SopsConfig,
    /// The files that the config is for.
    pub files: ConfigScope,
    /// Where the cluster's key comes from.
    pub key: KeySource,
    /// Which rule gets it.
    pub target: RuleSelector,
}

/// The files that a `.sops.yaml` is for.
pub struct ConfigScope {
    /// The repositories that are looked through before a recipient is replaced.
    pub roots: Vec<PathBuf>,
    /// What the files' paths look like to the rules.
    pub paths: PathForm,
    /// Whether a recipient may be replaced although only its key opens some
    /// files.
    pub accept_loss: bool,
}

/// Where the cluster's key comes from.
pub enum KeySource {
    /// A new keypair is made for a cluster that has none.
    Generate,
    /// This key was made before: by hand, or for the cluster that this one
    /// takes the place of.
    Import(Identity),
    /// The cluster has it already; only `.sops.yaml` is brought in line.
    Existing,
}

/// What there is to do.
pub enum InitPlan {
    /// Nothing: the cluster has its key, and `.sops.yaml` names it.
    InLine(InLine),
    /// Something is missing.
    Change(Box<ChangePlan>),
    /// Something is missing, and `.sops.yaml` does not say which rule is meant.
    Choose(Box<UndecidedRule>),
}

/// A plan that waits for someone to choose a rule.
pub struct UndecidedRule {
    request: plan::Settled,
    /// Why there is a choice.
    pub why: PlacementError,
}

/// A cluster that has its key, and a `.sops.yaml` that names it.
#[derive(Debug)]
pub struct InLine {
    /// The recipient of the cluster's key.
    pub recipient: Recipient,
    /// Lines in the Secret that are no identity.
    pub bad_lines: Vec<BadLine>,
}

/// What is missing, and will be put there.
pub struct ChangePlan {
    /// The Secret.
    pub secret: SecretName,
    /// The `.sops.yaml` as it is now.
    pub config: SopsConfig,
    /// Which rule gets the key.
    pub target: RuleSelector,
    /// The recipient of the cluster's key.
    pub recipient: Recipient,
    /// The Secret to be created, or `None` if it is there.
    pub new_secret: Option<NewSecret>,
    /// The change of `.sops.yaml`, or `None` if it names the recipient.
    pub config_change: Option<ConfigChange>,
}

/// A Secret to be created.
pub struct NewSecret {
    identity: Identity,
    /// Whether kb made the key, so that nobody else has it yet.
    pub generated: bool,
    /// Whether the namespace is made first.
    pub new_namespace: bool,
}

/// How it ended.
pub enum InitOutcome {
    /// All that was missing is there.
    Done {
        /// The key that kb made. It is to be shown, once.
        generated: Option<Identity>,
    },
    /// Someone else was faster, and all is in line.
    InLine(InLine),
}
