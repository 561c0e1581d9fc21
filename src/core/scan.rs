//! Which files of a repository are encrypted for given recipients.
//!
//! All files are looked at, ignored and untracked ones included: they are lost
//! with their key as well. Links are not followed. A directory with its own
//! `.git` belongs to someone else (a submodule, a vendored clone); what is found
//! there is marked. kb's own temporary files are no files of the repository.
//!
//! Most files are not encrypted, so their bytes are searched before anything is parsed
//! (`Needles`). A recipient can be written so that it is not among the bytes: with
//! escapes, as `!!binary`, through `%TAG`, in UTF-16. Files that can hide one in such a way
//! are parsed as well.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use aho_corasick::AhoCorasick;
use ignore::{DirEntry, WalkBuilder};
use sha2::{Digest, Sha256};

use super::encrypted::{
    ARMOR_LINE, ENCRYPTED_VALUE, EncryptedFile, FileError, Format, LARGEST, Metadata, in_base64,
};
use super::identity::Recipient;
use super::parallel;
use super::regular_file;
use super::replace::is_temporary;
use super::sops_config;

/// Files of up to so many bytes are read before they are searched, larger ones meanwhile.
const READ_WHOLE: u64 = 1 << 20;

/// So many bytes of texts are kept in memory for who opens the files next. What is read of
/// a text takes some four times its length; behind the bound, files are read again.
const MOST_KEPT: usize = 8 << 20;

/// What can hide a text from a search: escapes of YAML and JSON, and tags. Nothing else
/// makes letters of other characters.
const HIDING: [&str; 8] = ["\\x", "\\u", "\\U", "\\\n", "\\\r", "!!", "!<", "%TAG"];

/// What is looked for.
#[derive(Clone, Copy, Default)]
pub struct Search<'a> {
    /// The directories that are looked through.
    pub roots: &'a [PathBuf],
    /// The recipients of the encrypted files that are wanted.
    pub recipients: &'a [Recipient],
    /// A text: files that hold it are wanted as well.
    pub text: Option<&'a str>,
    /// Whether the encrypted files for none of the recipients are wanted as well.
    pub others: bool,
    /// Whether all files are wanted that may hold an age file, for whomever.
    pub age_files: bool,
    /// Files and directories that are passed over; beginning with the root that
    /// they are in.
    pub skip: &'a [PathBuf],
    /// Whether the files are opened next, so that what was read of them is kept, up to a
    /// bound.
    pub keep: bool,
    /// Files that kb itself has written a moment ago. As long as they are as it wrote
    /// them, there is nothing to find in them.
    pub written: Option<&'a Written>,
}

/// How many bytes of texts are kept.
#[derive(Default)]
pub struct KeptTexts(AtomicUsize);

impl KeptTexts {
    /// Whether one more text of this length is kept.
    pub fn takes(&self, length: usize) -> bool {
        self.0.fetch_add(length, Ordering::Relaxed) + length <= MOST_KEPT
    }
}

/// Files, by the path under which a search comes to them, and the SHA-256 of their content.
pub type Written = HashMap<PathBuf, [u8; 32]>;

/// What was found, each list ordered by path.
#[derive(Debug, Default)]
pub struct Scan {
    /// The encrypted files.
    pub files: Vec<ScannedFile>,
    /// The encrypted files for none of the recipients, and whom they name; those in other
    /// people's repositories are not among them.
    pub others: Vec<(PathBuf, Vec<Recipient>)>,
    /// The files with the text; those in other people's repositories are not among
    /// them.
    pub with_text: Vec<PathBuf>,
    /// The files that may hold an age file, if those are wanted; those in other people's
    /// repositories too.
    pub with_age_file: Vec<PathBuf>,
    /// The `.sops.yaml` files, without those in other people's repositories.
    pub configs: Vec<PathBuf>,
    /// Temporary files of kb's own, of a run that lives or was killed.
    pub temporary: Vec<PathBuf>,
    /// What could not be read.
    pub unread: Vec<PathBuf>,
}

/// An encrypted file.
#[derive(Debug)]
pub struct ScannedFile {
    /// Its path, beginning with the directory that was looked through.
    pub path: PathBuf,
    /// Its format, and who can open it; an error where it may be for one of the recipients,
    /// and kb cannot read its metadata.
    pub file: Result<EncryptedFile, FileError>,
    /// The recipients that it names; of a damaged one, those that were looked for.
    pub named: Vec<Recipient>,
    /// The directory with its own `.git` that it lies in, below the one that was
    /// looked through.
    pub foreign: Option<PathBuf>,
}

/// One thing that was found.
enum Hit {
    File(Box<ScannedFile>),
    Other(PathBuf, Vec<Recipient>),
    WithText(PathBuf),
    WithAgeFile(PathBuf),
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
        scan.others.sort();
        scan.others.dedup();
        let lists = [
            &mut scan.with_text,
            &mut scan.with_age_file,
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
            .filter_entry(move |entry| {
                entry.file_name() != ".git" && !skip.iter().any(|skip| skip == entry.path())
            })
            .build();
        // Its own parallel walk panics where the system gives it no thread. Walking is little
        // of the work: what is looked at is much, and what is found, little.
        let walk = Mutex::new(walk);
        let kept = KeptTexts::default();
        let next = || walk.lock().unwrap_or_else(PoisonError::into_inner).next();
        let hits = parallel::on_all_cores(usize::MAX, || {
            let mut looker = ScanWorker {
                search: self,
                root,
                needles,
                hits: Vec::new(),
                buffer: Vec::new(),
                foreign: HashMap::new(),
                kept: &kept,
            };
            while let Some(entry) = next() {
                looker.look_at(entry);
            }
            looker.hits
        });
        for hit in hits.into_iter().flatten() {
            match hit {
                Hit::File(found) => scan.files.push(*found),
                Hit::Other(path, named) => scan.others.push((path, named)),
                Hit::WithText(path) => scan.with_text.push(path),
                Hit::WithAgeFile(path) => scan.with_age_file.push(path),
                Hit::Config(path) => scan.configs.push(path),
                Hit::Temporary(path) => scan.temporary.push(path),
                Hit::Unread(path) => scan.unread.push(path),
            }
        }
    }
}

/// What is looked for in every file, made ready once.
struct Needles {
    /// The recipients, the text, and what can hide them: any of them makes a file worth
    /// parsing.
    all: Option<AhoCorasick>,
    /// The recipients as they are, and in UTF-16 in both orders of bytes, which sops
    /// reads in YAML.
    recipients: Option<AhoCorasick>,
    text: Option<AhoCorasick>,
}

impl Needles {
    fn new(search: &Search<'_>) -> Self {
        let finder = |patterns: &[Vec<u8>]| AhoCorasick::new(patterns).ok();
        let keys = search.recipients.iter().map(Recipient::as_str);
        let plain = keys.clone().map(|key| key.as_bytes().to_vec());
        let recipients: Vec<Vec<u8>> = plain.chain(keys.flat_map(in_utf16)).collect();
        let text: Vec<Vec<u8>> = search.text.map(|text| text.into()).into_iter().collect();
        let hiding = HIDING.iter().map(|text| text.as_bytes().to_vec());
        let hiding: Vec<Vec<u8>> = hiding.collect();
        let encrypted: &[Vec<u8>] = if search.others {
            &[ENCRYPTED_VALUE.into()]
        } else {
            &[]
        };
        let age_files = if search.age_files {
            age_file_needles()
        } else {
            Vec::new()
        };
        let all = [recipients.as_slice(), &text, &hiding, encrypted, &age_files].concat();
        Self {
            all: finder(&all),
            recipients: finder(&recipients),
            text: finder(&text),
        }
    }
}

/// What stands in every encrypted file for an age key, if nothing hides it: the key of the
/// metadata, and one word of the armor, which may be folded between words. Or it is in
/// Base64: in the data of a Secret, or in a patch of them.
fn age_file_needles() -> Vec<Vec<u8>> {
    let words = ["sops", "ENCRYPTED", "Secret"];
    let plain = words.map(|word| word.as_bytes().to_vec());
    let wide = words.into_iter().flat_map(in_utf16);
    let encoded = [ARMOR_LINE, ENCRYPTED_VALUE].into_iter();
    let encoded = encoded.flat_map(in_base64).map(String::into_bytes);
    plain.into_iter().chain(wide).chain(encoded).collect()
}

/// Whether the content of a file may hold an age file, or name one of the recipients,
/// however it is written. Most files do not.
pub struct Prefilter {
    all: Option<AhoCorasick>,
    /// Without what can hide a text.
    plain: Option<AhoCorasick>,
}

impl Prefilter {
    /// For these recipients.
    pub fn new(recipients: &[Recipient]) -> Self {
        let search = Search {
            recipients,
            age_files: true,
            ..Search::default()
        };
        let needles = Needles::new(&search);
        let plain = recipients
            .iter()
            .map(|key| key.as_str().as_bytes().to_vec());
        let plain: Vec<Vec<u8>> = plain.chain(age_file_needles()).collect();
        Self {
            all: needles.all,
            plain: AhoCorasick::new(plain).ok(),
        }
    }

    /// Whether a text of any length has plain traces of an age file or recipient.
    ///
    /// # Errors
    /// Those of reading.
    pub fn is_traced_in(&self, reader: impl Read) -> io::Result<bool> {
        let Some(plain) = &self.plain else {
            return Ok(true);
        };
        Ok(plain.stream_find_iter(reader).next().transpose()?.is_some())
    }

    /// Whether it may, by its whole content.
    pub fn matches(&self, path: &Path, content: &[u8]) -> bool {
        is_never_searched(path, content) || has(&self.all, content)
    }
}

fn has(needles: &Option<AhoCorasick>, content: &[u8]) -> bool {
    // Patterns that cannot be compiled could be anywhere.
    needles
        .as_ref()
        .is_none_or(|needles| needles.is_match(content))
}

/// Whether a file can hold metadata in which a recipient is hidden: YAML, JSON and ini by
/// name, or what looks like one of them.
fn can_hide(path: &Path, content: &[u8]) -> bool {
    match Format::of(path) {
        Format::Yaml | Format::Json | Format::Ini => true,
        Format::Binary | Format::Dotenv => Format::may_be_other_than_dotenv(content),
    }
}

/// Whether a file of this beginning is parsed in any case: in UTF-16 and in ini even a
/// search for what hides a recipient can miss it, and both are rare.
fn is_never_searched(path: &Path, beginning: &[u8]) -> bool {
    let is_utf16 = beginning.starts_with(b"\xff\xfe") || beginning.starts_with(b"\xfe\xff");
    is_utf16 || Format::of(path) == Format::Ini
}

/// One of the threads that look.
struct ScanWorker<'s> {
    search: &'s Search<'s>,
    root: &'s Path,
    needles: &'s Needles,
    hits: Vec<Hit>,
    /// The content of the file that is looked at.
    buffer: Vec<u8>,
    /// What [`ScanWorker::foreign`] is for the files of a directory.
    foreign: HashMap<PathBuf, Option<PathBuf>>,
    kept: &'s KeptTexts,
}

impl ScanWorker<'_> {
    fn look_at(&mut self, entry: Result<DirEntry, ignore::Error>) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = path_of(&error).unwrap_or(self.root);
                // Files deleted during the walk are ignored, but not the root, which the
                // person named.
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
            } else if self.search.age_files && is_link && entry.path().is_file() {
                // sops opens what it leads to under this name.
                self.hit(Hit::WithAgeFile(entry.into_path()));
            }
            return;
        }
        let is_temporary = is_temporary(entry.file_name());
        let path = entry.into_path();
        if is_temporary {
            if self.foreign(&path).is_none() {
                self.hit(Hit::Temporary(path.clone()));
            }
            // Anyone can give a file such a name.
            if !self.search.age_files {
                return;
            }
        }
        if is_config && self.foreign(&path).is_none() {
            self.hit(Hit::Config(path.clone()));
        }
        match self.file(&path) {
            Err(error) if !is_gone(&error) => self.hit(Hit::Unread(path)),
            _ => {}
        }
    }

    fn hit(&mut self, hit: Hit) {
        self.hits.push(hit);
    }

    /// The directory with its own `.git`, below the root, that the file lies in.
    fn foreign(&mut self, file: &Path) -> Option<PathBuf> {
        let directory = file.parent()?;
        if let Some(known) = self.foreign.get(directory) {
            return known.clone();
        }
        let above = directory.ancestors();
        let above = above.take_while(|directory| *directory != self.root);
        let own = above.filter(|directory| directory.join(".git").exists());
        let found = own.last().map(Path::to_owned);
        self.foreign.insert(directory.to_owned(), found.clone());
        found
    }

    fn file(&mut self, path: &Path) -> io::Result<()> {
        let needles = self.needles;
        if !self.is_worth_parsing(path)? || self.is_as_written(path) {
            return Ok(());
        }
        let foreign = self.foreign(path);
        let content = &self.buffer;
        if needles.text.is_some() && has(&needles.text, content) && foreign.is_none() {
            self.hits.push(Hit::WithText(path.to_owned()));
        }
        if self.search.age_files {
            self.hit(Hit::WithAgeFile(path.to_owned()));
            return Ok(());
        }
        let names_one = has(&needles.recipients, content);
        let is_looked_at = names_one || self.search.others || can_hide(path, content);
        if self.search.recipients.is_empty() || !is_looked_at {
            return Ok(());
        }
        let wanted = self.search.recipients;
        let is_kept = self.search.keep && names_one && self.kept.takes(content.len());
        let parsed = if is_kept {
            EncryptedFile::parse_and_keep(path, std::mem::take(&mut self.buffer))
        } else {
            EncryptedFile::parse(path, content)
        };
        let file = match parsed {
            Ok(file) => Ok(file),
            Err(error) if error.may_hide_keys() || names_one && error.is_of_encrypted() => {
                Err(error)
            }
            Err(_) => return Ok(()),
        };
        let named: Vec<Recipient> = match &file {
            Ok(file) => {
                let all = [&file.metadata].into_iter().chain(&file.others);
                let all: Vec<&Metadata> = all.collect();
                let named = all.iter().flat_map(|metadata| metadata.recipients());
                // What kb cannot read may be any of them.
                let is_unclear = file.is_uncertain
                    || all
                        .iter()
                        .any(|metadata| metadata.has_unreadable_recipient());
                let others = if is_unclear { wanted } else { &[] };
                named.chain(others.iter().cloned()).collect()
            }
            Err(_) => wanted.to_vec(),
        };
        if !named.iter().any(|key| wanted.contains(key)) {
            if self.search.others && foreign.is_none() {
                self.hit(Hit::Other(path.to_owned(), named));
            }
            return Ok(());
        }
        self.hit(Hit::File(Box::new(ScannedFile {
            path: path.to_owned(),
            file,
            named,
            foreign,
        })));
        Ok(())
    }

    /// Whether the buffer holds what kb has written into the file.
    fn is_as_written(&self, path: &Path) -> bool {
        let written = self.search.written.and_then(|written| written.get(path));
        written.is_some_and(|digest| *digest == <[u8; 32]>::from(Sha256::digest(&self.buffer)))
    }

    /// Whether anything that is looked for is in the file, or can be hidden in it; then
    /// its content is in the buffer.
    fn is_worth_parsing(&mut self, path: &Path) -> io::Result<bool> {
        let mut file = File::open(path)?;
        let Some(all) = &self.needles.all else {
            self.buffer = regular_file::read(path, LARGEST)?;
            return Ok(true);
        };
        self.buffer.clear();
        if file.metadata()?.len() > READ_WHOLE {
            file.by_ref().take(2).read_to_end(&mut self.buffer)?;
            let is_searched = !is_never_searched(path, &self.buffer);
            file.rewind()?;
            if is_searched && all.stream_find_iter(file).next().transpose()?.is_none() {
                return Ok(false);
            }
            self.buffer = regular_file::read(path, LARGEST)?;
            return Ok(true);
        }
        file.read_to_end(&mut self.buffer)?;
        Ok(is_never_searched(path, &self.buffer) || all.is_match(&self.buffer))
    }
}

pub(super) fn is_gone(error: &io::Error) -> bool {
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

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests arrange files")]
mod tests {
    use super::*;
    use crate::core::identity::Identity;

    fn found(name: &str, content: &[u8], recipient: &Recipient) -> usize {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join(name), content).expect("written");
        let recipients = [recipient.clone()];
        let search = Search {
            roots: &[directory.path().to_owned()],
            recipients: &recipients,
            ..Search::default()
        };
        search.run().files.len()
    }

    #[test]
    fn a_recipient_is_found_however_large_the_file_is() {
        let (_, recipient) = Identity::generate();
        for before in [0, READ_WHOLE as usize + 31, 3 * READ_WHOLE as usize - 1] {
            let text = format!(
                "# {}\na: x\nsops:\n  mac: ENC[AES256_GCM,data:x]\n  age:\n  - recipient: {recipient}\n",
                "a".repeat(before)
            );
            assert_eq!(
                found("a.yaml", text.as_bytes(), &recipient),
                1,
                "behind {before}"
            );
            let other = text.replace(recipient.as_str(), "age1other");
            assert_eq!(found("a.yaml", other.as_bytes(), &recipient), 0);
        }
    }

    #[test]
    fn a_file_that_kb_has_written_is_looked_at_again_once_it_has_changed() {
        let (_, recipient) = Identity::generate();
        let text = format!(
            "a: x\nsops:\n  mac: ENC[AES256_GCM,data:x]\n  age:\n  - recipient: {recipient}\n"
        );
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.yaml");
        std::fs::write(&path, &text).expect("written");
        let written = Written::from([(path.clone(), Sha256::digest(&text).into())]);
        let recipients = [recipient];
        let search = Search {
            roots: &[directory.path().to_owned()],
            recipients: &recipients,
            written: Some(&written),
            ..Search::default()
        };
        assert_eq!(search.run().files.len(), 0);
        std::fs::write(&path, text.replace("a: x", "a: y")).expect("written");
        assert_eq!(search.run().files.len(), 1);
    }

    /// sops reads all of these as the recipient: `tests/it/encrypted/spellings.rs`.
    #[test]
    fn a_recipient_is_found_however_it_is_written() {
        let (_, recipient) = Identity::generate();
        let rest = &recipient.as_str()["age1".len()..];
        let binary = {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.encode(recipient.as_str())
        };
        let file = |key: &str, recipient: &str| {
            format!(
                "a: x\n{key}:\n  mac: ENC[AES256_GCM,data:x]\n  age:\n  - recipient: {recipient}\n"
            )
        };
        let plain = file("sops", recipient.as_str());
        let wide: Vec<u8> = plain.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for text in [
            plain.clone().into_bytes(),
            file("sops", &format!("\"\\x61ge1{rest}\"")).into_bytes(),
            file("sops", &format!("\"age1\\\n    {rest}\"")).into_bytes(),
            file("sops", &format!("!!binary {binary}")).into_bytes(),
            file("sops", &format!("!<tag:yaml.org,2002:binary> {binary}")).into_bytes(),
            file("\"\\x73ops\"", &format!("\"\\u0061ge1{rest}\"")).into_bytes(),
            format!(
                "%TAG !e! tag:yaml.org,2002:\n---\n{}",
                file("sops", &format!("!e!binary {binary}"))
            )
            .into_bytes(),
            [b"\xfe\xff", wide.as_slice()].concat(),
        ] {
            let shown = String::from_utf8_lossy(&text);
            assert_eq!(found("a.yaml", &text, &recipient), 1, "{shown}");
        }
        let json = format!(
            r#"{{"sops": {{"mac": "ENC[AES256_GCM,data:x]", "age": [{{"recipient": "\u0061ge1{rest}"}}]}}}}"#
        );
        for name in ["a.json", "a.bin"] {
            assert_eq!(found(name, json.as_bytes(), &recipient), 1, "{name}");
        }
    }
}
