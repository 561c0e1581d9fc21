//! What is said of encrypted files.

use std::path::Path;

use crate::cli::failure::TYPE_KEY;
use crate::cli::k::secrets::finding::{self, Finding, word};
use crate::cli::message::command::kb;
use crate::cli::message::hints::use_existing;
use crate::cli::message::safe_text::one_line;
use crate::core::identity::Recipient;
use crate::core::status::FileProblem;

pub(super) fn of_file(path: &Path, problem: FileProblem, sops: &str) -> Finding {
    let finding = |kind, words: String| Finding::new(kind, one_line(path), words);
    let file = word(path);
    match problem {
        FileProblem::NoRule => finding("no-rule", "no rule is for it".to_owned()).hint_command("to add a rule with the cluster's key:", use_existing().option("--path-regex", only_name(path))),
        FileProblem::Mismatch {
            mismatch,
            retired,
            is_ours,
        } => {
            let mut finding = finding::mismatch(path, &mismatch, sops);
            if !retired.is_empty() {
                let keys = Recipient::list(&retired);
                let words = &mut finding.words;
                words.push_str(&format!("; retired keys of the cluster: {keys}"));
                finding.hints.clear();
                finding.hint_command("to re-encrypt it for the current key:", use_existing())
            } else if is_ours {
                finding
            } else {
                finding.hint("--context chooses the cluster whose key opens the file")
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
            "with that key, to encrypt it for those of its rule: {TYPE_KEY}; sops decrypt {file} | {sops} encrypt --filename-override {file} --output {file} /dev/stdin"
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
        .hint_command("if every value is right, save it again, which writes a new MAC:", kb("k secrets edit --ignore-mac").path(path)),
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
