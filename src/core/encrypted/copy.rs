//! A copy of an encrypted file for sops, without the keys that it must not use.
//!
//! No MAC covers the metadata: whoever can change a file can add an entry that makes sops
//! contact a server, with the credentials of the person who runs it, and send the data key
//! there. So sops gets only entries that kb has judged. The copy is decrypted or rotated
//! from memory; where it differs from the file, its metadata is written by kb alone.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::Path as FilePath;

use serde_json::{Map, Value as Json};

use super::contents::{Contents, EncryptedDocument, Path, ScalarValue, Segment, Value};
use super::lines::SOPS_PREFIX;
use super::metadata::folded;
use super::{EncryptedFile, Format, Metadata, Unsupported, WrappedKey};
use crate::core::yaml;

/// The content of a file with only those keys in its metadata that are to be kept, and
/// those that are left out.
///
/// # Errors
/// [`Unsupported::Syntax`] where sops may see other metadata than kb does.
pub fn stripped<'b>(
    format: Format,
    bytes: &'b [u8],
    mut keep: impl FnMut(&WrappedKey) -> bool,
) -> Result<(Cow<'b, [u8]>, Vec<WrappedKey>), Unsupported> {
    let decoded = match format {
        Format::Yaml => yaml::decode(bytes).ok().map(|decoded| decoded.text),
        _ => str::from_utf8(bytes).ok().map(Cow::Borrowed),
    };
    let decoded = decoded.ok_or(Unsupported::Syntax)?;
    let text = &*decoded;
    let contents = Contents::read(format, text).map_err(|_| Unsupported::Syntax)?;
    let first = contents.documents.first().ok_or(Unsupported::Metadata)?;
    if contents.may_split_readers || first.has_doubled_metadata || !first.has_metadata {
        return Err(Unsupported::Syntax);
    }
    let metadata = Metadata::of(first);
    let kept = metadata.groups.iter().flatten().filter(|entry| keep(entry));
    let kept: Vec<&WrappedKey> = kept.collect();
    let kept_paths: HashSet<&Path> = kept.iter().map(|entry| &entry.path).collect();
    let is_kept = |entry: &WrappedKey| kept_paths.contains(&entry.path);
    let left_out: Vec<WrappedKey> = metadata
        .entries()
        .filter(|entry| !is_kept(entry))
        .cloned()
        .collect();
    if left_out.is_empty() {
        return Ok((Cow::Borrowed(bytes), left_out));
    }
    let paths: HashSet<&[Segment]> = left_out.iter().map(|entry| &*entry.path.0).collect();
    let longest = paths.iter().map(|path| path.len()).max().unwrap_or(0);
    let is_left = |value: &&Value<'_>| {
        let path = &value.path.0;
        let mut lengths = 0..=longest.min(path.len());
        !lengths.any(|length| paths.contains(&path[..length]))
    };
    let left: Vec<&Value<'_>> = first.metadata.iter().filter(is_left).collect();
    let tree = MetadataNode::of(&left).ok_or(Unsupported::Metadata)?;
    let copy = match format {
        Format::Yaml | Format::Json | Format::Binary => in_braces(text, first, &tree)?,
        Format::Dotenv => in_lines(text, first, &tree, SOPS_PREFIX),
        Format::Ini => in_lines(text, first, &tree, ""),
    };
    verify(format, &copy, &contents, &kept)?;
    Ok((Cow::Owned(copy.into_bytes()), left_out))
}

/// Reads the copy again: it must have the same values, and no other keys.
fn verify(
    format: Format,
    copy: &str,
    before: &Contents<'_>,
    kept: &[&WrappedKey],
) -> Result<(), Unsupported> {
    let parsed = EncryptedFile::parse_as(format, FilePath::new(""), copy.as_bytes());
    let entries: Vec<WrappedKey> = match &parsed {
        Ok(file) => file.metadata.entries().cloned().collect(),
        Err(_) => Vec::new(),
    };
    let is_same = entries.len() == kept.len()
        && entries
            .iter()
            .zip(kept)
            .all(|(a, b)| a.reader == b.reader && a.wrapped == b.wrapped);
    let after = Contents::read(format, copy).map_err(|_| Unsupported::Syntax)?;
    let values = |contents: &Contents<'_>| {
        let documents = contents.documents.iter();
        let values = documents.flat_map(|document| &document.values);
        let values = values.map(|value| (value.path.clone(), value.scalar.text().to_owned()));
        values.collect::<Vec<_>>()
    };
    if is_same && !after.may_split_readers && values(&after) == values(before) {
        Ok(())
    } else {
        Err(Unsupported::Syntax)
    }
}

/// Metadata as a tree again.
enum MetadataNode {
    Map(BTreeMap<String, Self>),
    List(BTreeMap<usize, Self>),
    Leaf(Json),
}

impl MetadataNode {
    /// `None` if two values claim one place.
    fn of(values: &[&Value<'_>]) -> Option<Self> {
        let mut root = Self::Map(BTreeMap::new());
        for value in values {
            root.put(&value.path.0, leaf(&value.scalar))?;
        }
        Some(root)
    }

    fn put(&mut self, path: &[Segment], leaf: Json) -> Option<()> {
        let empty = |rest: &[Segment]| match rest.first() {
            Some(Segment::Key(_)) => Self::Map(BTreeMap::new()),
            Some(Segment::Index(_)) => Self::List(BTreeMap::new()),
            None => Self::Leaf(Json::Null),
        };
        let (first, rest) = path.split_first()?;
        let child = match (self, first) {
            (Self::Map(map), Segment::Key(key)) => {
                // As kb writes it, and as older versions of sops read it.
                let name = folded(key);
                map.entry(name).or_insert_with(|| empty(rest))
            }
            (Self::List(list), Segment::Index(index)) => {
                list.entry(*index).or_insert_with(|| empty(rest))
            }
            _ => return None,
        };
        match (child, rest) {
            (Self::Leaf(old @ Json::Null), []) => {
                *old = leaf;
                Some(())
            }
            (_, []) => None,
            (child, rest) => child.put(rest, leaf),
        }
    }

    fn json(&self) -> Json {
        match self {
            Self::Map(map) => {
                let map = map.iter().map(|(key, value)| (key.clone(), value.json()));
                Json::Object(map.collect::<Map<_, _>>())
            }
            Self::List(list) => Json::Array(list.values().map(Self::json).collect()),
            Self::Leaf(leaf) => leaf.clone(),
        }
    }

    /// The flattened form of dotenv and ini, one key and value in a line.
    fn flatten(&self, name: &str, lines: &mut Vec<String>) {
        match self {
            Self::Map(map) => {
                for (key, value) in map {
                    let is_top = name.is_empty() || name == SOPS_PREFIX;
                    let between = if is_top { "" } else { "__map_" };
                    value.flatten(&format!("{name}{between}{key}"), lines);
                }
            }
            Self::List(list) => {
                for (at, value) in list.values().enumerate() {
                    value.flatten(&format!("{name}__list_{at}"), lines);
                }
            }
            Self::Leaf(Json::Null) => {}
            Self::Leaf(Json::String(text)) => {
                lines.push(format!("{name}={}", text.replace('\n', "\\n")));
            }
            Self::Leaf(other) => lines.push(format!("{name}={other}")),
        }
    }
}

fn leaf(scalar: &ScalarValue<'_>) -> Json {
    match scalar {
        ScalarValue::Null => Json::Null,
        ScalarValue::Text(text) => Json::String(text.clone().into_owned()),
        ScalarValue::Other(text) => match text.as_str() {
            "True" => Json::Bool(true),
            "False" => Json::Bool(false),
            other => other.parse().map_or_else(
                |_| Json::String(other.to_owned()),
                |number: i64| Json::from(number),
            ),
        },
    }
}

/// The text of YAML or JSON with other metadata: JSON is YAML too.
fn in_braces(
    text: &str,
    document: &EncryptedDocument<'_>,
    tree: &MetadataNode,
) -> Result<String, Unsupported> {
    let [range] = document.metadata_range.as_slice() else {
        return Err(Unsupported::Syntax);
    };
    let (before, after) = (&text[..range.start], &text[range.end..]);
    Ok(format!("{before}: {}{after}", tree.json()))
}

/// The text of dotenv or ini with other metadata.
fn in_lines(
    text: &str,
    document: &EncryptedDocument<'_>,
    tree: &MetadataNode,
    prefix: &str,
) -> String {
    let mut lines = Vec::new();
    tree.flatten(prefix, &mut lines);
    let mut copy = String::with_capacity(text.len());
    let mut at = 0;
    let last = document.metadata_range.len();
    for (number, range) in document.metadata_range.iter().enumerate() {
        copy.push_str(&text[at..range.start]);
        at = range.end;
        if number + 1 == last {
            lines.iter().for_each(|line| copy.extend([line, "\n"]));
        }
    }
    copy.push_str(&text[at..]);
    copy
}
