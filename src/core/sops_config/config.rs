//! A `.sops.yaml`: its text and its rules.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::model::{ConfigError, CreationRule, UnknownField};
use super::{read, syntax};
use crate::core::identity::Recipient;
use crate::core::regular_file::{self, LARGEST_CONFIG};
use crate::core::yaml::Encoding;

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
    /// How the file writes it. kb changes no file in UTF-16.
    pub encoding: Encoding,
    /// Its creation rules, in the order in which sops tries them.
    pub rules: Vec<CreationRule>,
    /// The rules by which `sops publish` encrypts again, of `destination_rules`.
    pub recreation_rules: Vec<CreationRule>,
    /// Fields at the top that look like a known one, and are none.
    unknown_fields: Vec<UnknownField>,
}

impl SopsConfig {
    /// Reads the file. One that is not there is as good as an empty one.
    ///
    /// # Errors
    /// [`ConfigError::Read`], [`ConfigError::Parse`]. What stands as a
    /// recipient is reported by [`SopsConfig::check_rules`].
    pub fn load_or_empty(path: &Path) -> Result<Self, ConfigError> {
        // A link that leads nowhere is a file that cannot be read.
        let exists = path.try_exists().unwrap_or(true) || path.is_symlink();
        match exists {
            true => Self::load(path),
            false => Self::parse(path, false, String::new(), Encoding::Utf8),
        }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// As for [`Self::load_or_empty`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::from_bytes(path, read_bytes(path)?)
    }

    /// Reads the content of the file at `path`.
    ///
    /// # Errors
    /// [`ConfigError::Parse`]
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, ConfigError> {
        let (text, encoding) = syntax::text(path, &bytes)?;
        Self::parse(path, true, text, encoding)
    }

    pub(super) fn parse(
        path: &Path,
        exists: bool,
        text: String,
        encoding: Encoding,
    ) -> Result<Self, ConfigError> {
        let rules = read::rules(path, &text)?;
        Ok(Self {
            path: path.to_owned(),
            exists,
            text,
            encoding,
            rules: rules.creation,
            recreation_rules: rules.recreation,
            unknown_fields: rules.unknown_fields,
        })
    }

    /// Checks that sops reads the file: a field with a value of another type stops it for
    /// all files, whatever rule it is in.
    ///
    /// # Errors
    /// [`ConfigError::Parse`]
    pub fn check_form(&self) -> Result<(), ConfigError> {
        let rules = self.rules.iter().chain(&self.recreation_rules);
        let mut faults = rules.flat_map(|rule| &rule.faults);
        let fault = faults.find(|fault| fault.stops_sops());
        fault.map_or(Ok(()), |fault| Err(fault.of(&self.path)))
    }

    /// Checks that sops can use each of these rules, and that none of them has a
    /// misspelled field without which it says too little.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check_rules(&self, rules: &[CreationRule]) -> Result<(), ConfigError> {
        rules.iter().try_for_each(|rule| {
            rule.check(&self.path)?;
            rule.check_fields(&self.path)
        })
    }

    /// What sops stumbles over in a rule; `None` if it can use it.
    pub fn error_of(&self, rule: &CreationRule) -> Option<ConfigError> {
        rule.check(&self.path).err()
    }

    /// The fields that sops does not know, each with its place, `FILE:LINE:COLUMN`.
    pub fn unknown_fields(&self) -> impl Iterator<Item = (String, &UnknownField)> {
        let rules = self.rules.iter().chain(&self.recreation_rules);
        let of_rules = rules.flat_map(|rule| &rule.unknown_fields);
        let all = self.unknown_fields.iter().chain(of_rules);
        all.map(|field| (field.position.in_file(&self.path), field))
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

    /// The rule that sops takes for a new file: the first whose `path_regex`
    /// matches. sops cuts the config's `directory` off the path as text, and
    /// matches the whole path where that fails; so both are to be absolute, and
    /// spelled as sops spells them (`config/config.go`,
    /// `parseCreationRuleForFile`): [`FoundConfig::base`][base] and
    /// [`absolute`][absolute] are.
    ///
    /// [base]: crate::core::repository::FoundConfig::base
    /// [absolute]: crate::core::repository::absolute
    pub fn rule_index(&self, directory: &Path, file: &Path) -> RuleMatch {
        let prefix = [directory.as_os_str().as_bytes(), b"/"].concat();
        let file = file.as_os_str().as_bytes();
        let relative = OsStr::from_bytes(file.strip_prefix(&*prefix).unwrap_or(file));
        for (index, rule) in self.rules.iter().enumerate() {
            match rule.matches(Path::new(relative)) {
                Some(true) => return RuleMatch::Rule(index),
                Some(false) => {}
                None => return RuleMatch::Unknown(index),
            }
        }
        RuleMatch::None
    }
}

/// Which of the rules a file has, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleMatch {
    /// No rule is for it.
    None,
    /// This one.
    Rule(usize),
    /// Nobody can tell: sops stops at this rule, whose paths it cannot read.
    Unknown(usize),
}

/// Checks that sops can read the file. Much of what stands in it is sops's business as
/// long as sops has no use for it: `sops decrypt` reads only `stores`.
///
/// # Errors
/// [`ConfigError::Read`], [`ConfigError::Conflict`], [`ConfigError::Parse`]
pub fn check_form(path: &Path) -> Result<(), ConfigError> {
    SopsConfig::load(path)?.check_form()
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let error = |source: io::Error| ConfigError::Read {
        path: path.to_owned(),
        source: source.into(),
    };
    regular_file::read(path, LARGEST_CONFIG).map_err(error)
}
