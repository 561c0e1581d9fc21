//! Re-encrypts files into memory, on all cores, and checks each result.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::engine::{Before, By, Encrypted, How, Made};
use super::look::{ConfigEdit, Targets};
use super::{FileTrouble, Move, ReencryptError, Stage, Why};
use crate::core::identity::Recipient;
use crate::core::native::{NotNative, Outside, Tampered, Verified};
use crate::core::parallel;
use crate::core::replace::Replacement;
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
    pub(super) replacement: Replacement,
    /// Who re-encrypted it.
    pub(super) by: By,
}

impl Ready {
    /// Who re-encrypted each file.
    pub fn made_by(&self) -> impl Iterator<Item = (&Path, By)> {
        let files = self.files.iter();
        files.map(|file| (&*file.replacement.path, file.by))
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
        let file = Encrypted {
            path,
            content: &before,
        };
        let Some(made) = self.engine.reencrypt(file, &self.swap, how)? else {
            return Ok(None);
        };
        self.check(path, &made)?;
        let (after, by) = (made.content, made.by);
        let replacement = Replacement {
            path: path.to_owned(),
            before,
            after,
        };
        Ok(Some(Reencrypted { replacement, by }))
    }

    /// Checks that the new key opens the result, that the old ones do not, that its
    /// data key is new, that no other age recipient was lost or added, and, where kb
    /// made it, that it holds the same values; sops has seen to that by itself.
    fn check(&self, path: &Path, made: &Made<'_>) -> Result<(), Why> {
        match &made.before {
            Before::Verified(before, old_key) => {
                let format = Format::of(path);
                let opened = Verified::open(format, &made.content, &self.new_opener);
                let (after, new_key) = opened.map_err(|error| match error {
                    NotNative::Outside(Outside::NoKey) => Why::NotForNew,
                    _ => Why::OtherValues,
                })?;
                self.check_recipients(before.recipients(), after.recipients())?;
                if !before.holds_the_same(&after) {
                    return Err(Why::OtherValues);
                }
                // The old ones open nothing: for each recipient the data key was
                // encrypted anew by its name, and no old one is among the names.
                match new_key == *old_key {
                    true => Err(Why::SameDataKey),
                    false => Ok(()),
                }
            }
            Before::Metadata(before) => {
                let after = Metadata::parse(path, &made.content)?;
                let names = |metadata: &Metadata| metadata.recipients.clone();
                let (old, new) = (names(before), names(&after));
                let old = old.iter().map(Recipient::as_str);
                self.check_recipients(old, new.iter().map(Recipient::as_str))?;
                if after.other_keys != before.other_keys || after.is_split {
                    return Err(Why::OtherRecipients);
                }
                let new_key = self.new_opener.open_any(&after.wrapped_keys);
                let new_key = new_key.ok_or(Why::NotForNew)?;
                if matches!(made.by, By::Sops(Some(_))) && self.seals_ciphertext(path, made) {
                    return Err(Why::LostComment);
                }
                if self.old_opener.open_any(&after.wrapped_keys).is_some() {
                    return Err(Why::StillForOld);
                }
                // Who had the old data key had this one as well.
                match self.old_opener.open_any(&before.wrapped_keys) == Some(new_key) {
                    true => Err(Why::SameDataKey),
                    false => Ok(()),
                }
            }
        }
    }

    /// Whether sops has taken a comment that it could not open for plaintext: under the
    /// new data key nobody could open it any more.
    fn seals_ciphertext(&self, path: &Path, made: &Made<'_>) -> bool {
        match Verified::open(Format::of(path), &made.content, &self.new_opener) {
            Ok((after, _)) => after.has_comment_of_ciphertext(),
            Err(NotNative::Tampered(tampered)) => matches!(tampered, Tampered::Comment { .. }),
            Err(_) => false,
        }
    }

    fn check_recipients<'r>(
        &self,
        before: impl Iterator<Item = &'r str>,
        after: impl Iterator<Item = &'r str>,
    ) -> Result<(), Why> {
        let is_old = |name: &str| self.swap.old.iter().any(|old| old.as_str() == name);
        let mut expected: Vec<&str> = before.filter(|name| !is_old(name)).collect();
        let new = self.swap.new.as_str();
        if !expected.contains(&new) {
            expected.push(new);
        }
        let mut found: Vec<&str> = after.collect();
        expected.sort_unstable();
        found.sort_unstable();
        match found == expected {
            true => Ok(()),
            false => Err(Why::OtherRecipients),
        }
    }
}
