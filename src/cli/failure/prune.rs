//! Hints for what stops `prune`, and the way back.

use super::Failure;
use super::git::git_hint;
use crate::cli::message::hints::{OTHER_SECRET, import, rotate};
use crate::core::prune::{PruneError, RestoreError, SaidError};

impl From<PruneError> for Failure {
    fn from(error: PruneError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            PruneError::SecretMissing { .. } => failure.hint(OTHER_SECRET),
            PruneError::UnderWay { .. } => failure.hint_command("to finish it:", rotate()),
            PruneError::OnlyRetired { .. } => {
                failure.hint_command("to give the cluster a new key:", rotate())
            }
            PruneError::NotARepository { top, .. } => failure.hint(format!(
                "remove it if it is empty, or run prune in the repository: cd {}",
                top.display()
            )),
            PruneError::SkipsNothing { .. } => {
                failure.hint("--skip takes a path from the working directory")
            }
            PruneError::Said(SaidError::Unknown(_)) => {
                failure.hint("kubectl get kustomizations -A")
            }
            PruneError::Said(SaidError::Known { .. } | SaidError::NotNeeded) => {
                failure.hint("without --deployed, kb searches that commit; git fetch gets it")
            }
            PruneError::Git(error) => failure.hint("nothing was changed").hint(git_hint(&error)),
            PruneError::Fetch(error) => error.into(),
            PruneError::Journal(error) => error.into(),
        }
    }
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            RestoreError::SecretMissing { .. } => {
                failure.hint_command("to give the cluster this key as its current one:", import())
            }
            RestoreError::UnderWay { .. } => failure.hint_command("to finish it:", rotate()),
            RestoreError::AlreadyThere { .. } => {
                failure.hint("nothing was changed: files that are encrypted for it open already")
            }
            RestoreError::UnknownRecipient => {
                failure.hint("an older Flux stops decrypting with such a key in the Secret")
            }
            RestoreError::Fetch(error) => error.into(),
            RestoreError::Journal(error) => error.into(),
        }
    }
}
