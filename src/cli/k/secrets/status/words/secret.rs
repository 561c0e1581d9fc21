//! What is said of the cluster's Secret.

use crate::cli::failure::{put_key_back, remove_entry, remove_lines, rename_entry};
use crate::cli::k::secrets::finding::{Finding, word};
use crate::cli::message::command::{kb, kubectl};
use crate::cli::message::hints::{OTHER_SECRET, describe, import, managed_fields, rotate};
use crate::cli::message::safe_text::one_line;
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
                .hint_command("to give this cluster a key:", kb("k secrets init"))
                .hint_command("to give it back the one that it had:", import())
                .hint(OTHER_SECRET)
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
            "it holds only retired keys".to_owned(),
        )
        .hint_command("to give the cluster a new key:", rotate()),
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
                    kubectl(format!(
                        "-n {} label secret {} kustomize.toolkit.fluxcd.io/name- kustomize.toolkit.fluxcd.io/namespace-",
                        secret.namespace, secret.name
                    ))),
                Manager::Helm => finding.hint_command(
                    "remove it from the chart (keep it: helm.sh/resource-policy), and then its label:",
                    kubectl(format!(
                        "-n {} label secret {} app.kubernetes.io/managed-by-",
                        secret.namespace, secret.name
                    ))),
                Manager::Applier(_) => finding.hint_command(
                    "to see who applied what:",
                    managed_fields(secret)),
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
            describe(copy))
        .hint("if it is a copy of this one, replace it; if it belongs to another team, leave it as it is"),
        SecretProblem::UnderWay { next } => finding(
            "rotation-under-way",
            format!("a rotation is under way, to {}", Recipient::list(next)),
        )
        .hint_command("to finish it:", rotate()),
        SecretProblem::NotPruned { retired } => finding(
            "retired-key",
            match retired.is_empty() {
                true => "it still holds retired keys".to_owned(),
                false => format!("it still holds the retired key {}", Recipient::list(retired)),
            },
        )
        .hint_command("when what was rotated is pushed and applied:", kb("k secrets prune")),
    }
}

fn not_read(entry: &str) -> String {
    format!(
        "{entry} holds a key, and Flux does not read it: it should be called {CURRENT_ENTRY} (Flux reads names that end in {ENTRY_ENDING})"
    )
}
