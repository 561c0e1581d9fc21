//! Files in the person's state directory: readable by the person alone.

#![expect(
    clippy::disallowed_methods,
    reason = "it removes what it has written, and closes directories to others"
)]

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::replace::{self, ReplaceError};

/// The mode of each file.
pub const FILE_MODE: u32 = 0o600;
/// The mode of each directory that kb makes.
pub const DIRECTORY_MODE: u32 = 0o700;

/// Writes a file, with the directories above it. `before` is the content that was read,
/// `None` if there was no file.
///
/// # Errors
/// [`ReplaceError`]; the file is as it was.
pub fn write(path: &Path, before: Option<&[u8]>, content: &[u8]) -> Result<(), ReplaceError> {
    let _directories = replace::create_private_parents(path)?;
    replace::clear_stale(path);
    let staged = replace::stage(path, before, content)?;
    staged
        .with_permissions(&Permissions::from_mode(FILE_MODE))?
        .commit()
}

/// Makes a directory accessible to its owner alone (0700).
///
/// # Errors
/// When it is not a directory, or another user's, or cannot be changed.
pub fn close(directory: &Path) -> io::Result<()> {
    let metadata = std::fs::metadata(directory)?;
    if !metadata.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    if metadata.mode() & 0o077 == 0 {
        return Ok(());
    }
    std::fs::set_permissions(directory, Permissions::from_mode(DIRECTORY_MODE))
}

/// Removes a file.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
}
