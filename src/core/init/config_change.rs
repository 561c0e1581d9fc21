//! What `.sops.yaml` lacks, and how it gets it.

use std::path::PathBuf;

use super::{ConfigScope, InitError};
use crate::core::identity::Recipient;
use crate::core::scan::{ScannedFile, Search};
use crate::core::sops_config::{InsertAt, RuleSelector, RuleWarning, SopsConfig, choose};

/// A change of `.sops.yaml`.
pub struct ConfigChange {
    /// Where the recipient goes. Several, where it takes the place of several
    /// retired ones.
    pub places: Vec<InsertAt>,
    /// The config afterwards.
    pub after: SopsConfig,
    /// What is odd about the rule that gets the key.
    pub warnings: Vec<RuleWarning>,
    /// Other people's repositories in this one that hold files which only the
    /// replaced key opens.
    pub foreign: Vec<PathBuf>,
    /// Files that nobody can read any more: only the replaced key opens them. The loss was
    /// accepted.
    pub lost: Vec<PathBuf>,
    /// What could not be read, and may hold more of them.
    pub unread: Vec<PathBuf>,
}

/// What is asked of `.sops.yaml`.
pub(super) struct ConfigGoal<'a> {
    pub(super) target: &'a RuleSelector,
    /// The cluster's recipient.
    pub(super) recipient: &'a Recipient,
    /// Recipients of the same cluster that are to go.
    pub(super) retired: &'a [Recipient],
}

impl ConfigGoal<'_> {
    /// Whether the config is as it should be.
    pub(super) fn is_met(&self, config: &SopsConfig) -> bool {
        let retired = self.retired.iter().any(|old| config.mentions(old));
        !retired && self.is_named(config)
    }

    fn is_named(&self, config: &SopsConfig) -> bool {
        let recipient = self.recipient;
        match self.target {
            RuleSelector::Evident => config.names(recipient),
            RuleSelector::Listed { index, .. } => {
                let rule = config.rules.get(*index);
                rule.is_some_and(|rule| rule.names(recipient))
            }
            RuleSelector::Paths { regex, .. } => {
                let mut rules = config.rules.iter().filter(|rule| rule.has_paths(regex));
                rules.any(|rule| rule.names(recipient))
            }
            RuleSelector::InsteadOf(old) => {
                config.names(recipient) && (old == recipient || !config.mentions(old))
            }
        }
    }

    /// The change that brings it about, or `None` if there is nothing to change.
    pub(super) fn change(
        &self,
        config: &SopsConfig,
        files: &ConfigScope,
    ) -> Result<Option<ConfigChange>, InitError> {
        let mut change = ConfigChange {
            places: Vec::new(),
            after: config.clone(),
            warnings: Vec::new(),
            foreign: Vec::new(),
            lost: Vec::new(),
            unread: Vec::new(),
        };
        for old in self.retired {
            if change.after.mentions(old) {
                change.put(InsertAt::InsteadOf(old.clone()), self.recipient)?;
            }
        }
        if !self.is_named(&change.after) {
            let choice = choose(&change.after, self.target, files.paths)?;
            if let InsertAt::InsteadOf(old) = &choice.place {
                change.check_loss(old, files)?;
            }
            change.put(choice.place, self.recipient)?;
            change.warnings = choice.warnings;
        }
        Ok((!change.places.is_empty()).then_some(change))
    }
}

impl ConfigChange {
    fn put(&mut self, place: InsertAt, recipient: &Recipient) -> Result<(), InitError> {
        self.after = self.after.with(&place, recipient)?;
        self.places.push(place);
        Ok(())
    }

    /// A recipient that is replaced takes with it what only its key opens: notes it.
    ///
    /// # Errors
    /// [`InitError::StillNeeded`], where the loss was not accepted.
    fn check_loss(&mut self, old: &Recipient, files: &ConfigScope) -> Result<(), InitError> {
        let search = Search {
            roots: &files.roots,
            recipients: std::slice::from_ref(old),
            ..Search::default()
        };
        let scan = search.run();
        let only = |found: &ScannedFile| match &found.file {
            Ok(file) => {
                let recipients = file.metadata.recipients();
                let mut others = recipients.iter().filter(|key| *key != old);
                let has_others = others.next().is_some() || file.metadata.has_other_keys();
                file.metadata.is_split() || !has_others
            }
            Err(_) => true,
        };
        let lost = scan.files.into_iter().filter(only);
        let (foreign, ours): (Vec<ScannedFile>, Vec<ScannedFile>) =
            lost.partition(|file| file.foreign.is_some());
        self.lost = ours.into_iter().map(|file| file.path).collect();
        self.unread = scan.unread;
        if !(files.accept_loss || self.lost.is_empty() && self.unread.is_empty()) {
            return Err(InitError::StillNeeded {
                old: old.clone(),
                files: std::mem::take(&mut self.lost),
                unread: std::mem::take(&mut self.unread),
            });
        }
        self.foreign = foreign
            .into_iter()
            .filter_map(|file| file.foreign)
            .collect();
        self.foreign.dedup();
        Ok(())
    }
}
