//! Hints for what keeps git from working.

use std::io;

use super::Failure;
use crate::cli::message::command::quoted;
use crate::core::git::{GitCause, GitError};

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        Self::from_error(&error).hint(git_hint(&error))
    }
}

/// What to do about it.
pub(super) fn git_hint(error: &GitError) -> String {
    let hint = match error {
        GitError::Start(source) if source.kind() == io::ErrorKind::NotFound => {
            "install git, or put it on the PATH: it tells which files there are"
        }
        GitError::Start(_) => "ls -l \"$(command -v git)\" shows who may run it",
        GitError::Filter { filter } => {
            return format!(
                "to give it another name: git config --rename-section {} filter.NAME",
                quoted(filter)
            );
        }
        GitError::Failed { cause, .. } => match cause {
            GitCause::OtherOwner {
                command: Some(command),
            } => return format!("if you trust whoever owns that directory: {command}"),
            GitCause::OtherOwner { command: None } => {
                "if you trust whoever owns that directory: git config --global --add safe.directory PATH"
            }
            GitCause::BareRepository => {
                "that directory looks like a repository of its own, and its file \"config\" can make git run programs: look at it, and start kb from the directory above"
            }
            GitCause::BrokenWorktree => {
                "this is a linked working tree whose repository was moved or has forgotten it; in the main working tree: git worktree repair PATH"
            }
            GitCause::NoRepository => {
                "ls -la .git shows what is there: git clone gets the repository again, git init makes a new one; a .git that is left over can be deleted"
            }
            GitCause::Index => {
                "to write the index again from the last commit (your files stay, git add is undone): mv .git/index .git/index.broken && git reset"
            }
            GitCause::Object => {
                "git fsck shows what is missing or damaged; git fetch --unshallow completes a shallow clone, and git fetch --refetch a partial one"
            }
            GitCause::Locked => {
                "another git is at work here; if none is (one was killed), delete the .lock file"
            }
            GitCause::Configuration => "git config --edit, or an editor, fixes that line",
            GitCause::TooOld => "git --version shows how old this git is; install a newer one",
            GitCause::Other => "git status shows what is wrong",
        },
    };
    hint.to_owned()
}
