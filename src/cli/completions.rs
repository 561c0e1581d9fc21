//! `kb completions`, and what the shells then ask: contexts, rules and recipients are
//! completed as they are at that moment.

use std::ffi::OsStr;
use std::path::Path;

use clap::{Args, Command, CommandFactory, ValueEnum};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};

use super::Cli;
use super::context::Context;
use super::environment::{Environment, KB_COMPLETE as VARIABLE};
use super::failure::Failure;
use super::options::quoted;
use crate::core::cluster::kubeconfig;
use crate::core::identity::Recipient;
use crate::core::repository;
use crate::core::sops_config::{CreationRule, SopsConfig};

/// Of all shells, this one takes what is completed as words of its own language.
const UNQUOTING_SHELL: &str = "bash";

/// Print what a shell needs to complete kb's words
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// The shells that are known.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Completions {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let what = "the completions";
        context.stdout.check_open(what)?;
        let name = self.shell.to_possible_value();
        let name = name.as_ref().map_or("", |value| value.get_name());
        let mut script = Vec::new();
        if let Some(shell) = Shells::builtins().completer(name) {
            let written = shell.write_registration(VARIABLE, "kb", "kb", "kb", &mut script);
            written.map_err(|error| Failure::stdout(what, &error))?;
        }
        let written = context.stdout.write(&script);
        written.map_err(|error| Failure::stdout(what, &error))
    }
}

/// The shell that asks for completions, if one does.
pub(super) fn asking_shell(environment: &Environment) -> Option<String> {
    let name = environment.shell_that_completes()?;
    Shells::builtins()
        .completer(&name)
        .is_some()
        .then_some(name)
}

/// Answers a shell that asks for completions. Whatever goes wrong, nothing is
/// completed then: there is nobody to tell.
pub(super) fn answer(
    shell: &str,
    arguments: Vec<std::ffi::OsString>,
    environment: &Environment,
    directory: &Path,
) {
    let is_quoted = shell == UNQUOTING_SHELL;
    let command = || with_values(Cli::command(), environment, directory, is_quoted);
    let complete = CompleteEnv::with_factory(command).var(VARIABLE);
    let _ = complete.try_complete(arguments, Some(directory));
}

/// The command tree with the values that can be completed.
fn with_values(
    command: Command,
    environment: &Environment,
    directory: &Path,
    is_quoted: bool,
) -> Command {
    // What is asked for is known only to the completer itself, and that gets nothing but
    // the word: so --kubeconfig and --config of the same line do not count.
    let source = environment.kubeconfig(None, None);
    let contexts = move || kubeconfig::contexts(&source).unwrap_or_default();
    let config = environment.named_config();
    let directory = directory.to_owned();
    let rules = move || {
        let found = repository::find_config(&directory, config.as_deref());
        let config = found.and_then(|found| SopsConfig::load(&found.path).ok());
        config.map(|config| config.rules).unwrap_or_default()
    };
    let paths = {
        let rules = rules.clone();
        move || rules().iter().filter_map(CreationRule::paths).collect()
    };
    let recipients = move || {
        let rules = rules();
        let keys = rules.iter().flat_map(CreationRule::recipients);
        let keys = keys.filter(Recipient::may_be_a_clusters);
        keys.map(|key| key.to_string()).collect()
    };
    let one_of = |values| one_of(values, is_quoted);
    let command = command.mut_arg("context", |arg| arg.add(one_of(Box::new(contexts))));
    command.mut_subcommand("k", |k| {
        k.mut_subcommand("secrets", |secrets| {
            secrets.mut_subcommand("init", |init| {
                init.mut_arg("path_regex", |arg| arg.add(one_of(Box::new(paths))))
                    .mut_arg("replace", |arg| arg.add(one_of(Box::new(recipients))))
            })
        })
    })
}

/// Completes to one of these values; as a word of the shell's own language if it is to be
/// quoted.
fn one_of(values: Values, is_quoted: bool) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let typed = typed.to_string_lossy();
        let typed = typed.trim_start_matches(['\'', '"']);
        let all = values().into_iter();
        let fitting = all.filter(|value| value.starts_with(typed));
        let words = fitting.map(|value| match is_quoted {
            true => quoted(&value),
            false => value,
        });
        words.map(CompletionCandidate::new).collect::<Vec<_>>()
    })
}

/// What gives the values that there are now.
type Values = Box<dyn Fn() -> Vec<String> + Send + Sync>;
