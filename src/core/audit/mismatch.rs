//! Whether an encrypted file is as its rule says: for whom, and which values.

use crate::core::encrypted::{EncryptedFile, Metadata};
use crate::core::identity::Recipient;
use crate::core::readers::{Reader, ReaderDifference};
use crate::core::rules::MatchedRule;

/// What sops writes into a file whose rule says nothing of its values.
const DEFAULT_SELECTION: (&str, &str) = ("unencrypted_suffix", "_unencrypted");

/// How a file differs from its rule. Its metadata is not authenticated, so this may be a
/// rule that was changed, or a file that someone tampered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The rule, as `FILE:LINE:COLUMN`.
    pub rule: String,
    /// How its readers differ.
    pub readers: ReaderDifference,
    /// Whether sops may see other keys in it than kb does.
    pub is_uncertain: bool,
    /// Which values are encrypted, if that differs.
    pub selection: Option<OtherSelection>,
}

/// Which values are encrypted, in a file and by its rule, as it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherSelection {
    /// By the metadata of the file.
    pub file: String,
    /// By its rule.
    pub rule: String,
}

impl Mismatch {
    /// How the file differs from its rule. All recipients that one cluster has `held`
    /// count as the same.
    pub fn of(file: &EncryptedFile, rule: MatchedRule<'_>, held: &[Recipient]) -> Option<Self> {
        let metadata = &file.metadata;
        let wanted = &rule.rule.readers;
        // What a rule without a key is for, nobody knows yet.
        if wanted.is_empty() {
            return None;
        }
        let mut readers = wanted.compare(&metadata.readers(), held);
        let is_held = |reader: &Reader| reader.recipient().is_some_and(|key| held.contains(key));
        let others = file.others.iter().flat_map(Metadata::entries);
        for entry in metadata.passed_over.iter().chain(others) {
            let reader = &entry.reader;
            let is_known = wanted.names(reader) || is_held(reader);
            if !is_known && !readers.extra.contains(reader) {
                readers.extra.push(reader.clone());
            }
        }
        let by_rule = selection(&rule.rule.selection_fields, rule.rule.mac_only_encrypted);
        let mut by_file = [metadata]
            .into_iter()
            .chain(&file.others)
            .map(|it| selection(&it.selection_fields, it.mac_only_encrypted));
        let selection = by_file
            .find(|by_file| *by_file != by_rule)
            .map(|by_file| OtherSelection {
                file: by_file,
                rule: by_rule,
            });
        let mismatch = Self {
            rule: rule.rule.position.in_file(&rule.config.path),
            readers,
            is_uncertain: file.is_uncertain,
            selection,
        };
        (mismatch.is_of_readers() || mismatch.selection.is_some()).then_some(mismatch)
    }

    /// Whether it is about who can read the file.
    pub fn is_of_readers(&self) -> bool {
        !self.readers.is_empty() || self.is_uncertain
    }
}

/// The fields that say which values are encrypted, in one spelling.
fn selection(fields: &[(&'static str, String)], mac_only_encrypted: bool) -> String {
    let mut texts: Vec<String> = fields
        .iter()
        .map(|(name, text)| format!("{name}: {}", sorted(text)))
        .collect();
    if texts.is_empty() {
        let (name, text) = DEFAULT_SELECTION;
        texts.push(format!("{name}: {text}"));
    }
    if mac_only_encrypted {
        texts.push("mac_only_encrypted: true".to_owned());
    }
    texts.sort();
    texts.join(", ")
}

/// A choice of plain words, `^(a|b)$`, with its words in order.
fn sorted(expression: &str) -> String {
    let inner = |expression: &str| {
        let whole = expression.strip_prefix('^')?.strip_suffix('$')?;
        let group = whole.strip_prefix("(?:").or(whole.strip_prefix('('));
        let words = match group {
            Some(group) => group.strip_suffix(')')?,
            // Only within a group does the expression's end hold for all words.
            None => Some(whole).filter(|word| !word.contains('|'))?,
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "|_-".contains(c);
        words.chars().all(is_plain).then(|| words.to_owned())
    };
    match inner(expression) {
        Some(words) => {
            let mut words: Vec<&str> = words.split('|').collect();
            words.sort_unstable();
            words.dedup();
            format!("^({})$", words.join("|"))
        }
        None => expression.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_is_the_same_in_another_spelling() {
        let fields = |name, text: &str| vec![(name, text.to_owned())];
        let one = selection(&fields("encrypted_regex", "^(data|stringData)$"), false);
        let other = selection(&fields("encrypted_regex", "^(stringData|data)$"), false);
        assert_eq!(one, other);
        for (one, other) in [("^data$", "^(data)$"), ("^(?:a|b)$", "^(b|a|a)$")] {
            assert_eq!(sorted(one), sorted(other));
        }
        for (one, other) in [("^a|b$", "^(a|b)$"), ("^a.$", "^(a.)$"), ("a", "^a$")] {
            assert_ne!(sorted(one), sorted(other));
        }
        assert_eq!(
            selection(&[], false),
            selection(&fields("unencrypted_suffix", "_unencrypted"), false)
        );
        assert_ne!(
            one,
            selection(&fields("encrypted_regex", "^(data|stringData)$"), true)
        );
        assert_ne!(
            one,
            selection(&fields("unencrypted_regex", "^(data|stringData)$"), false)
        );
        assert_ne!(
            selection(&fields("encrypted_regex", "^(a.c|b)$"), false),
            selection(&fields("encrypted_regex", "^(b|a.c)$"), false)
        );
    }
}
