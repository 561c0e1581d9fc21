//! The `git` process. Nothing is fetched and nothing is changed.
//!
//! | module | holds |
//! | --- | --- |
//! | `history` | what stands in commits |
//! | `index` | what stands in the index, and which files there are |

#![expect(clippy::disallowed_methods, reason = "this is what runs git")]

mod history;
mod index;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use super::excerpt::excerpt;

pub use history::{Branch, commit_of};
pub use index::{BlobError, Entry, Staged, Which, WorkingTree};

/// Variables by which git would look at another repository than the one it is
/// told: they are set where kb runs in a hook.
const ELSEWHERE: &str = "GIT_";
/// Those that say how, not where.
const CONFIGURATION: &str = "GIT_CONFIG";

/// Why git did not tell.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It could not be started.
    #[error("cannot start git")]
    Start(#[source] io::Error),
    /// It failed.
    #[error("git {task} failed: {said}")]
    Failed {
        /// The subcommand.
        task: &'static str,
        /// The last line of its stderr.
        said: String,
    },
}

/// A repository.
pub struct Git {
    environment: Vec<(OsString, OsString)>,
    /// Where git is started: what the environment names may be named from there.
    directory: PathBuf,
    root: PathBuf,
}

impl Git {
    /// The repository of the working tree at `root`; git gets the `environment`, but
    /// for what would lead it elsewhere.
    pub fn new(root: PathBuf, mut environment: Vec<(OsString, OsString)>) -> Self {
        environment.retain(|(name, _)| {
            let starts = |prefix: &str| name.as_encoded_bytes().starts_with(prefix.as_bytes());
            !starts(ELSEWHERE) || starts(CONFIGURATION)
        });
        Self {
            environment,
            directory: root.clone(),
            root,
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
            environment,
            root: PathBuf::new(),
            directory,
        };
        let output = git.run("rev-parse", &["--show-toplevel"])?;
        let top = output.stdout.strip_suffix(b"\n");
        match top.filter(|top| output.status.success() && !top.is_empty()) {
            Some(top) => git.root = PathBuf::from(OsStr::from_bytes(top)),
            None => return Err(failed("rev-parse", &output)),
        }
        Ok(git)
    }

    /// The top of the working tree.
    pub fn root(&self) -> &PathBuf {
        &self.root
    }

    fn run<A: AsRef<OsStr>>(
        &self,
        task: &'static str,
        arguments: &[A],
    ) -> Result<Output, GitError> {
        let mut command = self.command(task);
        command.args(arguments).stdin(Stdio::null());
        command.output().map_err(GitError::Start)
    }

    fn command(&self, task: &'static str) -> Command {
        let mut command = Command::new("git");
        command
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            // A partial clone would fetch what it lacks.
            .env("GIT_NO_LAZY_FETCH", "1")
            // What Flux has deployed is not replaced.
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("LC_ALL", "C")
            .env_remove("GIT_LITERAL_PATHSPECS")
            .env_remove("GIT_GLOB_PATHSPECS")
            .env_remove("GIT_NOGLOB_PATHSPECS")
            .env_remove("GIT_ICASE_PATHSPECS")
            .arg("-C")
            .arg(&self.directory)
            .args(["--no-pager", "-c", "color.ui=false"])
            .args(["-c", "color.grep=false", task]);
        command
    }
}

fn failed(task: &'static str, output: &Output) -> GitError {
    let said = String::from_utf8_lossy(&output.stderr);
    GitError::Failed {
        task,
        said: excerpt(said.lines().last().unwrap_or_default()),
    }
}
