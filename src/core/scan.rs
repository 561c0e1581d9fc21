//! Which files of a repository are encrypted for given recipients.
//!
//! All files are looked at, ignored and untracked ones included: they are lost
//! with their key as well. Links are not followed. A directory with its own
//! `.git` belongs to someone else (a submodule, a vendored clone); what is found
//! there is marked. kb's own temporary files are no files of the repository.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread::available_parallelism;

use ignore::{DirEntry, WalkBuilder, WalkState};
use memchr::memmem::Finder;

use super::identity::Recipient;
use super::replace::is_temporary;
use super::sops_config;
use super::sops_file::{FileError, Metadata};

/// So much of a file is read at once, in bytes.
const CHUNK: usize = 1 << 16;

/// What is looked for.
#[derive(Clone, Copy, Default)]
pub struct Search<'a> {
    /// The directories that are looked through.
    pub roots: &'a [PathBuf],
    /// The recipients of the encrypted files that are wanted.
    pub recipients: &'a [Recipient],
    /// A text: files that hold it are wanted as well.
    pub text: Option<&'a str>,
    /// Files and directories that are passed over; beginning with the root that
    /// they are in.
    pub skip: &'a [PathBuf],
}

/// What was found, each list ordered by path.
#[derive(Debug, Default)]
pub struct Scan {
    /// The encrypted files.
    pub files: Vec<Found>,
    /// The files with the text; those in other people's repositories are not among
    /// them.
    pub with_text: Vec<PathBuf>,
    /// The `.sops.yaml` files, without those in other people's repositories.
    pub configs: Vec<PathBuf>,
    /// Temporary files of kb's own, of a run that lives or was killed.
    pub temporary: Vec<PathBuf>,
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
    /// The recipients that it names; of a damaged one, those that were looked for.
    pub named: Vec<Recipient>,
    /// The directory with its own `.git` that it lies in, below the one that was
    /// looked through.
    pub foreign: Option<PathBuf>,
}

/// One thing that was found.
enum Hit {
    File(Found),
    WithText(PathBuf),
    Config(PathBuf),
    Temporary(PathBuf),
    Unread(PathBuf),
}

impl Search<'_> {
    /// Looks through the directories, on all cores.
    pub fn run(&self) -> Scan {
        let needles = Needles::new(self);
        let mut scan = Scan::default();
        for root in self.roots {
            self.walk(root, &needles, &mut scan);
        }
        scan.files.sort_by(|a, b| a.path.cmp(&b.path));
        let lists = [
            &mut scan.with_text,
            &mut scan.configs,
            &mut scan.temporary,
            &mut scan.unread,
        ];
        for paths in lists {
            paths.sort();
            paths.dedup();
        }
        scan
    }

    fn walk(&self, root: &Path, needles: &Needles, scan: &mut Scan) {
        let skip = self.skip.to_vec();
        let walk = WalkBuilder::new(root)
            .standard_filters(false)
            .threads(available_parallelism().map_or(1, usize::from))
            .filter_entry(move |entry| {
                entry.file_name() != ".git" && !skip.iter().any(|skip| skip == entry.path())
            })
            .build_parallel();
        let (sender, hits) = channel();
        // What is found is little; what is looked at, much.
        walk.run(|| {
            let mut looker = Looker {
                search: self,
                root,
                needles,
                hits: sender.clone(),
                buffer: Vec::new(),
            };
            Box::new(move |entry| {
                looker.look_at(entry);
                WalkState::Continue
            })
        });
        drop(sender);
        for hit in hits {
            match hit {
                Hit::File(found) => scan.files.push(found),
                Hit::WithText(path) => scan.with_text.push(path),
                Hit::Config(path) => scan.configs.push(path),
                Hit::Temporary(path) => scan.temporary.push(path),
                Hit::Unread(path) => scan.unread.push(path),
            }
        }
    }
}

/// What is looked for in every file, made ready once.
struct Needles {
    /// All of those below.
    all: Vec<Finder<'static>>,
    /// In every format a recipient stands in the metadata as it is.
    plain: Vec<Finder<'static>>,
    /// The recipients in UTF-16, in both orders of bytes, which sops reads in YAML.
    wide: Vec<Finder<'static>>,
    text: Vec<Finder<'static>>,
}

impl Needles {
    fn new(search: &Search<'_>) -> Self {
        let finder = |bytes: Vec<u8>| Finder::new(&bytes).into_owned();
        let keys = search.recipients.iter().map(Recipient::as_str);
        let wide: Vec<Finder<'static>> = keys.clone().flat_map(in_utf16).map(finder).collect();
        let text = search.text.map(|text| finder(text.as_bytes().to_vec()));
        let text: Vec<Finder<'static>> = text.into_iter().collect();
        let plain = keys.map(|key| finder(key.as_bytes().to_vec()));
        let plain: Vec<Finder<'static>> = plain.collect();
        Self {
            all: plain.iter().chain(&wide).chain(&text).cloned().collect(),
            plain,
            wide,
            text,
        }
    }
}

/// One of the threads that look.
struct Looker<'s> {
    search: &'s Search<'s>,
    root: &'s Path,
    needles: &'s Needles,
    hits: Sender<Hit>,
    buffer: Vec<u8>,
}

impl Looker<'_> {
    fn look_at(&mut self, entry: Result<DirEntry, ignore::Error>) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = path_of(&error).unwrap_or(self.root);
                // What went away while it was being looked for is not there. The root
                // is what the person named.
                if path == self.root || !error.io_error().is_some_and(is_gone) {
                    self.hit(Hit::Unread(path.to_owned()));
                }
                return;
            }
        };
        let is_config = entry.file_name() == sops_config::FILE_NAME;
        let kind = entry.file_type();
        if !kind.is_some_and(|kind| kind.is_file()) {
            // sops reads a config through a link.
            let is_link = kind.is_some_and(|kind| kind.is_symlink());
            if is_config
                && is_link
                && entry.path().is_file()
                && self.foreign(entry.path()).is_none()
            {
                self.hit(Hit::Config(entry.into_path()));
            }
            return;
        }
        let is_temporary = is_temporary(entry.file_name());
        let path = entry.into_path();
        if is_temporary {
            if self.foreign(&path).is_none() {
                self.hit(Hit::Temporary(path));
            }
            return;
        }
        if is_config && self.foreign(&path).is_none() {
            self.hit(Hit::Config(path.clone()));
        }
        match self.file(&path) {
            Err(error) if !is_gone(&error) => self.hit(Hit::Unread(path)),
            _ => {}
        }
    }

    /// A failure to send would mean that nobody waits for it.
    fn hit(&self, hit: Hit) {
        let _ = self.hits.send(hit);
    }

    /// The directory with its own `.git`, below the root, that the file lies in.
    fn foreign(&self, file: &Path) -> Option<PathBuf> {
        let above = file.ancestors().skip(1);
        let above = above.take_while(|directory| *directory != self.root);
        let own = above.filter(|directory| directory.join(".git").exists());
        own.last().map(Path::to_owned)
    }

    fn file(&mut self, path: &Path) -> io::Result<()> {
        let needles = self.needles;
        if !contains_any(File::open(path)?, &mut self.buffer, &needles.all)? {
            return Ok(());
        }
        let content = fs::read(path)?;
        let has = |finders: &[Finder<'_>]| {
            let mut finders = finders.iter();
            finders.any(|finder| finder.find(&content).is_some())
        };
        let foreign = self.foreign(path);
        if has(&needles.text) && foreign.is_none() {
            self.hit(Hit::WithText(path.to_owned()));
        }
        let metadata = match Metadata::parse(path, &content) {
            _ if has(&needles.wide) => None,
            Ok(metadata) => {
                let mut keys = metadata.recipients.iter();
                if !keys.any(|key| self.search.recipients.contains(key)) {
                    return Ok(());
                }
                Some(metadata)
            }
            Err(FileError::Damaged { .. }) if has(&needles.plain) => None,
            Err(_) => return Ok(()),
        };
        let named = match &metadata {
            Some(metadata) => metadata.recipients.clone(),
            None => {
                let finders = needles.plain.iter().zip(self.search.recipients);
                let found = finders.filter(|(finder, _)| finder.find(&content).is_some());
                let plain: Vec<Recipient> = found.map(|(_, key)| key.clone()).collect();
                // In UTF-16 it may be any.
                match plain.is_empty() {
                    true => self.search.recipients.to_vec(),
                    false => plain,
                }
            }
        };
        self.hit(Hit::File(Found {
            path: path.to_owned(),
            metadata,
            named,
            foreign,
        }));
        Ok(())
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

pub(super) fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            path_of(err)
        }
        _ => None,
    }
}

/// A text in UTF-16, in both orders of bytes.
pub(super) fn in_utf16(text: &str) -> [Vec<u8>; 2] {
    [
        text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    ]
}

/// Whether any of the texts is in what the reader gives, of whatever size. The
/// `buffer` is anything; it is kept to be used again.
fn contains_any(
    mut reader: impl Read,
    buffer: &mut Vec<u8>,
    texts: &[Finder<'_>],
) -> io::Result<bool> {
    let overlap = texts.iter().map(|text| text.needle().len()).max();
    let overlap = overlap.unwrap_or(1) - 1;
    buffer.resize(overlap + CHUNK, 0);
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
        let search = Search {
            recipients: &recipients,
            ..Search::default()
        };
        let texts = Needles::new(&search).all;
        for before in [0, CHUNK - 30, CHUNK, CHUNK + 31, 3 * CHUNK - 1] {
            let mut text = vec![b'a'; before];
            text.extend(recipient.as_str().as_bytes());
            let found = contains_any(text.as_slice(), &mut Vec::new(), &texts);
            assert!(found.expect("reading"), "behind {before} bytes");
            text.pop();
            let found = contains_any(text.as_slice(), &mut Vec::new(), &texts);
            assert!(!found.expect("reading"), "behind {before} bytes");
        }
    }
}
