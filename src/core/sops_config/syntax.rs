//! What is not YAML, or not to sops, and how that is said.

use std::path::Path;

use super::model::{ConfigError, Position};
use crate::core::conflict;
use crate::core::yaml::{Encoding, NotParsed, Stream, YamlErrorKind, decode};

/// Line ends of YAML 1.1, which sops (go-yaml) reads, and of YAML 1.2 no more.
const OLD_LINE_ENDS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

const TAB: &str = "a tab where sops takes only spaces";

/// The text of a file, and how it is encoded.
///
/// # Errors
/// [`ConfigError::Parse`] where it is not text.
pub(super) fn text(path: &Path, bytes: &[u8]) -> Result<(String, Encoding), ConfigError> {
    let decoded = decode(bytes).map_err(|error| {
        let name = if error.encoding.is_utf16() {
            "UTF-16"
        } else {
            "UTF-8"
        };
        let error = NotParsed::from(error);
        let reason = format!("it is not text in {name}");
        parse_error(path, Position::from(&error), &reason)
    })?;
    Ok((decoded.text.into_owned(), decoded.encoding))
}

/// Reads the first document; sops looks at no other.
///
/// # Errors
/// [`ConfigError::Conflict`], [`ConfigError::Parse`]
pub(super) fn stream<'t>(path: &Path, text: &'t str) -> Result<Stream<'t>, ConfigError> {
    if let Some(line) = conflict::marker(text) {
        return Err(ConfigError::Conflict {
            place: Position { line, column: 1 }.in_file(path),
        });
    }
    let stream = Stream::parse_first(text).map_err(|error| of_parser(path, text, &error))?;
    let first = &text[..stream.end];
    if let Some(at) = first.find(OLD_LINE_ENDS) {
        let reason = "a character that ends the line for sops, and is not seen";
        return Err(parse_error(path, Position::of(text, at), reason));
    }
    if first.contains('\t')
        && let Some(at) = stream.indenting_tab(first)
    {
        return Err(parse_error(path, Position::of(text, at), TAB));
    }
    match other_version(first) {
        Some(line) => {
            let position = Position { line, column: 1 };
            let reason = "sops reads %YAML 1.1 and no other version";
            Err(parse_error(path, position, reason))
        }
        None => Ok(stream),
    }
}

/// The line of a `%YAML` directive that go-yaml refuses.
fn other_version(text: &str) -> Option<u64> {
    let is_other = |line: &str| {
        let version = line.strip_prefix("%YAML").map(str::trim);
        version.is_some_and(|version| version.split_whitespace().next() != Some("1.1"))
    };
    let mut head = text.lines().take_while(|line| !line.starts_with("---"));
    Some(head.position(is_other)? as u64 + 1)
}

/// An error of the parser in kb's words.
pub(super) fn of_parser(path: &Path, text: &str, error: &NotParsed) -> ConfigError {
    let position = Position::from(error);
    let reason = match &error.reason {
        YamlErrorKind::Said(said) if is_of_tab(said) => {
            // The place is where the scalar before it begins.
            let line = usize::try_from(position.line).unwrap_or(1);
            let lines = text.split_inclusive('\n');
            let before = lines.take(line - 1).map(str::len).sum::<usize>();
            let tab = text[before..].find('\t').map(|found| before + found);
            let place = tab.map_or(position, |at| Position::of(text, at));
            return parse_error(path, place, TAB);
        }
        YamlErrorKind::Said(said) => format!("not YAML: {said}"),
        reason => {
            let expected = "entries (name: value) are expected here";
            reason.words().unwrap_or(expected).to_owned()
        }
    };
    parse_error(path, position, &reason)
}

fn is_of_tab(said: &str) -> bool {
    let mut words = said.split(|c: char| !c.is_alphabetic());
    words.any(|word| word.starts_with("tab"))
}

pub(super) fn parse_error(path: &Path, position: Position, reason: &str) -> ConfigError {
    ConfigError::Parse {
        place: position.in_file(path),
        reason: reason.to_owned(),
    }
}
