//! Encrypts what should have been.

use std::path::{Path, PathBuf};

use super::content::{Cause, Content};
use super::rules::Rule;
use crate::core::replace::{self, ReplaceError};
use crate::core::sops::{Sops, SopsError};
use crate::core::sops_file::{self, FileError};

/// Why a file stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum FixError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// sops does not encrypt it.
    #[error(transparent)]
    Sops(#[from] SopsError),
    /// It cannot be replaced.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// By its rule, values of it would stay in plaintext.
    #[error("{} would not be encrypted by its rule: {values} would stay in plaintext", .path.display())]
    StillPlain {
        /// The file.
        path: PathBuf,
        /// Which ones.
        values: String,
        /// Why the first of them would.
        cause: Cause,
    },
    /// By its rule, more than its values would be encrypted.
    #[error("{} could not be applied any more: its rule encrypts {field} as well", .path.display())]
    Head {
        /// The file.
        path: PathBuf,
        /// A field that Flux has to read.
        field: String,
    },
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixed {
    /// It is encrypted now.
    Encrypted,
    /// It was not what was to be encrypted: what was found is in the index alone.
    NotThis,
}

/// Encrypts a file in place by its rule: atomically, and only if it is well encrypted
/// then. Its plaintext is gone.
///
/// # Errors
/// [`FixError`]; then the file is as it was.
pub fn fix(sops: &Sops, path: &Path, rule: Rule<'_>) -> Result<Fixed, FixError> {
    let before = sops_file::read(path)?;
    match Content::of(path, &before, Some(rule)) {
        Content::Plaintext(found) if found.is_plainly_meant => {}
        _ => return Ok(Fixed::NotThis),
    }
    replace::check_replaceable(path)?;
    let sops = sops.with_config(rule.config.path.clone());
    let after = sops.encrypt_file(path)?;
    let path = || path.to_owned();
    let still_plain = |values: String, cause| FixError::StillPlain {
        path: path(),
        values,
        cause,
    };
    match Content::of(&path(), &after, Some(rule)) {
        Content::Encrypted(found) if !found.plain_values.is_empty() => {
            let cause = found.plain_values[0].cause;
            let names = found.plain_values.into_iter().map(|value| value.name);
            let names: Vec<String> = names.collect();
            return Err(still_plain(names.join(", "), cause));
        }
        Content::Encrypted(found) => {
            if let Some(field) = found.encrypted_head {
                return Err(FixError::Head {
                    path: path(),
                    field,
                });
            }
        }
        Content::Damaged(error) => return Err(error.into()),
        Content::Other | Content::Plaintext(_) => {
            return Err(still_plain("all of it".to_owned(), Cause::Rule));
        }
    }
    replace::clear_stale(&path());
    replace::stage(&path(), Some(&before), &after)?.commit()?;
    Ok(Fixed::Encrypted)
}
