//! Writes to stderr. Nothing else in kb does.
//!
//! Text that comes from outside (file names, sops, the API server) is made
//! safe for a terminal here, and anything that looks like a private key is
//! taken out, wherever it came from. Lines are cut to a length that a person may still read.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the one writer to stderr"
)]

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::{AnsiColor, Style};
use clap::error::{ContextKind, ErrorKind};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::examples;
use super::failure::Failure;
use super::message::Hint;
use super::message::command::{Command, SameCluster};
use super::message::safe_text::safe;
use super::options::CommonOptions;
use super::{EXIT_DONE, EXIT_USAGE};
use crate::core::excerpt::shorten_line;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Where words go.
pub struct Report {
    color: ColorChoice,
    quiet: bool,
    verbose: bool,
    directory: PathBuf,
    same_cluster: SameCluster,
}

impl Report {
    /// Files below `directory`, the working directory, are named from there.
    pub fn new(options: &CommonOptions, directory: PathBuf) -> Self {
        Self {
            color: match options.color {
                clap::ColorChoice::Auto => ColorChoice::Auto,
                clap::ColorChoice::Always => ColorChoice::Always,
                clap::ColorChoice::Never => ColorChoice::Never,
            },
            quiet: options.quiet,
            verbose: options.verbose,
            same_cluster: SameCluster {
                kb: options.same_cluster(),
                kubectl: options.same_context(),
            },
            directory,
        }
    }

    /// Says what is done. Silent with `--quiet`.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.line(None, text);
        }
    }

    /// Whether only warnings, errors and questions are shown.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether what is said stands on a terminal.
    pub fn reaches_a_person(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// A bar on the terminal that shows how much of `length` is done; nothing where
    /// nobody looks.
    pub fn bar(&self, length: usize, what: &'static str) -> ProgressBar {
        if !self.reaches_a_person() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(Some(length as u64), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos} of {len}");
        bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            .with_message(what)
    }

    /// Asks a question that nothing but `y` or `yes` agrees to.
    pub fn confirm(&self, question: &str) -> bool {
        self.ask(&format!("{question} [y/N] "));
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }

    /// Asks; the answer is typed in the same line.
    pub fn ask(&self, question: &str) {
        let mut stderr = AutoStream::new(std::io::stderr().lock(), self.color);
        let _ = write!(stderr, "{}", safe(question)).and_then(|()| stderr.flush());
    }

    /// Says what stands in a file, as it stands there. Silent with `--quiet`.
    pub fn say_verbatim(&self, text: &str) {
        if !self.quiet {
            self.write(None, text);
        }
    }

    /// Says more about what is done. Silent without `--verbose`.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            self.line(None, text);
        }
    }

    /// Warns, with what to do about it where there is something.
    pub fn warning(&self, text: &str, hint: Option<&Hint>) {
        self.line(Some(("warning:", WARNING)), text);
        if let Some(hint) = hint {
            self.hint(hint);
        }
    }

    /// Says what went wrong in a part of the work, and what to do.
    pub fn failure_as_warning(&self, failure: &Failure) {
        if let Some(message) = failure.message() {
            self.line(Some(("warning:", WARNING)), message);
        }
        for hint in failure.hints() {
            self.hint(hint);
        }
    }

    /// Says what went wrong and what to do. Returns the exit code.
    pub fn failure(&self, failure: &Failure) -> u8 {
        if let Some(message) = failure.message() {
            self.line(Some(("error:", ERROR)), message);
        }
        for hint in failure.hints() {
            self.hint(hint);
        }
        failure.exit_code()
    }

    /// A command as it is typed, to go to the same cluster.
    pub fn command(&self, command: &Command) -> String {
        command.render(&self.same_cluster)
    }

    /// A hint as it is printed.
    pub fn hint_text(&self, hint: &Hint) -> String {
        hint.render(&self.same_cluster)
    }

    /// Text that may come from anywhere, for another place than stderr: made safe, with
    /// the files below the working directory named from there.
    pub fn safe_and_short(&self, text: &str) -> String {
        let text = shortened(text, &self.directory);
        let lines = text.split('\n').map(shorten_line);
        safe(&lines.collect::<Vec<_>>().join("\n"))
    }

    fn hint(&self, hint: &Hint) {
        self.line(Some(("hint:", HINT)), &self.hint_text(hint));
    }

    fn line(&self, label: Option<(&str, Style)>, text: &str) {
        let text = shortened(text, &self.directory);
        // A name with a line end in it must not begin a line that looks like
        // one of kb's own.
        let mut lines = text.lines();
        let mut indented = shorten_line(lines.next().unwrap_or_default()).into_owned();
        for line in lines {
            let indent = if label.is_none() || line.starts_with("  ") {
                ""
            } else {
                "  "
            };
            indented.push_str(&format!("\n{indent}{}", shorten_line(line)));
        }
        self.write(label, &indented);
    }

    fn write(&self, label: Option<(&str, Style)>, text: &str) {
        let text = safe(text);
        let mut stderr = AutoStream::new(std::io::stderr().lock(), self.color);
        // A stderr that is gone is no reason to stop.
        let _ = match label {
            Some((label, style)) => writeln!(stderr, "{style}{label}{style:#} {text}"),
            None => writeln!(stderr, "{text}"),
        };
    }
}

/// Names the files below the working directory from there. A path begins where
/// a word does, or a quote; elsewhere, as in a URL, it is something else.
fn shortened(text: &str, directory: &Path) -> String {
    let here = format!("{}/", directory.display());
    if here.len() < 3 {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(&here) {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        let begins = |c: char| c.is_whitespace() || "'\"(=".contains(c);
        rest = &found[here.len()..];
        if !out.chars().next_back().is_none_or(begins) {
            out.push_str(&here);
        } else if rest.starts_with('-') {
            // Else a command in a hint would take it for an option.
            out.push_str("./");
        }
    }
    out + rest
}

/// Says what is wrong with the command line, or shows the help or version that
/// was asked for. Returns the exit code.
pub fn usage(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        // Asked for, so it goes to stdout; a closed pipe is the reader's choice.
        let _ = error.print();
        return EXIT_DONE;
    }
    let mut text = error.render().to_string();
    if let Some(start) = text.find("\nFor more information") {
        text.truncate(start);
    }
    let text = safe(text.trim_end());
    let mut stderr = std::io::stderr().lock();
    let _ = match error.kind() {
        // The words that were left out are the message.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => writeln!(stderr, "{text}"),
        _ => {
            let word = error.get(ContextKind::InvalidSubcommand);
            let word = word.map(ToString::to_string);
            let hint = word.and_then(|word| examples::equivalent_of(&word));
            let hint = hint.map_or("--help shows what the command takes".to_owned(), |hint| {
                hint.render(&SameCluster::default())
            });
            writeln!(stderr, "{text}\nhint: {hint}")
        }
    };
    EXIT_USAGE
}

/// Says that kb itself is wrong: a panic. Its message is left out, for it may
/// quote what kb was working on.
pub fn defect(place: Option<&std::panic::Location<'_>>) {
    let place = place.map_or("an unknown place".to_owned(), ToString::to_string);
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(
        stderr,
        "error: kb has a defect, and stopped at {place}\n\
         hint: please report it with the command you typed; leave keys and secrets out"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shortened_where_they_begin_and_nowhere_else() {
        let here = Path::new("/a/b");
        let text = "cannot read /a/b/c.yaml: https://host/a/b/c '/a/b/d e'";
        assert_eq!(
            shortened(text, here),
            "cannot read c.yaml: https://host/a/b/c 'd e'"
        );
        assert_eq!(shortened("/etc/x", Path::new("/")), "/etc/x");
    }
}
