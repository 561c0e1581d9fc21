use std::path::Path;

use super::super::evident;
use super::*;
use crate::core::identity::Identity;

fn edited(text: &str) -> (String, String) {
    let path = Path::new(".sops.yaml");
    let config = SopsConfig {
        path: path.to_owned(),
        text: text.to_owned(),
        exists: true,
        rules: model::parse(path, text).expect(text),
    };
    let (_, recipient) = Identity::generate();
    let place = evident(&config).expect(text);
    let result = config.with_recipient(place, &recipient).expect(text);
    (result, recipient.to_string())
}

/// Each case: the text before, and after with `KEY` for the recipient.
#[test]
fn a_rule_without_a_key_gets_it_and_every_other_byte_stays() {
    let cases = [
        (
            "creation_rules:\n  - path_regex: x\n",
            "creation_rules:\n  - path_regex: x\n    age: KEY\n",
        ),
        (
            "creation_rules:\n- path_regex: x # why\n# end",
            "creation_rules:\n- path_regex: x # why\n  age: KEY\n# end",
        ),
        (
            "creation_rules:\r\n  - path_regex: x\r\n",
            "creation_rules:\r\n  - path_regex: x\r\n    age: KEY\r\n",
        ),
        (
            "creation_rules:\n  - path_regex: x",
            "creation_rules:\n  - path_regex: x\n    age: KEY",
        ),
        (
            "creation_rules:\n  - age: # here\n    path_regex: x\n",
            "creation_rules:\n  - age: KEY # here\n    path_regex: x\n",
        ),
        (
            "creation_rules:\n  - age:\n    path_regex: x\n",
            "creation_rules:\n  - age: KEY\n    path_regex: x\n",
        ),
        (
            "creation_rules:\n  - age: \"\" # c\n",
            "creation_rules:\n  - age: \"KEY\" # c\n",
        ),
        (
            "creation_rules:\n  - age: age1abc... # c\n",
            "creation_rules:\n  - age: KEY # c\n",
        ),
        (
            "creation_rules:\n  - age: '<your key>'\n",
            "creation_rules:\n  - age: 'KEY'\n",
        ),
        (
            "creation_rules:\n  - age: []\n",
            "creation_rules:\n  - age: [KEY]\n",
        ),
        (
            "creation_rules:\n  - age:\n      - <key> # c\n",
            "creation_rules:\n  - age:\n      - KEY # c\n",
        ),
        (
            "creation_rules:\n  - age: ~\n",
            "creation_rules:\n  - age: KEY\n",
        ),
        (
            "creation_rules: [{path_regex: x}]\n",
            "creation_rules: [{path_regex: x, \"age\": \"KEY\"}]\n",
        ),
        (
            "creation_rules:\n  - encrypted_regex: >-\n      ^data$\n\n# tail\nstores: {}\n",
            "creation_rules:\n  - encrypted_regex: >-\n      ^data$\n    age: KEY\n\n# tail\nstores: {}\n",
        ),
        (
            "\u{feff}creation_rules:\n  - path_regex: é # ü\n",
            "\u{feff}creation_rules:\n  - path_regex: é # ü\n    age: KEY\n",
        ),
    ];
    for (before, after) in cases {
        let (result, key) = edited(before);
        assert_eq!(result.replace(&key, "KEY"), after, "from {before:?}");
    }
}

const RULE: &str = "  - path_regex: (^|/)[^/]*secret[^/]*\\.ya?ml$\n    encrypted_regex: ^(data|stringData)$\n    age: KEY";

#[test]
fn a_file_without_rules_gets_its_first_one() {
    for (before, head, tail) in [
        ("", "creation_rules:\n", "\n"),
        (
            "# only a comment",
            "# only a comment\ncreation_rules:\n",
            "",
        ),
        ("---\n", "---\ncreation_rules:\n", "\n"),
        (
            "stores:\n  yaml:\n    indent: 2\n",
            "stores:\n  yaml:\n    indent: 2\ncreation_rules:\n",
            "\n",
        ),
        ("creation_rules:\n", "creation_rules:\n", "\n"),
        (
            "creation_rules: [] # none\nstores: {}\n",
            "creation_rules: # none\n",
            "\nstores: {}\n",
        ),
        ("creation_rules: null\n", "creation_rules:\n", "\n"),
        ("creation_rules:", "creation_rules:\n", ""),
    ] {
        let (result, key) = edited(before);
        assert_eq!(
            result.replace(&key, "KEY"),
            format!("{head}{RULE}{tail}"),
            "from {before:?}"
        );
    }
}

#[test]
fn json_style_stays_json() {
    for before in [
        "{\"creation_rules\": []}",
        "{}",
        "{\"stores\": {}}\n",
        "{\"creation_rules\": null}",
    ] {
        let (result, _) = edited(before);
        serde_json::from_str::<serde_json::Value>(&result).expect(&result);
    }
}
