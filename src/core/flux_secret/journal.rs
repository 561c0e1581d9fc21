//! The Secret as the journal of a rotation.
//!
//! [`Journal::begin`] puts the new key beside the old one, [`Journal::finish`]
//! puts it into the old one's place, [`Journal::prune`] drops the old one. Each
//! is one update of the Secret as it was read, so that two people cannot rotate
//! past each other; what kb does not know of in the Secret stays.

#[cfg(test)]
use super::KeysError;
use super::retired::Retired;
use super::{
    CURRENT_ENTRY, ClusterKeys, ENTRY_ENDING, FetchError, NEXT_ENTRY, RETIRED_ENTRY, entry_text,
};
use crate::core::cluster::{Cluster, ClusterError, Mode, SecretName, StoredSecret};
use crate::core::identity::Identity;

/// How often an update is tried that someone else was faster with, or whose
/// answer got lost.
const TRIES: u32 = 5;

/// A cluster's Secret as it was when it was read.
pub struct Journal {
    /// Where it is.
    pub secret: SecretName,
    /// Its keys.
    pub keys: ClusterKeys,
    stored: StoredSecret,
}

/// Whose key a rotation goes on with.
pub enum Begun {
    /// This run's own.
    Own,
    /// That of someone who was faster.
    Joined(Identity),
}

/// Why the Secret was not changed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The API server.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Reading the Secret again.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It is gone.
    #[error("the Secret {secret} is gone: someone else has deleted it")]
    Vanished {
        /// The Secret.
        secret: SecretName,
    },
    /// Its keys are others than those that were read.
    #[error("the keys in the Secret {secret} were changed by someone else meanwhile")]
    Overtaken {
        /// The Secret.
        secret: SecretName,
    },
    /// Someone else changed it each time.
    #[error("the Secret {secret} is changed by someone else all the time")]
    Busy {
        /// The Secret.
        secret: SecretName,
    },
}

impl Journal {
    /// Reads the Secret; `None` if there is none.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub fn read(cluster: &Cluster, secret: &SecretName) -> Result<Option<Self>, FetchError> {
        let Some(stored) = cluster.secret(secret)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            secret: secret.clone(),
            keys: ClusterKeys::read(secret, &stored)?,
            stored,
        }))
    }

    /// A Secret that was read elsewhere, for the tests of what goes by one.
    #[cfg(test)]
    pub(crate) fn of(secret: SecretName, stored: StoredSecret) -> Result<Self, KeysError> {
        Ok(Self {
            keys: ClusterKeys::read(&secret, &stored)?,
            secret,
            stored,
        })
    }

    /// The Secret itself.
    pub fn stored(&self) -> &StoredSecret {
        &self.stored
    }

    /// Puts the new key beside those in use. Where someone else was faster, their
    /// key is the one to go on with.
    ///
    /// # Errors
    /// [`JournalError`]. After a [`ClusterError`] for which
    /// [`ClusterError::leaves_open`] says so, the key may be there.
    pub fn begin(
        &mut self,
        cluster: &Cluster,
        new: &Identity,
        mode: Mode,
    ) -> Result<Begun, JournalError> {
        for _ in 0..TRIES {
            if let Some(next) = self.keys.next().first() {
                return Ok(match next.recipient() == new.recipient() {
                    true => Begun::Own,
                    false => Begun::Joined(next.clone()),
                });
            }
            let mut changed = self.stored.clone();
            changed.set(NEXT_ENTRY, Some(&entry_text(new)));
            let planned = self.stored.clone();
            if self.update(cluster, &changed, mode)? {
                return Ok(Begun::Own);
            }
            if self.keys.next().is_empty() && !self.holds_keys_of(&planned) {
                return Err(self.overtaken());
            }
        }
        Err(self.busy())
    }

    /// Puts the new key into the place of those in use, and those with the retired
    /// ones. Does nothing where someone else has done so.
    ///
    /// # Errors
    /// [`JournalError`]; the new key stays where it was.
    pub fn finish(&mut self, cluster: &Cluster, new: &Identity) -> Result<(), JournalError> {
        for _ in 0..TRIES {
            if self.is_finished(new) {
                return Ok(());
            }
            let changed = self.promoted(new);
            if self.update(cluster, &changed, Mode::Persist)? {
                return Ok(());
            }
        }
        match self.is_finished(new) {
            true => Ok(()),
            false => Err(self.busy()),
        }
    }

    /// Tries the update of [`Self::finish`].
    ///
    /// # Errors
    /// [`JournalError`]
    pub fn try_to_finish(&mut self, cluster: &Cluster, new: &Identity) -> Result<(), JournalError> {
        let changed = self.promoted(new);
        self.update(cluster, &changed, Mode::DryRun).map(|_| ())
    }

    /// Takes the retired keys out.
    ///
    /// # Errors
    /// [`JournalError`]
    pub fn prune(&mut self, cluster: &Cluster, mode: Mode) -> Result<(), JournalError> {
        for _ in 0..TRIES {
            let planned = self.stored.clone();
            if self.stored.entry(RETIRED_ENTRY).is_none() {
                return Ok(());
            }
            let mut changed = self.stored.clone();
            changed.set(RETIRED_ENTRY, None);
            if self.update(cluster, &changed, mode)? {
                return Ok(());
            }
            if self.stored.entry(RETIRED_ENTRY).is_some() && !self.holds_keys_of(&planned) {
                return Err(self.overtaken());
            }
        }
        Err(self.busy())
    }

    /// Whether there is an entry of retired keys, be they in use as well.
    pub fn has_retired_entry(&self) -> bool {
        self.stored.entry(RETIRED_ENTRY).is_some()
    }

    /// Carries an update out. If someone else was faster, or it is not known
    /// whether it was carried out, the Secret is read again, and the answer is
    /// `false`.
    fn update(
        &mut self,
        cluster: &Cluster,
        changed: &StoredSecret,
        mode: Mode,
    ) -> Result<bool, JournalError> {
        match cluster.update_secret(&self.secret, changed, mode) {
            Ok(stored) => {
                if mode == Mode::Persist {
                    self.keys =
                        ClusterKeys::read(&self.secret, &stored).map_err(FetchError::Keys)?;
                    self.stored = stored;
                }
                Ok(true)
            }
            Err(ClusterError::Conflict { .. }) => self.read_again(cluster).map(|()| false),
            Err(error) if error.leaves_open() => match self.read_again(cluster) {
                Ok(()) => Ok(false),
                Err(_) => Err(error.into()),
            },
            Err(ClusterError::NotFound { .. }) => Err(JournalError::Vanished {
                secret: self.secret.clone(),
            }),
            Err(error) => Err(error.into()),
        }
    }

    fn read_again(&mut self, cluster: &Cluster) -> Result<(), JournalError> {
        let read = Self::read(cluster, &self.secret)?;
        *self = read.ok_or_else(|| JournalError::Vanished {
            secret: self.secret.clone(),
        })?;
        Ok(())
    }

    /// Whether the entries that Flux reads are those of another time.
    fn holds_keys_of(&self, other: &StoredSecret) -> bool {
        let is_read = |(name, _): &(&str, &[u8])| name.ends_with(ENTRY_ENDING);
        let here = self.stored.data().filter(is_read);
        here.eq(other.data().filter(is_read))
    }

    fn is_finished(&self, new: &Identity) -> bool {
        let mut current = self.keys.current().iter();
        let is_new = |identity: &Identity| identity.recipient() == new.recipient();
        self.keys.next().is_empty() && current.any(is_new)
    }

    /// The Secret with the new key in the place of those in use. No key is lost,
    /// wherever it stood.
    fn promoted(&self, new: &Identity) -> StoredSecret {
        let mut changed = self.stored.clone();
        let mut retired = Retired::new(new);
        for entry in self.keys.entries_in_use() {
            retired.add(self.stored.entry(entry));
            changed.set(entry, None);
        }
        for entry in [NEXT_ENTRY, RETIRED_ENTRY] {
            retired.add(self.stored.entry(entry));
            changed.set(entry, None);
        }
        changed.set(CURRENT_ENTRY, Some(&entry_text(new)));
        changed.set(RETIRED_ENTRY, retired.text().as_ref());
        changed
    }

    fn overtaken(&self) -> JournalError {
        JournalError::Overtaken {
            secret: self.secret.clone(),
        }
    }

    fn busy(&self) -> JournalError {
        JournalError::Busy {
            secret: self.secret.clone(),
        }
    }
}
