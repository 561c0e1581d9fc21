//! Hints for what keeps files from being looked at, or mended.

use super::Failure;
use crate::cli::options::quoted;
use crate::core::audit::{AuditError, Cause, FixError};
use crate::core::git::{BlobError, GitError};

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            GitError::Start(_) => failure.hint("install git: it tells which files there are"),
            GitError::Failed { said, .. } if said.contains("safe.bareRepository") => failure.hint(
                "that directory looks like a repository of its own, and its file \"config\" can make git run programs: look at it, and start kb from the directory above",
            ),
            GitError::Failed { .. } => failure.hint("git status shows what is wrong"),
            GitError::Filter { filter } => failure.hint(format!(
                "to give it another name: git config --rename-section {} filter.NAME",
                quoted(&filter)
            )),
        }
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            AuditError::Git(error) | AuditError::Blob(BlobError::Git(error)) => error.into(),
            AuditError::Blob(BlobError::Read(_)) => failure.hint("git fsck shows what is wrong"),
            AuditError::Blob(BlobError::Missing { .. }) => failure.hint(
                "git fsck shows what is missing; in a partial clone, git fetch --refetch gets it",
            ),
            AuditError::Missing { .. } => {
                failure.hint("is the path right? It is taken from the working directory")
            }
        }
    }
}

impl From<FixError> for Failure {
    fn from(error: FixError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            FixError::File(error) => error.into(),
            FixError::Sops(error) => error.into(),
            FixError::Replace(error) => error.into(),
            FixError::StillPlain {
                cause: Cause::LastApplied,
                ..
            } => failure
                .hint("take the annotation out first: kubectl keeps all that was applied in it"),
            FixError::OtherReaders { .. } => failure.hint(
                "was .sops.yaml changed meanwhile, or since it was staged? git diff .sops.yaml",
            ),
            FixError::StillPlain { .. } | FixError::Head { .. } => {
                failure.hint("give its rule encrypted_regex: ^(data|stringData)$")
            }
        }
    }
}
