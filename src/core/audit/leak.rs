//! What must not be committed.

use std::path::Path;

use super::content::{Content, Plain, PlainValue, Plaintext};
use super::{Audit, Examined};
use crate::core::sops_file::FileError;

/// Something in a file that must not be committed.
#[derive(Debug)]
pub enum Leak<'a> {
    /// An age private key.
    PrivateKey {
        /// The line, from 1.
        line: u64,
    },
    /// The file is not encrypted, and its rule is for it.
    NotEncrypted {
        /// What is known of it.
        found: &'a Plaintext,
        /// The rule, as `FILE:LINE:COLUMN`.
        rule: String,
    },
    /// Values of Secrets in an encrypted file are not encrypted.
    PlainValues(&'a [PlainValue]),
    /// It is not whole, so nobody can tell.
    Damaged(&'a FileError),
}

impl Examined {
    /// What of it must not be committed.
    pub fn leaks<'a>(&'a self, audit: &'a Audit) -> Vec<Leak<'a>> {
        let key = self.private_key.map(|line| Leak::PrivateKey { line });
        let content = match &self.content {
            Content::Plaintext(found) => {
                audit.rules.of(&self.path).map(|rule| Leak::NotEncrypted {
                    found,
                    rule: rule.rule.position.in_file(&rule.config.path),
                })
            }
            Content::Encrypted(found) => {
                let values = &found.plain_values;
                (!values.is_empty()).then_some(Leak::PlainValues(values))
            }
            Content::Damaged(error) => Some(Leak::Damaged(error)),
            Content::Other => None,
        };
        key.into_iter().chain(content).collect()
    }
}

impl Audit {
    /// The Secrets that no rule is for, and that are not encrypted.
    pub fn unruled_secrets(&self) -> impl Iterator<Item = &Path> {
        let unruled = self.files.iter().filter(|file| {
            let is_secret = |found: &Plaintext| matches!(found.what, Plain::Secret(_));
            matches!(&file.content, Content::Plaintext(found) if is_secret(found))
                && self.rules.of(&file.path).is_none()
        });
        unruled.map(|file| file.path.as_path())
    }
}
