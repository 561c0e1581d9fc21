//! What must not be committed.

use std::path::Path;

use super::content::{Content, Plain, PlainValue, Plaintext};
use super::lost::LostRule;
use super::mismatch::Mismatch;
use super::{Audit, Examined, Rule, RuleOf};
use crate::core::encrypted::FileError;
use crate::core::sops_config::ConfigError;

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
        /// The rule, as `FILE:LINE:COLUMN`; if nobody can tell it, what is wrong with it.
        rule: Result<String, &'a ConfigError>,
    },
    /// Values of Secrets in an encrypted file are not encrypted.
    PlainValues(&'a [PlainValue]),
    /// It is not whole, so nobody can tell.
    Damaged(&'a FileError),
    /// It is encrypted otherwise than its rule says.
    Mismatch(Mismatch),
    /// It is encrypted, and no rule is for it any more.
    LostRule(&'a LostRule),
}

impl Examined {
    /// The same, and how it differs from its rule: without a cluster, which may hold several
    /// keys.
    pub fn problems<'a>(&'a self, audit: &'a Audit) -> Vec<Leak<'a>> {
        let mut problems = self.leaks(audit);
        if let Content::Encrypted(found) = &self.content
            && let Some(rule) = audit.rules.of(&self.path).usable()
            && let Some(mismatch) = Mismatch::of(&found.file, rule, &[])
        {
            problems.push(Leak::Mismatch(mismatch));
        }
        problems
    }

    /// What of it must not be committed as it is.
    pub fn leaks<'a>(&'a self, audit: &'a Audit) -> Vec<Leak<'a>> {
        let key = self.private_key.map(|line| Leak::PrivateKey { line });
        let content = match &self.content {
            Content::Plaintext(found) => {
                let place = |rule: Rule<'_>| rule.rule.position.in_file(&rule.config.path);
                let rule = match audit.rules.of(&self.path) {
                    RuleOf::None => None,
                    RuleOf::Rule(rule) => Some(Ok(place(rule))),
                    RuleOf::Broken { error, rule } => Some(rule.map(place).ok_or(error)),
                };
                rule.map(|rule| Leak::NotEncrypted { found, rule })
            }
            Content::Encrypted(found) => {
                let values = &found.plain_values;
                (!values.is_empty()).then_some(Leak::PlainValues(values))
            }
            Content::Damaged(error) => Some(Leak::Damaged(error)),
            Content::Other => None,
        };
        let lost = audit.lost_rules.get(&self.path).map(Leak::LostRule);
        key.into_iter().chain(content).chain(lost).collect()
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
