//! Every style of `.sops.yaml` and every edit. The texts hold `OLD`, `NEW` and
//! `OTHER` for three recipients.

mod styles;

use std::path::Path;

use styles::STYLES;

use super::*;
use crate::core::sops_config::{PathForm, RuleSelector, SopsConfig, choose};

const OLD: &str = "age1qnaey0n40qcxfgazaa63v2ec50f2mhqnejch27r5rkj5mtpwge4shesgnr";
const NEW: &str = "age1pjry9dmuth406n803zxa5xkycc7xwjtvu70eyclenvv9s0098v5spyaend";
const OTHER: &str = "age1fpg084v5wusksewgk5hm8d5448w9kfea43a7fu2wkcldem06hvpswukuvv";

fn config(text: &str) -> SopsConfig {
    let text = text
        .replace("OLD", OLD)
        .replace("NEW", NEW)
        .replace("OTHER", OTHER);
    SopsConfig::from_bytes(Path::new(".sops.yaml"), text.into_bytes()).expect("a config")
}

fn put(text: &str, place: &InsertAt) -> Result<String, ConfigEditError> {
    let recipient = NEW.parse().expect("a recipient");
    let after = config(text).with(place, &recipient)?;
    Ok(after
        .text
        .replace(OLD, "OLD")
        .replace(NEW, "NEW")
        .replace(OTHER, "OTHER"))
}

fn instead_of_old() -> InsertAt {
    InsertAt::InsteadOf(OLD.parse().expect("a recipient"))
}

/// Where it is evident.
fn edited(text: &str) -> String {
    let place = choose(&config(text), &RuleSelector::Evident, PathForm::Relative).expect(text);
    put(text, &place.place).expect(text)
}

/// Each case: the text before, and after with `NEW` for the recipient.
#[test]
fn a_rule_without_a_key_gets_it_and_every_other_byte_stays() {
    let cases = [
        (
            "creation_rules:\n  - path_regex: x\n",
            "creation_rules:\n  - path_regex: x\n    age: NEW\n",
        ),
        (
            "creation_rules:\n- path_regex: x # why\n# end",
            "creation_rules:\n- path_regex: x # why\n  age: NEW\n# end",
        ),
        (
            "creation_rules:\r\n  - path_regex: x\r\n",
            "creation_rules:\r\n  - path_regex: x\r\n    age: NEW\r\n",
        ),
        (
            "creation_rules:\n  - path_regex: x",
            "creation_rules:\n  - path_regex: x\n    age: NEW",
        ),
        (
            "creation_rules:\n  - age: # here\n    path_regex: x\n",
            "creation_rules:\n  - age: NEW # here\n    path_regex: x\n",
        ),
        (
            "creation_rules:\n  - age:\n    path_regex: x\n",
            "creation_rules:\n  - age: NEW\n    path_regex: x\n",
        ),
        (
            "creation_rules:\n  - age: \"\" # c\n",
            "creation_rules:\n  - age: \"NEW\" # c\n",
        ),
        (
            "creation_rules:\n  - age: age1abc... # c\n",
            "creation_rules:\n  - age: NEW # c\n",
        ),
        (
            "creation_rules:\n  - age: '<your key>'\n",
            "creation_rules:\n  - age: 'NEW'\n",
        ),
        (
            "creation_rules:\n  - age: []\n",
            "creation_rules:\n  - age: [NEW]\n",
        ),
        (
            "creation_rules:\n  - age:\n      - <key> # c\n",
            "creation_rules:\n  - age:\n      - NEW # c\n",
        ),
        (
            "creation_rules:\n  - age: ~\n",
            "creation_rules:\n  - age: NEW\n",
        ),
        (
            "creation_rules:\n  - encrypted_regex: >-\n      ^data$\n\n# tail\nstores: {}\n",
            "creation_rules:\n  - encrypted_regex: >-\n      ^data$\n    age: NEW\n\n# tail\nstores: {}\n",
        ),
        (
            "\u{feff}creation_rules:\n  - path_regex: é # ü\n",
            "\u{feff}creation_rules:\n  - path_regex: é # ü\n    age: NEW\n",
        ),
    ];
    for (before, after) in cases {
        assert_eq!(edited(before), after, "from {before:?}");
    }
}

const RULE: &str = "  - path_regex: (^|/)[^/]*secret[^/]*\\.ya?ml$\n    encrypted_regex: ^(data|stringData)$\n    age: NEW";

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
        let wanted = format!("{head}{RULE}{tail}");
        assert_eq!(edited(before), wanted, "from {before:?}");
    }
}

/// kb writes no rules in brackets and braces; what it can put there is a key.
#[test]
fn json_style_stays_json() {
    let rule = "{\"creation_rules\": [{\"path_regex\": \"a\", \"age\": \"<key>\"}]}";
    let result = edited(rule);
    assert_eq!(result, rule.replace("<key>", "NEW"));
    let many = "{\n  \"creation_rules\": [\n    {\"age\": [\"OLD\",\n \"OTHER\"]}\n  ]\n}\n";
    let result = put(many, &instead_of_old());
    assert_eq!(result, Ok(many.replace("OLD", "NEW")));
    let error = put(many, &new_rule(1)).expect_err("brackets");
    let ConfigEditError::Form { rule, .. } = error else {
        panic!("{error}");
    };
    let rule = rule.expect("a rule to paste");
    // With it, init goes on.
    let pasted = many.replace("\n  ]", &format!(",\n    {rule}\n  ]"));
    assert_eq!(
        put(&pasted, &InsertAt::Rule(1)),
        Ok(pasted.replace("<key>", "NEW"))
    );
}

fn snapshot(place: &InsertAt) -> String {
    let mut text = String::new();
    for (style, before) in STYLES {
        let before = before.replace("AGAIN", "ssh-ed25519 AAAA me");
        let outcome = match put(&before, place) {
            Ok(after) => {
                let difference = similar::TextDiff::from_lines(&before, &after);
                let all = difference.iter_all_changes().map(|change| {
                    let line = change.value().replace('\r', "\u{240d}");
                    format!("{}{line}", change.tag())
                });
                let all: String = all.collect();
                format!("{}\n", all.trim_end())
            }
            Err(error) => format!("{error}\n"),
        };
        text.push_str(&format!("## {style}\n{outcome}\n"));
    }
    text
}

#[test]
fn another_recipient_in_the_place_of_one_in_every_style() {
    insta::assert_snapshot!(snapshot(&instead_of_old()));
}

#[test]
fn a_key_beside_those_of_the_first_rule_in_every_style() {
    insta::assert_snapshot!(snapshot(&InsertAt::Beside(0)));
}

#[test]
fn a_key_for_the_second_rule_in_every_style() {
    insta::assert_snapshot!(snapshot(&InsertAt::Rule(1)));
}

fn new_rule(before: usize) -> InsertAt {
    InsertAt::NewRule {
        before,
        path_regex: "^new/".to_owned(),
    }
}

#[test]
fn a_rule_before_the_first_in_every_style() {
    insta::assert_snapshot!(snapshot(&new_rule(0)));
}

#[test]
fn a_rule_before_the_second_in_every_style() {
    insta::assert_snapshot!(snapshot(&new_rule(1)));
}

#[test]
fn a_rule_at_the_end_in_every_style() {
    insta::assert_snapshot!(snapshot(&new_rule(9)));
}

/// A list that has the new recipient already loses the old one.
#[test]
fn a_recipient_never_stands_twice() {
    for (before, after) in [
        ("age: OLD,NEW", "age: NEW"),
        ("age: NEW, OLD", "age: NEW"),
        ("age: OLD, OTHER, OLD", "age: NEW, OTHER"),
        ("age: OTHER, OLD, NEW", "age: OTHER, NEW"),
        ("age: [OLD, NEW]", "age: [NEW]"),
        ("age: [NEW, OTHER, OLD]", "age: [NEW, OTHER]"),
        ("age: ['OTHER', \"OLD,NEW\"]", "age: ['OTHER', \"NEW\"]"),
        (
            "age:\n      - OLD # old\n      - NEW # new",
            "age:\n      - NEW # new",
        ),
        (
            "age:\n      - NEW\n      # about it\n      - OLD # old\n    pgp: x",
            "age:\n      - NEW\n      # about it\n    pgp: x",
        ),
        ("age:\n      - NEW\n      - OLD", "age:\n      - NEW"),
        (
            "key_groups:\n      - age: [OLD, NEW]\n      - age: [OLD]",
            "key_groups:\n      - age: [NEW]\n      - age: [NEW]",
        ),
    ] {
        for end in ["\n", ""] {
            let rule = |age: &str| format!("creation_rules:\n  - path_regex: a\n    {age}{end}");
            let result = put(&rule(before), &instead_of_old()).expect(before);
            assert_eq!(result, rule(after), "from {before:?}");
        }
    }
    let anchors = "keys:\n  - &old OLD\n  - &new NEW\ncreation_rules:\n  - age: [*new, *old]\n  - age: *old\n";
    let result = put(anchors, &instead_of_old()).expect("anchors");
    assert_eq!(
        result,
        "keys:\n  - &old NEW\n  - &new NEW\ncreation_rules:\n  - age: [*new]\n  - age: *old\n"
    );
}

/// Found by people who tried to break it.
#[test]
fn corners_of_lists_that_lose_a_recipient() {
    for (before, after) in [
        (
            "creation_rules:\r\n  - age:\r\n      - NEW\r\n      - OLD",
            "creation_rules:\r\n  - age:\r\n      - NEW",
        ),
        (
            "creation_rules:\n  - age: [OLD, &n NEW]\n  - age: *n\n",
            "creation_rules:\n  - age: [&n NEW]\n  - age: *n\n",
        ),
        (
            "keys: &all\n  - OLD\n  - OTHER\n  - NEW\ncreation_rules:\n  - age: *all\n",
            "keys: &all\n  - OTHER\n  - NEW\ncreation_rules:\n  - age: *all\n",
        ),
        (
            "k: &k OLD,OTHER,NEW\ncreation_rules:\n  - age: *k\n",
            "k: &k OTHER,NEW\ncreation_rules:\n  - age: *k\n",
        ),
    ] {
        let result = put(before, &instead_of_old());
        assert_eq!(result.as_deref(), Ok(after), "from {before:?}");
    }
}

/// The same for keys that are put in.
#[test]
fn corners_of_places_that_get_a_key() {
    let (rule_0, beside_0) = (InsertAt::Rule(0), InsertAt::Beside(0));
    for (before, place, after) in [
        (
            "creation_rules:\n  - key_groups:\n      - age: ~\n",
            &rule_0,
            "creation_rules:\n  - key_groups:\n      - age: [NEW]\n",
        ),
        (
            "creation_rules:\n  - key_groups:\n      - age:\n",
            &rule_0,
            "creation_rules:\n  - key_groups:\n      - age: [NEW]\n",
        ),
        (
            "creation_rules:\n  - key_groups:\n      -\n",
            &rule_0,
            "creation_rules:\n  - key_groups:\n      - age: [NEW]\n",
        ),
        (
            "creation_rules:\n  - age: &k\n  - path_regex: b\n",
            &rule_0,
            "creation_rules:\n  - age: &k NEW\n  - path_regex: b\n",
        ),
        (
            "keys:\n  - &k <key>\ncreation_rules:\n  - age: *k\n",
            &rule_0,
            "keys:\n  - &k NEW\ncreation_rules:\n  - age: *k\n",
        ),
        // What an alias stands for may be other rules' too.
        (
            "keys:\n  - &a OTHER\ncreation_rules:\n  - age: *a # why\n  - age: *a\n",
            &beside_0,
            "keys:\n  - &a OTHER\ncreation_rules:\n  - age: OTHER,NEW # why\n  - age: *a\n",
        ),
        (
            "k: &k OTHER\nl: &l [*k, 'OLD']\ncreation_rules:\n  - key_groups:\n    - age: *l\n  - age: *l\n",
            &beside_0,
            "k: &k OTHER\nl: &l [*k, 'OLD']\ncreation_rules:\n  - key_groups:\n    - age: [*k, 'OLD', NEW]\n  - age: *l\n",
        ),
        (
            "creation_rules:\n  - age: OTHER,<key>\n",
            &beside_0,
            "creation_rules:\n  - age: OTHER,NEW\n",
        ),
        (
            "creation_rules:\n  - pgp: x\n    age: \"\"\n",
            &beside_0,
            "creation_rules:\n  - pgp: x\n    age: \"NEW\"\n",
        ),
        (
            "creation_rules:\n  - pgp: x\n",
            &beside_0,
            "creation_rules:\n  - pgp: x\n    age: NEW\n",
        ),
        (
            "creation_rules:\r\n  - path_regex: b\n# end\n",
            &rule_0,
            "creation_rules:\r\n  - path_regex: b\n    age: NEW\n# end\n",
        ),
        (
            "---\nstores: {}\n...\n",
            &new_rule(0),
            "---\nstores: {}\ncreation_rules:\n  - path_regex: ^new/\n    encrypted_regex: ^(data|stringData)$\n    age: NEW\n...\n",
        ),
        (
            "# nothing\n...\n",
            &new_rule(0),
            "# nothing\ncreation_rules:\n  - path_regex: ^new/\n    encrypted_regex: ^(data|stringData)$\n    age: NEW\n...\n",
        ),
    ] {
        let result = put(before, place);
        assert_eq!(result.as_deref(), Ok(after), "from {before:?}");
    }
}

/// A key that is there goes only where a person says so.
#[test]
fn a_key_with_a_slip_in_it_is_no_placeholder() {
    let long = OLD.replace('q', "Q");
    for age in [
        format!("{OLD} {OTHER}"),
        format!("{OLD};{OTHER}"),
        format!("{OLD} # alice"),
        format!("{OLD}\u{200b}"),
        format!("{} {} {}", &OLD[..22], &OLD[22..44], &OLD[44..]),
        long,
    ] {
        let text = format!("creation_rules:\n  - age: '{age}'\n");
        let config =
            SopsConfig::from_bytes(Path::new(".sops.yaml"), text.into_bytes()).expect("a config");
        assert!(!config.rules[0].has_no_key(), "{age}");
        config.check_rules(&config.rules).expect_err(&age);
    }
    for age in [
        "age1abc...",
        "age1<your key>",
        "age1 your key here",
        "age1 put the public key of the cluster here and not a person",
        "<key>",
    ] {
        assert!(config(&format!("creation_rules:\n  - age: '{age}'\n")).rules[0].has_no_key());
    }
}

#[test]
fn many_rules_may_refer_to_one_anchor() {
    let mut text = "key: &k OLD\nbase: &b\n  age: *k\ncreation_rules:\n".to_owned();
    for index in 0..300 {
        text.push_str(&format!(
            "  - path_regex: a{index}\n    age: *k\n  - <<: *b\n"
        ));
    }
    let after = put(&text, &instead_of_old()).expect("an edit");
    assert_eq!(after, text.replace("&k OLD", "&k NEW"));
}

/// What is no recipient stays, though it is spelled as one.
#[test]
fn a_recipient_in_another_place_is_left_alone() {
    let before =
        "# OLD\nx-note: OLD\ncreation_rules:\n  - path_regex: OLD\n    age: OLD # not OLD\n";
    let after =
        "# OLD\nx-note: OLD\ncreation_rules:\n  - path_regex: OLD\n    age: NEW # not OLD\n";
    assert_eq!(put(before, &instead_of_old()).as_deref(), Ok(after));
}

#[test]
fn forms_that_are_not_edited_are_named_with_their_place() {
    let rule_0 = InsertAt::Rule(0);
    for (text, place, words) in [
        (
            "creation_rules:\n  - age: <a>, <b>\n",
            &rule_0,
            ".sops.yaml:2:10: kb cannot put a key into several placeholders",
        ),
        (
            "creation_rules:\n  - age: \"\\x61ge1<key>\"\n",
            &rule_0,
            ".sops.yaml:2:10: kb cannot put a key into a text with escapes",
        ),
        (
            "creation_rules:\n  - key_groups:\n      - age: [<a>]\n      - age: [<b>]\n",
            &rule_0,
            ".sops.yaml:3:9: kb cannot put a key into several key groups without a key",
        ),
        (
            "k: &k <key>\ncreation_rules:\n  - age: *k\n  - age: *k\n",
            &rule_0,
            ".sops.yaml:1:7: a key put in here would change more than the rule that is meant",
        ),
        (
            "creation_rules:\n  - key_groups:\n      - age: [OLD]\n      - age: [OTHER]\n",
            &InsertAt::Beside(0),
            ".sops.yaml:3:9: kb cannot put a key into one of several key groups",
        ),
        (
            "d: &d {age: OLD}\ncreation_rules:\n  - <<: *d\n",
            &InsertAt::Beside(0),
            ".sops.yaml:3:5: kb cannot put a key into a rule whose keys are merged in",
        ),
        (
            "creation_rules:\n  - key_groups:\n      - age: [OLD]\n      - age: [OTHER, NEW]\n",
            &instead_of_old(),
            ".sops.yaml:3:9: kb cannot put a key into key groups that would have it twice",
        ),
        (
            "creation_rules: [{path_regex: x}]\n",
            &rule_0,
            ".sops.yaml:1:18: kb cannot put a key into a rule in braces",
        ),
        (
            "creation_rules:\n  - age: [OLD,\n      OTHER]\n",
            &InsertAt::Beside(0),
            ".sops.yaml:2:10: kb cannot put a key into brackets over several lines",
        ),
        (
            "  stores: {}\n",
            &new_rule(0),
            ".sops.yaml:1:3: kb cannot put a key into a document that is indented as a whole",
        ),
    ] {
        let error = put(text, place).expect_err(text);
        assert_eq!(error.to_string(), words);
    }
}
