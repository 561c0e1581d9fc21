//! Private directories: where a plaintext is while someone edits it.
//!
//! Each is in memory (its file system is asked, not its path), open to its owner
//! alone, and goes with everything in it when kb ends. Its name says what it is:
//!
//! | name | means |
//! | --- | --- |
//! | `kb-edit-XXXXXXXX` | in use as long as its lock is held; else left by a run that was killed, and cleared by the next one |
//! | `kb-kept-XXXXXXXX` | holds a text that could not be saved; it goes only when its owner says so |
//!
//! A rename makes one of the other, because it needs no room where a full memory
//! may be the trouble. `found` looks for those of other runs.

#![expect(
    clippy::disallowed_methods,
    reason = "it writes to memory, where core::replace has no business"
)]

mod found;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretBox};

use super::disk;
pub use found::{Kept, clear_stale, is_in_use, is_resumed};

const IN_USE: &str = "kb-edit-";
const KEPT: &str = "kb-kept-";
const RANDOM_LENGTH: usize = 8;

/// The text, under the name of the file that it is for: so editors know what it
/// is. Its directory also takes what they put beside it.
const TEXT: &str = "text";
/// For the temporary files of the editor and of sops.
const TEMPORARY: &str = "tmp";
/// The copy of the encrypted file that sops changes, under the same name.
const STAGED: &str = "staged";
/// Which file the text is for: its path, a NUL, and the name of the text.
const TARGET: &str = "target";
/// The encrypted file as it was when the text was opened; missing if there was
/// none.
const BEFORE: &str = "before";
/// What is about to take another file's place.
const NEW: &str = "new";

/// See [`PrivateDir::write_text`].
const DATED_BACK: Duration = Duration::from_secs(2);

/// Where private directories may be made.
#[derive(Clone, Debug)]
pub struct Places {
    /// Directories that should be in memory, best first; absolute.
    pub memory: Vec<PathBuf>,
    /// The directory for temporary files, which may be on a disk.
    pub disk: PathBuf,
}

/// Why there is no private directory.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Nothing in memory can be written to.
    #[error("there is no place in memory for the plaintext: {}", reasons(.tried))]
    NoMemory {
        /// What was tried, and why it does not do.
        tried: Vec<(PathBuf, String)>,
    },
    /// The place would do, and writing there fails.
    #[error("cannot write to {}", .path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn reasons(tried: &[(PathBuf, String)]) -> String {
    let reasons = tried
        .iter()
        .map(|(path, why)| format!("{} {why}", path.display()));
    reasons.collect::<Vec<_>>().join(", ")
}

/// A file that a text is for.
#[derive(Clone, Copy)]
pub struct TextOf<'a> {
    /// The one path that the file has for every run; absolute.
    pub target: &'a Path,
    /// The name that it was called by, by which editors and sops know what it is.
    pub name: &'a OsStr,
    /// Its content; `None` if it is not there.
    pub before: Option<&'a [u8]>,
}

/// A private directory in use. Dropping it removes it with all that it holds.
pub struct PrivateDir {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
    in_memory: bool,
    /// The name of the text.
    name: OsString,
    /// When the text was written, as the file has it.
    written: Option<SystemTime>,
}

impl PrivateDir {
    /// Makes one. `allow_disk`: on a disk, where there is no memory.
    ///
    /// # Errors
    /// [`PlaceError`]
    pub fn create(
        places: &Places,
        text_of: TextOf<'_>,
        allow_disk: bool,
    ) -> Result<Self, PlaceError> {
        let mut tried = Vec::new();
        let memory = places.memory.iter().find(|place| {
            let problem = problem_of(place).map(|why| (place.to_path_buf(), why));
            let good = problem.is_none();
            tried.extend(problem);
            good
        });
        let (place, in_memory) = match memory {
            Some(place) => (place, true),
            None if allow_disk => (&places.disk, false),
            None => return Err(PlaceError::NoMemory { tried }),
        };
        let error = |source| PlaceError::Write {
            path: place.clone(),
            source,
        };
        let (path, lock) = create_locked(place).map_err(error)?;
        let this = Self {
            path,
            _lock: lock,
            in_memory,
            name: text_of.name.to_owned(),
            written: None,
        };
        this.prepare(text_of).map_err(error)?;
        Ok(this)
    }

    fn prepare(&self, text_of: TextOf<'_>) -> io::Result<()> {
        for name in [TEXT, TEMPORARY, STAGED] {
            let directory = self.path.join(name);
            std::fs::DirBuilder::new().mode(0o700).create(&directory)?;
        }
        let (target, name) = (text_of.target.as_os_str(), text_of.name);
        let target = [target.as_bytes(), b"\0", name.as_bytes()].concat();
        self.write_file(TARGET, &target)?;
        match text_of.before {
            Some(before) => self.write_file(BEFORE, before).map(drop),
            None => Ok(()),
        }
    }

    /// Whether it is in memory.
    pub fn is_in_memory(&self) -> bool {
        self.in_memory
    }

    /// Where the text is.
    pub fn text(&self) -> PathBuf {
        self.path.join(TEXT).join(&self.name)
    }

    /// A directory for temporary files.
    pub fn temporary(&self) -> PathBuf {
        self.path.join(TEMPORARY)
    }

    /// Writes the text, dated back, so that the editor's writing shows whatever
    /// the steps of the clock are.
    ///
    /// # Errors
    /// When the memory is full. The text is as it was then.
    pub fn write_text(&mut self, text: &SecretBox<Vec<u8>>) -> io::Result<()> {
        self.write(&self.text(), text.expose_secret())?;
        let file = File::open(self.text())?;
        file.set_modified(SystemTime::now() - DATED_BACK)?;
        self.written = Some(file.metadata()?.modified()?);
        Ok(())
    }

    /// Whether someone else has written the text since.
    pub fn text_was_written(&self) -> bool {
        let modified = std::fs::metadata(self.text()).and_then(|metadata| metadata.modified());
        modified.ok() != self.written
    }

    /// The text, or `None` if the editor took the file away. Nothing but a file
    /// is read: a pipe in its place would never end.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_text(&self) -> io::Result<Option<SecretBox<Vec<u8>>>> {
        Ok(read_file(&self.text())?.map(|text| SecretBox::new(Box::new(text))))
    }

    /// Writes a copy of the file that the text is for, under that file's name; its
    /// path.
    ///
    /// # Errors
    /// When the memory is full.
    pub fn stage(&self, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.path.join(STAGED).join(&self.name);
        self.write(&path, content)?;
        Ok(path)
    }

    /// Writes another file; its path. `name` has no directory.
    ///
    /// # Errors
    /// When the memory is full.
    pub fn write_file(&self, name: &str, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        self.write(&path, content)?;
        Ok(path)
    }

    /// Leaves it, and what it holds, beyond the end of this run. Where the text is
    /// then.
    ///
    /// # Errors
    /// When someone took it away. Then it is removed as always.
    pub fn keep(self) -> io::Result<PathBuf> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let kept = self.path.with_file_name(name.replacen(IN_USE, KEPT, 1));
        // Under the old name, nothing is there to be removed any more.
        std::fs::rename(&self.path, &kept)?;
        Ok(kept.join(TEXT).join(&self.name))
    }

    /// Writes a file that only its owner may read: beside it, and then in its
    /// place, so that a full memory leaves the old one. An editor may have put
    /// something else there.
    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let new = self.path.join(NEW);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let written = options.open(&new)?.write_all(content);
        if path.symlink_metadata().is_ok_and(|there| there.is_dir()) {
            std::fs::remove_dir_all(path)?;
        }
        let done = written.and_then(|()| std::fs::rename(&new, path));
        done.inspect_err(|_| drop(std::fs::remove_file(&new)))
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Why a place does not do, or `None`.
fn problem_of(place: &Path) -> Option<String> {
    let directory = match open_directory(&place.canonicalize().unwrap_or_else(|_| place.into())) {
        Ok(directory) => directory,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Some("is not there".to_owned());
        }
        Err(error) => return Some(format!("cannot be opened ({error})")),
    };
    match disk::in_memory(&directory) {
        Ok(true) => {}
        Ok(false) => return Some("is on a disk".to_owned()),
        Err(error) => return Some(format!("cannot be asked what it is ({error})")),
    }
    use rustix::fs::Access;
    let access = rustix::fs::access(place, Access::WRITE_OK | Access::EXEC_OK);
    access.err().map(|_| "is not writable".to_owned())
}

fn create_locked(place: &Path) -> io::Result<(PathBuf, File)> {
    loop {
        let made = tempfile::Builder::new()
            .prefix(IN_USE)
            .rand_bytes(RANDOM_LENGTH)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(place)?;
        // Another run may take it for a dead one's before it is locked.
        let directory = match open_directory(made.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            directory => directory?,
        };
        directory.lock()?;
        if is_at(&directory, made.path()) {
            return Ok((made.keep(), directory));
        }
    }
}

fn is_at(directory: &File, path: &Path) -> bool {
    let at = std::fs::symlink_metadata(path).ok();
    let own = directory.metadata().ok();
    let id = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    own.is_some() && own.map(id) == at.map(id)
}

fn open_directory(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)
}

/// `None` if it is not there.
fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_file() => std::fs::read(path).map(Some),
        Ok(_) => Err(io::Error::other("it is no longer a file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a directory with all that it holds. Links are removed, not followed.
fn remove(path: &Path) {
    const TRIES: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(10);
    // An editor's children may write there still: under another name they do not
    // find it. It is one that the next run clears, if this one is killed.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let random: String = name.chars().rev().take(RANDOM_LENGTH).collect();
    let hidden = path.with_file_name(format!("{IN_USE}{random}"));
    let path = match std::fs::rename(path, &hidden) {
        Ok(()) => &hidden,
        Err(_) => path,
    };
    for _ in 0..TRIES {
        match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => return,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => open_up(path),
            Err(_) => std::thread::sleep(PAUSE),
            Ok(()) => return,
        }
    }
}

/// Lets the owner into all directories below.
fn open_up(directory: &Path) {
    let _ = std::fs::set_permissions(directory, Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}
