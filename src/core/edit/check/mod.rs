//! What is wrong with a text. Whether it parses, sops decides. Of Kubernetes manifests,
//! only a Secret of the core API is judged.
//!
//! | module | holds |
//! | --- | --- |
//! | this one | a problem, with its lines |
//! | `typed` | the text as it was typed, as the cluster will read it |
//! | `encrypted` | what sops made of it |
//! | `empty` | documents without a value, which are removed |
//! | `place` | the lines of keys in the text |

mod empty;
mod encrypted;
mod manifests;
mod place;
mod typed;

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use crate::core::encrypted::Format;
use crate::core::yaml::{self, YamlErrorKind};
pub(super) use empty::without_empty_documents;
pub(super) use encrypted::problem_of_encrypted;
pub(super) use typed::{problem, reason_for_refusal};

/// So many findings are named.
const MOST_NAMED: usize = 20;

/// What is wrong with a text. Of the text it names only keys, which stand in the
/// encrypted file in plaintext too.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// At least one, in the order of the text.
    findings: Vec<TextFault>,
}

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq)]
struct TextFault {
    /// Line and column, from 1, where they are known.
    place: Option<(u64, u64)>,
    words: String,
}

impl Problem {
    pub(super) fn new(words: impl Into<String>) -> Self {
        Self::at(None, words)
    }

    /// What is wrong at a line and column, from 1.
    pub(super) fn at(place: Option<(u64, u64)>, words: impl Into<String>) -> Self {
        let words = words.into();
        Self {
            findings: vec![TextFault { place, words }],
        }
    }

    /// The same, with more about it.
    pub(super) fn because(mut self, cause: &str) -> Self {
        for finding in &mut self.findings {
            finding.words = format!("{}: {cause}", finding.words);
        }
        self
    }

    /// What is wrong in all of these; `None` if there are none.
    pub(super) fn all(problems: impl IntoIterator<Item = Self>) -> Option<Self> {
        Self::of(problems.into_iter().flat_map(|it| it.findings).collect())
    }

    /// All of them; `None` if there are none.
    fn of(mut findings: Vec<TextFault>) -> Option<Self> {
        findings.sort_by_key(|finding| finding.place);
        (!findings.is_empty()).then_some(Self { findings })
    }

    /// The same in a text that begins so many lines further down.
    pub(super) fn moved_down(&self, lines: usize) -> Self {
        let down = |(line, column)| (line + lines as u64, column);
        let findings = self.findings.iter().map(|finding| TextFault {
            place: finding.place.map(down),
            words: finding.words.clone(),
        });
        Self {
            findings: findings.collect(),
        }
    }

    /// Each thing that is wrong, by itself: a test compares them.
    #[cfg(feature = "internals")]
    pub fn each(&self) -> impl Iterator<Item = String> {
        self.findings.iter().map(TextFault::to_string)
    }

    /// How many lines it takes to say it.
    pub(super) fn lines(&self) -> usize {
        self.to_string().lines().count()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.findings.len();
        if let [finding] = self.findings.as_slice() {
            return finding.fmt(f);
        }
        write!(f, "{count} problems")?;
        for finding in self.findings.iter().take(MOST_NAMED) {
            write!(f, "\n- {finding}")?;
        }
        match count.saturating_sub(MOST_NAMED) {
            0 => Ok(()),
            more => write!(f, "\n- and {more} more"),
        }
    }
}

impl fmt::Display for TextFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.words)
    }
}

/// The documents of a text, or where it does not parse and why.
fn documents(format: Format, text: &[u8]) -> Result<Vec<Value>, Problem> {
    match format {
        Format::Yaml => yaml::values(text).map_err(Problem::from),
        Format::Json => {
            let value = serde_json::from_slice(text).map_err(|error| {
                // Its words quote nothing where a text is no JSON at all.
                let words = error.to_string();
                let words = words.split(" at line ").next().unwrap_or(NOT_PARSED);
                let place = (error.line() as u64, error.column() as u64);
                Problem::at(Some(place), words)
            })?;
            match yaml::values(text) {
                // serde_json takes the last of two equal keys.
                Err(error) if error.reason == YamlErrorKind::DuplicateKey => Err(error.into()),
                _ => Ok(vec![value]),
            }
        }
        Format::Dotenv | Format::Ini | Format::Binary => Ok(Vec::new()),
    }
}

/// The text of bytes that are UTF-8 or UTF-16; nothing of others.
fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    yaml::decode(bytes).map_or_else(|_| "".into(), |decoded| decoded.text)
}

impl From<yaml::NotParsed> for Problem {
    fn from(error: yaml::NotParsed) -> Self {
        let words = error.reason.words().unwrap_or(NOT_PARSED);
        Self::at(Some((error.line, error.column)), words)
    }
}

const NOT_PARSED: &str = "it does not parse";
