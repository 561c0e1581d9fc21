//! What kb says: hints with their commands, and text that is safe on a terminal.
//!
//! | module | holds |
//! | --- | --- |
//! | [`command`] | commands to type, with their quoting and the options that name the cluster |
//! | [`hints`] | hints that several messages share |
//! | [`safe_text`] | text from outside, made safe for a terminal |

pub mod command;
pub mod hints;
pub mod safe_text;

use command::{Command, SameCluster};

/// What to type next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Words, or a command of another program that does not go to a cluster.
    Text(String),
    /// A command of kb or kubectl.
    Command {
        /// What the command is for, with the colon.
        purpose: String,
        /// The command itself.
        command: Command,
    },
}

impl Hint {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A command; in debug builds it must be one that kb takes.
    pub fn command(purpose: impl Into<String>, command: Command) -> Self {
        #[cfg(debug_assertions)]
        command.assert_parses();
        Self::Command {
            purpose: purpose.into(),
            command,
        }
    }

    /// The hint as it is printed.
    pub fn render(&self, same: &SameCluster) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Command { purpose, command } => format!("{purpose} {}", command.render(same)),
        }
    }
}
