//! The one writer of files. A file is replaced, never written in place: a full
//! disk or a kill leaves the old or the new one, whole.
//!
//! The new content waits in a temporary file beside the target, synced, and
//! [`Staged::commit`] renames it. Everything that can fail early (permissions,
//! space) fails in [`stage`], before anything else has been changed.

#![expect(clippy::disallowed_methods, reason = "this is the one writer")]

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Uid};

/// Temporary files are called `.NAME.kb-tmp-XXXXXXXX`, with so many letters and
/// digits at the end. The lock on one says that its process lives.
const INFIX: &str = ".kb-tmp-";
const RANDOM_LENGTH: usize = 8;
/// So many bytes of the target's name go into that of its temporary file.
const LONGEST_NAME: usize = 200;

/// The mode of a file that was not there before.
const NEW_FILE_MODE: u32 = 0o644;

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
}

/// New content that waits to take a file's place. Dropping it leaves the file
/// as it was.
pub struct Staged {
    /// The file as it was named, for messages.
    path: PathBuf,
    /// The file itself, where `path` is a link to it.
    target: PathBuf,
    before: Option<Vec<u8>>,
    temporary: tempfile::TempPath,
    /// Holds the lock.
    _file: File,
}

/// Writes `content` beside `path`, to take its place later. `before` is the
/// content that was read and planned with, `None` if there was no such file.
/// [`clear_stale`] is the caller's to call, once for each directory.
///
/// # Errors
/// [`ReplaceError`]; nothing is left behind.
pub fn stage(path: &Path, before: Option<&[u8]>, content: &[u8]) -> Result<Staged, ReplaceError> {
    let error = |source| ReplaceError::Io {
        path: path.to_owned(),
        source,
    };
    // A link stays a link: its target is what is replaced.
    let target = match path.canonicalize() {
        Ok(target) => target,
        Err(source) if source.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(source) => return Err(error(source)),
    };
    let (file, temporary) = create_locked(&target).map_err(error)?;
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
        file.sync_all()
    };
    write(&file).map_err(error)?;
    Ok(Staged {
        path: path.to_owned(),
        target,
        before: before.map(<[u8]>::to_vec),
        temporary,
        _file: file,
    })
}

impl Staged {
    /// Puts the new content in the file's place, if the file is still as it was
    /// when it was read.
    ///
    /// # Errors
    /// [`ReplaceError::Changed`], [`ReplaceError::Io`]
    pub fn commit(self) -> Result<(), ReplaceError> {
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
                Ok(()) => {
                    sync_directory(&target);
                    Ok(())
                }
                Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => {
                    Err(ReplaceError::Changed { path })
                }
                Err(failed) => Err(error(failed.error)),
            };
        };
        // A pipe that stands there now could be read forever.
        let is_file = |file: &Path| file.symlink_metadata().is_ok_and(|there| there.is_file());
        let is_as_before = |file: &Path| match is_file(file) {
            true => std::fs::read(file).map(|now| now == before),
            false => Ok(false),
        };
        if !is_as_before(&target).map_err(error)? {
            return Err(ReplaceError::Changed { path });
        }
        // After the exchange the old file has the temporary name, which its lock
        // keeps from being cleared.
        let old = File::open(&target).map_err(error)?;
        let _ = old.try_lock();
        if exchange(&temporary, &target).is_ok() {
            // What was the file until now can be looked at without haste. If
            // someone was faster, it goes back.
            let changed = is_as_before(&temporary).is_ok_and(|as_before| !as_before);
            if changed && exchange(&temporary, &target).is_ok() {
                return Err(ReplaceError::Changed { path });
            }
        } else {
            // A file system that cannot exchange two files: a moment stays open
            // between the look and the rename.
            let renamed = temporary.persist(&target);
            renamed.map_err(|failed| error(failed.error))?;
        }
        sync_directory(&target);
        Ok(())
    }
}

/// Swaps two files in one step.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn exchange(one: &Path, other: &Path) -> rustix::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn exchange(_one: &Path, _other: &Path) -> rustix::io::Result<()> {
    Err(rustix::io::Errno::NOSYS)
}

/// Makes a rename last through a power cut. The rename has happened, so a
/// failure here must not be taken for one to replace the file.
fn sync_directory(file: &Path) {
    let _ = File::open(directory_of(file)).and_then(|directory| directory.sync_all());
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// The beginning of the names of temporary files for `target`.
fn prefix(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let name = name.trim_start_matches('.');
    // What is put around it must not make it longer than a name may be.
    let mut ends = (0..=name.len().min(LONGEST_NAME)).rev();
    let end = ends.find(|end| name.is_char_boundary(*end));
    format!(".{}{INFIX}", &name[..end.unwrap_or(0)])
}

fn create_locked(target: &Path) -> io::Result<(File, tempfile::TempPath)> {
    loop {
        let prefix = prefix(target);
        let mut names = tempfile::Builder::new();
        names.prefix(&prefix).rand_bytes(RANDOM_LENGTH);
        let temporary = names.make_in(directory_of(target), |path| {
            // Created with the mode that the process's umask allows.
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(NEW_FILE_MODE);
            options.open(path)
        })?;
        let (file, path) = temporary.into_parts();
        // A file system without locks has no runs to tell apart either.
        let _ = file.lock();
        // Another run may have taken it for a dead one's before it was locked.
        if file.metadata()?.nlink() > 0 {
            return Ok((file, path));
        }
    }
}

/// Checks, before there is anything to lose, that a file may be made at `path`:
/// the nearest directory above it that is there must be writable.
///
/// # Errors
/// [`ReplaceError::Io`]
pub fn check_writable(path: &Path) -> Result<(), ReplaceError> {
    use rustix::fs::{Access, access};
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut above = target.ancestors().skip(1);
    let directory = above.find(|directory| directory.symlink_metadata().is_ok());
    let allowed = access(
        directory.unwrap_or(&target),
        Access::WRITE_OK | Access::EXEC_OK,
    );
    allowed.map_err(|errno| ReplaceError::Io {
        path: path.to_owned(),
        source: errno.into(),
    })
}

/// Directories that were made for a file.
#[must_use]
pub struct Parents(Vec<PathBuf>);

/// Makes the directories above `path` that are not there. Dropped, they go again
/// if nothing is in them.
///
/// # Errors
/// [`ReplaceError::Io`]; nothing is left behind.
pub fn create_parents(path: &Path) -> Result<Parents, ReplaceError> {
    let mut missing: Vec<&Path> = Vec::new();
    let above = path.ancestors().skip(1);
    missing.extend(above.take_while(|directory| directory.symlink_metadata().is_err()));
    let mut made = Parents(Vec::new());
    for directory in missing.into_iter().rev() {
        match std::fs::create_dir(directory) {
            Ok(()) => made.0.push(directory.to_owned()),
            // Someone else was faster.
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => {
                return Err(ReplaceError::Io {
                    path: path.to_owned(),
                    source,
                });
            }
        }
    }
    Ok(made)
}

impl Drop for Parents {
    fn drop(&mut self) {
        for directory in self.0.iter().rev() {
            // Fails where something is in it, as it should.
            let _ = std::fs::remove_dir(directory);
        }
    }
}

/// Removes temporary files beside `path` whose process is gone: a kill leaves
/// one. What cannot be read or removed stays, since clearing is a courtesy and
/// not the task.
pub fn clear_stale(path: &Path) {
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let prefix = prefix(&target);
    let Ok(entries) = std::fs::read_dir(directory_of(&target)) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let named = name.strip_prefix(&prefix).is_some_and(|random| {
            random.len() == RANDOM_LENGTH && random.chars().all(|c| c.is_ascii_alphanumeric())
        });
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !named || !is_file {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else {
            continue;
        };
        match file.try_lock() {
            Ok(()) => {
                let _ = std::fs::remove_file(entry.path());
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).expect("read_dir").flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_mode_stays_and_a_symlink_stays_a_link() {
        let dir = tempfile::tempdir().expect("tempdir");
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        std::fs::write(&real, "old").expect("write");
        std::fs::set_permissions(&real, Permissions::from_mode(0o640)).expect("chmod");
        symlink(&real, &link).expect("symlink");
        stage(&link, Some(b"old"), b"new")
            .expect("stage")
            .commit()
            .expect("commit");
        assert_eq!(std::fs::read(&real).expect("read"), b"new");
        assert_eq!(
            std::fs::metadata(&real).expect("stat").mode() & 0o7777,
            0o640
        );
        assert!(link.is_symlink());
        assert_eq!(names(dir.path()), ["link", "real"]);
    }

    #[test]
    fn a_file_changed_meanwhile_is_not_overwritten() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("file");
        let staged = stage(&path, None, b"mine").expect("stage");
        std::fs::write(&path, "theirs").expect("write");
        assert!(matches!(staged.commit(), Err(ReplaceError::Changed { .. })));
        assert_eq!(std::fs::read(&path).expect("read"), b"theirs");
        assert_eq!(names(dir.path()), ["file"]);
    }

    /// As a kill leaves it: the file is there, and its lock is not.
    #[test]
    fn what_a_kill_leaves_is_cleared() {
        let dir = tempfile::tempdir().expect("tempdir");
        for name in [".sops.yaml".to_owned(), format!("{}.yaml", "ä".repeat(120))] {
            let path = dir.path().join(name);
            let Staged {
                temporary, _file, ..
            } = stage(&path, None, b"x").expect("stage");
            temporary.keep().expect("keep");
            drop(_file);
            assert_eq!(names(dir.path()).len(), 1);
            clear_stale(&path);
            assert_eq!(names(dir.path()), [] as [&str; 0]);
        }
    }

    #[test]
    fn a_pipe_in_the_files_place_is_not_waited_for() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("file");
        std::fs::write(&path, "old").expect("write");
        let staged = stage(&path, Some(b"old"), b"new").expect("stage");
        std::fs::remove_file(&path).expect("remove");
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).expect("mkfifo");
        assert!(matches!(staged.commit(), Err(ReplaceError::Changed { .. })));
    }

    #[test]
    fn a_dead_runs_temporary_file_is_cleared_and_a_live_ones_stays() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join(".sops.yaml");
        std::fs::write(dir.path().join(".sops.yaml.kb-tmp-dead0000"), "stray").expect("write");
        let live = stage(&path, None, b"first").expect("stage");
        clear_stale(&path);
        let second = stage(&path, None, b"second").expect("stage");
        assert_eq!(names(dir.path()).len(), 2, "{:?}", names(dir.path()));
        live.commit().expect("commit");
        drop(second);
        assert_eq!(names(dir.path()), [".sops.yaml"]);
        // What a person calls a file is none of these.
        let theirs = [".sops.yaml.kb-backup", ".sops.yaml.kb-tmp-notes.txt"];
        for name in theirs {
            std::fs::write(dir.path().join(name), "theirs").expect("write");
        }
        clear_stale(&path);
        assert_eq!(names(dir.path()).len(), 1 + theirs.len());
    }
}
