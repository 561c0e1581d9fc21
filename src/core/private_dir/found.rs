//! Looks for the private directories of other runs.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use secrecy::SecretBox;

use super::{
    BEFORE, IN_USE, KEPT, Places, RANDOM_LENGTH, TARGET, TEXT, is_at, open_directory, read_file,
    remove,
};

/// A text that could not be saved, in a directory of its own. Dropping it leaves
/// it there.
pub struct Kept {
    path: PathBuf,
    name: PathBuf,
    /// Keeps others from resuming it as well.
    _lock: File,
    /// The text as it was left.
    pub text: SecretBox<Vec<u8>>,
    /// The encrypted file as it was when the text was opened; `None` if there
    /// was none.
    pub before: Option<Vec<u8>>,
    /// When it was left.
    pub since: SystemTime,
}

impl Kept {
    /// The texts that were kept for `target`, the newest first. One that another
    /// run works on is not among them.
    pub fn all(places: &Places, target: &Path) -> Vec<Self> {
        let mut found: Vec<Self> = directories(places, KEPT)
            .filter_map(|(path, lock)| Self::read(path, lock, target))
            .collect();
        found.sort_by_key(|kept| std::cmp::Reverse(kept.since));
        found
    }

    fn read(path: PathBuf, lock: File, target: &Path) -> Option<Self> {
        let name = name_of_text(&path, target)?;
        let text = path.join(TEXT).join(&name);
        Some(Self {
            name,
            since: std::fs::metadata(&text).ok()?.modified().ok()?,
            text: SecretBox::new(Box::new(read_file(&text).ok()??)),
            before: read_file(&path.join(BEFORE)).ok()?,
            path,
            _lock: lock,
        })
    }

    /// Where the text is.
    pub fn path(&self) -> PathBuf {
        self.path.join(TEXT).join(&self.name)
    }

    /// Removes it.
    pub fn discard(self) {
        remove(&self.path);
    }
}

/// Removes what runs have left that were killed.
pub fn clear_stale(places: &Places) {
    for (path, _lock) in directories(places, IN_USE) {
        remove(&path);
    }
}

/// Whether another run edits `target` now.
pub fn is_in_use(places: &Places, target: &Path) -> bool {
    is_held(places, IN_USE, target)
}

/// Whether another run works on a text that was kept for `target`.
pub fn is_resumed(places: &Places, target: &Path) -> bool {
    is_held(places, KEPT, target)
}

fn is_held(places: &Places, prefix: &str, target: &Path) -> bool {
    let named = named_directories(places, prefix);
    named.into_iter().any(|(path, directory)| {
        name_of_text(&path, target).is_some() && directory.try_lock().is_err()
    })
}

/// The name of the text in a private directory, if it is for `target`.
fn name_of_text(directory: &Path, target: &Path) -> Option<PathBuf> {
    let recorded = read_file(&directory.join(TARGET)).ok()??;
    let target = target.as_os_str().as_bytes();
    let name = recorded.strip_prefix(target)?.strip_prefix(b"\0")?;
    Some(OsStr::from_bytes(name).into())
}

/// The directories of this kind that no run holds, each with its lock.
fn directories(places: &Places, prefix: &str) -> impl Iterator<Item = (PathBuf, File)> {
    let named = named_directories(places, prefix).into_iter();
    // It may have gone, and another may have come, before it was locked.
    named.filter(|(path, directory)| directory.try_lock().is_ok() && is_at(directory, path))
}

/// The person's own directories whose names begin so, links left out.
fn named_directories(places: &Places, prefix: &str) -> Vec<(PathBuf, File)> {
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
