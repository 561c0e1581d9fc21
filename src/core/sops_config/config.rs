//! A `.sops.yaml`: its text and its rules.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;

use super::model::{ConfigError, CreationRule, RuleSummary};
use super::path_regex::Paths;
use super::routing::Routing;
use super::{raw, syntax};
use crate::core::identity::Recipient;

/// The name of the file; sops reads no other.
pub const FILE_NAME: &str = ".sops.yaml";

/// The rule that kb writes where there is none: manifests whose own name (not
/// a folder's) says that they hold a secret.
pub const DEFAULT_PATH_REGEX: &str = r"(^|/)[^/]*secret[^/]*\.ya?ml$";

/// What is encrypted in a Kubernetes Secret. Whole manifests cannot be: Flux
/// must read `kind` and `metadata` before it decrypts.
pub(super) const SECRET_VALUES: &str = "^(data|stringData)$";

/// A `.sops.yaml`: its text, and the rules read from it.
#[derive(Clone, Debug)]
pub struct SopsConfig {
    /// Where it is.
    pub path: PathBuf,
    /// Whether there is such a file; if not, the text is empty.
    pub exists: bool,
    /// Its text.
    pub text: String,
    /// Its creation rules, in the order in which sops tries them.
    pub rules: Vec<CreationRule>,
    /// The rules by which `sops publish` encrypts again, of `destination_rules`.
    pub recreation_rules: Vec<CreationRule>,
}

impl SopsConfig {
    /// Reads the file. One that is not there is as good as an empty one.
    ///
    /// # Errors
    /// [`ConfigError::Read`], [`ConfigError::Parse`]. What stands as a
    /// recipient is told by [`SopsConfig::check`].
    pub fn load_or_empty(path: &Path) -> Result<Self, ConfigError> {
        // A link that leads nowhere is a file that cannot be read.
        let exists = path.try_exists().unwrap_or(true) || path.is_symlink();
        match exists {
            true => Self::load(path),
            false => Self::parse(path, false, String::new()),
        }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// As for [`Self::load_or_empty`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::from_bytes(path, read(path)?)
    }

    /// Reads the content of the file at `path`.
    ///
    /// # Errors
    /// [`ConfigError::Parse`]
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, ConfigError> {
        Self::parse(path, true, syntax::text(path, bytes)?)
    }

    pub(super) fn parse(path: &Path, exists: bool, text: String) -> Result<Self, ConfigError> {
        let rules = raw::parse(path, &text)?;
        Ok(Self {
            path: path.to_owned(),
            exists,
            text,
            rules: rules.creation,
            recreation_rules: rules.recreation,
        })
    }

    /// Checks that what stands as a recipient is one, or a placeholder, and that
    /// each `path_regex` compiles.
    ///
    /// # Errors
    /// [`ConfigError::Recipient`], [`ConfigError::PathRegex`]
    pub fn check(&self) -> Result<(), ConfigError> {
        self.rules
            .iter()
            .try_for_each(|rule| rule.check(&self.path))
    }

    /// Whether any rule encrypts to `recipient`.
    pub fn names(&self, recipient: &Recipient) -> bool {
        self.rules.iter().any(|rule| rule.names(recipient))
    }

    /// Whether `recipient` stands anywhere as a recipient.
    pub fn mentions(&self, recipient: &Recipient) -> bool {
        let all = self.rules.iter().chain(&self.recreation_rules);
        all.into_iter().any(|rule| rule.names(recipient))
    }

    /// The rules before this one that match all of its paths, so that sops never comes to
    /// it; none of them if no path matches it. `None` if sops does, or if the expressions
    /// are too complex to compare.
    pub fn shadows_of(&self, index: usize, paths: Paths) -> Option<Vec<RuleSummary>> {
        let (before, rule) = (&self.rules[..index], &self.rules[index]);
        let routing = Routing::new(rule.regex().ok()?, before, paths);
        routing.ok()?.shadowed_by().ok()?
    }

    /// The rule that sops takes for a new file: the first whose `path_regex`
    /// matches. sops cuts the config's `directory` off the path as text, and
    /// matches the whole path where that fails; so both are to be absolute, and
    /// spelled as sops spells them (`config/config.go`,
    /// `parseCreationRuleForFile`): [`FoundConfig::base`][base] and
    /// [`absolute`][absolute] are.
    ///
    /// [base]: crate::core::repository::FoundConfig::base
    /// [absolute]: crate::core::repository::absolute
    pub fn rule_for(&self, directory: &Path, file: &Path) -> Option<&CreationRule> {
        Some(&self.rules[self.rule_index(directory, file)?])
    }

    /// As [`Self::rule_for`], and which of the rules it is.
    pub fn rule_index(&self, directory: &Path, file: &Path) -> Option<usize> {
        let prefix = [directory.as_os_str().as_bytes(), b"/"].concat();
        let file = file.as_os_str().as_bytes();
        let relative = OsStr::from_bytes(file.strip_prefix(&*prefix).unwrap_or(file));
        self.rules
            .iter()
            .position(|rule| rule.matches(Path::new(relative)))
    }
}

/// Checks that the file is YAML. Much of what stands in it is sops's business
/// as long as sops has no use for it: `sops decrypt` reads only `stores`.
///
/// # Errors
/// [`ConfigError::Read`], [`ConfigError::Parse`]
pub fn check_form(path: &Path) -> Result<(), ConfigError> {
    let bytes = read(path)?;
    let options = serde_saphyr::options! { budget: None, with_snippet: false };
    let documents: Result<Vec<IgnoredAny>, _> =
        serde_saphyr::from_slice_multiple_with_options(&bytes, options);
    // sops reads UTF-16 too.
    match (documents, std::str::from_utf8(&bytes)) {
        (Err(error), Ok(text)) => Err(syntax::error(path, text, &error)),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let error = |source| ConfigError::Read {
        path: path.to_owned(),
        source,
    };
    // Reading a pipe could wait forever.
    if !std::fs::metadata(path).map_err(error)?.is_file() {
        let source = io::Error::other("it is a directory, a pipe or a device");
        return Err(error(source));
    }
    std::fs::read(path).map_err(error)
}
