//! The Secret as the journal of a rotation.
//!
//! [`KeySecret::begin`] puts the new key beside the old one, [`KeySecret::finish`]
//! puts it into the old one's place, [`KeySecret::prune`] drops the old one, and
//! [`KeySecret::restore`] puts it back. Each
//! is one update of the Secret as it was read, so that two people cannot rotate
//! past each other; what kb does not know of in the Secret stays.

use std::cell::Cell;

#[cfg(test)]
use super::KeysError;
use secrecy::ExposeSecret;

use super::retired::Retired;
use super::{
    CURRENT_ENTRY, ClusterKeys, ENTRY_ENDING, FetchError, NEXT_ENTRY, RETIRED_ENTRY, entry_text,
};
use crate::core::cluster::{Cluster, ClusterError, Mode, SecretName, StoredSecret};
use crate::core::identity::{Identity, Recipient};

/// How often an update is tried that someone else was faster with, or whose
/// answer got lost.
const TRIES: u32 = 5;

/// A cluster's Secret as it was when it was read.
pub struct KeySecret {
    /// Where it is.
    pub secret: SecretName,
    /// Its keys.
    pub keys: ClusterKeys,
    stored: StoredSecret,
    /// The recipients in use when a rotation was begun.
    begun_with: Option<Vec<Recipient>>,
}

/// Whose key a rotation goes on with.
pub enum BeginOutcome {
    /// This run's own.
    Own,
    /// That of someone who was faster.
    Joined(Identity),
}

/// Which lines of the entry of retired keys go.
#[derive(Default)]
pub struct Dropped {
    /// These keys.
    pub keys: Vec<Identity>,
    /// The lines that are no keys.
    pub bad_lines: bool,
}

/// What became of an update.
enum Updated {
    /// It is done.
    Done,
    /// Someone else was faster, or the answer got lost: here it is. The Secret was
    /// read again.
    Again {
        keys: EntryKeys,
        answer: Option<ClusterError>,
    },
}

/// Whether the keys in a Secret that was read again are those of before, apart from
/// a key that a rotation has added.
#[derive(PartialEq, Eq)]
enum EntryKeys {
    Same,
    Changed,
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

impl KeySecret {
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
            begun_with: None,
        }))
    }

    /// A Secret that was read elsewhere, for the tests of what goes by one.
    #[cfg(test)]
    pub(crate) fn of(secret: SecretName, stored: StoredSecret) -> Result<Self, KeysError> {
        Ok(Self {
            keys: ClusterKeys::read(&secret, &stored)?,
            secret,
            stored,
            begun_with: None,
        })
    }

    /// The Secret itself.
    pub fn stored(&self) -> &StoredSecret {
        &self.stored
    }

    /// Puts the new key beside those in use. Where someone else was faster, their
    /// key is the one to go on with. If there is one already, the server confirms
    /// that it still is: the Secret was read some time ago.
    ///
    /// # Errors
    /// [`JournalError::Overtaken`] if keys were changed otherwise since the Secret was
    /// read. The key is not there then, and with [`JournalError::Busy`]; after a
    /// [`ClusterError`] for which [`ClusterError::leaves_open`] says so, it may be.
    pub fn begin(
        &mut self,
        cluster: &Cluster,
        new: &Identity,
        mode: Mode,
    ) -> Result<BeginOutcome, JournalError> {
        let mut lost = None;
        for _ in 0..TRIES {
            let mut changed = self.stored.clone();
            if self.keys.next().is_empty() {
                changed.set(NEXT_ENTRY, Some(&entry_text(new)));
            }
            match self.update(cluster, &changed, mode)? {
                Updated::Done => return Ok(self.begun(new)),
                Updated::Again { keys, answer } => {
                    lost = answer;
                    if keys == EntryKeys::Changed {
                        return Err(self.overtaken());
                    }
                }
            }
        }
        match self.keys.next() {
            [] => Err(self.given_up(lost)),
            _ => Ok(self.begun(new)),
        }
    }

    /// Whose key is the next one. In a trial it is not there.
    fn begun(&mut self, new: &Identity) -> BeginOutcome {
        self.begun_with = Some(self.recipients_in_use());
        let theirs = self.keys.next().first();
        let theirs = theirs.filter(|next| next.recipient() != new.recipient());
        theirs.map_or(BeginOutcome::Own, |theirs| {
            BeginOutcome::Joined(theirs.clone())
        })
    }

    /// Puts the new key into the place of those in use, and those with the retired
    /// ones. Does nothing where someone else has done so.
    ///
    /// # Errors
    /// [`JournalError::Overtaken`] if someone else has begun another rotation since,
    /// or finished one, or put other keys there. The new key is among the retired
    /// ones then, for the files that are for it. Else as [`Self::begin`].
    pub fn finish(&mut self, cluster: &Cluster, new: &Identity) -> Result<(), JournalError> {
        let mut lost = None;
        for _ in 0..TRIES {
            if self.is_finished(new) {
                return Ok(());
            }
            let is_past = self.is_past(new);
            if is_past && has(self.keys.identities(), new) {
                return Err(self.overtaken());
            }
            let changed = match is_past {
                true => self.with_retired(std::slice::from_ref(new)),
                false => self.promoted(new),
            };
            match self.update(cluster, &changed, Mode::Persist)? {
                Updated::Done if is_past => return Err(self.overtaken()),
                Updated::Done => return Ok(()),
                Updated::Again { answer, .. } => lost = answer,
            }
        }
        match self.is_finished(new) {
            true => Ok(()),
            false => Err(self.given_up(lost)),
        }
    }

    /// Tries the update of [`Self::finish`].
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn try_to_finish(&mut self, cluster: &Cluster, new: &Identity) -> Result<(), JournalError> {
        let mut lost = None;
        for _ in 0..TRIES {
            let changed = self.promoted(new);
            match self.update(cluster, &changed, Mode::DryRun)? {
                Updated::Done => return Ok(()),
                Updated::Again {
                    keys: EntryKeys::Same,
                    answer,
                } => lost = answer,
                Updated::Again { .. } => return Err(self.overtaken()),
            }
        }
        Err(self.given_up(lost))
    }

    /// Drops retired keys, and lines that repeat a key which is in use.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn prune(
        &mut self,
        cluster: &Cluster,
        dropped: &Dropped,
        mode: Mode,
    ) -> Result<(), JournalError> {
        let mut lost = None;
        for _ in 0..TRIES {
            let Some(changed) = self.without(dropped) else {
                return Ok(());
            };
            match self.update(cluster, &changed, mode)? {
                Updated::Done => return Ok(()),
                Updated::Again {
                    keys: EntryKeys::Same,
                    answer,
                } if self.keys.next().is_empty() => lost = answer,
                Updated::Again { .. } if self.without(dropped).is_none() => return Ok(()),
                Updated::Again { .. } => return Err(self.overtaken()),
            }
        }
        Err(self.given_up(lost))
    }

    /// The Secret without the dropped lines; `None` if it has none of them.
    fn without(&self, dropped: &Dropped) -> Option<StoredSecret> {
        let active: Vec<&Identity> = self.keys.active().collect();
        let has_gone = Cell::new(false);
        let is_left_out = |line: &str| {
            let gone = match line.parse::<Identity>() {
                Ok(key) => has(active.iter().copied(), &key) || has(&dropped.keys, &key),
                Err(_) => dropped.bad_lines,
            };
            has_gone.set(has_gone.get() || gone);
            gone
        };
        let mut kept = Retired::but(is_left_out);
        kept.add(self.stored.entry(RETIRED_ENTRY));
        let text = kept.text();
        // An entry with nothing in it goes as well.
        let is_empty = text.is_none() && self.has_retired_entry();
        if !has_gone.get() && !is_empty {
            return None;
        }
        let mut changed = self.stored.clone();
        changed.set(RETIRED_ENTRY, text.as_ref());
        Some(changed)
    }

    /// Puts keys back among the retired ones. Nothing else is changed.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn restore(
        &mut self,
        cluster: &Cluster,
        keys: &[Identity],
        mode: Mode,
    ) -> Result<(), JournalError> {
        let mut lost = None;
        for _ in 0..TRIES {
            match self.update(cluster, &self.with_retired(keys), mode)? {
                Updated::Done => return Ok(()),
                Updated::Again {
                    keys: EntryKeys::Same,
                    answer,
                } => lost = answer,
                Updated::Again { .. } if keys.iter().all(|key| self.holds(key)) => return Ok(()),
                Updated::Again { .. } => return Err(self.overtaken()),
            }
        }
        Err(self.given_up(lost))
    }

    /// Whether the Secret holds this key, wherever.
    pub fn holds(&self, key: &Identity) -> bool {
        has(self.keys.identities(), key)
    }

    /// Whether there is an entry of retired keys, be they in use as well.
    pub fn has_retired_entry(&self) -> bool {
        self.stored.entry(RETIRED_ENTRY).is_some()
    }

    /// Carries an update out. If someone else was faster, or it is not known
    /// whether it was carried out, the Secret is read again.
    fn update(
        &mut self,
        cluster: &Cluster,
        changed: &StoredSecret,
        mode: Mode,
    ) -> Result<Updated, JournalError> {
        let before = self.stored.clone();
        let answer = match cluster.update_secret(&self.secret, changed, mode) {
            Ok(stored) => {
                if mode == Mode::Persist {
                    let keys = ClusterKeys::read(&self.secret, &stored);
                    self.keys = keys.map_err(FetchError::Keys)?;
                    self.stored = stored;
                }
                return Ok(Updated::Done);
            }
            Err(ClusterError::NotFound { .. }) => return Err(self.vanished()),
            Err(ClusterError::Conflict { .. }) => {
                self.read_again(cluster)?;
                None
            }
            Err(error) if error.leaves_open() => match self.read_again(cluster) {
                Ok(()) => Some(error),
                Err(_) => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        };
        let keys = match same_keys(&before, &self.stored) {
            true => EntryKeys::Same,
            false => EntryKeys::Changed,
        };
        Ok(Updated::Again { keys, answer })
    }

    fn read_again(&mut self, cluster: &Cluster) -> Result<(), JournalError> {
        let read = Self::read(cluster, &self.secret)?;
        let begun_with = self.begun_with.take();
        *self = read.ok_or_else(|| self.vanished())?;
        self.begun_with = begun_with;
        Ok(())
    }

    fn vanished(&self) -> JournalError {
        JournalError::Vanished {
            secret: self.secret.clone(),
        }
    }

    fn is_finished(&self, new: &Identity) -> bool {
        self.keys.next().is_empty() && has(self.keys.current(), new)
    }

    /// Whether something has come after the rotation to this key: another one is
    /// under way, or other keys are in use than when it was begun.
    fn is_past(&self, new: &Identity) -> bool {
        let begun_with = self.begun_with.as_ref();
        match self.keys.next() {
            [] => begun_with.is_some_and(|before| *before != self.recipients_in_use()),
            [next, ..] => next.recipient() != new.recipient(),
        }
    }

    fn recipients_in_use(&self) -> Vec<Recipient> {
        let in_use = self.keys.in_use();
        in_use
            .filter_map(|identity| identity.recipient().cloned())
            .collect()
    }

    /// The Secret with these keys among the retired ones.
    fn with_retired(&self, keys: &[Identity]) -> StoredSecret {
        let mut changed = self.stored.clone();
        let mut retired = Retired::all();
        retired.add(self.stored.entry(RETIRED_ENTRY));
        for key in keys {
            retired.add(Some(entry_text(key).expose_secret().as_bytes()));
        }
        changed.set(RETIRED_ENTRY, retired.text().as_ref());
        changed
    }

    /// The Secret with the new key in the place of those in use. No key is lost,
    /// wherever it stood.
    fn promoted(&self, new: &Identity) -> StoredSecret {
        let mut changed = self.stored.clone();
        let mut retired = Retired::without(new);
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

    /// After so many tries: the answer that got lost, or who else changes it.
    fn given_up(&self, lost: Option<ClusterError>) -> JournalError {
        lost.map_or_else(
            || JournalError::Busy {
                secret: self.secret.clone(),
            },
            JournalError::Cluster,
        )
    }
}

fn has<'i>(identities: impl IntoIterator<Item = &'i Identity>, wanted: &Identity) -> bool {
    let mut identities = identities.into_iter();
    identities.any(|identity| identity.is_same(wanted))
}

/// See [`EntryKeys::Same`].
fn same_keys(before: &StoredSecret, now: &StoredSecret) -> bool {
    let is_kept = |(name, _): &(&str, &[u8])| name.ends_with(ENTRY_ENDING) && *name != NEXT_ENTRY;
    let next = before.entry(NEXT_ENTRY);
    before.data().filter(is_kept).eq(now.data().filter(is_kept))
        && (next.is_none() || next == now.entry(NEXT_ENTRY))
}
