//! Carries a rotation out.

use std::path::Path;

use super::plan::RotationPlan;
use super::{BadKeys, Refusal, RotateError, RotateRequest};
use crate::core::cluster::{Cluster, Mode};
use crate::core::flux_secret::{BeginOutcome, JournalError, KeySecret};
use crate::core::identity::{Identity, Recipient};
use crate::core::reencrypt::{
    EngineChoice, EngineKind, FailedFile, Move, Observer, Ready, ReencryptError, Replaced,
    StagedResults, Swap,
};
use crate::core::replace;

/// What a rotation works with.
#[derive(Clone, Copy)]
pub struct Rotation<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// What re-encrypts.
    pub engine: EngineChoice<'a>,
    /// What is asked for.
    pub request: &'a RotateRequest,
    /// Who watches.
    pub observer: &'a dyn Observer,
}

/// A point that a rotation has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// All results are in memory.
    Prepared,
    /// They lie beside their files.
    Staged,
    /// The new key is in the cluster, beside the old one.
    Begun,
    /// Files and rules are replaced.
    Replaced,
}

/// All files, re-encrypted in memory. Nothing has changed.
pub struct Prepared {
    plan: RotationPlan,
    ready: Ready,
}

/// A rotation that is finished.
pub struct Done {
    /// What was replaced.
    pub replaced: Replaced,
    /// Whether the rotation was under way, so that the key is another run's.
    pub joined: bool,
    /// Whether the new key was imported, so that it was not shown.
    pub imported: bool,
    /// The recipient of the new key.
    pub recipient: Recipient,
}

/// A rotation that has replaced everything, and waits for the key to be shown.
#[must_use]
pub struct Unfinished {
    journal: KeySecret,
    copies: Vec<KeySecret>,
    new: Identity,
    /// What is to be said when it is finished.
    done: Done,
}

impl RotationPlan {
    /// Has the server try the very requests.
    ///
    /// # Errors
    /// [`RotateError::Journal`]
    pub fn try_out(&mut self, cluster: &Cluster) -> Result<(), RotateError> {
        for journal in [&mut self.journal].into_iter().chain(&mut self.copies) {
            journal.begin(cluster, &self.keys.new, Mode::DryRun)?;
            journal.try_to_finish(cluster, &self.keys.new)?;
        }
        Ok(())
    }
}

impl Rotation<'_> {
    /// Re-encrypts all files into memory, and checks the results.
    ///
    /// # Errors
    /// [`RotateError::Reencrypt`], [`RotateError::Stopped`]
    pub fn prepare(&self, mut plan: RotationPlan) -> Result<Prepared, RotateError> {
        let found = plan.targets.take_parsed();
        let ready = self.with_move(
            &plan.journal,
            &plan.keys.new,
            plan.keys.swap.clone(),
            |task| task.prepare(found),
        );
        let mut ready = ready.map_err(stopped)?;
        // Of a rotation that is under way, the files that can be moved may be done.
        if !plan.is_resumed() {
            ready = ready.check_engine()?;
        }
        Ok(Prepared { plan, ready })
    }

    fn with_move<T>(
        &self,
        journal: &KeySecret,
        new: &Identity,
        swap: Swap,
        work: impl FnOnce(&Move<'_>) -> T,
    ) -> T {
        let keys = &journal.keys;
        let engine = self.engine.engine(keys, new);
        let old = keys.of_recipients(&swap.old);
        let job = self.request.job(swap, keys.recipients());
        let mut task = Move::new(job, &old, new, &*engine, self.observer);
        task.ignore_mac = self.request.ignore_mac;
        work(&task)
    }

    /// Puts the new key into the cluster, then the results into place. `reached`
    /// is called at each point.
    ///
    /// # Errors
    /// [`RotateError`]; after [`RotateError::Interrupted`] the next run goes on
    /// with the same key.
    pub fn commit(
        &self,
        prepared: Prepared,
        reached: &dyn Fn(Point),
    ) -> Result<Unfinished, RotateError> {
        let Prepared { plan, ready } = prepared;
        let RotationPlan {
            keys,
            mut journal,
            mut copies,
            temporary,
            targets: planned,
            ..
        } = plan;
        reached(Point::Prepared);
        replace::clear_strays(&temporary);
        let mut staged = ready.stage()?;
        reached(Point::Staged);
        if self.observer.asked_to_stop() {
            return Err(RotateError::Stopped);
        }
        let mut new = keys.new.clone();
        let mut swap = keys.swap;
        let begun = journal.begin(self.cluster, &new, Mode::Persist);
        let mut joined = keys.resumed;
        if let BeginOutcome::Joined(theirs) = begun.map_err(|error| uncertain(error, &journal))? {
            // Someone was faster: what is staged is for a key that the cluster will
            // never have.
            drop(staged);
            if keys.imported {
                let theirs = theirs.recipient().cloned();
                return Err(Refusal::from(BadKeys::OtherUnderWay(theirs)).into());
            }
            joined = true;
            let forward = |error: ReencryptError| interrupted(error.into());
            let recipient = theirs.recipient().cloned();
            let recipient = recipient.ok_or(Refusal::from(BadKeys::NewUnknown))?;
            swap = Swap::new(swap.old, recipient);
            let job = self.request.job(swap.clone(), journal.keys.recipients());
            let found = job.find(None).map_err(forward)?;
            if !found.troubles.is_empty() {
                return Err(forward(ReencryptError::Files(found.troubles)));
            }
            let mut targets = found.targets();
            // As far as it could be read when it was planned.
            targets.unread = planned.unread;
            let again = self.with_move(&journal, &theirs, swap.clone(), |task| {
                task.prepare(targets)
            });
            staged = again.and_then(Ready::stage).map_err(forward)?;
            new = theirs;
        }
        reached(Point::Begun);
        let recipient = swap.new.clone();
        for copy in &mut copies {
            let begun = match copy.begin(self.cluster, &new, Mode::Persist) {
                Ok(BeginOutcome::Own) => Ok(()),
                Ok(BeginOutcome::Joined(_)) => Err(JournalError::Overtaken {
                    secret: copy.secret.clone(),
                }),
                Err(error) => Err(error),
            };
            begun.map_err(|source| {
                interrupted(RotateError::Copy {
                    secret: copy.secret.clone(),
                    source: Box::new(source),
                })
            })?;
        }
        let replaced = self.with_move(&journal, &new, swap, |task| {
            StagedResults::replace(staged, task)
        });
        let replaced = replaced.map_err(|error| interrupted(error.into()))?;
        reached(Point::Replaced);
        Ok(Unfinished {
            journal,
            copies,
            new,
            done: Done {
                replaced,
                joined,
                imported: keys.imported,
                recipient,
            },
        })
    }
}

impl Prepared {
    /// The plan.
    pub fn plan(&self) -> &RotationPlan {
        &self.plan
    }

    /// Who re-encrypted each file.
    pub fn made_by(&self) -> impl Iterator<Item = (&Path, EngineKind)> {
        self.ready.made_by()
    }

    /// The files that cannot be re-encrypted, beside those that the plan leaves.
    pub fn left(&self) -> &[FailedFile] {
        self.ready.left()
    }
}

impl Unfinished {
    /// The new key, to be shown; `None` if it was imported.
    pub fn new_key(&self) -> Option<&Identity> {
        (!self.done.imported).then_some(&self.new)
    }

    /// Makes the new key the current one; the Secret itself comes last.
    ///
    /// # Errors
    /// [`RotateError::NotPromoted`]
    pub fn finish(mut self, cluster: &Cluster) -> Result<Done, RotateError> {
        let secret = self.journal.secret.clone();
        let copies = self.copies.iter_mut().rev();
        for journal in copies.chain([&mut self.journal]) {
            journal
                .finish(cluster, &self.new)
                .map_err(|source| RotateError::NotPromoted {
                    is_copy: journal.secret != secret,
                    secret: journal.secret.clone(),
                    source: Box::new(source),
                })?;
        }
        Ok(self.done)
    }
}

fn interrupted(source: RotateError) -> RotateError {
    RotateError::Interrupted {
        source: Box::new(source),
    }
}

fn stopped(error: ReencryptError) -> RotateError {
    match error {
        ReencryptError::Stopped => RotateError::Stopped,
        error => error.into(),
    }
}

/// The server may have carried it out all the same.
fn uncertain(error: JournalError, journal: &KeySecret) -> RotateError {
    match error {
        JournalError::Cluster(source) if source.leaves_open() => RotateError::Uncertain {
            secret: journal.secret.clone(),
            source: Box::new(source),
        },
        error => error.into(),
    }
}
