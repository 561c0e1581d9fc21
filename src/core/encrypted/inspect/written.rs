//! Values as they are written, to compare two texts.

use std::borrow::Cow;

use super::secrets;
use crate::core::encrypted::Format;
use crate::core::encrypted::contents::{
    Contents, EncryptedDocument, Mark, MarkKind, Path, ScalarValue, Segment,
};
use crate::core::yaml::NotParsed;

/// So many characters of a path are shown.
const LONGEST_PATH: usize = 200;

/// A document of a text. All bytes are counted from the beginning of the text.
#[derive(Default)]
pub struct WrittenDocument<'t> {
    /// Its values, empty ones too, but for sops's metadata. What an alias stands for counts
    /// where the alias is.
    pub values: Vec<WrittenValue<'t>>,
    /// Empty collections and tags.
    pub marks: Vec<WrittenMark>,
    /// Its comments: the byte at which each begins, and its text without the sign.
    pub comments: Vec<(usize, &'t str)>,
    /// Whether it has a mapping at the top, be it empty.
    pub is_mapping: bool,
}

/// A value.
pub struct WrittenValue<'t> {
    /// The way to it.
    pub path: Path,
    /// The byte that it begins at.
    pub start: usize,
    /// Its bytes, without white space around them. The header of a block scalar is not
    /// among them.
    pub raw: &'t str,
    /// What it stands for.
    pub kind: WrittenKind,
    /// Its text, quotes and escapes resolved.
    pub text: Cow<'t, str>,
    /// Whether it has neither quotes nor a tag, and is not a block.
    pub is_plain: bool,
    /// Whether it is an entry of a Secret's `data` or `stringData`, a label or an annotation:
    /// all of them are texts.
    pub is_secret_entry: bool,
}

/// What a value stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenKind {
    /// Nothing.
    Null,
    /// A truth value; the text is `True` or `False`.
    Boolean,
    /// A number or a date.
    Number,
    /// A text, or a number or date that kb does not read for certain.
    Text,
}

/// An empty collection or a tag.
pub struct WrittenMark {
    /// The way to it.
    pub path: Path,
    /// The byte that it begins at.
    pub start: usize,
    /// What it is.
    pub kind: MarkKind,
}

impl Path {
    /// The way as people write it: `items[0].data.password`, with quotes around keys that
    /// would be read otherwise, and an ellipsis in the place of what is too much.
    pub fn shown(&self) -> String {
        let mut shown = self.dotted_with_indices();
        if let Some((end, _)) = shown.char_indices().nth(LONGEST_PATH) {
            shown.truncate(end);
            shown.push('\u{2026}');
        }
        shown
    }
}

/// The documents of a text of this format.
///
/// # Errors
/// [`NotParsed`]: dotenv and ini always parse.
pub fn written(format: Format, text: &str) -> Result<Vec<WrittenDocument<'_>>, NotParsed> {
    let contents = Contents::read(format, text)?;
    let text = contents.text;
    let documents = contents.documents.into_iter();
    Ok(documents.map(|it| of_document(text, it)).collect())
}

/// Whether a path leads to a label or an annotation of this Secret.
fn is_label(path: &Path, secret: &secrets::EncryptedSecret) -> bool {
    let keys = path.keys();
    let (is_in_items, own) = match keys.get(secret.items.len()..) {
        Some(own) => (path.0.len() == keys.len() + secret.items.len(), own),
        None => (false, &[][..]),
    };
    let mut indices = path.0.iter().filter_map(|step| match step {
        Segment::Index(index) => Some(index),
        Segment::Key(_) => None,
    });
    is_in_items
        && matches!(own, ["metadata", "labels" | "annotations", _])
        && secret.items.iter().all(|item| indices.next() == Some(item))
}

fn of_document<'t>(text: &'t str, document: EncryptedDocument<'t>) -> WrittenDocument<'t> {
    let values = &document.values;
    let paths: Vec<Path> = values
        .iter()
        .map(|it| super::without_merges(&it.path))
        .collect();
    let texts: Vec<&str> = values.iter().map(|it| it.scalar.text()).collect();
    let found = secrets::find(&paths, &texts, &document.containers);
    let entries = found.values.iter().zip(&paths);
    let entries: Vec<bool> = entries
        .map(|(secret, path)| {
            let is_entry = secret.as_ref().is_some_and(|secret| secret.is_entry);
            is_entry || found.secrets.iter().any(|it| is_label(path, it))
        })
        .collect();
    let mark = |mark: Mark| WrittenMark {
        path: mark.path,
        start: mark.start,
        kind: mark.kind,
    };
    let values = document.values.into_iter().zip(entries);
    WrittenDocument {
        values: values
            .map(|(value, is_secret_entry)| {
                let (kind, scalar_text) = match value.scalar {
                    ScalarValue::Null => (WrittenKind::Null, Cow::Borrowed("")),
                    ScalarValue::Text(text) => (WrittenKind::Text, text),
                    ScalarValue::Other(text) if matches!(text.as_str(), "True" | "False") => {
                        (WrittenKind::Boolean, text.into())
                    }
                    ScalarValue::Other(text) => (WrittenKind::Number, text.into()),
                };
                WrittenValue {
                    raw: text.get(value.range.clone()).unwrap_or_default().trim(),
                    start: value.range.start,
                    path: value.path,
                    kind,
                    text: scalar_text,
                    is_plain: value.is_plain,
                    is_secret_entry,
                }
            })
            .collect(),
        marks: document.marks.into_iter().map(mark).collect(),
        comments: document
            .comments
            .iter()
            .map(|it| (it.range.start, it.text))
            .collect(),
        is_mapping: !document.containers.is_empty() && !document.is_no_mapping,
    }
}
