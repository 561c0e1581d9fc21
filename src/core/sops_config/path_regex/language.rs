//! The paths that expressions match, compared on their automata.
//!
//! Comparing the texts would not do: `^prod/` and `^(prod)/.*` say the same.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use regex_automata::Anchored;
use regex_automata::MatchKind;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};

use super::PathRegex;

/// A name in a path: neither empty nor `.` nor `..`; without NUL, and without a
/// line end, which nobody has in a path and which `.` does not match.
const NAME: &str = r"(?:[^/.\x00\n]|\.[^/.\x00\n]|\.\.[^/\x00\n])[^/\x00\n]*";
/// So much memory an automaton may take, in bytes: some ten times what usual
/// expressions need.
const SIZE_LIMIT: usize = 1 << 20;
/// So many combinations of states are looked at in one search, and so many more
/// for each rule: half a second at worst, and some ten times what usual
/// expressions need.
const MAX_STATES: usize = 50_000;
const MAX_STATES_PER_RULE: usize = 200;

type Dfa = dense::DFA<Vec<u32>>;

/// The automata are too large to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct TooComplex;

/// The paths that an expression matches, or all paths.
pub(in super::super) struct Language(Dfa);

/// The characters that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Characters {
    /// ASCII: enough where no expression names any other, and much faster.
    Ascii,
    /// All.
    Unicode,
}

impl Characters {
    /// Those that these and the others need.
    pub(in super::super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Ascii, Self::Ascii) => Self::Ascii,
            _ => Self::Unicode,
        }
    }

    /// Those that all of the expressions need.
    pub(in super::super) fn of<'r>(mut regexes: impl Iterator<Item = &'r PathRegex>) -> Self {
        match regexes.all(|regex| regex.pattern.ascii) {
            true => Self::Ascii,
            false => Self::Unicode,
        }
    }
}

impl Language {
    /// The paths that `regex` matches; without one, as in a rule without
    /// `path_regex`, all.
    ///
    /// # Errors
    /// [`TooComplex`]
    pub(in super::super) fn of(
        regex: Option<&PathRegex>,
        characters: Characters,
    ) -> Result<Self, TooComplex> {
        if regex.is_some_and(|regex| !regex.is_decidable()) {
            return Err(TooComplex);
        }
        Self::build(regex.map_or("", |regex| &regex.pattern.text), characters)
    }

    /// Whether the path is one of them.
    fn contains(&self, path: &str) -> bool {
        let start = beginning(&self.0);
        let end = start.and_then(|start| {
            let mut bytes = path.bytes();
            bytes.try_fold(start, |state, byte| step(&self.0, state, byte))
        });
        end.is_ok_and(|state| matches_at_end(&self.0, state))
    }

    fn build(pattern: &str, characters: Characters) -> Result<Self, TooComplex> {
        let config = dense::Config::new()
            .match_kind(MatchKind::All)
            .start_kind(StartKind::Unanchored)
            .accelerate(false)
            .dfa_size_limit(Some(SIZE_LIMIT))
            .determinize_size_limit(Some(SIZE_LIMIT));
        let nfa = thompson::Config::new().nfa_size_limit(Some(SIZE_LIMIT));
        let unicode = characters == Characters::Unicode;
        let syntax = syntax::Config::new().unicode(unicode).utf8(unicode);
        dense::Builder::new()
            .configure(config)
            .thompson(nfa)
            .syntax(syntax)
            .build(pattern)
            .map(Self)
            .map_err(|_| TooComplex)
    }
}

/// What sops matches rules against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paths {
    /// Paths from the directory of the config.
    Relative,
    /// Whole paths: the files are not below the config's directory.
    Absolute,
    /// Some are, and some are not.
    Either,
}

/// Where an automaton is after some bytes of a path.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum State {
    /// It has matched, and whatever follows does not change that.
    Matched,
    /// It cannot match any more.
    Dead,
    At(StateID),
}

/// Looks for paths; with a limit for all that it is asked.
pub(in super::super) struct Search {
    paths: Arc<Language>,
    characters: Characters,
    states_left: usize,
}

impl Search {
    /// A search among so many `rules`.
    ///
    /// # Errors
    /// [`TooComplex`]
    pub(in super::super) fn new(
        paths: Paths,
        characters: Characters,
        rules: usize,
    ) -> Result<Self, TooComplex> {
        let root = match paths {
            Paths::Relative => "",
            Paths::Absolute => "/",
            Paths::Either => "/?",
        };
        let pattern = format!(r"\A{root}(?:{NAME}/)*{NAME}\z");
        Ok(Self {
            paths: Arc::new(Language::build(&pattern, characters)?),
            characters,
            states_left: MAX_STATES + rules * MAX_STATES_PER_RULE,
        })
    }

    /// Another one for the same paths.
    pub(in super::super) fn another(&self, rules: usize) -> Self {
        Self {
            paths: Arc::clone(&self.paths),
            characters: self.characters,
            states_left: MAX_STATES + rules * MAX_STATES_PER_RULE,
        }
    }

    /// A short path that is in all of `of_all` and in none of `of_none`, or `None`
    /// if there is none.
    ///
    /// Automata are looked at together only as far as a path needs it: with many
    /// at once their states multiply.
    ///
    /// # Errors
    /// [`TooComplex`]
    pub(in super::super) fn find(
        &mut self,
        of_all: &[&Language],
        of_none: &[&Language],
    ) -> Result<Option<String>, TooComplex> {
        let mut excluded: Vec<&Language> = Vec::new();
        loop {
            let Some(path) = self.shortest(of_all, &excluded)? else {
                return Ok(None);
            };
            let mut others = of_none.iter().copied();
            match others.find(|language| language.contains(&path)) {
                Some(language) => excluded.push(language),
                None => return Ok(Some(path)),
            }
        }
    }

    /// The shortest path that is in all of `of_all` and in none of `of_none`.
    fn shortest(
        &mut self,
        of_all: &[&Language],
        of_none: &[&Language],
    ) -> Result<Option<String>, TooComplex> {
        let automata: Vec<&Dfa> = std::iter::once(&*self.paths)
            .chain(of_all.iter().copied())
            .chain(of_none.iter().copied())
            .map(|language| &language.0)
            .collect();
        let wanted = 1 + of_all.len();
        let alphabet = alphabet(&automata, self.characters);
        let beginning: Vec<State> = automata
            .iter()
            .map(|dfa| beginning(dfa))
            .collect::<Result<_, _>>()?;
        let hopeless = |states: &[State]| {
            states[..wanted].contains(&State::Dead) || states[wanted..].contains(&State::Matched)
        };
        // Each place with the one that it was reached from, and the byte.
        let mut reached: Vec<(Vec<State>, usize, u8)> = vec![(beginning.clone(), 0, 0)];
        let mut seen = HashSet::from([beginning]);
        let mut queue = VecDeque::from([0]);
        while let Some(at) = queue.pop_front() {
            let states = reached[at].0.clone();
            if hopeless(&states) {
                continue;
            }
            let matched: Vec<bool> = automata
                .iter()
                .zip(&states)
                .map(|(dfa, state)| matches_at_end(dfa, *state))
                .collect();
            if matched[..wanted].iter().all(|is| *is) && !matched[wanted..].contains(&true) {
                return Ok(Some(path_to(&reached, at)));
            }
            for &byte in &alphabet {
                let next: Vec<State> = automata
                    .iter()
                    .zip(&states)
                    .map(|(dfa, state)| step(dfa, *state, byte))
                    .collect::<Result<_, _>>()?;
                if !hopeless(&next) && seen.insert(next.clone()) {
                    self.states_left = self.states_left.checked_sub(1).ok_or(TooComplex)?;
                    queue.push_back(reached.len());
                    reached.push((next, at, byte));
                }
            }
        }
        Ok(None)
    }
}

fn path_to(reached: &[(Vec<State>, usize, u8)], mut at: usize) -> String {
    let mut bytes = Vec::new();
    while at != 0 {
        bytes.push(reached[at].2);
        at = reached[at].1;
    }
    bytes.reverse();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One byte of each kind that the automata tell apart, those first that are
/// usual in paths: the path that is found is shown to people.
fn alphabet(automata: &[&Dfa], characters: Characters) -> Vec<u8> {
    let last = match characters {
        Characters::Ascii => 0x7F,
        Characters::Unicode => 0xFF,
    };
    let usual = (b'a'..=b'z')
        .chain(b"x/.-_".iter().copied())
        .chain(b'0'..=b'9');
    let mut kinds = HashSet::new();
    let new = |byte: &u8| {
        let kind = automata.iter().map(|dfa| dfa.byte_classes().get(*byte));
        kinds.insert(kind.collect::<Vec<u8>>())
    };
    usual
        .chain(b'A'..=b'Z')
        .chain(0..=last)
        .filter(new)
        .collect()
}

fn beginning(dfa: &Dfa) -> Result<State, TooComplex> {
    let config = start::Config::new().anchored(Anchored::No);
    let id = dfa.start_state(&config).map_err(|_| TooComplex)?;
    state(dfa, id)
}

fn step(dfa: &Dfa, from: State, byte: u8) -> Result<State, TooComplex> {
    match from {
        State::At(id) => state(dfa, dfa.next_state(id, byte)),
        decided => Ok(decided),
    }
}

fn state(dfa: &Dfa, id: StateID) -> Result<State, TooComplex> {
    if dfa.is_quit_state(id) {
        return Err(TooComplex);
    }
    Ok(if dfa.is_match_state(id) {
        State::Matched
    } else if dfa.is_dead_state(id) {
        State::Dead
    } else {
        State::At(id)
    })
}

fn matches_at_end(dfa: &Dfa, state: State) -> bool {
    match state {
        State::Matched => true,
        State::Dead => false,
        State::At(id) => dfa.is_match_state(dfa.next_eoi_state(id)),
    }
}
