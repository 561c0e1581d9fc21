//! Looks at a text as the cluster will (`typed`), and at what sops made of it
//! (`encrypted`).
//!
//! Whether a text parses, sops tells. Of Kubernetes manifests, only a Secret of
//! the core API is judged.

mod encrypted;
mod typed;

use std::fmt;

use serde_json::Value;

use crate::core::sops_file::Format;
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
        Format::Yaml => {
            if let Err(error) = std::str::from_utf8(text) {
                let before = &text[..error.valid_up_to()];
                let line = memchr::memchr_iter(b'\n', before).count() as u64 + 1;
                let column = before.rsplit(|byte| *byte == b'\n').next();
                let column = column.unwrap_or_default().len() as u64 + 1;
                return Err(trouble(line, column, "it is no text in UTF-8"));
            }
            let options = serde_saphyr::options! { budget: None, with_snippet: false };
            let documents = serde_saphyr::from_slice_multiple_with_options(text, options);
            documents.map_err(|error: serde_saphyr::Error| {
                let at = error.location();
                let (line, column) = at.map_or((1, 1), |at| (at.line(), at.column()));
                trouble(line, column, reason(&error))
            })
        }
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

/// serde-saphyr's own words may quote the text.
fn reason(error: &serde_saphyr::Error) -> &'static str {
    use serde_saphyr::Error as E;
    match error.without_snippet() {
        E::DuplicateMappingKey { .. } => "a key stands here for the second time",
        E::UnknownAnchor { .. } => "there is no anchor of this name above",
        _ => NOT_PARSED,
    }
}
