//! What cannot be replaced, found out while there is nothing to lose.

use std::io;
use std::path::Path;

use rustix::fs::{Access, access};

use super::{ReplaceError, target_of};

/// Checks, before there is anything to lose, that a file may be made at `path`:
/// the nearest directory above it that is there must be writable.
///
/// # Errors
/// [`ReplaceError::Io`]
pub fn check_writable(path: &Path) -> Result<(), ReplaceError> {
    let target = target_of(path).unwrap_or_else(|_| path.to_owned());
    let mut above = target.ancestors().skip(1);
    let directory = above.find(|directory| directory.symlink_metadata().is_ok());
    let allowed = access(
        directory.unwrap_or(&target),
        Access::WRITE_OK | Access::EXEC_OK,
    );
    allowed.map_err(|errno| ReplaceError::Io {
        path: path.to_owned(),
        source: errno.into(),
    })
}

/// What stands in the way of a rename, though a file could be made beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// `chattr +i`.
    #[error("it has the attribute immutable (chattr)")]
    Immutable,
    /// `chattr +a`.
    #[error("it, or its directory, has the attribute append-only (chattr)")]
    AppendOnly,
    /// Something is mounted on the file itself.
    #[error("it is a mount of its own")]
    Mount,
    /// The directory has the sticky bit, and both belong to other people.
    #[error("it is someone else's, in a directory with the sticky bit")]
    Sticky,
}

/// Checks that a file that is there can be replaced.
///
/// # Errors
/// [`ReplaceError::Io`], [`ReplaceError::InTheWay`]
pub fn check_replaceable(path: &Path) -> Result<(), ReplaceError> {
    check_writable(path)?;
    match obstacle(path).map_err(|errno| io_error(path, errno.into()))? {
        None => Ok(()),
        Some(obstacle) => Err(ReplaceError::InTheWay {
            path: path.to_owned(),
            obstacle,
        }),
    }
}

fn io_error(path: &Path, source: io::Error) -> ReplaceError {
    ReplaceError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(target_os = "linux")]
fn obstacle(path: &Path) -> rustix::io::Result<Option<Obstacle>> {
    use super::directory_of;
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    const STICKY: u16 = 0o1000;
    let target = target_of(path).unwrap_or_else(|_| path.to_owned());
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    let file = statx(CWD, &target, AtFlags::SYMLINK_NOFOLLOW, wanted)?;
    let directory = statx(CWD, directory_of(&target), AtFlags::empty(), wanted)?;
    let has = |attribute| file.stx_attributes.contains(attribute);
    let user = rustix::process::geteuid();
    let others = |uid: u32| uid != user.as_raw();
    Ok(if has(StatxAttributes::IMMUTABLE) {
        Some(Obstacle::Immutable)
    } else if has(StatxAttributes::APPEND)
        || directory.stx_attributes.contains(StatxAttributes::APPEND)
    {
        Some(Obstacle::AppendOnly)
    } else if file.stx_mnt_id != directory.stx_mnt_id {
        Some(Obstacle::Mount)
    } else if directory.stx_mode & STICKY != 0
        && !user.is_root()
        && others(file.stx_uid)
        && others(directory.stx_uid)
    {
        Some(Obstacle::Sticky)
    } else {
        None
    })
}

/// Elsewhere nothing tells it beforehand.
#[cfg(not(target_os = "linux"))]
fn obstacle(_path: &Path) -> rustix::io::Result<Option<Obstacle>> {
    Ok(None)
}
