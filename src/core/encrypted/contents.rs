//! What stands in an encrypted file, and where: the same for all formats.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use super::{Format, Unsupported};
use crate::core::yaml::NotParsed;

/// The key that the metadata stands under, and its section in ini.
pub(super) const SOPS: &str = "sops";

/// A file, taken apart.
pub(super) struct Contents<'t> {
    /// Its text.
    pub(super) text: &'t str,
    /// Only YAML has several.
    pub(super) documents: Vec<EncryptedDocument<'t>>,
    /// Why kb cannot be certain that sops sees the same, if so: the first reason.
    pub(super) doubt: Option<Unsupported>,
    /// Whether sops may see other keys and values than kb does.
    pub(super) may_split_readers: bool,
}

/// A document of it.
#[derive(Default)]
pub(super) struct EncryptedDocument<'t> {
    /// The values, in the order in which sops walks over them.
    pub(super) values: Vec<Value<'t>>,
    /// What stands in the sops metadata; the paths begin below `sops`.
    pub(super) metadata: Vec<Value<'t>>,
    /// The bytes of the metadata, if they can be replaced as a whole: from behind its
    /// key, in dotenv and ini the lines.
    pub(super) metadata_range: Vec<Range<usize>>,
    /// The items of lists in the metadata; the paths begin below `sops`.
    pub(super) items: Vec<(Path, Range<usize>)>,
    /// The comments.
    pub(super) comments: Vec<EncryptedComment<'t>>,
    /// What a tree has besides its values, in YAML and JSON.
    pub(super) marks: Vec<Mark>,
    /// The paths of all mappings and lists.
    pub(super) containers: Vec<Path>,
    /// Whether there is metadata: in YAML and JSON a mapping, which may be empty.
    pub(super) has_metadata: bool,
    /// Whether `sops` stands there several times.
    pub(super) has_doubled_metadata: bool,
    /// Whether it is a list or a scalar.
    pub(super) is_no_mapping: bool,
    /// The line and column of the first key that is a mapping or a list, which no reader
    /// takes.
    pub(super) odd_key: Option<(u64, u64)>,
}

/// A value.
#[derive(Clone)]
pub(super) struct Value<'t> {
    /// How to get to it.
    pub(super) path: Path,
    /// Its bytes in the file, with quotes if it has them; of a block scalar at least
    /// its bytes.
    pub(super) range: Range<usize>,
    /// Whether it is written without quotes, and not as a block.
    pub(super) is_plain: bool,
    /// What it is.
    pub(super) scalar: ScalarValue<'t>,
}

/// Something besides the values, and the byte at which it begins.
pub(super) struct Mark {
    pub(super) path: Path,
    pub(super) start: usize,
    pub(super) kind: MarkKind,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MarkKind {
    /// A mapping without entries.
    EmptyMapping,
    /// A list without items.
    EmptyList,
    /// A tag that is not one of YAML's own, such as `!vault`.
    LocalTag,
}

/// A comment in one line.
pub(super) struct EncryptedComment<'t> {
    /// The bytes of its text.
    pub(super) range: Range<usize>,
    /// As sops has it, behind the `#`, without white space at its end.
    pub(super) text: &'t str,
    /// Which of the containers it stands in, at a guess.
    pub(super) container: usize,
    /// The first of those that begin behind it.
    pub(super) next: usize,
}

/// What a value is.
#[derive(Clone)]
pub(super) enum ScalarValue<'t> {
    /// Nothing: sops passes over it.
    Null,
    /// A text.
    Text(Cow<'t, str>),
    /// A number or a truth value, as it goes into the MAC.
    Other(String),
}

impl ScalarValue<'_> {
    /// Its text; that of nothing is empty.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Null => "",
            Self::Text(text) => text,
            Self::Other(text) => text,
        }
    }
}

/// The way to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(pub(super) Vec<Segment>);

/// A step on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Segment {
    /// Into the entry of a mapping.
    Key(KeyText),
    /// To an item of a list.
    Index(usize),
}

/// The text of a key. The paths of all values below it share it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct KeyText(Arc<str>);

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl KeyText {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for KeyText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for KeyText {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl<T: Into<Arc<str>>> From<T> for KeyText {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl Path {
    /// The keys on the way: sops counts no places in lists.
    pub(super) fn keys(&self) -> Vec<&str> {
        let keys = self.0.iter().filter_map(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        });
        keys.collect()
    }

    /// The additional data of what is encrypted there (`sops.go`, `Encrypt`).
    pub(super) fn additional_data(&self) -> String {
        format!("{}:", self.keys().join(":"))
    }

    /// As people write it, with the places in lists.
    pub(super) fn dotted_with_indices(&self) -> String {
        let mut text = String::new();
        for segment in &self.0 {
            match segment {
                Segment::Index(index) => text.push_str(&format!("[{index}]")),
                Segment::Key(key) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    let is_odd =
                        |c: char| c.is_whitespace() || c.is_control() || ".[]\"'".contains(c);
                    if key.is_empty() || key.contains(is_odd) {
                        text.push_str(&format!("{key:?}"));
                    } else {
                        text.push_str(key);
                    }
                }
            }
        }
        text
    }

    /// As people write it.
    pub(super) fn dotted(&self) -> String {
        self.keys().join(".")
    }
}

impl<'t> Contents<'t> {
    /// Takes a text apart.
    ///
    /// # Errors
    /// [`NotParsed`]: dotenv and ini always parse, with doubts.
    pub(super) fn read(format: Format, text: &'t str) -> Result<Self, NotParsed> {
        match format {
            Format::Yaml => super::yaml::read(text),
            Format::Json | Format::Binary => super::yaml::read_json(text),
            Format::Dotenv => Ok(super::lines::read_dotenv(text)),
            Format::Ini => Ok(super::lines::read_ini(text)),
        }
    }

    /// Whether kb is certain of them.
    ///
    /// # Errors
    /// [`Unsupported`]
    pub(super) fn check_certain(&self) -> Result<(), Unsupported> {
        self.doubt.map_or(Ok(()), Err)
    }
}
