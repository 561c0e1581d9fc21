//! The `git` process, for what stands in commits. Nothing is fetched and nothing is
//! changed.

#![expect(clippy::disallowed_methods, reason = "this is what runs git")]

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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

/// A repository's history.
pub struct Git {
    environment: Vec<(OsString, OsString)>,
    root: PathBuf,
}

/// A branch, local or remote-tracking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Its name, as in `origin/main`.
    pub name: String,
    /// The commit at its tip.
    pub commit: String,
}

impl Git {
    /// The history of the working tree at `root`; git gets the `environment`, but
    /// for what would lead it elsewhere.
    pub fn new(root: PathBuf, environment: Vec<(OsString, OsString)>) -> Self {
        Self { environment, root }
    }

    /// Whether the commit is in this clone.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn has_commit(&self, commit: &str) -> Result<bool, GitError> {
        let object = format!("{commit}^{{commit}}");
        let output = self.run("cat-file", &["-e", &object])?;
        match output.status.code() {
            Some(0) => Ok(true),
            // "Not a valid object name" for what is not there, and for what is a tag
            // or a tree; other fatal errors are about the repository.
            Some(1) => Ok(false),
            _ if String::from_utf8_lossy(&output.stderr).contains("Not a valid object name") => {
                Ok(false)
            }
            _ => Err(failed("cat-file", &output)),
        }
    }

    /// The files of a commit that hold one of the texts.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn files_with(&self, commit: &str, texts: &[&str]) -> Result<Vec<PathBuf>, GitError> {
        let options = [
            "-l",
            "-z",
            "-a",
            "--fixed-strings",
            "--no-textconv",
            "--full-name",
        ];
        let mut arguments: Vec<&str> = options.to_vec();
        arguments.extend(texts.iter().flat_map(|text| ["-e", text]));
        arguments.extend([commit, "--"]);
        let output = self.run("grep", &arguments)?;
        match output.status.code() {
            // git grep found nothing.
            Some(1) if output.stderr.is_empty() => return Ok(Vec::new()),
            Some(0) => {}
            _ => return Err(failed("grep", &output)),
        }
        let prefix = [commit.as_bytes(), b":"].concat();
        let names = output.stdout.split(|byte| *byte == 0);
        let names = names.filter(|name| !name.is_empty()).map(|name| {
            let name = name.strip_prefix(&*prefix);
            let name = name.ok_or_else(|| failed("grep", &output))?;
            Ok(PathBuf::from(OsStr::from_bytes(name)))
        });
        names.collect()
    }

    /// The content of a file in a commit.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn show(&self, commit: &str, file: &Path) -> Result<Vec<u8>, GitError> {
        let mut object = OsString::from(format!("{commit}:"));
        object.push(file);
        let output = self.run("cat-file", &[OsStr::new("blob"), &object])?;
        match output.status.success() {
            true => Ok(output.stdout),
            false => Err(failed("cat-file", &output)),
        }
    }

    /// The branches, local and remote-tracking.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn branches(&self) -> Result<Vec<Branch>, GitError> {
        let format = "--format=%(objectname) %(refname:short)";
        let arguments = [format, "refs/heads", "refs/remotes"];
        let output = self.run("for-each-ref", &arguments)?;
        if !output.status.success() {
            return Err(failed("for-each-ref", &output));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        let branch = |(commit, name): (&str, &str)| Branch {
            name: name.to_owned(),
            commit: commit.to_owned(),
        };
        Ok(lines.map(branch).collect())
    }

    fn run<A: AsRef<OsStr>>(
        &self,
        task: &'static str,
        arguments: &[A],
    ) -> Result<Output, GitError> {
        let mut command = Command::new("git");
        command.env_clear();
        for (name, value) in &self.environment {
            let starts = |prefix: &str| name.as_encoded_bytes().starts_with(prefix.as_bytes());
            if !starts(ELSEWHERE) || starts(CONFIGURATION) {
                command.env(name, value);
            }
        }
        command
            // A partial clone would fetch what it lacks.
            .env("GIT_NO_LAZY_FETCH", "1")
            // What Flux has deployed is not replaced.
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("LC_ALL", "C")
            .arg("-C")
            .arg(&self.root)
            .args(["--no-pager", "--literal-pathspecs", "-c", "color.ui=false"])
            .args(["-c", "color.grep=false", task])
            .args(arguments)
            .stdin(Stdio::null());
        command.output().map_err(GitError::Start)
    }
}

fn failed(task: &'static str, output: &Output) -> GitError {
    let said = String::from_utf8_lossy(&output.stderr);
    GitError::Failed {
        task,
        said: said.lines().last().unwrap_or_default().to_owned(),
    }
}
