//! The metadata of an encrypted file: who can open it.
//!
//! Only the `sops` metadata is read here; the values are sops's business. The
//! format is that of sops 3.13, `stores/` in its source: YAML and JSON hold
//! the metadata as a mapping under `sops`, of several YAML documents the first
//! counts; binary files are JSON; dotenv and ini hold it flattened.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::identity::Recipient;

/// What begins each encrypted value.
pub const ENCRYPTED_VALUE: &str = "ENC[AES256_GCM,";

/// The formats that sops tells apart, by the end of the file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.yaml`, `.yml`
    Yaml,
    /// `.json`
    Json,
    /// `.env`
    Dotenv,
    /// `.ini`
    Ini,
    /// Anything else: the encrypted form is JSON with one value.
    Binary,
}

impl Format {
    /// The format that an encrypted file of this name has. sops can be told another one
    /// than it takes by itself (`--input-type`): then the metadata shows it.
    pub fn of_encrypted(path: &Path, bytes: &[u8]) -> Self {
        let by_name = Self::of(path);
        let has = |text: &str| memchr::memmem::find(bytes, text.as_bytes()).is_some();
        match by_name {
            Self::Binary if has("\nsops_mac=ENC[") => Self::Dotenv,
            Self::Binary if has("\n[sops]\n") => Self::Ini,
            Self::Binary if has("\nsops:\n") => Self::Yaml,
            Self::Binary if has("\"sops\": {") && !has("\"data\": \"ENC[") => Self::Json,
            by_name => by_name,
        }
    }

    /// The format that sops takes a file of this name for.
    pub fn of(path: &Path) -> Self {
        let name = path.as_os_str().as_encoded_bytes();
        let ends = |ending: &str| name.ends_with(ending.as_bytes());
        if ends(".yaml") || ends(".yml") {
            Self::Yaml
        } else if ends(".json") {
            Self::Json
        } else if ends(".env") {
            Self::Dotenv
        } else if ends(".ini") {
            Self::Ini
        } else {
            Self::Binary
        }
    }
}

/// Why a file cannot be taken for an encrypted one.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there.
    #[error("there is no file {}", .path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// It is one file for the shell, and another for sops.
    #[error("{} leads through a link: here it is {}, and for sops {}", .path.display(), .here.display(), .sops.display())]
    Ambiguous {
        /// The path as it was typed.
        path: PathBuf,
        /// What it is for the kernel.
        here: PathBuf,
        /// What it is for sops, which takes `..` off as text.
        sops: PathBuf,
    },
    /// It is a directory.
    #[error("{} is a directory, not a file", .path.display())]
    Directory {
        /// The path.
        path: PathBuf,
    },
    /// It is a pipe or a device, which could be read only once, or never ends.
    #[error("{} is a pipe or a device, not a file", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It has no content.
    #[error("{} is empty", .path.display())]
    Empty {
        /// The path.
        path: PathBuf,
    },
    /// It has no SOPS metadata.
    #[error("{} is not encrypted", .path.display())]
    Plaintext {
        /// The path.
        path: PathBuf,
    },
    /// It has no SOPS metadata, and does not parse either.
    #[error("{}{} is not encrypted, and does not parse", .path.display(), place(.line_column))]
    NotParsed {
        /// The path.
        path: PathBuf,
        /// Line and column, from 1, where they are known.
        line_column: Option<(u64, u64)>,
    },
    /// It holds encrypted values, and is not whole. The reason quotes nothing:
    /// what does not parse may be plaintext.
    #[error("{}{} is damaged: {reason}", .path.display(), place(.line_column))]
    Damaged {
        /// The path.
        path: PathBuf,
        /// Line and column, from 1, where they are known.
        line_column: Option<(u64, u64)>,
        /// What is wrong.
        reason: Damage,
    },
}

/// What keeps a file from telling who can open it.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Damage {
    /// It is not of the format that its name says.
    #[error("it does not parse")]
    NotParsed,
    /// There is no metadata where the format has it.
    #[error("it holds encrypted values, and no sops metadata for a file of this name's ending")]
    NoMetadata,
    /// There is metadata, and not as sops writes it.
    #[error("its sops metadata is not as sops writes it")]
    NotMetadata,
    /// There is metadata with no key in it.
    #[error("its sops metadata names no key")]
    NoKey,
}

/// Who can open a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The age recipients of all key groups, in order.
    pub recipients: Vec<Recipient>,
    /// What stands beside them: for each the data key, encrypted to it, an armored
    /// age file.
    pub wrapped_keys: Vec<String>,
    /// Whether a key that is not age's (PGP, a cloud's KMS, Vault) opens it too.
    pub other_keys: bool,
    /// Whether the data key is split among several key groups, so that one key
    /// alone may not open it.
    pub is_split: bool,
}

impl Metadata {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Self::parse(path, &read(path)?)
    }

    /// Reads the content of the file at `path`, whose name tells the format.
    ///
    /// # Errors
    /// [`FileError::Empty`], [`FileError::Plaintext`], [`FileError::NotParsed`],
    /// [`FileError::Damaged`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, FileError> {
        Self::parse_as(Format::of(path), path, bytes)
    }

    /// As [`Self::parse`], whatever the file's name tells.
    ///
    /// # Errors
    /// As for [`Self::parse`].
    pub fn parse_as(format: Format, path: &Path, bytes: &[u8]) -> Result<Self, FileError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(FileError::Empty {
                path: path.to_owned(),
            });
        }
        let found = match format {
            Format::Yaml => from_yaml(bytes),
            Format::Json => from_json(bytes),
            // What is not JSON is any binary file.
            Format::Binary => from_json(bytes).or(Ok(None)),
            Format::Dotenv => from_lines(bytes, "sops_", None),
            Format::Ini => from_lines(bytes, "", Some("[sops]")),
        };
        Self::judge(path, bytes, found)
    }

    /// As [`Self::parse`], for YAML and JSON that was parsed before: its first
    /// document.
    ///
    /// # Errors
    /// [`FileError::Plaintext`], [`FileError::Damaged`].
    pub fn of_document(
        path: &Path,
        bytes: &[u8],
        first: Option<&serde_json::Value>,
    ) -> Result<Self, FileError> {
        let sops = first.and_then(|document| document.get("sops")).cloned();
        Self::judge(path, bytes, Document { sops }.metadata())
    }

    fn judge(
        path: &Path,
        bytes: &[u8],
        found: Result<Option<Self>, Trouble>,
    ) -> Result<Self, FileError> {
        let path = || path.to_owned();
        let keyless = |metadata: &Metadata| metadata.recipients.is_empty() && !metadata.other_keys;
        let (line_column, reason) = match found {
            Ok(Some(metadata)) if !keyless(&metadata) => return Ok(metadata),
            Ok(Some(_)) => (None, Damage::NoKey),
            Ok(None) => (None, Damage::NoMetadata),
            Err(trouble) => trouble,
        };
        // Every encrypted file has at least one such value, its MAC.
        if memchr::memmem::find(bytes, ENCRYPTED_VALUE.as_bytes()).is_some() {
            return Err(FileError::Damaged {
                path: path(),
                line_column,
                reason,
            });
        }
        if reason == Damage::NotParsed {
            return Err(FileError::NotParsed {
                path: path(),
                line_column,
            });
        }
        Err(FileError::Plaintext { path: path() })
    }

    /// Whether only people's own keys open the file, and no cluster's could.
    pub fn is_personal(&self) -> bool {
        !self.recipients.iter().any(Recipient::may_be_a_clusters)
    }
}

/// The content of a file, which may be encrypted or not.
///
/// # Errors
/// [`FileError::Missing`], [`FileError::Directory`], [`FileError::NotAFile`],
/// [`FileError::Read`].
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let owned = || path.to_owned();
    let read_error = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing { path: owned() },
        _ => FileError::Read {
            path: owned(),
            source,
        },
    };
    let kind = std::fs::metadata(path).map_err(read_error)?.file_type();
    if kind.is_dir() {
        return Err(FileError::Directory { path: owned() });
    }
    if !kind.is_file() {
        return Err(FileError::NotAFile { path: owned() });
    }
    std::fs::read(path).map_err(read_error)
}

/// What is wrong, and the line and column of it where they are known.
type Trouble = (Option<(u64, u64)>, Damage);

fn place(line_column: &Option<(u64, u64)>) -> String {
    let known = line_column.map(|(line, column)| format!(":{line}:{column}"));
    known.unwrap_or_default()
}

#[derive(Deserialize)]
struct Document {
    sops: Option<serde_json::Value>,
}

impl Document {
    /// A `sops` that is no mapping is somebody's own value.
    fn metadata(self) -> Result<Option<Metadata>, Trouble> {
        let Some(raw) = self.sops.filter(serde_json::Value::is_object) else {
            return Ok(None);
        };
        let raw: RawMetadata =
            serde_json::from_value(raw).map_err(|_| (None, Damage::NotMetadata))?;
        raw.into_metadata()
            .ok_or((None, Damage::NotMetadata))
            .map(Some)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawMetadata {
    #[serde(flatten)]
    keys: RawKeyGroup,
    key_groups: Option<Vec<RawKeyGroup>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawKeyGroup {
    age: Option<Vec<RawAge>>,
    pgp: Option<Vec<IgnoredAny>>,
    kms: Option<Vec<IgnoredAny>>,
    gcp_kms: Option<Vec<IgnoredAny>>,
    hckms: Option<Vec<IgnoredAny>>,
    azure_kv: Option<Vec<IgnoredAny>>,
    hc_vault: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
struct RawAge {
    recipient: String,
    #[serde(default)]
    enc: String,
}

impl RawMetadata {
    fn into_metadata(self) -> Option<Metadata> {
        let mut metadata = Metadata {
            is_split: self
                .key_groups
                .as_ref()
                .is_some_and(|groups| groups.len() > 1),
            ..Metadata::default()
        };
        for group in std::iter::once(self.keys).chain(self.key_groups.into_iter().flatten()) {
            let others = [group.pgp, group.kms, group.gcp_kms, group.hckms];
            let more = [group.azure_kv, group.hc_vault];
            metadata.other_keys |= others
                .iter()
                .chain(&more)
                .flatten()
                .any(|keys| !keys.is_empty());
            for age in group.age.into_iter().flatten() {
                metadata.recipients.push(age.recipient.trim().parse().ok()?);
                metadata.wrapped_keys.push(age.enc);
            }
        }
        Some(metadata)
    }
}

fn from_yaml(bytes: &[u8]) -> Result<Option<Metadata>, Trouble> {
    // No bounds on size: the file is the person's own, and Flux allows 5 MiB.
    let options = || serde_saphyr::options! { budget: None, with_snippet: false };
    let documents: Result<Vec<Document>, _> =
        serde_saphyr::from_slice_multiple_with_options(bytes, options());
    match documents {
        Ok(documents) => {
            let first = documents.into_iter().next();
            first.map_or(Ok(None), Document::metadata)
        }
        Err(error) => {
            // YAML that is a list or a scalar is no encrypted file, and whole.
            let any: Result<Vec<IgnoredAny>, _> =
                serde_saphyr::from_slice_multiple_with_options(bytes, options());
            let place = error.location().map(|at| (at.line(), at.column()));
            any.map(|_| None).map_err(|_| (place, Damage::NotParsed))
        }
    }
}

fn from_json(bytes: &[u8]) -> Result<Option<Metadata>, Trouble> {
    let document: Result<Document, _> = serde_json::from_slice(bytes);
    match document {
        Ok(document) => document.metadata(),
        // JSON that is a list or a scalar.
        Err(error) if error.is_data() => Ok(None),
        Err(error) => {
            let place = (error.line() as u64, error.column() as u64);
            Err((Some(place), Damage::NotParsed))
        }
    }
}

/// The flattened form: `sops_age__list_0__map_recipient=age1…` in dotenv, and
/// in ini the same without the prefix, in the section `[sops]`.
fn from_lines(
    bytes: &[u8],
    prefix: &str,
    section: Option<&str>,
) -> Result<Option<Metadata>, Trouble> {
    let text = String::from_utf8_lossy(bytes);
    let mut metadata = Metadata::default();
    let mut here = section.is_none();
    let mut found = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            here = section.is_none_or(|section| line.starts_with(section));
        }
        let Some((key, value)) = line.split_once('=').filter(|_| here) else {
            continue;
        };
        let Some(key) = key.trim().strip_prefix(prefix) else {
            continue;
        };
        found |= matches!(key, "mac" | "version" | "lastmodified");
        // In a key group: key_groups__list_0__map_age__list_0__map_recipient.
        let key = match key.strip_prefix("key_groups__list_") {
            Some(group) => {
                metadata.is_split |= !group.starts_with("0__");
                group.split_once("__map_").map_or("", |(_, key)| key)
            }
            None => key,
        };
        let others = [
            "pgp__",
            "kms__",
            "gcp_kms__",
            "hckms__",
            "azure_kv__",
            "hc_vault__",
        ];
        metadata.other_keys |= others.iter().any(|other| key.starts_with(other));
        if !key.starts_with("age__") {
            continue;
        }
        let value = value.trim().trim_matches(['"', '`']);
        if key.ends_with("recipient") {
            let recipient = value.parse();
            metadata
                .recipients
                .push(recipient.map_err(|_| (None, Damage::NotMetadata))?);
        } else if key.ends_with("enc") {
            metadata.wrapped_keys.push(value.replace("\\n", "\n"));
        }
    }
    found |= metadata.other_keys || !metadata.recipients.is_empty();
    Ok(found.then_some(metadata))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSH: &str = "ssh-ed25519 AAAAC3Nz dev@example.org";

    fn parse(name: &str, text: &str) -> Metadata {
        Metadata::parse(Path::new(name), text.as_bytes()).expect(text)
    }

    /// As sops 3.13 writes them, with two key groups.
    #[test]
    fn recipients_of_all_key_groups_are_read_in_every_format() {
        let groups = format!(
            r#"{{"a":"ENC[]","sops":{{"key_groups":[{{"age":[{{"recipient":"{SSH}","enc":"x\ny"}}]}},{{"pgp":[{{"fp":"F"}}],"age":[]}}],"mac":"m"}}}}"#
        );
        let expected = Metadata {
            recipients: vec![SSH.parse().expect("ssh")],
            wrapped_keys: vec!["x\ny".to_owned()],
            other_keys: true,
            is_split: true,
        };
        assert_eq!(parse("a.json", &groups), expected);
        assert_eq!(parse("a.yaml", &groups), expected);
        assert_eq!(parse("a.bin", &groups), expected);
        let flat = |prefix: &str| {
            format!(
                "{prefix}key_groups__list_0__map_age__list_0__map_enc=x\\ny\n\
                 {prefix}key_groups__list_0__map_age__list_0__map_recipient={SSH}\n\
                 {prefix}key_groups__list_1__map_pgp__list_0__map_fp=F\n{prefix}mac=m\n"
            )
        };
        assert_eq!(
            parse("a.env", &format!("A=ENC[]\n{}", flat("sops_"))),
            expected
        );
        assert_eq!(
            parse("a.ini", &format!("[a]\nb = ENC[]\n[sops]\n{}", flat(""))),
            expected
        );
    }

    #[test]
    fn the_first_document_tells_who_opens_a_yaml_file() {
        let text = format!("a: 1\nsops:\n  age:\n  - recipient: {SSH}\n---\nb: 2\nsops: {{}}\n");
        assert!(parse("a.yaml", &text).is_personal());
    }

    #[test]
    fn a_recipient_in_prose_makes_no_encrypted_file() {
        for (name, text) in [
            ("a.yaml", "sops_note: age1x\n"),
            ("a.env", "NOTE=sops_mac=\n"),
            ("a", "sops"),
        ] {
            let parsed = Metadata::parse(Path::new(name), text.as_bytes());
            assert!(
                matches!(parsed, Err(FileError::Plaintext { .. })),
                "{name}: {parsed:?}"
            );
        }
    }
}
