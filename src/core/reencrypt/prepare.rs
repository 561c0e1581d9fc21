//! Re-encrypts files into memory, on all cores, and checks each result.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};

use super::engine::{Before, EngineKind, FileToReencrypt, How, Made};
use super::look::{AffectedFile, ConfigEdit, Parsed, Targets};
use super::{FailedFile, FileReencryptError, Move, ReencryptError, Stage};
use crate::core::encrypted::{self, EncryptedFile, OpenError, Tampered, Unsupported, Verified};
use crate::core::parallel;
use crate::core::replace::Replacement;

/// The results, in memory.
pub struct Ready {
    /// The files, in the order in which they were found.
    pub(super) files: Vec<Reencrypted>,
    pub(super) configs: Vec<ConfigEdit>,
    /// Files that cannot be re-encrypted, and stay as they are.
    pub(super) left: Vec<FailedFile>,
    /// What could not be read when they were looked for.
    pub(super) unread: Vec<PathBuf>,
}

/// A file before and after.
pub(super) struct Reencrypted {
    pub(super) replacement: Replacement,
    /// The SHA-256 of its new content.
    pub(super) digest: [u8; 32],
    /// Who re-encrypted it.
    pub(super) by: EngineKind,
}

impl Ready {
    /// Who re-encrypted each file.
    pub fn made_by(&self) -> impl Iterator<Item = (&Path, EngineKind)> {
        let files = self.files.iter();
        files.map(|file| (&*file.replacement.path, file.by))
    }

    /// Refuses results in which not one file could be re-encrypted and it may be the
    /// engine that is broken, not the files: a sops that does something else, for
    /// instance.
    ///
    /// # Errors
    /// [`ReencryptError::Files`]
    pub fn check_engine(self) -> Result<Self, ReencryptError> {
        let is_of_the_engine = self.left.iter().any(|left| left.why.is_of_the_engine());
        if self.files.is_empty() && is_of_the_engine {
            Err(ReencryptError::Files(self.left))
        } else {
            Ok(self)
        }
    }

    /// The files that cannot be re-encrypted, and why.
    pub fn left(&self) -> &[FailedFile] {
        &self.left
    }
}

impl Move<'_> {
    /// Re-encrypts the files into memory. Those that cannot be are left as they are.
    ///
    /// # Errors
    /// [`ReencryptError::Stopped`]
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
        let count = files.len();
        let results = parallel::map_owned(files, |mut file| {
            if stop() {
                return None;
            }
            let parsed = file.parsed.take();
            let result = self.reencrypt(&file, parsed, how);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            self.observer.progress(Stage::Reencrypting, done, count);
            Some((file.path, result))
        });
        if stop() {
            return Err(ReencryptError::Stopped);
        }
        let mut ready = Vec::with_capacity(count);
        let mut left = Vec::new();
        for (path, result) in results.into_iter().flatten() {
            match result {
                Ok(file) => ready.push(file),
                // Done again, or gone.
                Err(FileReencryptError::Changed) => {}
                Err(why) => left.push(FailedFile { path, why }),
            }
        }
        Ok(Ready {
            files: ready,
            configs,
            left,
            unread,
        })
    }

    fn reencrypt(
        &self,
        file: &AffectedFile,
        parsed: Option<Parsed>,
        how: How,
    ) -> Result<Reencrypted, FileReencryptError> {
        // Whether someone has changed it since, the replacement finds out.
        let parsed = parsed.and_then(|parsed| Arc::into_inner(parsed.0));
        let read = match parsed {
            Some(_) => Vec::new(),
            None => match encrypted::read(&file.path) {
                Err(encrypted::FileError::Missing { .. }) => {
                    return Err(FileReencryptError::Changed);
                }
                read => read?,
            },
        };
        let text = parsed.as_ref().and_then(EncryptedFile::text);
        let encrypted = FileToReencrypt {
            file,
            content: text.map_or(&read, str::as_bytes),
            parsed: parsed.as_ref(),
        };
        let made = self.engine.reencrypt(encrypted, how)?;
        self.check(file, &made)?;
        let (after, by) = (made.content, made.by);
        let digest = Sha256::digest(&after).into();
        let before = match parsed.and_then(EncryptedFile::into_text) {
            Some(text) => text.into_bytes(),
            None => read,
        };
        let replacement = Replacement {
            path: file.path.clone(),
            before,
            after,
        };
        Ok(Reencrypted {
            replacement,
            digest,
            by,
        })
    }

    /// Checks that the new key opens the result, that the old ones do not, that its
    /// data key is new, that its readers are those that were decided, and, where kb
    /// made it, that it holds the same values; sops has seen to that by itself.
    fn check(&self, file: &AffectedFile, made: &Made<'_>) -> Result<(), FileReencryptError> {
        let wanted = &file.decision.after;
        match &made.before {
            Before::Verified(before, old_key) => {
                let opened = Verified::open(file.format, &made.content, &self.new_opener);
                let (after, new_key) = opened.map_err(|error| match error {
                    OpenError::Unsupported(Unsupported::NoKey) => FileReencryptError::NotForNew,
                    _ => FileReencryptError::OtherValues,
                })?;
                if !wanted.compare(&after.readers(), &[]).is_empty() {
                    return Err(FileReencryptError::OtherRecipients);
                }
                if !before.holds_the_same(&after) {
                    return Err(FileReencryptError::OtherValues);
                }
                // The old ones open nothing: for each recipient the data key was
                // encrypted anew by its name, and no old one is among the names.
                if new_key == *old_key {
                    Err(FileReencryptError::SameDataKey)
                } else {
                    Ok(())
                }
            }
            Before::Metadata(before) => {
                let parsed = EncryptedFile::parse_as(file.format, &file.path, &made.content)?;
                let after = parsed.metadata;
                if wanted.compare(&after.readers(), &[]).is_certain() {
                    return Err(FileReencryptError::OtherRecipients);
                }
                // With several groups one key alone opens nothing: what was made of it
                // was decrypted again.
                if !after.is_split() && self.new_opener.open_any(&after.wrapped_keys()).is_none() {
                    return Err(FileReencryptError::NotForNew);
                }
                if matches!(made.by, EngineKind::Sops(Some(_))) && self.seals_ciphertext(file, made)
                {
                    return Err(FileReencryptError::LostComment);
                }
                if self.old_opener.open_any(&after.wrapped_keys()).is_some() {
                    return Err(FileReencryptError::StillForOld);
                }
                // Who had the old data key had this one as well.
                let new_key = self.new_opener.open_any(&after.wrapped_keys());
                let old_key = self.old_opener.open_any(&before.wrapped_keys());
                if old_key.is_some() && old_key == new_key {
                    Err(FileReencryptError::SameDataKey)
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Whether sops has taken a comment that it could not open for plaintext: under the
    /// new data key nobody could open it any more.
    fn seals_ciphertext(&self, file: &AffectedFile, made: &Made<'_>) -> bool {
        match Verified::open(file.format, &made.content, &self.new_opener) {
            Ok((after, _)) => after.has_comment_of_ciphertext(),
            Err(OpenError::Tampered(tampered)) => matches!(tampered, Tampered::Comment { .. }),
            Err(_) => false,
        }
    }
}
