//! Texts that a template leaves where a key belongs.

use super::fault::letters_and_digits;
use crate::core::identity::Recipient;

/// A run of letters and digits that is as long as this is no example of a key
/// (one has 62 characters).
const LONGEST_EXAMPLE: usize = 30;

/// How templates enclose what is filled in later.
const BRACKETS: [(&str, &str); 3] = [("<", ">"), ("${", "}"), ("{{", "}}")];

/// Words that stand for themselves alone.
const WORDS: [&str; 6] = [
    "TODO",
    "FIXME",
    "CHANGEME",
    "REPLACEME",
    "PLACEHOLDER",
    "TBD",
];

/// Whether a text is one that a template leaves: `<…>`, `${…}`, `{{…}}`, `REPLACE_ME`
/// and other words in capitals, `age1xxxx…`, or `age1` followed by something that no key
/// has, as in `age1abc...`. A real key with a slip in it is not one, nor are two
/// without a comma.
pub(super) fn is_placeholder(text: &str) -> bool {
    if is_one_letter(text) {
        return true;
    }
    let mut runs = text.split(|c: char| !c.is_ascii_alphanumeric());
    if runs.any(|run| run.len() >= LONGEST_EXAMPLE) {
        return false;
    }
    if is_name_in_capitals(text) || is_variable(text) {
        return true;
    }
    if is_key_in_pieces(text) {
        return false;
    }
    let mut brackets = BRACKETS.iter();
    brackets.any(|(open, close)| text.starts_with(open) && text.ends_with(close))
        || text
            .strip_prefix("age1")
            .is_some_and(|rest| has_other_letters(rest) && text.parse::<Recipient>().is_err())
}

/// Whether a part of it is still to be filled in. Keys of the other kinds have no
/// brackets in them: they are URLs and names.
pub(super) fn has_placeholder(text: &str) -> bool {
    let mut brackets = BRACKETS.iter();
    is_placeholder(text)
        || brackets.any(|(open, close)| {
            let inner = text.split_once(open);
            inner.is_some_and(|(_, rest)| rest.contains(close))
        })
}

fn has_other_letters(text: &str) -> bool {
    text.contains(|c: char| !matches!(c, 'a'..='z' | '0'..='9'))
}

/// `xxxx` or `age1xxxx…`: the same letter three times at least.
fn is_one_letter(text: &str) -> bool {
    let rest = text.strip_prefix("age1").unwrap_or(text);
    let rest = rest.trim_end_matches(['.', '\u{2026}']);
    let mut letters = rest.chars();
    let first = letters.next();
    rest.len() >= 3
        && first.is_some_and(|first| first.is_ascii_alphabetic() && letters.all(|c| c == first))
}

/// `REPLACE_ME`, `YOUR_AGE_PUBLIC_KEY`: capitals, and underscores between them.
fn is_name_in_capitals(text: &str) -> bool {
    let is_capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    WORDS.contains(&text)
        || text.trim_matches('_').contains('_')
            && text.contains(|c: char| c.is_ascii_uppercase())
            && text.chars().all(is_capital)
}

/// `${AGE_PUBLIC_KEY}`: a name that is not a key in pieces, however long it is.
fn is_variable(text: &str) -> bool {
    let name = text
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.is_some_and(|name| !name.is_empty() && name.chars().all(is_of_name))
}

/// Whether the letters and digits together could be a key, wrapped or in groups:
/// all of bech32's alphabet, and about as many.
fn is_key_in_pieces(text: &str) -> bool {
    let letters = letters_and_digits(text);
    let data = letters.strip_prefix("age1").unwrap_or(&letters);
    data.len() > LONGEST_EXAMPLE && !data.to_ascii_lowercase().contains(['1', 'b', 'i', 'o'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_template_leaves_is_told_from_a_key_with_a_slip() {
        for text in [
            "<key>",
            "${AGE_PUBLIC_KEY}",
            "${THE_AGE_PUBLIC_KEY_OF_THE_CLUSTER_PRODUCTION}",
            "${age-public-key:-none}",
            "{{ .Values.age }}",
            "{{ENV.AGE_RECIPIENT}}",
            "REPLACE_ME",
            "CHANGE_ME",
            "YOUR_AGE_PUBLIC_KEY",
            "__AGE_KEY__",
            "CHANGEME",
            "age1xxxx",
            "age1xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "age1XXXXXXXX...",
            "age1abc...",
            "age1<your key>",
            "age1REPLACE_ME",
            "age1${KEY}",
            "xxxxxxxx",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in [
            "",
            "nonsense",
            "age1qpzry",
            "age1fpg084v5wusksewgk5hm8d5448w9kfea43a7fu2wkcldem06hvpswukuvv",
            "<age1fpg084v5wusksewgk5hm8d5448w9kfea43a7fu2wkcldem06hvpswukuvv>",
            "AGE1FPG084V5WUSKSEWGK5HM8D5448W9KFEA43A7FU2WKCLDEM06HVPSWUKUVV",
            "85D77543B3D624B63CEA9E6DBC17301B491B3F21",
            "85D7 7543 B3D6 24B6 3CEA  9E6D BC17 301B 491B 3F21",
            "arn:aws:kms:us-east-1:1234:key/x",
            "https://vault.example.com:8200/v1/sops/keys/first_key",
            "alice <alice@example.com>",
        ] {
            assert!(!is_placeholder(text), "{text}");
        }
        assert!(has_placeholder("arn:aws:kms:eu:<account>:key/${ID}"));
        assert!(!has_placeholder(
            "https://vault.example.com:8200/v1/sops/keys/a"
        ));
    }
}
