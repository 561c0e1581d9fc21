//! Re-encrypts files into memory, on all cores, and checks each result.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::engine::{By, Encrypted, How, Made};
use super::look::{ConfigEdit, Targets};
use super::{FileTrouble, Move, ReencryptError, Stage, Why};
use crate::core::identity::Recipient;
use crate::core::native::Verified;
use crate::core::parallel;
use crate::core::sops_file::{self, Format, Metadata};

/// The results, in memory.
pub struct Ready {
    /// The files, in the order in which they were found.
    pub(super) files: Vec<Reencrypted>,
    pub(super) configs: Vec<ConfigEdit>,
    /// What could not be read when they were looked for.
    pub(super) unread: Vec<PathBuf>,
}

/// A file before and after.
pub(super) struct Reencrypted {
    pub(super) path: PathBuf,
    pub(super) before: Vec<u8>,
    pub(super) after: Vec<u8>,
    /// Who re-encrypted it.
    pub(super) by: By,
}

impl Ready {
    /// Who re-encrypted each file.
    pub fn made_by(&self) -> impl Iterator<Item = (&Path, By)> {
        self.files.iter().map(|file| (&*file.path, file.by))
    }
}

impl Move<'_> {
    /// Re-encrypts the files into memory.
    ///
    /// # Errors
    /// [`ReencryptError::Files`] names all that cannot be moved;
    /// [`ReencryptError::Stopped`].
    pub fn prepare(&self, found: Targets) -> Result<Ready, ReencryptError> {
        self.reencrypt_all(found, false)
    }

    /// As [`Self::prepare`], when there is no way back.
    pub(super) fn prepare_undisturbed(&self, found: Targets) -> Result<Ready, ReencryptError> {
        self.reencrypt_all(found, true)
    }

    fn reencrypt_all(&self, found: Targets, undisturbed: bool) -> Result<Ready, ReencryptError> {
        let Targets {
            files,
            configs,
            unread,
        } = found;
        let stop = || !undisturbed && self.observer.asked_to_stop();
        let how = How {
            ignore_mac: self.ignore_mac,
            undisturbed,
        };
        let done = AtomicUsize::new(0);
        let results = parallel::map(&files, |file| {
            if stop() {
                return Ok(None);
            }
            let result = self.reencrypt(&file.path, how);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            self.observer
                .progress(Stage::Reencrypting, done, files.len());
            result
        });
        if stop() {
            return Err(ReencryptError::Stopped);
        }
        let mut ready = Vec::with_capacity(files.len());
        let mut troubles = Vec::new();
        for (file, result) in files.into_iter().zip(results) {
            match result {
                Ok(file) => ready.extend(file),
                Err(why) => troubles.push(FileTrouble {
                    path: file.path,
                    why,
                }),
            }
        }
        match troubles.is_empty() {
            true => Ok(Ready {
                files: ready,
                configs,
                unread,
            }),
            false => Err(ReencryptError::Files(troubles)),
        }
    }

    /// One file, or `None` if it is for no old recipient any more.
    fn reencrypt(&self, path: &Path, how: How) -> Result<Option<Reencrypted>, Why> {
        let before = sops_file::read(path)?;
        let metadata = Metadata::parse(path, &before)?;
        let is_old = |key: &Recipient| self.swap.old.contains(key);
        if !metadata.recipients.iter().any(is_old) {
            return Ok(None);
        }
        let count = |key| {
            metadata
                .recipients
                .iter()
                .filter(|found| *found == key)
                .count()
        };
        if self.swap.old.iter().any(|key| count(key) > 1) {
            return Err(Why::Doubled);
        }
        let file = Encrypted {
            path,
            content: &before,
            metadata: &metadata,
        };
        let made = self.engine.reencrypt(&file, &self.swap, how)?;
        self.check(&file, &made)?;
        let (after, by) = (made.content, made.by);
        Ok(Some(Reencrypted {
            path: path.to_owned(),
            before,
            after,
            by,
        }))
    }

    /// Checks that the new key opens the result, that the old ones do not, that its
    /// data key is new, that no other age recipient was lost or added, and, where kb
    /// made it, that it holds the same values.
    fn check(&self, file: &Encrypted<'_>, made: &Made<'_>) -> Result<(), Why> {
        let before = file.metadata;
        let after = Metadata::parse(file.path, &made.content)?;
        let stay = before.recipients.iter();
        let stay = stay.filter(|key| !self.swap.old.contains(key));
        let mut expected: Vec<&Recipient> = stay.collect();
        if !expected.contains(&&self.swap.new) {
            expected.push(&self.swap.new);
        }
        let mut found: Vec<&Recipient> = after.recipients.iter().collect();
        expected.sort();
        found.sort();
        if found != expected || after.other_keys != before.other_keys || after.is_split {
            return Err(Why::OtherRecipients);
        }
        let same_key = match &made.before {
            Some((values, old_key)) => {
                let format = Format::of(file.path);
                let key = |wrapped: &[&str]| self.new_opener.open_any(wrapped);
                let opened = Verified::open(format, &made.content, key);
                let (new_values, new_key) = opened.map_err(|_| Why::NotForNew)?;
                if !values.holds_the_same(&new_values) {
                    return Err(Why::OtherValues);
                }
                new_key == *old_key
            }
            None => {
                let new_key = self.new_opener.open_any(&after.wrapped_keys);
                let new_key = new_key.ok_or(Why::NotForNew)?;
                // Who had the old key had this one as well.
                self.old_opener.open_any(&before.wrapped_keys) == Some(new_key)
            }
        };
        if self.old_opener.open_any(&after.wrapped_keys).is_some() {
            return Err(Why::StillForOld);
        }
        match same_key {
            true => Err(Why::SameDataKey),
            false => Ok(()),
        }
    }
}
