//! Files that do not match their rules: they are for keys that the cluster had before,
//! which come back with each older branch that is merged, or a rule was changed.

use super::InitError;
use crate::core::cluster::{Cluster, SecretName};
use crate::core::flux_secret::{self, ClusterKeys};
use crate::core::identity::{Identity, Recipient};
use crate::core::reencrypt::{
    Affected, Consent, EngineChoice, FailedFile, Job, Move, NewRecipients, Observer,
    ReencryptError, Replaced, RepositoryFiles, Swap,
};
use crate::core::replace;

/// Files that do not match their rules, and are to.
pub struct Unmatched<'a> {
    keys: ClusterKeys,
    job: Job<'a>,
    /// What was found.
    pub affected: Affected,
}

/// Looks for files that a key of the cluster opens and that do not match their rules, and
/// for rules that name retired keys; `current` is the recipient that they are to be for.
/// With `clear`, what a killed run left goes. `None` if there is nothing to do.
///
/// # Errors
/// [`InitError::Reencrypt`] also if one of them cannot be replaced.
pub fn find_unmatched<'a>(
    cluster: &Cluster,
    secret: &SecretName,
    current: &Recipient,
    tree: &'a RepositoryFiles,
    consent: &'a Consent,
    clear: bool,
) -> Result<Option<Unmatched<'a>>, InitError> {
    let keys = flux_secret::fetch(cluster, secret)?;
    let keys = keys.filter(|keys| has(keys, current));
    let keys = keys.ok_or_else(|| InitError::KeyChanged {
        secret: secret.clone(),
    })?;
    let job = Job {
        tree,
        swap: Swap::new(keys.retired(), current.clone()),
        held: keys.recipients(),
        goal: NewRecipients::MatchRules,
        consent,
    };
    let mut affected = job.find(None)?;
    if !affected.troubles.is_empty() {
        let troubles = std::mem::take(&mut affected.troubles);
        return Err(ReencryptError::Files(troubles).into());
    }
    if clear {
        replace::clear_strays(&affected.temporary);
    }
    let is_empty = affected.files.is_empty()
        && affected.configs.is_empty()
        && affected.left.is_empty()
        && affected.unread.is_empty();
    Ok((!is_empty).then_some(Unmatched {
        keys,
        job,
        affected,
    }))
}

impl Unmatched<'_> {
    /// Re-encrypts all of them. All keys that open them are in the cluster, so it can be
    /// killed at any moment. `left` is told of files that cannot be re-encrypted, before
    /// anything is changed.
    ///
    /// # Errors
    /// [`InitError::Reencrypt`]: nothing was changed unless someone else was at work
    /// meanwhile. [`InitError::KeyChanged`]
    pub fn rekey(
        self,
        cluster: &Cluster,
        secret: &SecretName,
        engine: EngineChoice<'_>,
        ignore_mac: bool,
        observer: &dyn Observer,
        left: impl FnOnce(&[FailedFile]),
    ) -> Result<Replaced, InitError> {
        let swap = &self.job.swap;
        let current = self.keys.of_recipients(std::slice::from_ref(&swap.new));
        // It was there when it was looked for.
        let Some(current) = current.first() else {
            return Ok(Replaced::default());
        };
        let engine = engine.engine(&self.keys, current);
        let old = self.keys.of_recipients(&swap.old);
        let new = swap.new.clone();
        let mut task = Move::new(self.job, &old, current, &*engine, observer);
        task.ignore_mac = ignore_mac;
        let ready = task.prepare(self.affected.targets())?.check_engine()?;
        left(ready.left());
        let staged = ready.stage()?;
        // It took its time: the key must still be the cluster's.
        let keys = flux_secret::fetch(cluster, secret)?;
        if !keys.is_some_and(|keys| has(&keys, &new)) {
            return Err(InitError::KeyChanged {
                secret: secret.clone(),
            });
        }
        Ok(staged.replace(&task)?)
    }
}

/// Whether a key is in use.
fn has(keys: &ClusterKeys, recipient: &Recipient) -> bool {
    let mut active = keys.active().filter_map(Identity::recipient);
    active.any(|active| active == recipient)
}
