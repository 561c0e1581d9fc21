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

use rustix::process::{Resource, getrlimit, setrlimit};

use super::{ReplaceError, Staged, directory_of, sync_directory, write_beside};

/// So many file descriptors are left for everything else.
const OTHER_DESCRIPTORS: usize = 64;

/// Files that wait to be replaced. Dropping it leaves all of them as they were.
pub struct Batch {
    staged: Vec<Staged>,
    /// How many locks can be held open at once.
    most_locks: usize,
}

impl Batch {
    /// None yet. This process may have as many files open from now on as it may allow
    /// itself.
    #[expect(clippy::new_without_default, reason = "it changes the process")]
    pub fn new() -> Self {
        Self {
            staged: Vec::new(),
            most_locks: raise_limit().saturating_sub(OTHER_DESCRIPTORS),
        }
    }

    /// Writes `content` beside `path`; see [`super::stage`].
    ///
    /// # Errors
    /// [`ReplaceError`]
    pub fn stage(
        &mut self,
        path: &Path,
        before: &[u8],
        content: &[u8],
    ) -> Result<(), ReplaceError> {
        let mut staged = write_beside(path, Some(before), content)?;
        // Without its lock another run of kb beside it may take it for a dead
        // one's. Then this file is not replaced, and says so.
        if self.staged.len() >= self.most_locks {
            staged.file = None;
        }
        self.staged.push(staged);
        Ok(())
    }

    /// Makes what waits last through a power cut.
    ///
    /// # Errors
    /// [`ReplaceError::Io`]
    pub fn sync(&self) -> Result<(), ReplaceError> {
        let written = self.staged.iter().map(|staged| &*staged.temporary);
        sync_file_systems(written, |path| File::open(path)?.sync_all())
    }

    /// Puts each into its file's place, if that is still as it was, and calls
    /// `done` after each. Returns what was not replaced, and why.
    pub fn commit(self, mut done: impl FnMut()) -> Vec<(PathBuf, ReplaceError)> {
        let mut failed = Vec::new();
        let mut targets = Vec::new();
        for staged in self.staged {
            let (path, target) = (staged.path.clone(), staged.target.clone());
            match staged.put() {
                Ok(()) => targets.push(target),
                Err(error) => failed.push((path, error)),
            }
            done();
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
