//! Which values of a file a rule encrypts: `encrypted_regex` and its siblings.
//!
//! As sops 3.13 decides it (`sops.go`, `shouldBeEncrypted`): by the keys on the way
//! to a value; the places in a list count for nothing. In a binary file all is
//! encrypted.

use std::cell::RefCell;

use super::config::SECRET_VALUES;
use super::path_regex::GoRegex;

/// What sops leaves in plaintext where nothing else is said.
const DEFAULT_UNENCRYPTED_SUFFIX: &str = "_unencrypted";

/// The fields that say which values are encrypted, of a rule and of a file's metadata.
pub const SELECTION_FIELDS: [&str; 6] = [
    "encrypted_regex",
    "unencrypted_regex",
    "encrypted_suffix",
    "unencrypted_suffix",
    "encrypted_comment_regex",
    "unencrypted_comment_regex",
];

/// Those by which comments decide.
const COMMENT_FIELDS: [&str; 2] = [SELECTION_FIELDS[4], SELECTION_FIELDS[5]];

/// Which values of a file a rule encrypts. sops takes one of these at a time.
#[derive(Clone, Debug, Default)]
pub enum Selection {
    /// The rule says nothing of it: all but those whose key ends in `_unencrypted`.
    #[default]
    Unsaid,
    /// Those behind a key with this ending.
    EncryptedSuffix(String),
    /// All but those behind a key with this ending.
    UnencryptedSuffix(String),
    /// Those behind a key that this matches; nothing if kb cannot tell, which is a fault of
    /// the rule or of the file.
    EncryptedRegex(Option<GoRegex>),
    /// All but those behind a key that this matches.
    UnencryptedRegex(Option<GoRegex>),
    /// Comments beside the values decide.
    ByComment,
}

impl Selection {
    /// As a rule says it, or the metadata of a file: `text` gives what stands in a
    /// field of this name.
    pub fn new(text: impl Fn(&str) -> Option<String>) -> Self {
        let said = |field: &str| text(field).filter(|text| !text.is_empty());
        if let Some(text) = said("encrypted_regex") {
            Self::EncryptedRegex(regex(&text))
        } else if let Some(text) = said("unencrypted_regex") {
            Self::UnencryptedRegex(regex(&text))
        } else if let Some(suffix) = said("encrypted_suffix") {
            Self::EncryptedSuffix(suffix)
        } else if let Some(suffix) = said("unencrypted_suffix") {
            Self::UnencryptedSuffix(suffix)
        } else if COMMENT_FIELDS.iter().any(|field| said(field).is_some()) {
            Self::ByComment
        } else {
            Self::Unsaid
        }
    }

    /// As kb writes it for Secrets: their values.
    pub fn of_secrets() -> Self {
        Self::EncryptedRegex(regex(SECRET_VALUES))
    }

    /// Whether the rule says which values it is about.
    pub fn is_explicit(&self) -> bool {
        !matches!(self, Self::Unsaid)
    }

    /// Whether it can be told by the keys alone: comments do not decide, and kb can tell
    /// what the expression matches.
    pub fn is_by_keys(&self) -> bool {
        match self {
            Self::EncryptedRegex(regex) | Self::UnencryptedRegex(regex) => regex.is_some(),
            Self::ByComment => false,
            Self::Unsaid | Self::EncryptedSuffix(_) | Self::UnencryptedSuffix(_) => true,
        }
    }

    /// Whether kb can apply it, in time in proportion to the keys: a file can name any
    /// expression, and many keys.
    pub fn is_fast(&self) -> bool {
        match self {
            Self::EncryptedRegex(regex) | Self::UnencryptedRegex(regex) => {
                regex.as_ref().is_some_and(GoRegex::is_fast)
            }
            _ => true,
        }
    }

    /// Whether a value that stands behind these keys is encrypted. Where comments
    /// decide, it may be.
    pub fn selects(&self, keys: &[&str]) -> bool {
        let is_named = keys.iter().any(|key| self.names(key));
        match self {
            Self::EncryptedSuffix(_) | Self::EncryptedRegex(_) => is_named,
            Self::Unsaid | Self::UnencryptedSuffix(_) | Self::UnencryptedRegex(_) => !is_named,
            Self::ByComment => true,
        }
    }

    /// Whether a key is one that decides about all values behind it.
    fn names(&self, key: &str) -> bool {
        match self {
            Self::Unsaid => key.ends_with(DEFAULT_UNENCRYPTED_SUFFIX),
            Self::EncryptedSuffix(suffix) | Self::UnencryptedSuffix(suffix) => {
                key.ends_with(suffix)
            }
            Self::EncryptedRegex(regex) | Self::UnencryptedRegex(regex) => {
                regex.as_ref().is_some_and(|regex| regex.matches(key))
            }
            Self::ByComment => false,
        }
    }

    /// Whether a value that stands behind these keys is encrypted whatever comments say.
    pub fn surely_selects(&self, keys: &[&str]) -> bool {
        !matches!(self, Self::ByComment) && self.selects(keys)
    }
}

thread_local! {
    /// The expression that was read last: most files of a repository have the same, and
    /// to compile it takes longer than to read a file.
    static LAST: RefCell<Option<GoRegex>> = const { RefCell::new(None) };
}

fn regex(text: &str) -> Option<GoRegex> {
    LAST.with_borrow_mut(|last| {
        if last.as_ref().is_none_or(|last| last.as_str() != text) {
            *last = GoRegex::new(text).ok();
        }
        last.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_selected_as_sops_selects_them() {
        let regex = |text| GoRegex::new(text).ok();
        let encrypted = |text| Selection::EncryptedRegex(regex(text));
        let unencrypted = |text| Selection::UnencryptedRegex(regex(text));
        assert!(Selection::Unsaid.selects(&["a", "data"]));
        assert!(!Selection::Unsaid.selects(&["b_unencrypted"]));
        assert!(encrypted("^(data|stringData)$").selects(&["a", "data"]));
        assert!(!encrypted("^stringData$").selects(&["a", "data"]));
        assert!(!encrypted("(").selects(&["("]), "not an expression");
        // The ending counts only where nothing else is said.
        assert!(encrypted("^b").selects(&["b_unencrypted"]));
        assert!(!unencrypted("^a$").selects(&["a", "data"]));
        assert!(unencrypted("^a$").selects(&["b"]));
        let suffix = || "_secret".to_owned();
        assert!(Selection::EncryptedSuffix(suffix()).selects(&["a_secret", "b"]));
        assert!(!Selection::EncryptedSuffix(suffix()).selects(&["a"]));
        assert!(!Selection::UnencryptedSuffix(suffix()).selects(&["a_secret"]));
    }
}
