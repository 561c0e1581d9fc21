//! `check --fix`: encrypts what should have been.

use std::path::{Path, PathBuf};

use memchr::memmem;
use secrecy::{ExposeSecret, SecretBox};

use crate::core::audit::{Cause, FileContent};
use crate::core::edit::{self, Trial};
use crate::core::encrypted::{self, ENCRYPTED_VALUE, EncryptedFile, FileError, Format};
use crate::core::replace::{self, ReplaceError};
use crate::core::rules::MatchedRule;
use crate::core::sops::{Access, AllowedIdentities, Sops, SopsError, kinds_of};

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
    /// Something in it would not be what it is now.
    #[error("{} was not encrypted, because sops would change it: {differences}", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What, by key and line, without values.
        differences: String,
    },
    /// sops took other keys than the rule names.
    #[error("{} would be encrypted for other keys than its rule {rule} names", .path.display())]
    OtherReaders {
        /// The file.
        path: PathBuf,
        /// `FILE:LINE:COLUMN`.
        rule: String,
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
    /// It is no such file: what was found is in the index alone, or not plainly meant.
    NotMeant,
}

/// Encrypts a file in place by its rule: atomically, and only if it is well encrypted
/// then, and sops reads the same in it as was there. Its plaintext is gone. Documents without
/// a value are removed, as Flux refuses what sops makes of them. The key servers of the rule are contacted: they must have
/// been accepted, as must readers that were not reviewed.
///
/// # Errors
/// [`FixError`]; then the file is as it was.
pub fn fix(sops: &Sops, path: &Path, rule: MatchedRule<'_>) -> Result<Fixed, FixError> {
    let before = encrypted::read(path)?;
    // What holds encrypted values already would be encrypted twice.
    let is_encrypted = memmem::find(&before, ENCRYPTED_VALUE.as_bytes()).is_some();
    match FileContent::of(path, &before, Some(rule)) {
        FileContent::Plaintext(found) if found.is_plainly_meant && !is_encrypted => {}
        _ => return Ok(Fixed::NotMeant),
    }
    replace::check_replaceable(path)?;
    let sops = sops.with_config(rule.config.path.clone());
    let access = Access {
        keys: AllowedIdentities::None,
        kinds: &kinds_of(&rule.rule.readers),
    };
    let changed = |differences| FixError::Changed {
        path: path.to_owned(),
        differences,
    };
    let format = Format::of(path);
    let typed = SecretBox::new(Box::new(before.clone()));
    let filled = edit::without_empty_documents(format, &typed).map_err(changed)?;
    let text = filled.as_ref().unwrap_or(&typed);
    let after = sops.encrypt_content(path, text.expose_secret(), access)?;
    check(path, &after, rule)?;
    let trial = Trial {
        file: path,
        format,
        text,
        selection: &rule.rule.selection_fields,
        mac_only_encrypted: rule.rule.mac_only_encrypted,
    };
    let saved = trial.decrypted(&sops, None)?;
    let (text, saved) = (text.expose_secret(), saved.expose_secret());
    if let Some(differences) = edit::differences(format, text, saved, b"") {
        return Err(changed(differences.to_string()));
    }
    replace::clear_stale(path);
    replace::stage(path, Some(&before), &after)?.commit()?;
    Ok(Fixed::Encrypted)
}

/// Checks that a file is well encrypted, for the readers of this very rule: sops has read
/// the config by itself.
fn check(path: &Path, encrypted: &[u8], rule: MatchedRule<'_>) -> Result<(), FixError> {
    let path = path.to_owned();
    match FileContent::of(&path, encrypted, Some(rule)) {
        FileContent::Encrypted(found) => {
            match (
                found.protection.plain_values.first(),
                found.encrypted_head.clone(),
            ) {
                (Some(first), _) => Err(FixError::StillPlain {
                    cause: first.cause,
                    values: found
                        .protection
                        .plain_values
                        .iter()
                        .map(|value| value.name.as_str())
                        .collect::<Vec<_>>()
                        .join(", "),
                    path,
                }),
                (None, Some(field)) => Err(FixError::Head { path, field }),
                (None, None) if found.protection.encrypts_nothing => Err(nothing(path)),
                (None, None) => check_readers(&path, encrypted, rule),
            }
        }
        FileContent::Damaged(error) => Err(error.into()),
        FileContent::Other
        | FileContent::Placeholders(_)
        | FileContent::Settings(_)
        | FileContent::Unnamed
        | FileContent::Plaintext(_) => Err(nothing(path)),
    }
}

fn check_readers(path: &Path, encrypted: &[u8], rule: MatchedRule<'_>) -> Result<(), FixError> {
    let readers = EncryptedFile::parse(path, encrypted)?.metadata.readers();
    if rule.rule.readers.compare(&readers, &[]).is_certain() {
        return Err(FixError::OtherReaders {
            path: path.to_owned(),
            rule: rule.rule.position.in_file(&rule.config.path),
        });
    }
    Ok(())
}

fn nothing(path: PathBuf) -> FixError {
    FixError::StillPlain {
        path,
        values: "all of it".to_owned(),
        cause: Cause::Rule,
    }
}
