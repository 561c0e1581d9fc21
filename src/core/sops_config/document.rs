//! A YAML document as a tree of byte ranges, for edits of its text.

use std::iter::Peekable;

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};

/// A YAML document whose aliases can be followed.
#[derive(Debug)]
pub(super) struct Document<'t> {
    pub(super) text: &'t str,
    /// `None` where there is nothing but comments.
    pub(super) root: Option<Node>,
}

/// A node and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// First byte, behind an anchor and a tag. Of a block collection: of its
    /// first child. Of a block scalar: of its first line's text. Of nothing:
    /// the byte behind the colon, the dash or the anchor.
    pub(super) start: usize,
    /// First byte of its anchor, if it has one, else of itself.
    pub(super) outer: usize,
    /// The byte after the last one, white space at the end not counted.
    pub(super) end: usize,
    /// Column of the first character, from 0.
    pub(super) column: usize,
    /// Line of the first character, from 1.
    pub(super) line: usize,
    /// The number of its anchor, if it has one.
    pub(super) anchor: Option<usize>,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// A scalar and its value. Nothing at all is a scalar whose range is empty.
    Scalar { style: ScalarStyle, value: String },
    /// A list.
    Sequence { flow: bool, items: Vec<Node> },
    /// A mapping.
    Mapping { flow: bool, pairs: Vec<Pair> },
    /// `*name`, and the number of the anchor.
    Alias(usize),
}

#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: Node,
    pub(super) value: Node,
}

impl Pair {
    /// The byte after the last one of the value, or of the colon if there is
    /// none.
    pub(super) fn end(&self) -> usize {
        self.value.end.max(self.key.end)
    }

    /// The key's text, if it is a scalar.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.key.kind {
            Kind::Scalar { value, .. } => Some(value),
            _ => None,
        }
    }
}

impl Node {
    /// Whether nothing stands there at all.
    pub(super) fn is_nothing(&self) -> bool {
        self.start == self.end
    }

    /// Whether it is a scalar that stands for no value: nothing, `~`, `null`.
    pub(super) fn is_null(&self) -> bool {
        let plain = ScalarStyle::Plain;
        matches!(&self.kind, Kind::Scalar { style, value } if *style == plain
            && matches!(value.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The items, if it is a list.
    pub(super) fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::Sequence { items, .. } => items,
            _ => &[],
        }
    }

    /// The entry of this name that stands in the mapping itself.
    pub(super) fn own(&self, name: &str) -> Option<&Pair> {
        match &self.kind {
            Kind::Mapping { pairs, .. } => pairs.iter().find(|pair| pair.name() == Some(name)),
            _ => None,
        }
    }

    fn takes_tabs(&self, at: usize) -> bool {
        let around = (self.start..self.end).contains(&at);
        match &self.kind {
            Kind::Scalar { .. } | Kind::Alias(_) => around,
            Kind::Sequence { flow: true, .. } | Kind::Mapping { flow: true, .. } => around,
            Kind::Sequence { items, .. } => items.iter().any(|item| item.takes_tabs(at)),
            Kind::Mapping { pairs, .. } => pairs
                .iter()
                .any(|pair| pair.key.takes_tabs(at) || pair.value.takes_tabs(at)),
        }
    }

    fn find_anchor(&self, id: usize) -> Option<&Node> {
        if self.anchor == Some(id) {
            return Some(self);
        }
        match &self.kind {
            Kind::Sequence { items, .. } => items.iter().find_map(|item| item.find_anchor(id)),
            Kind::Mapping { pairs, .. } => pairs.iter().find_map(|pair| {
                let key = pair.key.find_anchor(id);
                key.or_else(|| pair.value.find_anchor(id))
            }),
            Kind::Scalar { .. } | Kind::Alias(_) => None,
        }
    }
}

impl<'t> Document<'t> {
    /// Reads the first document. The text has been read by serde-saphyr before,
    /// so there is an error only where the two disagree.
    pub(super) fn parse(text: &'t str) -> Result<Self, ()> {
        let mut events = Vec::new();
        let options = granit_parser::options! { emit_anchor_events: true };
        for next in Parser::new_from_str_with_options(text, options) {
            let (event, span) = next.map_err(|_| ())?;
            match event {
                Event::DocumentEnd => break,
                Event::StreamStart | Event::DocumentStart(..) | Event::Comment(..) => {}
                other => events.push((other, span)),
            }
        }
        let mut builder = Builder {
            text,
            events: events.into_iter().peekable(),
        };
        let root = builder.next_node().filter(|node| !node.is_nothing());
        Ok(Self { text, root })
    }

    /// The node itself, or the one that an alias stands for.
    pub(super) fn resolve<'n>(&'n self, node: &'n Node) -> &'n Node {
        match node.kind {
            Kind::Alias(id) => {
                let target = self.root.as_ref().and_then(|root| root.find_anchor(id));
                target.unwrap_or(node)
            }
            _ => node,
        }
    }

    /// The entry of this name in a mapping: its own, or one that is merged in
    /// with `<<`.
    pub(super) fn pair<'n>(&'n self, mapping: &'n Node, name: &str) -> Option<&'n Pair> {
        let mapping = self.resolve(mapping);
        if let Some(pair) = mapping.own(name) {
            return Some(pair);
        }
        let merged = self.resolve(&mapping.own("<<")?.value);
        match &merged.kind {
            Kind::Sequence { items, .. } => items.iter().find_map(|item| self.pair(item, name)),
            _ => self.pair(merged, name),
        }
    }

    /// The value of that entry. What an alias stands for counts as the value.
    pub(super) fn get<'n>(&'n self, mapping: &'n Node, name: &str) -> Option<&'n Node> {
        let pair = self.pair(mapping, name)?;
        Some(self.resolve(&pair.value))
    }

    /// Whether sops takes a tab at this byte though it stands before a line's
    /// first word: in a scalar or a flow collection.
    pub(super) fn takes_tabs(&self, at: usize) -> bool {
        self.root.as_ref().is_some_and(|root| root.takes_tabs(at))
    }

    /// The items of the list of this name at the top of the document.
    pub(super) fn top_list(&self, name: &str) -> &[Node] {
        let root = self.root.as_ref();
        let list = root.and_then(|root| self.get(root, name));
        list.map_or(&[], Node::items)
    }
}

struct Builder<'t> {
    text: &'t str,
    events: Peekable<std::vec::IntoIter<(Event<'t>, Span)>>,
}

impl Builder<'_> {
    /// The next node; `None` at the end of the collection around it.
    fn next_node(&mut self) -> Option<Node> {
        let (event, span) = self.events.next()?;
        let start = span.start.byte_offset().unwrap_or_default();
        let end = span.end.byte_offset().unwrap_or_default();
        let anchor = |(next, _): &(Event<'_>, Span)| matches!(next, Event::Anchor(..));
        let anchor_span = self.events.next_if(anchor).map(|(_, span)| span);
        let anchor_start = anchor_span.and_then(|span| span.start.byte_offset());
        let mut node = Node {
            kind: Kind::Alias(0),
            start,
            outer: anchor_start.unwrap_or(start),
            end: self.trimmed(start, end),
            column: span.start.col(),
            line: span.start.line(),
            anchor: None,
        };
        let (kind, anchor) = match event {
            Event::Scalar(value, style, anchor, _) => {
                let value = if node.is_nothing() {
                    String::new()
                } else {
                    value.into_owned()
                };
                (Kind::Scalar { style, value }, anchor)
            }
            Event::SequenceStart(style, anchor, _) => {
                let flow = style == StructureStyle::Flow;
                let mut items = Vec::new();
                while let Some(item) = self.next_node() {
                    items.push(item);
                }
                if let (false, Some(first), Some(last)) = (flow, items.first(), items.last()) {
                    (node.start, node.end) = (first.start, last.end);
                    node.outer = anchor_start.unwrap_or(first.outer);
                } else {
                    node.end = self.closed_by(']', start, items.last().map(|item| item.end));
                }
                (Kind::Sequence { flow, items }, anchor)
            }
            Event::MappingStart(style, anchor, _) => {
                let flow = style == StructureStyle::Flow;
                let mut pairs: Vec<Pair> = Vec::new();
                while let Some(key) = self.next_node() {
                    let mut value = self.next_node()?;
                    self.move_behind_colon(&key, &mut value);
                    pairs.push(Pair { key, value });
                }
                if let (false, Some(first), Some(last)) = (flow, pairs.first(), pairs.last()) {
                    node.start = first.key.start;
                    node.outer = anchor_start.unwrap_or(first.key.outer);
                    node.column = first.key.column;
                    node.line = first.key.line;
                    node.end = last.end();
                } else {
                    let inner = pairs.last().map(Pair::end);
                    node.end = self.closed_by('}', start, inner);
                }
                (Kind::Mapping { flow, pairs }, anchor)
            }
            Event::Alias(id) => (Kind::Alias(id), 0),
            _ => return None,
        };
        node.kind = kind;
        node.anchor = (anchor != 0).then_some(anchor);
        Some(node)
    }

    /// The parser has nothing at the colon, or before it.
    fn move_behind_colon(&self, key: &Node, value: &mut Node) {
        let rest = &self.text[key.end..];
        let gap = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let colon = key.end + gap;
        if value.is_nothing() && self.text[colon..].starts_with(':') && value.start <= colon {
            (value.start, value.end, value.outer) = (colon + 1, colon + 1, colon + 1);
        }
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
