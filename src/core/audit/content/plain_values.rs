//! The values in an encrypted file that are not encrypted.

use serde_json::Value;

use crate::core::encrypted::Format;
use crate::core::manifest::{filled_values, is_empty, is_encrypted, secrets};
use crate::core::sops_config::Selection;

/// Where `kubectl apply` keeps all that was applied, the values of Secrets too.
const LAST_APPLIED: &str =
    "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";

/// So many values that were typed in are named, and so many characters of each name: all
/// of them can be much longer than the text that they are from.
const MOST_NAMED: usize = 1_000;
const LONGEST_NAME: usize = 200;

/// A value that is not encrypted, in a file that is.
#[derive(Debug, PartialEq, Eq)]
pub struct PlainValue {
    /// The keys that it stands behind, as in `data.password`.
    pub name: String,
    /// How it came there.
    pub cause: Cause,
}

/// Why a value in an encrypted file is not encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// sops would have encrypted it, by what the file itself says: someone has typed it
    /// in without sops.
    TypedIn,
    /// It is a value of a Secret, and the rule that the file was encrypted by is not for
    /// it.
    Rule,
    /// kubectl has put it into an annotation.
    LastApplied,
}

/// The values that are not encrypted, and should be by what the file itself says, or
/// because they are a Secret's.
pub(super) fn plain_values(
    format: Format,
    documents: &[Value],
    selection: &Selection,
) -> Vec<PlainValue> {
    let mut found = Vec::new();
    for document in documents {
        let own = document.as_object().into_iter().flatten();
        for (key, value) in own.filter(|(key, _)| !is_metadata(format, key)) {
            let mut typed_in = |keys: &[&str], value: &Value| {
                if !is_encrypted(value) && found.len() < MOST_NAMED {
                    found.push(PlainValue {
                        name: name(keys),
                        cause: Cause::TypedIn,
                    });
                }
            };
            selection.each_selected(value, &mut vec![key], &mut typed_in);
        }
        for secret in secrets(document) {
            found.extend(plain_values_of(secret, selection));
        }
    }
    found
}

/// The keys with points between them.
fn name(keys: &[&str]) -> String {
    let dots = keys.iter().skip(1).map(|key| [".", key]);
    let parts = keys.iter().take(1).copied().chain(dots.flatten());
    let mut characters = parts.flat_map(str::chars);
    let mut name: String = characters.by_ref().take(LONGEST_NAME).collect();
    if characters.next().is_some() {
        name.push('\u{2026}');
    }
    name
}

/// The values of a Secret that are not encrypted, and that the file's own rule is not
/// for. Those that a key's own ending leaves in plaintext are meant to be.
fn plain_values_of(secret: &Value, selection: &Selection) -> Vec<PlainValue> {
    let is_meant = |key: &str| key.ends_with("_unencrypted");
    let plain = filled_values(secret).filter(|(section, key, value)| {
        !is_encrypted(value) && !is_meant(key) && !selection.surely_selects(&[section, key])
    });
    let plain = plain.map(|(section, key, _)| PlainValue {
        name: format!("{section}.{key}"),
        cause: Cause::Rule,
    });
    let last_applied = secret
        .pointer(LAST_APPLIED)
        .filter(|value| !is_empty(value) && !is_encrypted(value));
    let last_applied = last_applied.map(|_| PlainValue {
        name: "the annotation last-applied-configuration".to_owned(),
        cause: Cause::LastApplied,
    });
    plain.chain(last_applied).collect()
}

/// Whether this is a key of sops's own at the top of a document.
fn is_metadata(format: Format, key: &str) -> bool {
    match format {
        Format::Dotenv => key.starts_with("sops_"),
        _ => key == "sops",
    }
}
