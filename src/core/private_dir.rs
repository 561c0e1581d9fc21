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
//! may be the trouble.

#![expect(
    clippy::disallowed_methods,
    reason = "it writes to memory, where core::replace has no business"
)]

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::disk;

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
/// The path of the file that the text is for.
const TARGET: &str = "target";
/// The encrypted file as it was when the text was opened; missing if there was
/// none.
const BEFORE: &str = "before";

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

/// A private directory in use. Dropping it removes it with all that it holds.
pub struct PrivateDir {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
    in_memory: bool,
    /// The base name of the file that it is for.
    name: PathBuf,
    /// When the text was written, as the file has it.
    written: Option<SystemTime>,
}

impl PrivateDir {
    /// Makes one for the text of `target`, an absolute path. `before` is the
    /// file's content now. `allow_disk`: on a disk, where there is no memory.
    ///
    /// # Errors
    /// [`PlaceError`]
    pub fn create(
        places: &Places,
        target: &Path,
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
            name: target.file_name().unwrap_or_default().into(),
            written: None,
        };
        this.prepare(target, before).map_err(error)?;
        Ok(this)
    }

    fn prepare(&self, target: &Path, before: Option<&[u8]>) -> io::Result<()> {
        for name in [TEXT, TEMPORARY, STAGED] {
            let directory = self.path.join(name);
            std::fs::DirBuilder::new().mode(0o700).create(&directory)?;
        }
        write(&self.path.join(TARGET), target.as_os_str().as_bytes())?;
        before.map_or(Ok(()), |before| write(&self.path.join(BEFORE), before))
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
    /// When the memory is full.
    pub fn write_text(&mut self, text: &[u8]) -> io::Result<()> {
        write(&self.text(), text)?;
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

    /// Writes a copy of the file that the text is for, under that file's name; its
    /// path.
    ///
    /// # Errors
    /// When the memory is full.
    pub fn stage(&self, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.path.join(STAGED).join(&self.name);
        write(&path, content)?;
        Ok(path)
    }

    /// Writes another file; its path. `name` has no directory.
    ///
    /// # Errors
    /// When the memory is full.
    pub fn write_file(&self, name: impl AsRef<OsStr>, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.path.join(name.as_ref());
        write(&path, content)?;
        Ok(path)
    }

    /// The text, or `None` if the editor took the file away. Nothing but a file
    /// is read: a pipe in its place would never end.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_text(&self) -> io::Result<Option<Vec<u8>>> {
        read_file(&self.text())
    }

    /// Leaves it in memory beyond the end of this run.
    pub fn keep(self) {
        let kept = sibling(&self.path, IN_USE, KEPT);
        // It can fail only if someone took the directory away, text and all.
        let _ = std::fs::rename(&self.path, kept);
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// A text that could not be saved, in a directory of its own. Dropping it leaves
/// it there.
pub struct Kept {
    path: PathBuf,
    /// Keeps others from resuming it as well.
    _lock: File,
    /// The text as it was left.
    pub text: Vec<u8>,
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
        let bytes = read_file(&path.join(TARGET)).ok()??;
        let own_target = PathBuf::from(std::ffi::OsString::from_vec(bytes));
        if own_target != target {
            return None;
        }
        let text = path.join(TEXT).join(target.file_name()?);
        Some(Self {
            since: std::fs::metadata(&text).ok()?.modified().ok()?,
            text: read_file(&text).ok()??,
            before: read_file(&path.join(BEFORE)).ok()?,
            path,
            _lock: lock,
        })
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
    let named = named_directories(places, IN_USE);
    named.into_iter().any(|(path, directory)| {
        let of_target = read_file(&path.join(TARGET))
            .is_ok_and(|bytes| bytes.as_deref() == Some(target.as_os_str().as_bytes()));
        of_target && directory.try_lock().is_err()
    })
}

/// The directories of this kind that no run holds, each with its lock.
fn directories(places: &Places, prefix: &str) -> impl Iterator<Item = (PathBuf, File)> {
    let named = named_directories(places, prefix).into_iter();
    // It may have gone, and another may have come, before it was locked.
    named.filter(|(path, directory)| directory.try_lock().is_ok() && is_at(directory, path))
}

/// The person's own directories whose names begin so, links left out.
fn named_directories(places: &Places, prefix: &str) -> Vec<(PathBuf, File)> {
    let mut found = Vec::new();
    for place in places.memory.iter().chain([&places.disk]) {
        let Ok(entries) = std::fs::read_dir(place) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let random = name.to_str().and_then(|name| name.strip_prefix(prefix));
            let ours = random.is_some_and(|random| {
                random.len() == RANDOM_LENGTH && random.bytes().all(|b| b.is_ascii_alphanumeric())
            });
            if !ours {
                continue;
            }
            if let Ok(directory) = open_directory(&entry.path())
                && let Ok(metadata) = directory.metadata()
                && metadata.uid() == rustix::process::geteuid().as_raw()
            {
                found.push((entry.path(), directory));
            }
        }
    }
    found
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
        let directory = open_directory(made.path())?;
        directory.lock()?;
        // Another run may have taken it for a dead one's before it was locked.
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

fn sibling(path: &Path, from: &str, to: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(name.replacen(from, to, 1))
}

/// Writes a file that only its owner may read. An editor may have put a link or
/// something else in its place.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    if path
        .symlink_metadata()
        .is_ok_and(|metadata| !metadata.is_file())
    {
        std::fs::remove_file(path)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(content)
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

/// Removes a directory with all that it holds. What an editor's children write
/// meanwhile makes the first tries fail. Links are removed, not followed.
fn remove(path: &Path) {
    const TRIES: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(10);
    for _ in 0..TRIES {
        match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => std::thread::sleep(PAUSE),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(root: &Path) -> Places {
        Places {
            memory: Vec::new(),
            disk: root.to_owned(),
        }
    }

    fn names(root: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(root).expect("a directory").flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    fn create(root: &Path) -> PrivateDir {
        let target = Path::new("/repo/a.yaml");
        PrivateDir::create(&places(root), target, Some(b"old"), true).expect("a directory")
    }

    #[test]
    fn it_goes_with_all_that_it_holds() {
        let root = tempfile::tempdir().expect("tempdir");
        let mut dir = create(root.path());
        dir.write_text(b"text").expect("write");
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode();
        assert_eq!(mode(&dir.path) & 0o777, 0o700);
        assert_eq!(mode(&dir.text()) & 0o777, 0o600);
        assert_eq!(dir.text().file_name(), Some(OsStr::new("a.yaml")));
        std::fs::write(dir.text().with_file_name("a.yaml~"), "copy").expect("write");
        drop(dir);
        assert_eq!(names(root.path()), [] as [&str; 0]);
    }

    #[test]
    fn a_panic_empties_it_too() {
        let root = tempfile::tempdir().expect("tempdir");
        let panicked = std::panic::catch_unwind(|| {
            let mut dir = create(root.path());
            dir.write_text(b"text").expect("write");
            panic!("on purpose");
        });
        assert!(panicked.is_err());
        assert_eq!(names(root.path()), [] as [&str; 0]);
    }

    #[test]
    fn a_live_one_stays_and_a_dead_one_is_cleared() {
        let root = tempfile::tempdir().expect("tempdir");
        let live = create(root.path());
        std::fs::create_dir_all(root.path().join("kb-edit-dead0000/text")).expect("mkdir");
        // Not ours: another name, and a link to something that is.
        std::fs::create_dir(root.path().join("kb-edit-notes")).expect("mkdir");
        let precious = tempfile::tempdir().expect("tempdir");
        std::fs::write(precious.path().join("file"), "x").expect("write");
        let link = root.path().join("kb-edit-link0000");
        std::os::unix::fs::symlink(precious.path(), &link).expect("link");
        clear_stale(&places(root.path()));
        let mut left = names(root.path());
        left.sort();
        let mut expected = ["kb-edit-notes", "kb-edit-link0000"]
            .map(str::to_owned)
            .to_vec();
        expected.push(
            live.path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned(),
        );
        expected.sort();
        assert_eq!(left, expected);
        assert!(precious.path().join("file").exists());
        assert!(is_in_use(&places(root.path()), Path::new("/repo/a.yaml")));
        assert!(!is_in_use(&places(root.path()), Path::new("/repo/b.yaml")));
    }

    #[test]
    fn a_kept_one_goes_only_when_it_is_discarded() {
        let root = tempfile::tempdir().expect("tempdir");
        let mut dir = create(root.path());
        dir.write_text(b"typed").expect("write");
        dir.keep();
        clear_stale(&places(root.path()));
        let target = Path::new("/repo/a.yaml");
        assert!(Kept::all(&places(root.path()), Path::new("/repo/b.yaml")).is_empty());
        let mut kept = Kept::all(&places(root.path()), target);
        assert_eq!(kept.len(), 1);
        let kept = kept.remove(0);
        assert_eq!(
            (kept.text.as_slice(), kept.before.as_deref()),
            (&b"typed"[..], Some(&b"old"[..]))
        );
        // Two do not resume it at once.
        assert!(Kept::all(&places(root.path()), target).is_empty());
        kept.discard();
        assert_eq!(names(root.path()), [] as [&str; 0]);
    }

    #[test]
    fn a_place_is_judged_by_its_file_system() {
        let root = tempfile::tempdir().expect("tempdir");
        let places = Places {
            memory: vec!["/nonexistent".into(), root.path().to_owned()],
            disk: root.path().to_owned(),
        };
        let refused = PrivateDir::create(&places, Path::new("/x"), None, false);
        let on_memory = disk::in_memory(File::open(root.path()).expect("open")).expect("asked");
        if !on_memory {
            let text = refused.err().expect("no memory").to_string();
            assert!(text.contains("/nonexistent is not there"), "{text}");
            assert!(text.contains("is on a disk"), "{text}");
        }
    }
}
