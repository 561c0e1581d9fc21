//! What stands in an encrypted file, and where.

use std::borrow::Cow;
use std::ops::Range;

use super::Outside;
use crate::core::sops_file::Format;

/// The key that the metadata stands under, and its section in ini.
pub(super) const SOPS: &str = "sops";

/// A file, taken apart.
pub(super) struct Contents<'t> {
    /// Its text.
    pub(super) text: &'t str,
    /// Only YAML has several.
    pub(super) documents: Vec<Document<'t>>,
}

/// A document of it.
#[derive(Default)]
pub(super) struct Document<'t> {
    /// The values, in the order in which sops walks over them.
    pub(super) values: Vec<Value<'t>>,
    /// What stands in the sops metadata; the paths begin below `sops`.
    pub(super) metadata: Vec<Value<'t>>,
    /// The comments.
    pub(super) comments: Vec<Comment<'t>>,
    /// The paths of all mappings and lists.
    pub(super) containers: Vec<Path>,
}

/// A value.
#[derive(Clone)]
pub(super) struct Value<'t> {
    /// How to get to it.
    pub(super) path: Path,
    /// Its bytes in the file, with quotes if it has them; of a block scalar at least
    /// its bytes.
    pub(super) range: Range<usize>,
    /// What it is.
    pub(super) scalar: Scalar<'t>,
}

/// A comment in one line.
pub(super) struct Comment<'t> {
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
pub(super) enum Scalar<'t> {
    /// Nothing: sops passes over it.
    Null,
    /// A text.
    Text(Cow<'t, str>),
    /// A number or a truth value, as it goes into the MAC.
    Other(String),
}

/// The way to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Path(pub(super) Vec<Segment>);

/// A step on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Segment {
    /// Into the entry of a mapping.
    Key(String),
    /// To an item of a list.
    Index(usize),
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

    /// As people write it.
    pub(super) fn dotted(&self) -> String {
        self.keys().join(".")
    }
}

impl<'t> Contents<'t> {
    /// Takes a file apart.
    ///
    /// # Errors
    /// [`Outside`]
    pub(super) fn read(format: Format, bytes: &'t [u8]) -> Result<Self, Outside> {
        let text = str::from_utf8(bytes).map_err(|_| Outside::Syntax)?;
        let documents = match format {
            Format::Yaml => super::yaml::read(text)?,
            Format::Json | Format::Binary => super::yaml::read_json(text)?,
            Format::Dotenv => vec![super::lines::read_dotenv(text)?],
            Format::Ini => vec![super::lines::read_ini(text)?],
        };
        Ok(Self { text, documents })
    }
}
