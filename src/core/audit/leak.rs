//! What must not be committed.

use std::path::Path;

use super::content::{FileContent, Plain, PlainValue, Plaintext};
use super::lost::LostRule;
use super::mismatch::Mismatch;
use super::{Audit, Examined};
use crate::core::encrypted::FileError;
use crate::core::encrypted::inspect::Protection;
use crate::core::rules::{MatchedRule, RuleOf};
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
    /// Values in an encrypted file are not encrypted.
    PlainValues(Vec<&'a PlainValue>),
    /// Values in it look encrypted, and sops does not decrypt them.
    LooksEncrypted(Vec<&'a PlainValue>),
    /// It has sops metadata, and none of its values is encrypted.
    NothingEncrypted,
    /// Values of Secrets in it are numbers or truth values.
    NotTexts(&'a [String]),
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
        if let FileContent::Encrypted(found) = &self.content
            && let Some(rule) = audit.rules.of(&self.path).usable()
            && let Some(mismatch) = Mismatch::of(&found.file, rule, &[])
            && (mismatch.is_of_readers() || !self.is_ignored)
        {
            problems.push(Leak::Mismatch(mismatch));
        }
        problems
    }

    /// What of it must not be committed as it is.
    pub fn leaks<'a>(&'a self, audit: &'a Audit) -> Vec<Leak<'a>> {
        let key = self.private_key.map(|line| Leak::PrivateKey { line });
        let content = match &self.content {
            _ if self.is_ignored => Vec::new(),
            FileContent::Plaintext(found) => {
                let place = |rule: MatchedRule<'_>| rule.rule.position.in_file(&rule.config.path);
                let rule = match audit.rules.of(&self.path) {
                    RuleOf::None => None,
                    RuleOf::Rule(rule) => Some(Ok(place(rule))),
                    RuleOf::Broken { error, rule } => Some(rule.map(place).ok_or(error)),
                };
                let leak = rule.map(|rule| Leak::NotEncrypted { found, rule });
                leak.into_iter().collect()
            }
            FileContent::Encrypted(found) => {
                let mut leaks = leaks_of(&found.protection);
                leaks.extend(found.damage.as_ref().map(Leak::Damaged));
                leaks
            }
            FileContent::Damaged(error) => vec![Leak::Damaged(error)],
            FileContent::Other
            | FileContent::Placeholders(_)
            | FileContent::Settings(_)
            | FileContent::Unnamed => Vec::new(),
        };
        let lost = audit.lost_rules.get(&self.path).map(Leak::LostRule);
        key.into_iter().chain(content).chain(lost).collect()
    }
}

fn leaks_of(protection: &Protection) -> Vec<Leak<'_>> {
    let values = protection.plain_values.iter();
    let (odd, plain): (Vec<&PlainValue>, _) = values.partition(|it| it.cause.looks_encrypted());
    let mut leaks = Vec::new();
    if !plain.is_empty() {
        leaks.push(Leak::PlainValues(plain));
    } else if protection.encrypts_nothing && odd.is_empty() {
        leaks.push(Leak::NothingEncrypted);
    }
    if !odd.is_empty() {
        leaks.push(Leak::LooksEncrypted(odd));
    }
    if !protection.not_texts.is_empty() {
        leaks.push(Leak::NotTexts(&protection.not_texts));
    }
    leaks
}

impl Audit {
    /// The files in which placeholders stand where values belong, each with the names of
    /// values that are text and tell no secret.
    pub fn placeholders(&self) -> impl Iterator<Item = (&Path, &[String])> {
        let files = self.files.iter().filter(|file| !file.is_ignored);
        files.filter_map(|file| match &file.content {
            FileContent::Placeholders(options) => Some((&*file.path, options.as_slice())),
            _ => None,
        })
    }

    /// The files with Secrets that no rule names, and whose values tell no secret, each with
    /// the names of the values.
    pub fn settings(&self) -> impl Iterator<Item = (&Path, &[String])> {
        let files = self.files.iter().filter(|file| !file.is_ignored);
        files.filter_map(|file| match &file.content {
            FileContent::Settings(names) => Some((&*file.path, names.as_slice())),
            _ => None,
        })
    }

    /// The files that are not encrypted, and that a rule is for by their place alone.
    pub fn unnamed(&self) -> impl Iterator<Item = &Path> {
        let files = self.files.iter().filter(|file| !file.is_ignored);
        let unnamed = files.filter(|file| matches!(file.content, FileContent::Unnamed));
        unnamed.map(|file| &*file.path)
    }

    /// The Secrets that no rule is for, and that are not encrypted.
    pub fn unruled_secrets(&self) -> impl Iterator<Item = (&Path, &Plaintext)> {
        self.files.iter().filter_map(|file| {
            let FileContent::Plaintext(found) = &file.content else {
                return None;
            };
            let is_secret = matches!(
                found.what,
                Plain::Secret(_)
                    | Plain::NotParsed {
                        is_secret: true,
                        ..
                    }
            );
            let is_unruled = || self.rules.of(&file.path).is_none();
            (is_secret && !file.is_ignored && is_unruled()).then_some((&*file.path, found))
        })
    }
}
