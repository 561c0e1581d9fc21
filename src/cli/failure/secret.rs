//! Hints for what goes wrong with the cluster's Secret.

use std::collections::BTreeMap;

use super::Failure;
use crate::cli::message::Hint;
use crate::cli::message::command::kubectl;
use crate::core::cluster::SecretName;
use crate::core::flux_secret::{BadLine, CURRENT_ENTRY, FetchError, KeysError};

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Cluster(error) => error.into(),
            FetchError::Keys(error) => error.into(),
        }
    }
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            KeysError::Misnamed {
                secret,
                entry,
                right,
            } => failure.hints_of(vec![rename_entry(&secret, &entry, &right)]),
            KeysError::NoEntry { secret, entries } => {
                let there = if entries.is_empty() {
                    "nothing".to_owned()
                } else {
                    entries.join(", ")
                };
                failure
                    .hint(format!(
                        "it holds {there}; the key belongs in {CURRENT_ENTRY}"
                    ))
                    .hints_of(vec![put_key_back(&secret)])
                    .hint("--secret-name and -n name another Secret")
            }
            KeysError::NoIdentity { secret, .. } => failure
                .hint("a line AGE-SECRET-KEY-1…, as age-keygen writes it, must be there")
                .hints_of(vec![put_key_back(&secret)]),
        }
    }
}

// `kubectl edit` writes what it edits to a disk, and `kubectl apply` writes it into an
// annotation. What changes the Secret is a patch, and what is in it goes through pipes.

/// To give an entry of the Secret another name.
pub fn rename_entry(secret: &SecretName, from: &str, to: &str) -> Hint {
    let patch = format!(r#"[{{"op":"move","from":"/data/{from}","path":"/data/{to}"}}]"#);
    json_patch(&format!("to rename {from} to {to}:"), secret, &patch)
}

/// To remove an entry of the Secret.
pub fn remove_entry(purpose: &str, secret: &SecretName, entry: &str) -> Hint {
    let patch = format!(r#"[{{"op":"remove","path":"/data/{entry}"}}]"#);
    json_patch(purpose, secret, &patch)
}

fn json_patch(purpose: &str, secret: &SecretName, patch: &str) -> Hint {
    Hint::command(
        purpose,
        kubectl(format!(
            "-n {} patch secret {} --type=json -p '{patch}'",
            secret.namespace, secret.name
        )),
    )
}

/// To remove lines that are not keys: for each entry a command. The Secret must still be the
/// one in which they are these lines.
pub fn remove_lines(secret: &SecretName, lines: &[BadLine]) -> Vec<Hint> {
    let mut entries: BTreeMap<&str, Vec<&BadLine>> = BTreeMap::new();
    for line in lines {
        entries.entry(&line.entry).or_default().push(line);
    }
    let hints = entries.into_iter().map(|(entry, lines)| {
        if lines.iter().all(|line| line.is_all) {
            return remove_entry(&format!("to remove {entry}:"), secret, entry);
        }
        let numbers = lines.iter().map(|line| line.line.to_string());
        let numbers: Vec<String> = numbers.collect();
        let version = lines.first().map_or("", |line| &line.version);
        let name = format!("-n {} ", secret.namespace);
        let show = show_key_arguments(secret, entry);
        Hint::command(
            format!("to remove line {} of {entry}:", numbers.join(", ")),
            kubectl(format!(
                r#"{show} | sed '{}d' | base64 | tr -d '\n' | sed 's/.*/{{"metadata":{{"resourceVersion":"{version}"}},"data":{{"{entry}":"&"}}}}/' | kubectl {name}patch secret {} --patch-file=/dev/stdin"#,
                numbers.join("d;"),
                secret.name
            )))
    });
    hints.collect()
}

/// To put the cluster's key into the Secret again.
pub fn put_key_back(secret: &SecretName) -> Hint {
    Hint::command(
        format!(
            r#"to put it back from your password manager, such as: pass show prod/age | base64 | tr -d '\n' | sed 's/.*/{{"data":{{"{CURRENT_ENTRY}":"&"}}}}/' |"#
        ),
        kubectl(format!(
            "-n {} patch secret {} --patch-file=/dev/stdin",
            secret.namespace, secret.name
        )),
    )
}

/// What `kubectl` needs to print the private keys in an entry of the Secret.
pub fn show_key_arguments(secret: &SecretName, entry: &str) -> String {
    format!(
        "-n {} get secret {} -o jsonpath='{{.data.{}}}' | base64 -d",
        secret.namespace,
        secret.name,
        entry.replace('.', "\\.")
    )
}
