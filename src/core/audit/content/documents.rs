//! The values in a file, whatever its format.

use serde_json::{Map, Value};

use crate::core::encrypted::{Damage, Format};
use crate::core::yaml::{self, Reason};

/// A line and a column, from 1.
pub(super) type Place = (u64, u64);

/// The documents of a file, as sops sees them.
///
/// # Errors
/// Where it does not parse, or is too large.
pub(super) fn documents(format: Format, bytes: &[u8]) -> Result<Vec<Value>, (Place, Damage)> {
    let text = || String::from_utf8_lossy(bytes);
    match format {
        Format::Yaml => yaml::values(bytes).map_err(|error| {
            let damage = match error.reason {
                Reason::Repetition => Damage::TooLarge,
                _ => Damage::NotParsed,
            };
            ((error.line, error.column), damage)
        }),
        Format::Json => match serde_json::from_slice(bytes) {
            Ok(value) => Ok(vec![value]),
            Err(error) => {
                let place = (error.line() as u64, error.column() as u64);
                Err((place, Damage::NotParsed))
            }
        },
        Format::Dotenv => Ok(vec![Value::Object(pairs(text().lines(), &['=']))]),
        Format::Ini => Ok(vec![Value::Object(sections(&text()))]),
        Format::Binary => Ok(Vec::new()),
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
