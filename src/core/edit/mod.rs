//! `edit`: a plaintext that exists only in memory and in an editor.
//!
//! | module | holds |
//! | --- | --- |
//! | `target` | the file, who it is for, and who may not have been reviewed |
//! | `session` | one edit, in rounds of the editor |
//! | `open` | how it begins: keys, plaintext, private directory |
//! | `save` | how it ends: checked, encrypted, the file replaced |
//! | `compare` | what sops would save otherwise than it was typed |
//! | `throwaway` | opens what sops makes of a text for other people |
//! | `objection` | why a text was refused, in words that repeat nothing of it |
//! | `check` | what is wrong with a text as it was typed, and as sops encrypted it |
//! | `keep` | what is typed and not saved: made a draft |
//! | `unsaved` | drafts, and what killed runs have left in memory |
//! | `swap` | files in which editors keep what is not saved |
//! | `text` | kb's comments above the text, and out of it again |
//! | `error` | what can stop it |

mod check;
mod compare;
mod error;
mod keep;
mod objection;
mod open;
mod save;
mod session;
mod swap;
mod target;
mod text;
mod throwaway;
mod unsaved;

pub use check::Problem;
pub use error::{EditError, KeptDraft, KeptPlace};
pub use save::Saved;
pub use session::{Options, Round, Session};
pub use target::{EditedFile, Surroundings, identity};
pub use throwaway::Trial;
pub use unsaved::{Adopted, Unsaved, adopt, check_nothing_waits, unsaved};

use std::path::Path;

use secrecy::SecretBox;

use super::encrypted::Format;
use super::private_dir::{self, TempDirs};

/// Whether another run of kb edits the file at `path` now.
pub fn is_open_elsewhere(path: &Path, places: &TempDirs) -> bool {
    private_dir::is_in_use(places, &identity(path))
}

/// What would be saved otherwise than it was typed, in words that name keys and no values. `saved` is what sops prints of the encrypted text, `shown` what the editor showed
/// before anything was typed.
pub fn differences(format: Format, typed: &[u8], saved: &[u8], shown: &[u8]) -> Option<Problem> {
    compare::differences(format, typed, saved, shown)
}

/// The text without documents that have no value; `None` where there are none of those.
///
/// # Errors
/// In words without values, where one cannot be removed without a change of anything else.
pub fn without_empty_documents(
    format: Format,
    text: &SecretBox<Vec<u8>>,
) -> Result<Option<SecretBox<Vec<u8>>>, String> {
    check::without_empty_documents(format, text).map_err(|problem| problem.to_string())
}
