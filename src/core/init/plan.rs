//! Finds out what there is to do.

use std::time::Duration;

use super::config_change::ConfigGoal;
use super::{
    ChangePlan, ConfigGap, ConfigScope, InLine, InitError, InitPlan, InitRequest, KeySource,
    NewSecret, UndecidedRule,
};
use crate::core::cluster::{Cluster, ClusterError, Mode, SecretName};
use crate::core::flux_secret::{self, BadLine, ClusterKeys};
use crate::core::identity::{Identity, Recipient};
use crate::core::sops_config::{PlacementError, RuleSelector, RuleSummary, SopsConfig};

/// How often `.sops.yaml` is looked at again where it does not name the key: too
/// short a time for a person to notice.
const LOOKS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

/// A request whose key is settled.
pub(super) struct Settled {
    secret: SecretName,
    create_namespace: bool,
    config: SopsConfig,
    files: ConfigScope,
    recipient: Recipient,
    /// The key that is to be created in the cluster, and whether kb made it.
    new_key: Option<(Identity, bool)>,
    /// Recipients of the same cluster that are to go from `.sops.yaml`.
    retired: Vec<Recipient>,
    bad_lines: Vec<BadLine>,
}

/// Finds out what there is to do, down to a trial of the very request.
///
/// # Errors
/// See [`InitError`]. Nothing has been changed.
pub fn plan(cluster: &Cluster, request: InitRequest) -> Result<InitPlan, InitError> {
    let InitRequest {
        secret,
        config,
        target,
        ..
    } = request;
    let keys = flux_secret::fetch(cluster, &secret)?;
    let mut retired = Vec::new();
    let (recipient, new_key) = match (request.key, &keys) {
        (KeySource::Generate, Some(keys)) => {
            return in_line_soon(&secret, &config, keys, &target, LOOKS).map(InitPlan::InLine);
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
                    same_key(&secret, keys, &recipient)?;
                    (recipient, None)
                }
                None => (recipient, Some((identity, false))),
            }
        }
        (KeySource::Existing, Some(keys)) => {
            if !keys.next().is_empty() {
                return Err(InitError::UnderWay { secret });
            }
            retired = keys.retired();
            (in_use(&secret, &config, keys, &target)?, None)
        }
        (KeySource::Existing, None) => return Err(InitError::NothingExists { secret }),
    };
    let settled = Settled {
        secret,
        create_namespace: request.create_namespace,
        config,
        files: request.files,
        recipient,
        new_key,
        retired,
        bad_lines: keys.map_or_else(Vec::new, |keys| keys.bad_lines),
    };
    settled.plan(cluster, &target)
}

impl UndecidedRule {
    /// The rules to choose from.
    pub fn rules(&self) -> &[RuleSummary] {
        match &self.why {
            PlacementError::NotEvident { rules, .. } => rules,
            _ => &[],
        }
    }

    /// Goes on with the rule that was chosen.
    ///
    /// # Errors
    /// As [`plan()`].
    pub fn plan(self, cluster: &Cluster, target: &RuleSelector) -> Result<InitPlan, InitError> {
        self.request.plan(cluster, target)
    }
}

impl Settled {
    fn plan(self, cluster: &Cluster, target: &RuleSelector) -> Result<InitPlan, InitError> {
        let goal = ConfigGoal {
            target,
            recipient: &self.recipient,
            retired: &self.retired,
        };
        if self.new_key.is_none() && goal.is_met(&self.config) {
            return Ok(InitPlan::InLine(InLine {
                recipient: self.recipient,
                bad_lines: self.bad_lines,
            }));
        }
        let change = goal.change(&self.config, &self.files);
        let config_change = match change {
            Ok(change) => change,
            Err(InitError::Choose(why @ PlacementError::NotEvident { .. })) => {
                return Ok(InitPlan::Choose(Box::new(UndecidedRule {
                    request: self,
                    why,
                })));
            }
            Err(error) => return Err(error),
        };
        let new_secret = match self.new_key {
            None => None,
            Some((identity, generated)) => Some(NewSecret {
                new_namespace: try_to_create(
                    cluster,
                    &self.secret,
                    &identity,
                    self.create_namespace,
                )?,
                identity,
                generated,
            }),
        };
        Ok(InitPlan::Change(Box::new(ChangePlan {
            secret: self.secret,
            config: self.config,
            target: target.clone(),
            recipient: self.recipient,
            new_secret,
            config_change,
        })))
    }
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

/// The recipient of the cluster's key: of several, one that the config names as
/// it was asked for.
fn in_use(
    secret: &SecretName,
    config: &SopsConfig,
    keys: &ClusterKeys,
    target: &RuleSelector,
) -> Result<Recipient, InitError> {
    let active: Vec<&Recipient> = keys.active().filter_map(Identity::recipient).collect();
    let met = |recipient: &&&Recipient| {
        let goal = ConfigGoal {
            target,
            recipient,
            retired: &[],
        };
        goal.is_met(config)
    };
    let found = active.iter().find(met).or(active.first());
    match found {
        Some(recipient) => Ok((*recipient).clone()),
        None if keys.active().next().is_none() => Err(InitError::OnlyRetired {
            secret: secret.clone(),
        }),
        None => Err(InitError::UnknownRecipient {
            secret: secret.clone(),
        }),
    }
}

/// What is said of a cluster that has its key, when none was given to it.
fn in_line(
    secret: &SecretName,
    config: &SopsConfig,
    keys: &ClusterKeys,
    target: &RuleSelector,
) -> Result<InLine, InitError> {
    let recipient = in_use(secret, config, keys, target)?;
    let goal = ConfigGoal {
        target,
        recipient: &recipient,
        retired: &[],
    };
    if goal.is_met(config) {
        return Ok(InLine {
            recipient,
            bad_lines: keys.bad_lines.clone(),
        });
    }
    let lack = match target {
        RuleSelector::InsteadOf(old) if config.mentions(old) => ConfigGap::Replacement(old.clone()),
        RuleSelector::Paths { regex, .. } => ConfigGap::Rule(regex.as_str().to_owned()),
        _ => ConfigGap::Name,
    };
    Err(InitError::NotNamed {
        secret: secret.clone(),
        recipient,
        config_path: config.path.clone(),
        lack,
    })
}

/// As [`in_line`], with a few more looks at `.sops.yaml`: another run may have
/// created the Secret just now, and be about to write the same file.
pub(super) fn in_line_soon(
    secret: &SecretName,
    config: &SopsConfig,
    keys: &ClusterKeys,
    target: &RuleSelector,
    looks: u32,
) -> Result<InLine, InitError> {
    let mut answer = in_line(secret, config, keys, target);
    for _ in 0..looks {
        if !matches!(answer, Err(InitError::NotNamed { .. })) {
            break;
        }
        std::thread::sleep(PAUSE);
        let config = SopsConfig::load_or_empty(&config.path)?;
        answer = in_line(secret, &config, keys, target);
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
