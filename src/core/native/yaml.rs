//! YAML and JSON: where values stand in them, and under which keys.
//!
//! JSON is read as the YAML that it is, once it is known to be JSON. What kb's YAML
//! parser and that of sops (go-yaml 3) may see differently is left to sops.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, StructureStyle};
use serde::de::IgnoredAny;

use super::Outside;
use super::contents::{Comment, Document, Path, SOPS, Scalar, Segment, Value};
use super::scalar;

/// The documents of a YAML file.
///
/// # Errors
/// [`Outside`]
pub(super) fn read(text: &str) -> Result<Vec<Document<'_>>, Outside> {
    // go-yaml takes a bare return for a line's end, a tab for no indentation, and has
    // its own mind about what comes after the end of a document.
    let bare_return = |(at, _)| !text[at + 1..].starts_with('\n');
    let tab_before_text = |line: &str| line.trim_start_matches([' ', '-']).starts_with('\t');
    let ends_document = |line: &str| line.starts_with("...");
    if !text.chars().all(is_plain)
        || text.lines().any(ends_document)
        || text.match_indices('\r').any(bare_return)
        || text.lines().any(tab_before_text)
    {
        return Err(Outside::Syntax);
    }
    Reader::new(text, StructureStyle::Block).documents()
}

/// The one document of a JSON file.
///
/// # Errors
/// [`Outside`]
pub(super) fn read_json(text: &str) -> Result<Vec<Document<'_>>, Outside> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|_| Outside::Syntax)?;
    Reader::new(text, StructureStyle::Flow).documents()
}

/// Whether go-yaml takes a character, and not for a line's end of YAML 1.1.
fn is_plain(c: char) -> bool {
    match c {
        '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => false,
        '\t' | '\n' | '\r' | ' '..='~' | '\u{a0}'.. => !matches!(c, '\u{fffe}' | '\u{ffff}'),
        _ => false,
    }
}

/// Whether there is an escape that only JSON has: go-yaml takes no slash, and no
/// character in two halves.
fn has_escape_of_json(quoted: &str) -> bool {
    let mut rest = quoted;
    while let Some(at) = rest.find('\\') {
        let escape = &rest.as_bytes()[at + 1..];
        if let [b'/', ..]
        | [
            b'u',
            b'd' | b'D',
            b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F',
            ..,
        ] = escape
        {
            return true;
        }
        // What is escaped may be a backslash, or a character of several bytes.
        let skipped = rest[at + 1..].chars().next().map_or(0, char::len_utf8);
        rest = &rest[at + 1 + skipped..];
    }
    false
}

struct Reader<'t> {
    text: &'t str,
    parser: Parser<'t, StrInput<'t>>,
    /// How collections with something in them are written: in YAML as sops writes
    /// them, since the two parsers see flow collections differently at times.
    style: StructureStyle,
    document: Document<'t>,
    path: Path,
    /// The container that is being read.
    container: usize,
}

type Next<'t> = Option<(Event<'t>, Range<usize>)>;

impl<'t> Reader<'t> {
    fn new(text: &'t str, style: StructureStyle) -> Self {
        let options = granit_parser::options! { disallow_directives: true };
        Self {
            text,
            parser: Parser::new_from_str_with_options(text, options),
            style,
            document: Document::default(),
            path: Path::default(),
            container: 0,
        }
    }

    fn documents(mut self) -> Result<Vec<Document<'t>>, Outside> {
        let mut documents = Vec::new();
        while let Some((event, _)) = self.next()? {
            match event {
                Event::StreamStart | Event::StreamEnd => {}
                Event::DocumentStart(..) => {
                    let Some((Event::MappingStart(style, 0, None), _)) = self.next()? else {
                        return Err(Outside::Syntax);
                    };
                    self.mapping(style)?;
                }
                // Comments may follow the last node.
                Event::DocumentEnd => documents.push(std::mem::take(&mut self.document)),
                _ => return Err(Outside::Syntax),
            }
        }
        match documents.last_mut() {
            Some(last) => last.comments.append(&mut self.document.comments),
            None => return Err(Outside::Syntax),
        }
        Ok(documents)
    }

    /// The next event that is no comment.
    fn next(&mut self) -> Result<Next<'t>, Outside> {
        loop {
            let Some(next) = self.parser.next() else {
                return Ok(None);
            };
            let (event, span) = next.map_err(|_| Outside::Syntax)?;
            let range = byte_range(&span)?;
            match event {
                Event::Comment(Cow::Borrowed(text), _) => {
                    let text = text.trim_end();
                    let start = range.start + 1;
                    self.document.comments.push(Comment {
                        range: start..start + text.len(),
                        text,
                        container: self.container,
                        next: self.document.containers.len(),
                    });
                }
                Event::Comment(..) => return Err(Outside::Syntax),
                event => return Ok(Some((event, range))),
            }
        }
    }

    /// The node that begins with this event.
    fn node(&mut self, event: Event<'t>, range: Range<usize>) -> Result<(), Outside> {
        match event {
            Event::Scalar(text, style, 0, None) => {
                let scalar = self.scalar(text, style, &range)?;
                self.push(range, scalar);
                Ok(())
            }
            // go-yaml writes the number 1.0 as `!!float 1`.
            Event::Scalar(text, ScalarStyle::Plain, 0, Some(tag))
                if tag.is_yaml_core_schema_tag("float") =>
            {
                self.push(range, scalar::of_tagged_float(&text)?);
                Ok(())
            }
            Event::MappingStart(style, 0, None) => self.mapping(style),
            Event::SequenceStart(style, 0, None) => self.sequence(style),
            // Aliases, anchors, other tags.
            _ => Err(Outside::Construct),
        }
    }

    fn scalar(
        &self,
        text: Cow<'t, str>,
        style: ScalarStyle,
        range: &Range<usize>,
    ) -> Result<Scalar<'t>, Outside> {
        match (style, self.style) {
            (ScalarStyle::Plain, _) if range.is_empty() => Ok(Scalar::Null),
            (ScalarStyle::DoubleQuoted, StructureStyle::Block)
                if has_escape_of_json(&self.text[range.clone()]) =>
            {
                Err(Outside::Syntax)
            }
            (ScalarStyle::Plain, StructureStyle::Block) => scalar::of_plain_yaml(text),
            (ScalarStyle::Plain, StructureStyle::Flow) => scalar::of_bare_json(&text),
            _ => Ok(Scalar::Text(text)),
        }
    }

    fn push(&mut self, range: Range<usize>, scalar: Scalar<'t>) {
        let value = |path| Value {
            path,
            range,
            scalar,
        };
        match self.path.0.as_slice() {
            [Segment::Key(first), rest @ ..] if first == SOPS => {
                let value = value(Path(rest.to_vec()));
                self.document.metadata.push(value);
            }
            _ => {
                let value = value(self.path.clone());
                self.document.values.push(value);
            }
        }
    }

    fn mapping(&mut self, style: StructureStyle) -> Result<(), Outside> {
        let outer = self.enter();
        let mut seen = HashSet::new();
        loop {
            let key = match self.next()? {
                Some((Event::MappingEnd, _)) => break,
                Some((Event::Scalar(key, how, 0, None), range)) => {
                    match self.scalar(key, how, &range)? {
                        Scalar::Text(key) => key,
                        // sops knows only texts as keys.
                        _ => return Err(Outside::Construct),
                    }
                }
                _ => return Err(Outside::Construct),
            };
            if style != self.style || !seen.insert(key.clone()) {
                return Err(Outside::Construct);
            }
            self.path.0.push(Segment::Key(key.into_owned()));
            let Some((event, range)) = self.next()? else {
                return Err(Outside::Syntax);
            };
            self.node(event, range)?;
            self.path.0.pop();
        }
        self.container = outer;
        Ok(())
    }

    fn sequence(&mut self, style: StructureStyle) -> Result<(), Outside> {
        let outer = self.enter();
        for index in 0.. {
            let Some((event, range)) = self.next()? else {
                return Err(Outside::Syntax);
            };
            if event == Event::SequenceEnd {
                break;
            }
            if style != self.style {
                return Err(Outside::Construct);
            }
            self.path.0.push(Segment::Index(index));
            self.node(event, range)?;
            self.path.0.pop();
        }
        self.container = outer;
        Ok(())
    }

    /// A mapping or a list begins at the path. Returns the one around it.
    fn enter(&mut self) -> usize {
        self.document.containers.push(self.path.clone());
        let here = self.document.containers.len() - 1;
        std::mem::replace(&mut self.container, here)
    }
}

fn byte_range(span: &Span) -> Result<Range<usize>, Outside> {
    span.byte_range().ok_or(Outside::Syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each is refused or seen otherwise by go-yaml, or is not what sops writes.
    #[test]
    fn what_go_yaml_may_see_otherwise_is_left_to_sops() {
        for text in [
            "a:\n\tb: c\n",
            "a: |\n    x\n    \ty\n",
            "a:\n  -\tb\n",
            "a: \"\\/\"\n",
            "a: \"\\\\\\ud83d\\ude00\"\n",
            "\"\\/\": a\n",
            "a: b\n...\n",
            "...\na: b\n",
            "%YAML 1.2\n---\na: b\n",
            "a: b\rc: d\n",
            "a: b\u{2028}c\n",
            "a: b\u{85}",
            "\u{feff}a: b\n",
            "a: \u{7f}\n",
            "a: [b]\n",
            "a: {b: c}\n",
            "a: &b c\n",
            "a: &b c\nd: *b\n",
            "<<: b\n",
            "a: !!str 1\n",
            "a: !b c\n",
            "a: b\na: c\n",
            "~: b\n",
            "12: b\n",
            ": b\n",
            "true: b\n",
            "? [a]\n: b\n",
            "- a\n",
            "a\n",
            "",
            "a: b\n---\n- c\n",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
        for text in [
            "a: b\n",
            "---\na: {}\nb: []\n",
            "a: b\r\n",
            "a: !!float 1\n",
            "é: \u{1f642}\n",
            "a: \"\\\\/ \\u00e9 \\\\ud83d\"\n",
        ] {
            assert!(read(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn json_that_is_none_or_says_a_thing_twice_is_left_to_sops() {
        for text in [
            "{\"a\": 1, \"a\": 2}",
            "{a: 1}",
            "{\"a\": 1,}",
            "[1]",
            "1",
            "{}{}",
            "{\"a\": 01}",
        ] {
            assert!(read_json(text).is_err(), "{text}");
        }
        assert!(read_json("{\n\t\"a\": [1, {}], \"b\": {\"c\": null}}").is_ok());
    }
}
