//! The fields that sops knows, and which of them an unknown one was meant to be.

use super::fields::Field;
use crate::core::sops_config::model::UnknownField;

/// Of the file.
pub(super) const TOP: &[&str] = &["creation_rules", "destination_rules", "stores"];

/// Of a rule.
pub(super) const RULE: &[&str] = &[
    "path_regex",
    "kms",
    "aws_profile",
    "age",
    "pgp",
    "gcp_kms",
    "hckms",
    "azure_keyvault",
    "hc_vault_transit_uri",
    "key_groups",
    "shamir_threshold",
    "unencrypted_suffix",
    "encrypted_suffix",
    "unencrypted_regex",
    "encrypted_regex",
    "unencrypted_comment_regex",
    "encrypted_comment_regex",
    "mac_only_encrypted",
];

/// Of a key group.
pub(super) const GROUP: &[&str] = &[
    "merge",
    "kms",
    "gcp_kms",
    "hckms",
    "azure_keyvault",
    "hc_vault",
    "age",
    "pgp",
];

/// Words in a name that say what was meant, however else it is spelled.
const HINTS: &[(&str, &str)] = &[
    ("path", "path_regex"),
    ("file", "path_regex"),
    ("glob", "path_regex"),
    ("azure", "azure_keyvault"),
    ("vault", "hc_vault"),
    ("vault", "hc_vault_transit_uri"),
    ("gpg", "pgp"),
    ("threshold", "shamir_threshold"),
    ("recipient", "age"),
    ("group", "key_groups"),
];

/// The entries that sops does not know, each with the known one that it looks like.
pub(super) fn unknown(fields: &[Field<'_>], known: &'static [&'static str]) -> Vec<UnknownField> {
    let unknown = fields.iter().filter(|field| !known.contains(&&*field.name));
    let unknown = unknown.map(|field| UnknownField {
        name: field.name.clone().into_owned(),
        position: field.key.into(),
        nearest: nearest(&field.name, known),
    });
    unknown.collect()
}

fn nearest(name: &str, known: &'static [&'static str]) -> Option<&'static str> {
    let name = in_one_style(name);
    let distance = |known: &&&'static str| (distance(&name, known), **known);
    let (least, closest) = known.iter().map(|known| distance(&known)).min()?;
    if least <= (closest.len() / 4).max(1) {
        return Some(closest);
    }
    let mut hints = HINTS.iter();
    let hint = hints.find(|(word, meant)| name.contains(word) && known.contains(meant));
    hint.map(|(_, meant)| *meant)
}

/// `pathRegex`, `path-regex` and `Path_Regex` as `path_regex`.
fn in_one_style(name: &str) -> String {
    let mut plain = String::new();
    let mut before_is_lower = false;
    for char in name.chars() {
        if char.is_uppercase() && before_is_lower {
            plain.push('_');
        }
        before_is_lower = char.is_lowercase();
        plain.extend(if char == '-' { '_' } else { char }.to_lowercase());
    }
    plain
}

/// How many characters have to be put in, taken out or replaced (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    // No name of a field is as long.
    if a.len() > 64 {
        return a.len();
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, char) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (at, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(char != *other);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_field_is_known_for_what_was_meant() {
        for (name, meant) in [
            ("path", Some("path_regex")),
            ("pathRegex", Some("path_regex")),
            ("path-regex", Some("path_regex")),
            ("path_regexp", Some("path_regex")),
            ("filename_regex", Some("path_regex")),
            ("encryptedRegex", Some("encrypted_regex")),
            ("encrypt_regex", Some("encrypted_regex")),
            ("unecrypted_regex", Some("unencrypted_regex")),
            ("AGE", Some("age")),
            ("ages", Some("age")),
            ("key_group", Some("key_groups")),
            ("azure_kv", Some("azure_keyvault")),
            ("hc_vault", Some("hc_vault_transit_uri")),
            ("name", None),
            ("description", None),
            ("x", None),
            ("kube", None),
        ] {
            assert_eq!(nearest(name, RULE), meant, "{name}");
        }
        assert_eq!(nearest("hc_vault_transit_uri", GROUP), Some("hc_vault"));
        assert_eq!(nearest("creationRules", TOP), Some("creation_rules"));
        assert_eq!(nearest("keys", TOP), None);
    }
}
