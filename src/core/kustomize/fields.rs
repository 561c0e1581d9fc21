//! The fields of one kustomization, read as kustomize reads them: into JSON and then by
//! Go's decoder (`types.Kustomization.Unmarshal`). Of two equal keys the later one counts,
//! and the case of a key does not matter.

use std::path::Path;

use serde_json::{Map, Value};

use super::BuildFault;
use crate::core::conflict;
use crate::core::regular_file::{self, LARGEST_CONFIG};
use crate::core::yaml;

/// The fields that kb reads, each a list: of texts, or of objects.
const LISTS: [(&str, bool); 13] = [
    ("resources", false),
    ("components", false),
    ("bases", false),
    ("configurations", false),
    ("crds", false),
    ("generators", false),
    ("transformers", false),
    ("validators", false),
    ("patchesStrategicMerge", false),
    ("patchesJson6902", true),
    ("patches", true),
    ("secretGenerator", true),
    ("configMapGenerator", true),
];

/// A kustomization.
pub(super) struct KustomizationFields(Map<String, Value>);

impl KustomizationFields {
    pub(super) fn read(file: &Path) -> Result<Self, BuildFault> {
        // A file deleted during the walk cannot be parsed either.
        let bytes = regular_file::read(file, LARGEST_CONFIG).unwrap_or_default();
        match yaml::first_value_as_go(&bytes) {
            Ok(Value::Object(fields)) if !fields.is_empty() => Ok(Self(fields)),
            Ok(Value::Null | Value::Object(_)) => Err(BuildFault::Empty {
                file: file.to_owned(),
            }),
            Ok(_) => Err(BuildFault::NotParsed {
                file: file.to_owned(),
                place: (1, 1),
            }),
            Err(error) => {
                let file = file.to_owned();
                Err(match conflict::marker(&String::from_utf8_lossy(&bytes)) {
                    Some(line) => BuildFault::Conflict { file, line },
                    None => BuildFault::NotParsed {
                        file,
                        place: (error.line, error.column),
                    },
                })
            }
        }
    }

    /// The fields that kb reads and that kustomize refuses for their type.
    pub(super) fn of_wrong_type(&self) -> impl Iterator<Item = &'static str> {
        let is_wrong = |(field, of_objects): &(&str, bool)| match field_of(&self.0, field) {
            None | Some(Value::Null) => false,
            Some(Value::Array(items)) => !items.iter().all(|item| {
                item.is_null()
                    || if *of_objects {
                        item.is_object()
                    } else {
                        item.is_string()
                    }
            }),
            Some(_) => true,
        };
        LISTS.into_iter().filter(is_wrong).map(|(field, _)| field)
    }

    /// The texts that a field lists.
    pub(super) fn texts(&self, field: &str) -> Vec<&str> {
        texts(field_of(&self.0, field))
    }

    /// A text that each object of a field may have.
    pub(super) fn texts_of(&self, field: &str, inner: &str) -> Vec<&str> {
        let objects = self.objects(field);
        let texts = objects.filter_map(|object| field_of(object, inner)?.as_str());
        // Go does not tell an empty text from none.
        texts.filter(|text| !text.is_empty()).collect()
    }

    /// The texts that each object of a field may list.
    pub(super) fn lists_of(&self, field: &str, inner: &str) -> Vec<&str> {
        let objects = self.objects(field);
        objects
            .flat_map(|object| texts(field_of(object, inner)))
            .collect()
    }

    fn objects(&self, field: &str) -> impl Iterator<Item = &Map<String, Value>> {
        let items = field_of(&self.0, field).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Value::as_object)
    }
}

/// A field by its name in any case. The keys arrive ordered, and the last one counts.
fn field_of<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    let mut matching: Vec<(&String, &Value)> = object
        .iter()
        .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        .collect();
    matching.sort_by_key(|(key, _)| *key);
    matching.pop().map(|(_, value)| value)
}

fn texts(list: Option<&Value>) -> Vec<&str> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).collect()
}
