//! `kb k secrets decrypt`

use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::{ExposeSecret, SecretBox};

use crate::cli::context::Context;
use crate::cli::examples;
use crate::cli::failure::Failure;
use crate::core::decrypt;
use crate::core::encrypted::{self, EncryptedFile, FileError};
use crate::core::repository;
use crate::core::rules::Rules;
use crate::core::sops_config::{self, ConfigError};

/// Print the plaintext of an encrypted file
///
/// The key comes from the cluster (Secret flux-system/sops-age) and is handed to
/// sops in memory. A file that is encrypted only for developers' own keys needs
/// no cluster.
#[derive(Args, Debug)]
#[command(after_help = examples::DECRYPT)]
pub struct Decrypt {
    /// The encrypted file
    #[arg(value_name = "PATH")]
    path: PathBuf,

    #[arg(
        long,
        value_name = "EXPRESSION",
        help = "Print only one value, as in '[\"data\"][\"password\"]'"
    )]
    extract: Option<String>,

    /// Print it even if the MAC does not match
    #[arg(long)]
    ignore_mac: bool,

    /// For git diff: a file that cannot be opened is printed as it is
    #[arg(long, conflicts_with = "extract")]
    textconv: bool,

    /// Write to a stdout that is a file in a repository
    #[arg(long)]
    allow_disk: bool,
}

impl Decrypt {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        context
            .stdout
            .check_for_secret("the plaintext", self.allow_disk, &context.report)?;
        let file = context.file(&self.path)?;
        let plaintext = match self.decrypt(context, &file) {
            // Without a plaintext git log -p would end at the first file of another
            // cluster.
            Err(failure) if self.textconv => {
                if let Some(message) = failure.message() {
                    context.report.detail(message);
                }
                SecretBox::new(Box::new(encrypted::read(&file)?))
            }
            other => other?,
        };
        let written = context.stdout.write(plaintext.expose_secret());
        written.map_err(|error| Failure::stdout("the plaintext", &error))
    }

    fn decrypt(&self, context: &Context, file: &Path) -> Result<SecretBox<Vec<u8>>, Failure> {
        let content = encrypted::read(file)?;
        let parsed = EncryptedFile::parse(file, &content);
        if let Err(
            error @ (FileError::Conflict { .. }
            | FileError::Encoding { .. }
            | FileError::PlainFirst { .. }),
        ) = &parsed
            && self.textconv
        {
            context.report.warning(&error.to_string(), None);
        }
        let parsed = parsed?;
        let named = context.found_config();
        if let Some(path) = repository::misnamed_for(file).filter(|_| named.is_none()) {
            let error = ConfigError::Misnamed { path };
            context.report.warning(&error.to_string(), None);
        }
        let rules = Rules::of_working_tree(file.parent(), named.as_ref());
        let rule = rules.of(file).usable();
        let config = rule.map(|rule| rule.config.path.clone());
        // sops reads the config too, for `stores`, and its own message about a broken one
        // names no place in it.
        let near = repository::find_config(&context.directory, context.named_config().as_deref());
        let config = config.or_else(|| near.map(|near| near.path));
        if let Some(config) = &config {
            sops_config::check_form(config)?;
        }
        let mut sops = context.find_sops()?;
        if let Some(config) = config {
            sops = sops.with_config(config);
        }
        let servers = context.accepted_servers()?;
        let request = decrypt::DecryptRequest {
            path: file,
            file: &parsed,
            content: &content,
            rule: rule.map(|rule| &rule.rule.readers),
            servers: &servers,
            extract: self.extract.as_deref(),
            ignore_mac: self.ignore_mac,
        };
        let secret = context.common.secret();
        let needs_cluster = !parsed.metadata.is_personal();
        let cluster = needs_cluster.then(|| context.connect()).transpose()?;
        let cluster = cluster.as_ref().map(|cluster| (cluster, &secret));
        let decrypted = decrypt::decrypt(&request, cluster, &sops)?;
        context.warn_of_bad_lines(&decrypted.bad_lines);
        for reader in &decrypted.foreign {
            let text = format!(
                "{} is encrypted for {reader} too, which its rule does not name; that was not used",
                file.display()
            );
            if self.textconv {
                context.report.detail(&text);
            } else {
                context.report.warning(&text, None);
            }
        }
        for warning in &decrypted.sops_warnings {
            context
                .report
                .warning(&format!("sops says: {warning}"), None);
        }
        Ok(decrypted.plaintext)
    }
}
