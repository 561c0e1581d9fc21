//! What is no YAML, or none to sops, and how that is said.

use std::path::Path;

use super::document::Document;
use super::model::{ConfigError, Position};

/// Line ends of YAML 1.1, which sops (go-yaml) reads, and of YAML 1.2 no more.
const OLD_LINE_ENDS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// The text of a file.
///
/// # Errors
/// [`ConfigError::Parse`] where it is not UTF-8.
pub(super) fn text(path: &Path, bytes: Vec<u8>) -> Result<String, ConfigError> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..valid]);
        let position = Position::of(&before, valid);
        parse_error(path, position, "it is no text in UTF-8")
    })
}

/// How kb reads a config. Many rules may refer to one anchor; what an alias bomb
/// would unfold to is bounded all the same.
pub(super) fn options() -> serde_saphyr::Options {
    let budget = serde_saphyr::budget! { enforce_alias_anchor_ratio: false };
    serde_saphyr::options! { budget: budget, with_snippet: false }
}

/// Looks for what serde-saphyr takes and sops does not: a line end of YAML 1.1
/// (a comment would go on in the next line), a tab before a line's first word.
///
/// # Errors
/// [`ConfigError::Parse`]
pub(super) fn check(path: &Path, text: &str) -> Result<(), ConfigError> {
    if let Some(at) = text.find(OLD_LINE_ENDS) {
        let reason = "a character that ends the line for sops, and is not seen";
        return Err(parse_error(path, Position::of(text, at), reason));
    }
    if !text.contains('\t') {
        return Ok(());
    }
    let Ok(document) = Document::parse(text) else {
        return Ok(());
    };
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let first = line.find(|c| !matches!(c, ' ' | '-'));
        let tab = first.filter(|at| line[*at..].starts_with('\t'));
        if let Some(at) = tab.map(|at| start + at)
            && !document.takes_tabs(at)
        {
            return Err(parse_error(path, Position::of(text, at), TAB));
        }
        start += line.len();
    }
    Ok(())
}

const TAB: &str = "a tab where sops takes only spaces";

fn parse_error(path: &Path, position: Position, reason: &str) -> ConfigError {
    ConfigError::Parse {
        place: position.in_file(path),
        reason: reason.to_owned(),
    }
}

/// serde-saphyr's error in kb's words: its own are for programmers.
pub(super) fn error(path: &Path, text: &str, error: &serde_saphyr::Error) -> ConfigError {
    use serde_saphyr::Error as E;
    let start = Position { line: 1, column: 1 };
    let position = error.location().map_or(start, Into::into);
    let inner = error.without_snippet();
    let said = inner.to_string();
    let said = said.split(" at line ").next().unwrap_or(&said).trim();
    let reason = match inner {
        E::MultipleDocuments { .. } => {
            "a second document begins here, and sops reads only the first".to_owned()
        }
        E::DuplicateMappingKey { key: Some(key), .. } => {
            format!("\"{key}\" stands here for the second time")
        }
        E::DuplicateMappingKey { key: None, .. } => {
            "an entry stands here for the second time".to_owned()
        }
        E::Unexpected { expected, .. } => match *expected {
            "mapping start" => "entries (name: value) are expected here".to_owned(),
            "sequence start" => "a list is expected here".to_owned(),
            "string scalar" => "a text is expected here".to_owned(),
            _ => said.to_owned(),
        },
        E::NullIntoString { .. } => "a text is expected here".to_owned(),
        E::SerdeInvalidType { .. } => {
            "keys are expected here: a text with commas between them, or a list".to_owned()
        }
        E::UnknownAnchor { .. } => "there is no anchor of this name above".to_owned(),
        E::RecursiveReferencesRequireWeakTypes { .. } => {
            "an alias stands inside what it stands for".to_owned()
        }
        E::Budget { .. }
        | E::AliasReplayLimitExceeded { .. }
        | E::AliasExpansionLimitExceeded { .. }
        | E::AliasReplayStackDepthExceeded { .. } => {
            "too much is nested or repeated here for kb".to_owned()
        }
        _ if said
            .split(|c: char| !c.is_alphabetic())
            .any(|word| word.starts_with("tab")) =>
        {
            // The place is where the scalar before it begins.
            let line = usize::try_from(position.line).unwrap_or(1);
            let lines = text.split_inclusive('\n');
            let before = lines.take(line - 1).map(str::len).sum::<usize>();
            let tab = text[before..].find('\t').map(|found| before + found);
            let place = tab.map_or(position, |at| Position::of(text, at));
            return parse_error(path, place, TAB);
        }
        _ => format!("no YAML: {said}"),
    };
    parse_error(path, position, &reason)
}
