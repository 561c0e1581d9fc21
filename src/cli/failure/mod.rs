//! Gives each error of the core its exit code and its hints: what to type next.
//!
//! Every `match` here names all variants, so that a new error cannot forget
//! its hint.

mod cluster;
mod commands;
mod config;
mod files;
mod secret;

use std::error::Error as StdError;
use std::io;

use super::EXIT_FAILED;

pub use secret::show_key_command;

/// In a hint, behind a command of kb: the options that name the cluster as the
/// person named it. A command typed from a hint must not end up elsewhere.
pub const SAME_CLUSTER: &str = "{cluster}";
/// In a hint, behind `kubectl`: the same for its options.
pub const SAME_CONTEXT: &str = "{context}";

/// What is said when kb gives up.
#[derive(Debug)]
pub struct Failure {
    message: Option<String>,
    hints: Vec<String>,
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

    /// An error and the causes beneath it, as one sentence.
    fn from_error(error: &dyn StdError) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message = format!("{message}: {error}");
            cause = error.source();
        }
        Self::new(message)
    }

    /// stdout did not take what was asked for. That a reader is gone is its own
    /// choice, and nothing is said of it.
    pub fn stdout(what: &str, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self {
                message: None,
                ..Self::new("")
            };
        }
        Self::new(format!("stdout did not take {what}: {error}"))
            .hint("what was written so far is not whole")
    }

    /// Adds what to type next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What went wrong.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// What to do about it.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }
}
