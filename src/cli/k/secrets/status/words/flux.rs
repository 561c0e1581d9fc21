//! What is said of Flux's Kustomizations.

use crate::cli::failure::Program;
use crate::cli::k::secrets::finding::Finding;
use crate::cli::report::one_line;
use crate::core::cluster::SecretName;
use crate::core::status::FluxProblem;

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
                (false, Some(key)) => finding.hint_kb(
                    &format!(
                        "Flux looks for it in the Kustomization's own namespace; to give it this cluster's key: SOPS_AGE_RECIPIENT={key}"
                    ),
                    format!(
                        "k secrets key | kb k secrets init --import -n {} --secret-name {}",
                        secret.namespace, secret.name
                    ),
                ),
                _ => finding.hint(name_of_secret(ours)),
            }
        }
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
                        Program::Kubectl,
                        format!("-n {} describe secret {}", secret.namespace, secret.name),
                    )
                    .hint("if it is to be a copy, take its key out; what is said of a missing one then mends it"),
            }
        }
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
                "when what is named above is mended: flux reconcile kustomization {name} -n {namespace}"
            ))
        }
    }
}

fn name_of_secret(ours: &SecretName) -> String {
    format!("let its spec.decryption.secretRef.name be {}", ours.name)
}
