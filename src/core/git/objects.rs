//! Trees and blobs, from one `git cat-file` that lives as long as they are read.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::thread::{self, JoinHandle};

use super::{Git, GitError};

/// So much of what git says on stderr is kept, in bytes.
const SAID: u64 = 4096;

/// What a tree has in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Another tree.
    Tree,
    /// A file.
    File,
    /// A symbolic link.
    Link,
    /// The commit of another repository.
    Submodule,
}

/// An entry of a tree.
#[derive(Clone, Debug)]
pub struct TreeEntry {
    /// What it is.
    pub kind: EntryKind,
    /// Its name in the tree.
    pub name: OsString,
    /// The name of its object.
    pub id: String,
}

/// A tree.
pub struct GitTree {
    /// The name of its object.
    pub id: String,
    /// What is in it.
    pub entries: Vec<TreeEntry>,
}

/// A running `git cat-file`.
pub struct Objects {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: Option<JoinHandle<String>>,
}

impl Git {
    /// Starts reading objects.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn objects(&self) -> Result<Objects, GitError> {
        let mut command = self.command("cat-file");
        command
            .args(["--batch", "--follow-symlinks"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(GitError::Start)?;
        let missing = || GitError::Start(io::ErrorKind::BrokenPipe.into());
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let said = move || {
            let mut stderr = stderr;
            let mut text = Vec::new();
            let _ = stderr.by_ref().take(SAID).read_to_end(&mut text);
            let _ = io::copy(&mut stderr, &mut io::sink());
            String::from_utf8_lossy(&text).into_owned()
        };
        let thread = thread::Builder::new().spawn(said);
        Ok(Objects {
            stdin: child.stdin.take(),
            stdout: BufReader::with_capacity(1 << 16, stdout),
            stderr: Some(thread.map_err(GitError::Start)?),
            child,
        })
    }
}

impl Objects {
    /// Reads the blob of this name; `None` if it is not in this clone. `take` gets its size
    /// in bytes, and its content.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn blob<R>(
        &mut self,
        id: &str,
        take: impl FnOnce(u64, &mut dyn Read) -> io::Result<R>,
    ) -> Result<Option<R>, GitError> {
        let found = self.object(id.as_bytes(), "blob", take)?;
        Ok(found.map(|(_, taken)| taken))
    }

    /// Reads the blob at a path in a commit, through links that stay in the commit; `None` if
    /// there is none, or it is not in this clone.
    ///
    /// # Errors
    /// [`GitError`]
    pub(super) fn blob_at(
        &mut self,
        commit: &str,
        path: &Path,
    ) -> Result<Option<Vec<u8>>, GitError> {
        let name = [commit.as_bytes(), b":", path.as_os_str().as_bytes()].concat();
        let found = self.object(&name, "blob", read_all)?;
        Ok(found.map(|(_, content)| content))
    }

    /// Reads a tree, or that of a commit; `None` if it is not in this clone.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn tree(&mut self, id: &str) -> Result<Option<GitTree>, GitError> {
        let name = format!("{id}^{{tree}}");
        let Some((id, bytes)) = self.object(name.as_bytes(), "tree", read_all)? else {
            return Ok(None);
        };
        let entries = entries(&bytes, id.len() / 2);
        let entries = entries.ok_or_else(|| self.failed(io::ErrorKind::InvalidData.into()))?;
        Ok(Some(GitTree { id, entries }))
    }

    fn object<R>(
        &mut self,
        name: &[u8],
        kind: &str,
        take: impl FnOnce(u64, &mut dyn Read) -> io::Result<R>,
    ) -> Result<Option<(String, R)>, GitError> {
        self.ask(name, kind, take)
            .map_err(|error| self.failed(error))
    }

    fn ask<R>(
        &mut self,
        name: &[u8],
        kind: &str,
        take: impl FnOnce(u64, &mut dyn Read) -> io::Result<R>,
    ) -> io::Result<Option<(String, R)>> {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        let stdin = self.stdin.as_mut().ok_or_else(broken)?;
        stdin.write_all(&[name, b"\n"].concat())?;
        stdin.flush()?;
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        // "ID KIND SIZE"; "NAME missing"; of a link that leads out of the commit or nowhere
        // the reason, and the size of a text.
        let words: Vec<&str> = line.split_whitespace().collect();
        let (id, found, size) = match words.as_slice() {
            [id, found, size] if *size != "missing" => (*id, *found, size),
            [found @ ("symlink" | "dangling" | "loop" | "notdir"), size] if *size != "missing" => {
                ("", *found, size)
            }
            [.., "missing"] => return Ok(None),
            _ => return Err(broken()),
        };
        let size: u64 = size.parse().map_err(|_| broken())?;
        let mut content = (&mut self.stdout).take(size);
        let taken = if found == kind {
            Some(take(size, &mut content)?)
        } else {
            None
        };
        io::copy(&mut content, &mut io::sink())?;
        self.stdout.read_exact(&mut [0])?;
        Ok(taken.map(|taken| (id.to_owned(), taken)))
    }

    /// What git said, or why it could not be read.
    fn failed(&mut self, error: io::Error) -> GitError {
        self.stdin = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
        let said = self.stderr.take().and_then(|thread| thread.join().ok());
        GitError::said("cat-file", &said.unwrap_or_default(), &error.to_string())
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_all(_: u64, reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The entries of a tree, whose names have so many bytes: "MODE NAME", NUL, the name of the
/// object (git's `Documentation/gitformat-*`, `tree-walk.c`).
fn entries(bytes: &[u8], length: usize) -> Option<Vec<TreeEntry>> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ')?;
        let end = space + rest[space..].iter().position(|byte| *byte == 0)?;
        let id = rest.get(end + 1..end + 1 + length)?;
        let kind = match &rest[..space] {
            b"40000" | b"040000" => EntryKind::Tree,
            b"120000" => EntryKind::Link,
            b"160000" => EntryKind::Submodule,
            _ => EntryKind::File,
        };
        entries.push(TreeEntry {
            kind,
            name: OsString::from_vec(rest[space + 1..end].to_vec()),
            id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
        });
        rest = &rest[end + 1 + length..];
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_and_a_broken_one_is_not() {
        let tree = [
            &b"40000 a b\0"[..],
            &[1; 20],
            b"100755 c\0",
            &[2; 20],
            b"160000 d\0",
            &[255; 20],
        ]
        .concat();
        let read = entries(&tree, 20).expect("a tree");
        let kinds: Vec<_> = read.iter().map(|entry| entry.kind).collect();
        assert_eq!(
            kinds,
            [EntryKind::Tree, EntryKind::File, EntryKind::Submodule]
        );
        assert_eq!(read[0].name, "a b");
        assert_eq!(read[2].id, "ff".repeat(20));
        assert!(entries(&tree[..tree.len() - 1], 20).is_none());
    }
}
