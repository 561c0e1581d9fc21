//! What is said of encrypted files.

use std::path::Path;

use crate::cli::k::secrets::finding::{self, Finding, word};
use crate::cli::options::quoted;
use crate::cli::report::one_line;
use crate::core::identity::Recipient;
use crate::core::status::FileProblem;

pub(super) fn of_file(path: &Path, problem: FileProblem, sops: &str) -> Finding {
    let finding = |kind, words: String| Finding::new(kind, one_line(path), words);
    let file = word(path);
    match problem {
        FileProblem::NoRule => finding("no-rule", "no rule is for it".to_owned()).hint_kb(
            "to add a rule with the cluster's key:",
            format!(
                "k secrets init --use-existing --path-regex {}",
                quoted(&only_name(path))
            ),
        ),
        FileProblem::OtherRecipients {
            rule,
            missing,
            extra,
            is_retired,
            is_ours,
        } => {
            let mut words = Vec::new();
            if !missing.is_empty() {
                words.push(format!("it is not for {}", Recipient::list(&missing)));
            }
            if !extra.is_empty() {
                words.push(format!("it is for {} as well", Recipient::list(&extra)));
            }
            let finding = finding(
                "other-recipients",
                format!("its rule {rule} has other recipients: {}", words.join(", ")),
            );
            match (is_retired, is_ours) {
                (true, _) => finding.hint_kb(
                    "to move it to the current key:",
                    "k secrets init --use-existing",
                ),
                (false, true) => finding.hint_kb(
                    "to give it those of its rule:",
                    format!("k secrets exec -- {sops} updatekeys {file}"),
                ),
                (false, false) => finding.hint(format!(
                    "to give it those of its rule, with the key of its own cluster: kb k secrets exec --context OTHER -- {sops} updatekeys {file}"
                )),
            }
        }
        FileProblem::UnknownKeys { recipients } => finding(
            "unknown-keys",
            format!(
                "it is for {}, which neither the cluster nor any rule has",
                Recipient::list(&recipients)
            ),
        )
        .hint(format!(
            "with that key in SOPS_AGE_KEY, {sops} updatekeys {file} moves it to those of its rule"
        ))
        .hint(format!(
            "if that key is lost, so is the file: git rm {file}"
        )),
        FileProblem::EncryptedHead { field } => finding(
            "head-encrypted",
            format!("{field} is encrypted, so Flux cannot apply it"),
        )
        .hint(finding::ENCRYPTED_REGEX)
        .anew(path, sops),
        FileProblem::EncryptedKustomization => finding(
            "kustomization-encrypted",
            "kustomize reads it before anything is decrypted".to_owned(),
        )
        .hint(format!("to see how it was before: git log -p -- {file}")),
        FileProblem::TooLarge { size } => finding(
            "too-large",
            format!(
                "it has {:.1} MiB, and Flux decrypts no file of more than 5",
                size as f64 / f64::from(1 << 20)
            ),
        )
        .hint("split it: each Secret in a file of its own"),
        FileProblem::WrongMac => finding(
            "wrong-mac",
            "its MAC does not match: it was changed without sops, which Flux does not notice"
                .to_owned(),
        )
        .hint(format!("to see what was changed: git log -p -- {file}"))
        .hint_kb(
            "if it is right as it is, to give it its MAC:",
            format!("k secrets exec -- {sops} --rotate --ignore-mac --in-place {file}"),
        ),
        FileProblem::NotOpened(error) => Finding {
            subject: one_line(path),
            ..Finding::of_failure("does-not-open", error.into())
        },
    }
}

/// An expression for the one file.
fn only_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let escaped: String = name
        .chars()
        .flat_map(
            |c| match c.is_ascii_alphanumeric() || "-_ ".contains(c) || !c.is_ascii() {
                true => vec![c],
                false => vec!['\\', c],
            },
        )
        .collect();
    format!("(^|/){escaped}$")
}
