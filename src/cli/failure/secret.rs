//! Hints for what goes wrong with the cluster's Secret.

use super::{Failure, Program};
use crate::core::cluster::SecretName;
use crate::core::flux_secret::{CURRENT_ENTRY, FetchError, KeysError};

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
            KeysError::Misnamed { secret } => failure.hint_command(
                &format!("to rename the entry to {CURRENT_ENTRY}:"),
                Program::Kubectl,
                edit_arguments(&secret),
            ),
            KeysError::NoEntry { entries, .. } => {
                let there = if entries.is_empty() {
                    "nothing".to_owned()
                } else {
                    entries.join(", ")
                };
                failure
                    .hint(format!(
                        "it holds {there}; the key belongs in {CURRENT_ENTRY}"
                    ))
                    .hint("--secret-name and -n name another Secret")
            }
            KeysError::NoIdentity { secret, .. } => failure
                .hint("a line AGE-SECRET-KEY-1…, as age-keygen writes it, must stand there")
                .hint_command(
                    "to put it back from your password manager:",
                    Program::Kubectl,
                    edit_arguments(&secret),
                ),
        }
    }
}

/// What `kubectl` needs to edit the Secret.
pub fn edit_arguments(secret: &SecretName) -> String {
    format!("-n {} edit secret {}", secret.namespace, secret.name)
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
