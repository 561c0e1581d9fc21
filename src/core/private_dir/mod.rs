//! Private directories: where a plaintext is while someone edits it.
//!
//! Each is in memory (its file system is asked, not its path), open to its owner
//! alone, and deleted with everything in it when kb ends. Its name says what it is:
//!
//! | name | means |
//! | --- | --- |
//! | `kb-edit-XXXXXXXX` | in use as long as its lock is held; else left behind, by a run that was killed or that could not write a draft |
//! | `kb-gone-XXXXXXXX` | is to be deleted: nothing in it is needed |
//!
//! | module | holds |
//! | --- | --- |
//! | `found` | finds what other runs have left behind |
//! | `process` | whether the editor of a run that was killed still lives |

#![expect(
    clippy::disallowed_methods,
    reason = "it writes to memory, where core::replace has no business"
)]

mod found;
mod process;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretBox};

use super::disk;
use super::drafts::{DraftContents, EmergencyFile, Head};
pub use found::{Left, is_in_use};
use process::ProcessIdentity;

const IN_USE: &str = "kb-edit-";
const GONE: &str = "kb-gone-";
const RANDOM_LENGTH: usize = 8;

/// The text, under the name of the file that it is for: so editors know what it
/// is. Its directory also takes what they put beside it.
const TEXT: &str = "text";
/// For the temporary files of the editor and of sops.
const TEMPORARY: &str = "tmp";
/// The copy of the encrypted file that sops changes, under the same name.
const STAGED: &str = "staged";
/// Which file the text is for, and how to go on with it: see [`Head`].
const HEAD: &str = "head";
/// The digest of a text that is safe elsewhere, if nothing else is typed: see
/// [`PrivateDir::note_original`].
const ORIGINAL: &str = "original";
/// The editor: see [`ProcessIdentity`].
const EDITOR: &str = "editor";
/// The encrypted file as it was when the text was opened; missing if there was
/// none.
const BEFORE: &str = "before";
/// What is about to take another file's place.
const NEW: &str = "new";

/// See [`PrivateDir::write_text`].
const DATED_BACK: Duration = Duration::from_secs(2);

/// Where private directories may be made.
#[derive(Clone, Debug)]
pub struct TempDirs {
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

/// A private directory in use. Dropping it removes it with all that it holds.
pub struct PrivateDir {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
    in_memory: bool,
    /// Whether it is to stay when it is dropped.
    is_left: bool,
    /// The name of the text.
    name: OsString,
    /// When the text was written, as the file has it.
    written: Option<SystemTime>,
}

impl PrivateDir {
    /// Makes one for the text that `head` describes. `before` is the content of the file
    /// that the text is for, `None` if it is not there. `allow_disk`: on a disk, where
    /// there is no memory.
    ///
    /// # Errors
    /// [`PlaceError`]
    pub fn create(
        places: &TempDirs,
        head: &Head,
        before: Option<&[u8]>,
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
            is_left: false,
            name: head.name.clone(),
            written: None,
        };
        this.prepare(head, before).map_err(error)?;
        Ok(this)
    }

    fn prepare(&self, head: &Head, before: Option<&[u8]>) -> io::Result<()> {
        for name in [TEXT, TEMPORARY, STAGED] {
            let directory = self.path.join(name);
            std::fs::DirBuilder::new().mode(0o700).create(&directory)?;
        }
        self.write_file(HEAD, &head.to_bytes())?;
        match before {
            Some(before) => self.write_file(BEFORE, before).map(drop),
            None => Ok(()),
        }
    }

    /// Remembers the digest of a text that is not lost with this directory: that of the
    /// encrypted file, or of a draft.
    ///
    /// # Errors
    /// When the memory is full.
    pub fn note_original(&self, digest: &[u8]) -> io::Result<()> {
        self.write_file(ORIGINAL, digest).map(drop)
    }

    /// Remembers which process the editor is.
    ///
    /// # Errors
    /// When the memory is full.
    pub fn note_editor(&self, pid: u32) -> io::Result<()> {
        let process = ProcessIdentity::of(pid).to_string();
        self.write_file(EDITOR, process.as_bytes()).map(drop)
    }

    /// Whether it is in memory.
    pub fn is_in_memory(&self) -> bool {
        self.in_memory
    }

    /// Where the text is.
    pub fn text(&self) -> PathBuf {
        self.path.join(TEXT).join(&self.name)
    }

    /// The directory that the text is in, where an editor may put what it wants beside it.
    pub fn text_directory(&self) -> PathBuf {
        self.path.join(TEXT)
    }

    /// Puts a file beside the text.
    ///
    /// # Errors
    /// When the memory is full.
    pub fn write_beside_text(&self, file: &EmergencyFile) -> io::Result<()> {
        let path = self.path.join(TEXT).join(&file.name);
        self.write(&path, file.content.expose_secret())
    }

    /// What editors have put beside the text.
    pub fn emergency_files(&self) -> Vec<EmergencyFile> {
        emergency_files(&self.path, &self.name)
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

    /// Leaves it, and what it holds, to a later run. `None` if someone took the text away.
    pub fn leave(mut self) -> Option<PathBuf> {
        let text = self.text();
        self.is_left = text.symlink_metadata().is_ok_and(|text| text.is_file());
        self.is_left.then_some(text)
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
        if !self.is_left {
            remove(&self.path);
        }
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

/// The files beside the text of this name in a private directory. Links and directories
/// are not among them.
fn emergency_files(directory: &Path, text: &OsStr) -> Vec<EmergencyFile> {
    let entries = std::fs::read_dir(directory.join(TEXT));
    let entries = entries.into_iter().flatten().flatten();
    let beside = entries.filter(|entry| entry.file_name() != text);
    let mut files: Vec<EmergencyFile> = beside
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter_map(|entry| {
            let content = read_file(&entry.path()).ok()??;
            Some(EmergencyFile {
                name: entry.file_name(),
                content: SecretBox::new(Box::new(content)),
            })
        })
        .collect();
    files.sort_by(|one, other| one.name.cmp(&other.name));
    files
}

/// Removes a directory with all that it holds. Links are removed, not followed.
fn remove(path: &Path) {
    const TRIES: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(10);
    // An editor's children may write there still: under another name they do not
    // find it. If this run is killed, the next one goes on.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let random: String = name.chars().rev().take(RANDOM_LENGTH).collect();
    let hidden = path.with_file_name(format!("{GONE}{random}"));
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
