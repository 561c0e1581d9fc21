//! The one writer of files. A file is replaced, never written in place: a full
//! disk or a kill leaves the old or the new one, whole.
//!
//! The new content waits in a temporary file beside the target, synced, and
//! [`StagedFile::commit`] renames it. Everything that can fail early (permissions,
//! space) fails in [`stage`], before anything else has been changed.
//!
//! | module | does |
//! | --- | --- |
//! | `batch` | replaces many files together, synced once |
//! | `preflight` | finds out beforehand what cannot be replaced |
//! | `parents` | makes the directories above a new file |
//! | `temporary` | names, locks and clears the temporary files |

#![expect(clippy::disallowed_methods, reason = "this is the one writer")]

mod batch;
mod parents;
mod preflight;
mod temporary;
#[cfg(test)]
mod tests;

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Uid};
use rustix::io::Errno;

pub use batch::{Batch, Replacement, TreeLock, lock_tree};
pub use parents::{create_parents, create_private_parents};
pub use preflight::{Obstacle, check_replaceable, check_writable};
pub use temporary::{clear_stale, clear_strays, is_temporary};

/// Why a file was not replaced. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// Reading or writing failed.
    #[error("cannot write {}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Someone else changed the file after it was read.
    #[error("{} was changed by someone else meanwhile", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Someone else changed the file in the very moment in which it was replaced, and
    /// could not be given theirs back.
    #[error("{} was changed by someone else while kb replaced it: their version is {}", .path.display(), .kept.display())]
    Displaced {
        /// The file, which has kb's content now.
        path: PathBuf,
        /// Where theirs is.
        kept: PathBuf,
    },
    /// What was the file in the very moment in which it was replaced cannot be read, so
    /// someone else may have saved it. It was put back.
    #[error("{} cannot be read any more, and was not replaced: someone else may have saved it meanwhile", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something keeps the file from being replaced.
    #[error("{} cannot be replaced: {obstacle}", .path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
        /// What.
        obstacle: Obstacle,
    },
    /// Another run of kb changes many files below this directory.
    #[error("another run of kb is changing files in {}", .path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
}

/// New content that waits to take a file's place. Dropping it leaves the file
/// as it was.
pub struct StagedFile {
    /// The file as it was named, for messages.
    path: PathBuf,
    /// The file itself, where `path` is a link to it.
    target: PathBuf,
    before: Option<Vec<u8>>,
    temporary: tempfile::TempPath,
    /// Holds the lock.
    file: Option<File>,
}

/// Writes `content` beside `path`, to take its place later. `before` is the
/// content that was read and planned with, `None` if there was no such file.
/// [`clear_stale`] is the caller's to call, once for each directory.
///
/// # Errors
/// [`ReplaceError`]; nothing is left behind.
pub fn stage(
    path: &Path,
    before: Option<&[u8]>,
    content: &[u8],
) -> Result<StagedFile, ReplaceError> {
    let staged = write_beside(path, before.map(<[u8]>::to_vec), content)?;
    let synced = staged.file.as_ref().map_or(Ok(()), File::sync_all);
    synced.map_err(|source| ReplaceError::Io {
        path: path.to_owned(),
        source,
    })?;
    Ok(staged)
}

/// As [`stage`], but what was written may still be lost in a power cut.
fn write_beside(
    path: &Path,
    before: Option<Vec<u8>>,
    content: &[u8],
) -> Result<StagedFile, ReplaceError> {
    let error = |source| ReplaceError::Io {
        path: path.to_owned(),
        source,
    };
    let target = target_of(path).map_err(error)?;
    let (file, temporary) = temporary::create_locked(&target).map_err(error)?;
    let old = std::fs::metadata(&target).ok();
    let write = |mut file: &File| -> io::Result<()> {
        file.write_all(content)?;
        if let Some(old) = &old {
            // Where kb may not give the file away, the group may still keep it.
            let (user, group) = (Uid::from_raw(old.uid()), Gid::from_raw(old.gid()));
            let _ = rustix::fs::fchown(file, Some(user), Some(group))
                .or_else(|_| rustix::fs::fchown(file, None, Some(group)));
            file.set_permissions(old.permissions())?;
        }
        Ok(())
    };
    write(&file).map_err(error)?;
    Ok(StagedFile {
        path: path.to_owned(),
        target,
        before,
        temporary,
        file: Some(file),
    })
}

impl StagedFile {
    /// Gives the new content other permissions than those of the file before.
    ///
    /// # Errors
    /// [`ReplaceError::Io`]; the file is as it was.
    pub fn with_permissions(self, permissions: &Permissions) -> Result<Self, ReplaceError> {
        match std::fs::set_permissions(&self.temporary, permissions.clone()) {
            Ok(()) => Ok(self),
            Err(source) => Err(ReplaceError::Io {
                path: self.path,
                source,
            }),
        }
    }

    /// Puts the new content in the file's place, if the file is still as it was
    /// when it was read.
    ///
    /// # Errors
    /// [`ReplaceError::Changed`], [`ReplaceError::Displaced`],
    /// [`ReplaceError::Unreadable`], [`ReplaceError::Io`]
    pub fn commit(self) -> Result<(), ReplaceError> {
        let target = self.target.clone();
        self.put()?;
        sync_directory(&target);
        Ok(())
    }

    /// As [`Self::commit`], but the rename may still be lost in a power cut.
    fn put(self) -> Result<(), ReplaceError> {
        let Self {
            path,
            target,
            before,
            temporary,
            ..
        } = self;
        let error = |source| ReplaceError::Io {
            path: path.clone(),
            source,
        };
        let Some(before) = before else {
            return match temporary.persist_noclobber(&target) {
                Ok(()) => Ok(()),
                Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => {
                    Err(ReplaceError::Changed { path })
                }
                Err(failed) => Err(error(failed.error)),
            };
        };
        // A pipe that stands there now could be read forever, and a file of another size is
        // another version.
        let length = before.len() as u64;
        let is_as_before = |file: &Path| -> io::Result<bool> {
            let there = match file.symlink_metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                there => there?,
            };
            Ok(there.is_file() && there.len() == length && std::fs::read(file)? == before)
        };
        if !is_as_before(&target).map_err(error)? {
            return Err(ReplaceError::Changed { path });
        }
        let ours = FileVersion::of(&temporary).map_err(error)?;
        let is_ours = |file: &Path| FileVersion::of(file).is_ok_and(|found| found == ours);
        // After the exchange the old file has the temporary name, which its lock
        // keeps from being cleared.
        let old = File::open(&target).map_err(error)?;
        let _ = old.try_lock();
        match exchange(&temporary, &target) {
            Ok(()) => {}
            // A file system that cannot exchange two files: a moment stays open
            // between the look and the rename.
            Err(errno) if UNSUPPORTED.contains(&errno) => {
                if !is_as_before(&target).map_err(error)? {
                    return Err(ReplaceError::Changed { path });
                }
                let renamed = temporary.persist(&target);
                return renamed.map_err(|failed| error(failed.error));
            }
            // A call over a network can fail and be carried out all the same, so the names
            // decide.
            Err(errno) if is_ours(&temporary) => return Err(error(errno.into())),
            Err(_) => {}
        }
        // What was the file until now can be looked at without haste. If someone was
        // faster, or it cannot be read, it goes back.
        let unreadable = match is_as_before(&temporary) {
            Ok(true) => return Ok(()),
            Ok(false) => None,
            Err(source) => Some(source),
        };
        let _ = exchange(&temporary, &target);
        if !is_ours(&temporary) {
            // It is someone's version, perhaps another one that was saved in between.
            let kept = temporary::keep(temporary, &target);
            return Err(ReplaceError::Displaced { path, kept });
        }
        Err(match unreadable {
            None => ReplaceError::Changed { path },
            Some(source) => ReplaceError::Unreadable { path, source },
        })
    }
}

/// What tells whether a name still leads to what kb has written: the file, and its last
/// change.
#[derive(PartialEq, Eq)]
struct FileVersion {
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
}

impl FileVersion {
    fn of(path: &Path) -> io::Result<Self> {
        let found = path.symlink_metadata()?;
        Ok(Self {
            file: (found.dev(), found.ino()),
            length: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
        })
    }
}

/// What a system or a file system answers that cannot exchange two files. Any other error
/// says that it did not work this time.
const UNSUPPORTED: [Errno; 4] = [Errno::NOSYS, Errno::INVAL, Errno::OPNOTSUPP, Errno::NOTSUP];

/// Swaps two files in one step.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn exchange(one: &Path, other: &Path) -> Result<(), Errno> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn exchange(_one: &Path, _other: &Path) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// What is replaced for a path: a link stays a link, and its target is exchanged. Links
/// among the directories above it need no care.
fn target_of(path: &Path) -> io::Result<PathBuf> {
    if !path.is_symlink() {
        return std::path::absolute(path);
    }
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        target => target,
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// Makes a rename last through a power cut. The rename has happened, so a
/// failure here must not be taken for one to replace the file.
fn sync_directory(file: &Path) {
    let _ = File::open(directory_of(file)).and_then(|directory| directory.sync_all());
}
