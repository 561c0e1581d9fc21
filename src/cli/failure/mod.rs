//! Gives each error of the core its hints: what to type next.
//!
//! Every `match` here names all variants, so that a new error cannot forget
//! its hint.

mod audit;
mod cluster;
mod commands;
mod config;
mod edit;
mod files;
mod git;
mod prune;
mod rotate;
mod secret;

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use super::{EXIT_FAILED, EXIT_FOUND};
use crate::cli::message::Hint;
use crate::cli::message::command::Command;
use crate::cli::message::safe_text::one_line;

pub use files::{conflict_hints, to_utf8};
pub use secret::{put_key_back, remove_entry, remove_lines, rename_entry, show_key_arguments};

/// Shell words that take a private key from the keyboard, or from what is pasted: it is not
/// shown, and no history keeps it.
pub const TYPE_KEY: &str = "read -rs SOPS_AGE_KEY; export SOPS_AGE_KEY";

/// What is said when kb gives up.
#[derive(Debug)]
pub struct Failure {
    message: Option<String>,
    hints: Vec<Hint>,
    exit_code: u8,
}

impl Failure {
    /// A failure in the user's words.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: Some(message.into()),
            hints: Vec::new(),
            exit_code: EXIT_FAILED,
        }
    }

    /// Something was looked at, and problems were found. What they are has been said,
    /// or is the message.
    pub fn found(message: Option<String>) -> Self {
        Self {
            message,
            hints: Vec::new(),
            exit_code: EXIT_FOUND,
        }
    }

    /// An error and the causes beneath it, as one sentence.
    pub(in crate::cli) fn from_error(error: &dyn StdError) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            // Some libraries repeat their cause in their own words.
            let text = error.to_string();
            if !message.ends_with(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        Self::new(message)
    }

    /// stdout did not take what was asked for. That a reader is gone is its own
    /// choice, and nothing is said of it.
    pub fn stdout(what: &str, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::silent();
        }
        Self::new(format!("stdout did not take {what}: {error}"))
            .hint("what was written so far is not whole")
    }

    /// Something could not be looked at, which has been said.
    pub fn silent() -> Self {
        Self {
            message: None,
            ..Self::new("")
        }
    }

    /// Ends kb with this exit code.
    #[must_use]
    pub fn exit_with(mut self, exit_code: u8) -> Self {
        self.exit_code = exit_code;
        self
    }

    /// Adds lines below the message, such as a list.
    pub(super) fn detail(mut self, lines: &str) -> Self {
        if let Some(message) = &mut self.message {
            message.push_str(lines);
        }
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(Hint::Text(hint.into()));
        self
    }

    /// Adds what to do about several things, each once.
    #[must_use]
    pub fn hints_of(mut self, hints: Vec<Hint>) -> Self {
        for hint in hints {
            if !self.hints.contains(&hint) {
                self.hints.push(hint);
            }
        }
        self
    }

    /// Adds a command to type.
    #[must_use]
    pub fn hint_command(mut self, purpose: impl Into<String>, command: Command) -> Self {
        self.hints.push(Hint::command(purpose, command));
        self
    }

    /// With which exit code kb ends.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// What went wrong.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// What to do about it.
    pub fn hints(&self) -> &[Hint] {
        &self.hints
    }
}

/// The first files, each in a line.
pub(super) fn file_list(what: &str, files: &[PathBuf]) -> String {
    const SHOWN: usize = 10;
    let line = |path: &PathBuf| format!("\n  {what}{}", one_line(path));
    let mut text: String = files.iter().take(SHOWN).map(line).collect();
    if files.len() > SHOWN {
        text.push_str(&format!("\n  and {} more", files.len() - SHOWN));
    }
    text
}
