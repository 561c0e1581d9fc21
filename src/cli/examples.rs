//! Examples in the help of each command, and what sops calls the same thing.

use super::message::Hint;
use super::message::command::kb;
use super::message::hints::{rotate, use_existing};

/// The end of a command's help.
macro_rules! examples {
    ($($line:literal),+) => {
        concat!(
            "Examples:\n",
            $("  ", $line, "\n",)+
            "\nOptions for the cluster, the repository and the output: kb --help"
        )
    };
}

pub(in crate::cli) const INIT: &str = examples!(
    "kb k secrets init --context prod --path-regex '^clusters/prod/(.*/)?[^/]*secret[^/]*\\.ya?ml$'",
    "pass show prod/age | kb k secrets init --import",
    "kb k secrets init --force"
);
pub(in crate::cli) const EDIT: &str = examples!(
    "kb k secrets edit clusters/prod/db-secret.yaml",
    "make-secret db | EDITOR='cp /dev/stdin' kb k secrets edit clusters/prod/db-secret.yaml"
);
pub(in crate::cli) const DRAFTS: &str = examples!(
    "kb k secrets drafts",
    "kb k secrets drafts --discard clusters/prod/db-secret.yaml"
);
pub(in crate::cli) const DECRYPT: &str = examples!(
    "kb k secrets decrypt clusters/prod/db-secret.yaml",
    "kb k secrets decrypt --extract '[\"stringData\"][\"password\"]' clusters/prod/db-secret.yaml"
);
pub(in crate::cli) const STATUS: &str = examples!(
    "kb k secrets status",
    "kb k secrets status --context prod -o json"
);
pub(in crate::cli) const CHECK: &str = examples!(
    "kb k secrets check",
    "kb k secrets check --staged",
    "kb k secrets check --fix clusters/prod/db-secret.yaml"
);
pub(in crate::cli) const EXEC: &str =
    examples!("kb k secrets exec -- sops set FILE '[\"stringData\"][\"user\"]' '\"app\"'");
pub(in crate::cli) const KEY: &str =
    examples!("export SOPS_AGE_KEY_CMD='kb k secrets key --context prod'");
pub(in crate::cli) const PRUNE: &str = examples!(
    "kb k secrets prune --dry-run",
    "kb k secrets prune --context prod --yes"
);

/// What kb has for a command of sops's, or a word that people try.
pub(in crate::cli) fn equivalent_of(word: &str) -> Option<Hint> {
    let (purpose, command) = match word {
        "updatekeys" | "rekey" => (
            "to re-encrypt files for the readers that their rules name:",
            use_existing(),
        ),
        "rotate" => ("to replace the key and re-encrypt the files:", rotate()),
        "encrypt" => (
            "to encrypt a Secret in place (edit creates an encrypted file):",
            kb("k secrets check --fix PATH"),
        ),
        "set" | "unset" | "new" | "create" => {
            ("to change values in an editor:", kb("k secrets edit PATH"))
        }
        "get" | "view" | "cat" | "show" => {
            ("to print the plaintext:", kb("k secrets decrypt PATH"))
        }
        "exec-env" | "exec-file" | "run" => (
            "to run a command with the cluster's key:",
            kb("k secrets exec").child("COMMAND"),
        ),
        _ => return None,
    };
    Some(Hint::command(purpose, command))
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory, Parser};

    use super::*;
    use crate::cli::Cli;

    fn secrets() -> Command {
        let mut root = Cli::command();
        root.build();
        let k = root.find_subcommand("k").expect("k");
        k.find_subcommand("secrets").expect("secrets").clone()
    }

    #[test]
    fn each_command_has_examples_that_kb_takes() {
        for command in secrets().get_subcommands() {
            let name = command.get_name().to_owned();
            if name == "help" {
                continue;
            }
            let text = command.get_after_help().map(ToString::to_string);
            let text = text.unwrap_or_default();
            let examples = text.lines().filter(|line| line.starts_with("  "));
            let mut count = 0;
            for example in examples {
                let own = &example[example.find("kb k ").expect("a command of kb's")..];
                // A quote that opens before kb.
                let is_quoted = own.matches('\'').count() % 2 == 1;
                let own = own.strip_suffix('\'').filter(|_| is_quoted).unwrap_or(own);
                let words = shlex::split(own).expect("words of a shell");
                assert_eq!(words[3], name, "{example}");
                if let Err(error) = Cli::try_parse_from(&words) {
                    panic!("{example}: {error}");
                }
                count += 1;
            }
            assert!(count > 0, "{name} has no example");
        }
    }

    #[test]
    fn the_groups_in_the_help_name_each_command_with_its_own_words() {
        let help = secrets().render_help().to_string();
        for command in secrets().get_subcommands() {
            if command.get_name() == "help" {
                continue;
            }
            let about = command.get_about().expect("what it does").to_string();
            let line = format!("  {:<8} {about}", command.get_name());
            assert!(help.lines().any(|it| it == line), "no {line:?} in:\n{help}");
        }
        let commands = secrets().get_subcommands().count() - 1;
        let lines = help.lines().filter(|line| line.starts_with("  ")).count();
        assert_eq!(lines, commands, "{help}");
    }

    #[test]
    fn words_of_sops_lead_to_commands_that_kb_takes() {
        for word in [
            "updatekeys",
            "rekey",
            "rotate",
            "encrypt",
            "set",
            "get",
            "exec-env",
        ] {
            let Some(Hint::Command { command, .. }) = equivalent_of(word) else {
                panic!("{word} leads nowhere");
            };
            command.assert_parses();
        }
        assert_eq!(equivalent_of("frobnicate"), None);
    }
}
