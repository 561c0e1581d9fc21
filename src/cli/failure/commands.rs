//! Hints for the errors of whole commands.

use super::secret::show_key_arguments;
use super::{Failure, TYPE_KEY, file_list};
use crate::cli::message::command::{kb, kubectl};
use crate::cli::message::hints::{OTHER_CLUSTER, OTHER_SECRET, import, init, rotate, use_existing};
use crate::core::decrypt::DecryptError;
use crate::core::flux_secret::CURRENT_ENTRY;
use crate::core::identity::Recipient;
use crate::core::init::{ConfigGap, InitError};

impl From<DecryptError> for Failure {
    fn from(error: DecryptError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            DecryptError::Fetch(error) => error.into(),
            DecryptError::Sops(error) => error.into(),
            DecryptError::Unsure { .. } => failure
                .hint("git log -p shows how the file was before; sops itself writes no such file"),
            DecryptError::NothingLeft { foreign, .. } if foreign.is_empty() => {
                failure.hint("if that server may be used: --allow-server URL")
            }
            DecryptError::NothingLeft { .. } => {
                failure.hint("git log -p shows how the file or its rule was changed")
            }
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
                    .hint(OTHER_SECRET)
                    .hint_command("to give this cluster its key:", kb("k secrets init"))
            }
            DecryptError::WrongBySops { .. } => failure
                .hint("install sops 3.13.3 or newer: mise use -g sops")
                .hint("--ignore-mac opens it all the same: kb has verified the MAC"),
            DecryptError::OtherCluster {
                recipients,
                held,
                bad_lines,
                secret,
                ..
            } => {
                let bad_lines = bad_lines.iter().map(|bad| {
                    format!(
                        "\n  and, not usable, {}, line {}: {}",
                        bad.entry, bad.line, bad.reason
                    )
                });
                failure
                    .detail(&format!(
                        "\n  it opens for     {}\n  this cluster has {} ({secret})",
                        Recipient::list(&recipients),
                        Recipient::list(&held),
                    ))
                    .detail(&bad_lines.collect::<String>())
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
            InitError::Fetch(error) => error.into(),
            InitError::Config(error) => error.into(),
            InitError::Edit(error) => error.into(),
            InitError::Replace(error) => error.into(),
            InitError::Reencrypt(error) => error.into(),
            InitError::OnlyRetired { .. } => failure.hint_command(
                "to give the cluster a new key, and move the files to it:",
                rotate()),
            InitError::KeyChanged { .. } => failure.hint("run it again"),
            InitError::UnderWay { .. } => {
                failure.hint_command("to finish it:", rotate())
            }
            InitError::NotNamed { lack, .. } => failure
                .hint_command(
                    "to put the cluster's key into .sops.yaml:",
                    match lack {
                        ConfigGap::Name => use_existing(),
                        ConfigGap::Rule(paths) => use_existing().option("--path-regex", paths),
                        ConfigGap::Replacement(old) => {
                            use_existing().option("--replace", old.to_string())
                        }
                    },
                )
                .hint(OTHER_CLUSTER),
            InitError::UnknownRecipient { secret } => failure.hint_command(
                "to compare its recipient with .sops.yaml:",
                kubectl(format!("{} | age-keygen -y", show_key_arguments(&secret, CURRENT_ENTRY)))),
            InitError::ImportUnknownRecipient => failure
                .hint_command("make an X25519 key for the cluster: age-keygen |", import()),
            InitError::ImportOther { .. } => failure
                .hint("--use-existing puts the key that the cluster has into .sops.yaml")
                .hint(OTHER_CLUSTER),
            InitError::NothingExists { .. } => failure
                .hint_command("to give the cluster a key:", kb("k secrets init"))
                .hint(OTHER_SECRET),
            InitError::Choose(error) => error.into(),
            InitError::StillNeeded { old, files, unread } => failure
                .detail(&file_list("", &files))
                .detail(&file_list("cannot be read: ", &unread))
                .hint("if you have that key still, a cluster without one takes it: init --import")
                .hint(format!("else move the files first: {TYPE_KEY}; sops rotate --in-place --add-age NEW FILE"))
                .hint_command(
                    "if that key is lost for good, with the same options:",
                    init().option("--replace", old.to_string()).word("--accept-loss")),
            InitError::NamespaceMissing { .. } => failure
                .hint("--create-namespace creates it; flux bootstrap does too")
                .hint(OTHER_CLUSTER),
            InitError::Vanished { .. } => failure.hint("run it again"),
            InitError::Uncertain { secret, .. } => failure
                .hint("run it again when the cluster answers: nobody has seen the key, if it is there")
                .hint_command(
                    "to see whether it is there:",
                    kubectl(format!("-n {} get secret {}", secret.namespace, secret.name))),
            InitError::TakenBack { config_path, .. } => failure.hint(format!(
                "look at {}, and run it again",
                config_path.display()
            )),
            InitError::LeftBehind { secret, .. } => failure.hint_command(
                "nobody has seen its key, so delete it:",
                kubectl(format!("-n {} delete secret {}", secret.namespace, secret.name))),
        }
    }
}
