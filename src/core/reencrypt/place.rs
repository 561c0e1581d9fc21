//! Puts the results into place.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::engine::EngineKind;
use super::look::{Affected, ConfigEdit};
use super::prepare::Ready;
use super::{FailedFile, FileReencryptError, Move, ReencryptError, Stage};
use crate::core::replace::{self, Batch, ReplaceError};
use crate::core::scan::Written;

/// How often files that someone else changed meanwhile are done again.
const ROUNDS: usize = 8;

/// Results that wait beside their files, safe from a power cut. Dropping it
/// leaves everything as it was.
pub struct StagedResults {
    files: Batch,
    /// Who re-encrypted them.
    made_by: HashMap<PathBuf, EngineKind>,
    /// What is in them when they are in place.
    written: Written,
    configs: Vec<replace::StagedFile>,
    /// The files that could not be re-encrypted.
    failed: Vec<FailedFile>,
    /// What could not be read when they were looked for.
    unread: Vec<PathBuf>,
}

impl Ready {
    /// Writes the results beside their files.
    ///
    /// # Errors
    /// [`ReencryptError::Files`], [`ReencryptError::Replace`]
    pub fn stage(self) -> Result<StagedResults, ReencryptError> {
        let made_by = self.made_by();
        let made_by = made_by.map(|(path, by)| (path.to_owned(), by)).collect();
        let digests = self.files.iter();
        let written = digests.map(|file| (file.replacement.path.clone(), file.digest));
        let written = written.collect();
        let files = self.files.into_iter().map(|file| file.replacement);
        let files = Batch::stage(files.collect()).map_err(|failed| {
            let trouble = |(path, error)| FailedFile {
                path,
                why: FileReencryptError::Replace(error),
            };
            ReencryptError::Files(failed.into_iter().map(trouble).collect())
        })?;
        let stage = |edit: &ConfigEdit| {
            let (before, after) = (edit.before.text.as_bytes(), edit.after.text.as_bytes());
            replace::stage(&edit.before.path, Some(before), after)
        };
        let configs = self.configs.iter().map(stage).collect::<Result<_, _>>()?;
        files.sync()?;
        Ok(StagedResults {
            files,
            made_by,
            written,
            configs,
            failed: self.left,
            unread: self.unread,
        })
    }
}

impl StagedResults {
    /// Replaces the files, then the configs, and looks again until no file is left but
    /// those that nobody has decided about or that cannot be re-encrypted. A file that
    /// someone else has changed is done again before the configs; their change stays. From
    /// here on the way is forward only: an error leaves some files as they were and others
    /// moved.
    ///
    /// # Errors
    /// [`ReencryptError`]
    pub fn replace(self, task: &Move<'_>) -> Result<Replaced, ReencryptError> {
        let mut replaced = Replaced::default();
        let mut staged = self;
        let mut all_written = Written::new();
        for _ in 0..ROUNDS {
            let Self {
                files,
                made_by,
                written,
                configs,
                failed,
                unread,
            } = staged;
            let count = made_by.len();
            let done = commit_files(files, made_by, task)?;
            let is_whole = done.len() == count;
            replaced.count(done);
            all_written.extend(written);
            let find = || {
                let found = task.job.find_again(&all_written)?;
                Ok::<_, ReencryptError>(found.without(&failed))
            };
            let is_done = |left: &Affected| left.troubles.is_empty() && left.files.is_empty();
            // The configs wait for a file that someone else has changed.
            let found = if is_whole { None } else { Some(find()?) };
            let left = match found {
                Some(left) if !is_done(&left) => left,
                _ => {
                    replaced.configs += commit_configs(configs)?;
                    find()?
                }
            };
            if !left.troubles.is_empty() {
                return Err(ReencryptError::Files(left.troubles));
            }
            // A repository that was moved away has nothing left to find.
            let lost = left.unread.iter().filter(|path| !unread.contains(path));
            let lost: Vec<PathBuf> = lost.cloned().collect();
            if !lost.is_empty() {
                return Err(ReencryptError::Unread(lost));
            }
            if left.files.is_empty() && left.configs.is_empty() {
                replaced.left = left.left;
                replaced.left.extend(failed);
                return Ok(replaced);
            }
            staged = task.prepare_undisturbed(left.targets())?.stage()?;
            staged.failed.extend(failed);
        }
        let Affected { files, configs, .. } = task.job.find(None)?;
        let files = files.into_iter().map(|file| file.path);
        let configs = configs.into_iter().map(|edit| edit.before.path);
        Err(ReencryptError::Unsettled {
            old: task.job.swap.old.clone(),
            files: files.chain(configs).collect(),
        })
    }
}

/// Replaces the files; one that someone else has changed stays as it is. Returns
/// who re-encrypted those that were replaced.
fn commit_files(
    files: Batch,
    mut made_by: HashMap<PathBuf, EngineKind>,
    task: &Move<'_>,
) -> Result<Vec<EngineKind>, ReencryptError> {
    let (done, count) = (AtomicUsize::new(0), made_by.len());
    let failed = files.commit(|| {
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        task.observer.progress(Stage::Replacing, done, count);
    });
    let mut troubles = Vec::new();
    for (path, error) in failed {
        made_by.remove(&path);
        if !matches!(error, ReplaceError::Changed { .. }) {
            let why = FileReencryptError::Replace(error);
            troubles.push(FailedFile { path, why });
        }
    }
    match troubles.is_empty() {
        true => Ok(made_by.into_values().collect()),
        false => Err(ReencryptError::Files(troubles)),
    }
}

/// The same for configs.
fn commit_configs(configs: Vec<replace::StagedFile>) -> Result<usize, ReencryptError> {
    let mut replaced = 0;
    for config in configs {
        match config.commit() {
            Ok(()) => replaced += 1,
            Err(ReplaceError::Changed { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(replaced)
}

/// What was replaced.
#[derive(Debug, Default)]
pub struct Replaced {
    /// So many files.
    pub files: usize,
    /// So many of them by the sops program, the others by kb itself.
    pub by_sops: usize,
    /// So many `.sops.yaml` files.
    pub configs: usize,
    /// The files that stay as they were, and why.
    pub left: Vec<FailedFile>,
}

impl Replaced {
    fn count(&mut self, files: Vec<EngineKind>) {
        self.files += files.len();
        let by_sops = files.iter().filter(|by| matches!(by, EngineKind::Sops(_)));
        self.by_sops += by_sops.count();
    }
}
