//! The command line: arguments and environment in, words and an exit code out.
//!
//! The folders below are the command's words: `kb k secrets init` is
//! [`k::secrets::init`]. A leaf holds its arguments, calls the core and prints.
//!
//! | module | does |
//! | --- | --- |
//! | [`completions`], [`man`] | what shells and packagers need |
//! | [`context`] | what every command gets beside its own arguments |
//! | [`environment`] | reads the variables that kb knows |
//! | [`message`] | hints, their commands, and safe text |
//! | [`options`] | the options that every command takes |
//! | [`origin`] | says where context, namespace, Secret and config came from |
//! | [`progress`] | shows on a terminal how far it is |
//! | [`private_key`] | takes a private key from stdin or a hidden prompt |
//! | [`readers`] | options that decide about readers of files |
//! | [`report`] | writes to stderr: the only place that does |
//! | [`rule_picker`] | asks which rule of `.sops.yaml` a key is for |
//! | [`servers`] | asks before a key server is used for the first time |
//! | [`stdout`] | writes what was asked for to stdout: the only place that does |
//! | [`examples`] | examples in the help, and what sops calls a command |
//! | [`failure`] | gives each error its hints |

pub mod completions;
pub mod context;
pub mod environment;
pub mod examples;
pub mod failure;
pub mod k;
pub mod man;
pub mod message;
pub mod options;
pub mod origin;
pub mod private_key;
pub mod progress;
pub mod readers;
pub mod report;
pub mod rule_picker;
#[cfg(test)]
mod schemas;
pub mod servers;
pub mod stdout;

use std::ffi::OsString;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use context::Context;
use environment::Environment;
use failure::Failure;
use options::CommonOptions;
use report::Report;
use stdout::Stdout;

use crate::core::signals;

/// It is done.
pub const EXIT_DONE: u8 = 0;
/// It failed.
pub const EXIT_FAILED: u8 = 1;
/// The command line is wrong.
pub const EXIT_USAGE: u8 = 2;
/// `status` and `check` have found a problem.
pub const EXIT_FOUND: u8 = 3;

/// As a shell has it: `exec` could not start its command.
pub const EXIT_NOT_STARTED: u8 = 126;
/// As a shell has it: there is no such command for `exec`.
pub const EXIT_NO_PROGRAM: u8 = 127;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; the message says why and what to do
  2  wrong usage
  3  status and check: a problem was found
exec has those of its command; 126 and 127 if it cannot be started";

/// Kubernetes secrets in Git, encrypted with SOPS and one age key per cluster
#[derive(Parser, Debug)]
#[command(name = "kb", version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    common: CommonOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Work with a Kubernetes cluster
    #[command(name = "k", visible_alias = "kubernetes", subcommand)]
    K(k::K),
    /// Print what a shell needs to complete kb's words
    Completions(completions::Completions),
    /// Write man pages, one for each command, for packagers
    Man(man::Man),
}

/// Everything that kb takes from the process it runs in.
pub struct Process {
    /// The command line, the program's name first.
    pub arguments: Vec<OsString>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The working directory, or why there is none.
    pub directory: std::io::Result<PathBuf>,
    /// Whether stdout was closed from the start.
    pub stdout_was_closed: bool,
}

/// Runs kb, and turns whatever happens into one of the documented exit codes.
pub fn main(process: Process) -> ExitCode {
    forbid_core_dumps();
    signals::survive_size_limit();
    std::panic::set_hook(Box::new(|panic| report::defect(panic.location())));
    let code = std::panic::catch_unwind(AssertUnwindSafe(|| run(process))).unwrap_or(EXIT_FAILED);
    ExitCode::from(code)
}

/// A core dump would put keys and plaintext on disk. The limit passes on to
/// sops; where it cannot be set, there is nothing else to do.
fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    // A handler in core_pattern gets dumps whatever the limit says.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

fn run(process: Process) -> u8 {
    let environment = Environment::new(process.environment);
    let directory = process.directory.map(|real| environment.spelled(real));
    if let Some(shell) = completions::asking_shell(&environment) {
        let directory = directory.unwrap_or_default();
        let stdout = Stdout::new(process.stdout_was_closed);
        completions::answer(shell, process.arguments, &environment, &directory, &stdout);
        return EXIT_DONE;
    }
    let cli = match Cli::try_parse_from(process.arguments) {
        Ok(cli) => cli,
        Err(error) => return report::usage(&error),
    };
    let Ok(directory) = directory else {
        let report = Report::new(&cli.common, PathBuf::new());
        return report.failure(
            &Failure::new("the working directory is gone").hint("cd to another directory"),
        );
    };
    let context = Context {
        report: Report::new(&cli.common, directory.clone()),
        stdout: Stdout::new(process.stdout_was_closed),
        environment,
        directory,
        common: cli.common,
    };
    let result = match cli.command {
        Command::K(k) => k.run(&context),
        Command::Completions(completions) => completions.run(&context),
        Command::Man(man) => man.run(&context),
    };
    context.environment.pause_at("ended");
    match result {
        Ok(()) => EXIT_DONE,
        Err(failure) => context.report.failure(&failure),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_tree_is_well_formed() {
        Cli::command().debug_assert();
    }
}
