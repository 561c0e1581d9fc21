//! What stands in the place of a value that is filled in later.

/// Words that people leave where a value belongs, in small letters, without what they
/// join words with.
const WORDS: [&str; 14] = [
    "...",
    "changeit",
    "changeme",
    "dummy",
    "dummyvalue",
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
/// What a value begins with that says what is to be written there, folded in the same way
/// up to the first sign.
const BEGINNINGS: [&[&str]; 6] = [
    &["change", "me"],
    &["changeme"],
    &["replace", "me"],
    &["replace", "with"],
    &["replaceme"],
    &["your"],
];
/// Schemes of references that other programs fill in, beside 1Password's `op` and those of
/// vals.
const SCHEMES: [&str; 5] = ["ak", "azkv", "azure", "secret", "vault"];
/// What encloses a name or an expression.
const BRACKETS: [(&str, &str); 6] = [
    ("{{", "}}"),
    ("#{", "}#"),
    ("<path:", ">"),
    ("<secret:", ">"),
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

/// The text with `filling` in the place of each variable that Flux fills in (`${NAME}`, also
/// with a default); `None` if there is none.
pub fn filled_in(text: &str, filling: &str) -> Option<String> {
    let mut filled = String::new();
    let mut rest = text;
    let mut has_variable = false;
    while let Some((before, behind)) = rest.split_once("${") {
        // `$${` stands for `${` itself.
        let is_escaped = before.ends_with('$');
        let end = if is_escaped {
            Some(0)
        } else {
            end_of_variable(behind)
        };
        // One that is not closed leaves none that could be filled in.
        let Some(end) = end else { break };
        filled.push_str(before);
        if end > 0 {
            filled.push_str(filling);
            has_variable = true;
            rest = &behind[end + 1..];
        } else {
            filled.push_str("${");
            rest = behind;
        }
    }
    filled.push_str(rest);
    has_variable.then_some(filled)
}

/// The byte of the brace that closes a variable. Its default may be another one.
fn end_of_variable(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    let mut previous = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if previous == b'$' => open += 1,
            b'}' if open == 0 => return Some(at),
            b'}' => open -= 1,
            _ => {}
        }
        previous = byte;
    }
    None
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
    let is_path = |path: &str| !path.is_empty() && !path.contains(char::is_whitespace);
    if let Some((scheme, path)) = text.split_once("://")
        && SCHEMES.contains(&scheme)
    {
        return is_path(path) && !path.contains('@');
    }
    let scheme = text
        .strip_prefix("ref+")
        .and_then(|rest| rest.split_once("://"));
    scheme.is_some_and(|(scheme, path)| {
        !scheme.is_empty()
            && scheme
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            && is_path(path)
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
    if text.len() > 64 {
        return false;
    }
    let words: Vec<String> = text.split(['-', '_', ' ']).map(str::to_lowercase).collect();
    let is_name = |word: &String| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase());
    let says = |begin: &&[&str]| {
        words.len() > begin.len() && words.iter().zip(*begin).all(|(word, it)| word == it)
    };
    if !text.contains(' ') && words.iter().all(is_name) && BEGINNINGS.iter().any(says) {
        return true;
    }
    let folded = words.concat();
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
            "dummy",
            "dummyvalue",
            "REDACTED",
            "YOUR_API_TOKEN",
            "your-password",
            "CHANGE_ME_IN_PRODUCTION",
            "REPLACE_WITH_CLIENT_SECRET",
            "dummy-value",
            "secret://op_connect_token",
            "azkv://keyvault/azurekv#CLIENT_ID",
            "<secret:token|base64>",
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
            "change_me_hunter2",
            "yourhunter",
            "secret://",
            "vault://user:hunter2@host",
            "change me now or never",
            "x",
        ] {
            assert!(!is_placeholder(text), "{text}");
        }
    }

    #[test]
    fn a_default_may_be_another_variable() {
        for (text, filled) in [
            ("${A:=${B}}-c", Some("a-c")),
            ("${A:-x${B:=${C}}y}", Some("a")),
            ("${A:=${B}", None),
            ("$${A}${B}", Some("$${A}a")),
            ("${}${A}", Some("${}a")),
            ("${A", None),
        ] {
            assert_eq!(filled_in(text, "a").as_deref(), filled, "{text}");
        }
        // In proportion to its length.
        assert_eq!(filled_in(&"${A".repeat(1 << 18), "a"), None);
    }
}
