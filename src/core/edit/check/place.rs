//! Where in a typed text something is.

use super::empty::is_empty;
use crate::core::encrypted::Format;
use crate::core::yaml::{Document, Node, Stream};

/// Finds the places of what is wrong with a text of several documents.
pub(super) struct Locations<'t> {
    stream: Option<Stream<'t>>,
}

impl<'t> Locations<'t> {
    pub(super) fn of(format: Format, text: &'t str) -> Self {
        let stream = match format {
            // JSON is YAML.
            Format::Yaml | Format::Json => Stream::parse(text).ok(),
            Format::Dotenv | Format::Ini | Format::Binary => None,
        };
        Self { stream }
    }

    /// Counts the documents from now on that are not empty. Returns which ones are.
    pub(super) fn drop_empty_documents(&mut self) -> Vec<bool> {
        let Some(stream) = &mut self.stream else {
            return Vec::new();
        };
        let are_empty: Vec<bool> = stream.documents.iter().map(is_empty).collect();
        if !are_empty.iter().all(|is_empty| *is_empty) {
            stream.documents.retain(|document| !is_empty(document));
        }
        are_empty
    }

    /// Line and column, from 1, of the last of these keys that is there: in the document of
    /// this number, behind `items` and an index for each list that is on the way.
    pub(super) fn find<'k>(
        &self,
        document: usize,
        items: &[usize],
        keys: impl IntoIterator<Item = &'k str>,
    ) -> Option<(u64, u64)> {
        let document = self.stream.as_ref()?.documents.get(document)?;
        let mut node = document.resolve(document.root.as_ref()?);
        for index in items {
            node = item(document, node, *index)?;
        }
        let mut place = node;
        for key in keys {
            let Some(pair) = document.pair(node, key) else {
                break;
            };
            place = &pair.key;
            node = document.resolve(&pair.value);
        }
        Some((place.line as u64, place.column as u64 + 1))
    }
}

fn item<'n, 't>(
    document: &'n Document<'t>,
    list: &'n Node<'t>,
    index: usize,
) -> Option<&'n Node<'t>> {
    let item = document.get(list, "items")?.items().get(index)?;
    Some(document.resolve(item))
}
