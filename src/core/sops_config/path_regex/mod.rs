//! `path_regex`: which paths a rule is for.
//!
//! sops matches with Go's `regexp` (RE2); `go_syntax` says the same in Rust's
//! syntax. `language` compares what two expressions match, on their automata.

mod go_syntax;
mod language;

use std::fmt;
use std::path::Path;

use regex_automata::meta;

pub use go_syntax::RegexError;
pub use language::Paths;
pub(super) use language::{Characters, Language, Search, TooComplex};

/// So much memory a compiled expression may take, in bytes. Go has a limit of
/// the same order.
const SIZE_LIMIT: usize = 64 << 20;

/// A compiled `path_regex`.
#[derive(Clone)]
pub struct PathRegex {
    expression: String,
    /// The same in Rust's syntax.
    pattern: go_syntax::Pattern,
    regex: meta::Regex,
}

impl PathRegex {
    /// Compiles an expression as sops would.
    ///
    /// # Errors
    /// [`RegexError`]
    pub fn new(expression: &str) -> Result<Self, RegexError> {
        let pattern = go_syntax::translate(expression)?;
        let config = meta::Config::new().nfa_size_limit(Some(SIZE_LIMIT));
        let regex = meta::Builder::new().configure(config).build(&pattern.text);
        Ok(Self {
            expression: expression.to_owned(),
            regex: regex.map_err(|_| RegexError::TooLarge)?,
            pattern,
        })
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.expression
    }

    /// Whether the expression matches somewhere in the path.
    pub fn matches(&self, path: &Path) -> bool {
        self.regex.is_match(go_text(path).as_str())
    }
}

impl fmt::Debug for PathRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expression)
    }
}

/// The path as Go's `regexp` sees it: each byte that is no UTF-8 is U+FFFD.
fn go_text(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}
