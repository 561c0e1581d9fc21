//! The values in a file, whatever its format.

use serde_json::{Map, Value};

use crate::core::sops_file::Format;

/// The documents of a file, as sops sees them; `None` if it does not parse.
pub(super) fn documents(format: Format, bytes: &[u8]) -> Option<Vec<Value>> {
    let text = || String::from_utf8_lossy(bytes);
    match format {
        Format::Yaml => {
            let options = serde_saphyr::options! { budget: None, with_snippet: false };
            serde_saphyr::from_slice_multiple_with_options(bytes, options).ok()
        }
        Format::Json => Some(vec![serde_json::from_slice(bytes).ok()?]),
        Format::Dotenv => Some(vec![Value::Object(pairs(text().lines()))]),
        Format::Ini => {
            let text = text();
            let sections = text.split("\n[").map(|section| {
                let (name, lines) = section.split_once(']').unwrap_or(("", section));
                let name = name.trim_start_matches('[').to_owned();
                (name, Value::Object(pairs(lines.lines())))
            });
            Some(vec![Value::Object(sections.collect())])
        }
        Format::Binary => Some(Vec::new()),
    }
}

/// Lines `KEY=VALUE`; others are comments.
fn pairs<'t>(lines: impl Iterator<Item = &'t str>) -> Map<String, Value> {
    let lines = lines.map(str::trim);
    let lines = lines.filter(|line| !line.starts_with(['#', ';']));
    let pairs = lines.filter_map(|line| line.split_once('='));
    let pair = |(key, value): (&str, &str)| (key.trim().to_owned(), Value::from(value.trim()));
    pairs.map(pair).collect()
}
