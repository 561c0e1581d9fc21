//! What stands in a file.
//!
//! | module | holds |
//! | --- | --- |
//! | this one | what a file is: encrypted, plaintext, damaged, or of no interest |
//! | `mention` | whether it may hold a Secret, by its bytes |
//! | `named` | what its name says of it |
//! | `harmless` | values that tell no secret |
//! | `plaintext` | what a file that is not encrypted should be |
//! | `template` | the text of a template without its expressions |

mod harmless;
mod mention;
mod named;
mod plaintext;
mod template;

use std::borrow::Cow;
use std::path::Path;

use memchr::memmem;

use super::mismatch::Mismatch;
use crate::core::encrypted::inspect::{Inspected, Protection, inspect, protection};
use crate::core::encrypted::{Damage, ENCRYPTED_VALUE, EncryptedFile, FileError, Format};
use crate::core::kustomize::is_kustomization;
use crate::core::rules::MatchedRule;
use crate::core::sops_config::{FILE_NAME, Selection};
use crate::core::yaml::{self, Encoding, NotParsed, YamlErrorKind};
use mention::Mention;
use plaintext::PlainText;

pub use crate::core::encrypted::inspect::{Cause, PlainValue};

/// Files that those who read them read before anything is decrypted: sops, git and Helm.
const NEVER_ENCRYPTED: [&str; 5] = [
    FILE_NAME,
    ".gitattributes",
    ".gitignore",
    ".gitmodules",
    "Chart.yaml",
];
/// The directory of what GitHub runs.
const WORKFLOWS: &str = ".github";
/// What is in it, by the name of its directory or by its own.
const RUN: [&str; 3] = ["workflows", "action.yml", "action.yaml"];

/// The rule that kb writes for Secrets, as it stands in the metadata of a file.
const SECRET_VALUES: &[u8] = b"\n    encrypted_regex: ^(data|stringData)$\n";

/// What stands in a file.
#[derive(Debug)]
pub enum FileContent {
    /// Nothing that is or should be encrypted.
    Other,
    /// It is not encrypted, and should be; or, without a rule, it is a Secret.
    Plaintext(Plaintext),
    /// Its values are filled in later; the names of those that are text and tell no
    /// secret.
    Placeholders(Vec<String>),
    /// It holds a Secret that no rule names, whose values tell no secret; their names.
    Settings(Vec<String>),
    /// A rule is for it by its place alone, and nothing in it is called like a secret.
    Unnamed,
    /// It is encrypted.
    Encrypted(Box<EncryptedContent>),
    /// It holds encrypted values, and is not whole.
    Damaged(FileError),
}

/// A file that is not encrypted, and should be.
#[derive(Debug, PartialEq, Eq)]
pub struct Plaintext {
    /// By what it counts as such.
    pub what: Plain,
    /// The values that are text, if others of the Secret are not.
    pub plain: Vec<String>,
    /// Whether it is a template, which nobody can encrypt before it is filled in.
    pub is_template: bool,
    /// Whether it contains a key twice, which sops refuses.
    pub has_double_key: bool,
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
    /// Git's conflict markers are in it, so nobody can tell.
    Conflict {
        /// The line of the first one, from 1.
        line: u64,
        /// Whether it looks like a Secret.
        is_secret: bool,
    },
    /// It does not parse, so nobody can tell.
    NotParsed {
        /// The line and column.
        place: (u64, u64),
        /// Whether it looks like a Secret.
        is_secret: bool,
    },
}

/// An encrypted file.
#[derive(Debug)]
pub struct EncryptedContent {
    /// Its format, and who can open it; where that is of interest also its text, up to a
    /// bound on all of them.
    pub file: EncryptedFile,
    /// The values in it that should be encrypted and are not, and those that nobody can
    /// use.
    pub protection: Protection,
    /// What is broken in its metadata, although it tells who can open the file.
    pub damage: Option<FileError>,
    /// A field that Flux needs to apply it, and that is encrypted, as in
    /// `metadata.name`.
    pub encrypted_head: Option<String>,
    /// The number of the first document, from 1, that is not an object of Kubernetes,
    /// which kustomize refuses.
    pub not_an_object: Option<usize>,
}

impl FileContent {
    /// As [`Self::of`], where only problems are of interest: most encrypted manifests are
    /// as sops writes them, and it takes less to see that there is none.
    pub(super) fn problems_of(path: &Path, bytes: &[u8], rule: Option<MatchedRule<'_>>) -> Self {
        if Format::of(path) == Format::Yaml && is_sound(path, bytes, rule) {
            Self::Other
        } else {
            Self::of(path, bytes, rule)
        }
    }

    /// Looks at the content of the file of an absolute path, which has this rule.
    pub(in crate::core) fn of(path: &Path, bytes: &[u8], rule: Option<MatchedRule<'_>>) -> Self {
        let rule = rule.filter(|_| !is_never_encrypted(path));
        let original = bytes;
        let (bytes, is_plain_utf8) = in_utf8(bytes);
        // Prose and programs may quote an encrypted value; no encrypted file is without
        // a MAC.
        let has_mac = has_mac(&bytes);
        let mention = Mention::of(&bytes);
        // Most files are of no interest, which is to cost little.
        if !has_mac && rule.is_none() && mention == Mention::Nowhere {
            return Self::Other;
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Self::Other;
        }
        let text = String::from_utf8_lossy(&bytes);
        let plaintext = PlainText {
            path,
            text: &text,
            mention,
            is_plain_utf8,
            rule,
        };
        let parsed = match has_mac {
            // Most likely it is whole; what is not is parsed twice.
            true => EncryptedFile::parse_and_keep(path, original.to_vec()),
            false => EncryptedFile::parse(path, original),
        };
        match parsed {
            Ok(file) => Self::of_encrypted(path, &text, file, rule),
            // Prose may quote a whole file.
            Err(error)
                if error.is_of_encrypted()
                    && Format::of(path) == Format::Binary
                    && rule.is_none() =>
            {
                plaintext.content()
            }
            Err(
                error @ (FileError::Conflict { .. }
                | FileError::Encoding { .. }
                | FileError::PlainFirst { .. }),
            ) if has_mac => Self::Damaged(error),
            // What kb cannot read, nobody has looked at.
            Err(damaged @ FileError::Damaged { reason, .. })
                if has_mac
                    || matches!(reason, Damage::Uncertain | Damage::TooManyKeys)
                    // The MAC may be written with escapes.
                    || rule.is_some() && reason.may_hide_keys() =>
            {
                Self::Damaged(damaged)
            }
            Err(_) => plaintext.content(),
        }
    }

    fn of_encrypted(
        path: &Path,
        text: &str,
        file: EncryptedFile,
        rule: Option<MatchedRule<'_>>,
    ) -> Self {
        let format = file.format;
        let damaged = |line_column, reason| {
            Self::Damaged(FileError::Damaged {
                path: path.to_owned(),
                line_column,
                reason,
            })
        };
        let inspected = file.inspect().unwrap_or_else(|| inspect(format, text));
        match inspected {
            Ok(_) if !file.metadata.selection.is_fast() => damaged(None, Damage::Expression),
            Ok(documents) => {
                let protection = protection(&documents, &file.metadata.selection);
                // sops takes no key twice.
                let has_double_key = documents.iter().any(|document| document.has_double_key);
                if format == Format::Yaml && has_double_key && protection.is_whole() {
                    return damaged(None, Damage::NotParsed);
                }
                let readers = rule.map(|rule| &rule.rule.readers);
                let mut all = std::iter::once(&file.metadata).chain(&file.others);
                let damage = all.find_map(|metadata| metadata.damage(readers));
                let encrypted_head = documents.iter().find_map(Inspected::encrypted_head);
                let not_an_object = documents.iter().position(|it| !it.is_for_kustomize);
                drop(documents);
                Self::Encrypted(Box::new(EncryptedContent {
                    encrypted_head,
                    not_an_object: not_an_object.map(|index| index + 1),
                    damage: damage.map(|reason| FileError::Damaged {
                        path: path.to_owned(),
                        line_column: None,
                        reason,
                    }),
                    protection,
                    file,
                }))
            }
            Err(_) if Format::of(path) == Format::Binary && rule.is_none() => Self::Other,
            Err(error) => damaged(Some((error.line, error.column)), damage_of(&error)),
        }
    }
}

/// What a text that does not parse is: what is too large for kb others may read.
fn damage_of(error: &NotParsed) -> Damage {
    match error.reason {
        YamlErrorKind::Repetition => Damage::TooLarge,
        _ => Damage::NotParsed,
    }
}

/// The bytes in UTF-8, and whether they were.
fn in_utf8(bytes: &[u8]) -> (Cow<'_, [u8]>, bool) {
    if !bytes.starts_with(b"\xff\xfe") && !bytes.starts_with(b"\xfe\xff") {
        return (bytes.into(), true);
    }
    match yaml::decode(bytes) {
        Ok(decoded) => {
            let is_utf8 = decoded.encoding == Encoding::Utf8;
            (decoded.text.into_owned().into_bytes().into(), is_utf8)
        }
        Err(_) => (bytes.into(), false),
    }
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

fn is_never_encrypted(path: &Path) -> bool {
    let name = path.file_name();
    let mut parts = path.iter().skip_while(|part| *part != WORKFLOWS);
    is_kustomization(path)
        || parts.any(|part| RUN.iter().any(|run| part == *run))
        || name.is_some_and(|name| NEVER_ENCRYPTED.iter().any(|never| name == *never))
}

/// Whether it surely is an encrypted manifest as its rule wants it, with nothing in
/// plaintext that should be encrypted.
fn is_sound(path: &Path, bytes: &[u8], rule: Option<MatchedRule<'_>>) -> bool {
    let Some(at) = before_metadata(bytes).map(<[u8]>::len) else {
        return false;
    };
    let (manifest, metadata) = bytes.split_at(at);
    let Ok(text) = str::from_utf8(manifest) else {
        return false;
    };
    // What another reader may see otherwise, or twice, is looked at closely.
    let Ok(documents) = inspect(Format::Yaml, text) else {
        return false;
    };
    let [document] = documents.as_slice() else {
        return false;
    };
    if document.is_uncertain
        || document.has_metadata
        || document.has_double_key
        || !protection(&documents, &Selection::of_secrets()).is_whole()
    {
        return false;
    }
    let file = EncryptedFile::parse_as(Format::Yaml, path, metadata).ok();
    // One without a rule may have had one.
    let file =
        file.filter(|file| file.metadata.is_certain() && file.metadata.damage(None).is_none());
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
