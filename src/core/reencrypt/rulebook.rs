//! The rules of files: those of the working tree, and those that were reviewed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::decide::UndecidedReason;
use super::{FileRule, ReencryptError, RepositoryFiles};
use crate::core::identity::Recipient;
use crate::core::readers::Reader;
use crate::core::reviewed::Reviewed;
use crate::core::rules::{RuleOf, Rules};
use crate::core::sops_config::CreationRule;

/// The rules of files.
pub(super) struct Rulebook {
    rules: Rules,
    reviewed: Option<Rules>,
    /// All readers that reviewed rules name; where nothing was reviewed, those of the
    /// working tree.
    pub(super) known: Vec<Reader>,
    /// The recipients that are marked as recovery keys.
    pub(super) recovery: Vec<Recipient>,
}

impl Rulebook {
    /// The rules of these files.
    ///
    /// # Errors
    /// [`ReencryptError::Config`]: conflict markers in a `.sops.yaml`;
    /// [`ReencryptError::Git`]
    pub(super) fn new<'p>(
        tree: &RepositoryFiles,
        files: impl Iterator<Item = &'p Path> + Clone,
    ) -> Result<Self, ReencryptError> {
        let directories = || files.clone().filter_map(Path::parent);
        let rules = Rules::of_working_tree(directories(), tree.named.as_ref());
        if let Some(error) = rules.conflict() {
            return Err(error.clone().into());
        }
        let reviewed = tree.git.as_ref().map(Reviewed::load).transpose()?;
        let reviewed = reviewed.flatten();
        let reviewed = reviewed.map(|it| it.rules(directories(), tree.named.as_ref()));
        let reviewed = reviewed.transpose()?;
        let trusted = reviewed.as_ref().unwrap_or(&rules);
        let all = || trusted.configs().flat_map(|config| &config.rules);
        let known = all().flat_map(|rule: &CreationRule| rule.readers.all());
        let known: BTreeSet<&Reader> = known.collect();
        let recovery = all().flat_map(|rule| rule.recovery.iter().cloned());
        let own = rules.configs().flat_map(|config| &config.rules);
        let recovery = recovery.chain(own.flat_map(|rule| rule.recovery.iter().cloned()));
        Ok(Self {
            known: known.into_iter().cloned().collect(),
            recovery: recovery.collect(),
            rules,
            reviewed,
        })
    }

    /// What is known of the rule of a file, and hands it to `decide`.
    ///
    /// # Errors
    /// [`UndecidedReason::Broken`], or what `decide` says.
    pub(super) fn of<T>(
        &self,
        file: &Path,
        decide: impl FnOnce(FileRule<'_>) -> Result<T, UndecidedReason>,
    ) -> Result<T, UndecidedReason> {
        let rule = match self.rules.of(file) {
            RuleOf::None => None,
            RuleOf::Rule(rule) => Some(rule),
            RuleOf::Broken { error, .. } => return Err(UndecidedReason::Broken(error.to_string())),
        };
        let place = rule.map(|rule| rule.rule.position.in_file(&rule.config.path));
        let nobody = crate::core::readers::Readers::default();
        let reviewed = self.reviewed.as_ref().map(|rules| {
            let rule = rules.of(file).usable();
            rule.map_or(&nobody, |rule| &rule.rule.readers)
        });
        decide(FileRule {
            readers: rule.map(|rule| &rule.rule.readers),
            place: place.as_deref(),
            reviewed,
        })
    }

    /// Whether the rule of a file surely names one of these keys.
    pub(super) fn names_any(&self, file: &Path, is_one: impl Fn(&Recipient) -> bool) -> bool {
        let rule = self.rules.of(file).usable();
        rule.is_some_and(|rule| rule.rule.readers.recipients().any(is_one))
    }

    /// The config whose rule a file has.
    pub(super) fn config_of(&self, file: &Path) -> Option<PathBuf> {
        let rule = self.rules.of(file).matching()?;
        Some(rule.config.path.clone())
    }
}
