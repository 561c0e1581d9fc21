//! What is said of the cluster's Secret.

use super::OTHER_CLUSTER;
use crate::cli::failure::{Program, put_key_back, remove_entry, remove_lines, rename_entry};
use crate::cli::k::secrets::finding::{Finding, word};
use crate::cli::report::one_line;
use crate::core::cluster::SecretName;
use crate::core::flux_secret::{CURRENT_ENTRY, ENTRY_ENDING, KeysError, Manager};
use crate::core::identity::Recipient;
use crate::core::status::SecretProblem;

pub(super) fn of_secret(secret: &SecretName, problem: &SecretProblem) -> Finding {
    let finding = |kind, words: String| Finding::new(kind, secret.to_string(), words);
    match problem {
        SecretProblem::Missing { namespace_exists } => {
            let words = match namespace_exists {
                Some(false) => format!("the cluster has no namespace {}", secret.namespace),
                _ => "the cluster has no such Secret".to_owned(),
            };
            finding("secret-missing", words)
                .hint_kb("to give this cluster a key:", "k secrets init")
                .hint_kb("to give it back the one that it had:", "k secrets init --import")
                .hint(OTHER_CLUSTER)
        }
        SecretProblem::NoKey(error) => match error {
            KeysError::Misnamed { entry, right, .. } => finding("entry-not-read", not_read(entry))
                .hints_of([rename_entry(secret, entry, right)]),
            KeysError::NoEntry { entries, .. } => finding(
                "no-key",
                match entries.is_empty() {
                    true => "it holds nothing".to_owned(),
                    false => format!("it holds {}, and no key", entries.join(", ")),
                },
            )
            .hints_of([put_key_back(secret)]),
            KeysError::NoIdentity { bad_lines, .. } => {
                let reason = match bad_lines.first() {
                    Some(bad) => format!("{}, line {}: {}", bad.entry, bad.line, bad.reason),
                    None => "its entries are empty".to_owned(),
                };
                finding("no-key", format!("it holds no usable key: {reason}"))
                    .hints_of([put_key_back(secret)])
            }
        },
        SecretProblem::OnlyRetired => finding(
            "only-retired-keys",
            "it holds no other keys than retired ones".to_owned(),
        )
        .hint_kb("to give the cluster a new key:", "k secrets init --force"),
        SecretProblem::NotRead { entry, right } => finding("entry-not-read", not_read(entry))
            .hints_of([
                rename_entry(secret, entry, right),
                remove_entry("if nothing is for its key, to remove it:", secret, entry),
            ]),
        SecretProblem::BadLine(bad) => finding(
            "entry-no-key",
            format!(
                "{}, line {}: {}; Flux refuses the whole Secret for it",
                bad.entry, bad.line, bad.reason
            ),
        )
        .hints_of(remove_lines(secret, std::slice::from_ref(bad))),
        SecretProblem::Empty { entry } => {
            finding("entry-no-key", format!("{entry} holds no key")).hints_of([remove_entry(
                "to remove it:",
                secret,
                entry,
            )])
        }
        SecretProblem::Managed(manager) => {
            let finding = finding(
                "secret-managed",
                format!("{manager} manages it, and would put back an old key after a rotation"),
            );
            match manager {
                Manager::Owner(_) => finding.hint("let that owner give it up, so that kb alone keeps the key"),
                Manager::Kustomization(_) => finding.hint_command(
                    "remove its manifest from the repository (with prune: disabled on it), and then its labels:",
                    Program::Kubectl,
                    format!(
                        "-n {} label secret {} kustomize.toolkit.fluxcd.io/name- kustomize.toolkit.fluxcd.io/namespace-",
                        secret.namespace, secret.name
                    ),
                ),
                Manager::Helm => finding.hint_command(
                    "remove it from the chart (keep it: helm.sh/resource-policy), and then its label:",
                    Program::Kubectl,
                    format!(
                        "-n {} label secret {} app.kubernetes.io/managed-by-",
                        secret.namespace, secret.name
                    ),
                ),
                Manager::Applier(_) => finding.hint_command(
                    "to see who applied what:",
                    Program::Kubectl,
                    format!(
                        "-n {} get secret {} --show-managed-fields -o jsonpath='{{.metadata.managedFields}}'",
                        secret.namespace, secret.name
                    ),
                ),
            }
        }
        SecretProblem::InRepository { path } => Finding::new(
            "secret-in-repository",
            one_line(path),
            format!("this file holds the Secret {secret} itself: Flux would put it back after a rotation"),
        )
        .hint(format!("remove it from the repository: git rm {}", word(path))),
        SecretProblem::OtherCopy { copy, held } => Finding::new(
            "other-copy",
            copy.to_string(),
            format!("a Secret of the same name, with another key: {}", Recipient::list(held)),
        )
        .hint_command(
            "to see whose it is:",
            Program::Kubectl,
            format!("-n {} describe secret {}", copy.namespace, copy.name),
        )
        .hint("if it is a copy of this one, replace it; if it is another team's own, a rule of .sops.yaml or a Kustomization of their repository says so"),
        SecretProblem::UnderWay { next } => finding(
            "rotation-under-way",
            format!("a rotation is under way, to {}", Recipient::list(next)),
        )
        .hint_kb("to finish it:", "k secrets init --force"),
        SecretProblem::NotPruned { retired } => finding(
            "retired-key",
            match retired.is_empty() {
                true => "it still holds retired keys".to_owned(),
                false => format!("it still holds the retired key {}", Recipient::list(retired)),
            },
        )
        .hint_kb(
            "when what was rotated is pushed and applied:",
            "k secrets prune",
        ),
    }
}

fn not_read(entry: &str) -> String {
    format!(
        "{entry} holds a key, and Flux does not read it: it should be called {CURRENT_ENTRY} (Flux reads names that end in {ENTRY_ENDING})"
    )
}
