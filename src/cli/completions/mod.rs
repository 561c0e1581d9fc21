//! `kb completions`, and what the shells then ask: contexts, rules and recipients are
//! completed as they are at that moment.

mod shell;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{Args, Command, CommandFactory};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};

pub(super) use self::shell::Shell;
use super::Cli;
use super::context::Context;
use super::environment::Environment;
use super::failure::Failure;
use super::stdout::Stdout;
use crate::core::cluster::kubeconfig;
use crate::core::identity::Recipient;
use crate::core::repository;
use crate::core::sops_config::{CreationRule, SopsConfig};

/// Print what a shell needs to complete kb's words
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let what = "the completions";
        context.stdout.check_open(what)?;
        let written = context.stdout.write(&self.shell.script());
        written.map_err(|error| Failure::stdout(what, &error))
    }
}

/// The shell that asks for completions, if one does.
pub(super) fn asking_shell(environment: &Environment) -> Option<Shell> {
    Shell::named(&environment.shell_that_completes()?)
}

/// Answers a shell that asks for completions of the words behind `--`. Whatever goes wrong,
/// nothing is completed then: there is nobody to tell. Without words, the shell gets its
/// script.
pub(super) fn answer(
    shell: Shell,
    arguments: Vec<OsString>,
    environment: &Environment,
    directory: &Path,
    stdout: &Stdout,
) {
    let words = arguments
        .into_iter()
        .skip_while(|word| word != "--")
        .skip(1);
    let words: Vec<OsString> = words.collect();
    if words.is_empty() {
        let _ = stdout.write(&shell.script());
        return;
    }
    let (words, index) = shell.typed(words, environment.word_to_complete());
    let mut command = with_values(Cli::command(), environment, directory);
    let candidates = complete(&mut command, words, index, Some(directory));
    let answer = shell.answer(&candidates.unwrap_or_default());
    let _ = stdout.write(answer.as_bytes());
}

/// The command tree with the values that can be completed.
fn with_values(command: Command, environment: &Environment, directory: &Path) -> Command {
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

/// Completes to one of these values.
fn one_of(values: Values) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let typed = typed.to_string_lossy();
        let all = values().into_iter();
        let fitting = all.filter(|value| value.starts_with(&*typed));
        fitting.map(CompletionCandidate::new).collect::<Vec<_>>()
    })
}

/// What gives the values that there are now.
type Values = Box<dyn Fn() -> Vec<String> + Send + Sync>;
