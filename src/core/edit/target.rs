//! What is edited: a file that exists, or a new one and the rule that is for it.

use std::path::{Path, PathBuf};

use super::EditError;
use crate::core::cluster::{Cluster, SecretName};
use crate::core::decrypt;
use crate::core::flux_secret::ClusterKeys;
use crate::core::identity::{Identity, Recipient};
use crate::core::replace;
use crate::core::repository::FoundConfig;
use crate::core::sops_config::{FILE_NAME, RuleSummary, SopsConfig};
use crate::core::sops_file::{self, FileError, Format, Metadata};

/// A file, before the cluster is asked.
pub struct Target {
    /// The file as sops is to see it: absolute, links as they were typed.
    pub(super) path: PathBuf,
    /// The same file under the one name that it has for every run.
    pub(super) identity: PathBuf,
    /// Its content; `None` if it is not there.
    pub(super) before: Option<Vec<u8>>,
    pub(super) kind: Kind,
}

/// Whether there is a file already.
pub(super) enum Kind {
    /// An encrypted file.
    Existing(Metadata),
    /// None, or an empty one: a rule tells who it will be for.
    New(Rule),
}

/// The creation rule of a new file.
pub(super) struct Rule {
    config_path: PathBuf,
    summary: RuleSummary,
    /// Its age recipients.
    pub(super) recipients: Vec<Recipient>,
    /// Whether it says which values are encrypted, as for manifests.
    pub(super) selects_values: bool,
}

impl Target {
    /// Looks at the file at `path`, which is absolute. Of a new one the rule is
    /// looked up in `config`, as sops would.
    ///
    /// # Errors
    /// [`EditError`]: it is no file that could be edited, or no rule is for it.
    pub fn look(path: &Path, config: Option<&FoundConfig>) -> Result<Self, EditError> {
        let path = path.to_owned();
        if path.file_name().is_some_and(|name| name == FILE_NAME) {
            // sops must read it.
            return Err(FileError::Plaintext { path }.into());
        }
        let (before, kind) = match sops_file::read(&path) {
            Ok(bytes) => match Metadata::parse(&path, &bytes) {
                Ok(metadata) => (Some(bytes), Kind::Existing(metadata)),
                Err(FileError::Empty { .. }) => (Some(bytes), Kind::New(rule(&path, config)?)),
                Err(error) => return Err(error.into()),
            },
            Err(FileError::Missing { .. }) if path.is_symlink() => {
                return Err(EditError::DanglingLink { path });
            }
            Err(FileError::Missing { .. }) => (None, Kind::New(rule(&path, config)?)),
            Err(error) => return Err(error.into()),
        };
        replace::check_writable(&path)?;
        Ok(Self {
            identity: identity(&path),
            path,
            before,
            kind,
        })
    }

    /// Whether there is no encrypted file yet.
    pub fn is_new(&self) -> bool {
        matches!(self.kind, Kind::New(_))
    }

    /// The encrypted file as it is; `None` if there is none yet.
    pub(super) fn encrypted(&self) -> Option<&[u8]> {
        self.before.as_deref().filter(|_| !self.is_new())
    }

    pub(super) fn format(&self) -> Format {
        Format::of(&self.path)
    }

    pub(super) fn recipients(&self) -> &[Recipient] {
        match &self.kind {
            Kind::Existing(metadata) => &metadata.recipients,
            Kind::New(rule) => &rule.recipients,
        }
    }

    /// Whether a cluster's key is among those that it is for. If not, only
    /// developers' own keys are.
    pub fn needs_cluster(&self) -> bool {
        self.recipients().iter().any(Recipient::may_be_a_clusters)
    }

    /// The cluster's keys, if the file is for one that is in use.
    pub(super) fn fetch_keys(
        &self,
        cluster: &Cluster,
        secret: &SecretName,
    ) -> Result<ClusterKeys, EditError> {
        match &self.kind {
            Kind::Existing(metadata) => {
                let keys = decrypt::fetch_keys(cluster, secret, &self.path, metadata)?;
                if let Some(retired) = self.retired(&keys) {
                    return Err(EditError::Retired {
                        path: self.path.clone(),
                        retired,
                    });
                }
                Ok(keys)
            }
            Kind::New(rule) => {
                let keys = decrypt::fetch(cluster, secret)?;
                self.check_rule(rule, &keys, secret)?;
                Ok(keys)
            }
        }
    }

    fn check_rule(
        &self,
        rule: &Rule,
        keys: &ClusterKeys,
        secret: &SecretName,
    ) -> Result<(), EditError> {
        let path = self.path.clone();
        let held = active(keys);
        if let Some(retired) = self.retired(keys) {
            return Err(EditError::RuleRetired { path, retired });
        }
        let mut recipients = rule.recipients.iter();
        if recipients.any(|recipient| keys.may_open(recipient, &held)) {
            return Ok(());
        }
        Err(EditError::RuleOfOther {
            path,
            config_path: rule.config_path.clone(),
            rule: rule.summary.clone(),
            held,
            secret: secret.clone(),
        })
    }

    /// A retired key that it is for.
    fn retired(&self, keys: &ClusterKeys) -> Option<Recipient> {
        let retired = keys.retired();
        let own = self.recipients().iter();
        own.into_iter().find(|key| retired.contains(key)).cloned()
    }
}

fn active(keys: &ClusterKeys) -> Vec<Recipient> {
    let recipients = keys.active().filter_map(Identity::recipient);
    recipients.cloned().collect()
}

fn rule(path: &Path, config: Option<&FoundConfig>) -> Result<Rule, EditError> {
    let path = || path.to_owned();
    let Some(found) = config else {
        return Err(EditError::NoConfig { path: path() });
    };
    let config = SopsConfig::load_or_empty(&found.path)?;
    config.check()?;
    let config_path = config.path.clone();
    let Some(rule) = config.rule_for(&found.base, &path()) else {
        return Err(EditError::NoRule {
            path: path(),
            config_path,
            rules: config.rules.iter().map(|rule| rule.summary()).collect(),
        });
    };
    if rule.has_no_key() {
        return Err(EditError::RuleWithoutKey {
            path: path(),
            config_path,
            rule: rule.summary(),
        });
    }
    Ok(Rule {
        config_path,
        summary: rule.summary(),
        recipients: rule
            .age
            .iter()
            .filter_map(|key| key.text.parse().ok())
            .collect(),
        selects_values: rule.selection.is_explicit(),
    })
}

/// The path that a file has for every run, from whatever directory and through
/// whatever links it was named. Of one that is not there yet, the links of the
/// directories above it that are there.
pub(super) fn identity(path: &Path) -> PathBuf {
    let known = path.ancestors().find_map(|above| {
        let rest = path.strip_prefix(above).ok()?;
        let real = above.canonicalize().ok()?;
        // Joined with nothing, a path would end in a slash.
        Some(real.components().chain(rest.components()).collect())
    });
    known.unwrap_or_else(|| path.to_owned())
}
