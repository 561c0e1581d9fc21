use serde_json::json;

use super::*;

fn parsed(text: &str) -> Stream<'_> {
    Stream::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

#[test]
fn every_document_counts_empty_ones_too() {
    for (text, expected) in [
        ("", json!([])),
        ("# a\n", json!([null])),
        (
            "a: 1\n---\n---\nb: ~\n",
            json!([{"a": 1}, null, {"b": null}]),
        ),
        ("---\n", json!([null])),
    ] {
        let values = values(text.as_bytes()).expect("YAML");
        assert_eq!(json!(values), expected, "{text:?}");
    }
}

#[test]
fn values_are_those_of_other_readers_however_they_are_written() {
    for (text, expected) in [
        ("a: &x b\nc: *x\n", json!({"a": "b", "c": "b"})),
        (
            "a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\n",
            json!({"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ),
        ("a: \"\\x61ge1\"\n", json!({"a": "age1"})),
        ("a: !!binary YWdlMQ==\n", json!({"a": "age1"})),
        (
            "%TAG !e! tag:yaml.org,2002:\n---\na: !e!binary YQ==\n",
            json!({"a": "a"}),
        ),
        ("\"\\x61\": b\n", json!({"a": "b"})),
        ("!!binary YQ==: b\n", json!({"a": "b"})),
        (
            "a: !!str 1\nb: 'true'\nc: .inf\n",
            json!({"a": "1", "b": "true", "c": f64::MAX}),
        ),
        ("a: >-\n  b\n  c\n", json!({"a": "b c"})),
    ] {
        assert_eq!(values(text.as_bytes()), Ok(vec![expected]), "{text:?}");
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let wide = [b"\xff\xfe", wide.as_slice()].concat();
        assert_eq!(values(&wide), values(text.as_bytes()), "{text:?} in UTF-16");
    }
}

#[test]
fn what_is_uncertain_is_said() {
    for (text, doubt) in [
        ("a: b\u{2028}c\n", Doubt::LineEnd),
        ("a: b\rc: d\n", Doubt::LineEnd),
        ("a: b\u{feff}c\n", Doubt::Character),
        ("a: |\n    x\n    \ty\n", Doubt::Tab),
        ("%YAML 1.2\n---\na: b\n", Doubt::Directive),
        ("a: b\n...\n", Doubt::EndMarker),
        ("a: \"\\/\"\n", Doubt::JsonEscape),
        ("a: &b c\n", Doubt::Anchor),
        ("a: &b {}\nc:\n  <<: *b\n", Doubt::Merge),
        ("a: !b c\n", Doubt::Tag),
        ("a: b\na: c\n", Doubt::DuplicateKey),
        ("12: b\n", Doubt::OddKey),
        ("a: [b]\n", Doubt::Flow),
    ] {
        let doubts = parsed(text).all_doubts();
        assert!(doubts.has(doubt), "{text:?}: {doubt:?}");
    }
    for text in [
        "a: b\n",
        "---\na: {}\nb: []\n",
        "a: b\r\n",
        "a: !!float 1\n",
        "é: \u{1f642}\n",
    ] {
        let doubts = parsed(text).all_doubts().without(&[Doubt::Block]);
        assert!(doubts.is_empty(), "{text:?}: {doubts:?}");
    }
}

#[test]
fn what_repeats_itself_is_bounded() {
    let chain: String = (0..300)
        .map(|n| format!("m{n}: &a{}\n  <<: *a{n}\n  k{n}: v\n", n + 1))
        .collect();
    let chain = format!("a: &a0 {{x: y}}\n{chain}");
    let values_of_chain = values(chain.as_bytes()).expect("a chain of merge keys");
    assert_eq!(
        values_of_chain[0]["m299"].as_object().map(|it| it.len()),
        Some(301)
    );
    let bomb: String = (1..9)
        .map(|n| {
            format!(
                "b{n}: &b{n} [{}]\n",
                vec![format!("*b{}", n - 1); 9].join(",")
            )
        })
        .collect();
    let bomb = format!("b0: &b0 x\n{bomb}");
    for text in [
        bomb.as_str(),
        "a: &a [*a]\n",
        "a: &a {<<: *a}\n",
        "a: &a {b: *a}\n",
    ] {
        let error = values(text.as_bytes()).expect_err("too much");
        assert_eq!(error.reason, YamlErrorKind::Repetition, "{text:.40}");
    }
}

#[test]
fn both_of_two_equal_keys_are_in_the_tree() {
    let stream = parsed("a: 1\na: 2\n");
    let Some(NodeKind::Mapping { pairs, .. }) =
        stream.documents[0].root.as_ref().map(|it| &it.kind)
    else {
        panic!("a mapping");
    };
    assert_eq!(pairs.len(), 2);
    let error = values(b"a: 1\na: 2\n").expect_err("a key twice");
    assert_eq!(
        (error.line, error.column, error.reason),
        (2, 1, YamlErrorKind::DuplicateKey)
    );
}

/// Each level of nesting takes a part of the stack, of which a thread has 2 MiB.
#[test]
fn what_is_nested_too_deeply_is_refused() {
    const LEVELS: usize = 60_000;
    let repeated = |text: &str| text.repeat(LEVELS);
    let blocks = (1..3000).map(|level| format!("{}a:\n", " ".repeat(level)));
    for text in [
        format!("b: {}x", repeated("- ")),
        format!("b:\n  {}x", repeated("- ")),
        format!("b:\n  {}x", repeated("? ")),
        format!("b: {}{}", repeated("["), repeated("]")),
        format!("b: {}{}", repeated("{a: "), repeated("}")),
        format!("b:\n{}", blocks.collect::<String>()),
    ] {
        assert!(Stream::parse(&text).is_err());
    }
    let usual = format!("b: {}{}", "[".repeat(100), "]".repeat(100));
    assert!(Stream::parse(&usual).is_ok());
}

/// An entry that is an item of a list in brackets is a mapping that no brace closes.
#[test]
fn a_mapping_without_braces_ends_with_its_value() {
    let text = "a: [b: c, {d: e}: f, {g: h}, {}, ? i : j, : k]\nl: {m: n}\n";
    let stream = parsed(text);
    let document = &stream.documents[0];
    let items = document.top_list("a").iter();
    let items: Vec<&str> = items.map(|item| &text[item.start..item.end]).collect();
    let expected = ["b: c", "{d: e}: f", "{g: h}", "{}", "? i : j", ": k"];
    for (item, expected) in items.iter().zip(expected) {
        assert!(expected.ends_with(item), "{item:?} of {expected:?}");
    }
    assert_eq!(items.len(), expected.len());
}
