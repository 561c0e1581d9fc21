//! `kb k secrets`: manage the secrets of a cluster.

pub mod check;
pub mod decrypt;
pub mod drafts;
pub mod edit;
pub mod exec;
mod finding;
pub mod init;
pub mod key;
pub mod prune;
pub mod status;

use clap::Subcommand;

use crate::cli::context::Context;
use crate::cli::failure::Failure;

/// The commands in groups; a test compares the words with those of each command.
const HELP: &str = "\
{about-with-newline}
{usage-heading} {usage}

Keys:
  init     Give the cluster its age key, and .sops.yaml the public half
  prune    Drop retired keys from the cluster, once nothing needs them

Files:
  edit     Create or edit an encrypted file
  decrypt  Print the plaintext of an encrypted file
  drafts   List texts of edit that could not be saved, or throw them away

Cluster:
  status   Say whether the cluster's key, .sops.yaml, the files and Flux match

Guard:
  check    Look for plaintext and wrong readers that must not get into Git; needs no cluster

Other programs:
  exec     Run a command with the cluster's key in SOPS_AGE_KEY
  key      Print the cluster's private keys, for SOPS_AGE_KEY_CMD

Options of a command: kb k secrets COMMAND --help
Options of all commands: kb --help";

/// The words after `kb k secrets`.
#[derive(Subcommand, Debug)]
#[command(help_template = HELP)]
pub enum Secrets {
    /// Give the cluster its age key, and .sops.yaml the public half
    Init(init::Init),
    /// Create or edit an encrypted file
    Edit(edit::Edit),
    /// List texts of edit that could not be saved, or throw them away
    Drafts(drafts::Drafts),
    /// Print the plaintext of an encrypted file
    Decrypt(decrypt::Decrypt),
    /// Say whether the cluster's key, .sops.yaml, the files and Flux match
    Status(status::Status),
    /// Look for plaintext and wrong readers that must not get into Git; needs no cluster
    Check(check::Check),
    /// Run a command with the cluster's key in SOPS_AGE_KEY
    Exec(exec::Exec),
    /// Print the cluster's private keys, for SOPS_AGE_KEY_CMD
    Key(key::Key),
    /// Drop retired keys from the cluster, once nothing needs them
    Prune(prune::Prune),
}

impl Secrets {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Init(init) => init.run(context),
            Self::Edit(edit) => edit.run(context),
            Self::Drafts(drafts) => drafts.run(context),
            Self::Decrypt(decrypt) => decrypt.run(context),
            Self::Status(status) => status.run(context),
            Self::Check(check) => check.run(context),
            Self::Exec(exec) => exec.run(context),
            Self::Key(key) => key.run(context),
            Self::Prune(prune) => prune.run(context),
        }
    }
}
