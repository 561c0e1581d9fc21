//! Finds the private directories of other runs.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use secrecy::SecretBox;

use super::{
    BEFORE, DraftContents, EDITOR, GONE, HEAD, Head, IN_USE, ORIGINAL, ProcessIdentity,
    RANDOM_LENGTH, TEXT, TempDirs, emergency_files, is_at, open_directory, read_file, remove,
};
use crate::core::disk;

/// A private directory that a run has left behind. Dropping it leaves it there.
pub struct Left {
    pub(super) path: PathBuf,
    /// Keeps others from taking it as well.
    lock: File,
    /// What it is.
    pub head: Head,
}

impl Left {
    /// The directories that ended runs have left behind with a text. Those without one are
    /// deleted.
    pub fn all(places: &TempDirs) -> Vec<Self> {
        for (path, _lock) in unlocked(places, GONE) {
            remove(&path);
        }
        let left = unlocked(places, IN_USE);
        left.filter_map(|(path, lock)| match head_of(&path) {
            Some(head) => Some(Self { path, lock, head }),
            None => {
                // Its run was killed before it put a text there.
                if is_empty(&path.join(TEXT)) {
                    remove(&path);
                }
                None
            }
        })
        .collect()
    }

    /// Where the text is.
    pub fn text_path(&self) -> PathBuf {
        self.path.join(TEXT).join(&self.head.name)
    }

    /// The pid of its editor, if that still runs.
    pub fn living_editor(&self) -> Option<u32> {
        let recorded = read_file(&self.path.join(EDITOR)).ok()??;
        let process: ProcessIdentity = std::str::from_utf8(&recorded).ok()?.parse().ok()?;
        process.lives().then_some(process.pid)
    }

    /// Whether it is in memory.
    pub fn is_in_memory(&self) -> bool {
        disk::in_memory(&self.lock).unwrap_or(false)
    }

    /// The digest of a text that is safe elsewhere.
    pub fn original(&self) -> Option<Vec<u8>> {
        read_file(&self.path.join(ORIGINAL)).ok()?
    }

    /// When the text, or something beside it, was last written.
    pub fn since(&self) -> SystemTime {
        let entries = std::fs::read_dir(self.path.join(TEXT));
        let entries = entries.into_iter().flatten().flatten();
        let times = entries.filter_map(|entry| entry.metadata().ok()?.modified().ok());
        times.max().unwrap_or(self.head.since)
    }

    /// What is in it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn contents(&self) -> std::io::Result<DraftContents> {
        let text = read_file(&self.text_path())?.unwrap_or_default();
        Ok(DraftContents {
            text: SecretBox::new(Box::new(text)),
            before: read_file(&self.path.join(BEFORE))?,
            files: emergency_files(&self.path, &self.head.name),
        })
    }

    /// Removes it.
    pub fn discard(self) {
        remove(&self.path);
    }
}

/// Whether another run edits `target` now.
pub fn is_in_use(places: &TempDirs, target: &Path) -> bool {
    let named = named_directories(places, IN_USE);
    named.into_iter().any(|(path, directory)| {
        head_of(&path).is_some_and(|head| head.target == target) && directory.try_lock().is_err()
    })
}

fn head_of(directory: &Path) -> Option<Head> {
    Head::parse(&read_file(&directory.join(HEAD)).ok()??)
}

/// Whether nothing is in a directory, or it is not there.
fn is_empty(directory: &Path) -> bool {
    match std::fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// The directories of this kind that no run holds, each with its lock.
fn unlocked(places: &TempDirs, prefix: &str) -> impl Iterator<Item = (PathBuf, File)> {
    let named = named_directories(places, prefix).into_iter();
    // It may have gone, and another may have come, before it was locked.
    named.filter(|(path, directory)| directory.try_lock().is_ok() && is_at(directory, path))
}

/// The person's own directories whose names begin so, links left out.
fn named_directories(places: &TempDirs, prefix: &str) -> Vec<(PathBuf, File)> {
    let is_ours = |name: &OsStr| {
        let random = name.to_str().and_then(|name| name.strip_prefix(prefix));
        random.is_some_and(|random| {
            random.len() == RANDOM_LENGTH && random.bytes().all(|b| b.is_ascii_alphanumeric())
        })
    };
    let own = rustix::process::geteuid().as_raw();
    let places = places.memory.iter().chain([&places.disk]);
    let entries = places.flat_map(std::fs::read_dir).flatten().flatten();
    let ours = entries.filter(|entry| is_ours(&entry.file_name()));
    let opened = ours.filter_map(|entry| {
        let directory = open_directory(&entry.path()).ok()?;
        let is_own = directory.metadata().ok()?.uid() == own;
        is_own.then(|| (entry.path(), directory))
    });
    opened.collect()
}
