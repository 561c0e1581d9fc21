//! YAML, read in one place: a tree whose nodes know their bytes, and what makes the
//! reading uncertain.
//!
//! One parser reads for all: granit-parser, whose byte ranges are exact. The judges are
//! other readers (go-yaml in sops and Flux, the API server), and the parsers differ at the
//! edges. So the tree says what it is not sure of ([`Doubts`]): re-encryption insists on a
//! reading without doubts, and a guard looks all the same. JSON is read as the YAML that
//! it is.
//!
//! Reading takes time and memory in proportion to the text. What aliases and merge keys
//! unfold to may be far larger: that is counted for a whole text ([`Effort`]), and a text
//! that takes too much is refused.
//!
//! | module | holds |
//! | --- | --- |
//! | `decode` | from bytes to text |
//! | `tree` | nodes, comments, documents |
//! | `scalar` | what a scalar without quotes stands for |
//! | `value` | the plain data in a tree |
//! | `doubt` | what makes a reading uncertain |
//! | `effort` | how much is done for one text at most |

mod decode;
mod doubt;
mod effort;
pub mod scalar;
#[cfg(test)]
mod tests;
mod tree;
mod value;

use granit_parser::ScanError;
use serde_json::Value;

pub use decode::{Decoded, Encoding, NotText, decode};
pub use doubt::{Doubt, Doubts};
pub use effort::{Effort, NODE};
pub use tree::{Document, Node, NodeKind, Pair, Stream};
pub use value::{GO_BASE64, is_merge};

/// Why a text is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotParsed {
    /// The line, from 1.
    pub line: u64,
    /// The column, in characters from 1.
    pub column: u64,
    /// What is wrong.
    pub reason: YamlErrorKind,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum YamlErrorKind {
    /// It is not text in the encoding that it announces.
    Encoding,
    /// It is not YAML, or a mapping is merged that is none, or a key is not a scalar.
    Syntax,
    /// The parser's own words, which name characters and quote nothing.
    Said(String),
    /// A key stands in a mapping for the second time.
    DuplicateKey,
    /// An alias names an anchor that is not there.
    UnknownAnchor,
    /// It is nested more deeply, or unfolds to more, than kb follows.
    Repetition,
}

impl YamlErrorKind {
    /// What to say of it. The parser's own words may quote the text, and are not among
    /// these: `None` for them, and where the caller knows what was expected.
    pub fn words(&self) -> Option<&'static str> {
        match self {
            Self::Encoding => Some("it is not text in UTF-8 or UTF-16"),
            Self::DuplicateKey => Some("duplicate key"),
            Self::UnknownAnchor => Some("unknown anchor"),
            Self::Repetition => Some("too deeply nested, or repeated by aliases or merge keys"),
            Self::Syntax | Self::Said(_) => None,
        }
    }
}

impl NotParsed {
    fn of(error: &ScanError) -> Self {
        let place = error.marker();
        let said = error.to_string();
        let said = said.split(" at ").next().unwrap_or_default();
        Self {
            line: place.line() as u64,
            column: place.col() as u64 + 1,
            reason: if said.contains("anchor") {
                YamlErrorKind::UnknownAnchor
            } else {
                YamlErrorKind::Said(said.to_owned())
            },
        }
    }

    fn at(node: &Node<'_>, reason: YamlErrorKind) -> Self {
        Self {
            line: node.line as u64,
            column: node.column as u64 + 1,
            reason,
        }
    }
}

impl From<NotText> for NotParsed {
    fn from(error: NotText) -> Self {
        let line = error.before.matches('\n').count() as u64 + 1;
        let last = error.before.rsplit('\n').next().unwrap_or_default();
        Self {
            line,
            column: last.chars().count() as u64 + 1,
            reason: YamlErrorKind::Encoding,
        }
    }
}

/// The documents of a file as plain data; empty ones are null.
///
/// # Errors
/// [`NotParsed`]
pub fn values(bytes: &[u8]) -> Result<Vec<Value>, NotParsed> {
    let decoded = decode(bytes)?;
    Stream::parse(&decoded.text)?.values()
}

/// The first document of a file as plain data, as [`Document::to_value_as_go`].
///
/// # Errors
/// [`NotParsed`]
pub fn first_value_as_go(bytes: &[u8]) -> Result<Value, NotParsed> {
    let decoded = decode(bytes)?;
    let stream = Stream::parse_first(&decoded.text)?;
    let first = stream.documents.first();
    first.map_or(Ok(Value::Null), |first| {
        first.to_value_as_go(&stream.effort)
    })
}
