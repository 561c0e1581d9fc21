//! Hints for the errors of whole commands.

use super::secret::show_key_command;
use super::{Failure, SAME_CLUSTER, SAME_CONTEXT};
use crate::core::decrypt::DecryptError;
use crate::core::identity::Recipient;
use crate::core::init::InitError;
use crate::core::sops_config::RuleSummary;

impl From<DecryptError> for Failure {
    fn from(error: DecryptError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            DecryptError::File(error) => error.into(),
            DecryptError::Cluster(error) => error.into(),
            DecryptError::Keys(error) => error.into(),
            DecryptError::Sops(error) => error.into(),
            DecryptError::SecretMissing {
                secret,
                namespace_exists,
            } => {
                let failure = if namespace_exists == Some(false) {
                    Self::new(format!(
                        "the cluster has no namespace {}, and so no Secret {secret}",
                        secret.namespace
                    ))
                } else {
                    failure
                };
                failure
                    .hint("--context chooses another cluster, -n and --secret-name another Secret")
                    .hint(format!(
                        "to give this cluster its key: kb k secrets init{SAME_CLUSTER}"
                    ))
            }
            DecryptError::OtherCluster {
                recipients,
                held,
                secret,
                ..
            } => {
                let list = |keys: Vec<Recipient>| {
                    let texts: Vec<String> = keys.iter().map(ToString::to_string).collect();
                    texts.join(", ")
                };
                let message = failure.message.unwrap_or_default();
                Self::new(format!(
                    "{message}\n  it opens for     {}\n  this cluster has {} ({secret})",
                    list(recipients),
                    list(held),
                ))
                .hint("--context chooses another cluster")
            }
        }
    }
}

impl From<InitError> for Failure {
    fn from(error: InitError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            InitError::Cluster(error) => error.into(),
            InitError::Config(error) => error.into(),
            InitError::Edit(error) => error.into(),
            InitError::Replace(error) => error.into(),
            InitError::Keys(error) => error.into(),
            InitError::NotNamed { .. } => failure
                .hint("--use-existing brings .sops.yaml in line with the cluster")
                .hint("--context chooses another cluster, if this is the wrong one"),
            InitError::UnknownRecipient { secret } => failure.hint(format!(
                "to compare its recipient with .sops.yaml: {} | age-keygen -y",
                show_key_command(&secret)
            )),
            InitError::NotEvident { rules, .. } => {
                let message = failure.message.unwrap_or_default();
                Self::new(format!("{message}{}", rule_list(&rules)))
                    .hint("--path-regex RE names the rule, or makes a new one")
                    .hint("--replace age1… puts the new key where that one stands, if this cluster was rebuilt")
            }
            InitError::NamespaceMissing { .. } => failure
                .hint("--create-namespace creates it; flux bootstrap does too")
                .hint("--context chooses another cluster, if this is the wrong one"),
            InitError::Vanished { .. } => failure.hint("run it again"),
            InitError::TakenBack { .. } => {
                failure.hint("nothing was changed; look at .sops.yaml, and run it again")
            }
            InitError::LeftBehind { secret, .. } => failure.hint(format!(
                "nobody has seen its key, so delete it: kubectl{SAME_CONTEXT} -n {} delete secret {}",
                secret.namespace, secret.name
            )),
        }
    }
}

fn rule_list(rules: &[RuleSummary]) -> String {
    let mut text = String::new();
    for rule in rules {
        let regex = rule.path_regex.as_deref().unwrap_or("(every path)");
        let mut keys = rule.keys.clone();
        if rule.other_keys {
            keys.push("keys of another kind".to_owned());
        }
        if keys.is_empty() {
            keys.push("no key".to_owned());
        }
        text.push_str(&format!(
            "\n  line {}: {regex}: {}",
            rule.position.line,
            keys.join(", ")
        ));
    }
    text
}
