//! What is said of Flux's Kustomizations.

use crate::cli::k::secrets::finding::{Finding, word};
use crate::cli::message::command::kb;
use crate::cli::message::hints::{describe, import};
use crate::cli::message::safe_text::one_line;
use crate::core::cluster::SecretName;
use crate::core::conflict;
use crate::core::kustomize::BuildFault;
use crate::core::status::{FluxProblem, Pending, StatusReport};

pub(super) fn of_flux(ours: &SecretName, problem: &FluxProblem) -> Finding {
    match problem {
        FluxProblem::NoDecryption {
            kustomization,
            file,
        } => Finding::new(
            "no-decryption",
            kustomization.clone(),
            format!(
                "the Kustomization applies {}, which is encrypted, and has no spec.decryption",
                one_line(file)
            ),
        )
        .hint(format!(
            "add to its spec: decryption: {{provider: sops, secretRef: {{name: {}}}}}",
            ours.name
        )),
        FluxProblem::SecretMissing {
            kustomization,
            secret,
            key,
        } => {
            let finding = Finding::new(
                "decryption-secret-missing",
                kustomization.clone(),
                format!("the Kustomization decrypts with the Secret {secret}, which is not there"),
            );
            match (ours.namespace == secret.namespace, key) {
                (false, Some(key)) => finding.hint_command(format!(
                        "Flux looks for it in the Kustomization's own namespace; to give it this cluster's key: SOPS_AGE_RECIPIENT={key}"
                    ), kb("k secrets key").pipe_to(
                        import()
                            .secret(secret),
                    )),
                _ => finding.hint(name_of_secret(ours)),
            }
        }
        FluxProblem::NoSecretNamed {
            kustomization,
            file,
        } => Finding::new(
            "no-decryption-secret",
            kustomization.clone(),
            format!(
                "the Kustomization applies {}, names no Secret to decrypt it with, and kustomize-controller has no --sops-age-secret",
                one_line(file)
            ),
        )
        .hint(format!("add to its spec.decryption: secretRef: {{name: {}}}", ours.name)),
        FluxProblem::OtherSecret {
            kustomization,
            secret,
            file,
        } => {
            let finding = Finding::new(
                "other-decryption-secret",
                kustomization.clone(),
                format!(
                    "the Kustomization decrypts with the Secret {secret}, which does not hold the key for {}",
                    one_line(file)
                ),
            );
            match ours.namespace == secret.namespace {
                true => finding.hint(name_of_secret(ours)),
                false => finding
                    .hint_command(
                        "to see whose that Secret is:",
                        describe(secret))
                    .hint("if it is meant to be a copy, remove its key; then run status again, which says how to add the right one"),
            }
        }
        FluxProblem::NotDecrypted {
            kustomization,
            file,
            field,
        } => Finding::new(
            "not-decrypted",
            kustomization.clone(),
            format!(
                "the Kustomization reads {}, which is encrypted, through {field}, and Flux does not decrypt what it reads there",
                one_line(file)
            ),
        )
        .hint(match *field {
            "bases" => "list the directory under resources instead of bases",
            "secretGenerator.env" => "list the file under envs instead of env",
            "configMapGenerator" => "use a secretGenerator, whose files and envs Flux decrypts",
            _ => "Flux decrypts resources, components, patches, and the files and envs of a secretGenerator",
        }),
        FluxProblem::OtherFormat {
            kustomization,
            file,
            expected,
            encrypted,
        } => Finding::new(
            "other-format",
            kustomization.clone(),
            format!(
                "the Kustomization reads {} as {}, and it is encrypted as {}, so Flux fails or delivers something else",
                one_line(file),
                expected.name(),
                encrypted.name()
            ),
        )
        .hint("Flux takes the format from the key of the entry (KEY=FILE), otherwise from the name of the file: .yaml, .json, .env, .ini, anything else is binary (for envs: dotenv)"),
        FluxProblem::NotAnObject {
            kustomization,
            file,
            document,
        } => Finding::new(
            "not-an-object",
            kustomization.clone(),
            format!(
                "the Kustomization applies {}, whose document {document} has no kind or no metadata.name, so the build fails",
                one_line(file)
            ),
        )
        .hint_command("to edit it:", kb("k secrets edit").path(file)),
        FluxProblem::NotBuilt {
            kustomization,
            fault,
        } => Finding::new(
            "not-built",
            kustomization.clone(),
            match fault {
                BuildFault::Conflict { file, line } => format!(
                    "{}:{line} has {}, so the build fails",
                    one_line(file),
                    conflict::FOUND
                ),
                BuildFault::NotParsed {
                    file,
                    place: (line, column),
                } => format!("{}:{line}:{column} cannot be parsed, so the build fails", one_line(file)),
                BuildFault::WrongType { file, field } => format!(
                    "in {} the field {field} has the wrong type, so the build fails",
                    one_line(file)
                ),
                BuildFault::Empty { file } => {
                    format!("{} is empty, so the build fails", one_line(file))
                }
                BuildFault::Several {
                    files: [first, second],
                } => format!(
                    "{} and {} are in one directory, so the build fails",
                    one_line(first),
                    one_line(second)
                ),
            },
        )
        .hint(format!(
            "to see what kustomize says: kubectl kustomize {}",
            word(match fault {
                BuildFault::Conflict { file, .. }
                | BuildFault::NotParsed { file, .. }
                | BuildFault::WrongType { file, .. }
                | BuildFault::Empty { file }
                | BuildFault::Several { files: [file, _] } => file.parent().unwrap_or(file),
            })
        )),
        FluxProblem::Failed {
            kustomization,
            message,
        } => {
            let (namespace, name) = kustomization.split_once('/').unwrap_or(("", kustomization));
            Finding::new(
                "flux-failed",
                kustomization.clone(),
                format!("Flux says: {}", message),
            )
            .hint(format!(
                "when the problems above are fixed: flux reconcile kustomization {name} -n {namespace}"
            ))
        }
    }
}

fn name_of_secret(ours: &SecretName) -> String {
    format!("let its spec.decryption.secretRef.name be {}", ours.name)
}

/// The controllers, in a line each.
pub(super) fn controller_facts(found: &StatusReport) -> Vec<String> {
    let Some(controllers) = &found.controllers else {
        return vec!["kustomize-controller: cannot tell, kb may not list Deployments".to_owned()];
    };
    let facts = controllers.iter().map(|controller| {
        let version = controller.version.as_deref();
        let fallback = controller.fallback.as_ref();
        let fallback = fallback.map(|secret| {
            format!(", decrypts with the Secret {secret} where a Kustomization names none")
        });
        format!(
            "{}/{} {}{}",
            controller.namespace,
            controller.name,
            version.unwrap_or("of an unknown version"),
            fallback.unwrap_or_default()
        )
    });
    facts.collect()
}

/// The commits that are not applied yet.
pub(super) fn pending(pending: &Pending) -> String {
    let names = pending.kustomizations.join(", ");
    let branch = &pending.branch;
    match pending.count {
        Some(1) => format!("1 commit of {branch} is not applied yet: {names}"),
        Some(count) => format!("{count} commits of {branch} are not applied yet: {names}"),
        None => format!(
            "cannot tell which commits of {branch} are applied: the applied one is not in this clone: {names}"
        ),
    }
}
