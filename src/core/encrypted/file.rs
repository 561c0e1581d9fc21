//! Whether a file is encrypted, and who can open it.
//!
//! The format is that of sops 3.13, `stores/` in its source: YAML and JSON hold
//! the metadata as a mapping under `sops`, of several YAML documents the first
//! counts; binary files are JSON; dotenv and ini hold it flattened.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::{fmt, io};

use super::contents::{Contents, EncryptedDocument};
use super::inspect::{Inspected, of_contents};
use super::{Damage, ENCRYPTED_VALUE, FileError, Format, Metadata, Traces};
use crate::core::conflict;
use crate::core::readers::{MOST_KEYS, Reader};
use crate::core::regular_file;
use crate::core::yaml::{self, Decoded, Encoding, NotParsed, YamlErrorKind};

/// An encrypted file: its format, and who can open it.
#[derive(Clone, Debug)]
pub struct EncryptedFile {
    /// Its format.
    pub format: Format,
    /// The metadata that sops reads: that of the first document.
    pub metadata: Metadata,
    /// That of the other documents, which Flux decrypts one by one.
    pub others: Vec<Metadata>,
    /// Whether sops may see other keys in it than kb does.
    pub is_uncertain: bool,
    /// Its text, taken apart, if that was to be kept.
    pub(super) source: Option<Arc<ParsedText>>,
}

self_cell::self_cell!(
    /// A text, and what stands in it.
    pub(super) struct ParsedText {
        owner: String,
        #[covariant]
        dependent: Contents,
    }
);

/// It may hold values that are not encrypted.
impl fmt::Debug for ParsedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

impl EncryptedFile {
    /// Reads the content of the file at `path`. Its name tells the format. Where it is not
    /// encrypted in that one, its metadata does: sops can be told another format than the
    /// name's (`--input-type`), and Flux takes `envs` of any ending for dotenv.
    ///
    /// # Errors
    /// [`FileError`], but for what keeps a file from being read.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, FileError> {
        let format = Format::of(path);
        let by_name = Self::parse_as(format, path, bytes);
        let other = Format::by_content(bytes).filter(|other| *other != format);
        let Some(other) = other.filter(|_| by_name.is_err()) else {
            return by_name;
        };
        match Self::parse_as(other, path, bytes) {
            // Of a name that tells nothing, the content has the say.
            Err(_) if format != Format::Binary => by_name,
            by_content => by_content,
        }
    }

    /// As [`Self::parse`], for who opens the file next: what was read of YAML and JSON is
    /// kept for [`Verified::of`](super::Verified::of).
    ///
    /// # Errors
    /// As for [`Self::parse`].
    pub fn parse_and_keep(path: &Path, bytes: Vec<u8>) -> Result<Self, FileError> {
        let format = Format::of(path);
        let is_usual =
            matches!(format, Format::Yaml | Format::Json) && !bytes.starts_with(b"\xef\xbb\xbf");
        let text = match String::from_utf8(bytes) {
            Ok(text) if is_usual => text,
            Ok(text) => return Self::parse(path, text.as_bytes()),
            Err(error) => return Self::parse(path, error.as_bytes()),
        };
        let source = match ParsedText::try_new_or_recover(text, |text| Contents::read(format, text))
        {
            Ok(source) => source,
            Err((text, _)) => return Self::parse(path, text.as_bytes()),
        };
        match Self::in_contents(format, source.borrow_dependent()) {
            ParsedKind::Encrypted(mut file)
                if !file.metadata.is_keyless() && !file.has_too_many_keys() =>
            {
                file.source = Some(Arc::new(source));
                Ok(*file)
            }
            _ => Self::parse(path, source.borrow_owner().as_bytes()),
        }
    }

    /// Its text, if that was kept.
    pub fn text(&self) -> Option<&str> {
        let source = self.source.as_ref()?;
        Some(source.borrow_owner())
    }

    /// Its documents, if its text was kept, without parsing it again.
    pub fn inspect(&self) -> Option<Result<Vec<Inspected<'_>>, NotParsed>> {
        let source = self.source.as_ref()?;
        Some(of_contents(source.borrow_dependent()))
    }

    /// Frees the memory of what was kept of its text.
    pub fn forget_text(&mut self) {
        self.source = None;
    }

    /// The same for good.
    pub fn into_text(self) -> Option<String> {
        let source = self.source?;
        Some(match Arc::try_unwrap(source) {
            Ok(source) => source.into_owner(),
            Err(shared) => shared.borrow_owner().clone(),
        })
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
        if let Some(encoding) = other_encoding(format, bytes) {
            let path = path.to_owned();
            return Err(FileError::Encoding {
                path,
                encoding,
                format,
            });
        }
        let (found, may_be_encrypted) = Self::found(format, bytes);
        if let Some(line) = conflict(format, bytes, &found, may_be_encrypted) {
            return Err(FileError::Conflict {
                path: path.to_owned(),
                line,
                is_encrypted: may_be_encrypted,
            });
        }
        let (line_column, reason) = match found {
            Ok(ParsedKind::Encrypted(file)) if file.has_too_many_keys() => {
                (None, Damage::TooManyKeys)
            }
            Ok(ParsedKind::Encrypted(file)) if !file.metadata.is_keyless() => return Ok(*file),
            Ok(ParsedKind::Encrypted(file)) if !file.is_uncertain => (None, Damage::NoKey),
            Ok(ParsedKind::Encrypted(_) | ParsedKind::Uncertain) => (None, Damage::Uncertain),
            Ok(ParsedKind::Later(document)) if may_be_encrypted => {
                let path = path.to_owned();
                return Err(FileError::PlainFirst { path, document });
            }
            Ok(ParsedKind::Nothing | ParsedKind::Later(_)) => (None, Damage::NoMetadata),
            // What is not JSON is any binary file.
            Err(_) if format == Format::Binary => (None, Damage::NoMetadata),
            Err(error) if error.reason == YamlErrorKind::Repetition => {
                (Some((error.line, error.column)), Damage::TooLarge)
            }
            Err(error) => (Some((error.line, error.column)), Damage::NotParsed),
        };
        let path = path.to_owned();
        Err(if may_be_encrypted || reason == Damage::TooManyKeys {
            FileError::Damaged {
                path,
                line_column,
                reason,
            }
        } else if matches!(reason, Damage::NotParsed | Damage::TooLarge) {
            FileError::NotParsed { path, line_column }
        } else {
            FileError::Plaintext { path }
        })
    }

    /// Whether there are more keys in a document, or more different ones in all of them,
    /// than can be compared with those of a rule: each is compared with each.
    fn has_too_many_keys(&self) -> bool {
        let all = || [&self.metadata].into_iter().chain(&self.others);
        let different: HashSet<&Reader> = all()
            .flat_map(Metadata::entries)
            .map(|entry| &entry.reader)
            .collect();
        different.len() > MOST_KEYS || all().any(|it| it.entries().nth(MOST_KEYS).is_some())
    }

    /// What is found, and whether there is an encrypted value: every encrypted file has
    /// at least one, its MAC.
    fn found(format: Format, bytes: &[u8]) -> (Result<ParsedKind, NotParsed>, bool) {
        let decoded = match format {
            Format::Yaml => yaml::decode(bytes),
            // The others are UTF-8, or what is taken for it.
            _ => Ok(Decoded {
                text: String::from_utf8_lossy(bytes),
                encoding: Encoding::Utf8,
            }),
        };
        let decoded = match decoded {
            Ok(decoded) => decoded,
            Err(error) => return (Err(error.into()), has_encrypted_value(bytes)),
        };
        let text = &decoded.text;
        let contents = match Contents::read(format, text) {
            Ok(contents) => contents,
            Err(error) => {
                let is_hidden = || Traces::of(bytes).has_encrypted_value();
                let has_one = has_encrypted_value(text.as_bytes()) || is_hidden();
                return (Err(error), has_one);
            }
        };
        // A value may be written with escapes.
        let holds_value = |document: &EncryptedDocument<'_>| {
            let values = document.values.iter().chain(&document.metadata);
            let mut texts = values.map(|value| value.scalar.text());
            texts.any(|text| text.trim_start().starts_with(ENCRYPTED_VALUE))
        };
        let may_be_encrypted = has_encrypted_value(text.as_bytes())
            || contents.documents.iter().any(holds_value)
            || contents.may_split_readers && Traces::of(bytes).has_encrypted_value();
        (Ok(Self::in_contents(format, &contents)), may_be_encrypted)
    }

    /// What a file that parses is.
    fn in_contents(format: Format, contents: &Contents<'_>) -> ParsedKind {
        let is_uncertain = contents.may_split_readers;
        let metadata = |document: &EncryptedDocument<'_>| {
            document.has_metadata.then(|| Metadata::of(document))
        };
        let mut all = contents.documents.iter();
        let later = all.position(|document| document.has_metadata);
        let mut documents = contents.documents.iter();
        match documents.next().and_then(metadata) {
            Some(first) => ParsedKind::Encrypted(Box::new(Self {
                format,
                metadata: first,
                others: documents.filter_map(metadata).collect(),
                is_uncertain,
                source: None,
            })),
            None if is_uncertain => ParsedKind::Uncertain,
            None => later.map_or(ParsedKind::Nothing, |index| ParsedKind::Later(index + 1)),
        }
    }
}

/// What a file that parses is.
enum ParsedKind {
    /// It has sops metadata.
    Encrypted(Box<EncryptedFile>),
    /// It has none as far as kb can see, and sops may see more.
    Uncertain,
    /// The first document has none, and this one has, from 1.
    Later(usize),
    /// It has none.
    Nothing,
}

/// What the byte order mark of an encrypted file announces, if sops does not read it so.
fn other_encoding(format: Format, bytes: &[u8]) -> Option<Encoding> {
    let encoding = match yaml::decode(bytes) {
        Ok(decoded) => decoded.encoding,
        Err(error) => error.encoding,
    };
    let is_read = match encoding {
        Encoding::Utf8 => true,
        Encoding::Utf8WithMark => matches!(format, Format::Yaml | Format::Ini),
        Encoding::Utf16Le | Encoding::Utf16Be => format == Format::Yaml,
    };
    (!is_read && Traces::of(bytes).has_encrypted_value()).then_some(encoding)
}

/// The first line of a merge conflict in a file.
fn conflict(
    format: Format,
    bytes: &[u8],
    found: &Result<ParsedKind, NotParsed>,
    may_be_encrypted: bool,
) -> Option<u64> {
    let always_parses = matches!(format, Format::Dotenv | Format::Ini);
    if found.is_ok() && !always_parses {
        return None;
    }
    let text = match yaml::decode(bytes) {
        Ok(decoded) => decoded.text,
        Err(_) => String::from_utf8_lossy(bytes),
    };
    match format {
        // sops writes each value in one line.
        Format::Dotenv | Format::Ini if !may_be_encrypted => conflict::whole(&text),
        Format::Binary if !may_be_encrypted || !conflict::is_in_json(&text) => None,
        _ => conflict::marker(&text),
    }
}

fn has_encrypted_value(text: &[u8]) -> bool {
    memchr::memmem::find(text, ENCRYPTED_VALUE.as_bytes()).is_some()
}

/// A file that is larger, in bytes, is not read: sops itself would hold it in
/// memory several times, and Flux takes 5 MiB.
pub const LARGEST: u64 = 256 << 20;

/// The content of a file, which may be encrypted or not.
///
/// # Errors
/// [`FileError::Missing`], [`FileError::Directory`], [`FileError::NotAFile`],
/// [`FileError::Read`].
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    regular_file::read(path, LARGEST).map_err(|source| {
        let path = path.to_owned();
        let kind = std::fs::metadata(&path).map(|found| found.file_type());
        match kind {
            _ if source.kind() == io::ErrorKind::NotFound => FileError::Missing { path },
            Ok(kind) if kind.is_dir() => FileError::Directory { path },
            Ok(kind) if !kind.is_file() => FileError::NotAFile { path },
            _ => FileError::Read { path, source },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSH: &str = "ssh-ed25519 AAAAC3Nz dev@example.org";

    fn parse(name: &str, text: &str) -> Metadata {
        let file = EncryptedFile::parse(Path::new(name), text.as_bytes());
        file.expect(text).metadata
    }

    /// As sops 3.13 writes them, with two key groups.
    #[test]
    fn readers_of_all_key_groups_are_read_in_every_format() {
        let groups = format!(
            r#"{{"a":"ENC[]","sops":{{"key_groups":[{{"age":[{{"recipient":"{SSH}","enc":"x\ny"}}]}},{{"pgp":[{{"fp":"F"}}],"age":[]}}],"mac":"m"}}}}"#
        );
        let check = |name: &str, text: &str| {
            let metadata = parse(name, text);
            let groups = vec![vec![Reader::age(SSH)], vec![Reader::pgp("F")]];
            assert_eq!(metadata.readers().groups, groups, "{name}");
            assert_eq!(metadata.wrapped_keys(), ["x\ny"], "{name}");
            assert!(metadata.is_split() && metadata.has_other_keys(), "{name}");
        };
        for name in ["a.json", "a.yaml", "a.bin"] {
            check(name, &groups);
        }
        let flat = |prefix: &str| {
            format!(
                "{prefix}key_groups__list_0__map_age__list_0__map_enc=x\\ny\n\
                 {prefix}key_groups__list_0__map_age__list_0__map_recipient={SSH}\n\
                 {prefix}key_groups__list_1__map_pgp__list_0__map_fp=F\n{prefix}mac=m\n"
            )
        };
        check("a.env", &format!("A=ENC[]\n{}", flat("sops_")));
        check("a.ini", &format!("[a]\nb = ENC[]\n[sops]\n{}", flat("")));
    }

    /// As sops 3.13 decodes it: `WeaklyTypedInput`, names in either case, its own lists
    /// before `key_groups`.
    #[test]
    fn metadata_is_read_however_it_is_written() {
        let entry = format!("{{recipient: \"{SSH}\", enc: x}}");
        for sops in [
            format!("{{age: [{entry}]}}"),
            format!("{{age: {entry}}}"),
            format!("{{AGE: [{entry}]}}"),
            format!("{{key_groups: [{{age: [{entry}]}}]}}"),
            format!("{{key_groups: {{age: [{entry}]}}}}"),
        ] {
            let metadata = parse("a.yaml", &format!("a: 1\nsops: {sops}\n"));
            assert_eq!(
                metadata.readers().groups,
                [vec![Reader::age(SSH)]],
                "{sops}"
            );
        }
        let hidden = format!(
            "a: &a\n  hc_vault: [{{vault_address: http://x}}]\nsops:\n  <<: *a\n  age: [{entry}]\n"
        );
        assert!(parse("a.yaml", &hidden).has_other_keys());
        let both = format!("a: 1\nsops: {{age: [{entry}], key_groups: [{{pgp: [{{fp: F}}]}}]}}\n");
        let metadata = parse("a.yaml", &both);
        assert_eq!(metadata.readers().groups, [vec![Reader::age(SSH)]]);
        assert_eq!(metadata.passed_over.len(), 1);
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
            let parsed = EncryptedFile::parse(Path::new(name), text.as_bytes());
            assert!(
                matches!(parsed, Err(FileError::Plaintext { .. })),
                "{name}: {parsed:?}"
            );
        }
    }
}
