//! Why a text was refused, in words that repeat nothing of it.

use secrecy::{ExposeSecret, SecretBox, SecretString};

use super::check::{self, Problem};
use crate::core::encrypted::Format;
use crate::core::encrypted::inspect::{WrittenKind, written};
use crate::core::yaml::scalar::resolve;
use crate::core::yaml::{self, Node, NodeKind, Stream};

/// A text that sops or the cluster would not take.
pub(super) struct Objection {
    pub(super) problem: Problem,
    /// More, which may repeat the text; for the editor only.
    pub(super) said: Option<SecretString>,
}

impl From<Problem> for Objection {
    fn from(problem: Problem) -> Self {
        Self {
            problem,
            said: None,
        }
    }
}

impl Objection {
    /// What sops refused, with the place and the cause if kb can tell them.
    pub(super) fn of_refusal(
        format: Format,
        text: &SecretBox<Vec<u8>>,
        said: SecretString,
    ) -> Self {
        let refused = || format!("sops does not take it for {}", name_of(format));
        let bytes = text.expose_secret();
        let located = check::reason_for_refusal(format, bytes);
        let phrase = yaml_phrase(said.expose_secret());
        let problem = match (located, phrase) {
            (Some(problem), Some(phrase)) => problem.because(phrase),
            (Some(problem), None) => problem,
            (None, Some(phrase)) => Problem::new(refused()).because(phrase),
            (None, None) => match cause(format, bytes, said.expose_secret()) {
                Some((Some(line), words)) => Problem::at(Some((line, 1)), refused()).because(words),
                Some((None, words)) => Problem::new(refused()).because(words),
                None => {
                    return Self {
                        problem: Problem::new(refused()),
                        said: Some(said),
                    };
                }
            },
        };
        problem.into()
    }
}

/// The words of sops's YAML parser, if they quote nothing of the text: what it quotes is in
/// quotation marks, which are allowed around single signs only.
fn yaml_phrase(said: &str) -> Option<&str> {
    let (_, words) = said.rsplit_once("yaml: ")?;
    let words = match words.strip_prefix("line ") {
        Some(numbered) => numbered.split_once(": ")?.1,
        None => words,
    };
    let mut parts = words.split('\'').enumerate();
    let is_safe = parts.all(|(number, part)| {
        if number % 2 == 0 {
            part.chars().all(|c| c.is_ascii_lowercase() || c == ' ')
        } else {
            part.chars().count() == 1 && !part.contains(char::is_alphanumeric)
        }
    });
    is_safe.then_some(words)
}

/// Why sops refuses a text that parses, and the line, from 1.
fn cause(format: Format, text: &[u8], said: &str) -> Option<(Option<u64>, &'static str)> {
    let decoded = match format {
        Format::Yaml => yaml::decode(text).ok()?.text,
        _ => String::from_utf8_lossy(text),
    };
    let line_of = |is_bad: &dyn Fn(&str) -> bool| {
        let at = decoded.lines().position(is_bad)?;
        Some(at as u64 + 1)
    };
    Some(match format {
        Format::Dotenv if said.contains("invalid dotenv input line") => {
            let is_bad =
                |line: &str| !line.is_empty() && !line.starts_with('#') && !line.contains('=');
            (line_of(&is_bad), "this line is not KEY=value")
        }
        Format::Ini if said.contains("delimiter not found") => {
            let is_bad = |line: &str| {
                let line = line.trim();
                !line.is_empty() && !line.starts_with(['#', ';', '[']) && !line.contains(['=', ':'])
            };
            (line_of(&is_bad), "this line is not key = value")
        }
        Format::Ini if said.contains("unclosed section") => {
            let is_bad = |line: &str| line.trim().starts_with('[') && !line.contains(']');
            (line_of(&is_bad), "this section is not closed with ]")
        }
        Format::Yaml if said.contains("non-string key") => (
            line_of_odd_key(&decoded),
            "this key is not text: put it in quotes",
        ),
        Format::Yaml if said.contains("unsupported type") || said.contains("unknown type") => (
            line_of_large_number(&decoded),
            "this number is too large: put it in quotes",
        ),
        Format::Yaml if said.contains("marshaling timestamp") => {
            (None, "a date is out of its range: put it in quotes")
        }
        _ => return None,
    })
}

fn line_of_odd_key(text: &str) -> Option<u64> {
    fn find(node: &Node<'_>) -> Option<usize> {
        match &node.kind {
            NodeKind::Mapping { pairs, .. } => pairs.iter().find_map(|pair| {
                let is_text = pair.key.resolved().is_some_and(|key| key.is_text());
                let is_alias = matches!(pair.key.kind, NodeKind::Alias(_));
                if is_text || is_alias {
                    find(&pair.value)
                } else {
                    Some(pair.key.line)
                }
            }),
            NodeKind::Sequence { items, .. } => items.iter().find_map(find),
            NodeKind::Scalar { .. } | NodeKind::Alias(_) => None,
        }
    }
    let stream = Stream::parse(text).ok()?;
    let mut roots = stream.documents.iter().filter_map(|it| it.root.as_ref());
    roots.find_map(find).map(|line| line as u64)
}

fn line_of_large_number(text: &str) -> Option<u64> {
    let documents = written(Format::Yaml, text).ok()?;
    let mut values = documents.iter().flat_map(|document| &document.values);
    let large = values.find(|value| {
        let is_odd = value.is_plain && value.kind == WrittenKind::Text;
        is_odd && !resolve(value.raw).is_text() && value.raw.len() > 15
    })?;
    Some(text[..large.start].matches('\n').count() as u64 + 1)
}

/// What a file of this format is called.
fn name_of(format: Format) -> &'static str {
    match format {
        Format::Yaml => "YAML",
        Format::Json => "JSON",
        Format::Dotenv => "a dotenv file",
        Format::Ini => "an ini file",
        Format::Binary => "a binary file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_that_quote_nothing_are_repeated() {
        for (said, repeated) in [
            (
                "yaml: line 2: did not find expected ',' or ']'",
                Some("did not find expected ',' or ']'"),
            ),
            (
                "Error unmarshaling input YAML: yaml: mapping values are not allowed in this context",
                Some("mapping values are not allowed in this context"),
            ),
            ("yaml: unknown anchor 'hunter2' referenced", None),
            ("yaml: unknown anchor 'x' referenced", None),
            (
                "yaml: line 2: cannot unmarshal !!str `hunter2` into map",
                None,
            ),
            ("invalid dotenv input line: hunter2", None),
        ] {
            assert_eq!(yaml_phrase(said), repeated, "{said}");
        }
    }
}
