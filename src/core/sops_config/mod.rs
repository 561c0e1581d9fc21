//! `.sops.yaml`: which recipients a path's files get.
//!
//! People write this file by hand, so kb changes it as they would: outside the
//! value that changes, every byte stays. [`model`] reads the file, [`evident`]
//! decides which rule a new key belongs to, [`edit`] splices the text.
//!
//! serde-saphyr reads and granit-parser, the parser inside it, gives the byte
//! positions for the edit. Both were measured against generated configurations
//! where other YAML crates failed on merge keys, byte order marks, comments or
//! line endings. After an edit the new text is read again, and only the
//! intended difference may be there.
//!
//! Format: sops 3.13, `config/config.go`.

mod edit;
mod evident;
mod model;
mod tree;

use std::io;
use std::path::{Path, PathBuf};

pub use edit::EditError;
pub use evident::{NotEvident, Place, RuleSummary, evident};
pub use model::{ConfigError, CreationRule, KeyText, Position, RuleSet};

use super::identity::Recipient;

/// The name of the file; sops reads no other.
pub const FILE_NAME: &str = ".sops.yaml";

/// The rule that kb writes where there is none: manifests whose own name (not
/// a folder's) says that they hold a secret.
const DEFAULT_PATH_REGEX: &str = r"(^|/)[^/]*secret[^/]*\.ya?ml$";

/// What is encrypted in a Kubernetes Secret. Whole manifests cannot be: Flux
/// must read `kind` and `metadata` before it decrypts.
const SECRET_VALUES: &str = "^(data|stringData)$";

/// A `.sops.yaml`: its text, and the rules read from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SopsConfig {
    /// Where it is.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Its rules.
    pub rules: RuleSet,
}

impl SopsConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// [`ConfigError::Read`], [`ConfigError::Parse`]. What sops would accept
    /// and then fail on (a regular expression, a recipient) is told by
    /// [`RuleSet::check`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read_error = |source| ConfigError::Read {
            path: path.to_owned(),
            source,
        };
        let bytes = std::fs::read(path).map_err(read_error)?;
        let text = String::from_utf8(bytes).map_err(|_| {
            read_error(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is not UTF-8 text",
            ))
        })?;
        let rules = RuleSet::parse(path, &text)?;
        Ok(Self {
            path: path.to_owned(),
            text,
            rules,
        })
    }

    /// The text with `recipient` put into `place`.
    ///
    /// # Errors
    /// [`EditError`] where the file has a form that kb does not edit, or where
    /// the result would differ in more than was intended.
    pub fn with_recipient(&self, place: Place, recipient: &Recipient) -> Result<String, EditError> {
        edit::with_recipient(self, place, recipient)
    }
}

/// The text of a new `.sops.yaml` with one rule, for `recipient`.
pub fn new_file(recipient: &Recipient) -> String {
    edit::new_file(recipient)
}
