//! Looks at a text as the cluster will, and at what sops made of it.
//!
//! Whether a text parses, sops tells. Of Kubernetes manifests, only a Secret of
//! the core API is judged.

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use crate::core::sops_file::Format;

/// What begins each encrypted value.
const ENCRYPTED: &str = "ENC[AES256_GCM,";
/// The fields of a Secret that hold values.
const SECTIONS: [&str; 2] = ["data", "stringData"];
/// All fields of a Secret (k8s.io/api/core/v1), and sops's metadata.
const FIELDS: [&str; 8] = [
    "apiVersion",
    "kind",
    "metadata",
    "data",
    "stringData",
    "type",
    "immutable",
    "sops",
];

/// As the API server decodes it: whatever the bits behind the last byte are.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// What is wrong with a text. Of the text it names only keys, which stand in the
/// encrypted file in plaintext too.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Line and column, from 1, where they are known.
    place: Option<(u64, u64)>,
    words: String,
}

impl Problem {
    pub(super) fn new(words: impl Into<String>) -> Self {
        Self {
            place: None,
            words: words.into(),
        }
    }

    /// The same in a text that begins so many lines further down.
    pub(super) fn moved_down(&self, lines: usize) -> Self {
        let down = |(line, column)| (line + lines as u64, column);
        Self {
            place: self.place.map(down),
            words: self.words.clone(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.words)
    }
}

/// The documents of a text, or where it does not parse and why.
fn documents(format: Format, text: &[u8]) -> Result<Vec<Value>, Problem> {
    let trouble = |line: u64, column: u64, reason: &str| Problem {
        place: Some((line, column)),
        words: reason.to_owned(),
    };
    match format {
        Format::Yaml => {
            let options = serde_saphyr::options! { budget: None, with_snippet: false };
            let documents = serde_saphyr::from_slice_multiple_with_options(text, options);
            documents.map_err(|error: serde_saphyr::Error| {
                let at = error.location();
                let (line, column) = at.map_or((1, 1), |at| (at.line(), at.column()));
                trouble(line, column, reason(&error))
            })
        }
        Format::Json => {
            let value = serde_json::from_slice(text);
            value
                .map(|value| vec![value])
                .map_err(|error| trouble(error.line() as u64, error.column() as u64, NOT_PARSED))
        }
        Format::Dotenv | Format::Ini | Format::Binary => Ok(Vec::new()),
    }
}

const NOT_PARSED: &str = "it does not parse";

/// serde-saphyr's own words may quote the text.
fn reason(error: &serde_saphyr::Error) -> &'static str {
    use serde_saphyr::Error as E;
    match error.without_snippet() {
        E::DuplicateMappingKey { .. } => "a key stands here for the second time",
        E::UnknownAnchor { .. } => "there is no anchor of this name above",
        _ => NOT_PARSED,
    }
}

/// Where and why a text that sops refused does not parse; `None` where that
/// cannot be told.
pub(super) fn reason_for_refusal(format: Format, text: &[u8]) -> Option<Problem> {
    documents(format, text).err()
}

/// What is wrong with a text, where sops would take it or say it badly.
pub(super) fn problem(format: Format, text: &[u8]) -> Option<Problem> {
    let documents = match documents(format, text) {
        Ok(documents) => documents,
        // sops takes what begins as JSON, and drops what comes behind.
        Err(reason) if format == Format::Json => return Some(reason),
        Err(_) => return None,
    };
    documents.iter().enumerate().find_map(|(index, document)| {
        let problem = match document {
            Value::Object(document) => problem_of(document)?,
            Value::Null => return None,
            _ => "the top level is no mapping (key: value), and sops encrypts nothing else"
                .to_owned(),
        };
        Some(Problem::new(match documents.len() {
            1 => problem,
            _ => format!("document {}: {problem}", index + 1),
        }))
    })
}

fn problem_of(document: &Map<String, Value>) -> Option<String> {
    if document.contains_key("sops") {
        return Some("the key sops is where sops keeps its metadata: it cannot be used".to_owned());
    }
    if document.get("kind") != Some(&Value::from("Secret")) {
        return None;
    }
    match document.get("apiVersion") {
        None | Some(Value::Null) => return Some("a Secret needs apiVersion: v1".to_owned()),
        Some(Value::String(version)) if version == "v1" => {}
        // Some other API's Secret.
        Some(_) => return None,
    }
    let name = document
        .get("metadata")
        .and_then(|metadata| metadata.get("name"));
    if name
        .and_then(Value::as_str)
        .is_none_or(|name| name.is_empty())
    {
        return Some("a Secret needs metadata.name".to_owned());
    }
    if let Some(field) = document.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        return Some(format!(
            "a Secret has no field {field}; values stand in stringData (text) or data (base64)"
        ));
    }
    SECTIONS
        .iter()
        .find_map(|section| match document.get(*section) {
            None | Some(Value::Null) => None,
            Some(Value::Object(values)) => values
                .iter()
                .find_map(|(key, value)| problem_of_value(section, key, value)),
            Some(_) => Some(format!("{section} is no mapping (key: value)")),
        })
}

fn problem_of_value(section: &str, key: &str, value: &Value) -> Option<String> {
    match value {
        Value::Object(_) | Value::Array(_) => Some(format!(
            "{section}.{key} is no text: a Secret holds nothing nested"
        )),
        Value::String(text) if section == "data" => {
            let text: Vec<u8> = text.bytes().filter(|b| !b"\r\n".contains(b)).collect();
            BASE64
                .decode(text)
                .is_err()
                .then(|| format!("data.{key} is not base64; stringData takes text as it is"))
        }
        // sops tells what it takes for a number or a date.
        _ => None,
    }
}

/// What is wrong with the encrypted file that sops made of a text: values of a
/// Secret that are no text for sops, or that stay in plaintext although `before`,
/// the file until now, has no such.
pub(super) fn problem_of_encrypted(
    format: Format,
    encrypted: &[u8],
    before: Option<&[u8]>,
) -> Option<Problem> {
    let parsed = documents(format, encrypted).unwrap_or_default();
    let only_secrets = !parsed.is_empty() && parsed.iter().all(is_secret);
    let none = |file: &[u8]| memchr::memmem::find_iter(file, ENCRYPTED).nth(1).is_none();
    // The one value that is always there is the MAC. A Secret may have none.
    if none(encrypted) && !only_secrets && !before.is_some_and(none) {
        return Some(Problem::new(
            "nothing in it would be encrypted: encrypted_regex and its like match no key of it",
        ));
    }
    let before = before.and_then(|before| documents(format, before).ok());
    let before = before.unwrap_or_default();
    parsed.iter().enumerate().find_map(|(index, document)| {
        let mut sections = SECTIONS.iter().filter(|_| is_secret(document));
        let before = before.get(index);
        sections.find_map(|section| {
            let of = |document: &Value| document.get(section)?.as_object().cloned();
            let was_plain = before.and_then(of).is_some_and(|values| is_plain(&values));
            problem_of_section(section, document.get(section)?.as_object()?, was_plain)
        })
    })
}

fn is_secret(document: &Value) -> bool {
    document.get("kind") == Some(&Value::from("Secret"))
        && document.get("apiVersion") == Some(&Value::from("v1"))
}

fn problem_of_section(
    section: &str,
    values: &Map<String, Value>,
    was_plain: bool,
) -> Option<Problem> {
    if is_plain(values) && !was_plain {
        return Some(Problem::new(format!(
            "the values of {section} would stay in plaintext: encrypted_regex and its like do not match {section}"
        )));
    }
    values.iter().find_map(|(key, value)| {
        let kind = kind_of(value).filter(|kind| *kind != "text")?;
        let words = format!("{section}.{key} is read as {kind}: put it in quotes");
        Some(Problem::new(words))
    })
}

/// Whether there are values, and none is encrypted. sops leaves empty ones alone.
fn is_plain(values: &Map<String, Value>) -> bool {
    let empty = |value: &&Value| value.is_null() || *value == "";
    let encrypted = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| text.starts_with(ENCRYPTED))
    };
    let mut filled = values.values().filter(|value| !empty(value)).peekable();
    filled.peek().is_some() && !filled.any(encrypted)
}

/// What sops takes a value for.
fn kind_of(value: &Value) -> Option<&'static str> {
    match value {
        Value::Number(_) => Some("a number"),
        Value::Bool(_) => Some("true or false"),
        Value::String(text) if text.starts_with(ENCRYPTED) => {
            let kind = text.rsplit_once(",type:")?.1.trim_end_matches(']');
            Some(match kind {
                "int" | "float" => "a number",
                "bool" => "true or false",
                "time" => "a date",
                _ => "text",
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(text: &str) -> Option<String> {
        problem(Format::Yaml, text.as_bytes()).map(|problem| problem.to_string())
    }

    const HEAD: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\n";

    #[test]
    fn a_secret_is_judged_as_the_api_server_would() {
        let cases = [
            ("data: {a: aHVudGVyMg==}\n", None),
            ("data: {a: aHVudGVyMh==}\n", None),
            ("data:\n  a: |\n    aHVu\n    dGVyMg==\n", None),
            ("data: {a: null}\nstringData:\n", None),
            ("type: Opaque\nimmutable: true\nstringData: {a: b}\n", None),
            ("data: {a: hunter2}\n", Some("data.a is not base64")),
            ("stringdata: {a: b}\n", Some("no field stringdata")),
            ("stringData: [a]\n", Some("stringData is no mapping")),
            ("stringData: {a: {b: c}}\n", Some("stringData.a is no text")),
            ("sops: {}\n", Some("the key sops")),
        ];
        for (rest, expected) in cases {
            let problem = yaml(&format!("{HEAD}{rest}"));
            match expected {
                None => assert_eq!(problem, None, "{rest}"),
                Some(words) => {
                    let problem = problem.expect(rest);
                    assert!(problem.contains(words), "{problem}");
                    assert!(!problem.contains("hunter2"), "{problem}");
                }
            }
        }
        assert!(yaml("kind: Secret\n").expect("bad").contains("apiVersion"));
        assert!(
            yaml("kind: Secret\napiVersion: v1\n")
                .expect("bad")
                .contains("metadata.name")
        );
        let second = format!("a: 1\n---\n{HEAD}data: {{a: '*'}}\n");
        assert!(
            yaml(&second)
                .expect("bad")
                .starts_with("document 2: data.a")
        );
    }

    #[test]
    fn what_is_no_secret_of_the_core_is_not_judged() {
        for text in [
            "a: 1\n",
            "kind: HelmRelease\ndata: {a: '*'}\n",
            "kind: Secret\napiVersion: example.org/v1\ndata: {a: '*'}\n",
            "a: [\n",
        ] {
            assert_eq!(yaml(text), None, "{text}");
        }
        assert!(yaml("- a\n").expect("a list").contains("no mapping"));
        let reason = |format, text: &str| {
            let problem = reason_for_refusal(format, text.as_bytes());
            problem.map(|problem| problem.to_string())
        };
        assert_eq!(reason(Format::Yaml, "a: 1\n"), None);
        assert_eq!(
            reason(Format::Json, "{\n  \"a\": }").as_deref(),
            Some("line 2, column 8: it does not parse")
        );
        for text in ["{\"a\"", "{\"a\": 1} and more"] {
            let problem = problem(Format::Json, text.as_bytes());
            assert!(
                problem.expect("bad").words.contains("does not parse"),
                "{text}"
            );
        }
        assert_eq!(
            reason(Format::Yaml, "a: 1\nb: 2\na: 3\n").as_deref(),
            Some("line 3, column 1: a key stands here for the second time")
        );
    }

    #[test]
    fn a_value_that_stays_in_plaintext_is_noticed() {
        let mac = "sops: {mac: 'ENC[AES256_GCM,data:x,type:str]'}\n";
        let value = |kind: &str| format!("'ENC[AES256_GCM,data:x,type:{kind}]'");
        let check = |rest: &str, before: Option<&str>| {
            let file = |rest: &str| format!("{HEAD}{rest}{mac}");
            let before = before.map(file);
            let before = before.as_deref().map(str::as_bytes);
            let problem = problem_of_encrypted(Format::Yaml, file(rest).as_bytes(), before);
            problem.map(|problem| problem.to_string())
        };
        let good = format!("stringData: {{a: {}, b: '', c: null}}\n", value("str"));
        assert_eq!(check(&good, None), None);
        let plain = format!("data: {{a: {}}}\nstringData: {{a: b}}\n", value("str"));
        assert!(
            check(&plain, None)
                .expect("bad")
                .contains("values of stringData")
        );
        assert!(
            check(&plain, Some(&good))
                .expect("bad")
                .contains("values of stringData")
        );
        assert_eq!(check(&plain, Some(&plain)), None);
        assert!(
            check("stringData: {a: b}\n", None)
                .expect("bad")
                .contains("values of stringData")
        );
        assert_eq!(check("stringData: {a: '', b: null}\n", None), None);
        for (kind, words) in [
            ("int", "a number"),
            ("time", "a date"),
            ("bool", "true or false"),
        ] {
            let problem = check(&format!("stringData: {{a: {}}}\n", value(kind)), None);
            assert!(problem.expect("bad").contains(words));
        }
    }
}
