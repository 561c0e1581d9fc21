//! `kb k secrets decrypt`

use std::path::PathBuf;

use clap::Args;
use secrecy::ExposeSecret;

use super::{connect, find_sops, warn_of_bad_line};
use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::core::decrypt;
use crate::core::repository;
use crate::core::sops;
use crate::core::sops_config::SopsConfig;

/// Print the plaintext of an encrypted file
///
/// The key comes from the cluster (Secret flux-system/sops-age) and is handed to
/// sops in memory. A file that is encrypted only for developers' own keys needs
/// no cluster.
#[derive(Args, Debug)]
pub struct Decrypt {
    /// The encrypted file
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// Print only one value, as in '["data"]["password"]'
    #[arg(long, value_name = "EXPRESSION")]
    extract: Option<String>,

    /// Print it even if the MAC does not match
    #[arg(long)]
    ignore_mac: bool,

    /// Write to a stdout that is a file in a repository
    #[arg(long)]
    allow_disk: bool,
}

impl Decrypt {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let file = context.directory.join(&self.path);
        let beside = file.parent().unwrap_or(&context.directory);
        let (repository, _) = repository::locate(beside, None);
        context.stdout.check_for_secret(
            "the plaintext",
            &repository.root,
            self.allow_disk,
            &context.report,
        )?;
        // sops reads the config too, for its `stores`, and its own message
        // about a broken one names no place in it.
        let named = context.environment.named_config(&context.common);
        if let Some(path) = repository::find_config(&context.directory, named.as_deref()) {
            SopsConfig::load(&path)?;
        }
        let sops = find_sops(context)?;
        let request = sops::Decrypt {
            file: &file,
            extract: self.extract.as_deref(),
            ignore_mac: self.ignore_mac,
        };
        let secret = context.common.secret();
        let decrypted = decrypt::decrypt(&request, &secret, &sops, || connect(context))?;
        for bad in &decrypted.bad_lines {
            warn_of_bad_line(context, &secret, bad);
        }
        if !decrypted.sops_warnings.is_empty() {
            let text = format!("sops says: {}", decrypted.sops_warnings);
            context.report.warning(&text, None);
        }
        let written = context.stdout.write(decrypted.plaintext.expose_secret());
        written.map_err(|error| Failure::stdout("the plaintext", &error))
    }
}
