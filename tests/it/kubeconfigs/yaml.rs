//! YAML with everything that a writer of JSON could not say: keys twice, odd scalars.

use std::fmt::Write as _;

/// A node of YAML. A mapping may have a key twice.
#[derive(Clone)]
pub(super) enum Yaml {
    /// A scalar as it is written.
    Plain(String),
    Text(String),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
}

use Yaml::{List, Map, Plain, Text};

/// As JSON, but for keys that need no quotes.
pub(super) fn flow(yaml: &Yaml, into: &mut String) {
    match yaml {
        // A block scalar cannot be in a flow collection.
        Plain(text) => into.push_str(if text.starts_with('|') { "\"a\"" } else { text }),
        Text(text) => write!(into, "{}", serde_json::Value::from(text.as_str())).expect("written"),
        List(items) => {
            into.push('[');
            for (number, item) in items.iter().enumerate() {
                into.push_str(if number > 0 { ", " } else { "" });
                flow(item, into);
            }
            into.push(']');
        }
        Map(entries) => {
            into.push('{');
            for (number, (key, value)) in entries.iter().enumerate() {
                into.push_str(if number > 0 { ", " } else { "" });
                write!(into, "{key}: ").expect("written");
                flow(value, into);
            }
            into.push('}');
        }
    }
}

/// With indentation.
pub(super) fn block(yaml: &Yaml, indent: usize, into: &mut String) {
    let pad = " ".repeat(indent);
    match yaml {
        Map(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                write!(into, "\n{pad}{key}: ").expect("written");
                block(value, indent + 2, into);
            }
        }
        List(items) if !items.is_empty() => {
            for item in items {
                write!(into, "\n{pad}- ").expect("written");
                block(item, indent + 2, into);
            }
        }
        Plain(text) => into.push_str(&text.replace('\n', &format!("\n{pad}"))),
        other => flow(other, into),
    }
}
