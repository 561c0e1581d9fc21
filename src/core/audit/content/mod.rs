//! What stands in a file.
//!
//! | module | holds |
//! | --- | --- |
//! | this one | what a file is: encrypted, plaintext, damaged, or of no interest |
//! | `documents` | the values in it, whatever its format |
//! | `plain_values` | those in an encrypted file that are not encrypted |

mod documents;
mod plain_values;

use std::path::Path;

use memchr::memmem;
use serde_json::Value;

use super::mismatch::Mismatch;
use super::rules::Rule;
use crate::core::encrypted::{Damage, ENCRYPTED_VALUE, EncryptedFile, FileError, Format};
use crate::core::kustomize::is_kustomization;
use crate::core::manifest::{filled_values, is_encrypted, is_manifest, secrets};
use crate::core::sops_config::{FILE_NAME, Selection};
use crate::core::yaml::Stream;
use documents::{Place, documents};
use plain_values::plain_values;
pub use plain_values::{Cause, PlainValue};

/// Files that those who read them read before anything is decrypted: sops and git.
const NEVER_ENCRYPTED: [&str; 4] = [FILE_NAME, ".gitattributes", ".gitignore", ".gitmodules"];

/// The fields of a manifest by which it is applied.
const HEAD: [&str; 4] = [
    "/apiVersion",
    "/kind",
    "/metadata/name",
    "/metadata/namespace",
];

/// The rule that kb writes for Secrets, as it stands in the metadata of a file.
const SECRET_VALUES: &[u8] = b"\n    encrypted_regex: ^(data|stringData)$\n";

/// What stands in a file.
#[derive(Debug)]
pub enum Content {
    /// Nothing that is or should be encrypted.
    Other,
    /// It is not encrypted, and should be; or, without a rule, it is a Secret.
    Plaintext(Plaintext),
    /// It is encrypted.
    Encrypted(Box<Encrypted>),
    /// It holds encrypted values, and is not whole.
    Damaged(FileError),
}

/// A file that is not encrypted, and should be.
#[derive(Debug, PartialEq, Eq)]
pub struct Plaintext {
    /// By what it counts as such.
    pub what: Plain,
    /// Whether the rule plainly means a file of this kind, so that it can be encrypted
    /// without a second look.
    pub is_plainly_meant: bool,
}

/// By what a file counts as plaintext.
#[derive(Debug, PartialEq, Eq)]
pub enum Plain {
    /// It holds a Secret of the core API; its name, where it has one.
    Secret(Option<String>),
    /// It holds values that the rule would have encrypted, or it is of no format in
    /// which values stand: then the rule would have encrypted all of it.
    Values,
    /// It does not parse, so nobody can tell; the line and column where they are known.
    NotParsed(Option<(u64, u64)>),
}

/// An encrypted file.
#[derive(Debug)]
pub struct Encrypted {
    /// Its format, and who can open it.
    pub file: EncryptedFile,
    /// The values in it that should be encrypted, and are not.
    pub plain_values: Vec<PlainValue>,
    /// A field that Flux needs to apply it, and that is encrypted, as in
    /// `metadata.name`.
    pub encrypted_head: Option<String>,
    /// The number of the first document, from 1, that is not an object of Kubernetes,
    /// which kustomize refuses.
    pub not_an_object: Option<usize>,
}

impl Content {
    /// As [`Self::of`], where only problems are of interest: most encrypted manifests are
    /// as sops writes them, and it takes less to see that there is none.
    pub(super) fn problems_of(path: &Path, bytes: &[u8], rule: Option<Rule<'_>>) -> Self {
        if Format::of(path) == Format::Yaml && is_sound(path, bytes, rule) {
            Self::Other
        } else {
            Self::of(path, bytes, rule)
        }
    }

    /// Looks at the content of the file of an absolute path, which has this rule.
    pub(super) fn of(path: &Path, bytes: &[u8], rule: Option<Rule<'_>>) -> Self {
        let rule = rule.filter(|_| !is_never_encrypted(path));
        // Prose and programs may quote an encrypted value; no encrypted file is without
        // a MAC.
        let has_mac = has_mac(bytes);
        // Most files are of no interest, which is to cost little.
        if !has_mac && rule.is_none() && !may_hold_a_secret(path, bytes) {
            return Self::Other;
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Self::Other;
        }
        let format = match has_mac {
            true => Format::of_encrypted(path, bytes),
            false => Format::of(path),
        };
        let documents = documents(format, bytes);
        match (EncryptedFile::parse_as(format, path, bytes), documents) {
            (Ok(file), Ok(_)) if !file.metadata.selection.is_fast() => {
                Self::Damaged(FileError::Damaged {
                    path: path.to_owned(),
                    line_column: None,
                    reason: Damage::Expression,
                })
            }
            (Ok(file), Ok(documents)) => Self::Encrypted(Box::new(Encrypted {
                plain_values: plain_values(format, &documents, &file.metadata.selection),
                file,
                encrypted_head: documents.iter().find_map(encrypted_head),
                not_an_object: documents
                    .iter()
                    .position(|document| !is_for_kustomize(document))
                    .map(|index| index + 1),
            })),
            // Prose may quote a whole file.
            (Ok(_), Err(_)) | (Err(FileError::Damaged { .. }), _)
                if Format::of(path) == Format::Binary && rule.is_none() =>
            {
                Self::Other
            }
            // What kb cannot read, nobody has looked at.
            (Ok(_), Err((place, reason))) | (Err(_), Err((place, reason @ Damage::TooLarge))) => {
                Self::Damaged(FileError::Damaged {
                    path: path.to_owned(),
                    line_column: Some(place),
                    reason,
                })
            }
            (Err(damaged @ FileError::Damaged { reason, .. }), _)
                if has_mac || matches!(reason, Damage::Uncertain | Damage::TooManyKeys) =>
            {
                Self::Damaged(damaged)
            }
            (Err(_), Ok(documents)) => {
                plaintext(path, format, &documents, rule).map_or(Self::Other, Self::Plaintext)
            }
            (Err(_), Err((place, _))) => not_parsed(path, bytes, Some(place), rule),
        }
    }
}

/// What a file is that does not parse and has no sops metadata.
fn not_parsed(
    path: &Path,
    bytes: &[u8],
    line_column: Option<Place>,
    rule: Option<Rule<'_>>,
) -> Content {
    if rule.is_some_and(|rule| may_be_secret(path, bytes, rule)) {
        Content::Plaintext(Plaintext {
            what: Plain::NotParsed(line_column),
            is_plainly_meant: false,
        })
    } else {
        Content::Other
    }
}

/// Whether a file that does not parse may be one that its rule means.
fn may_be_secret(path: &Path, bytes: &[u8], rule: Rule<'_>) -> bool {
    // The templates of Helm and its like are no manifests yet, and a rule for all
    // manifests does not mean them. One of a Secret may hold its values all the same.
    let is_meant = || rule.names_file(path) || !has(bytes, "{{");
    names_a_secret(bytes) || (!rule.is_for_all && is_meant())
}

/// Whether a MAC stands in it, as in the metadata of every encrypted file.
fn has_mac(bytes: &[u8]) -> bool {
    memmem::find_iter(bytes, "mac").any(|at| {
        let rest = after(&bytes[at + "mac".len()..], b"\"'=: \t");
        rest.starts_with(ENCRYPTED_VALUE.as_bytes())
    })
}

/// What comes after these bytes.
fn after<'b>(bytes: &'b [u8], skipped: &[u8]) -> &'b [u8] {
    let start = bytes.iter().position(|byte| !skipped.contains(byte));
    &bytes[start.unwrap_or(bytes.len())..]
}

fn has(bytes: &[u8], text: &str) -> bool {
    memmem::find(bytes, text.as_bytes()).is_some()
}

/// Whether a `kind` of the text is Secret, in YAML or JSON.
fn names_a_secret(bytes: &[u8]) -> bool {
    let kinds = ["Secret", "SecretList"];
    let ends = |text: &[u8]| !text.first().is_some_and(u8::is_ascii_alphanumeric);
    memmem::find_iter(bytes, "kind").any(|at| {
        let rest = after(&bytes[at + "kind".len()..], b"\"': \t");
        let mut kinds = kinds.iter();
        kinds.any(|kind| rest.strip_prefix(kind.as_bytes()).is_some_and(ends))
    })
}

fn is_never_encrypted(path: &Path) -> bool {
    let name = path.file_name();
    is_kustomization(path)
        || name.is_some_and(|name| NEVER_ENCRYPTED.iter().any(|never| name == *never))
}

fn may_hold_a_secret(path: &Path, bytes: &[u8]) -> bool {
    matches!(Format::of(path), Format::Yaml | Format::Json)
        && names_a_secret(bytes)
        && (has(bytes, "data") || has(bytes, "stringData"))
}

/// By what a file that is not encrypted should be; `None` if it should not.
fn plaintext(
    path: &Path,
    format: Format,
    documents: &[Value],
    rule: Option<Rule<'_>>,
) -> Option<Plaintext> {
    let mut secrets = documents.iter().flat_map(secrets);
    if let Some(secret) = secrets.find(|secret| filled_values(secret).next().is_some()) {
        let name = secret["metadata"]["name"].as_str();
        // What is filled in later must be readable until then.
        let is_template = |value: &Value| {
            value
                .as_str()
                .is_some_and(|text| text.contains("{{") || text.contains("${"))
        };
        return Some(Plaintext {
            what: Plain::Secret(name.map(ToOwned::to_owned)),
            is_plainly_meant: !filled_values(secret).any(|(_, _, value)| is_template(value)),
        });
    }
    // A rule for every path says of no other file that it is one to be encrypted.
    let rule = rule.filter(|rule| !rule.is_for_all)?;
    let mut candidates = documents.iter().filter(|document| !is_manifest(document));
    let is_selected = format == Format::Binary
        || candidates.any(|document| rule.rule.selection.selects_any(document));
    // YAML and JSON are of every kind, so their ending says nothing.
    let is_of_kind = !matches!(format, Format::Yaml | Format::Json) && rule.names_kind(path);
    is_selected.then_some(Plaintext {
        what: Plain::Values,
        is_plainly_meant: is_of_kind,
    })
}

fn encrypted_head(document: &Value) -> Option<String> {
    let encrypted = |pointer: &&&str| document.pointer(pointer).is_some_and(is_encrypted);
    // Some other file may have a name in its metadata as well.
    let is_object = document.get("apiVersion").is_some() && document.get("kind").is_some();
    let field = HEAD.iter().find(encrypted).filter(|_| is_object)?;
    Some(field[1..].replace('/', "."))
}

/// Whether kustomize takes the document (kyaml's `GetValidatedMetadata`): it passes over
/// empty ones, and wants a kind, and a name for everything but lists.
fn is_for_kustomize(document: &Value) -> bool {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    if document.is_null() || document.as_object().is_some_and(serde_json::Map::is_empty) {
        return true;
    }
    let kind = text("/kind").unwrap_or_default();
    let is_named = text("/metadata/name").is_some_and(|name| !name.is_empty());
    kind.ends_with("List") || (!kind.is_empty() && is_named)
}

/// Whether it surely is an encrypted manifest as its rule wants it, with nothing in
/// plaintext that should be encrypted.
fn is_sound(path: &Path, bytes: &[u8], rule: Option<Rule<'_>>) -> bool {
    let Some(at) = before_metadata(bytes).map(<[u8]>::len) else {
        return false;
    };
    let (manifest, metadata) = bytes.split_at(at);
    let Ok(text) = str::from_utf8(manifest) else {
        return false;
    };
    let Ok(stream) = Stream::parse(text) else {
        return false;
    };
    let [document] = stream.documents.as_slice() else {
        return false;
    };
    let value = document.to_value(&stream.effort).ok();
    let Some(value) = value.filter(|_| !stream.all_doubts().may_split_readers()) else {
        return false;
    };
    if value.get("sops").is_some()
        || !plain_values(Format::Yaml, &[value], &Selection::of_secrets()).is_empty()
    {
        return false;
    }
    let file = EncryptedFile::parse_as(Format::Yaml, path, metadata).ok();
    // One without a rule may have had one.
    let file = file.filter(|file| file.metadata.is_certain());
    let Some((file, rule)) = file.zip(rule) else {
        return false;
    };
    Mismatch::of(&file, rule, &[]).is_none()
}

/// What stands before the metadata in a YAML file of one document, as sops writes it
/// for Secrets: the metadata is the last mapping in it.
fn before_metadata(bytes: &[u8]) -> Option<&[u8]> {
    let at = memmem::find(bytes, b"\nsops:\n")?;
    let (manifest, metadata) = (&bytes[..at], &bytes[at + b"\nsops:".len()..]);
    let mut lines = metadata[1..].split(|byte| *byte == b'\n');
    let is_inside = |line: &[u8]| line.is_empty() || line.starts_with(b"    ");
    let is_of_secrets = memmem::find(metadata, SECRET_VALUES).is_some();
    let is_encrypted = memmem::find(metadata, b"\n    mac: ENC[AES256_GCM,").is_some();
    (is_of_secrets && is_encrypted && lines.all(is_inside)).then_some(manifest)
}
