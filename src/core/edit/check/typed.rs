//! What is wrong with a text as it was typed.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::{Problem, documents};
use crate::core::encrypted::Format;
use crate::core::manifest::SECTIONS;

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

/// Where and why a text that sops refused does not parse; `None` where that
/// cannot be told.
pub(in crate::core::edit) fn reason_for_refusal(format: Format, text: &[u8]) -> Option<Problem> {
    documents(format, text).err()
}

/// What is wrong with a text, where sops would take it or say it badly.
pub(in crate::core::edit) fn problem(format: Format, text: &[u8]) -> Option<Problem> {
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
        assert_eq!(
            reason_for_refusal(Format::Yaml, b"a: 1\nb: x\xff\n").map(|p| p.to_string()),
            Some("line 2, column 5: it is not text in UTF-8 or UTF-16".to_owned())
        );
        let reason = |format, text: &str| {
            let problem = reason_for_refusal(format, text.as_bytes());
            problem.map(|problem| problem.to_string())
        };
        assert_eq!(reason(Format::Yaml, "a: 1\n"), None);
        assert_eq!(
            reason(Format::Json, "{\n  \"a\": }").as_deref(),
            Some("line 2, column 8: expected value")
        );
        for text in ["{\"a\"", "{\"a\": 1} and more"] {
            assert!(problem(Format::Json, text.as_bytes()).is_some(), "{text}");
        }
        assert_eq!(
            reason(Format::Yaml, "a: 1\nb: 2\na: 3\n").as_deref(),
            Some("line 3, column 1: duplicate key")
        );
    }
}
