//! What is wrong with a text as it was typed.

use serde_json::Value;

use super::manifests::{object_at, of_manifests};
use super::place::Locations;
use super::{Problem, TextFault, documents, text_of};
use crate::core::encrypted::Format;
use crate::core::encrypted::inspect::{HEAD, Inspected, inspect};
use crate::core::manifest::secret::{self, TextOrigin};
use crate::core::yaml::{self, Encoding};

/// Where and why a text that sops refused does not parse; `None` where that
/// cannot be told.
pub(in crate::core::edit) fn reason_for_refusal(format: Format, text: &[u8]) -> Option<Problem> {
    documents(format, text).err()
}

/// What is wrong with a text, where sops would take it or say it badly.
pub(in crate::core::edit) fn problem(format: Format, text: &[u8]) -> Option<Problem> {
    if matches!(format, Format::Json | Format::Dotenv)
        && let Ok(decoded) = yaml::decode(text)
        && decoded.encoding != Encoding::Utf8
    {
        let words = "sops reads this format in UTF-8 without a byte order mark alone: save it so";
        return Some(Problem::at(Some((1, 1)), words));
    }
    let documents = match documents(format, text) {
        Ok(documents) => documents,
        // sops takes what begins as JSON, and drops what comes behind.
        Err(reason) if format == Format::Json => return Some(reason),
        Err(_) => return None,
    };
    let text = text_of(text);
    let places = Locations::of(format, &text);
    let inspected = inspect(format, &text).unwrap_or_default();
    let mut findings = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        let words = match document {
            Value::Object(fields) if fields.contains_key("sops") => {
                "the key sops is where sops keeps its metadata: it cannot be used"
            }
            Value::Object(_) | Value::Null => continue,
            _ => "the top level is not a mapping (key: value), and sops encrypts nothing else",
        };
        findings.push(TextFault {
            place: places.find(index, &[], ["sops"]),
            words: words.to_owned(),
        });
    }
    findings.extend(of_secrets(
        &documents,
        &inspected,
        &places,
        TextOrigin::Plain,
    ));
    findings.extend(of_manifests(&documents, &inspected, &places));
    findings.extend(encrypted_values(&inspected, &places));
    if findings.is_empty() && !documents.is_empty() && !documents.iter().any(has_value) {
        let is_commented_out = inspected.iter().any(|it| !it.comments.is_empty());
        return Some(Problem::new(if is_commented_out {
            "there is no value in it to encrypt: its values are commented out. Delete the # before stringData and before each value"
        } else {
            "there is no value in it to encrypt: write the values of a Secret under stringData (text) or data (base64)"
        }));
    }
    Problem::of(findings)
}

/// Values that were copied from an encrypted file: they would be encrypted once more.
fn encrypted_values(inspected: &[Inspected<'_>], places: &Locations<'_>) -> Vec<TextFault> {
    let mut findings = Vec::new();
    for (index, document) in inspected.iter().enumerate() {
        for leaf in document.values.iter().filter(|leaf| leaf.looks_encrypted()) {
            let keys = leaf.keys();
            findings.push(TextFault {
                place: places.find(index, &[], keys.iter().copied()),
                words: format!(
                    "{} is encrypted already, as in an encrypted file: write the value itself",
                    secret::shown(&keys.join("."))
                ),
            });
        }
    }
    findings
}

/// What the API server refuses in the Secrets of a text.
pub(super) fn of_secrets(
    documents: &[Value],
    inspected: &[Inspected<'_>],
    places: &Locations<'_>,
    text: TextOrigin,
) -> Vec<TextFault> {
    let mut findings = Vec::new();
    for (index, (document, inspected)) in documents.iter().zip(inspected).enumerate() {
        for without_version in &inspected.without_version {
            findings.push(TextFault {
                place: places.find(index, &without_version.items, ["kind"]),
                words: "a Secret needs apiVersion: v1".to_owned(),
            });
        }
        for found in &inspected.secrets {
            let object = object_at(document, &found.items);
            let faults = secret::faults(object, text).into_iter();
            findings.extend(faults.map(|fault| {
                let keys = fault.keys.iter().map(String::as_str);
                TextFault {
                    place: places.find(index, &found.items, keys),
                    words: fault.words,
                }
            }));
        }
    }
    findings
}

/// Whether there is anything to encrypt: of a manifest, more than its head.
fn has_value(document: &Value) -> bool {
    let Value::Object(fields) = document else {
        return !document.is_null();
    };
    let is_manifest = fields.contains_key("apiVersion") || fields.contains_key("kind");
    fields.iter().any(|(key, value)| match value {
        _ if is_manifest && HEAD.contains(&key.as_str()) => false,
        Value::Array(items) if is_manifest && key == "items" => items.iter().any(has_value),
        Value::Array(values) => !values.is_empty(),
        Value::Object(values) => !values.is_empty(),
        scalar => !scalar.is_null(),
    })
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
            (
                "data: {a: hunter2}\n",
                Some("line 4, column 8: data.a is not base64"),
            ),
            (
                "stringdata: {a: b}\n",
                Some("no field stringdata: write stringData"),
            ),
            ("stringData: [a]\n", Some("stringData is not a mapping")),
            (
                "stringData: {a: {b: c}}\n",
                Some("stringData.a is a mapping"),
            ),
            (
                "stringData: {a: 1}\n",
                Some("stringData.a is read as a number"),
            ),
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
    }

    #[test]
    fn all_that_is_wrong_is_named_at_once_with_its_place() {
        let items = "items:\n- apiVersion: v1\n  kind: Secret\n  metadata:\n    name: Db\n  data:\n    a: '*'\n";
        let text = format!(
            "{{kind: A, metadata: {{name: a}}}}\n---\napiVersion: v1\nkind: List\n{items}---\n{HEAD}stringdata: {{a: b}}\n"
        );
        let problem = yaml(&text).expect("bad");
        for words in [
            "3 problems\n",
            "- line 9, column 5: metadata.name is invalid",
            "- line 11, column 5: data.a is not base64",
            "- line 16, column 1: a Secret has no field stringdata",
        ] {
            assert!(problem.contains(words), "{problem}");
        }
        let many: String = (0..100).map(|number| format!("  k{number}: 1\n")).collect();
        let problem = yaml(&format!("{HEAD}stringData:\n{many}")).expect("bad");
        assert_eq!(problem.lines().count(), 22, "{problem}");
        assert!(problem.ends_with("- and 80 more"), "{problem}");
    }

    #[test]
    fn a_text_without_a_value_is_nothing_to_encrypt() {
        for text in [
            "apiVersion: v1\n",
            "kind: Secret\napiVersion: v1\nmetadata: {name: a}\ntype: Opaque\nstringData:\n",
            "apiVersion: v1\nkind: List\nitems:\n- kind: ConfigMap\n",
            "{}\n",
            "a:\n",
        ] {
            assert!(yaml(text).expect(text).contains("no value"), "{text}");
        }
        for text in [
            "type: a\n",
            "a: ''\n",
            "kind: Secret\napiVersion: v1\nmetadata: {name: a}\nstringData: {a: }\n",
        ] {
            assert_eq!(yaml(text), None, "{text}");
        }
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
        assert!(yaml("- a\n").expect("a list").contains("not a mapping"));
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
        for text in ["{\"a\"", "{\"a\": 1} and more", "{\"a\": 1, \"a\": 2}"] {
            assert!(problem(Format::Json, text.as_bytes()).is_some(), "{text}");
        }
        assert_eq!(
            reason(Format::Yaml, "a: 1\nb: 2\na: 3\n").as_deref(),
            Some("line 3, column 1: duplicate key")
        );
    }

    #[test]
    fn an_encrypted_value_is_not_taken_for_the_value() {
        const VALUE: &str = "ENC[AES256_GCM,data:aGk=,iv:aGk=,tag:aGk=,type:str]";
        for text in [
            format!("{HEAD}stringData: {{a: '{VALUE}'}}\n"),
            format!("a:\n- b: {VALUE}\n"),
            format!("a: {VALUE} # pasted\n"),
        ] {
            let problem = yaml(&text).expect(&text);
            assert!(problem.contains("is encrypted already"), "{problem}");
            assert!(!problem.contains("aGk"), "{problem}");
        }
        let file = format!("{HEAD}stringData:\n  a.yaml: |\n    b: {VALUE}\n");
        assert_eq!(yaml(&file), None);
    }

    #[test]
    fn a_byte_order_mark_is_called_one_where_sops_reads_none() {
        for (format, text) in [
            (Format::Json, "\u{feff}{\"a\": \"b\"}"),
            (Format::Dotenv, "\u{feff}A=b\n"),
        ] {
            let found = problem(format, text.as_bytes()).expect(text).to_string();
            assert!(found.contains("byte order mark"), "{found}");
        }
        assert_eq!(yaml("\u{feff}a: b\n"), None);
        assert_eq!(problem(Format::Binary, "\u{feff}A".as_bytes()), None);
    }

    #[test]
    fn what_is_merged_into_a_secret_is_judged_as_its_own() {
        for sign in ["<<", "!!merge <<"] {
            let text = format!("{HEAD}stringData:\n  {sign}: {{a: b}}\n  c: d\n");
            assert_eq!(yaml(&text), None, "{text}");
            let bad = text.replace("a: b", "'a b': c");
            assert!(yaml(&bad).expect(&bad).contains("a b is invalid"), "{bad}");
        }
    }
}
