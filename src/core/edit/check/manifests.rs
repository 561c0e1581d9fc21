//! What keeps Flux from applying the Secrets of a text, beside what is wrong within one.

use std::collections::HashSet;

use serde_json::Value;

use super::TextFault;
use super::place::Locations;
use crate::core::encrypted::inspect::Inspected;
use crate::core::encrypted::inspect::SECTIONS;
use crate::core::manifest::secret::is_patch;

/// Documents beside Secrets that are not manifests, Secrets that are there twice, and those
/// whose kind or version is misspelled.
pub(super) fn of_manifests(
    documents: &[Value],
    inspected: &[Inspected<'_>],
    places: &Locations<'_>,
) -> Vec<TextFault> {
    let mut findings = Vec::new();
    let has_secret = inspected.iter().any(|it| !it.secrets.is_empty());
    let mut names = HashSet::new();
    for (index, (document, inspected)) in documents.iter().zip(inspected).enumerate() {
        if let Some((key, words)) = misspelled(document) {
            findings.push(TextFault {
                place: places.find(index, &[], [key]),
                words: words.to_owned(),
            });
        } else if has_secret
            && !inspected.is_for_kustomize
            && inspected.secrets.is_empty()
            && inspected.without_version.is_empty()
            && document.is_object()
        {
            findings.push(TextFault {
                place: places.find(index, &[], ["kind"]),
                words: "beside a Secret, each document needs apiVersion, kind and metadata.name: Flux applies none of them otherwise".to_owned(),
            });
        }
        for found in &inspected.secrets {
            let object = object_at(document, &found.items);
            let metadata = &object["metadata"];
            let namespace = metadata["namespace"].as_str().unwrap_or("default");
            let Some(name) = metadata["name"].as_str() else {
                continue;
            };
            if !is_patch(object) && !names.insert((namespace, name)) {
                findings.push(TextFault {
                    place: places.find(index, &found.items, ["metadata", "name"]),
                    words: "another Secret above has the same metadata.name and namespace, and Flux applies neither: rename one of them"
                        .to_owned(),
                });
            }
        }
    }
    findings
}

/// The field of what is meant as a Secret by which it is none, and what to write.
fn misspelled(document: &Value) -> Option<(&'static str, &'static str)> {
    let field = |name: &str| document.get(name).and_then(Value::as_str);
    let is_spelled_so = |kind: &str| ["secret", "secrets"].contains(&&*kind.to_lowercase());
    match (field("kind"), field("apiVersion")) {
        (Some(kind), Some("v1")) if kind != "Secret" && is_spelled_so(kind) => {
            Some(("kind", "the cluster knows no such kind: write kind: Secret"))
        }
        // Another group, whose Secrets are something else, has a slash.
        (Some("Secret"), Some(version))
            if version != "v1" && !version.is_empty() && !version.contains(['/', '$']) =>
        {
            Some(("apiVersion", "a Secret needs apiVersion: v1"))
        }
        (None, Some("v1")) if document["metadata"].is_object() => {
            let mut sections = SECTIONS.iter();
            let has_values = sections.any(|section| document.get(section).is_some());
            has_values.then_some(("apiVersion", "it has no kind: write kind: Secret"))
        }
        _ => None,
    }
}

/// The object at these places in lists.
pub(super) fn object_at<'v>(document: &'v Value, items: &[usize]) -> &'v Value {
    items
        .iter()
        .fold(document, |object, item| &object["items"][*item])
}

#[cfg(test)]
mod tests {
    use crate::core::edit::check::problem;
    use crate::core::encrypted::Format;

    const HEAD: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\n";

    fn yaml(text: &str) -> Option<String> {
        problem(Format::Yaml, text.as_bytes()).map(|problem| problem.to_string())
    }

    #[test]
    fn what_flux_cannot_apply_as_a_whole_is_refused() {
        let secret = format!("{HEAD}stringData: {{a: b}}\n");
        let item = "{apiVersion: v1, kind: Secret, metadata: {name: db}, stringData: {a: b}}";
        for (text, words) in [
            (
                format!("{secret}---\n{secret}"),
                "line 8, column 12: another Secret above",
            ),
            (
                format!("apiVersion: v1\nkind: List\nitems:\n- {item}\n- {item}\n"),
                "another Secret above",
            ),
            (
                format!("{secret}---\nfoo: bar\n"),
                "line 6, column 1: beside a Secret, each document needs",
            ),
            (
                secret.replace("Secret", "secret"),
                "line 2, column 1: the cluster knows no such kind",
            ),
            (secret.replace("v1", "V1"), "a Secret needs apiVersion: v1"),
            (secret.replace("kind: Secret\n", ""), "it has no kind"),
        ] {
            let problem = yaml(&text).expect(&text);
            assert!(problem.contains(words), "{text}: {problem}");
            assert!(!problem.contains("problems"), "{text}: {problem}");
        }
        for text in [
            format!("{secret}---\n{}", secret.replace("name: db", "name: d")),
            format!(
                "{secret}---\n{}",
                secret.replace("name: db", "name: db, namespace: other")
            ),
            format!("{secret}---\n# nothing\n"),
            format!("{secret}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: db}}\n"),
            format!("{secret}$patch: merge\n---\n{secret}$patch: merge\n"),
            "apiVersion: v1\ndata: {a: b}\n".to_owned(),
            "kind: Secret\napiVersion: example.org/v1\na: b\n".to_owned(),
            "foo: bar\n---\nfoo: bar\n".to_owned(),
        ] {
            assert_eq!(yaml(&text), None, "{text}");
        }
    }
}
