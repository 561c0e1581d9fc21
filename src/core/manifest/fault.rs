//! What the API server refuses in an object: how it is collected and worded.

use serde_json::{Map, Value};

use crate::core::encrypted::ENCRYPTED_VALUE;
use crate::core::placeholder::filled_in;

/// A name in a message is no longer, in characters.
const LONGEST_NAME: usize = 100;

/// Something that the API server refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestFault {
    /// The keys that lead to it within the Secret; the last ones may be missing there.
    pub keys: Vec<String>,
    /// What it is and what to write instead, without any value.
    pub words: String,
}

/// Whether the text of a Secret is what was typed, or what sops has made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextOrigin {
    /// As it was typed.
    Plain,
    /// With encrypted values, of which nothing is known.
    Encrypted,
}

/// What is found.
pub(super) struct Faults {
    pub(super) found: Vec<ManifestFault>,
    text: TextOrigin,
}

impl Faults {
    pub(super) fn of(text: TextOrigin) -> Self {
        Self {
            found: Vec::new(),
            text,
        }
    }

    pub(super) fn add(&mut self, keys: &[&str], words: impl Into<String>) {
        self.found.push(ManifestFault {
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            words: words.into(),
        });
    }

    /// The value, unless something else will be there: it is encrypted, or Flux fills it in.
    pub(super) fn known<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        let is_known = value.as_str().is_none_or(|text| {
            filled_in(text, "").is_none()
                && !(self.text == TextOrigin::Encrypted && text.starts_with(ENCRYPTED_VALUE))
        });
        is_known.then_some(value)
    }

    /// The text that stands there; whatever else stands there is a fault.
    pub(super) fn text<'v>(&mut self, keys: &[&str], value: &'v Value) -> Option<&'v str> {
        let advice = match value {
            Value::String(text) => return Some(text),
            Value::Null => return None,
            Value::Bool(_) => "is read as true or false: put it in quotes",
            Value::Number(_) => "is read as a number: put it in quotes",
            Value::Array(_) => "is a list, where only a text is allowed",
            Value::Object(_) => "is a mapping, where only a text is allowed",
        };
        self.add(keys, format!("{} {advice}", dotted(keys)));
        None
    }

    /// The mapping that stands there; whatever else stands there is a fault.
    pub(super) fn mapping<'v>(
        &mut self,
        keys: &[&str],
        value: &'v Value,
    ) -> Option<&'v Map<String, Value>> {
        if let Value::Object(map) = value {
            return Some(map);
        }
        if !value.is_null() && self.known(value).is_some() {
            self.add(
                keys,
                format!("{} is not a mapping (key: value)", dotted(keys)),
            );
        }
        None
    }
}

/// The keys with points between them, shortened.
pub(super) fn dotted(keys: &[&str]) -> String {
    shown(&keys.join("."))
}

/// A name of the text in a message, shortened.
pub fn shown(name: &str) -> String {
    let mut characters = name.chars();
    let mut shown: String = characters.by_ref().take(LONGEST_NAME).collect();
    if characters.next().is_some() {
        shown.push('\u{2026}');
    }
    shown
}

/// The known name that is the same in another style: `string_data` for `stringData`.
pub(super) fn similar(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let folded = |name: &str| name.replace(['-', '_'], "").to_lowercase();
    let name = folded(name);
    known.iter().find(|known| folded(known) == name).copied()
}
