//! `kb k`: work with a Kubernetes cluster.

pub mod secrets;

use clap::Subcommand;

use super::context::Context;
use super::failure::Failure;

/// The words after `kb k`.
#[derive(Subcommand, Debug)]
pub enum K {
    /// Manage the secrets of a cluster
    #[command(subcommand)]
    Secrets(secrets::Secrets),
}

impl K {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Secrets(secrets) => secrets.run(context),
        }
    }
}
