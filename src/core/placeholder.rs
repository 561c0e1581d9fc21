//! What stands in the place of a value that is filled in later.

use crate::core::encrypted::inspect::is_sensitive;

/// Words that people leave where a value belongs, in small letters, without what they
/// join words with.
const WORDS: [&str; 18] = [
    "...",
    "changeit",
    "changeme",
    "dummy",
    "dummyvalue",
    "fixme",
    "notneeded",
    "notrequired",
    "notused",
    "placeholder",
    "redacted",
    "replaceme",
    "replacethis",
    "tbd",
    "template",
    "todo",
    "tobereplaced",
    "unused",
];
/// What a value begins with that says what is to be written there, folded in the same way
/// up to the first sign.
const BEGINNINGS: [&[&str]; 9] = [
    &["change", "me"],
    &["changeme"],
    &["dummy"],
    &["generate", "a"],
    &["placeholder"],
    &["replace", "me"],
    &["replace", "with"],
    &["replaceme"],
    &["your"],
];
/// Schemes of references that other programs fill in, beside 1Password's `op` and those of
/// vals.
const SCHEMES: [&str; 5] = ["ak", "azkv", "azure", "secret", "vault"];
/// Parts of instructions that are no words: encodings, as in `openssl rand -hex 32`.
const ENCODINGS: [&str; 4] = ["base32", "base64", "sha256", "sha512"];
/// What encloses a name or an expression.
const BRACKETS: [(&str, &str); 7] = [
    ("{{", "}}"),
    ("${{", "}}"),
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

/// `${NAME}`; one with a default is a value, unless the default is the name again.
fn is_variable(text: &str) -> bool {
    let inner = text
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    inner.is_some_and(|inner| {
        let (name, default) = inner.split_once(":=").unwrap_or((inner, ""));
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && (default.is_empty() && !inner.contains(':') || repeats(name, default))
    })
}

/// Whether it is only the name of the value once more, or the end of it, as in
/// `access_key: accesskey`.
pub fn repeats(name: &str, value: &str) -> bool {
    let fold = |text: &str| -> String {
        let letters = text.chars().filter(|c| c.is_ascii_alphanumeric());
        letters.collect::<String>().to_lowercase()
    };
    let value = fold(value);
    value.len() >= 4 && fold(name).ends_with(&value)
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
        // Also `<base64(user:<token>)>`, but not two of them.
        let mut open = 0_usize;
        let are_closed = words.chars().all(|c| match c {
            '<' => {
                open += 1;
                true
            }
            '>' => {
                let is_inner = open > 0;
                open = open.saturating_sub(1);
                is_inner
            }
            c => is_of_word(c) || ":()".contains(c),
        });
        are_closed && open == 0 && words.chars().any(|c| c.is_ascii_alphanumeric())
    })
}

fn is_word(text: &str) -> bool {
    if text.len() > 64 {
        return false;
    }
    // `CHANGEME!`
    let text = text.trim_end_matches('!');
    let words: Vec<String> = text.split(['-', '_', ' ']).map(str::to_lowercase).collect();
    let is_of =
        |word: &str, is: fn(&char) -> bool| !word.is_empty() && word.chars().all(|c| is(&c));
    let is_name = |word: &String| is_of(word, char::is_ascii_lowercase);
    // `replace-me-with-openssl-rand-hex-32`
    let is_part = |word: &String| {
        let is_length = word.len() <= 3 && is_of(word, char::is_ascii_digit);
        is_name(word) || is_length || ENCODINGS.contains(&&**word)
    };
    let says = |begin: &&[&str]| {
        words.len() > begin.len() && words.iter().zip(*begin).all(|(word, it)| word == it)
    };
    let begins = || BEGINNINGS.iter().any(says);
    let is_told = || {
        words.iter().all(is_name) && words.len() >= 3 && words.last().is_some_and(|it| it == "here")
    };
    let is_instruction = match text.contains(' ') {
        false => words.iter().all(is_part) && begins() || is_told(),
        // `Your secret passphrase`
        true => {
            words.iter().all(is_name)
                && words.len() <= 4
                && words[0] == "your"
                && is_sensitive(&words[words.len() - 1])
        }
    };
    if is_instruction {
        return true;
    }
    let folded = words.concat();
    let is_crosses = folded.len() >= 3 && folded.chars().all(|c| c == 'x' || c == '*');
    is_crosses || text == "-" || WORDS.contains(&&*folded)
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
            "CHANGEME!",
            "-",
            "not-required",
            "${{ secrets.TOKEN }}",
            "${ACCESS_TOKEN:=access_token}",
            "REPLACE_ME_openssl_rand_hex_32",
            "REPLACE_ME_GENERATE_WITH_openssl_rand_base64_50",
            "generate-a-long-random-token",
            "placeholder-client-secret",
            "api_token_goes_here",
            "Your encryption passphrase",
            "<BASE64_OF_<USER>:<TOKEN_WITH_read:packages>>",
            "<base64(user:token)>",
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
            "replace_me_hunter2",
            "replace-me-with-4711815",
            "generate-hunter2",
            "here",
            "hunter-here",
            "your dog ate my homework",
            "${A:=b}",
            "${A:access}",
            "${{ a }}hunter2",
            "--",
            "placeholder1-hunter2",
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
