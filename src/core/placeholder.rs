//! What stands in the place of a value that is filled in later.

/// Words that people leave where a value belongs, in small letters, without what they
/// join words with.
const WORDS: [&str; 12] = [
    "...",
    "changeit",
    "changeme",
    "fixme",
    "placeholder",
    "redacted",
    "replaceme",
    "replacethis",
    "tbd",
    "template",
    "todo",
    "tobereplaced",
];
/// What encloses a name or an expression.
const BRACKETS: [(&str, &str); 5] = [
    ("{{", "}}"),
    ("#{", "}#"),
    ("<path:", ">"),
    ("{%", "%}"),
    ("<%", "%>"),
];

/// Whether a value is a placeholder as a whole: `${NAME}`, `{{ … }}`, `#{ … }#`,
/// `op://a/b/c`, `ref+SCHEME://…`, `<path:…>`, `<words>`, or one of a few words.
pub fn is_placeholder(value: &str) -> bool {
    let text = value.trim();
    is_variable(text)
        || BRACKETS
            .iter()
            .any(|(open, close)| is_enclosed(text, open, close))
        || is_reference(text)
        || is_in_angles(text)
        || is_word(text)
}

/// `${NAME}`; one with a default is a value.
fn is_variable(text: &str) -> bool {
    let name = text
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// One expression, and nothing behind it.
fn is_enclosed(text: &str, open: &str, close: &str) -> bool {
    let inner = text
        .strip_prefix(open)
        .and_then(|rest| rest.strip_suffix(close));
    inner.is_some_and(|inner| {
        !inner.trim().is_empty() && !inner.contains(open) && !inner.contains(close)
    })
}

/// A reference of 1Password's or of vals'.
fn is_reference(text: &str) -> bool {
    if text.contains(char::is_control) {
        return false;
    }
    if let Some(path) = text.strip_prefix("op://") {
        let parts: Vec<&str> = path.split('/').collect();
        return (3..=4).contains(&parts.len()) && parts.iter().all(|part| !part.trim().is_empty());
    }
    let scheme = text
        .strip_prefix("ref+")
        .and_then(|rest| rest.split_once("://"));
    scheme.is_some_and(|(scheme, path)| {
        !scheme.is_empty()
            && scheme
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            && !path.is_empty()
            && !path.contains(char::is_whitespace)
    })
}

fn is_in_angles(text: &str) -> bool {
    let words = text
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'));
    words.is_some_and(|words| {
        let is_of_word = |c: char| c.is_ascii_alphanumeric() || "_- ".contains(c);
        !words.trim().is_empty() && words.chars().all(is_of_word)
    })
}

fn is_word(text: &str) -> bool {
    if text.len() > 32 {
        return false;
    }
    let folded = text.to_lowercase().replace(['-', '_', ' '], "");
    let is_crosses = folded.len() >= 3 && folded.chars().all(|c| c == 'x' || c == '*');
    is_crosses || WORDS.contains(&&*folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_the_whole_of_a_value() {
        for text in [
            "${DB_PASSWORD}",
            "{{ .Values.password }}",
            "{{ password }}\n",
            "#{ cloudflare.token }#",
            "op://vault/item/field",
            "op://Private Vault/item/section/field",
            "ref+vault://secret/db#/password",
            "<path:secret/data/db#password>",
            "<your-token>",
            "<YOUR TOKEN>",
            "CHANGE_ME",
            "change-me",
            "changeme",
            "REDACTED",
            "xxxxxxxx",
            "********",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in [
            "hunter2",
            "",
            "${}",
            "${A}hunter2",
            "hunter2${A}",
            "${A:=hunter2}",
            "${A}${B}",
            "{{ a }} hunter2 {{ b }}",
            "{{ a }}hunter2",
            "{{}}",
            "#{ a }# hunter2",
            "op://vault",
            "op://vault/item/field\nhunter2",
            "ref+hunter2",
            "ref+vault://a hunter2",
            "<path:a> hunter2 <path:b>",
            "<p4$$w0rd!>",
            "<>",
            "changeme1",
            "change me now or never",
            "x",
        ] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
