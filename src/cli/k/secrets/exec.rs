//! `kb k secrets exec`

use std::ffi::OsString;
use std::io;
use std::path::Path;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::examples;
use crate::cli::failure::Failure;
use crate::cli::message::command::kb;
use crate::cli::{EXIT_NO_PROGRAM, EXIT_NOT_STARTED};
use crate::core::decrypt;
use crate::core::exec::become_program;

/// Run a command with the cluster's key in SOPS_AGE_KEY
///
/// For sops itself and what calls it: sops set, helm secrets, a script. The
/// command takes the place of kb, so its exit code is its own. Other age identities
/// are taken out of its environment; a key file of yours that sops finds by itself
/// (sops/age/keys.txt) stays.
#[derive(Args, Debug)]
#[command(after_help = examples::EXEC)]
pub struct Exec {
    /// The command, and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl Exec {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let Some((program, arguments)) = self.command.split_first() else {
            // clap requires one.
            return Ok(());
        };
        let cluster = context.connect()?;
        let keys = decrypt::fetch(&cluster, &context.common.secret())?;
        context.warn_of_bad_lines(&keys.bad_lines);
        drop(cluster);
        let variables = context.environment.variables();
        let error = become_program(program, arguments, variables, &keys.for_sops());
        let name = program.to_string_lossy();
        Err(match error.kind() {
            io::ErrorKind::NotFound if !Path::new(program).is_file() => {
                Failure::new(format!("there is no program {name}"))
                    .hint_command(
                        "is it on the PATH? A shell's own words need a shell:",
                        kb("k secrets exec").child("sh -c '…'"),
                    )
                    .exit_with(EXIT_NO_PROGRAM)
            }
            _ => Failure::new(format!("cannot start {name}: {error}"))
                .hint("ls -l shows whether it is executable")
                .exit_with(EXIT_NOT_STARTED),
        })
    }
}
