//! Many files replaced together.
//!
//! All are written beside their targets and made durable at once, before the
//! first takes its target's place: a full disk is noticed while nothing has
//! changed, and one sync of the file system is cheaper than one for each file.

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit, setrlimit};

use super::{ReplaceError, StagedFile, directory_of, sync_directory, write_beside};
use crate::core::parallel;

/// So many file descriptors are left for everything else.
const OTHER_DESCRIPTORS: usize = 64;

/// Files that wait to be replaced. Dropping it leaves all of them as they were.
pub struct Batch(Vec<StagedFile>);

/// A file that is to be replaced.
pub struct Replacement {
    /// The file.
    pub path: PathBuf,
    /// Its content when it was read.
    pub before: Vec<u8>,
    /// What is to take its place.
    pub after: Vec<u8>,
}

impl Batch {
    /// Writes all of them beside their files, on all cores; see [`super::stage`]. This
    /// process may have as many files open from now on as it may allow itself.
    ///
    /// # Errors
    /// All that could not be written. Then nothing is left behind.
    pub fn stage(files: Vec<Replacement>) -> Result<Self, Vec<(PathBuf, ReplaceError)>> {
        // Each worker opens one before it is counted.
        let most_locks = raise_limit().saturating_sub(OTHER_DESCRIPTORS + parallel::cores());
        let locks = AtomicUsize::new(0);
        let results = parallel::map_owned(files, |file| {
            let Replacement {
                path,
                before,
                after,
            } = file;
            let staged = write_beside(&path, Some(before), &after);
            staged.map_err(|error| (path, error)).map(|mut staged| {
                // Without its lock another run of kb beside it may take it for a dead
                // one's. Then this file is not replaced, and says so.
                if locks.fetch_add(1, Ordering::Relaxed) >= most_locks {
                    staged.file = None;
                }
                staged
            })
        });
        let mut staged = Vec::with_capacity(results.len());
        let mut failed = Vec::new();
        for result in results {
            match result {
                Ok(file) => staged.push(file),
                Err(error) => failed.push(error),
            }
        }
        match failed.is_empty() {
            true => Ok(Self(staged)),
            false => Err(failed),
        }
    }

    /// Makes what waits last through a power cut.
    ///
    /// # Errors
    /// [`ReplaceError::Io`]
    pub fn sync(&self) -> Result<(), ReplaceError> {
        let written = self.0.iter().map(|staged| &*staged.temporary);
        sync_file_systems(written, |path| File::open(path)?.sync_all())
    }

    /// Puts each into its file's place, if that is still as it was, and calls
    /// `done` after each. Returns what was not replaced, and why.
    pub fn commit(self, done: impl Fn() + Sync) -> Vec<(PathBuf, ReplaceError)> {
        let results = parallel::map_owned(self.0, |staged| {
            let (path, target) = (staged.path.clone(), staged.target.clone());
            let result = staged.put();
            done();
            result.map(|()| target).map_err(|error| (path, error))
        });
        let mut failed = Vec::new();
        let mut targets = Vec::new();
        for result in results {
            match result {
                Ok(target) => targets.push(target),
                Err(error) => failed.push(error),
            }
        }
        // The renames have happened: a failure here is none to replace a file.
        let _ = sync_file_systems(targets.iter().map(PathBuf::as_path), |path| {
            sync_directory(path);
            Ok(())
        });
        failed
    }
}

/// Syncs the file systems of the files, each once; where that cannot be done,
/// every file by itself.
fn sync_file_systems<'p>(
    paths: impl Iterator<Item = &'p Path>,
    sync_one: impl Fn(&Path) -> io::Result<()>,
) -> Result<(), ReplaceError> {
    let mut synced = HashSet::new();
    for path in paths {
        let directory = directory_of(path);
        let error = |source| ReplaceError::Io {
            path: path.to_owned(),
            source,
        };
        let device = directory.metadata().map_err(error)?.dev();
        if synced.contains(&device) {
            continue;
        }
        if sync_file_system(directory).is_ok() {
            synced.insert(device);
        } else {
            sync_one(path).map_err(error)?;
        }
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn sync_file_system(directory: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(directory)?)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_file_system(_directory: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Allows this process as many open files as it may allow itself.
fn raise_limit() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    let now = match setrlimit(Resource::Nofile, limit) {
        Ok(()) => limit.maximum,
        Err(_) => before,
    };
    now.and_then(|now| usize::try_from(now).ok())
        .unwrap_or(usize::MAX)
}

/// Held as long as one run of kb changes many files of a directory tree.
#[must_use]
pub struct TreeLock(Option<File>);

/// Keeps other runs of kb from changing many files below `root` at the same time.
///
/// # Errors
/// [`ReplaceError::Locked`] if another run is at it.
pub fn lock_tree(root: &Path) -> Result<TreeLock, ReplaceError> {
    let Ok(directory) = File::open(root) else {
        return Ok(TreeLock(None));
    };
    match directory.try_lock() {
        Ok(()) => Ok(TreeLock(Some(directory))),
        Err(TryLockError::WouldBlock) => Err(ReplaceError::Locked {
            path: root.to_owned(),
        }),
        // A file system without locks.
        Err(TryLockError::Error(_)) => Ok(TreeLock(None)),
    }
}

impl Drop for TreeLock {
    fn drop(&mut self) {
        if let Some(directory) = &self.0 {
            let _ = directory.unlock();
        }
    }
}
