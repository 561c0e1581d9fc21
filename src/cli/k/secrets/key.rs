//! `kb k secrets key`

use clap::Args;
use secrecy::ExposeSecret;

use crate::cli::context::Context;
use crate::cli::environment::SOPS_AGE_RECIPIENT;
use crate::cli::examples;
use crate::cli::failure::Failure;
use crate::core::decrypt;
use crate::core::identity::Recipient;

const WHAT: &str = "the private key";

/// Print the cluster's private keys, for SOPS_AGE_KEY_CMD
///
/// export SOPS_AGE_KEY_CMD='kb k secrets key' lets sops, and the editor plugins that
/// call it, use the cluster's key. sops names the recipient that it wants in
/// SOPS_AGE_RECIPIENT: then only the key of that one is printed, if this cluster
/// holds it.
#[derive(Args, Debug)]
#[command(after_help = examples::KEY)]
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
                Failure::new(format!("{SOPS_AGE_RECIPIENT} is not a recipient: {error}"))
                    .hint("sops sets it; unset it to print all keys of the cluster")
            };
            text.parse::<Recipient>().map_err(unknown)
        });
        let wanted = wanted.transpose()?;
        let cluster = context.connect()?;
        let secret = context.common.secret();
        let keys = decrypt::fetch(&cluster, &secret)?;
        context.warn_of_bad_lines(&keys.bad_lines);
        let text = match wanted {
            None => keys.for_sops(),
            Some(wanted) => keys.for_recipient(&wanted).ok_or_else(|| {
                let text = format!("the Secret {secret} holds no key for {wanted}");
                Failure::new(text).hint("--context chooses another cluster")
            })?,
        };
        let written = context.stdout.write_key(text.expose_secret());
        written.map_err(|error| Failure::stdout(WHAT, &error))
    }
}
