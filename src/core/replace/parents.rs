//! The directories above a new file.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::ReplaceError;

/// Directories that were made for a file.
#[must_use]
pub struct Parents(Vec<PathBuf>);

/// Makes the directories above `path` that are not there. Dropped, they go again
/// if nothing is in them.
///
/// # Errors
/// [`ReplaceError::Io`]; nothing is left behind.
pub fn create_parents(path: &Path) -> Result<Parents, ReplaceError> {
    create_with_mode(path, 0o777)
}

/// As [`create_parents`]; nobody else may enter the directories.
///
/// # Errors
/// [`ReplaceError::Io`]; nothing is left behind.
pub fn create_private_parents(path: &Path) -> Result<Parents, ReplaceError> {
    create_with_mode(path, 0o700)
}

/// The umask counts, too.
fn create_with_mode(path: &Path, mode: u32) -> Result<Parents, ReplaceError> {
    let mut missing: Vec<&Path> = Vec::new();
    let above = path.ancestors().skip(1);
    missing.extend(above.take_while(|directory| directory.symlink_metadata().is_err()));
    let mut made = Parents(Vec::new());
    for directory in missing.into_iter().rev() {
        match std::fs::DirBuilder::new().mode(mode).create(directory) {
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
