//! What a file that is not encrypted should be.

use std::path::Path;

use super::harmless::{
    assigns_secret, is_called_secret, is_empty, is_harmless, is_name_of_secret, is_of_words,
    is_open, is_public, is_setting, is_short, is_unremarkable, looks_like_secret,
};
use super::mention::Mention;
use super::named::{
    Named, is_called_for_secrets, is_of_chart, is_within_word, names_common_file, names_only_place,
};
use super::template::{
    has_expressions, is_filled_in, is_other_manifest, looks_like_a_secret, without_expressions,
};
use super::{FileContent, Plain, Plaintext, damage_of};
use crate::core::conflict;
use crate::core::encrypted::inspect::{
    Inspected, Leaf, holds_encrypted_file, inspect, inspect_manifests, is_sensitive, last_word,
};
use crate::core::encrypted::{Damage, FileError, Format};
use crate::core::placeholder::{is_placeholder, repeats};
use crate::core::rules::MatchedRule;
use crate::core::sops_config::Selection;
use crate::core::yaml::NotParsed;

/// Tags of values that programs read from somewhere else.
const REFERENCES: [&str; 7] = [
    "!ENV",
    "!env",
    "!env_var",
    "!include",
    "!secret",
    "!Ref",
    "!vault_ref",
];

/// A text without sops metadata.
pub(super) struct PlainText<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    pub(super) mention: Mention,
    /// Whether the file holds just this text, in UTF-8.
    pub(super) is_plain_utf8: bool,
    pub(super) rule: Option<MatchedRule<'a>>,
}

impl PlainText<'_> {
    /// What it is.
    pub(super) fn content(&self) -> FileContent {
        let mut placeholders = None;
        if self.mention != Mention::Nowhere {
            match self.secret() {
                FileContent::Other => {}
                FileContent::Placeholders(options) => placeholders = Some(options),
                found => return found,
            }
        }
        // A rule for every path says of no other file that it is one to be encrypted.
        let rule = self.rule.filter(|rule| !rule.is_for_all);
        let found = rule.map_or(FileContent::Other, |rule| self.values(rule));
        match (found, placeholders) {
            (FileContent::Other, Some(options)) => FileContent::Placeholders(options),
            (found, _) => found,
        }
    }

    /// Judges it as kubectl reads it.
    fn secret(&self) -> FileContent {
        match inspect_manifests(self.text) {
            Ok(documents) => {
                let is_template = matches!(Named::of(self.path), Named::Template(_));
                self.judged(&documents, is_template)
            }
            Err(error) => self
                .too_large(&error)
                .unwrap_or_else(|| self.unreadable_secret(&error)),
        }
    }

    /// What is too large to follow for kb, and may not be for kubectl and sops.
    fn too_large(&self, error: &NotParsed) -> Option<FileContent> {
        let is_file = matches!(Named::of(self.path), Named::File(_) | Named::Copy(_));
        let is_too_large = damage_of(error) == Damage::TooLarge && is_file;
        is_too_large.then(|| {
            FileContent::Damaged(FileError::Damaged {
                path: self.path.to_owned(),
                line_column: Some((error.line, error.column)),
                reason: Damage::TooLarge,
            })
        })
    }

    fn unreadable_secret(&self, error: &NotParsed) -> FileContent {
        let filled = Some(self.text).filter(|text| has_expressions(text));
        let filled = filled.and_then(without_expressions);
        if let Some(filled) = filled
            && let Ok(documents) = inspect_manifests(&filled)
        {
            return self.judged(&documents, true);
        }
        let named = Named::of(self.path);
        if matches!(named, Named::Template(_)) {
            return FileContent::Other;
        }
        let is_manifest = matches!(
            named,
            Named::File(Format::Yaml | Format::Json) | Named::Copy(Format::Yaml | Format::Json)
        );
        let is_escaped = self.mention == Mention::Escaped && is_manifest;
        // Prose may hold a manifest, between other lines.
        let is_whole = is_manifest || begins_as_manifest(self.text);
        if is_escaped || is_whole && looks_like_a_secret(self.text) {
            self.not_parsed(error, true)
        } else {
            FileContent::Other
        }
    }

    fn not_parsed(&self, error: &NotParsed, is_secret: bool) -> FileContent {
        FileContent::Plaintext(Plaintext {
            what: match conflict::marker(self.text) {
                Some(line) => Plain::Conflict { line, is_secret },
                None => Plain::NotParsed {
                    place: (error.line, error.column),
                    is_secret,
                },
            },
            plain: Vec::new(),
            is_template: false,
            has_double_key: false,
            is_plainly_meant: false,
        })
    }

    fn judged(&self, documents: &[Inspected<'_>], is_template: bool) -> FileContent {
        let mut only_placeholders = None;
        let mut only_settings: Option<Vec<String>> = None;
        let judgement = Judgement {
            named_by: NamedBy::of(self.path, self.rule),
            is_template,
            is_example: Named::is_example(self.path),
        };
        for document in documents {
            for (number, secret) in document.secrets.iter().enumerate() {
                let found = SecretValues::of(document, number, judgement);
                if !found.plain.is_empty() {
                    // sops reads a file by its name, and of JSON the first value.
                    let is_of_its_name = match Format::of(self.path) {
                        Format::Yaml => true,
                        Format::Json => {
                            documents.len() == 1 && self.text.trim_start().starts_with('{')
                        }
                        Format::Dotenv | Format::Ini | Format::Binary => false,
                    };
                    let is_sound = self.is_plain_utf8
                        && !is_template
                        && !document.has_double_key
                        && is_of_its_name;
                    return FileContent::Plaintext(Plaintext {
                        what: Plain::Secret(secret.name.clone().filter(|name| !is_filled_in(name))),
                        has_double_key: document.has_double_key,
                        is_template,
                        is_plainly_meant: is_sound && !found.is_filled_in(),
                        plain: found.named(),
                    });
                }
                if found.placeholders > 0 && only_placeholders.is_none() {
                    only_placeholders = Some(FileContent::Placeholders(found.options));
                } else if found.placeholders == 0 && !found.options.is_empty() {
                    only_settings.get_or_insert_default().extend(found.options);
                }
            }
        }
        let only_settings = only_settings.map_or(FileContent::Other, FileContent::Settings);
        only_placeholders.unwrap_or(only_settings)
    }

    /// Judges the values of what is no Secret, by a rule.
    fn values(&self, rule: MatchedRule<'_>) -> FileContent {
        let named = Named::judged(self.path, rule);
        let format = match named {
            Named::File(format) | Named::Copy(format) => format,
            Named::Template(_) | Named::Other => return FileContent::Other,
        };
        let is_copy = matches!(named, Named::Copy(_));
        if format == Format::Binary {
            if is_public(self.text.trim()) {
                return FileContent::Other;
            }
            return values_of(!is_copy && rule.names_kind(self.path));
        }
        let is_of_every_kind = matches!(format, Format::Yaml | Format::Json);
        let documents = match inspect(format, self.text) {
            Ok(documents) => documents,
            Err(error) => {
                return match self.too_large(&error) {
                    Some(found) => found,
                    None if is_meant(self.path, self.text, rule) => self.not_parsed(&error, false),
                    None => FileContent::Other,
                };
            }
        };
        if is_of_every_kind
            && rule.names_ending_alone(self.path)
            && is_for_manifests(&rule.rule.selection)
        {
            return FileContent::Other;
        }
        // Of such a file the rule does not say that it is to be encrypted, but with what.
        let is_vague = is_of_every_kind
            && (is_within_word(self.path, rule)
                || names_only_place(self.path, rule) && !is_called_for_secrets(self.path)
                || names_common_file(self.path, rule)
                || is_of_chart(self.path));
        let others = documents.iter().filter(|document| !document.is_manifest);
        let (mut is_placed, mut is_unnamed) = (false, false);
        let mut previous: Option<&Leaf<'_>> = None;
        for leaf in others.flat_map(|document| &document.values) {
            let before = previous.replace(leaf);
            let selects = |selection: &Selection| {
                matches!(selection, Selection::ByComment) || selection.surely_selects(&leaf.keys())
            };
            let is_section = |key: &String| matches!(key.as_str(), "data" | "stringData");
            let is_named = || {
                let key = leaf.keys.last().map_or("", String::as_str);
                let is_called = is_called_secret(key) && leaf.text.parse::<bool>().is_err()
                    || before.is_some_and(|before| names_value(before, leaf))
                    || looks_like_secret(key, &leaf.text);
                leaf.keys.first().is_some_and(is_section)
                    || (is_called || assigns_secret(&leaf.text))
                        && !is_name_of_secret(key, &leaf.text)
            };
            if !selects(&rule.rule.selection) {
                continue;
            }
            let is_reference = leaf.tag.is_some_and(|tag| REFERENCES.contains(&tag));
            if is_vague && !is_named() {
                is_unnamed |= !is_reference && !is_placeholder(&leaf.text);
                continue;
            }
            if !is_reference && !is_placeholder(&leaf.text) {
                return values_of(!is_of_every_kind && !is_copy && rule.names_kind(self.path));
            }
            is_placed |= !is_reference;
        }
        if is_unnamed && !is_of_secrets(&rule.rule.selection) && !is_within_word(self.path, rule) {
            FileContent::Unnamed
        } else if is_placed {
            FileContent::Placeholders(Vec::new())
        } else {
            FileContent::Other
        }
    }
}

/// Whether a value is called like a secret by the one before it, as in
/// `{name: PASSWORD, value: …}`.
fn names_value(before: &Leaf<'_>, leaf: &Leaf<'_>) -> bool {
    let (Some((name, around)), Some((value, beside))) =
        (before.keys.split_last(), leaf.keys.split_last())
    else {
        return false;
    };
    value == "value"
        && matches!(name.as_str(), "key" | "name")
        && around == beside
        && is_called_secret(&before.text)
}

fn values_of(is_plainly_meant: bool) -> FileContent {
    FileContent::Plaintext(Plaintext {
        what: Plain::Values,
        plain: Vec::new(),
        is_template: false,
        has_double_key: false,
        is_plainly_meant,
    })
}

/// Whether the rule says nothing that would be about other files than manifests: all of
/// a file, which no manifest can be encrypted by, or the values of Secrets.
fn is_for_manifests(selection: &Selection) -> bool {
    !selection.is_explicit() || is_of_secrets(selection)
}

fn is_of_secrets(selection: &Selection) -> bool {
    selection.selects(&["data"])
        && selection.selects(&["stringData"])
        && !["password", "token", "key", "secret", "spec"]
            .iter()
            .any(|key| selection.selects(&[key]))
}

/// Whether a file that does not parse is one that its rule means.
fn is_meant(path: &Path, text: &str, rule: MatchedRule<'_>) -> bool {
    if is_other_manifest(text) {
        return false;
    }
    // A template of Helm and its like becomes a manifest later, and a rule for all
    // manifests does not mean it.
    !has_expressions(text) || rule.names_file(path) && rule.names_kind(path)
}

/// Whether the first line after comments is one of a manifest.
fn begins_as_manifest(text: &str) -> bool {
    const FIELDS: [&str; 8] = [
        "apiVersion",
        "data",
        "immutable",
        "items",
        "kind",
        "metadata",
        "stringData",
        "type",
    ];
    let is_mark = |line: &str| {
        let mut marks = ["#", "---", "%"].into_iter();
        marks.any(|mark| line.starts_with(mark)) || conflict::is_marker(line)
    };
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !is_mark(line));
    first.is_some_and(|line| {
        let key = line.trim_start_matches(['-', ' ', '"', '\'', '{']);
        line.starts_with('{') || FIELDS.iter().any(|field| key.starts_with(field))
    })
}

/// How closely a rule speaks of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NamedBy {
    /// Of the file itself, by its name or that of a directory for secrets.
    File,
    /// Of whatever is in the repository, or in a directory.
    Place,
    /// There is none.
    Nothing,
}

impl NamedBy {
    fn of(path: &Path, rule: Option<MatchedRule<'_>>) -> Self {
        match rule {
            None => Self::Nothing,
            Some(rule) if names_only_place(path, rule) => Self::Place,
            Some(_) => Self::File,
        }
    }

    /// Whether a value of this name tells no secret, as far as it counts.
    fn tells_no_secret(self, name: &str, value: &str) -> bool {
        match self {
            Self::File => false,
            Self::Place => is_open(name, value),
            Self::Nothing => {
                is_harmless(name, value)
                    || is_short(name, value)
                    || repeats(name, value)
                    || is_unremarkable(name, value)
            }
        }
    }
}

/// The values of one Secret.
#[derive(Default)]
struct SecretValues {
    /// The names of those that are text.
    plain: Vec<String>,
    /// The names of those beside placeholders that tell no secret.
    options: Vec<String>,
    /// So many are placeholders.
    placeholders: usize,
    /// Whether one of them has a part that is filled in.
    has_parts: bool,
    /// Whether one of them is commented out.
    has_comments: bool,
}

/// By what the values of a Secret are judged besides themselves.
#[derive(Clone, Copy)]
struct Judgement {
    named_by: NamedBy,
    /// Whether the file is a template.
    is_template: bool,
    /// Whether its name says that it is an example.
    is_example: bool,
}

impl SecretValues {
    fn of(document: &Inspected<'_>, number: usize, judgement: Judgement) -> Self {
        let Judgement {
            named_by,
            is_template,
            is_example,
        } = judgement;
        let mut found = Self::default();
        let (mut others, mut settings) = (Vec::new(), Vec::new());
        for leaf in &document.values {
            let Some(value) = leaf.secret.as_ref().filter(|value| value.secret == number) else {
                continue;
            };
            let decoded = leaf.decoded();
            let decoded = String::from_utf8_lossy(&decoded);
            let has_part = is_filled_in(&leaf.text) || is_filled_in(&decoded);
            found.has_parts |= has_part;
            let is_placed = is_placed(&leaf.text) || is_placed(&decoded);
            if is_empty(&decoded) {
                continue;
            }
            if is_placed || is_template && (has_part || is_comment(&decoded)) {
                found.placeholders += 1;
            } else if is_example && is_of_words(&decoded) || is_template && is_sample(&value.name) {
                // Nobody has filled it in, as far as anyone can see.
                found.placeholders += 1;
                found.options.push(value.name.clone());
            } else if named_by.tells_no_secret(&value.name, &decoded) {
                found.options.push(value.name.clone());
            } else if is_option(&value.name, &decoded, is_template) {
                settings.push(value.name.clone());
            } else if is_template && !is_sensitive(&value.name) && !assigns_secret(&decoded) {
                // It may hold other texts, such as host keys and whole configurations.
                others.push(value.name.clone());
            } else if !holds_encrypted_file(leaf) {
                found.plain.push(value.name.clone());
            }
        }
        let is_only_secret = document.secrets.len() == 1;
        let of_secret =
            |leaf: &Leaf<'_>| leaf.secret.as_ref().is_some_and(|it| it.secret == number);
        for comment in &document.comments {
            let near = [comment.previous, comment.next].into_iter().flatten();
            let mut near = near.filter_map(|number| document.values.get(number));
            let is_here = is_only_secret || near.any(of_secret);
            let is_here = is_here && (named_by != NamedBy::Nothing || is_sensitive(&comment.key));
            if is_here && document.holds_among_values(comment, None) && !is_template {
                found.has_comments = true;
                found.plain.push(comment.name());
            }
        }
        if found.placeholders == 0 {
            found.options.append(&mut others);
        }
        // Without placeholders nothing says that more than these is to come, and a rule that
        // it is to be encrypted.
        let is_decided = named_by != NamedBy::Nothing;
        if found.placeholders == 0 && !is_template && is_decided {
            found.plain.append(&mut settings);
        }
        found.options.append(&mut settings);
        found
    }

    fn is_filled_in(&self) -> bool {
        self.has_parts || self.has_comments || self.placeholders > 0
    }

    /// The names of the values, where others are placeholders.
    fn named(self) -> Vec<String> {
        if self.placeholders > 0 || self.has_comments {
            self.plain
        } else {
            Vec::new()
        }
    }
}

/// Whether a value is filled in later: a placeholder, or a text of JSON or YAML in which
/// each value is one.
fn is_placed(text: &str) -> bool {
    if is_placeholder(text) {
        return true;
    }
    let has_lines = text.contains('\n') || text.trim_start().starts_with(['{', '[']);
    if !has_lines {
        return false;
    }
    let documents = inspect_manifests(text).unwrap_or_default();
    if documents
        .iter()
        .any(|document| !document.comments.is_empty() || document.values.is_empty())
    {
        return false;
    }
    let mut values = documents.iter().flat_map(|document| &document.values);
    let is_one = |leaf: &Leaf<'_>| {
        is_placeholder(&leaf.text)
            || leaf
                .keys
                .last()
                .is_some_and(|key| is_setting(key, &leaf.text))
    };
    let has_one = documents
        .iter()
        .flat_map(|it| &it.values)
        .any(|leaf| is_placeholder(&leaf.text));
    has_one && values.all(is_one)
}

/// Whether the name says that the value is only a sample.
fn is_sample(name: &str) -> bool {
    matches!(&*last_word(name), "example" | "placeholder" | "sample")
}

/// Whether each line is a comment, as in a key that is only drawn.
fn is_comment(text: &str) -> bool {
    text.lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}

/// Whether a value beside placeholders is an option by its name, as in `admin-user`; in a
/// template whatever is not called like a secret, and is short.
fn is_option(name: &str, value: &str, is_template: bool) -> bool {
    is_setting(name, value) || is_template && is_short(name, value)
}
