//! Hints for what goes wrong with the cluster's Secret.

use super::{Failure, SAME_CONTEXT};
use crate::core::flux_secret::{CURRENT_ENTRY, KeysError, SecretName};

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            KeysError::Misnamed { secret } => failure.hint(format!(
                "the entry must be called {CURRENT_ENTRY}: kubectl{SAME_CONTEXT} -n {} edit secret {}",
                secret.namespace, secret.name
            )),
            KeysError::NoEntry { entries, .. } => {
                let there = if entries.is_empty() { "nothing".to_owned() } else { entries.join(", ") };
                failure.hint(format!(
                    "it holds {there}; the key belongs in {CURRENT_ENTRY}. --secret-name and -n name another Secret"
                ))
            }
            KeysError::NoIdentity { .. } => failure.hint(
                "the entry must hold a line AGE-SECRET-KEY-1…, as age-keygen writes it; put it back from your password manager",
            ),
        }
    }
}

/// The command that prints the private key that a cluster holds.
pub fn show_key_command(secret: &SecretName) -> String {
    format!(
        "kubectl{SAME_CONTEXT} -n {} get secret {} -o jsonpath='{{.data.age\\.agekey}}' | base64 -d",
        secret.namespace, secret.name
    )
}
