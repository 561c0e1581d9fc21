//! What `.sops.yaml` lacks, and how it gets it.

use std::path::{Path, PathBuf};

use super::InitError;
use crate::core::identity::Recipient;
use crate::core::scan::{self, Found};
use crate::core::sops_config::{Place, RuleWarning, SopsConfig, Target, choose, warnings};

/// A change of `.sops.yaml`.
pub struct ConfigChange {
    /// Where the recipient goes. Several, where it takes the place of several
    /// retired ones.
    pub places: Vec<Place>,
    /// The config afterwards.
    pub after: SopsConfig,
    /// What is odd about the rule that gets the key.
    pub warnings: Vec<RuleWarning>,
    /// Files and directories that could not be looked into for a key that is to
    /// be replaced.
    pub unread: Vec<PathBuf>,
}

/// What is asked of `.sops.yaml`.
pub(super) struct Wish<'a> {
    pub(super) target: &'a Target,
    /// The cluster's recipient.
    pub(super) recipient: &'a Recipient,
    /// Recipients of the same cluster that are to go.
    pub(super) retired: &'a [Recipient],
}

impl Wish<'_> {
    /// Whether the config is as it should be.
    pub(super) fn is_granted(&self, config: &SopsConfig) -> bool {
        let retired = self.retired.iter().any(|old| config.mentions(old));
        !retired && self.is_named(config)
    }

    fn is_named(&self, config: &SopsConfig) -> bool {
        let recipient = self.recipient;
        match self.target {
            Target::Evident => config.names(recipient),
            Target::Listed { index, .. } => {
                let rule = config.rules.get(*index);
                rule.is_some_and(|rule| rule.names(recipient))
            }
            Target::Paths { regex, .. } => config.rules.iter().any(|rule| {
                let paths = rule.path_regex.as_ref();
                paths.is_some_and(|paths| paths.text == regex.as_str()) && rule.names(recipient)
            }),
            Target::InsteadOf(old) => {
                config.names(recipient) && (old == recipient || !config.mentions(old))
            }
        }
    }

    /// The change that grants it, or `None` if there is nothing to change.
    pub(super) fn change(
        &self,
        config: &SopsConfig,
        repository: &Path,
        accept_loss: bool,
    ) -> Result<Option<ConfigChange>, InitError> {
        let mut change = ConfigChange {
            places: Vec::new(),
            after: config.clone(),
            warnings: Vec::new(),
            unread: Vec::new(),
        };
        for old in self.retired {
            if change.after.mentions(old) {
                change.put(Place::InsteadOf(old.clone()), self.recipient)?;
            }
        }
        if !self.is_named(&change.after) {
            let place = choose(&change.after, self.target)?;
            if let Place::InsteadOf(old) = &place {
                change.unread = check_loss(old, repository, accept_loss)?;
            }
            change.put(place.clone(), self.recipient)?;
            change.warnings = match place {
                Place::Rule(index) | Place::Beside(index) => warnings(&change.after, index, false),
                Place::NewRule { before, .. } => warnings(&change.after, before, true),
                Place::InsteadOf(_) => Vec::new(),
            };
        }
        Ok((!change.places.is_empty()).then_some(change))
    }
}

impl ConfigChange {
    fn put(&mut self, place: Place, recipient: &Recipient) -> Result<(), InitError> {
        self.after = self.after.with(&place, recipient)?;
        self.places.push(place);
        Ok(())
    }
}

/// A recipient that is replaced takes with it what only its key opens.
fn check_loss(
    old: &Recipient,
    repository: &Path,
    accept_loss: bool,
) -> Result<Vec<PathBuf>, InitError> {
    if accept_loss {
        return Ok(Vec::new());
    }
    let scan = scan::files_for(repository, std::slice::from_ref(old));
    let only = |file: &&Found| {
        let mut others = file.metadata.recipients.iter().filter(|key| *key != old);
        others.next().is_none() && !file.metadata.other_keys
    };
    let files: Vec<PathBuf> = scan
        .files
        .iter()
        .filter(only)
        .map(|file| file.path.clone())
        .collect();
    if files.is_empty() {
        return Ok(scan.unread);
    }
    Err(InitError::StillNeeded {
        old: old.clone(),
        files,
    })
}
