//! Paths that an expression matches, made from the expression itself.
//!
//! They stand for all of its paths where rules are compared: which of two rules comes
//! first, whether sops comes to a rule at all. Such an answer can be wrong for paths that
//! nobody has. Automata would know better; they take ten times the code, and the shortest
//! path that shows a difference is seldom one that someone has.

use std::collections::BTreeSet;

use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind, Repetition};

use super::{GoRegex, PathForm};

/// What stands for `.*` and the like; of it, the characters that may be there.
const FILLS: [&str; 10] = [
    "a",
    "secret",
    "/a",
    "/secret",
    "/kustomization",
    "kustomization",
    "x/y",
    "db.sops",
    "Z9_",
    "",
];
/// What may follow an expression that says nothing of a path's end.
const ENDS: [&str; 13] = [
    "",
    "a",
    "/a",
    "a.yaml",
    "/a.yaml",
    "secret.yaml",
    "/secret.yaml",
    "a.yml",
    "/secret.yml",
    "/db.sops.yaml",
    "/x/b.txt",
    "kustomization.yaml",
    "/kustomization.yaml",
];
/// What may come before one that says nothing of its beginning.
const STARTS: [&str; 5] = ["", "p", "p/", "/", "/p/"];
/// Characters as paths have them.
const USUAL: &str = "az1/.";
/// So many ways are tried to choose among alternatives.
const MOST_CHOICES: usize = 64;

/// Paths that the expression matches (all paths, without one), the shortest first. None
/// if no path matches it; `None` if kb finds nothing that it matches.
pub(in super::super) fn examples(regex: Option<&GoRegex>, paths: PathForm) -> Option<Vec<String>> {
    let hir = match regex {
        Some(regex) => regex_syntax::parse(&regex.pattern).ok()?,
        None => Hir::empty(),
    };
    let mut found = BTreeSet::new();
    let mut is_matched = false;
    for fill in FILLS {
        for choice in 0..MOST_CHOICES {
            let mut writer = Writer {
                text: String::new(),
                fill,
                choice,
                choices: 1,
            };
            writer.write(&hir);
            if choice >= writer.choices {
                break;
            }
            for start in STARTS {
                for end in ENDS {
                    let path = format!("{start}{}{end}", writer.text);
                    if regex.is_none_or(|regex| regex.matches(&path)) {
                        is_matched = true;
                        if is_path(&path, paths) {
                            found.insert((path.len(), path));
                        }
                    }
                }
            }
        }
    }
    is_matched.then(|| found.into_iter().map(|(_, path)| path).collect())
}

/// Whether a file can have this path.
fn is_path(path: &str, paths: PathForm) -> bool {
    let relative = path.strip_prefix('/');
    let is_of_kind = match paths {
        PathForm::Relative => relative.is_none(),
        PathForm::Absolute => relative.is_some(),
        PathForm::Either => true,
    };
    let mut names = relative.unwrap_or(path).split('/');
    is_of_kind
        && names.all(|name| !["", ".", ".."].contains(&name) && !name.contains(char::is_control))
}

struct Writer<'f> {
    text: String,
    fill: &'f str,
    /// Which of the alternatives, in a number whose digits are the choices.
    choice: usize,
    /// How many ways there are to choose.
    choices: usize,
}

impl Writer<'_> {
    /// One of so many.
    fn choose(&mut self, count: usize) -> usize {
        let count = count.max(1);
        let chosen = self.choice / self.choices % count;
        self.choices = self.choices.saturating_mul(count);
        chosen
    }

    fn write(&mut self, hir: &Hir) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) | HirKind::Class(Class::Bytes(_)) => {}
            HirKind::Literal(literal) => self.text.push_str(&String::from_utf8_lossy(&literal.0)),
            HirKind::Class(Class::Unicode(class)) => {
                let characters = characters(class);
                let chosen = self.choose(characters.len());
                self.text.extend(characters.get(chosen));
            }
            HirKind::Repetition(repetition) => self.repeat(repetition),
            HirKind::Capture(capture) => self.write(&capture.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.write(part)),
            HirKind::Alternation(parts) => {
                let chosen = self.choose(parts.len());
                self.write(&parts[chosen]);
            }
        }
    }

    fn repeat(&mut self, repetition: &Repetition) {
        let least = repetition.min as usize;
        let most = repetition.max.map_or(usize::MAX, |most| most as usize);
        if let HirKind::Class(Class::Unicode(class)) = repetition.sub.kind()
            && most > 1
        {
            let fitting = self.fill.chars().filter(|char| contains(class, *char));
            let mut fill: Vec<char> = fitting.take(most).collect();
            if let Some(first) = characters(class).first() {
                while fill.len() < least {
                    fill.push(*first);
                }
            }
            self.text.extend(fill);
            return;
        }
        let times = match least {
            0 if most > 0 => self.choose(2),
            least => least,
        };
        for _ in 0..times {
            self.write(&repetition.sub);
        }
    }
}

fn contains(class: &ClassUnicode, char: char) -> bool {
    let mut ranges = class.ranges().iter();
    ranges.any(|range| (range.start()..=range.end()).contains(&char))
}

/// Some characters of a class: all of a small one.
fn characters(class: &ClassUnicode) -> Vec<char> {
    let ranges = class.ranges().iter();
    let all = ranges.flat_map(|range| range.start()..=range.end());
    let mut few: Vec<char> = all.take(11).collect();
    let usual: Vec<char> = USUAL
        .chars()
        .filter(|char| contains(class, *char))
        .collect();
    if few.len() > 10 && !usual.is_empty() {
        return usual;
    }
    few.sort_by_key(char::is_ascii_uppercase);
    few
}
