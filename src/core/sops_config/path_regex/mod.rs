//! `path_regex`: which paths a rule is for.
//!
//! sops matches with Go's `regexp` (RE2); `go_syntax` says the same in Rust's
//! syntax. `language` compares what two expressions match, on their automata.

mod go_syntax;
mod language;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use regex_automata::meta;
use regex_automata::util::syntax;

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
    /// Compiled when it is first asked for; `None` if it is too large.
    regex: Arc<OnceLock<Option<meta::Regex>>>,
}

impl PathRegex {
    /// Reads an expression as sops would.
    ///
    /// # Errors
    /// [`RegexError`]
    pub fn new(expression: &str) -> Result<Self, RegexError> {
        let pattern = go_syntax::translate(expression)?;
        syntax::parse(&pattern.text).map_err(|_| RegexError::TooDeep)?;
        Ok(Self {
            expression: expression.to_owned(),
            regex: Arc::default(),
            pattern,
        })
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.expression
    }

    /// Whether the expression matches somewhere in the path. One that is too
    /// large to be compiled does not.
    pub fn matches(&self, path: &Path) -> bool {
        let regex = self.regex.get_or_init(|| {
            let config = meta::Config::new().nfa_size_limit(Some(SIZE_LIMIT));
            let regex = meta::Builder::new()
                .configure(config)
                .build(&self.pattern.text);
            regex.ok()
        });
        let text = go_text(path);
        regex
            .as_ref()
            .is_some_and(|regex| regex.is_match(text.as_str()))
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
