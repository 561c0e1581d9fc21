//! A YAML document as a tree of byte ranges, for edits of its text.

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};

/// A node and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// First byte. Of a block collection: of its first child.
    pub(super) start: usize,
    /// The byte after the last one, white space at the end not counted.
    pub(super) end: usize,
    /// Column of the first character, from 0.
    pub(super) column: usize,
    /// Line of the first character, from 1.
    pub(super) line: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// A scalar; `block` for `|` and `>`. Nothing at all is a scalar whose
    /// range is empty.
    Scalar { block: bool },
    /// A list.
    Sequence { flow: bool, items: Vec<Node> },
    /// A mapping: keys as text, where they are scalars.
    Mapping { flow: bool, pairs: Vec<Pair> },
    /// `*name`
    Alias,
}

#[derive(Debug)]
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) key: Node,
    pub(super) value: Node,
}

impl Node {
    /// Whether nothing stands there at all.
    pub(super) fn is_nothing(&self) -> bool {
        self.start == self.end
    }

    /// The pair of this name, if the node is a mapping that has it.
    pub(super) fn get(&self, name: &str) -> Option<&Pair> {
        match &self.kind {
            Kind::Mapping { pairs, .. } => pairs.iter().find(|pair| pair.name == name),
            _ => None,
        }
    }
}

/// The first document's root, or `None` where there is nothing but comments.
/// The text has been read by serde-saphyr before, so an error here is one of
/// the two parsers': it is reported as "nothing that kb can edit".
pub(super) fn parse(text: &str) -> Result<Option<Node>, ()> {
    let mut events = Vec::new();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|_| ())?;
        match event {
            Event::DocumentEnd => break,
            Event::StreamStart | Event::DocumentStart(..) | Event::Comment(..) => {}
            other => events.push((other, span)),
        }
    }
    let mut builder = Builder {
        text,
        events: events.into_iter(),
    };
    match builder.next_node() {
        Some((node, _)) if node.is_nothing() => Ok(None),
        other => Ok(other.map(|(node, _)| node)),
    }
}

struct Builder<'t> {
    text: &'t str,
    events: std::vec::IntoIter<(Event<'t>, Span)>,
}

impl Builder<'_> {
    /// The next node and its text if it is a scalar; `None` at the end of the
    /// collection around it.
    fn next_node(&mut self) -> Option<(Node, String)> {
        let (event, span) = self.events.next()?;
        let start = span.start.byte_offset().unwrap_or_default();
        let end = span.end.byte_offset().unwrap_or_default();
        let mut node = Node {
            kind: Kind::Alias,
            start,
            end: self.trimmed(start, end),
            column: span.start.col(),
            line: span.start.line(),
        };
        let mut name = String::new();
        match event {
            Event::Scalar(value, style, ..) => {
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                node.kind = Kind::Scalar { block };
                name = value.into_owned();
            }
            Event::SequenceStart(style, ..) => {
                let flow = style == StructureStyle::Flow;
                let mut items = Vec::new();
                while let Some((item, _)) = self.next_node() {
                    items.push(item);
                }
                if let (false, Some(first), Some(last)) = (flow, items.first(), items.last()) {
                    (node.start, node.end) = (first.start, last.end);
                } else {
                    node.end = self.closed_by(']', start, items.last().map(|item| item.end));
                }
                node.kind = Kind::Sequence { flow, items };
            }
            Event::MappingStart(style, ..) => {
                let flow = style == StructureStyle::Flow;
                let mut pairs: Vec<Pair> = Vec::new();
                while let Some((key, name)) = self.next_node() {
                    let (value, _) = self.next_node()?;
                    pairs.push(Pair { name, key, value });
                }
                if let (false, Some(first), Some(last)) = (flow, pairs.first(), pairs.last()) {
                    node.start = first.key.start;
                    node.column = first.key.column;
                    node.end = last.value.end.max(last.key.end);
                } else {
                    let inner = pairs.last().map(|pair| pair.value.end.max(pair.key.end));
                    node.end = self.closed_by('}', start, inner);
                }
                node.kind = Kind::Mapping { flow, pairs };
            }
            Event::Alias(_) => {}
            _ => return None,
        }
        Some((node, name))
    }

    /// A block scalar's range runs into the next line's indentation.
    fn trimmed(&self, start: usize, end: usize) -> usize {
        start + self.text[start..end].trim_end().len()
    }

    /// The byte after the bracket that closes a flow collection.
    fn closed_by(&self, bracket: char, start: usize, inner: Option<usize>) -> usize {
        let mut from = inner.unwrap_or(start + 1);
        // Between the last child and the bracket stand only commas, white
        // space and comments; a bracket in a comment is no bracket.
        while let Some(found) = self.text[from..].find(['#', bracket]) {
            from += found;
            if self.text[from..].starts_with(bracket) {
                return from + bracket.len_utf8();
            }
            from += self.text[from..]
                .find('\n')
                .unwrap_or(self.text.len() - from);
        }
        self.text.len()
    }
}
