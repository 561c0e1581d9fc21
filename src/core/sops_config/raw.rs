//! The file as serde-saphyr reads it, and the rules made of it.

use std::fmt;
use std::path::Path;

use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_saphyr::Spanned;

use super::model::{ConfigError, CreationRule, KeyText, Position, RulePaths};
use super::path_regex::PathRegex;
use super::selection::Selection;
use super::syntax;

/// The rules of a file.
pub(super) struct Rules {
    pub(super) creation: Vec<CreationRule>,
    pub(super) recreation: Vec<CreationRule>,
}

/// Reads the text of the file at `path`, which is only named in errors.
pub(super) fn parse(path: &Path, text: &str) -> Result<Rules, ConfigError> {
    // A file of nothing but comments is an empty document.
    let raw: Option<RawConfig> = serde_saphyr::from_str_with_options(text, syntax::options())
        .map_err(|error| syntax::error(path, text, &error))?;
    syntax::check(path, text)?;
    let raw = raw.unwrap_or_default();
    let destinations = raw.destination_rules.unwrap_or_default().into_iter();
    let recreation = destinations.filter_map(|rule| rule?.recreation_rule);
    let creation = raw.creation_rules.unwrap_or_default().into_iter();
    Ok(Rules {
        creation: creation.map(CreationRule::from).collect(),
        recreation: recreation.map(CreationRule::from).collect(),
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawConfig {
    creation_rules: Option<Vec<Spanned<Option<RawRule>>>>,
    destination_rules: Option<Vec<Option<RawDestination>>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawDestination {
    recreation_rule: Option<Spanned<Option<RawRule>>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawRule {
    path_regex: Option<Spanned<String>>,
    age: Option<Spanned<KeyField>>,
    pgp: Option<KeyField>,
    kms: Option<KeyField>,
    gcp_kms: Option<KeyField>,
    hckms: Option<KeyField>,
    azure_keyvault: Option<KeyField>,
    hc_vault_transit_uri: Option<KeyField>,
    key_groups: Option<Vec<Option<RawKeyGroup>>>,
    encrypted_regex: Option<String>,
    encrypted_suffix: Option<String>,
    encrypted_comment_regex: Option<String>,
    unencrypted_regex: Option<String>,
    unencrypted_suffix: Option<String>,
    unencrypted_comment_regex: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawKeyGroup {
    merge: Option<Vec<Option<RawKeyGroup>>>,
    age: Option<Vec<Spanned<String>>>,
    pgp: Option<Vec<IgnoredAny>>,
    kms: Option<Vec<IgnoredAny>>,
    gcp_kms: Option<Vec<IgnoredAny>>,
    hckms: Option<Vec<IgnoredAny>>,
    azure_keyvault: Option<Vec<IgnoredAny>>,
    hc_vault: Option<Vec<IgnoredAny>>,
}

/// A string with commas, or a list of strings.
struct KeyField(Vec<(String, Option<Position>)>);

impl<'de> Deserialize<'de> for KeyField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StringOrList;
        impl<'de> Visitor<'de> for StringOrList {
            type Value = KeyField;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string of keys separated by commas, or a list of keys")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<KeyField, E> {
                let keys = text.split(',').map(str::trim).filter(|key| !key.is_empty());
                Ok(KeyField(keys.map(|key| (key.to_owned(), None)).collect()))
            }

            fn visit_unit<E: de::Error>(self) -> Result<KeyField, E> {
                Ok(KeyField(Vec::new()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<KeyField, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = list.next_element::<Spanned<String>>()? {
                    // sops joins the list and splits it again at commas.
                    let position = key.defined.into();
                    for part in key.value.split(',') {
                        keys.push((part.trim().to_owned(), Some(position)));
                    }
                }
                Ok(KeyField(keys))
            }
        }
        deserializer.deserialize_any(StringOrList)
    }
}

impl From<Spanned<Option<RawRule>>> for CreationRule {
    fn from(spanned: Spanned<Option<RawRule>>) -> Self {
        let position = spanned.defined.into();
        // A dash with nothing behind it is a rule that matches every path.
        let rule = spanned.value.unwrap_or_default();
        let selection = rule.selection();
        let groups = rule.key_groups.unwrap_or_default();
        let own = [rule.pgp, rule.kms, rule.gcp_kms];
        let more = [rule.hckms, rule.azure_keyvault, rule.hc_vault_transit_uri];
        let mut other_keys = own
            .iter()
            .chain(&more)
            .flatten()
            .any(|keys| !keys.0.is_empty());
        let mut age = Vec::new();
        if groups.is_empty() {
            if let Some(field) = rule.age {
                let whole = Position::from(field.defined);
                age.extend(field.value.0.into_iter().map(|(text, position)| KeyText {
                    text,
                    position: position.unwrap_or(whole),
                }));
            }
        } else {
            other_keys = false;
        }
        for group in groups.into_iter().flatten() {
            other_keys |= group.collect(&mut age);
        }
        let path_regex = rule.path_regex.filter(|regex| !regex.value.is_empty());
        Self {
            position,
            path_regex: path_regex.map(|spanned| RulePaths {
                regex: PathRegex::new(&spanned.value),
                position: spanned.defined.into(),
                text: spanned.value,
            }),
            age,
            other_keys,
            selection,
        }
    }
}

impl RawRule {
    fn selection(&self) -> Selection {
        Selection::new(|field| {
            let text = match field {
                "encrypted_regex" => &self.encrypted_regex,
                "encrypted_suffix" => &self.encrypted_suffix,
                "encrypted_comment_regex" => &self.encrypted_comment_regex,
                "unencrypted_regex" => &self.unencrypted_regex,
                "unencrypted_suffix" => &self.unencrypted_suffix,
                "unencrypted_comment_regex" => &self.unencrypted_comment_regex,
                _ => &None,
            };
            text.clone()
        })
    }
}

impl RawKeyGroup {
    /// Collects the age keys, and tells whether there are others.
    fn collect(self, age: &mut Vec<KeyText>) -> bool {
        for key in self.age.into_iter().flatten() {
            let position = Position::from(key.defined);
            age.extend(key.value.split(',').map(|part| KeyText {
                text: part.trim().to_owned(),
                position,
            }));
        }
        let lists = [
            self.pgp,
            self.kms,
            self.gcp_kms,
            self.hckms,
            self.azure_keyvault,
            self.hc_vault,
        ];
        let mut others = lists.iter().flatten().any(|keys| !keys.is_empty());
        for group in self.merge.into_iter().flatten().flatten() {
            others |= group.collect(age);
        }
        others
    }
}
