//! Looks at a text as the cluster will (`typed`), and at what sops made of it
//! (`encrypted`).
//!
//! Whether a text parses, sops tells. Of Kubernetes manifests, only a Secret of
//! the core API is judged.

mod encrypted;
mod typed;

use std::fmt;

use serde_json::Value;

use crate::core::encrypted::Format;
use crate::core::yaml;
pub(super) use encrypted::problem_of_encrypted;
pub(super) use typed::{problem, reason_for_refusal};

/// What is wrong with a text. Of the text it names only keys, which stand in the
/// encrypted file in plaintext too.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Line and column, from 1, where they are known.
    place: Option<(u64, u64)>,
    words: String,
}

impl Problem {
    pub(super) fn new(words: impl Into<String>) -> Self {
        Self {
            place: None,
            words: words.into(),
        }
    }

    /// What is wrong at a line and column, from 1.
    pub(super) fn at(line: u64, column: u64, words: impl Into<String>) -> Self {
        Self {
            place: Some((line, column)),
            words: words.into(),
        }
    }

    /// The same, with more about it.
    pub(super) fn because(mut self, cause: &str) -> Self {
        self.words = format!("{}: {cause}", self.words);
        self
    }

    /// The same in a text that begins so many lines further down.
    pub(super) fn moved_down(&self, lines: usize) -> Self {
        let down = |(line, column)| (line + lines as u64, column);
        Self {
            place: self.place.map(down),
            words: self.words.clone(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.words)
    }
}

/// The documents of a text, or where it does not parse and why.
fn documents(format: Format, text: &[u8]) -> Result<Vec<Value>, Problem> {
    let trouble = |line: u64, column: u64, reason: &str| Problem {
        place: Some((line, column)),
        words: reason.to_owned(),
    };
    match format {
        Format::Yaml => yaml::values(text).map_err(|error| {
            trouble(
                error.line,
                error.column,
                error.reason.words().unwrap_or(NOT_PARSED),
            )
        }),
        Format::Json => {
            let value = serde_json::from_slice(text).map(|value| vec![value]);
            value.map_err(|error| {
                // Its words quote nothing where a text is no JSON at all.
                let words = error.to_string();
                let words = words.split(" at line ").next().unwrap_or(NOT_PARSED);
                trouble(error.line() as u64, error.column() as u64, words)
            })
        }
        Format::Dotenv | Format::Ini | Format::Binary => Ok(Vec::new()),
    }
}

const NOT_PARSED: &str = "it does not parse";
