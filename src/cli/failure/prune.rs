//! Hints for what stops `prune`.

use super::{Failure, Program, file_list};
use crate::core::prune::{Deployed, Needs, PruneError, State};

impl From<PruneError> for Failure {
    fn from(error: PruneError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            PruneError::SecretMissing { .. } => failure
                .hint("--context chooses another cluster, -n and --secret-name another Secret"),
            PruneError::UnderWay { .. } => {
                failure.hint_command("to finish it:", Program::Kb, "k secrets init --force")
            }
            PruneError::OnlyRetired { .. } => failure.hint_command(
                "to give the cluster a new key:",
                Program::Kb,
                "k secrets init --force",
            ),
            PruneError::StrangeRepository { .. } => failure
                .hint("cd to the repository of the cluster; --context chooses another cluster")
                .hint("--yes drops the keys all the same"),
            PruneError::Config(error) => error.into(),
            PruneError::Needed { needs, .. } => failure.with_needs(&needs),
            PruneError::Fetch(error) => error.into(),
            PruneError::Journal(error) => error.into(),
        }
    }
}

impl Failure {
    fn with_needs(self, needs: &Needs) -> Self {
        let foreign: Vec<_> = needs.foreign.iter().cloned().collect();
        let deployed: String = needs.deployed.iter().map(in_words).collect();
        let mut failure = self
            .detail(&file_list("", &needs.files))
            .detail(&file_list("", &needs.configs))
            .detail(&file_list("has its own .git, and files for it: ", &foreign))
            .detail(&file_list("cannot be read: ", &needs.unread))
            .detail(&deployed);
        if needs.flux_forbidden {
            failure = failure
                .detail("\n  what is deployed cannot be told: kb may not list Kustomizations")
                .hint("ask for a ClusterRole with the verb list on kustomizations.kustomize.toolkit.fluxcd.io");
        }
        if needs.unknown_keys {
            failure = failure
                .detail("\n  not all recipients can be told: age.previous.agekey holds a post-quantum key, or a line that is no key")
                .hint("look yourself which files are for it: grep -rl age1pq");
        }
        if !(needs.files.is_empty() && needs.configs.is_empty() && foreign.is_empty()) {
            failure = failure.hint_command(
                "to move files and rules to the current key:",
                Program::Kb,
                "k secrets init --use-existing",
            );
        }
        if !needs.unread.is_empty() {
            failure = failure.hint("--skip PATH leaves out what holds no file of the cluster");
        }
        let mut states = needs.deployed.iter().map(|deployed| &deployed.state);
        if states.clone().any(|state| matches!(state, State::Needs(_))) {
            failure = failure.hint(
                "commit and push, and wait until Flux has applied it: flux get kustomizations -A",
            );
        }
        if states.any(|state| *state == State::NotHere) {
            failure = failure.hint("git fetch, so that kb can look what is in that revision");
        }
        failure.hint("--yes drops the keys all the same: what is for them can then be opened only with a copy from your password manager")
    }
}

fn in_words(deployed: &Deployed) -> String {
    let users = deployed.used_by.join(", ");
    let revision = &deployed.revision;
    match &deployed.state {
        State::Needs(files) => format!(
            "\n  deployed by the Kustomization {users}: {revision}, with{}",
            file_list("  ", files)
        ),
        State::Failed(reason) => {
            format!("\n  deployed by the Kustomization {users}: {revision}; {reason}")
        }
        State::NotHere => format!(
            "\n  deployed by the Kustomization {users}: {revision}, which is not in this clone"
        ),
    }
}
