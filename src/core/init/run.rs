//! Carries a plan out.

use super::plan::{in_line_soon, same_key};
use super::{ChangePlan, InitError, InitOutcome, NewSecret};
use crate::core::cluster::{Cluster, ClusterError, Created, Mode};
use crate::core::flux_secret::{self, KeySecret};
use crate::core::replace;

/// How often the loser of a race looks whether the winner has written
/// `.sops.yaml`.
const LOOKS_AFTER_A_RACE: u32 = 10;

/// What became of the Secret.
enum SecretChange {
    /// It was there, and stays whatever happens.
    Found,
    /// This run has made it; its uid.
    Made(String),
    /// Someone else was faster.
    Lost,
}

impl ChangePlan {
    /// Creates the Secret, then puts the recipient into `.sops.yaml`. The new
    /// `.sops.yaml` is on disk, beside the old one, before the Secret is made.
    ///
    /// # Errors
    /// See [`InitError`].
    pub fn execute(self, cluster: &Cluster) -> Result<InitOutcome, InitError> {
        let config = &self.config;
        let before = config.exists.then_some(config.text.as_bytes());
        let staged = match &self.config_change {
            Some(change) => {
                let text = change.after.text.as_bytes();
                Some(replace::stage(&config.path, before, text)?)
            }
            None => None,
        };
        let secret = match &self.new_secret {
            Some(new) => self.create(cluster, new)?,
            None => SecretChange::Found,
        };
        if matches!(secret, SecretChange::Lost) {
            drop(staged);
            return self.lost_race(cluster);
        }
        if let Some(Err(write)) = staged.map(replace::StagedFile::commit) {
            return Err(self.take_back(cluster, &secret, write));
        }
        let generated = self.new_secret.filter(|new| new.generated);
        Ok(InitOutcome::Done {
            generated: generated.map(|new| new.identity),
        })
    }

    fn create(&self, cluster: &Cluster, new: &NewSecret) -> Result<SecretChange, InitError> {
        if new.new_namespace {
            cluster.create_namespace(&self.secret.namespace, Mode::Persist)?;
        }
        match flux_secret::create(cluster, &self.secret, &new.identity, Mode::Persist) {
            Ok(Created::New { uid }) => Ok(SecretChange::Made(uid)),
            Ok(Created::AlreadyThere) if new.generated => Ok(SecretChange::Lost),
            // Someone else imports at the same time: it may be the same key.
            Ok(Created::AlreadyThere) => {
                let keys = flux_secret::fetch(cluster, &self.secret)?;
                let keys = keys.ok_or_else(|| self.vanished())?;
                same_key(&self.secret, &keys, &self.recipient)?;
                Ok(SecretChange::Found)
            }
            Err(error) if error.leaves_open() => self.look_for_own(cluster, error),
            Err(error) => Err(error.into()),
        }
    }

    /// The server did not say whether it created the Secret: looks whether this
    /// very key is there.
    fn look_for_own(
        &self,
        cluster: &Cluster,
        error: ClusterError,
    ) -> Result<SecretChange, InitError> {
        let read = KeySecret::read(cluster, &self.secret);
        let own = |there: &KeySecret| there.keys.recipients().contains(&self.recipient);
        match read {
            Ok(Some(there)) if own(&there) => {
                Ok(SecretChange::Made(there.stored().uid().to_owned()))
            }
            _ => Err(InitError::Uncertain {
                secret: self.secret.clone(),
                source: Box::new(error),
            }),
        }
    }

    /// Someone else has created the Secret: it is as if it had been there. The
    /// winner may be about to write the same `.sops.yaml`.
    fn lost_race(&self, cluster: &Cluster) -> Result<InitOutcome, InitError> {
        let keys = flux_secret::fetch(cluster, &self.secret)?;
        let keys = keys.ok_or_else(|| self.vanished())?;
        let looks = LOOKS_AFTER_A_RACE;
        in_line_soon(&self.secret, &self.config, &keys, &self.target, looks)
            .map(InitOutcome::InLine)
    }

    fn vanished(&self) -> InitError {
        InitError::Vanished {
            secret: self.secret.clone(),
        }
    }

    /// `.sops.yaml` was not written: the Secret goes again, if this run made it.
    fn take_back(
        &self,
        cluster: &Cluster,
        secret: &SecretChange,
        write: replace::ReplaceError,
    ) -> InitError {
        let SecretChange::Made(uid) = secret else {
            return write.into();
        };
        let secret = self.secret.clone();
        match cluster.delete_secret(&secret, uid) {
            Ok(()) => InitError::TakenBack {
                secret,
                config_path: self.config.path.clone(),
                source: write,
            },
            Err(cleanup) => InitError::LeftBehind {
                secret,
                write,
                cleanup: Box::new(cleanup),
            },
        }
    }
}
