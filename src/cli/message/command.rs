//! Commands in hints. kb's own are made of words, so that they can be quoted and parsed;
//! the options that name the cluster are added when a command is printed.

use std::path::Path;

use crate::core::cluster::SecretName;

/// The options with which the cluster of this command line is named again: typed without
/// them, a command would go to another cluster. Each begins with a space.
#[derive(Debug, Default)]
pub struct SameCluster {
    /// For kb: kubeconfig, context, the Secret's namespace and name, and the config.
    pub kb: String,
    /// For kubectl: kubeconfig and context.
    pub kubectl: String,
}

/// A command of kb or kubectl, and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    start: Start,
    /// Whether kb's words name the Secret already.
    names_secret: bool,
    /// What follows kb's own words.
    rest: Vec<Rest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Start {
    /// kb's words, not quoted yet.
    Kb(Vec<String>),
    /// Shell text behind `kubectl`.
    Kubectl(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rest {
    /// The command that `exec` runs, as shell text.
    Child(String),
    /// Shell text behind a pipe.
    Pipe(String),
    /// A command behind a pipe.
    PipeTo(Box<Command>),
}

/// A command of kb's. `words` are separated by spaces; a word with a space or a quote in it
/// is added with [`Command::word`].
pub fn kb(words: &str) -> Command {
    Command {
        start: Start::Kb(words.split_whitespace().map(str::to_owned).collect()),
        names_secret: false,
        rest: Vec::new(),
    }
}

/// A command of kubectl's. `arguments` is shell text.
pub fn kubectl(arguments: impl Into<String>) -> Command {
    Command {
        start: Start::Kubectl(arguments.into()),
        names_secret: false,
        rest: Vec::new(),
    }
}

impl Command {
    /// Adds one word, which is quoted where a shell needs it.
    #[must_use]
    pub fn word(mut self, word: impl Into<String>) -> Self {
        match &mut self.start {
            Start::Kb(words) => words.push(word.into()),
            Start::Kubectl(text) => {
                text.push(' ');
                text.push_str(&quoted(&word.into()));
            }
        }
        self
    }

    /// Adds a path, in a form that is not taken for an option.
    #[must_use]
    pub fn path(self, path: &Path) -> Self {
        let path = path.to_string_lossy();
        if path.starts_with('-') {
            return self.word(format!("./{path}"));
        }
        self.word(path)
    }

    /// Adds an option with its value, in a form in which the value is not taken for another
    /// option.
    #[must_use]
    pub fn option(self, name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        if value.starts_with('-') {
            return self.word(format!("{name}={value}"));
        }
        self.word(name).word(value)
    }

    /// Names another Secret than the one of this command line.
    #[must_use]
    pub fn secret(self, secret: &SecretName) -> Self {
        let mut command = self
            .option("-n", &secret.namespace)
            .option("--secret-name", &secret.name);
        command.names_secret = true;
        command
    }

    /// Adds the command that `exec` runs: shell text.
    #[must_use]
    pub fn child(mut self, text: impl Into<String>) -> Self {
        self.rest.push(Rest::Child(text.into()));
        self
    }

    /// Adds a pipe to another program: shell text.
    #[must_use]
    pub fn pipe(mut self, text: impl Into<String>) -> Self {
        self.rest.push(Rest::Pipe(text.into()));
        self
    }

    /// Adds a pipe to another command.
    #[must_use]
    pub fn pipe_to(mut self, command: Command) -> Self {
        self.rest.push(Rest::PipeTo(Box::new(command)));
        self
    }

    /// The command as it is typed.
    pub fn render(&self, same: &SameCluster) -> String {
        let mut text = match &self.start {
            Start::Kb(words) => {
                let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
                let options = if self.names_secret {
                    &same.kubectl
                } else {
                    &same.kb
                };
                format!("kb {}{options}", words.join(" "))
            }
            Start::Kubectl(arguments) => format!("kubectl{} {arguments}", same.kubectl),
        };
        for rest in &self.rest {
            match rest {
                Rest::Child(child) => text.push_str(&format!(" -- {child}")),
                Rest::Pipe(pipe) => text.push_str(&format!(" | {pipe}")),
                Rest::PipeTo(command) => text.push_str(&format!(" | {}", command.render(same))),
            }
        }
        text
    }

    /// Panics if kb itself would refuse the command: then the hint is wrong. Values may come
    /// from outside, and are not judged.
    #[cfg(debug_assertions)]
    pub fn assert_parses(&self) {
        use clap::Parser;
        if let Start::Kb(words) = &self.start {
            let child = self.rest.iter().any(|rest| matches!(rest, Rest::Child(_)));
            let child = child.then_some(["--", "CHILD"]).into_iter().flatten();
            let words = std::iter::once("kb").chain(words.iter().map(String::as_str));
            let parsed = crate::cli::Cli::try_parse_from(words.chain(child));
            let error = parsed.err().map(|error| error.kind());
            let is_accepted = matches!(error, None | Some(clap::error::ErrorKind::ValueValidation));
            assert!(is_accepted, "{self:?}: {error:?}");
        }
        for rest in &self.rest {
            if let Rest::PipeTo(command) = rest {
                command.assert_parses();
            }
        }
    }
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same() -> SameCluster {
        SameCluster {
            kb: " --context=c -n n".to_owned(),
            kubectl: " --context=c".to_owned(),
        }
    }

    #[test]
    fn the_options_of_the_cluster_are_among_kbs_own_words() {
        for (command, text) in [
            (kb("k secrets init"), "kb k secrets init --context=c -n n"),
            (
                kb("k secrets exec").child("sops x"),
                "kb k secrets exec --context=c -n n -- sops x",
            ),
            (
                kb("k secrets decrypt")
                    .word("p -- q/a | b")
                    .pipe("sops encrypt"),
                "kb k secrets decrypt 'p -- q/a | b' --context=c -n n | sops encrypt",
            ),
            (
                kb("k secrets check --fix")
                    .path(Path::new("-a.yaml"))
                    .option("--skip", "-x"),
                "kb k secrets check --fix ./-a.yaml --skip=-x --context=c -n n",
            ),
            (
                kb("k secrets key").pipe_to(kb("k secrets init --import").secret(&SecretName {
                    namespace: "other".to_owned(),
                    name: "s".to_owned(),
                })),
                "kb k secrets key --context=c -n n | kb k secrets init --import -n other --secret-name s --context=c",
            ),
            (
                kubectl("get secret x").pipe_to(kubectl("auth whoami")),
                "kubectl --context=c get secret x | kubectl --context=c auth whoami",
            ),
        ] {
            assert_eq!(command.render(&same()), text);
            command.assert_parses();
        }
    }

    #[test]
    #[should_panic(expected = "UnknownArgument")]
    fn a_command_that_kb_refuses_is_no_hint() {
        kb("k secrets init --no-such-option").assert_parses();
    }
}
