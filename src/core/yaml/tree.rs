//! A YAML text as a tree of nodes, each with the bytes that it stands in.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, StructureStyle, Tag};
use serde_json::Value;

use super::doubt::{Doubt, Doubts};
use super::effort::Effort;
use super::{NotParsed, YamlErrorKind};

/// A mapping with more keys than this is searched for doubles by hashing.
const FEW_KEYS: usize = 16;

/// Collections are nested this deep at most, those in brackets and the others each: each
/// level takes a part of the stack.
const DEEPEST: usize = 128;

/// An entry is looked for in so many mappings at most, which are merged into each other.
const MOST_MERGED: usize = 1000;

/// The documents of a text.
#[derive(Debug)]
pub struct Stream<'t> {
    /// The documents, empty ones too. A text with nothing in it has none.
    pub documents: Vec<Document<'t>>,
    /// What the text as a whole makes uncertain.
    pub doubts: Doubts,
    /// The byte behind the last of them.
    pub end: usize,
    /// What is done with its nodes.
    pub effort: Effort,
}

/// A YAML document whose aliases can be followed.
#[derive(Debug)]
pub struct Document<'t> {
    /// The text of the whole stream.
    pub text: &'t str,
    /// The byte of the `---` before it, if there is one.
    pub marker: Option<usize>,
    /// `None` where there is nothing but comments.
    pub root: Option<Node<'t>>,
    /// Its comments, in the order of the text.
    pub comments: Vec<Comment<'t>>,
    /// What makes its nodes uncertain.
    pub doubts: Doubts,
    /// For each anchor, which child of which child of the root has it: keys and values
    /// of mappings are counted in one row.
    anchors: HashMap<usize, Vec<usize>>,
}

/// A comment in one line.
#[derive(Debug)]
pub struct Comment<'t> {
    /// The bytes of its text.
    pub range: Range<usize>,
    /// What stands behind the `#`, without white space at its end.
    pub text: &'t str,
    /// Which of the document's collections it stands in, at a guess: they are counted
    /// as they begin.
    pub container: usize,
    /// The first of them that begins behind it.
    pub next: usize,
}

/// A node and where it stands.
#[derive(Debug)]
pub struct Node<'t> {
    /// What it is.
    pub kind: NodeKind<'t>,
    /// First byte, behind an anchor and a tag. Of a block collection: of its
    /// first child. Of a block scalar: of its first line's text. Of nothing:
    /// the byte behind the colon, the dash or the anchor.
    pub start: usize,
    /// First byte of its anchor or tag, if it has one, else of itself.
    pub outer: usize,
    /// The byte after the last one, white space at the end not counted: a block scalar's
    /// range runs into the next line's indentation.
    pub end: usize,
    /// The same, without taking off the white space at the end of a block scalar.
    pub untrimmed_end: usize,
    /// Column of the first character, from 0.
    pub column: usize,
    /// Line of the first character, from 1.
    pub line: usize,
    /// The number of its anchor, if it has one.
    pub anchor: Option<usize>,
    /// Its tag, if one is written.
    pub tag: Option<Cow<'t, Tag>>,
}

/// What a node is.
#[derive(Debug)]
pub enum NodeKind<'t> {
    /// A scalar and its text, escapes resolved. Nothing at all is a plain scalar whose
    /// range is empty.
    Scalar {
        /// How it is written.
        style: ScalarStyle,
        /// Its text.
        value: Cow<'t, str>,
    },
    /// A list.
    Sequence {
        /// Whether it is written in brackets.
        flow: bool,
        /// Its items.
        items: Vec<Node<'t>>,
    },
    /// A mapping.
    Mapping {
        /// Whether it is written in braces.
        flow: bool,
        /// Its entries, in order; both of two with the same key.
        pairs: Vec<Pair<'t>>,
    },
    /// `*name`, and the number of the anchor.
    Alias(usize),
}

/// An entry of a mapping.
#[derive(Debug)]
pub struct Pair<'t> {
    /// Its key.
    pub key: Node<'t>,
    /// Its value.
    pub value: Node<'t>,
}

impl Pair<'_> {
    /// The byte after the last one of the value, or of the colon if there is
    /// none.
    pub fn end(&self) -> usize {
        self.value.end.max(self.key.end)
    }

    /// The key's text, if it is a scalar.
    pub fn name(&self) -> Option<&str> {
        match &self.key.kind {
            NodeKind::Scalar { value, .. } => Some(value),
            _ => None,
        }
    }
}

impl<'t> Node<'t> {
    /// Whether nothing stands there at all.
    pub fn is_nothing(&self) -> bool {
        self.start == self.end
    }

    /// Whether it is a scalar that stands for no value: nothing, `~`, `null`.
    pub fn is_null(&self) -> bool {
        let plain = ScalarStyle::Plain;
        matches!(&self.kind, NodeKind::Scalar { style, value } if *style == plain
            && matches!(&**value, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The items, if it is a list.
    pub fn items(&self) -> &[Node<'t>] {
        match &self.kind {
            NodeKind::Sequence { items, .. } => items,
            _ => &[],
        }
    }

    /// The entry of this name that stands in the mapping itself.
    pub fn own(&self, name: &str) -> Option<&Pair<'t>> {
        match &self.kind {
            NodeKind::Mapping { pairs, .. } => pairs.iter().find(|pair| pair.name() == Some(name)),
            _ => None,
        }
    }

    /// Adds the ranges in which a tab may begin a line: scalars and flow collections,
    /// ordered.
    fn tab_ranges(&self, ranges: &mut Vec<Range<usize>>) {
        match &self.kind {
            NodeKind::Sequence { flow: false, items } => {
                items.iter().for_each(|item| item.tab_ranges(ranges));
            }
            NodeKind::Mapping { flow: false, pairs } => {
                for pair in pairs {
                    pair.key.tab_ranges(ranges);
                    pair.value.tab_ranges(ranges);
                }
            }
            _ => ranges.push(self.start..self.untrimmed_end),
        }
    }

    /// The child of this number: keys and values of mappings are counted in one row.
    fn child(&self, number: usize) -> Option<&Node<'t>> {
        match &self.kind {
            NodeKind::Sequence { items, .. } => items.get(number),
            NodeKind::Mapping { pairs, .. } => {
                let pair = pairs.get(number / 2)?;
                Some(if number.is_multiple_of(2) {
                    &pair.key
                } else {
                    &pair.value
                })
            }
            NodeKind::Scalar { .. } | NodeKind::Alias(_) => None,
        }
    }
}

impl<'t> Document<'t> {
    /// A document with nothing in it.
    pub fn empty(text: &'t str) -> Self {
        Self {
            text,
            marker: None,
            root: None,
            comments: Vec::new(),
            doubts: Doubts::default(),
            anchors: HashMap::new(),
        }
    }

    /// The node itself, or the one that an alias stands for.
    pub fn resolve<'n>(&'n self, node: &'n Node<'t>) -> &'n Node<'t> {
        match node.kind {
            NodeKind::Alias(id) => self.anchored(id).unwrap_or(node),
            _ => node,
        }
    }

    fn anchored(&self, id: usize) -> Option<&Node<'t>> {
        let mut steps = self.anchors.get(&id)?.iter();
        let root = self.root.as_ref()?;
        steps.try_fold(root, |node, step| node.child(*step))
    }

    /// The entry of this name in a mapping: its own, or one that is merged in
    /// with `<<`.
    pub fn pair<'n>(&'n self, mapping: &'n Node<'t>, name: &str) -> Option<&'n Pair<'t>> {
        self.pair_within(mapping, name, &mut { MOST_MERGED })
    }

    fn pair_within<'n>(
        &'n self,
        mapping: &'n Node<'t>,
        name: &str,
        left: &mut usize,
    ) -> Option<&'n Pair<'t>> {
        let mapping = self.resolve(mapping);
        if let Some(pair) = mapping.own(name) {
            return Some(pair);
        }
        // A mapping may be merged into itself, and one into another several times.
        *left = left.checked_sub(1)?;
        let merged = self.resolve(&mapping.own("<<")?.value);
        match &merged.kind {
            NodeKind::Sequence { items, .. } => items
                .iter()
                .find_map(|item| self.pair_within(item, name, left)),
            _ => self.pair_within(merged, name, left),
        }
    }

    /// The value of that entry. What an alias stands for counts as the value.
    pub fn get<'n>(&'n self, mapping: &'n Node<'t>, name: &str) -> Option<&'n Node<'t>> {
        let pair = self.pair(mapping, name)?;
        Some(self.resolve(&pair.value))
    }

    /// The items of the list of this name at the top of the document.
    pub fn top_list(&self, name: &str) -> &[Node<'t>] {
        let root = self.root.as_ref();
        let list = root.and_then(|root| self.get(root, name));
        list.map_or(&[], Node::items)
    }
}

impl<'t> Stream<'t> {
    /// Reads a text.
    ///
    /// # Errors
    /// [`NotParsed`]
    pub fn parse(text: &'t str) -> Result<Self, NotParsed> {
        Self::read(text, usize::MAX)
    }

    /// Reads the first document alone, as go-yaml's `Unmarshal` does: what comes behind
    /// it is not looked at, and need not be YAML.
    ///
    /// # Errors
    /// [`NotParsed`]
    pub fn parse_first(text: &'t str) -> Result<Self, NotParsed> {
        Self::read(text, 1)
    }

    fn read(text: &'t str, most_documents: usize) -> Result<Self, NotParsed> {
        let options = granit_parser::options! {
            emit_anchor_events: true,
            flow_nesting_limit: DEEPEST,
            block_nesting_limit: DEEPEST,
            // A file may begin with hundreds of lines of comments.
            max_buffered_comment_events: usize::MAX,
        };
        let mut builder = Builder {
            text,
            parser: Parser::new_from_str_with_options(text, options),
            effort: Effort::of_text(text.len()),
            ahead: None,
            document: Open::default(),
        };
        let mut documents = Vec::new();
        let mut end = text.len();
        while let Some((event, span)) = builder.next()? {
            match event {
                Event::StreamStart => {}
                Event::StreamEnd => break,
                Event::DocumentStart(is_marked, _) => {
                    let start = span.start.byte_offset().filter(|_| is_marked);
                    let marker = start.filter(|at| text[*at..].starts_with("---"));
                    let Some((event, span)) = builder.next()? else {
                        break;
                    };
                    let root = builder.node(event, span)?;
                    // Comments may follow the last node.
                    let behind = match builder.next()? {
                        Some((Event::DocumentEnd, span)) => span.end.byte_offset(),
                        None => None,
                        Some((_, span)) => return Err(builder.unexpected(&span)),
                    };
                    documents.push(builder.close(marker, Some(root)));
                    if documents.len() == most_documents {
                        end = behind.unwrap_or(end);
                        break;
                    }
                }
                _ => return Err(builder.unexpected(&span)),
            }
        }
        let comments = std::mem::take(&mut builder.document.comments);
        match documents.last_mut() {
            Some(last) => last.comments.extend(comments),
            None if comments.is_empty() => {}
            None => documents.push(builder.close(None, None)),
        }
        let text = text.get(..end).unwrap_or(text);
        let mut ranges = Vec::new();
        if text.contains('\t') {
            let roots = documents
                .iter()
                .filter_map(|document| document.root.as_ref());
            roots.for_each(|root| root.tab_ranges(&mut ranges));
        }
        Ok(Self {
            doubts: Doubts::of_text(text, |at| takes_tab(&ranges, at)),
            documents,
            end,
            effort: builder.effort,
        })
    }

    /// The documents as plain data; empty ones are null.
    ///
    /// # Errors
    /// As for [`Document::to_value`].
    pub fn values(&self) -> Result<Vec<Value>, NotParsed> {
        let documents = self.documents.iter();
        let values = documents.map(|document| document.to_value(&self.effort));
        values.collect()
    }

    /// What makes the reading uncertain, of the text and of all nodes.
    pub fn all_doubts(&self) -> Doubts {
        let documents = self.documents.iter();
        documents.fold(self.doubts, |all, document| all.and(document.doubts))
    }

    /// The place of the first tab in the indentation of a block collection, from 0.
    pub fn indenting_tab(&self, text: &str) -> Option<usize> {
        let mut ranges = Vec::new();
        let roots = self.documents.iter().filter_map(|it| it.root.as_ref());
        roots.for_each(|root| root.tab_ranges(&mut ranges));
        let mut start = 0;
        text.split_inclusive('\n').find_map(|line| {
            let rest = line.trim_start_matches([' ', '-']);
            let at = start + line.len() - rest.len();
            start += line.len();
            (rest.starts_with('\t') && !takes_tab(&ranges, at)).then_some(at)
        })
    }
}

/// Whether a tab at this byte lies in one of the ranges, which are ordered.
fn takes_tab(ranges: &[Range<usize>], at: usize) -> bool {
    let behind = ranges.partition_point(|range| range.start <= at);
    behind > 0 && at < ranges[behind - 1].end
}

/// A document that is being read.
#[derive(Default)]
struct Open<'t> {
    comments: Vec<Comment<'t>>,
    doubts: Doubts,
    anchors: HashMap<usize, Vec<usize>>,
    /// The way to the node that is being read.
    steps: Vec<usize>,
    /// So many collections have begun.
    containers: usize,
    /// The one that is being read.
    container: usize,
}

struct Builder<'t> {
    text: &'t str,
    parser: Parser<'t, StrInput<'t>>,
    effort: Effort,
    ahead: Option<(Event<'t>, Span)>,
    document: Open<'t>,
}

type Next<'t> = Option<(Event<'t>, Span)>;

impl<'t> Builder<'t> {
    /// The next event that is not a comment.
    fn next(&mut self) -> Result<Next<'t>, NotParsed> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        loop {
            let Some(next) = self.parser.next() else {
                return Ok(None);
            };
            let (event, span) = next.map_err(|error| NotParsed::of(&error))?;
            if !matches!(event, Event::Comment(..)) {
                return Ok(Some((event, span)));
            }
            let start = span.start.byte_offset().unwrap_or_default() + 1;
            let end = span.end.byte_offset().unwrap_or_default();
            let text = self.text.get(start..end).unwrap_or_default().trim_end();
            self.document.comments.push(Comment {
                range: start..start + text.len(),
                text,
                container: self.document.container,
                next: self.document.containers,
            });
        }
    }

    fn unexpected(&self, span: &Span) -> NotParsed {
        NotParsed {
            line: span.start.line() as u64,
            column: span.start.col() as u64 + 1,
            reason: YamlErrorKind::Syntax,
        }
    }

    fn close(&mut self, marker: Option<usize>, root: Option<Node<'t>>) -> Document<'t> {
        let document = std::mem::take(&mut self.document);
        Document {
            text: self.text,
            marker,
            root: root.filter(|root| !root.is_nothing() || root.tag.is_some()),
            comments: document.comments,
            doubts: document.doubts,
            anchors: document.anchors,
        }
    }

    /// The node that this event begins.
    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Node<'t>, NotParsed> {
        let start = span.start.byte_offset().unwrap_or_default();
        let end = span.end.byte_offset().unwrap_or_default();
        let tag_start = span.tag_start().and_then(|tag| tag.byte_offset());
        let mut anchor_start = None;
        if is_anchored(&event) {
            let next = self.next()?;
            match next {
                Some((Event::Anchor(..), span)) => anchor_start = span.start.byte_offset(),
                other => self.ahead = other,
            }
        }
        let property = [tag_start, anchor_start].into_iter().flatten().min();
        let mut node = Node {
            kind: NodeKind::Alias(0),
            start,
            outer: property.unwrap_or(start),
            end: start + self.text[start..end].trim_end().len(),
            untrimmed_end: end,
            column: span.start.col(),
            line: span.start.line(),
            anchor: None,
            tag: None,
        };
        let anchor;
        match event {
            Event::Scalar(value, style, id, tag) => {
                let value = if node.is_nothing() {
                    Cow::Borrowed("")
                } else {
                    value
                };
                self.doubt_scalar(style, &tag, start..end);
                (anchor, node.tag) = (id, tag);
                self.note_anchor(anchor);
                node.kind = NodeKind::Scalar { style, value };
            }
            Event::SequenceStart(style, id, tag) => {
                (anchor, node.tag) = (id, tag);
                self.note_anchor(anchor);
                let flow = style == StructureStyle::Flow;
                let outer = self.enter();
                let items = self.items()?;
                self.document.container = outer;
                self.doubt_collection(flow, items.is_empty(), node.tag.is_some());
                if let (false, Some(first), Some(last)) = (flow, items.first(), items.last()) {
                    (node.start, node.end) = (first.start, last.end);
                    node.outer = property.unwrap_or(first.outer);
                } else {
                    let inner = items.last().map(|item| item.end);
                    node.end = self.closed_by(']', &node, inner)?;
                }
                node.kind = NodeKind::Sequence { flow, items };
            }
            Event::MappingStart(style, id, tag) => {
                (anchor, node.tag) = (id, tag);
                self.note_anchor(anchor);
                let flow = style == StructureStyle::Flow;
                let outer = self.enter();
                let pairs = self.pairs()?;
                self.document.container = outer;
                self.doubt_collection(flow, pairs.is_empty(), node.tag.is_some());
                let in_braces = flow && self.is_in_braces(start, &pairs);
                if let (false, Some(first), Some(last)) = (in_braces, pairs.first(), pairs.last()) {
                    node.start = first.key.start;
                    node.outer = property.unwrap_or(first.key.outer);
                    node.column = first.key.column;
                    node.line = first.key.line;
                    node.end = last.end();
                } else {
                    let inner = pairs.last().map(Pair::end);
                    node.end = self.closed_by('}', &node, inner)?;
                }
                node.kind = NodeKind::Mapping { flow, pairs };
            }
            Event::Alias(id) => {
                self.document.doubts.add(Doubt::Anchor);
                anchor = 0;
                node.kind = NodeKind::Alias(id);
            }
            _ => return Err(self.unexpected(&span)),
        }
        node.untrimmed_end = node.untrimmed_end.max(node.end);
        node.anchor = (anchor != 0).then_some(anchor);
        Ok(node)
    }

    fn items(&mut self) -> Result<Vec<Node<'t>>, NotParsed> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::SequenceEnd {
                break;
            }
            self.document.steps.push(items.len());
            items.push(self.node(event, span)?);
            self.document.steps.pop();
        }
        Ok(items)
    }

    fn pairs(&mut self) -> Result<Vec<Pair<'t>>, NotParsed> {
        let mut pairs: Vec<Pair<'t>> = Vec::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::MappingEnd {
                break;
            }
            self.document.steps.push(2 * pairs.len());
            let key = self.node(event, span)?;
            self.document.steps.pop();
            self.doubt_key(&key);
            let Some((event, span)) = self.next()? else {
                break;
            };
            self.document.steps.push(2 * pairs.len() + 1);
            let mut value = self.node(event, span)?;
            self.document.steps.pop();
            self.move_behind_colon(&key, &mut value)?;
            pairs.push(Pair { key, value });
        }
        if has_double(&pairs) {
            self.document.doubts.add(Doubt::DuplicateKey);
        }
        Ok(pairs)
    }

    fn note_anchor(&mut self, id: usize) {
        if id != 0 {
            self.document.doubts.add(Doubt::Anchor);
            let steps = self.document.steps.clone();
            self.document.anchors.insert(id, steps);
        }
    }

    /// A collection begins. Returns the one around it.
    fn enter(&mut self) -> usize {
        let here = self.document.containers;
        self.document.containers += 1;
        std::mem::replace(&mut self.document.container, here)
    }

    fn doubt_scalar(
        &mut self,
        style: ScalarStyle,
        tag: &Option<Cow<'t, Tag>>,
        range: Range<usize>,
    ) {
        let is_float = |tag: &Tag| tag.is_yaml_core_schema_tag("float");
        // go-yaml writes the number 1.0 as `!!float 1`.
        if tag
            .as_ref()
            .is_some_and(|tag| !(style == ScalarStyle::Plain && is_float(tag)))
        {
            self.document.doubts.add(Doubt::Tag);
        }
        if style == ScalarStyle::DoubleQuoted
            && has_escape_of_json(self.text.get(range).unwrap_or_default())
        {
            self.document.doubts.add(Doubt::JsonEscape);
        }
    }

    fn doubt_collection(&mut self, flow: bool, is_empty: bool, is_tagged: bool) {
        let doubts = &mut self.document.doubts;
        if is_tagged {
            doubts.add(Doubt::Tag);
        }
        match (is_empty, flow) {
            (true, _) => {}
            (false, true) => doubts.add(Doubt::Flow),
            (false, false) => doubts.add(Doubt::Block),
        }
    }

    fn doubt_key(&mut self, key: &Node<'t>) {
        let doubts = &mut self.document.doubts;
        match &key.kind {
            NodeKind::Scalar {
                style: ScalarStyle::Plain,
                value,
            } => match &**value {
                "<<" => doubts.add(Doubt::Merge),
                plain if !super::scalar::resolve(plain).is_text() => doubts.add(Doubt::OddKey),
                _ => {}
            },
            NodeKind::Scalar { .. } => {}
            _ => doubts.add(Doubt::OddKey),
        }
    }

    /// The parser has nothing at the colon, or before it.
    fn move_behind_colon(&self, key: &Node<'_>, value: &mut Node<'_>) -> Result<(), NotParsed> {
        if !value.is_nothing() {
            return Ok(());
        }
        let rest = &self.text[key.end..];
        let gap = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        self.spend(key, gap)?;
        let colon = key.end + gap;
        if self.text[colon..].starts_with(':') && value.start <= colon {
            (value.start, value.end, value.outer) = (colon + 1, colon + 1, colon + 1);
            value.untrimmed_end = colon + 1;
        }
        Ok(())
    }

    /// Counts bytes that are looked at for a node.
    fn spend(&self, node: &Node<'_>, bytes: usize) -> Result<(), NotParsed> {
        let spent = self.effort.spend(bytes);
        spent.map_err(|reason| NotParsed::at(node, reason))
    }

    /// Whether a flow mapping has braces. An entry that is an item of a list, as in
    /// `[a: b]`, has none: it begins where its key does.
    fn is_in_braces(&self, start: usize, pairs: &[Pair<'_>]) -> bool {
        let begins = |pair: &Pair<'_>| pair.key.start == start || pair.key.outer == start;
        self.text[start..].starts_with('{') && !pairs.first().is_some_and(begins)
    }

    /// The byte after the bracket that closes a flow collection.
    fn closed_by(
        &self,
        bracket: char,
        node: &Node<'_>,
        inner: Option<usize>,
    ) -> Result<usize, NotParsed> {
        let behind = inner.unwrap_or(node.start + 1);
        let mut from = behind;
        // Between the last child and the bracket stand only commas, white
        // space and comments; a bracket in a comment is no bracket.
        while let Some(found) = self.text[from..].find(['#', bracket]) {
            from += found;
            if self.text[from..].starts_with(bracket) {
                self.spend(node, from - behind)?;
                return Ok(from + bracket.len_utf8());
            }
            from += self.text[from..]
                .find('\n')
                .unwrap_or(self.text.len() - from);
        }
        self.spend(node, self.text.len() - behind)?;
        Ok(self.text.len())
    }
}

fn is_anchored(event: &Event<'_>) -> bool {
    match event {
        Event::Scalar(_, _, id, _)
        | Event::SequenceStart(_, id, _)
        | Event::MappingStart(_, id, _) => *id != 0,
        _ => false,
    }
}

/// Whether two entries have the same key.
fn has_double(pairs: &[Pair<'_>]) -> bool {
    if pairs.len() <= FEW_KEYS {
        let mut names = pairs.iter().enumerate();
        return names.any(|(at, pair)| {
            let name = pair.name();
            name.is_some() && pairs[..at].iter().any(|before| before.name() == name)
        });
    }
    let mut seen = std::collections::HashSet::new();
    let mut names = pairs.iter().filter_map(Pair::name);
    names.any(|name| !seen.insert(name))
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
