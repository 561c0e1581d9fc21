//! The values in a file, whatever its format.

use serde_json::{Map, Value};

use crate::core::sops_file::Format;

/// The documents of a file, as sops sees them; `None` if it does not parse.
pub(super) fn documents(format: Format, bytes: &[u8]) -> Option<Vec<Value>> {
    let text = || String::from_utf8_lossy(bytes);
    match format {
        Format::Yaml => {
            let options = serde_saphyr::options! {
                budget: None,
                with_snippet: false,
                // Whatever stands in plaintext may be of any kind.
                non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
                ignore_binary_tag_for_string: true,
            };
            serde_saphyr::from_slice_multiple_with_options(bytes, options).ok()
        }
        Format::Json => Some(vec![serde_json::from_slice(bytes).ok()?]),
        Format::Dotenv => Some(vec![Value::Object(pairs(text().lines(), &['=']))]),
        Format::Ini => Some(vec![Value::Object(sections(&text()))]),
        Format::Binary => Some(Vec::new()),
    }
}

/// The sections of an ini file; what stands before the first has no name.
fn sections(text: &str) -> Map<String, Value> {
    let mut sections = Map::new();
    let mut name = String::new();
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().chain(["["]) {
        let Some(next) = line.trim().strip_prefix('[') else {
            lines.push(line);
            continue;
        };
        add(
            &mut sections,
            &name,
            Value::Object(pairs(lines.drain(..), &['=', ':'])),
        );
        name = next.split(']').next().unwrap_or_default().to_owned();
    }
    sections
}

/// Lines of a key and a value, with one of these signs between; others are comments.
fn pairs<'t>(lines: impl Iterator<Item = &'t str>, signs: &[char]) -> Map<String, Value> {
    let mut pairs = Map::new();
    let lines = lines.map(str::trim);
    for line in lines.filter(|line| !line.starts_with(['#', ';'])) {
        if let Some((key, value)) = line.split_once(signs) {
            add(&mut pairs, key.trim(), Value::from(value.trim()));
        }
    }
    pairs
}

/// Adds a value; of those with the same key, each counts.
fn add(map: &mut Map<String, Value>, key: &str, value: Value) {
    match map.remove(key) {
        None => drop(map.insert(key.to_owned(), value)),
        Some(Value::Array(mut values)) => {
            values.push(value);
            map.insert(key.to_owned(), Value::Array(values));
        }
        Some(first) => drop(map.insert(key.to_owned(), Value::Array(vec![first, value]))),
    }
}
