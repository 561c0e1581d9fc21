//! Which files of a repository are encrypted for given recipients.
//!
//! All files are looked at, ignored and untracked ones included: they are lost
//! with their key as well. Links are not followed. A directory with its own
//! `.git` belongs to someone else (a submodule, a vendored clone); what is found
//! there is marked.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;

use super::identity::Recipient;
use super::sops_file::{FileError, Metadata};

/// So much of a file is read at once, in bytes.
const CHUNK: usize = 1 << 16;

/// What was found.
#[derive(Debug, Default)]
pub struct Scan {
    /// The encrypted files, ordered by path.
    pub files: Vec<Found>,
    /// What could not be read.
    pub unread: Vec<PathBuf>,
}

/// An encrypted file.
#[derive(Debug)]
pub struct Found {
    /// Its path, beginning with the directory that was looked through.
    pub path: PathBuf,
    /// Who can open it; `None` where it names a recipient, holds encrypted values
    /// and is not of the format that its name says.
    pub metadata: Option<Metadata>,
    /// The directory with its own `.git` that it lies in, below the one that was
    /// looked through.
    pub foreign: Option<PathBuf>,
}

/// Finds the files below the `roots` that any of the `recipients` opens.
pub fn files_for(roots: &[PathBuf], recipients: &[Recipient]) -> Scan {
    let mut scan = Scan::default();
    let wanted = Wanted::new(recipients);
    for root in roots {
        directory(root, None, &wanted, &mut scan);
    }
    scan.files.sort_by(|a, b| a.path.cmp(&b.path));
    scan
}

/// What is looked for in every file, made ready once.
struct Wanted<'r> {
    recipients: &'r [Recipient],
    /// In every format a recipient stands in the metadata as it is. Those of
    /// `wide` are in it too.
    texts: Vec<Finder<'static>>,
    /// The same in UTF-16, in both orders of bytes, which sops reads in YAML.
    wide: Vec<Finder<'static>>,
}

impl<'r> Wanted<'r> {
    fn new(recipients: &'r [Recipient]) -> Self {
        let finder = |bytes: Vec<u8>| Finder::new(&bytes).into_owned();
        let keys = recipients.iter().map(Recipient::as_str);
        let wide = keys.clone().flat_map(in_utf16).map(finder);
        let wide: Vec<Finder<'static>> = wide.collect();
        let plain = keys.map(|key| finder(key.as_bytes().to_vec()));
        Self {
            recipients,
            texts: plain.chain(wide.iter().cloned()).collect(),
            wide,
        }
    }
}

fn directory(path: &Path, foreign: Option<&Path>, wanted: &Wanted<'_>, scan: &mut Scan) {
    let Ok(entries) = fs::read_dir(path) else {
        scan.unread.push(path.to_owned());
        return;
    };
    for entry in entries {
        let kind = entry
            .as_ref()
            .map(|entry| (entry.path(), entry.file_type()));
        match kind {
            Ok((inner, Ok(kind))) if kind.is_dir() => {
                if inner.file_name().is_some_and(|name| name == ".git") {
                    continue;
                }
                let own = inner.join(".git").exists().then_some(&*inner);
                directory(&inner, foreign.or(own), wanted, scan);
            }
            Ok((inner, Ok(kind))) if kind.is_file() => match file(&inner, foreign, wanted) {
                Ok(found) => scan.files.extend(found),
                Err(_) => scan.unread.push(inner),
            },
            Ok((_, Ok(_))) => {}
            Ok((inner, Err(_))) => scan.unread.push(inner),
            Err(_) => scan.unread.push(path.to_owned()),
        }
    }
}

fn file(path: &Path, foreign: Option<&Path>, wanted: &Wanted<'_>) -> io::Result<Option<Found>> {
    if !contains_any(File::open(path)?, &wanted.texts)? {
        return Ok(None);
    }
    let found = |metadata| Found {
        path: path.to_owned(),
        metadata,
        foreign: foreign.map(Path::to_owned),
    };
    let content = fs::read(path)?;
    if contains_any(&*content, &wanted.wide)? {
        return Ok(Some(found(None)));
    }
    Ok(match Metadata::parse(path, &content) {
        Ok(metadata) => {
            let mut keys = metadata.recipients.iter();
            let opens = keys.any(|key| wanted.recipients.contains(key));
            opens.then(|| found(Some(metadata)))
        }
        Err(FileError::Damaged { .. }) => Some(found(None)),
        Err(_) => None,
    })
}

/// A text in UTF-16, in both orders of bytes.
fn in_utf16(text: &str) -> [Vec<u8>; 2] {
    [
        text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    ]
}

/// Whether any of the texts is in what the reader gives, of whatever size.
fn contains_any(mut reader: impl Read, texts: &[Finder<'_>]) -> io::Result<bool> {
    let overlap = texts.iter().map(|text| text.needle().len()).max();
    let overlap = overlap.unwrap_or(1) - 1;
    let mut buffer = vec![0; overlap + CHUNK];
    let mut kept = 0;
    loop {
        let read = match reader.read(&mut buffer[kept..]) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let filled = kept + read;
        let mut texts = texts.iter();
        if texts.any(|text| text.find(&buffer[..filled]).is_some()) {
            return Ok(true);
        }
        kept = filled.min(overlap);
        buffer.copy_within(filled - kept..filled, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::identity::Identity;

    #[test]
    fn a_recipient_is_found_across_the_border_of_two_chunks() {
        let (_, recipient) = Identity::generate();
        let recipients = [recipient.clone()];
        let texts = Wanted::new(&recipients).texts;
        for before in [0, CHUNK - 30, CHUNK, CHUNK + 31, 3 * CHUNK - 1] {
            let mut text = vec![b'a'; before];
            text.extend(recipient.as_str().as_bytes());
            let found = contains_any(text.as_slice(), &texts);
            assert!(found.expect("reading"), "behind {before} bytes");
            text.pop();
            let found = contains_any(text.as_slice(), &texts);
            assert!(!found.expect("reading"), "behind {before} bytes");
        }
    }
}
