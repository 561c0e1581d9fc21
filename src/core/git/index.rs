//! What stands in the index, and which files there are.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use super::{Ended, Git, GitError};

/// The modes of entries that are files; submodules are none.
const FILE_MODES: [&[u8]; 2] = [b"100644", b"100755"];
const LINK_MODE: &[u8] = b"120000";

/// A file in the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Its path, from the top of the working tree.
    pub path: PathBuf,
    /// The name of the object that holds its content.
    pub blob: String,
    /// Whether it is a link: then its content is a path.
    pub is_link: bool,
}

/// The files of a working tree, from its top.
#[derive(Debug, Default)]
pub struct WorkingTree {
    /// The files, ordered.
    pub files: Vec<PathBuf>,
    /// Directories that git could not read.
    pub unread: Vec<PathBuf>,
}

/// What a commit would change.
#[derive(Debug, Default)]
pub struct StagedChanges {
    /// The files and links that it changes or adds.
    pub entries: Vec<IndexEntry>,
    /// Those that it removes.
    pub removed: Vec<PathBuf>,
    /// Those in a conflict: until it is resolved, git commits nothing.
    pub unmerged: Vec<PathBuf>,
}

/// How the index is compared with the last commit.
const DIFF_OPTIONS: [&str; 9] = [
    "--cached",
    "--raw",
    "-z",
    "--no-abbrev",
    "--no-renames",
    "--no-relative",
    "--no-ext-diff",
    "--ignore-submodules=all",
    "--diff-filter=AMTDU",
];

impl StagedChanges {
    /// What `diff --raw -z` has printed: ":MODE MODE BLOB BLOB STATUS", NUL, the path,
    /// NUL (git-diff(1), raw format).
    fn new(printed: &[u8]) -> Self {
        let mut parts = printed.split(|byte| *byte == 0);
        let mut staged = Self::default();
        while let (Some(head), Some(path)) = (parts.next(), parts.next()) {
            let mut words = head.split(|byte| *byte == b' ');
            let (mode, blob) = (words.nth(1), words.nth(1));
            match words.next() {
                Some(b"D") => staged.removed.push(OsStr::from_bytes(path).into()),
                Some(b"U") => staged.unmerged.push(OsStr::from_bytes(path).into()),
                _ => staged.entries.extend(entry(mode, blob, path)),
            }
        }
        staged
    }
}

/// The file at a path from the top, or those below it, as git takes it (gitglossary(7)).
fn pathspec(below: &Path) -> OsString {
    let mut spec = OsString::from(":(top,literal)");
    spec.push(below);
    spec
}

/// Why the content of files was not to be had.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// It said something else than it should.
    #[error("cannot read from git")]
    Read(#[source] io::Error),
    /// It is not in this clone.
    #[error("the content of {} is not in this clone", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
}

impl Git {
    /// What is another in the index than in the last commit.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn staged(&self) -> Result<StagedChanges, GitError> {
        Ok(StagedChanges::new(&self.run_ok("diff", &DIFF_OPTIONS)?))
    }

    /// The same, and all of the index.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn staged_and_index(&self) -> Result<(StagedChanges, Vec<IndexEntry>), GitError> {
        // Both read the whole index, each on a core of its own.
        let staged = self.start("diff", &DIFF_OPTIONS)?;
        let index = self.start(
            "ls-files",
            &["-z", "--stage", "--full-name", "--", ":(top)"],
        )?;
        Ok((
            StagedChanges::new(&staged.printed()?),
            entries(&index.printed()?),
        ))
    }

    /// The versions of files whose conflict is not resolved yet.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn unmerged(&self) -> Result<Vec<IndexEntry>, GitError> {
        let options = ["-z", "--unmerged", "--full-name", "--", ":(top)"];
        Ok(entries(&self.run_ok("ls-files", &options)?))
    }

    /// The files of the working tree that are or may be committed: tracked ones, and
    /// those that are not ignored; from the top. `below`: only these, and what is
    /// below them.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn working_tree(&self, below: &[PathBuf]) -> Result<WorkingTree, GitError> {
        let options = ["-z", "--cached", "--others", "--exclude-standard", "--"];
        let mut arguments: Vec<OsString> = options.iter().map(OsString::from).collect();
        arguments.extend(below.iter().map(|path| pathspec(path)));
        let ended = self.run("ls-files", &arguments)?;
        let said = ended.said().into_owned();
        let printed = ended.printed()?;
        let names = printed.split(|byte| *byte == 0);
        let names = names.filter(|name| !name.is_empty());
        let mut files: Vec<PathBuf> = names.map(|name| OsStr::from_bytes(name).into()).collect();
        // A file in a conflict stands there three times.
        files.sort();
        files.dedup();
        let unread = said.lines().filter_map(|line| {
            let (_, rest) = line.split_once("could not open directory '")?;
            Some(rest.split_once("':")?.0.into())
        });
        Ok(WorkingTree {
            files,
            unread: unread.collect(),
        })
    }

    /// Hands over the content of files of the index, each with its size, in any order.
    ///
    /// # Errors
    /// [`BlobError`]
    pub fn contents<'e>(
        &self,
        entries: &'e [IndexEntry],
        mut each: impl FnMut(&'e Path, u64, &mut dyn Read) -> io::Result<()>,
    ) -> Result<(), BlobError> {
        let mut others = Vec::new();
        for entry in entries {
            match self
                .loose
                .as_ref()
                .and_then(|loose| loose.blob(&entry.blob))
            {
                Some(content) => each(&entry.path, content.len() as u64, &mut &content[..])?,
                None => others.push(entry),
            }
        }
        if others.is_empty() {
            return Ok(());
        }
        self.contents_by_git(&others, each)
    }

    fn contents_by_git<'e>(
        &self,
        entries: &[&'e IndexEntry],
        mut each: impl FnMut(&'e Path, u64, &mut dyn Read) -> io::Result<()>,
    ) -> Result<(), BlobError> {
        let mut command = self.command("cat-file");
        command.args(["--batch", "--buffer"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(GitError::Start)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let names = entries.iter().map(|entry| entry.blob.as_str());
        let result = thread::scope(|scope| {
            // git answers while it is still being asked: neither waits for the other.
            let ask = move || {
                let mut stdin = BufWriter::new(stdin?);
                names
                    .into_iter()
                    .try_for_each(|name| writeln!(stdin, "{name}"))
                    .ok()
            };
            let asking = thread::Builder::new().spawn_scoped(scope, ask);
            asking.map_err(GitError::Start)?;
            let mut stdout = BufReader::with_capacity(1 << 16, stdout.ok_or_else(broken)?);
            entries.iter().try_for_each(|entry| {
                let size = next_size(&mut stdout)?.ok_or_else(|| BlobError::Missing {
                    path: entry.path.clone(),
                })?;
                let mut content = (&mut stdout).take(size);
                each(&entry.path, size, &mut content)?;
                io::copy(&mut content, &mut io::sink())?;
                let mut end = [0];
                stdout.read_exact(&mut end)?;
                Ok(())
            })
        });
        // A git that is still writing ends with its pipe.
        match (result, child.wait_with_output()) {
            (Err(BlobError::Read(_)), Ok(output)) if !output.stderr.is_empty() => {
                let task = "cat-file";
                Err(GitError::from(&Ended { task, output }).into())
            }
            (result, _) => result,
        }
    }
}

impl From<io::Error> for BlobError {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

fn broken() -> BlobError {
    BlobError::Read(io::ErrorKind::BrokenPipe.into())
}

/// The size in `NAME blob SIZE`; `None` for an object that is not there.
fn next_size(stdout: &mut impl BufRead) -> Result<Option<u64>, BlobError> {
    let mut line = String::new();
    stdout.read_line(&mut line)?;
    let mut words = line.split_whitespace().skip(1);
    match (words.next(), words.next()) {
        (Some("blob"), Some(size)) => Ok(Some(size.parse().map_err(|_| broken())?)),
        (Some("missing"), _) => Ok(None),
        _ => Err(broken()),
    }
}

/// What `ls-files --stage -z` has printed: "MODE BLOB STAGE", a tab, the path, NUL
/// (git-ls-files(1)).
fn entries(printed: &[u8]) -> Vec<IndexEntry> {
    let lines = printed.split(|byte| *byte == 0);
    let entries = lines.filter_map(|line| {
        let tab = memchr::memchr(b'\t', line)?;
        let mut words = line[..tab].split(|byte| *byte == b' ');
        entry(words.next(), words.next(), &line[tab + 1..])
    });
    entries.collect()
}

fn entry(mode: Option<&[u8]>, blob: Option<&[u8]>, path: &[u8]) -> Option<IndexEntry> {
    let is_link = mode? == LINK_MODE;
    (is_link || FILE_MODES.contains(&mode?)).then_some(IndexEntry {
        is_link,
        path: OsStr::from_bytes(path).into(),
        blob: String::from_utf8_lossy(blob?).into_owned(),
    })
}
