//! Hints for what keeps files from being looked at, or mended.

use super::Failure;
use crate::core::audit::{AuditError, Cause};
use crate::core::fix::FixError;
use crate::core::git::BlobError;

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
                .hint("remove the annotation first: kubectl keeps in it all that was applied"),
            FixError::OtherReaders { .. } => failure.hint(
                "was .sops.yaml changed meanwhile, or since it was staged? git diff .sops.yaml",
            ),
            FixError::Changed { .. } => {
                failure.hint("the file is as it was: change it so, and run the command again")
            }
            FixError::StillPlain { .. } | FixError::Head { .. } => {
                failure.hint("give its rule encrypted_regex: ^(data|stringData)$")
            }
        }
    }
}
