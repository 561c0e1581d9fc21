//! Documents with nothing in them: kubectl passes over them, sops writes `{}` for each, and
//! Flux refuses that.

use std::borrow::Cow;
use std::ops::Range;

use secrecy::{ExposeSecret, SecretBox};

use super::{Problem, text_of};
use crate::core::encrypted::Format;
use crate::core::yaml::{Document, NodeKind, Stream};

/// The text without documents that hold nothing, or at most comments, which go to the next
/// document or the last one. One alone stays.
///
/// # Errors
/// [`Problem`], where one cannot be removed without a change of anything else.
pub(in crate::core::edit) fn without_empty_documents(
    format: Format,
    typed: &SecretBox<Vec<u8>>,
) -> Result<Option<SecretBox<Vec<u8>>>, Problem> {
    let text = text_of(typed.expose_secret());
    if format != Format::Yaml || !text.contains("---") {
        return Ok(None);
    }
    // What does not parse, sops refuses.
    let Ok(stream) = Stream::parse(&text) else {
        return Ok(None);
    };
    let documents = &stream.documents;
    let Some(last) = documents.iter().rposition(|document| !is_empty(document)) else {
        return Ok(None);
    };
    let mut removed: Vec<Range<usize>> = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        if !is_empty(document) {
            continue;
        }
        // Without the marker that ends it, it is a part of the next one.
        let marker = if number > last { number } else { number + 1 };
        let marker = documents.get(marker).and_then(|it| it.marker);
        removed.extend(marker.map(|at| line_or_marker(&text, at)));
        removed.extend(document.root.as_ref().map(|root| root.start..root.end));
    }
    if removed.is_empty() {
        return Ok(None);
    }
    removed.sort_by_key(|range| range.start);
    let mut rest = Vec::with_capacity(text.len());
    let mut end = 0;
    for range in removed {
        rest.extend_from_slice(text.get(end..range.start).unwrap_or_default().as_bytes());
        end = end.max(range.end);
    }
    rest.extend_from_slice(text.get(end..).unwrap_or_default().as_bytes());
    let rest = SecretBox::new(Box::new(rest));
    if is_same(&stream, rest.expose_secret()) {
        return Ok(Some(rest));
    }
    let empty = documents.iter().find(|document| is_empty(document));
    let before = empty.and_then(|empty| text.get(..empty.marker?));
    let line = before.map(|before| (before.matches('\n').count() as u64 + 1, 1));
    Err(Problem::at(
        line,
        "a document without a value: remove it and its ---",
    ))
}

/// Whether there is no value in a document.
pub(super) fn is_empty(document: &Document<'_>) -> bool {
    document.root.as_ref().is_none_or(|root| {
        let is_nothing = match &root.kind {
            NodeKind::Mapping { pairs, .. } => pairs.is_empty(),
            _ => root.is_null(),
        };
        is_nothing && root.tag.is_none() && root.anchor.is_none()
    })
}

/// The marker, with its line if nothing else is in it.
fn line_or_marker(text: &str, at: usize) -> Range<usize> {
    let behind = at + "---".len();
    let rest = text.get(behind..).unwrap_or_default();
    let end = rest.find('\n').map_or(rest.len(), |end| end + 1);
    let is_alone = rest[..end].trim().is_empty();
    at..if is_alone { behind + end } else { behind }
}

/// Whether the text holds the documents of the stream that are not empty, and no others.
fn is_same(stream: &Stream<'_>, rest: &[u8]) -> bool {
    let rest: Cow<'_, str> = text_of(rest);
    let Ok(rest) = Stream::parse(&rest) else {
        return false;
    };
    let values = |stream: &Stream<'_>| {
        let documents = stream.documents.iter();
        let filled = documents.filter(|document| !is_empty(document));
        let values = filled.map(|document| document.to_value(&stream.effort));
        values.collect::<Result<Vec<_>, _>>().ok()
    };
    !rest.documents.iter().any(is_empty) && values(&rest) == values(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(text: &str) -> Option<String> {
        let typed = SecretBox::new(Box::new(text.as_bytes().to_vec()));
        let rest = without_empty_documents(Format::Yaml, &typed).expect(text)?;
        Some(String::from_utf8(rest.expose_secret().clone()).expect("UTF-8"))
    }

    #[test]
    fn documents_without_a_value_are_removed_and_their_comments_stay() {
        for (text, expected) in [
            ("a: 1\n---\n", "a: 1\n"),
            ("a: 1\n---", "a: 1\n"),
            ("a: 1\n---\n---\n\n", "a: 1\n\n"),
            ("---\n---\na: 1\n", "---\na: 1\n"),
            ("---\n# c\n---\na: 1\n", "---\n# c\na: 1\n"),
            ("a: 1\n---\n# c\n---\nb: 2\n", "a: 1\n---\n# c\nb: 2\n"),
            (
                "a: 1\n---\n# c\n--- # d\nb: 2\n",
                "a: 1\n---\n# c\n # d\nb: 2\n",
            ),
            ("a: 1\n---\n# c\n", "a: 1\n# c\n"),
            ("a: 1\n---\n{}\n---\nb: 2\n", "a: 1\n---\n\nb: 2\n"),
            ("a: 1\n--- ~\n", "a: 1\n \n"),
            ("a: |\n  x\n---\n", "a: |\n  x\n"),
            ("a: |+\n  x\n\n---\n# c\n", "a: |+\n  x\n\n# c\n"),
            ("a: 1\r\n---\r\n", "a: 1\r\n"),
        ] {
            assert_eq!(without(text).as_deref(), Some(expected), "{text:?}");
        }
        for text in [
            "a: 1\n",
            "---\na: 1\n---\nb: 2\n",
            "---\n",
            "# c\n---\na: 1\n",
            "a: |\n  ---\n",
            "{}\n",
            "a: [\n---\n",
        ] {
            assert_eq!(without(text), None, "{text:?}");
        }
    }
}
