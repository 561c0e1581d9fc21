//! What stands in a file.

use std::path::Path;

use memchr::memmem;
use serde_json::{Map, Value};

use super::rules::Rule;
use crate::core::manifest::{SECTIONS, filled_values, is_encrypted, is_manifest, secrets};
use crate::core::sops_config::{FILE_NAME, Selection};
use crate::core::sops_file::{ENCRYPTED_VALUE, FileError, Format, Metadata};

/// Files that those who read them read before anything is decrypted: sops, git, and
/// kustomize.
const NEVER_ENCRYPTED: [&str; 7] = [
    FILE_NAME,
    ".gitattributes",
    ".gitignore",
    ".gitmodules",
    "Kustomization",
    "kustomization.yaml",
    "kustomization.yml",
];

/// The fields of a manifest by which it is applied.
const HEAD: [&str; 4] = [
    "/apiVersion",
    "/kind",
    "/metadata/name",
    "/metadata/namespace",
];

/// What stands in a file.
#[derive(Debug)]
pub enum Content {
    /// Nothing that is or should be encrypted.
    Other,
    /// It is not encrypted, and should be; or, without a rule, it is a Secret.
    Plaintext(Plaintext),
    /// It is encrypted.
    Encrypted(Encrypted),
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
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Encrypted {
    /// Who can open it.
    pub metadata: Metadata,
    /// The values of Secrets in it that are not encrypted.
    pub plain_values: Vec<PlainValue>,
    /// A field that Flux needs to apply it, and that is encrypted, as in
    /// `metadata.name`.
    pub encrypted_head: Option<String>,
}

/// A value of a Secret that is not encrypted, in a file that is.
#[derive(Debug, PartialEq, Eq)]
pub struct PlainValue {
    /// The section and the key, as in `data.password`.
    pub name: String,
    /// Whether sops would have encrypted it, by what the file itself says: then
    /// someone has typed it in without sops.
    pub is_typed_in: bool,
}

impl Content {
    /// As [`Self::of`], where only leaks are of interest: of most encrypted manifests
    /// the metadata need not be parsed, which is the larger part.
    pub(super) fn leaks_of(path: &Path, bytes: &[u8], rule: Option<Rule<'_>>) -> Self {
        let manifest = Some(path).filter(|path| Format::of(path) == Format::Yaml);
        let manifest = manifest.and_then(|_| before_metadata(bytes));
        let documents = manifest.and_then(|manifest| documents(Format::Yaml, manifest));
        let is_fine = |documents: Vec<Value>| {
            let has_metadata = |document: &Value| document.get("sops").is_some();
            plain_values(&documents).is_empty() && !documents.iter().any(has_metadata)
        };
        match documents.is_some_and(is_fine) {
            true => Self::Other,
            false => Self::of(path, bytes, rule),
        }
    }

    /// Looks at the content of the file of an absolute path, which has this rule.
    pub(super) fn of(path: &Path, bytes: &[u8], rule: Option<Rule<'_>>) -> Self {
        let is_encrypted = memmem::find(bytes, ENCRYPTED_VALUE.as_bytes()).is_some();
        let rule = rule.filter(|_| !is_never_encrypted(path));
        // Most files are of no interest, which is to cost little.
        if !is_encrypted && rule.is_none() && !may_hold_a_secret(path, bytes) {
            return Self::Other;
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Self::Other;
        }
        let format = Format::of(path);
        let documents = documents(format, bytes);
        let metadata = match (format, &documents) {
            (Format::Yaml | Format::Json, Some(documents)) => {
                Metadata::of_document(path, bytes, documents.first())
            }
            _ => Metadata::parse(path, bytes),
        };
        let documents = documents.unwrap_or_default();
        match metadata {
            Ok(metadata) => Self::Encrypted(Encrypted {
                metadata,
                plain_values: plain_values(&documents),
                encrypted_head: documents.iter().find_map(encrypted_head),
            }),
            Err(FileError::NotParsed { line_column, .. }) => match rule {
                Some(rule) if !rule.is_for_all => Self::Plaintext(Plaintext {
                    what: Plain::NotParsed(line_column),
                    is_plainly_meant: false,
                }),
                _ => Self::Other,
            },
            Err(damaged @ FileError::Damaged { .. }) => Self::Damaged(damaged),
            Err(_) => {
                plaintext(path, format, &documents, rule).map_or(Self::Other, Self::Plaintext)
            }
        }
    }
}

fn is_never_encrypted(path: &Path) -> bool {
    let name = path.file_name();
    name.is_some_and(|name| NEVER_ENCRYPTED.iter().any(|never| name == *never))
}

fn may_hold_a_secret(path: &Path, bytes: &[u8]) -> bool {
    let has = |text: &str| memmem::find(bytes, text.as_bytes()).is_some();
    matches!(Format::of(path), Format::Yaml | Format::Json)
        && has("Secret")
        && (has("data") || has("stringData"))
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
        return Some(Plaintext {
            what: Plain::Secret(name.map(ToOwned::to_owned)),
            is_plainly_meant: true,
        });
    }
    let rule = rule?;
    let selection = &rule.rule.selection;
    let values = |is_plainly_meant| {
        Some(Plaintext {
            what: Plain::Values,
            is_plainly_meant,
        })
    };
    if format == Format::Binary {
        // A rule for every path says of no file that it is one.
        return match rule.is_for_all {
            true => None,
            false => values(rule.names_kind(path)),
        };
    }
    let mut candidates = documents.iter().filter(|document| !is_manifest(document));
    if !candidates.any(|document| selection.selects_any(document)) {
        return None;
    }
    // YAML and JSON are of every kind: only a rule that names their keys means them, and
    // one that names those of a Secret means Secrets.
    let is_of_secrets = SECTIONS.iter().any(|section| selection.selects(&[section]));
    match (selection.is_explicit(), format) {
        (false, _) if rule.is_for_all => None,
        (true, _) if !is_of_secrets => values(true),
        (_, Format::Dotenv | Format::Ini) => values(rule.names_kind(path)),
        _ => values(false),
    }
}

/// The values of Secrets that are not encrypted. Those that a key's own ending leaves
/// in plaintext are meant to be.
fn plain_values(documents: &[Value]) -> Vec<PlainValue> {
    let secrets = documents.iter().flat_map(secrets);
    let values = secrets.flat_map(filled_values);
    let is_meant = |key: &str| key.ends_with("_unencrypted");
    let plain = values.filter(|(_, key, value)| !is_encrypted(value) && !is_meant(key));
    let mut plain = plain.peekable();
    if plain.peek().is_none() {
        return Vec::new();
    }
    let own = documents.first().and_then(|first| first.get("sops"));
    let selection = own.map_or(Selection::Unsaid, Selection::of_metadata);
    let value = |(section, key, _): (&str, &str, &Value)| PlainValue {
        name: format!("{section}.{key}"),
        is_typed_in: selection.selects(&[section, key]),
    };
    plain.map(value).collect()
}

fn encrypted_head(document: &Value) -> Option<String> {
    let encrypted = |pointer: &&&str| document.pointer(pointer).is_some_and(is_encrypted);
    // Some other file may have a name in its metadata as well.
    let is_object = document.get("apiVersion").is_some() && document.get("kind").is_some();
    let field = HEAD.iter().find(encrypted).filter(|_| is_object)?;
    Some(field[1..].replace('/', "."))
}

/// What stands before the metadata in a YAML file of one document, as sops writes it:
/// the metadata is the last mapping in it, and encrypted.
fn before_metadata(bytes: &[u8]) -> Option<&[u8]> {
    let at = memmem::find(bytes, b"\nsops:\n")?;
    let (manifest, metadata) = (&bytes[..at], &bytes[at + b"\nsops:\n".len()..]);
    let mut lines = metadata.split(|byte| *byte == b'\n');
    let is_encrypted = memmem::find(metadata, b"\n    mac: ENC[AES256_GCM,").is_some();
    let is_inside = |line: &[u8]| line.is_empty() || line.starts_with(b"    ");
    (is_encrypted && lines.all(is_inside)).then_some(manifest)
}

/// The documents of a file, as sops sees them; `None` if it does not parse.
fn documents(format: Format, bytes: &[u8]) -> Option<Vec<Value>> {
    let text = || String::from_utf8_lossy(bytes);
    match format {
        Format::Yaml => {
            let options = serde_saphyr::options! { budget: None, with_snippet: false };
            serde_saphyr::from_slice_multiple_with_options(bytes, options).ok()
        }
        Format::Json => Some(vec![serde_json::from_slice(bytes).ok()?]),
        Format::Dotenv => Some(vec![Value::Object(pairs(text().lines()))]),
        Format::Ini => {
            let text = text();
            let sections = text.split("\n[").map(|section| {
                let (name, lines) = section.split_once(']').unwrap_or(("", section));
                let name = name.trim_start_matches('[').to_owned();
                (name, Value::Object(pairs(lines.lines())))
            });
            Some(vec![Value::Object(sections.collect())])
        }
        Format::Binary => Some(Vec::new()),
    }
}

/// Lines `KEY=VALUE`; others are comments.
fn pairs<'t>(lines: impl Iterator<Item = &'t str>) -> Map<String, Value> {
    let lines = lines.map(str::trim);
    let lines = lines.filter(|line| !line.starts_with(['#', ';']));
    let pairs = lines.filter_map(|line| line.split_once('='));
    let pair = |(key, value): (&str, &str)| (key.trim().to_owned(), Value::from(value.trim()));
    pairs.map(pair).collect()
}
