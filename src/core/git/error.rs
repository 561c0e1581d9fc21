//! Why git failed, by what it says on stderr.

use std::io;

use super::Ended;
use crate::core::excerpt::excerpt;

/// The command that git names where a repository belongs to somebody else.
const TRUST: &str = "git config --global --add safe.directory ";

/// Why git failed.
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
        /// The line of its stderr that says why.
        said: String,
        /// What that means.
        cause: GitCause,
    },
    /// A program that the repository names cannot be turned off.
    #[error(
        "git's configuration has {filter}, whose name has a = or is not UTF-8, so kb cannot turn that filter off"
    )]
    Filter {
        /// The section of the configuration.
        filter: String,
    },
}

/// What keeps git from working in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitCause {
    /// The directory belongs to another user.
    OtherOwner {
        /// git's own command with which it is used all the same.
        command: Option<String>,
    },
    /// It looks like a bare repository, and nobody said that it is one.
    BareRepository,
    /// The repository that a linked working tree belongs to does not know it, or is gone.
    BrokenWorktree,
    /// There is a `.git`, and git does not take it for a repository.
    NoRepository,
    /// The index cannot be read.
    Index,
    /// An object is missing or damaged.
    Object,
    /// Another git is at work, or was killed.
    Locked,
    /// A file of its configuration cannot be read.
    Configuration,
    /// It does not know an option, or the format of the repository.
    TooOld,
    /// Something else.
    Other,
}

impl GitError {
    /// The error of a git that has written this to stderr.
    pub(super) fn said(task: &'static str, stderr: &str, otherwise: &str) -> Self {
        let lines = || {
            stderr
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
        };
        let of_kind = |kind| lines().find(|line| line.starts_with(kind));
        let reason = of_kind("fatal: ").or_else(|| of_kind("error: "));
        let reason = reason.or_else(|| lines().next()).unwrap_or(otherwise);
        Self::Failed {
            task,
            said: excerpt(reason),
            cause: GitCause::of(stderr, reason),
        }
    }
}

impl From<&Ended> for GitError {
    fn from(ended: &Ended) -> Self {
        let stderr = String::from_utf8_lossy(&ended.output.stderr);
        Self::said(ended.task, &stderr, &ended.output.status.to_string())
    }
}

impl GitCause {
    fn of(stderr: &str, reason: &str) -> Self {
        const KNOWN: [(&[&str], GitCause); 8] = [
            (&["(safe.bareRepository is"], GitCause::BareRepository),
            (&["not a git repository", "gitfile"], GitCause::NoRepository),
            (&["index.lock'"], GitCause::Locked),
            (
                &["repository version", "repo version", "repository extension"],
                GitCause::TooOld,
            ),
            (
                &["bad config", "bad numeric config"],
                GitCause::Configuration,
            ),
            (&["index file", "bad index", "cache entr"], GitCause::Index),
            (
                &[
                    "unknown option",
                    "invalid option",
                    "unrecognized",
                    "usage: git",
                ],
                GitCause::TooOld,
            ),
            (
                &[
                    "object",
                    "promisor",
                    "lazy fetching",
                    "unable to read",
                    "bad revision",
                    "missing blob",
                ],
                GitCause::Object,
            ),
        ];
        if reason.contains("dubious ownership") || reason.contains("unsafe repository") {
            return Self::OtherOwner {
                command: trust_command(stderr, reason),
            };
        }
        if reason.contains("not a git repository: ") && reason.contains("/worktrees/") {
            return Self::BrokenWorktree;
        }
        let found = KNOWN
            .into_iter()
            .find(|(words, _)| words.iter().any(|word| reason.contains(word)));
        found.map_or(Self::Other, |(_, cause)| cause)
    }
}

/// The command in git's last line, if it is for the very directory of its reason: the name
/// of a directory may contain line ends, and whatever else looks like a command.
fn trust_command(stderr: &str, reason: &str) -> Option<String> {
    let (_, rest) = reason.split_once('\'')?;
    let (name, _) = rest.rsplit_once('\'')?;
    let last = stderr.lines().next_back()?.trim();
    let word = last.strip_prefix(TRUST)?;
    (word == name || word == format!("'{name}'")).then(|| last.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stderr: &str, said: &str, cause: GitCause) {
        let error = GitError::said("diff", stderr, "exit status: 1");
        let GitError::Failed {
            said: found_said,
            cause: found_cause,
            ..
        } = error
        else {
            panic!("{error:?}");
        };
        assert_eq!((&*found_said, found_cause), (said, cause), "{stderr}");
    }

    #[test]
    fn the_line_that_says_why_is_found_among_the_others() {
        let text = "error: bad signature 0x67617262\nfatal: index file corrupt\n";
        check(text, "fatal: index file corrupt", GitCause::Index);
        let text = "warning: x\nerror: bad tree object HEAD\n";
        check(text, "error: bad tree object HEAD", GitCause::Object);
        let text = "error: invalid option: --no-relative\nusage: git diff\n";
        check(
            text,
            "error: invalid option: --no-relative",
            GitCause::TooOld,
        );
        check("sh: git: oops\n", "sh: git: oops", GitCause::Other);
        check("", "exit status: 1", GitCause::Other);
        let long = format!("fatal: {}", "x".repeat(10_000));
        check(&long, &excerpt(&long), GitCause::Other);
    }

    #[test]
    fn the_command_that_trusts_a_repository_is_gits_own() {
        let text = |name: &str, word: &str| {
            format!(
                "fatal: detected dubious ownership in repository at '{name}'\n\
                 To add an exception for this directory, call:\n\n\t{TRUST}{word}\n"
            )
        };
        let command = |command: Option<&str>| GitCause::OtherOwner {
            command: command.map(|word| format!("{TRUST}{word}")),
        };
        let said = "fatal: detected dubious ownership in repository at";
        check(
            &text("/a b", "'/a b'"),
            &format!("{said} '/a b'"),
            command(Some("'/a b'")),
        );
        check(
            &text("/a", "/a"),
            &format!("{said} '/a'"),
            command(Some("/a")),
        );
        for (first, rest) in [
            ("/x", "'*'\nb"),
            ("/x", "\"*\" #"),
            ("/x'", "\"*\" #"),
            ("/x'", "/x"),
        ] {
            let forged = format!("{first}\n\t{TRUST}{rest}");
            let quoted = format!("'{}'", forged.replace('\'', "'\\''"));
            check(
                &text(&forged, &quoted),
                &format!("{said} '{first}"),
                command(None),
            );
        }
    }
}
