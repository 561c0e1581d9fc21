//! A draft as an age file (<https://age-encryption.org/v1>).
//!
//! Its head is one more stanza of the header, `kb-draft`: age ignores it, the header's
//! MAC covers it, and it is read without a key. What is encrypted is a list of entries,
//! the text first, so that `age --decrypt` alone shows it to a person.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, Read, Write};
use std::os::unix::ffi::OsStrExt;

use age::{DecryptError, Decryptor, EncryptError, Encryptor};
use age_core::format::{FileKey, Stanza};
use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroizing;

use super::head::{Head, is_plain_name};
use crate::core::identity::Identity;

const TAG: &str = "kb-draft";

const TEXT: &str = "text";
const BEFORE: &str = "before";
const FILE: &str = "file";

/// What is kept of an edit that did not end well.
#[derive(Default)]
pub struct DraftContents {
    /// What was saved in the editor.
    pub text: SecretBox<Vec<u8>>,
    /// The encrypted file as it was when the text was opened; `None` if there was none.
    pub before: Option<Vec<u8>>,
    /// What the editor wrote beside the text, such as a swap file.
    pub files: Vec<EmergencyFile>,
}

/// A file that an editor wrote beside the text.
pub struct EmergencyFile {
    /// Its name, without a directory.
    pub name: OsString,
    /// What is in it.
    pub content: SecretBox<Vec<u8>>,
}

/// Encrypts a draft for those that its head names.
pub(super) fn seal(head: &Head, contents: &DraftContents) -> Result<Vec<u8>, EncryptError> {
    let recipients = head.recipients.iter();
    let recipients: Vec<age::x25519::Recipient> = recipients
        .filter_map(|recipient| recipient.as_str().parse().ok())
        .collect();
    if recipients.is_empty() {
        return Err(EncryptError::MissingRecipients);
    }
    let label = Label(head.to_bytes());
    let keys = recipients.iter().map(|key| key as &dyn age::Recipient);
    let encryptor = Encryptor::with_recipients(keys.chain([&label as &dyn age::Recipient]))?;
    let mut sealed = Vec::new();
    let mut writer = encryptor.wrap_output(&mut sealed)?;
    writer.write_all(&encoded(contents))?;
    writer.finish()?;
    Ok(sealed)
}

/// The head of a draft. Nothing proves that it is right before the draft is opened.
pub(super) fn head(draft: impl BufRead) -> Option<Head> {
    let decryptor = Decryptor::new_buffered(draft).ok()?;
    let label = LabelReader::default();
    // It opens nothing, and sees every stanza.
    let _ = decryptor.decrypt([&label as &dyn age::Identity].into_iter());
    Head::parse(&label.0.take()?)
}

/// Decrypts a draft. `None` if it holds something else than kb writes.
pub(super) fn open<'a>(
    draft: impl BufRead,
    identities: impl IntoIterator<Item = &'a Identity>,
) -> Result<Option<DraftContents>, DecryptError> {
    let parsed = identities.into_iter();
    let identities: Vec<age::x25519::Identity> = parsed
        .filter_map(|it| it.key().expose().parse().ok())
        .collect();
    let decryptor = Decryptor::new_buffered(draft)?;
    let keys = identities.iter().map(|key| key as &dyn age::Identity);
    let mut plaintext = Zeroizing::new(Vec::new());
    decryptor.decrypt(keys)?.read_to_end(&mut plaintext)?;
    Ok(decoded(&plaintext))
}

/// Each entry is a line `KIND LENGTH-OF-NAME LENGTH`, the name and the content.
fn encoded(contents: &DraftContents) -> Zeroizing<Vec<u8>> {
    let text = contents.text.expose_secret().as_slice();
    let before = contents.before.iter();
    let before = before.map(|before| (BEFORE, OsStr::new(""), before.as_slice()));
    let files = contents.files.iter();
    let files = files.map(|file| (FILE, &*file.name, file.content.expose_secret().as_slice()));
    let entries = [(TEXT, OsStr::new(""), text)].into_iter();
    let entries: Vec<_> = entries.chain(before).chain(files).collect();
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for (kind, name, content) in &entries {
        parts.push(format!("{kind} {} {}\n", name.len(), content.len()).into_bytes());
    }
    let rest = |(_, name, content): &(&str, &OsStr, &[u8])| name.len() + content.len();
    let length =
        parts.iter().map(Vec::len).sum::<usize>() + entries.iter().map(rest).sum::<usize>();
    // Grown step by step, it would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    for (line, (_, name, content)) in parts.iter().zip(&entries) {
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(content);
    }
    bytes
}

fn decoded(mut bytes: &[u8]) -> Option<DraftContents> {
    let mut contents = DraftContents::default();
    while !bytes.is_empty() {
        let end = memchr::memchr(b'\n', bytes)?;
        let line = std::str::from_utf8(&bytes[..end]).ok()?;
        let words: Vec<&str> = line.split(' ').collect();
        let [kind, name_length, length] = words[..] else {
            return None;
        };
        let rest = &bytes[end + 1..];
        let (name, rest) = rest.split_at_checked(name_length.parse().ok()?)?;
        let (content, rest) = rest.split_at_checked(length.parse().ok()?)?;
        let secret = || SecretBox::new(Box::new(content.to_vec()));
        match kind {
            TEXT => contents.text = secret(),
            BEFORE => contents.before = Some(content.to_vec()),
            FILE if is_plain_name(OsStr::from_bytes(name)) => contents.files.push(EmergencyFile {
                name: OsStr::from_bytes(name).to_owned(),
                content: secret(),
            }),
            _ => return None,
        }
        bytes = rest;
    }
    Some(contents)
}

/// Writes the head into the header.
struct Label(Vec<u8>);

impl age::Recipient for Label {
    fn wrap_file_key(&self, _: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let stanza = Stanza {
            tag: TAG.to_owned(),
            args: Vec::new(),
            body: self.0.clone(),
        };
        Ok((vec![stanza], HashSet::new()))
    }
}

/// Reads the head out of the header.
#[derive(Default)]
struct LabelReader(RefCell<Option<Vec<u8>>>);

impl age::Identity for LabelReader {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        if stanza.tag == TAG {
            self.0.replace(Some(stanza.body.clone()));
        }
        None
    }
}
