//! What is wrong with the encrypted file that sops made of a text.

use serde_json::{Map, Value};

use super::{Problem, documents};
use crate::core::encrypted::{ENCRYPTED_VALUE, Format};
use crate::core::manifest::{SECTIONS, is_empty, is_encrypted, is_secret};

/// What is wrong with the encrypted file that sops made of a text: values of a
/// Secret that are no text for sops, or that stay in plaintext although `before`,
/// the file until now, has no such.
pub(in crate::core::edit) fn problem_of_encrypted(
    format: Format,
    encrypted: &[u8],
    before: Option<&[u8]>,
) -> Option<Problem> {
    let parsed = documents(format, encrypted).unwrap_or_default();
    let has_secret = parsed.iter().any(is_secret);
    // The one value that is always there is the MAC.
    let none = |file: &[u8]| {
        memchr::memmem::find_iter(file, ENCRYPTED_VALUE)
            .nth(1)
            .is_none()
    };
    if none(encrypted) && !has_secret && has_values(format, &parsed, encrypted) {
        return Some(Problem::new(
            "nothing in it would be encrypted: encrypted_regex and its like match no key of it",
        ));
    }
    if has_secret && let Some(key) = revealing_comment(encrypted, before.unwrap_or_default()) {
        return Some(Problem::new(format!(
            "a comment would stay in plaintext that looks like a value ({key}: …): take its # away, indent it as the values are, or delete it"
        )));
    }
    let before = before.and_then(|before| documents(format, before).ok());
    let before = before.unwrap_or_default();
    parsed.iter().enumerate().find_map(|(index, document)| {
        let mut sections = SECTIONS.iter().filter(|_| is_secret(document));
        let before = before.get(index);
        sections.find_map(|section| {
            let before = before.and_then(|before| before.get(section)?.as_object());
            problem_of_section(section, document.get(section)?.as_object()?, before)
        })
    })
}

fn problem_of_section(
    section: &str,
    values: &Map<String, Value>,
    before: Option<&Map<String, Value>>,
) -> Option<Problem> {
    if is_plain(values) && !before.is_some_and(is_plain) {
        return Some(Problem::new(format!(
            "the values of {section} would stay in plaintext: encrypted_regex and its like do not match {section}"
        )));
    }
    values.iter().find_map(|(key, value)| {
        let was_encrypted = before
            .and_then(|before| before.get(key))
            .is_some_and(is_encrypted);
        if was_encrypted && !is_empty(value) && !is_encrypted(value) {
            let words = format!("{section}.{key} was encrypted, and would stay in plaintext");
            return Some(Problem::new(words));
        }
        let kind = kind_of(value).filter(|kind| *kind != "text")?;
        let words = format!("{section}.{key} is read as {kind}: put it in quotes");
        Some(Problem::new(words))
    })
}

/// Whether there is a value that is not empty, which sops leaves alone, and that is
/// no part of a manifest's head.
fn has_values(format: Format, documents: &[Value], encrypted: &[u8]) -> bool {
    const HEAD: [&str; 4] = ["apiVersion", "kind", "metadata", "sops"];
    fn is_filled(value: &Value) -> bool {
        match value {
            Value::Array(values) => values.iter().any(is_filled),
            Value::Object(values) => values.values().any(is_filled),
            scalar => !is_empty(scalar),
        }
    }
    let body = |document: &Value| match document {
        Value::Object(values) => values
            .iter()
            .any(|(key, value)| !HEAD.contains(&key.as_str()) && is_filled(value)),
        _ => false,
    };
    match format {
        Format::Dotenv | Format::Ini => {
            let text = String::from_utf8_lossy(encrypted);
            let own = text.lines().take_while(|line| !line.starts_with("[sops]"));
            let mut values = own.filter(|line| !line.starts_with("sops_"));
            values.any(|line| {
                line.split_once('=')
                    .is_some_and(|(_, value)| !value.trim().is_empty())
            })
        }
        _ => documents.iter().any(body),
    }
}

/// The key in a comment of a Secret that looks like a value, and stands where sops
/// does not encrypt it: behind the values at the left margin, or with the section
/// itself. Comments that stood there before are no news.
fn revealing_comment(encrypted: &[u8], before: &[u8]) -> Option<String> {
    let (text, before) = (
        String::from_utf8_lossy(encrypted),
        String::from_utf8_lossy(before),
    );
    let mut is_behind_section = false;
    for line in text.lines() {
        let comment = line.trim_start().strip_prefix('#');
        let Some(comment) = comment.filter(|comment| !comment.contains(ENCRYPTED_VALUE)) else {
            let begins = |name: &&str| line.strip_prefix(*name).is_some_and(|l| l.starts_with(':'));
            is_behind_section |= SECTIONS.iter().any(begins);
            is_behind_section &= line != "---";
            continue;
        };
        let Some((key, value)) = comment.trim_start_matches('#').split_once(':') else {
            continue;
        };
        let key = key.trim().trim_matches(['"', '\'']);
        let is_key = !key.is_empty() && !key.contains(char::is_whitespace);
        let is_section = SECTIONS.contains(&key);
        let is_value = is_key && is_behind_section && !value.trim().is_empty();
        if (is_section || is_value) && !before.lines().any(|old| old == line) {
            return Some(key.to_owned());
        }
    }
    None
}

/// Whether there are values, and none is encrypted.
fn is_plain(values: &Map<String, Value>) -> bool {
    let mut filled = values.values().filter(|value| !is_empty(value)).peekable();
    filled.peek().is_some() && !filled.any(is_encrypted)
}

/// What sops takes a value for.
fn kind_of(value: &Value) -> Option<&'static str> {
    match value {
        Value::Number(_) => Some("a number"),
        Value::Bool(_) => Some("true or false"),
        Value::String(text) if text.starts_with(ENCRYPTED_VALUE) => {
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

    const HEAD: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\n";

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
        let two = |b: &str| format!("stringData: {{a: {}, b: {b}}}\n", value("str"));
        assert_eq!(check(&two("plain"), None), None);
        let problem = check(&two("plain"), Some(&two(&value("str")))).expect("bad");
        assert!(problem.contains("stringData.b was encrypted"), "{problem}");
        let head = "# owner: me\n";
        let with = |comment: &str| format!("stringData:\n  a: {}\n{comment}", value("str"));
        assert_eq!(
            check(&with("  #ENC[AES256_GCM,data:x,type:comment]\n"), None),
            None
        );
        assert_eq!(check(&format!("{head}{}", with("")), None), None);
        for comment in ["#  pw: hunter2\n", "# stringData:\n#   pw: hunter2\n"] {
            let problem = check(&with(comment), None).expect("bad");
            assert!(
                problem.contains("a comment would stay in plaintext"),
                "{problem}"
            );
            assert!(!problem.contains("hunter2"), "{problem}");
            assert_eq!(check(&with(comment), Some(&with(comment))), None);
        }
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
