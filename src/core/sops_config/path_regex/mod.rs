//! `path_regex`: which paths a rule is for.
//!
//! sops matches with Go's `regexp` (RE2); `go_syntax` says the same in Rust's
//! syntax. `language` compares what two expressions match, on their automata.

mod go_syntax;
mod language;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use regex_automata::Input;
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::meta;
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;

pub use go_syntax::RegexError;
pub use language::Paths;
pub(super) use language::{Characters, Language, Search, TooComplex};

/// So much memory a compiled expression may take, in bytes: some fifty times what usual
/// ones need. It is an automaton that looks at each byte of a path once.
const SIZE_LIMIT: usize = 2 << 20;
/// The same of an expression for which that is not enough, and which is matched in another
/// way: the longer it is, the longer that takes.
const SEARCH_LIMIT: usize = 256 << 10;

/// A longer expression, in bytes, is not compiled: what it is parsed into may be a
/// thousand times as large.
const LONGEST: usize = 16 << 10;

/// A compiled `path_regex`.
#[derive(Clone)]
pub struct PathRegex {
    expression: String,
    /// The same in Rust's syntax.
    pattern: go_syntax::Pattern,
    /// Compiled when it is first asked for; `None` if it is too large.
    automaton: Arc<OnceLock<Option<Automaton>>>,
}

impl PathRegex {
    /// Reads an expression as sops would.
    ///
    /// # Errors
    /// [`RegexError`]
    pub fn new(expression: &str) -> Result<Self, RegexError> {
        let pattern = go_syntax::translate(expression)?;
        if expression.len() <= LONGEST {
            syntax::parse(&pattern.text).map_err(|_| RegexError::TooDeep)?;
        }
        Ok(Self {
            expression: expression.to_owned(),
            automaton: Arc::default(),
            pattern,
        })
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.expression
    }

    /// Whether the expression matches somewhere in the path. `None` if it is too large to
    /// be compiled.
    pub fn matches(&self, path: &Path) -> Option<bool> {
        let text = go_text(path);
        match self.automaton()? {
            Automaton::Table(table) => {
                let found = table.try_search_fwd(&Input::new(text.as_str()).earliest(true));
                found.ok().map(|found| found.is_some())
            }
            Automaton::Search(search) => Some(search.is_match(text.as_str())),
        }
    }

    /// Whether it can be told what it matches.
    pub fn is_decidable(&self) -> bool {
        self.automaton().is_some()
    }

    /// Whether to match takes time in proportion to the text alone.
    pub fn is_fast(&self) -> bool {
        matches!(self.automaton(), Some(Automaton::Table(_)))
    }

    /// The memory that it takes, in bytes; as much as it may take if it is large.
    pub(super) fn size(&self) -> usize {
        match self.automaton() {
            Some(Automaton::Table(table)) => table.memory_usage(),
            Some(Automaton::Search(_)) | None => SIZE_LIMIT,
        }
    }

    fn automaton(&self) -> Option<&Automaton> {
        let compiled = self.automaton.get_or_init(|| {
            if self.expression.len() > LONGEST {
                return None;
            }
            let pattern = &self.pattern.text;
            table(pattern)
                .map(|table| Automaton::Table(Box::new(table)))
                .or_else(|| search(pattern).map(Automaton::Search))
        });
        compiled.as_ref()
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
