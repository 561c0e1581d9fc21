//! Templates of Helm, Jinja and their like: what remains where their expressions are left
//! out, so that written values can be told from those that are filled in.

use std::borrow::Cow;

/// The text in the place of an expression.
pub(super) const FILLED_IN: &str = "<template>";

/// What encloses an expression, and whether it is one for a value.
const EXPRESSIONS: [(&str, &str, bool); 5] = [
    ("{{", "}}", true),
    ("{%", "%}", false),
    ("{#", "#}", false),
    ("<%=", "%>", true),
    ("<%", "%>", false),
];

/// Whether a text has expressions in it.
pub(super) fn has_expressions(text: &str) -> bool {
    ["{{", "{%", "<%"].iter().any(|open| text.contains(open))
}

/// The text with a placeholder for each expression, and without the lines in which only
/// such ones stand; `None` if one of them has no end.
pub(super) fn without_expressions(text: &str) -> Option<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, (open, close, is_value))) = first(rest) {
        let inner = &rest[at + open.len()..];
        let end = inner.find(close)?;
        filled.push_str(&rest[..at]);
        let behind = &inner[end + close.len()..];
        let is_comment = inner.trim_start_matches(['-', ' ']).starts_with("/*");
        if is_value && !is_comment {
            filled.push_str(FILLED_IN);
        }
        rest = behind;
    }
    filled.push_str(rest);
    let is_kept =
        |line: &&str| line.trim().replace(FILLED_IN, "").trim() != "" || line.trim().is_empty();
    Some(filled.split_inclusive('\n').filter(is_kept).collect())
}

fn first(text: &str) -> Option<(usize, (&'static str, &'static str, bool))> {
    let found = EXPRESSIONS
        .iter()
        .filter_map(|it| Some((text.find(it.0)?, *it)));
    // Of two that begin at the same place the longer one comes first in the list.
    found.min_by_key(|(at, _)| *at)
}

/// Whether a value is filled in, wholly or in part.
pub(super) fn is_filled_in(value: &str) -> bool {
    ["{{", "#{", "${", FILLED_IN]
        .iter()
        .any(|open| value.contains(open))
}

/// Whether what does not parse begins as a manifest of another kind does, and no Secret
/// is named in it: a rule for all manifests does not mean it.
pub(super) fn is_other_manifest(text: &str) -> bool {
    let mut lines = text.lines();
    lines.any(|line| {
        let kind = line.strip_prefix("kind:").map(str::trim);
        kind.is_some_and(|kind| !kind.is_empty() && !kind.starts_with("Secret"))
    })
}

/// Whether a text that does not parse is a Secret all the same, as far as its lines tell:
/// `kind` and `apiVersion` are in the same column of the same document.
pub(super) fn looks_like_a_secret(text: &str) -> bool {
    let mut kinds: Vec<usize> = Vec::new();
    let mut versions: Vec<usize> = Vec::new();
    let mut is_kind_open = None;
    for line in text.lines() {
        let line = line.trim_end();
        let inner = line.trim_start_matches([' ', '-', '\t', '{', '\u{feff}']);
        if line.starts_with("---") {
            (kinds, versions, is_kind_open) = (Vec::new(), Vec::new(), None);
        }
        if inner.is_empty() || inner.starts_with('#') {
            continue;
        }
        if let Some(column) = is_kind_open.take()
            && is_secret(inner)
        {
            kinds.push(column);
        }
        let column = line.len() - inner.len();
        if let Some((key, value)) = inner.split_once(':') {
            let key = key.trim().trim_matches(['"', '\'']);
            match (key, unquoted(value)) {
                ("kind", value) if is_secret(&value) => kinds.push(column),
                ("kind", value) if value.is_empty() => is_kind_open = Some(column),
                ("apiVersion", value) if matches!(&*value, "v1" | "/v1") => versions.push(column),
                _ => {}
            }
        }
        if kinds.iter().any(|column| versions.contains(column)) {
            return true;
        }
    }
    is_secret_of_json(text)
}

/// JSON in one line.
fn is_secret_of_json(text: &str) -> bool {
    let has = |key: &str, values: &[&str]| {
        text.match_indices(key).any(|(at, _)| {
            let rest = text[at + key.len()..].trim_start().strip_prefix(':');
            let rest = rest.map(str::trim_start).unwrap_or_default();
            values.iter().any(|value| rest.starts_with(value))
        })
    };
    text.trim_start().starts_with(['{', '['])
        && has("\"kind\"", &["\"Secret\"", "\"SecretList\""])
        && has("\"apiVersion\"", &["\"v1\"", "\"/v1\""])
}

fn is_secret(value: &str) -> bool {
    matches!(&*unquoted(value), "Secret" | "SecretList")
}

fn unquoted(value: &str) -> Cow<'_, str> {
    let value = value.split(" #").next().unwrap_or_default();
    value
        .trim()
        .trim_end_matches([',', '}'])
        .trim()
        .trim_matches(['"', '\''])
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_left_out_and_values_stay() {
        for (text, filled) in [
            ("a: {{ .x }}\n", "a: <template>\n"),
            ("{{- if .x }}\na: b\n{{ end }}\n", "a: b\n"),
            (
                "{{/* why */}}\na: \"{{ x \"y\" }}z\"\n",
                "\na: \"<template>z\"\n",
            ),
            (
                "{% if x %}\na: {{ x }}\n{% endif %}\n",
                "\na: <template>\n\n",
            ),
            ("{{ a }}: {{ b }}\n", "<template>: <template>\n"),
            ("a: <%= x %>\n", "a: <template>\n"),
        ] {
            assert_eq!(without_expressions(text).as_deref(), Some(filled), "{text}");
        }
        assert_eq!(without_expressions("a: {{ b\n"), None);
    }

    #[test]
    fn a_secret_is_recognized_by_its_lines() {
        for text in [
            "apiVersion: v1\nkind: Secret\nstringData:\n  a: b\n  a: [\n",
            "<<<<<<< HEAD\nkind: 'Secret'\n=======\napiVersion: \"v1\" # x\n",
            "items:\n- apiVersion: v1\n  kind: Secret\n",
            "kind:\n  Secret\napiVersion: v1\n",
            "{\"apiVersion\":\"v1\",\"kind\":\"Secret\"",
            "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"Secret\",\n",
        ] {
            assert!(looks_like_a_secret(text), "{text}");
        }
        for text in [
            "apiVersion: v2\nkind: Secret\n",
            "apiVersion: v1\nkind: ConfigMap\nref:\n  kind: Secret\n",
            "apiVersion: v1\nkind: ConfigMap\n---\napiVersion: x/v1\nkind: Secret\n",
            "A manifest has an apiVersion, v1, and a kind: Secret\n",
        ] {
            assert!(!looks_like_a_secret(text), "{text}");
        }
    }
}
