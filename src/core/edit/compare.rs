//! Compares what was typed with what sops saved of it.
//!
//! sops parses a text and writes it anew, and is the judge: what it prints of the encrypted
//! file is compared with the text, value by value. A number or a date counts by how it is
//! written, for to most people `01234` and `1.10` are texts. What differs only in layout
//! is not a difference, and neither is what the person has left as it was shown.

use std::collections::HashMap;

use super::check::Problem;
use crate::core::encrypted::Format;
use crate::core::encrypted::inspect::{
    MarkKind, Path, WrittenDocument, WrittenKind, WrittenValue, written,
};
use crate::core::sops_config::Position;
use crate::core::yaml::scalar::{Resolved, old_boolean, resolve};
use crate::core::yaml::{self, NotParsed};

const DOUBLE: &str = "is there more than once, and only one would be saved: remove the others";
const OTHER_DIGITS: &str = "is a number for sops, and would be saved in other digits: put it in quotes if a text is meant, else write plain digits, such as 420 for 0644, or 1 for 1.0";

/// What would be saved otherwise than it was typed. `saved` is what sops prints of the
/// encrypted text, `shown` what the editor showed before anything was typed.
pub(super) fn differences(
    format: Format,
    typed: &[u8],
    saved: &[u8],
    shown: &[u8],
) -> Option<Problem> {
    if format == Format::Binary {
        let problem = || Problem::new("sops would save other bytes than were typed");
        return (typed != saved).then(problem);
    }
    let [typed_text, saved_text, shown_text] = [typed, saved, shown].map(|it| decode(format, it));
    let typed_documents = match written(format, &typed_text) {
        Ok(documents) => documents,
        Err(NotParsed { line, column, .. }) => {
            let words =
                "sops takes it, and kb cannot tell how it reads this: write it more plainly";
            return Some(Problem::at(Some((line, column)), words));
        }
    };
    let Ok(saved_documents) = written(format, &saved_text) else {
        return Some(Problem::new("kb cannot read what sops made of it"));
    };
    // A file that is new, or of which nothing can be said, has shown nothing.
    let shown_documents = written(format, &shown_text).unwrap_or_default();
    let comparison = Comparison {
        format,
        text: &typed_text,
        typed: Side::new(&typed_documents),
        saved: Side::new(&saved_documents),
        shown: Side::new(&shown_documents),
    };
    let found = comparison.run().into_iter();
    Problem::all(found.map(|(start, words)| {
        let place = start.map(|start| {
            let Position { line, column } = Position::of(&typed_text, start);
            (line, column)
        });
        Problem::at(place, words)
    }))
}

/// The text in the encoding that sops reads it in.
fn decode(format: Format, bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    match format {
        Format::Yaml => yaml::decode(bytes)
            .map_or_else(|_| String::from_utf8_lossy(bytes), |decoded| decoded.text),
        _ => String::from_utf8_lossy(bytes),
    }
}

/// Which of the values under one path: two equal keys are two values.
type ValuePosition<'w> = (usize, &'w Path, usize);

/// A text, its values by their places.
struct Side<'w> {
    documents: &'w [WrittenDocument<'w>],
    values: HashMap<ValuePosition<'w>, &'w WrittenValue<'w>>,
    marks: HashMap<(usize, &'w Path, MarkKind), usize>,
    comments: HashMap<&'w str, usize>,
}

impl<'w> Side<'w> {
    fn new(documents: &'w [WrittenDocument<'w>]) -> Self {
        let mut side = Self {
            documents,
            values: HashMap::new(),
            marks: HashMap::new(),
            comments: HashMap::new(),
        };
        for (number, document) in documents.iter().enumerate() {
            let mut counts: HashMap<&Path, usize> = HashMap::new();
            for value in &document.values {
                let count = counts.entry(&value.path).or_default();
                side.values.insert((number, &value.path, *count), value);
                *count += 1;
            }
            for mark in &document.marks {
                side.marks
                    .insert((number, &mark.path, mark.kind), mark.start);
            }
            for (_, text) in &document.comments {
                *side.comments.entry(words_of(text)).or_default() += 1;
            }
        }
        side
    }
}

/// What a comment says: sops writes another sign, and other space around it.
fn words_of(comment: &str) -> &str {
    comment.trim_matches(|c: char| c.is_whitespace() || c == ';' || c == '#')
}

struct Comparison<'w> {
    format: Format,
    /// What was typed.
    text: &'w str,
    typed: Side<'w>,
    saved: Side<'w>,
    shown: Side<'w>,
}

/// Where a difference is in what was typed, and what is to be said of it.
type TextDifference = (Option<usize>, String);

impl Comparison<'_> {
    fn run(&self) -> Vec<TextDifference> {
        let mut found = Vec::new();
        for (place, typed) in &self.typed.values {
            let words = self.difference(*place, typed);
            let words = words.filter(|_| !self.is_as_shown(*place, typed));
            found.extend(words.map(|words| (Some(typed.start), words)));
        }
        for (mark, start) in &self.typed.marks {
            if !self.saved.marks.contains_key(mark) && !self.shown.marks.contains_key(mark) {
                let (number, path, kind) = *mark;
                let name = self.name(number, path);
                let words = match kind {
                    MarkKind::LocalTag => format!(
                        "sops would drop the tag (!…) of {name}: remove it, and write the value so that it needs none"
                    ),
                    MarkKind::EmptyMapping | MarkKind::EmptyList => {
                        format!("{name} would not be saved as an empty mapping or list: remove it")
                    }
                };
                found.push((Some(*start), words));
            }
        }
        self.lost_comments(&mut found);
        self.added(&mut found);
        let empty_comments = self.empty_comments();
        if self.saved.values.len() > self.typed.values.len() && !empty_comments.is_empty() {
            // The items behind it have other places then, which says nothing to anyone.
            return empty_comments;
        }
        found
    }

    /// The comments without a text, of which sops makes empty items where they are in a list.
    fn empty_comments(&self) -> Vec<TextDifference> {
        let documents = self.typed.documents.iter();
        let comments = documents.flat_map(|document| &document.comments);
        let empty =
            comments.filter(|(_, text)| self.format == Format::Yaml && text.trim().is_empty());
        let words = "in a list, sops makes an empty item of a comment without text: write a word behind this #, or delete it";
        empty
            .map(|(start, _)| (Some(*start), words.to_owned()))
            .collect()
    }

    /// Whether it is as the editor has shown it.
    fn is_as_shown(&self, place: ValuePosition<'_>, typed: &WrittenValue<'_>) -> bool {
        let shown = self.shown.values.get(&place);
        shown.is_some_and(|shown| {
            shown.raw == typed.raw && shown.kind == typed.kind && shown.text == typed.text
        })
    }

    fn difference(&self, place: ValuePosition<'_>, typed: &WrittenValue<'_>) -> Option<String> {
        let (number, path, ordinal) = place;
        let name = self.name(number, path);
        let is_double = ordinal > 0 || self.typed.values.contains_key(&(number, path, 1));
        let Some(saved) = self.saved.values.get(&place) else {
            return Some(if is_double {
                format!("{name} {DOUBLE}")
            } else {
                format!("{name} would not be saved: kb cannot tell how sops reads it")
            });
        };
        let is_by_line = matches!(self.format, Format::Ini | Format::Dotenv);
        let is_same = match (typed.kind, saved.kind) {
            (WrittenKind::Null, WrittenKind::Null) => true,
            (WrittenKind::Number, WrittenKind::Number) => typed.raw == saved.raw,
            (one, other) => one == other && typed.text == saved.text,
        };
        if is_same && !(is_by_line && typed.raw != saved.raw) {
            let is_old =
                |value: &WrittenValue<'_>| value.is_plain && old_boolean(value.raw).is_some();
            let becomes_text = self.format == Format::Yaml && is_old(typed) && !is_old(saved);
            // In a Secret it is meant as the text that it becomes.
            return (becomes_text && !typed.is_secret_entry).then(|| {
                format!(
                    "{name} is true or false for kubectl as it is typed, and would be saved as text: write true or false, or put it in quotes"
                )
            });
        }
        let words = match saved.kind {
            _ if is_double => DOUBLE,
            _ if is_by_line => {
                "would be saved otherwise: sops removes quotes, joins lines, and takes what follows # or ; for a comment. Write it without quotes; with # or ; in it, between backticks (`)"
            }
            WrittenKind::Number if matches!(resolve(saved.raw), Resolved::Time(_)) => {
                "is a date for sops, and would be saved in another form: put it in quotes to keep it as it is typed"
            }
            WrittenKind::Number => OTHER_DIGITS,
            WrittenKind::Text if typed.kind == WrittenKind::Number && !typed.is_plain => {
                "would be saved as text: remove its tag"
            }
            // `.Inf`, or a number with an exponent.
            WrittenKind::Text if typed.is_plain && is_number(typed.raw) => OTHER_DIGITS,
            _ => "would be saved as something else than it is typed: put it in double quotes",
        };
        Some(format!("{name} {words}"))
    }

    fn lost_comments(&self, found: &mut Vec<TextDifference>) {
        let mut left = self.saved.comments.clone();
        let documents = self.typed.documents.iter();
        for (start, text) in documents.flat_map(|document| &document.comments) {
            let words = words_of(text);
            let count = left.entry(words).or_default();
            let is_kept = *count > 0;
            *count = count.saturating_sub(1);
            if !is_kept && !words.is_empty() && !self.shown.comments.contains_key(words) {
                let words = "sops would drop this comment: put it on a line of its own above a value, or delete it";
                found.push((Some(*start), words.to_owned()));
            }
        }
    }

    /// What sops sees and kb does not.
    fn added(&self, found: &mut Vec<TextDifference>) {
        for (number, document) in self.saved.documents.iter().enumerate() {
            let typed = self.typed.documents.get(number);
            if document.is_mapping && !typed.is_some_and(|typed| typed.is_mapping) {
                let start = typed.map(|_| self.text.len());
                let words = format!(
                    "document {} is empty, and would be saved as {{}}: remove its line ---",
                    number + 1
                );
                found.push((start, words));
            }
        }
        for place in self.saved.values.keys() {
            let (number, path, _) = *place;
            if !self.typed.values.contains_key(place) && !self.shown.values.contains_key(place) {
                let name = self.name(number, path);
                found.push((
                    None,
                    format!("{name} would be saved, and kb does not see it: write that part more plainly"),
                ));
            }
        }
    }

    fn name(&self, number: usize, path: &Path) -> String {
        let shown = path.shown();
        if self.typed.documents.len() > 1 {
            format!("document {}: {shown}", number + 1)
        } else {
            shown
        }
    }
}

/// Whether it is a number for go-yaml, be it one that kb does not read for certain.
fn is_number(plain: &str) -> bool {
    !matches!(
        resolve(plain),
        Resolved::Text | Resolved::Null | Resolved::Boolean(_)
    )
}
