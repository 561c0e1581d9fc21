//! Which files of a repository are encrypted for given recipients.
//!
//! All files are looked at, ignored and untracked ones included: they are lost
//! with their key as well. Links are not followed, and a directory with its own
//! `.git` belongs to someone else.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::identity::Recipient;
use super::sops_file::Metadata;

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
    /// Who can open it.
    pub metadata: Metadata,
}

/// Finds the files below `root` that any of the `recipients` opens.
pub fn files_for(root: &Path, recipients: &[Recipient]) -> Scan {
    let mut scan = Scan::default();
    directory(root, recipients, &mut scan);
    scan.files.sort_by(|a, b| a.path.cmp(&b.path));
    scan
}

fn directory(path: &Path, recipients: &[Recipient], scan: &mut Scan) {
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
                let foreign = inner.file_name().is_some_and(|name| name == ".git")
                    || inner.join(".git").exists();
                if !foreign {
                    directory(&inner, recipients, scan);
                }
            }
            Ok((inner, Ok(kind))) if kind.is_file() => match file(&inner, recipients) {
                Ok(found) => scan.files.extend(found),
                Err(_) => scan.unread.push(inner),
            },
            Ok((_, Ok(_))) => {}
            Ok((inner, Err(_))) => scan.unread.push(inner),
            Err(_) => scan.unread.push(path.to_owned()),
        }
    }
}

fn file(path: &Path, recipients: &[Recipient]) -> io::Result<Option<Found>> {
    // In every format a recipient stands in the metadata as it is.
    if !contains_any(File::open(path)?, recipients)? {
        return Ok(None);
    }
    let metadata = Metadata::parse(path, &fs::read(path)?).ok();
    let opens = |metadata: &Metadata| {
        let mut keys = metadata.recipients.iter();
        keys.any(|key| recipients.contains(key))
    };
    Ok(metadata.filter(opens).map(|metadata| Found {
        path: path.to_owned(),
        metadata,
    }))
}

/// Whether any of the texts is in what the reader gives, of whatever size.
fn contains_any(mut reader: impl Read, recipients: &[Recipient]) -> io::Result<bool> {
    let overlap = recipients.iter().map(|key| key.as_str().len()).max();
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
        let found =
            |key: &Recipient| memchr::memmem::find(&buffer[..filled], key.as_str().as_bytes());
        if recipients.iter().any(|key| found(key).is_some()) {
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
        for before in [0, CHUNK - 30, CHUNK, CHUNK + 31, 3 * CHUNK - 1] {
            let mut text = vec![b'a'; before];
            text.extend(recipient.as_str().as_bytes());
            let found = contains_any(text.as_slice(), std::slice::from_ref(&recipient));
            assert!(found.expect("reading"), "behind {before} bytes");
            text.pop();
            let found = contains_any(text.as_slice(), std::slice::from_ref(&recipient));
            assert!(!found.expect("reading"), "behind {before} bytes");
        }
    }
}
