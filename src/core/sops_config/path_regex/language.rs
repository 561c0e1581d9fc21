//! The paths that expressions match, compared on their automata.
//!
//! Comparing the texts would not do: `^prod/` and `^(prod)/.*` say the same.

use std::collections::{HashSet, VecDeque};

use regex_automata::Anchored;
use regex_automata::MatchKind;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;

use super::PathRegex;

/// Paths as they can stand under a directory: no empty component, and neither
/// NUL nor a line end, which nobody has in a path and which `.` does not match.
const RELATIVE_PATH: &str = r"\A(?:[^/\x00\n]+/)*[^/\x00\n]+\z";
/// So much memory an automaton may take, in bytes.
const SIZE_LIMIT: usize = 16 << 20;
/// So many combinations of states are looked at.
const MAX_STATES: usize = 200_000;

/// The automata are too large to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct TooComplex;

/// The paths that an expression matches, or all paths.
pub(in super::super) struct Language(dense::DFA<Vec<u32>>);

impl Language {
    /// The paths that `regex` matches; without one, as in a rule without
    /// `path_regex`, all.
    ///
    /// # Errors
    /// [`TooComplex`]
    pub(in super::super) fn of(regex: Option<&PathRegex>) -> Result<Self, TooComplex> {
        Self::build(regex.map_or("", |regex| &regex.pattern))
    }

    fn build(pattern: &str) -> Result<Self, TooComplex> {
        let config = dense::Config::new()
            .match_kind(MatchKind::All)
            .start_kind(StartKind::Unanchored)
            .accelerate(false)
            .dfa_size_limit(Some(SIZE_LIMIT))
            .determinize_size_limit(Some(SIZE_LIMIT));
        let nfa = thompson::Config::new().nfa_size_limit(Some(SIZE_LIMIT));
        dense::Builder::new()
            .configure(config)
            .thompson(nfa)
            .build(pattern)
            .map(Self)
            .map_err(|_| TooComplex)
    }
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

/// The shortest path that is in all of `of_all` and in none of `of_none`, or
/// `None` if there is none.
///
/// # Errors
/// [`TooComplex`]
pub(in super::super) fn find_path(
    of_all: &[&Language],
    of_none: &[&Language],
) -> Result<Option<String>, TooComplex> {
    let paths = Language::build(RELATIVE_PATH)?;
    let automata: Vec<&dense::DFA<Vec<u32>>> = std::iter::once(&paths)
        .chain(of_all.iter().copied())
        .chain(of_none.iter().copied())
        .map(|language| &language.0)
        .collect();
    let wanted = 1 + of_all.len();
    let alphabet = alphabet(&automata);
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
                if reached.len() >= MAX_STATES {
                    return Err(TooComplex);
                }
                queue.push_back(reached.len());
                reached.push((next, at, byte));
            }
        }
    }
    Ok(None)
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
fn alphabet(automata: &[&dense::DFA<Vec<u32>>]) -> Vec<u8> {
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
        .chain(0..=255)
        .filter(new)
        .collect()
}

fn beginning(dfa: &dense::DFA<Vec<u32>>) -> Result<State, TooComplex> {
    let config = start::Config::new().anchored(Anchored::No);
    let id = dfa.start_state(&config).map_err(|_| TooComplex)?;
    state(dfa, id)
}

fn step(dfa: &dense::DFA<Vec<u32>>, from: State, byte: u8) -> Result<State, TooComplex> {
    match from {
        State::At(id) => state(dfa, dfa.next_state(id, byte)),
        decided => Ok(decided),
    }
}

fn state(dfa: &dense::DFA<Vec<u32>>, id: StateID) -> Result<State, TooComplex> {
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

fn matches_at_end(dfa: &dense::DFA<Vec<u32>>, state: State) -> bool {
    match state {
        State::Matched => true,
        State::Dead => false,
        State::At(id) => dfa.is_match_state(dfa.next_eoi_state(id)),
    }
}
