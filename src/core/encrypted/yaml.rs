//! YAML and JSON: where values stand in them, and under which keys.
//!
//! As sops 3.13 walks over them (`stores/yaml/store.go`): what an alias stands for counts
//! where the alias stands; a merge key is a key like any other, but in the metadata, which
//! older versions of sops decode with it.

#[cfg(test)]
mod growth;

use serde::de::IgnoredAny;

use super::contents::{
    Contents, EncryptedComment, EncryptedDocument, Mark, MarkKind, Path, SOPS, ScalarValue,
    Segment, Value,
};
use super::{Unsupported, scalar};
use crate::core::yaml::scalar::Resolved;
use crate::core::yaml::{
    self, Doubt, Doubts, Effort, NODE, Node, NodeKind, NotParsed, Stream, YamlErrorKind,
};

/// Collections are followed into each other this deep.
const DEEPEST: usize = 1_000;
/// What YAML's own tags begin with.
const YAML_TAGS: &str = "tag:yaml.org,2002:";
/// A step of a path takes so many steps to copy, and one more for each byte of a key.
const SEGMENT: usize = 16;

/// The documents of a YAML file.
///
/// # Errors
/// [`NotParsed`]
pub(super) fn read(text: &str) -> Result<Contents<'_>, NotParsed> {
    let stream = Stream::parse(text)?;
    let doubts = stream.all_doubts().without(&[Doubt::Block, Doubt::Comment]);
    contents(text, &stream, doubts, false)
}

/// The one document of a JSON file. sops reads the first value and passes over what
/// comes behind it.
///
/// # Errors
/// [`NotParsed`]
pub(super) fn read_json(text: &str) -> Result<Contents<'_>, NotParsed> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => {}
        Some(Err(error)) => {
            return Err(NotParsed {
                line: error.line() as u64,
                column: error.column() as u64,
                reason: YamlErrorKind::Syntax,
            });
        }
        None => return Ok(empty(text)),
    }
    let end = values.byte_offset();
    let json = &text[..end];
    let stream = Stream::parse(json)?;
    let json_doubts = [
        Doubt::Flow,
        Doubt::Tab,
        Doubt::IndentingTab,
        Doubt::JsonEscape,
        Doubt::OddKey,
    ];
    let doubts = stream.all_doubts().without(&json_doubts);
    let mut contents = contents(text, &stream, doubts, true)?;
    if !text[end..].trim().is_empty() {
        contents.doubt.get_or_insert(Unsupported::Syntax);
    }
    Ok(contents)
}

fn empty(text: &str) -> Contents<'_> {
    Contents {
        text,
        documents: Vec::new(),
        doubt: Some(Unsupported::Syntax),
        may_split_readers: false,
    }
}

fn contents<'t>(
    text: &'t str,
    stream: &Stream<'t>,
    doubts: Doubts,
    is_json: bool,
) -> Result<Contents<'t>, NotParsed> {
    let may_split_readers = doubts.may_split_readers();
    let mut contents = Contents {
        text,
        documents: Vec::new(),
        doubt: match (
            doubts.is_empty(),
            may_split_readers || doubts.has(Doubt::Tab),
        ) {
            (true, _) => None,
            (_, true) => Some(Unsupported::Syntax),
            (_, false) => Some(Unsupported::Construct),
        },
        may_split_readers,
    };
    // What only an encoding can hide, this text does not have.
    if text.starts_with('\u{feff}') {
        contents.doubt = Some(Unsupported::Syntax);
    }
    for document in &stream.documents {
        let mut walk = ValueWalk {
            source: document,
            effort: &stream.effort,
            is_json,
            document: EncryptedDocument::default(),
            path: Path::default(),
            path_cost: 0,
            depth: 0,
            doubt: None,
        };
        let root = document.root.as_ref().map(|root| document.resolve(root));
        match root {
            Some(root) if matches!(root.kind, NodeKind::Mapping { .. }) => walk.node(root)?,
            root => {
                walk.document.is_no_mapping = root.is_some();
                walk.doubt = Some(Unsupported::Syntax);
            }
        }
        let mut found = walk.document;
        found.comments = document
            .comments
            .iter()
            .map(|comment| EncryptedComment {
                range: comment.range.clone(),
                text: comment.text,
                container: comment.container,
                next: comment.next,
            })
            .collect();
        contents.doubt = contents.doubt.or(walk.doubt);
        contents.documents.push(found);
    }
    if contents.documents.is_empty() {
        contents.doubt.get_or_insert(Unsupported::Syntax);
    }
    Ok(contents)
}

/// A walk over the nodes of a document.
struct ValueWalk<'d, 't> {
    source: &'d yaml::Document<'t>,
    effort: &'d Effort,
    is_json: bool,
    document: EncryptedDocument<'t>,
    path: Path,
    /// How many steps it takes to copy the path.
    path_cost: usize,
    depth: usize,
    doubt: Option<Unsupported>,
}

impl<'d, 't> ValueWalk<'d, 't> {
    /// Goes one step into a node, which is noted with the path to it.
    fn deeper(&mut self, node: &Node<'_>) -> Result<(), NotParsed> {
        self.depth += 1;
        let steps = NODE + self.path_cost + node.length();
        let spent = self.effort.spend(steps);
        let is_too_deep = self.depth > DEEPEST;
        let spent = spent.and(if is_too_deep {
            Err(YamlErrorKind::Repetition)
        } else {
            Ok(())
        });
        spent.map_err(|reason| NotParsed {
            line: node.line as u64,
            column: node.column as u64 + 1,
            reason,
        })
    }

    /// What lies one step further on the path.
    fn at(&mut self, segment: Segment, node: &'d Node<'t>) -> Result<(), NotParsed> {
        let cost = SEGMENT
            + match &segment {
                Segment::Key(key) => key.len(),
                Segment::Index(_) => 0,
            };
        self.path.0.push(segment);
        self.path_cost += cost;
        self.node(node)?;
        self.path.0.pop();
        self.path_cost -= cost;
        Ok(())
    }

    fn node(&mut self, node: &'d Node<'t>) -> Result<(), NotParsed> {
        self.deeper(node)?;
        self.marks(node);
        match &node.kind {
            NodeKind::Scalar { .. } => self.scalar(node),
            NodeKind::Sequence { items, .. } => {
                self.document.containers.push(self.path.clone());
                for (index, item) in items.iter().enumerate() {
                    if self.is_in_metadata() {
                        let mut path = self.path.0[1..].to_vec();
                        path.push(Segment::Index(index));
                        let range = item.start..item.end;
                        self.document.items.push((Path(path), range));
                    }
                    self.at(Segment::Index(index), item)?;
                }
            }
            NodeKind::Mapping { .. } => self.mapping(node)?,
            NodeKind::Alias(_) => {
                let target = self.source.resolve(node);
                if !matches!(target.kind, NodeKind::Alias(_)) {
                    self.node(target)?;
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn marks(&mut self, node: &Node<'_>) {
        let kind = match &node.kind {
            NodeKind::Mapping { pairs, .. } if pairs.is_empty() => Some(MarkKind::EmptyMapping),
            NodeKind::Sequence { items, .. } if items.is_empty() => Some(MarkKind::EmptyList),
            _ => None,
        };
        let tag = node.tag.as_ref();
        let tag = tag.filter(|tag| tag.suffix_in_namespace(YAML_TAGS).is_none());
        // `!` alone makes a text of what follows.
        let before = self.source.text.get(node.outer..node.start);
        let mut words = before.unwrap_or_default().split_whitespace();
        let tag = tag.filter(|_| words.all(|word| word != "!"));
        let kinds = kind.into_iter().chain(tag.map(|_| MarkKind::LocalTag));
        let marks = kinds.map(|kind| Mark {
            path: self.path.clone(),
            start: node.start,
            kind,
        });
        self.document.marks.extend(marks);
    }

    fn mapping(&mut self, node: &'d Node<'t>) -> Result<(), NotParsed> {
        self.document.containers.push(self.path.clone());
        let NodeKind::Mapping { pairs, .. } = &node.kind else {
            return Ok(());
        };
        for pair in pairs {
            let key = self.source.resolve(&pair.key);
            let text = key.text().unwrap_or_default();
            if matches!(
                key.kind,
                NodeKind::Mapping { .. } | NodeKind::Sequence { .. }
            ) {
                let place = (key.line as u64, key.column as u64 + 1);
                self.document.odd_key.get_or_insert(place);
            }
            let is_metadata = self.path.0.is_empty() && text == SOPS;
            if is_metadata {
                self.metadata(&pair.key, &pair.value);
            }
            self.at(Segment::Key(text.into()), &pair.value)?;
            if yaml::is_merge(key) && self.is_in_metadata() {
                self.merged(&pair.value)?;
            } else if yaml::is_merge(key) && self.path.0.is_empty() {
                self.merged_metadata(&pair.value)?;
            }
        }
        Ok(())
    }

    fn is_in_metadata(&self) -> bool {
        matches!(self.path.0.first(), Some(Segment::Key(first)) if first == SOPS)
    }

    /// The metadata in what is merged into the document: older versions of sops read it.
    fn merged_metadata(&mut self, value: &'d Node<'t>) -> Result<(), NotParsed> {
        self.deeper(value)?;
        let value = self.source.resolve(value);
        for item in value.items() {
            self.merged_metadata(item)?;
        }
        if let NodeKind::Mapping { pairs, .. } = &value.kind {
            for pair in pairs {
                let key = self.source.resolve(&pair.key);
                if yaml::is_merge(key) {
                    self.merged_metadata(&pair.value)?;
                } else if key.text().is_some_and(|text| text == SOPS) {
                    self.metadata(&pair.key, &pair.value);
                    self.at(Segment::Key(SOPS.into()), &pair.value)?;
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// The entries of what is merged into a mapping of the metadata.
    fn merged(&mut self, value: &'d Node<'t>) -> Result<(), NotParsed> {
        let value = self.source.resolve(value);
        match &value.kind {
            NodeKind::Mapping { .. } => self.node(value)?,
            NodeKind::Sequence { items, .. } => {
                for item in items {
                    self.node(item)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn metadata(&mut self, key: &Node<'t>, value: &'d Node<'t>) {
        let value_node = self.source.resolve(value);
        let is_mapping = matches!(value_node.kind, NodeKind::Mapping { .. });
        self.document.has_doubled_metadata |= !self.document.metadata_range.is_empty();
        self.document.has_metadata |= is_mapping;
        let end = value.end.max(key.end);
        self.document.metadata_range.push(key.end..end);
    }

    fn scalar(&mut self, node: &'d Node<'t>) {
        let scalar = self.resolved(node).unwrap_or_else(|doubt| {
            self.doubt.get_or_insert(doubt);
            as_tagged(node)
        });
        let plain = granit_parser::ScalarStyle::Plain;
        let is_plain = matches!(&node.kind, NodeKind::Scalar { style, .. } if *style == plain);
        let value = |path| Value {
            path,
            range: node.start..node.untrimmed_end,
            is_plain: is_plain && node.tag.is_none(),
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

    fn resolved(&self, node: &'d Node<'t>) -> Result<ScalarValue<'t>, Unsupported> {
        use granit_parser::ScalarStyle::Plain;
        let NodeKind::Scalar { style, value } = &node.kind else {
            return Err(Unsupported::Construct);
        };
        match (&node.tag, style) {
            (None, Plain) if node.is_nothing() => Ok(ScalarValue::Null),
            (None, Plain) if self.is_json => scalar::of_bare_json(value),
            (None, Plain) => scalar::of_plain_yaml(value.clone()),
            (None, _) => Ok(ScalarValue::Text(value.clone())),
            // The only tag without a doubt.
            (Some(tag), Plain) if tag.is_yaml_core_schema_tag("float") => {
                scalar::of_tagged_float(value)
            }
            (Some(_), _) => Err(Unsupported::Construct),
        }
    }
}

/// What a scalar is about which there is a doubt.
fn as_tagged<'t>(node: &Node<'_>) -> ScalarValue<'t> {
    match node.resolved() {
        Some(Resolved::Null) => ScalarValue::Null,
        Some(Resolved::Boolean(true)) => ScalarValue::Other("True".to_owned()),
        Some(Resolved::Boolean(false)) => ScalarValue::Other("False".to_owned()),
        Some(Resolved::Integer(number)) => ScalarValue::Other(number.to_string()),
        Some(Resolved::Float(number)) => ScalarValue::Other(number.to_string()),
        _ => ScalarValue::Text(node.text().unwrap_or_default().into_owned().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_certain(contents: Result<Contents<'_>, NotParsed>) -> bool {
        contents.is_ok_and(|contents| contents.doubt.is_none())
    }

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
            assert!(!is_certain(read(text)), "{text:?}");
        }
        for text in [
            "a: b\n",
            "---\na: {}\nb: []\n",
            "a: b\r\n",
            "a: !!float 1\n",
            "é: \u{1f642}\n",
            "a: \"\\\\/ \\u00e9 \\\\ud83d\"\n",
        ] {
            assert!(is_certain(read(text)), "{text:?}");
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
            assert!(!is_certain(read_json(text)), "{text}");
        }
        assert!(is_certain(read_json(
            "{\n\t\"a\": [1, {}], \"b\": {\"c\": null}}"
        )));
    }
}
