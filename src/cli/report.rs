//! Writes to stderr. Nothing else in kb does.
//!
//! Text that comes from outside (file names, sops, the API server) is made
//! safe for a terminal here, and anything that looks like a private key is
//! taken out, wherever it came from.

use std::io::Write;
use std::path::PathBuf;

use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::{AnsiColor, Style};
use clap::error::ErrorKind;

use super::EXIT_USAGE;
use super::failure::{Failure, SAME_CLUSTER, SAME_CONTEXT};
use super::options::{ColorWhen, CommonOptions};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Where words go.
pub struct Report {
    color: ColorChoice,
    quiet: bool,
    verbose: bool,
    directory: PathBuf,
    same_cluster: String,
    same_context: String,
}

impl Report {
    /// Files below `directory`, the working directory, are named from there.
    pub fn new(options: &CommonOptions, directory: PathBuf) -> Self {
        Self {
            color: match options.color {
                ColorWhen::Auto => ColorChoice::Auto,
                ColorWhen::Always => ColorChoice::Always,
                ColorWhen::Never => ColorChoice::Never,
            },
            quiet: options.quiet,
            verbose: options.verbose,
            same_cluster: options.same_cluster(),
            same_context: options.same_context(),
            directory,
        }
    }

    /// Says what is done. Silent with `--quiet`.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.line(None, text);
        }
    }

    /// Says more about what is done. Silent without `--verbose`.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            self.line(None, text);
        }
    }

    /// Warns, with what to do about it where there is something.
    pub fn warning(&self, text: &str, hint: Option<&str>) {
        self.line(Some(("warning:", WARNING)), text);
        if let Some(hint) = hint {
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

    fn hint(&self, hint: &str) {
        let hint = hint.replace(SAME_CLUSTER, &self.same_cluster);
        let hint = hint.replace(SAME_CONTEXT, &self.same_context);
        self.line(Some(("hint:", HINT)), &hint);
    }

    fn line(&self, label: Option<(&str, Style)>, text: &str) {
        let here = format!("{}/", self.directory.display());
        let text = match here.as_str() {
            "/" | "//" => text.to_owned(),
            here => text.replace(here, ""),
        };
        let text = safe(&text);
        let mut stderr = AutoStream::new(std::io::stderr().lock(), self.color);
        // A stderr that is gone is no reason to stop.
        let _ = match label {
            Some((label, style)) => writeln!(stderr, "{style}{label}{style:#} {text}"),
            None => writeln!(stderr, "{text}"),
        };
    }
}

/// Says what is wrong with the command line, or shows the help or version that
/// was asked for. Returns the exit code.
pub fn usage(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        // Asked for, so it goes to stdout; a closed pipe is the reader's choice.
        let _ = error.print();
        return super::EXIT_DONE;
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
        _ => writeln!(stderr, "{text}\nhint: --help shows what the command takes"),
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

/// Text that neither moves the cursor, nor hides what stands there, nor holds
/// a private key. Line ends stay.
pub fn safe(text: &str) -> String {
    const KEY: &str = "AGE-SECRET-KEY-";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let is_key = rest
            .get(..KEY.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(KEY));
        if is_key {
            out.push_str("[private key]");
            let end = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
            rest = &rest[rest.find(end).unwrap_or(rest.len())..];
            continue;
        }
        match c {
            '\n' => out.push(c),
            // Control characters, and those that reorder or hide text.
            _ if c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                    | '\u{2066}'..='\u{2069}' | '\u{feff}') =>
            {
                out.extend(c.escape_unicode());
            }
            _ => out.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn foreign_text_cannot_drive_the_terminal() {
        assert_eq!(
            safe("a\u{1b}[2Jb\rc\u{202e}d\u{9b}"),
            "a\\u{1b}[2Jb\\u{d}c\\u{202e}d\\u{9b}"
        );
        assert_eq!(safe("two\nlines é"), "two\nlines é");
    }

    #[test]
    fn a_private_key_is_never_repeated() {
        assert_eq!(
            safe("unexpected 'AGE-SECRET-KEY-1QQQ' and age-secret-key-pq-1xyz."),
            "unexpected '[private key]' and [private key]."
        );
    }
}
