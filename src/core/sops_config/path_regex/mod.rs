//! `path_regex`: which paths a rule is for.
//!
//! sops matches with Go's `regexp` (RE2); `syntax` accepts what means the same to Rust.
//! `examples` makes paths that an expression matches.

mod examples;
mod syntax;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use regex_automata::Input;
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::meta;
use regex_automata::nfa::thompson;

use crate::core::excerpt::excerpt;
pub(super) use examples::examples;

/// Why kb cannot tell what an expression matches: sops may refuse it, or read it.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RegexError {
    /// Go and Rust do not read it alike.
    #[error("{reason}: `{}`", excerpt(.part))]
    Syntax {
        /// What is wrong.
        reason: String,
        /// The part of the expression.
        part: String,
    },
    /// It is longer, or what it compiles to is larger, than kb can apply.
    #[error("it is too long or too complex for kb to tell what it matches")]
    TooLarge,
}

/// What sops matches rules against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathForm {
    /// Paths from the directory of the config.
    Relative,
    /// Whole paths: the files are not below the config's directory.
    Absolute,
    /// Some are, and some are not.
    Either,
}

/// So much memory a compiled expression may take, in bytes: some fifty times what usual
/// ones need. It is an automaton that looks at each byte of a path once.
const SIZE_LIMIT: usize = 2 << 20;
/// The same of an expression for which that is not enough, and which is matched in another
/// way: the longer it is, the longer that takes.
const SEARCH_LIMIT: usize = 256 << 10;

/// A longer expression, in bytes, is not read: what it is parsed into may be a
/// thousand times as large.
const LONGEST: usize = 16 << 10;

/// A compiled `path_regex`.
#[derive(Clone)]
pub struct GoRegex {
    expression: String,
    /// The same as Rust is to read it.
    pattern: String,
    automaton: Arc<Automaton>,
}

impl GoRegex {
    /// Reads an expression as sops does.
    ///
    /// # Errors
    /// [`RegexError`]
    pub fn new(expression: &str) -> Result<Self, RegexError> {
        if expression.len() > LONGEST {
            return Err(RegexError::TooLarge);
        }
        let pattern = syntax::check(expression)?;
        let automaton = table(&pattern)
            .map(|table| Automaton::Table(Box::new(table)))
            .or_else(|| search(&pattern).map(Automaton::Search));
        Ok(Self {
            expression: expression.to_owned(),
            pattern,
            automaton: Arc::new(automaton.ok_or(RegexError::TooLarge)?),
        })
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.expression
    }

    /// Whether the expression matches somewhere in the path.
    pub fn matches(&self, path: impl AsRef<Path>) -> bool {
        let text = go_text(path.as_ref());
        match &*self.automaton {
            // It fails on bytes on which it was told to stop, and there are none.
            Automaton::Table(table) => {
                let found = table.try_search_fwd(&Input::new(text.as_str()).earliest(true));
                found.is_ok_and(|found| found.is_some())
            }
            Automaton::Search(search) => search.is_match(text.as_str()),
        }
    }

    /// Whether to match takes time in proportion to the text alone.
    pub fn is_fast(&self) -> bool {
        matches!(*self.automaton, Automaton::Table(_))
    }

    /// The memory that it takes, in bytes; as much as it may take if it is large.
    pub(super) fn size(&self) -> usize {
        match &*self.automaton {
            Automaton::Table(table) => table.memory_usage(),
            Automaton::Search(_) => SIZE_LIMIT,
        }
    }
}

/// A compiled expression.
enum Automaton {
    /// One that looks at each byte of a text once.
    Table(Box<dense::DFA<Vec<u32>>>),
    /// One that may look at each byte as often as the expression is long.
    Search(meta::Regex),
}

fn table(pattern: &str) -> Option<dense::DFA<Vec<u32>>> {
    let config = dense::Config::new()
        .start_kind(StartKind::Unanchored)
        .accelerate(false)
        .dfa_size_limit(Some(SIZE_LIMIT))
        .determinize_size_limit(Some(SIZE_LIMIT));
    let nfa = thompson::Config::new()
        .nfa_size_limit(Some(SIZE_LIMIT))
        .which_captures(thompson::WhichCaptures::None);
    let mut builder = dense::Builder::new();
    builder.configure(config).thompson(nfa).build(pattern).ok()
}

fn search(pattern: &str) -> Option<meta::Regex> {
    let config = meta::Config::new()
        .nfa_size_limit(Some(SEARCH_LIMIT))
        .which_captures(thompson::WhichCaptures::None);
    meta::Builder::new().configure(config).build(pattern).ok()
}

impl fmt::Debug for GoRegex {
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
