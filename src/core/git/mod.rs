//! The `git` process. Nothing is fetched and nothing is changed, and git starts no program
//! that a repository names: its configuration can be part of an archive, and a whole
//! bare repository part of a pull request.
//!
//! | module | holds |
//! | --- | --- |
//! | `environment` | what git gets of kb's environment |
//! | `error` | why it failed |
//! | `history` | what stands in commits |
//! | `index` | what stands in the index, and which files there are |
//! | `loose` | objects that lie in a file each |
//! | `objects` | trees and blobs, one after the other |
//! | `refs` | what names commits |

#![expect(clippy::disallowed_methods, reason = "this is what runs git")]

mod environment;
mod error;
mod history;
mod index;
mod loose;
mod objects;
mod refs;

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

pub use error::{GitCause, GitError};
pub use history::{Branch, commit_of};
pub use index::{BlobError, IndexEntry};
use loose::Loose;
pub use objects::{EntryKind, Objects};
pub use refs::{Upstream, Worktree};

/// Settings that would start a program, or change what git prints for one; git takes them
/// before those of any file.
const SETTINGS: [&str; 6] = [
    // No program: before 2.36 it was always a path, and `false` would be one.
    "core.fsmonitor=",
    // There is none: git would run post-index-change.
    "core.hooksPath=/dev/null",
    // A directory that looks like a bare repository is one only if GIT_DIR says so.
    "safe.bareRepository=explicit",
    // git log would start gpg.program.
    "log.showSignature=false",
    "color.ui=false",
    "color.grep=false",
];

/// A repository.
pub struct Git {
    environment: Vec<(OsString, OsString)>,
    /// Where git is started: what the environment names may be named from there.
    directory: PathBuf,
    root: PathBuf,
    loose: Option<Loose>,
}

impl Git {
    /// The repository of the working tree at `root`; git gets what it needs of the
    /// `environment`, and nothing that would lead it elsewhere.
    pub fn new(root: PathBuf, environment: Vec<(OsString, OsString)>) -> Self {
        Self {
            environment: environment::without_place(environment),
            directory: root.clone(),
            root,
            loose: None,
        }
    }

    /// The repository that git takes for the one of `directory` in this very
    /// `environment`: in a hook git names it there, and an index of its own for
    /// `git commit -a`.
    ///
    /// # Errors
    /// [`GitError`], where there is none.
    pub fn around(
        directory: PathBuf,
        environment: Vec<(OsString, OsString)>,
    ) -> Result<Self, GitError> {
        let mut git = Self {
            environment: environment::with_place(environment),
            root: PathBuf::new(),
            directory,
            loose: None,
        };
        let printed = git.run_ok("rev-parse", &["--show-toplevel", "--git-path", "objects"])?;
        let lines: Vec<&[u8]> = printed.split(|byte| *byte == b'\n').collect();
        match lines.as_slice() {
            [top, objects, b""] if !top.is_empty() => {
                git.root = PathBuf::from(OsStr::from_bytes(top));
                git.loose = Some(Loose::new(git.directory.join(OsStr::from_bytes(objects))));
            }
            // A directory has a line end in its name, and no telling which one.
            _ => git.root = git.top()?,
        }
        Ok(git)
    }

    /// The top of the working tree.
    pub fn root(&self) -> &PathBuf {
        &self.root
    }

    fn run<A: AsRef<OsStr>>(&self, task: &'static str, arguments: &[A]) -> Result<Ended, GitError> {
        Ended::of(task, self.command(task).args(arguments))
    }

    /// What git printed, which has succeeded.
    fn run_ok<A: AsRef<OsStr>>(
        &self,
        task: &'static str,
        arguments: &[A],
    ) -> Result<Vec<u8>, GitError> {
        self.run(task, arguments)?.printed()
    }

    /// The same where it is text.
    fn text_of<A: AsRef<OsStr>>(
        &self,
        task: &'static str,
        arguments: &[A],
    ) -> Result<String, GitError> {
        let printed = self.run_ok(task, arguments)?;
        Ok(String::from_utf8_lossy(&printed).into_owned())
    }

    /// Starts a git whose output is wanted later.
    fn start<A: AsRef<OsStr>>(
        &self,
        task: &'static str,
        arguments: &[A],
    ) -> Result<Running, GitError> {
        let mut command = self.command(task);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().map_err(GitError::Start)?;
        Ok(Running { task, child })
    }

    fn command(&self, task: &'static str) -> Command {
        let mut command = self.program();
        command.arg(task);
        command
    }

    /// git with its settings, and without a subcommand.
    fn program(&self) -> Command {
        let mut command = Command::new("git");
        command
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            // A partial clone would fetch what it lacks; versions that do not know the
            // first variable mind the second, which allows no way to fetch.
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_ALLOW_PROTOCOL", "none")
            // What Flux has deployed is not replaced.
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("LC_ALL", "C")
            .env_remove("GIT_LITERAL_PATHSPECS")
            .env_remove("GIT_GLOB_PATHSPECS")
            .env_remove("GIT_NOGLOB_PATHSPECS")
            .env_remove("GIT_ICASE_PATHSPECS")
            .arg("-C")
            .arg(&self.directory)
            .arg("--no-pager");
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command
    }
}

/// A git that was started.
struct Running {
    task: &'static str,
    child: Child,
}

impl Running {
    /// What it printed, if it succeeds.
    fn printed(self) -> Result<Vec<u8>, GitError> {
        let output = self.child.wait_with_output().map_err(GitError::Start)?;
        let task = self.task;
        Ended { task, output }.printed()
    }
}

/// A git that has ended.
struct Ended {
    task: &'static str,
    output: Output,
}

impl Ended {
    fn of(task: &'static str, command: &mut Command) -> Result<Self, GitError> {
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(GitError::Start)?;
        Ok(Self { task, output })
    }

    /// What it printed, if it succeeded.
    fn printed(self) -> Result<Vec<u8>, GitError> {
        if self.output.status.success() {
            Ok(self.output.stdout)
        } else {
            Err(GitError::from(&self))
        }
    }

    /// The line that it printed, if it succeeded.
    fn line(self) -> Result<String, GitError> {
        let printed = self.printed()?;
        Ok(String::from_utf8_lossy(&printed).trim().to_owned())
    }

    fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// What it says on stderr.
    fn said(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.output.stderr)
    }
}
