//! `edit`: a plaintext that exists only in memory and in an editor.
//!
//! | module | holds |
//! | --- | --- |
//! | `target` | the file, who it is for, and whether that is this cluster |
//! | `session` | one edit, in rounds of the editor |
//! | `open` | how it begins: keys, plaintext, private directory |
//! | `save` | how it ends: checked, encrypted, the file replaced |
//! | `check` | what is wrong with a text as it was typed, and as sops encrypted it |
//! | `text` | kb's comments above the text, and out of it again |
//! | `error` | what can stop it |

mod check;
mod error;
mod open;
mod save;
mod session;
mod target;
mod text;

pub use error::EditError;
pub use save::Saved;
pub use session::{Options, Reason, Round, Session};
pub use target::{Surroundings, Target};

use std::path::Path;

use super::private_dir::{self, Kept, Places};
use target::identity;

/// The newest text for the file at `path` that could not be saved, and how many
/// there are besides.
///
/// # Errors
/// [`EditError::NothingKept`], [`EditError::Resumed`]
pub fn kept(path: &Path, places: &Places) -> Result<(Kept, usize), EditError> {
    let identity = identity(path);
    let mut all = Kept::all(places, &identity).into_iter();
    let path = path.to_owned();
    match all.next() {
        Some(newest) => Ok((newest, all.len())),
        None if private_dir::is_resumed(places, &identity) => Err(EditError::Resumed { path }),
        None => Err(EditError::NothingKept { path }),
    }
}

/// Checks that no text for the file at `path` waits in memory: with a second one
/// beside it, one of them would be lost.
///
/// # Errors
/// [`EditError::Waiting`], [`EditError::Resumed`]
pub fn check_nothing_waits(path: &Path, places: &Places) -> Result<(), EditError> {
    match kept(path, places) {
        Ok(_) => Err(EditError::Waiting {
            path: path.to_owned(),
        }),
        Err(EditError::NothingKept { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether another run of kb edits the file at `path` now.
pub fn is_open_elsewhere(path: &Path, places: &Places) -> bool {
    private_dir::is_in_use(places, &identity(path))
}
