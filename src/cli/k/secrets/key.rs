//! `kb k secrets key`

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use crate::cli::context::Context;
use crate::cli::environment::SOPS_AGE_RECIPIENT;
use crate::cli::failure::Failure;
use crate::core::decrypt;
use crate::core::identity::{Identity, Recipient};

const WHAT: &str = "the private key";

/// Print the cluster's private keys, for SOPS_AGE_KEY_CMD
///
/// export SOPS_AGE_KEY_CMD='kb k secrets key' lets sops, and the editor plugins that
/// call it, use the cluster's key. sops names the recipient that it wants in
/// SOPS_AGE_RECIPIENT: then only the key of that one is printed, if this cluster
/// holds it.
#[derive(Args, Debug)]
pub struct Key {
    /// Write to a stdout that is a file in a repository
    #[arg(long)]
    allow_disk: bool,
}

impl Key {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        context
            .stdout
            .check_for_secret(WHAT, self.allow_disk, &context.report)?;
        let wanted = context.environment.wanted_recipient();
        let wanted = wanted.map(|text| {
            let unknown = |error| {
                Failure::new(format!("{SOPS_AGE_RECIPIENT} is no recipient: {error}"))
                    .hint("sops sets it; unset it to print all keys of the cluster")
            };
            text.parse::<Recipient>().map_err(unknown)
        });
        let wanted = wanted.transpose()?;
        let cluster = context.connect()?;
        let secret = context.common.secret();
        let keys = decrypt::fetch(&cluster, &secret)?;
        context.warn_of_bad_lines(&keys.bad_lines);
        let is_wanted = |identity: &&Identity| match (&wanted, identity.recipient()) {
            (None, _) => true,
            (Some(wanted), Some(recipient)) => recipient == wanted,
            // Whose a post-quantum identity is, only sops can tell.
            (Some(wanted), None) => keys.may_open(wanted, &[]),
        };
        let lines = keys.identities().filter(is_wanted);
        let lines: Vec<String> = lines
            .map(|identity| format!("{}\n", identity.key().expose()))
            .collect();
        let text = SecretString::from(lines.concat());
        if let (true, Some(wanted)) = (lines.is_empty(), wanted) {
            return Err(
                Failure::new(format!("the Secret {secret} holds no key for {wanted}"))
                    .hint("--context chooses another cluster"),
            );
        }
        let written = context.stdout.write(text.expose_secret().as_bytes());
        written.map_err(|error| Failure::stdout(WHAT, &error))
    }
}
