//! Files for keys that the cluster had before: with each older branch that is
//! merged they come back.

use super::InitError;
use crate::core::cluster::{Cluster, SecretName};
use crate::core::flux_secret::{self, ClusterKeys};
use crate::core::identity::{Identity, Recipient};
use crate::core::reencrypt::{
    Affected, Choice, Move, Observer, Ready, ReencryptError, Replaced, Swap, Tree, look,
};
use crate::core::replace;

/// What is for retired keys, and is to be for the current one.
pub struct RetiredFiles {
    keys: ClusterKeys,
    swap: Swap,
    /// What was found.
    pub affected: Affected,
}

/// Looks for files that are for retired keys of the cluster; `current` is the
/// recipient that they are to be for. With `clear`, what a killed run left goes.
/// `None` if there is no retired key, or nothing is for one.
///
/// # Errors
/// [`InitError::Reencrypt`] also if one of them cannot be moved.
pub fn look_for_retired(
    cluster: &Cluster,
    secret: &SecretName,
    current: &Recipient,
    tree: &Tree,
    clear: bool,
) -> Result<Option<RetiredFiles>, InitError> {
    let keys = flux_secret::fetch(cluster, secret)?;
    let keys = keys.filter(|keys| has(keys, current));
    let keys = keys.ok_or_else(|| InitError::KeyChanged {
        secret: secret.clone(),
    })?;
    let swap = Swap::new(keys.retired(), current.clone());
    if swap.old.is_empty() {
        return Ok(None);
    }
    let mut affected = look(tree, &swap, &[], None)?;
    if !affected.troubles.is_empty() {
        let troubles = std::mem::take(&mut affected.troubles);
        return Err(ReencryptError::Files(troubles).into());
    }
    if clear {
        replace::clear_strays(&affected.temporary);
    }
    let is_empty = affected.files.is_empty() && affected.configs.is_empty();
    Ok((!is_empty).then_some(RetiredFiles {
        keys,
        swap,
        affected,
    }))
}

impl RetiredFiles {
    /// Moves all of them. Both keys are in the cluster, so it can be killed at any
    /// moment.
    ///
    /// # Errors
    /// [`InitError::Reencrypt`]: nothing was changed unless someone else was at work
    /// meanwhile. [`InitError::KeyChanged`]
    pub fn move_all(
        self,
        cluster: &Cluster,
        secret: &SecretName,
        tree: &Tree,
        engine: Choice<'_>,
        ignore_mac: bool,
        observer: &dyn Observer,
    ) -> Result<Replaced, InitError> {
        let current = self
            .keys
            .of_recipients(std::slice::from_ref(&self.swap.new));
        // It was there when it was looked for.
        let Some(current) = current.first() else {
            return Ok(Replaced::default());
        };
        let engine = engine.engine(self.keys.identities(), self.keys.for_sops());
        let old = self.keys.of_recipients(&self.swap.old);
        let mut task = Move::new(tree, self.swap, &old, current, &*engine, observer);
        task.ignore_mac = ignore_mac;
        let staged = task
            .prepare(self.affected.targets())
            .and_then(Ready::stage)?;
        // It took its time: the key must still be the cluster's.
        let keys = flux_secret::fetch(cluster, secret)?;
        if !keys.is_some_and(|keys| has(&keys, &task.swap.new)) {
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
