//! The temporary files: their names, and the locks that say who still lives.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{directory_of, target_of};

/// Temporary files are called `.NAME.kb-tmp-XXXXXXXX`, with so many letters and
/// digits at the end. The lock on one says that its process lives.
const INFIX: &str = ".kb-tmp-";
const KEPT: &str = ".kb-kept-";
const RANDOM_LENGTH: usize = 8;
/// So many bytes of the target's name go into that of its temporary file.
const LONGEST_NAME: usize = 200;

/// The mode of a file that was not there before.
const NEW_FILE_MODE: u32 = 0o644;

/// The beginning of the names of temporary files for `target`.
fn prefix(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let name = name.trim_start_matches('.');
    // What is put around it must not make it longer than a name may be.
    let mut ends = (0..=name.len().min(LONGEST_NAME)).rev();
    let end = ends.find(|end| name.is_char_boundary(*end));
    format!(".{}{INFIX}", &name[..end.unwrap_or(0)])
}

/// Creates a temporary file for `target`, and locks it.
pub(super) fn create_locked(target: &Path) -> io::Result<(File, tempfile::TempPath)> {
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

/// Keeps what has a temporary name for its owner, under a name that no run of kb clears:
/// `NAME.kb-kept-XXXXXXXX`. Where that cannot be had, it stays under the temporary one.
pub(super) fn keep(mut temporary: tempfile::TempPath, target: &Path) -> PathBuf {
    temporary.disable_cleanup(true);
    let found = temporary.to_path_buf();
    let name = found.to_string_lossy();
    let random = name.rsplit_once(INFIX).map_or("", |(_, random)| random);
    let mut kept = target.as_os_str().to_owned();
    kept.push(format!("{KEPT}{random}"));
    let kept = PathBuf::from(kept);
    match temporary.persist_noclobber(&kept) {
        Ok(()) => kept,
        Err(_) => found,
    }
}

/// Whether a file of this name is a temporary file of kb's.
pub fn is_temporary(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let parts = name.rsplit_once(INFIX);
    parts.is_some_and(|(before, random)| before.starts_with('.') && is_random(random))
}

fn is_random(text: &str) -> bool {
    text.len() == RANDOM_LENGTH && text.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Removes temporary files beside `path` whose process is gone: a kill leaves
/// one. What cannot be read or removed stays, since clearing is a courtesy and
/// not the task.
pub fn clear_stale(path: &Path) {
    let target = target_of(path).unwrap_or_else(|_| path.to_owned());
    let prefix = prefix(&target);
    let Ok(entries) = std::fs::read_dir(directory_of(&target)) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.strip_prefix(&prefix).is_some_and(is_random) {
            clear(&entry.path());
        }
    }
}

/// The same for temporary files that were found, whatever they are for.
pub fn clear_strays(found: &[PathBuf]) {
    found.iter().for_each(|path| clear(path));
}

fn clear(path: &Path) {
    if !path.symlink_metadata().is_ok_and(|found| found.is_file()) {
        return;
    }
    // One that is locked has a process that lives.
    if File::open(path).is_ok_and(|file| file.try_lock().is_ok()) {
        let _ = std::fs::remove_file(path);
    }
}
