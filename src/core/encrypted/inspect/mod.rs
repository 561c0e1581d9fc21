//! What stands in a text, for those who judge it: values with their keys, the Secrets
//! among them, and comments that hold a value.
//!
//! A Secret is what kubectl and kustomize read as one: in YAML or JSON, at the top or in
//! a list, its `kind` spelled in whatever way. Of two equal keys both count, and what is
//! merged counts as if it stood there.
//!
//! | module | holds |
//! | --- | --- |
//! | `secrets` | which objects are Secrets, and which values are theirs |
//! | `comments` | comments that hold a value |
//! | `plain_values` | the values in an encrypted file that are not encrypted |
//! | `written` | values as they are written, to compare two texts |

mod comments;
mod plain_values;
mod secrets;
mod written;

use std::borrow::Cow;
use std::collections::HashSet;

use serde::de::IgnoredAny;

use super::contents::{Contents, EncryptedDocument, ScalarValue, Segment};
use super::token::{self, Token};
use super::{ENCRYPTED_VALUE, Format};
use crate::core::yaml::{NotParsed, YamlErrorKind};

pub use super::contents::{MarkKind, Path};
pub use comments::{Commented, is_sensitive, last_word};
pub use plain_values::{
    Cause, PlainValue, Protection, holds_encrypted_file, is_public_pem, protection,
};
pub use secrets::{EncryptedSecret, HEAD, PATCH, SECTIONS, SecretValue};
pub use written::{WrittenDocument, WrittenKind, WrittenValue, written};

/// A value's name in a message has so many characters at most.
const LONGEST_NAME: usize = 200;

/// A document of a text.
pub struct Inspected<'t> {
    /// Its values, in order, without empty ones and without sops's metadata.
    pub values: Vec<Leaf<'t>>,
    /// Its Secrets.
    pub secrets: Vec<EncryptedSecret>,
    /// Its objects of kind Secret that do not say of which API.
    pub without_version: Vec<EncryptedSecret>,
    /// Its comments that hold a value.
    pub comments: Vec<Commented>,
    /// Whether it is an object of Kubernetes.
    pub is_manifest: bool,
    /// Whether kustomize takes it (kyaml's `GetValidatedMetadata`): it passes over empty
    /// documents, and wants a kind, and a name for everything but lists.
    pub is_for_kustomize: bool,
    /// Whether a key stands twice in a mapping.
    pub has_double_key: bool,
    /// Whether another reader may see other values than kb does.
    pub is_uncertain: bool,
    /// Whether it has sops's metadata.
    pub has_metadata: bool,
    /// Values in sops's metadata that are none of sops's.
    strays: Vec<String>,
}

/// A value.
pub struct Leaf<'t> {
    /// The keys on the way to it.
    pub keys: Vec<String>,
    /// Its text, also of a number.
    pub text: Cow<'t, str>,
    /// Whether it is a text, and not a number or a truth value.
    pub is_text: bool,
    /// What it is of a Secret, if it is one of its values.
    pub secret: Option<SecretValue>,
    /// Its tag as it is written, if it has one.
    pub tag: Option<&'t str>,
    /// The byte that it begins at.
    start: usize,
}

impl Leaf<'_> {
    /// The keys, to ask a selection.
    pub fn keys(&self) -> Vec<&str> {
        self.keys.iter().map(String::as_str).collect()
    }

    /// Whether it begins as an encrypted value does.
    pub fn looks_encrypted(&self) -> bool {
        self.text.trim_start().starts_with(ENCRYPTED_VALUE)
    }

    fn token(&self) -> Option<token::ValueType> {
        Token::kind_of(&self.text).filter(|_| self.is_text)
    }

    /// Whether it is an encrypted value, well-formed.
    pub fn is_encrypted(&self) -> bool {
        self.token().is_some()
    }
}

/// The documents of a text of this format.
///
/// # Errors
/// [`NotParsed`]: dotenv and ini always parse.
pub fn inspect(format: Format, text: &str) -> Result<Vec<Inspected<'_>>, NotParsed> {
    of_contents(&Contents::read(format, text)?)
}

/// As [`inspect`], of what is parsed already.
pub(super) fn of_contents<'t>(contents: &Contents<'t>) -> Result<Vec<Inspected<'t>>, NotParsed> {
    let documents = || contents.documents.iter();
    let inspected = |document| of_document(contents.text, document, contents.may_split_readers);
    match documents().find_map(|document| document.odd_key) {
        None => Ok(documents().map(inspected).collect()),
        Some((line, column)) => Err(NotParsed {
            line,
            column,
            reason: YamlErrorKind::Syntax,
        }),
    }
}

/// The documents of a text as kubectl reads it, whatever its name is: JSON, one value
/// behind the other, or YAML.
///
/// # Errors
/// [`NotParsed`]
pub fn inspect_manifests(text: &str) -> Result<Vec<Inspected<'_>>, NotParsed> {
    let body = text.trim_start_matches('\u{feff}');
    if !body.trim_start().starts_with('{') {
        return inspect(Format::Yaml, text);
    }
    let mut documents = Vec::new();
    let mut start = 0;
    while !body[start..].trim().is_empty() {
        let mut values = serde_json::Deserializer::from_str(&body[start..]).into_iter();
        let Some(Ok(IgnoredAny)) = values.next() else {
            // It is YAML that begins with a brace, or YAML behind JSON.
            documents.extend(inspect(Format::Yaml, &body[start..])?);
            return Ok(documents);
        };
        let end = start + values.byte_offset();
        documents.extend(inspect(Format::Json, &body[start..end])?);
        start = end;
    }
    Ok(documents)
}

fn of_document<'t>(
    text: &'t str,
    document: &EncryptedDocument<'t>,
    is_uncertain: bool,
) -> Inspected<'t> {
    let values = document.values.iter();
    let paths: Vec<Path> = values.map(|value| without_merges(&value.path)).collect();
    let containers: Vec<Path> = document.containers.iter().map(without_merges).collect();
    let mut seen = HashSet::new();
    let values = document.values.iter().map(|value| &value.path);
    let mut all = values.chain(&document.containers);
    let has_double_key = all.any(|path| !seen.insert(path));
    let texts = document.values.iter().map(|value| value.scalar.text());
    let texts: Vec<&str> = texts.collect();
    let found = secrets::find(&paths, &texts, &containers);
    let is_empty = document.values.is_empty()
        && document.containers.len() <= 1
        && !document.has_metadata
        && !document.is_no_mapping;
    let leaves = document.values.iter().zip(paths).zip(found.values);
    let leaves = leaves.filter_map(|((value, path), secret)| {
        let (text_of, is_text) = match &value.scalar {
            ScalarValue::Null => return None,
            ScalarValue::Text(text) if text.is_empty() => return None,
            ScalarValue::Text(text) => (text.clone(), true),
            ScalarValue::Other(text) => (text.clone().into(), false),
        };
        Some(Leaf {
            keys: path.keys().into_iter().map(ToOwned::to_owned).collect(),
            text: text_of,
            is_text,
            secret,
            tag: tag_before(text, value.range.start),
            start: value.range.start,
        })
    });
    let values: Vec<Leaf<'t>> = leaves.collect();
    let comments = comments::find(text, &document.comments, &values);
    Inspected {
        values,
        secrets: found.secrets,
        without_version: found.without_version,
        comments,
        is_manifest: found.is_manifest,
        is_for_kustomize: is_empty || found.is_identified,
        has_double_key,
        is_uncertain,
        has_metadata: document.has_metadata,
        strays: plain_values::strays(&document.metadata),
    }
}

/// The way to a value where merge keys are followed.
fn without_merges(path: &Path) -> Path {
    let mut plain = Vec::with_capacity(path.0.len());
    let mut steps = path.0.iter().peekable();
    while let Some(step) = steps.next() {
        if matches!(step, Segment::Key(key) if key == "<<") {
            // Several may be merged, as a list.
            steps.next_if(|next| matches!(next, Segment::Index(_)));
        } else {
            plain.push(step.clone());
        }
    }
    Path(plain)
}

/// The tag that stands before a value, in its line.
fn tag_before(text: &str, start: usize) -> Option<&str> {
    let line = text.get(..start)?.rsplit('\n').next()?;
    let word = line.trim_end().rsplit([' ', '\t', '[', ',']).next()?;
    word.starts_with('!').then_some(word)
}

/// The keys with points between them.
fn dotted(keys: &[&str]) -> String {
    let dots = keys.iter().skip(1).map(|key| [".", key]);
    let parts = keys.iter().take(1).copied().chain(dots.flatten());
    let mut characters = parts.flat_map(str::chars);
    let mut name: String = characters.by_ref().take(LONGEST_NAME).collect();
    if characters.next().is_some() {
        name.push('\u{2026}');
    }
    name
}
