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
use super::contents::{Comment, Document, Path, Scalar, Segment, Value};
use super::scalar;

/// The key that the metadata stands under.
const SOPS: &str = "sops";

/// The documents of a YAML file.
///
/// # Errors
/// [`Outside`]
pub(super) fn read(text: &str) -> Result<Vec<Document<'_>>, Outside> {
    let bare_return = |(at, _)| !text[at + 1..].starts_with('\n');
    let tab_before_text = |line: &str| {
        let spaces = line.len() - line.trim_start_matches(' ').len();
        line[spaces..].starts_with('\t')
    };
    let ends_document = |line: &str| line.starts_with("...");
    let is_ascii = text
        .bytes()
        .all(|byte| is_plain(char::from(byte)) && byte.is_ascii());
    if !is_ascii && !text.chars().all(is_plain)
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

struct Reader<'t> {
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
                let scalar = self.scalar(text, style, range.is_empty())?;
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
        is_nothing: bool,
    ) -> Result<Scalar<'t>, Outside> {
        match (style, self.style) {
            (ScalarStyle::Plain, _) if is_nothing => Ok(Scalar::Null),
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
                    match self.scalar(key, how, range.is_empty())? {
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
