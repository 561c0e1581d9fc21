//! `kb k secrets`: manage the secrets of a cluster.

pub mod decrypt;
pub mod init;

use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::Context;
use crate::cli::failure::{Failure, SAME_CONTEXT};
use crate::core::cluster::{Cluster, kubeconfig};
use crate::core::flux_secret::{BadLine, SecretName};
use crate::core::sops::Sops;

/// The words after `kb k secrets`.
#[derive(Subcommand, Debug)]
pub enum Secrets {
    /// Give the cluster its age key, and .sops.yaml the public half
    Init(init::Init),
    /// Print the plaintext of an encrypted file
    Decrypt(decrypt::Decrypt),
}

impl Secrets {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Init(init) => init.run(context),
            Self::Decrypt(decrypt) => decrypt.run(context),
        }
    }
}

/// Connects to the cluster that the options and the environment name.
fn connect(context: &Context) -> Result<Cluster, Failure> {
    let source = context.environment.kubeconfig(&context.common);
    let target = kubeconfig::load(&source)?;
    let (name, server) = (target.context.clone(), target.server());
    context.report.detail(&format!(
        "asking the API server {server} (context \"{name}\")"
    ));
    Ok(Cluster::connect(target, context.common.request_timeout.0)?)
}

/// Finds sops on the `PATH`. A config that `--config` names is passed on.
fn find_sops(context: &Context) -> Result<Sops, Failure> {
    let config: Option<PathBuf> = context.common.config.clone();
    let config = config.map(|path| context.directory.join(path));
    Ok(Sops::find(context.environment.variables(), config)?)
}

/// Warns of a line in the Secret for which Flux refuses all of it.
fn warn_of_bad_line(context: &Context, secret: &SecretName, bad: &BadLine) {
    context.report.warning(
        &format!(
            "the Secret {secret}, {}, line {}: {}; Flux refuses the whole Secret for it",
            bad.entry, bad.line, bad.reason
        ),
        Some(&format!(
            "kubectl{SAME_CONTEXT} -n {} edit secret {} takes the line out (the entry is base64)",
            secret.namespace, secret.name
        )),
    );
}
