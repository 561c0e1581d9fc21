//! Generated texts: kb names a value if and only if the way through sops changes it.
//!
//! The generator knows what it has written, and the judge is what the real sops makes of
//! it: the plaintext that it prints, and for texts the same as JSON.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;
use kb::core::edit::{Problem, differences};
use kb::core::encrypted::Format;
use testkit::World;

use crate::generated::cases;
use crate::{bare_world, keypair};

const CASES: u64 = 200;

/// What was written under a key.
enum Written {
    /// Something without quotes, which counts by how it is written.
    Token(String),
    /// A text.
    Text(String),
    /// What kubectl reads as true or false, and sops as text.
    OldBoolean,
}

/// A generated text. Each key in it is there once.
#[derive(Default)]
struct Text {
    content: String,
    values: BTreeMap<String, Written>,
    /// Comments, by their words, and their lines.
    comments: BTreeMap<String, usize>,
    keys: usize,
}

const TOKENS: [&str; 34] = [
    "01234",
    "0o17",
    "0x1f",
    "0b101",
    "1_000",
    "1.10",
    "1.0",
    "1.5",
    ".5",
    "5.",
    "1e3",
    "1E3",
    "-0",
    "+7",
    "7",
    "0",
    "-12",
    "9223372036854775807",
    "0.1",
    "123.456",
    "2026-11-22",
    "2026-11-22T10:00:00Z",
    "2026-11-22 10:00:00",
    "2026-11-22T10:00:00.50Z",
    "2026-11-22T10:00:00+01:00",
    "true",
    "false",
    "null",
    "1.2.3",
    "10.0.0.1",
    "1:30",
    "0z1",
    "1Gi",
    "12e",
];
const OLD_BOOLEANS: [&str; 8] = ["yes", "No", "on", "OFF", "y", "N", "Yes", "off"];
const JSON_TOKENS: [&str; 17] = [
    "1.0",
    "1.50",
    "1e2",
    "1E-2",
    "12345678901234567890",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-1",
    "0",
    "-0",
    "-0.0",
    "0.1",
    "1.5",
    "true",
    "null",
    "123456789012345678901234567890",
];
const PIECES: [&str; 18] = [
    "a", "B", "0", "1.0", " ", "  ", "'", "\"", "\\", "#", " #", ": ", "é", "☺", "\t", "%", "<&>",
    "=",
];

fn words(rng: &mut Rng) -> String {
    (0..rng.usize(0..6))
        .map(|_| PIECES[rng.usize(..PIECES.len())])
        .collect()
}

impl Text {
    fn key(&mut self, written: Written) -> String {
        self.keys += 1;
        let key = format!("k{}z", self.keys);
        self.values.insert(key.clone(), written);
        key
    }

    fn line(&self) -> usize {
        self.content.matches('\n').count() + 1
    }

    /// A comment at the end of what there is.
    fn comment(&mut self, sign: &str) {
        let words = format!("c{}z", self.comments.len());
        self.content.push_str(&format!("{sign} {words}"));
        let line = self.line();
        self.comments.insert(words, line);
    }

    fn yaml(&mut self, rng: &mut Rng, indent: usize) {
        let pad = " ".repeat(indent);
        for _ in 0..rng.usize(1..5) {
            if rng.u8(..6) == 0 {
                self.content.push_str(&pad);
                self.comment("#");
                self.content.push('\n');
            }
            match rng.u8(..12) {
                0..=3 => {
                    let token = TOKENS[rng.usize(..TOKENS.len())];
                    let key = self.key(Written::Token(token.to_owned()));
                    self.content.push_str(&format!("{pad}{key}: {token}"));
                    self.end_of_line(rng);
                }
                4 => {
                    let key = self.key(Written::OldBoolean);
                    let word = OLD_BOOLEANS[rng.usize(..OLD_BOOLEANS.len())];
                    self.content.push_str(&format!("{pad}{key}: {word}"));
                    self.end_of_line(rng);
                }
                5 | 6 => {
                    let text = words(rng);
                    let quoted = if rng.bool() {
                        serde_json::to_string(&text).expect("JSON")
                    } else {
                        format!("'{}'", text.replace('\'', "''"))
                    };
                    let key = self.key(Written::Text(text));
                    self.content.push_str(&format!("{pad}{key}: {quoted}"));
                    self.end_of_line(rng);
                }
                7 => self.block(rng, indent),
                8 if indent < 6 => {
                    self.keys += 1;
                    self.content.push_str(&format!("{pad}m{}:", self.keys));
                    self.end_of_line(rng);
                    self.yaml(rng, indent + 2);
                }
                9 if indent < 6 => {
                    self.keys += 1;
                    self.content.push_str(&format!("{pad}l{}:\n", self.keys));
                    for _ in 0..rng.usize(1..3) {
                        let token = TOKENS[rng.usize(..TOKENS.len())];
                        let key = self.key(Written::Token(token.to_owned()));
                        self.content.push_str(&format!("{pad}  - {key}: {token}"));
                        self.end_of_line(rng);
                    }
                }
                10 => {
                    let token = TOKENS[rng.usize(..TOKENS.len())];
                    let one = self.key(Written::Token(token.to_owned()));
                    let text = "x y".to_owned();
                    let two = self.key(Written::Text(text.clone()));
                    self.keys += 1;
                    let outer = self.keys;
                    self.content
                        .push_str(&format!("{pad}f{outer}: {{{one}: {token}, {two}: {text}}}"));
                    self.end_of_line(rng);
                }
                _ => {
                    self.keys += 1;
                    let empty = ["{}", "[]", "~", "!!str 1.10", "&a x"][rng.usize(..5)];
                    self.content
                        .push_str(&format!("{pad}e{}: {empty}", self.keys));
                    self.end_of_line(rng);
                }
            }
        }
    }

    fn end_of_line(&mut self, rng: &mut Rng) {
        if rng.u8(..6) == 0 {
            self.content.push(' ');
            self.comment("#");
        }
        self.content.push('\n');
    }

    /// A block scalar, and what YAML makes of it.
    fn block(&mut self, rng: &mut Rng, indent: usize) {
        let lines: Vec<String> = (0..rng.usize(1..4))
            .map(|at| format!("x{at}{}", words(rng).replace('\t', "").trim_end()))
            .collect();
        let blank = rng.usize(..3);
        let body = lines.join("\n");
        let (chomp, text) = match rng.u8(..3) {
            0 => ("", format!("{body}\n")),
            1 => ("-", body),
            _ => ("+", format!("{body}\n{}", "\n".repeat(blank))),
        };
        let key = self.key(Written::Text(text));
        let pad = " ".repeat(indent);
        self.content.push_str(&format!("{pad}{key}: |{chomp}\n"));
        for line in lines {
            self.content.push_str(&format!("{pad}  {line}\n"));
        }
        self.content.push_str(&"\n".repeat(blank));
    }

    fn json(&mut self, rng: &mut Rng, depth: usize) {
        self.content.push('{');
        for at in 0..rng.usize(1..5) {
            if at > 0 {
                self.content.push_str([",", ", ", ",\n\t"][rng.usize(..3)]);
            }
            match rng.u8(..6) {
                0 | 1 => {
                    let token = JSON_TOKENS[rng.usize(..JSON_TOKENS.len())];
                    let key = self.key(Written::Token(token.to_owned()));
                    self.content.push_str(&format!("\"{key}\": {token}"));
                }
                2 | 3 => {
                    let text = words(rng);
                    let quoted = serde_json::to_string(&text).expect("JSON");
                    let key = self.key(Written::Text(text));
                    self.content.push_str(&format!("\"{key}\":{quoted}"));
                }
                4 if depth < 3 => {
                    self.keys += 1;
                    self.content.push_str(&format!("\"m{}\": [", self.keys));
                    self.json(rng, depth + 1);
                    self.content.push_str(", []]");
                }
                _ => {
                    self.keys += 1;
                    self.content.push_str(&format!("\"e{}\" : {{}}", self.keys));
                }
            }
        }
        self.content.push('}');
    }

    /// dotenv or ini: a value counts by its bytes in the line.
    fn lines(&mut self, rng: &mut Rng, is_ini: bool) {
        for at in 0..rng.usize(1..8) {
            if is_ini && rng.u8(..4) == 0 {
                self.content.push_str(&format!("[s{at}]\n"));
            }
            if rng.u8(..5) == 0 {
                self.comment(if is_ini && rng.bool() { ";" } else { "#" });
                self.content.push('\n');
            }
            let mut value = words(rng);
            if rng.u8(..4) == 0 {
                value = format!("\"{value}\"");
            }
            if is_ini {
                // At the end of a line it takes in the next one: see `compare`.
                value = value.replace('\\', "\\x");
            }
            if is_ini && rng.u8(..6) == 0 {
                value = format!("`{}`", value.replace('`', ""));
            }
            if is_ini {
                // sops prints three of them without quotes, where they open a long text.
                value = value.replace("\"\"\"", "\"x\"");
            }
            let written = if is_ini {
                value.trim().to_owned()
            } else {
                value.clone()
            };
            let key = self.key(Written::Token(written));
            let equals = if is_ini { " = " } else { "=" };
            self.content.push_str(&format!("{key}{equals}{value}\n"));
        }
    }
}

struct Judge {
    world: World,
    key: String,
    recipient: String,
}

impl Judge {
    fn new() -> Self {
        let world = bare_world();
        let (key, recipient) = keypair(&world);
        world.write("no-rules.yaml", "{}\n");
        Self {
            world,
            key,
            recipient,
        }
    }

    fn decrypted(&self, name: &str, options: &[&str]) -> String {
        let mut sops = self.world.tool_cmd("sops", ["decrypt"]);
        sops.args(options).arg(name).env("SOPS_AGE_KEY", &self.key);
        let run = self.world.run(sops);
        run.assert_code(0);
        String::from_utf8_lossy(&run.stdout).into_owned()
    }
}

/// What stands behind a key in its line, as sops prints it.
fn printed<'t>(text: &'t str, key: &str, between: &str) -> Option<&'t str> {
    let start = format!("{key}{between}");
    let mut lines = text
        .lines()
        .map(|line| line.trim_start_matches([' ', '-', '\t']));
    lines.find_map(|line| line.strip_prefix(&start))
}

/// The text under a key, wherever it is.
fn text_of<'j>(json: &'j serde_json::Value, key: &str) -> Option<&'j serde_json::Value> {
    match json {
        serde_json::Value::Object(map) => {
            let mut inner = map.values();
            map.get(key)
                .or_else(|| inner.find_map(|it| text_of(it, key)))
        }
        serde_json::Value::Array(items) => items.iter().find_map(|it| text_of(it, key)),
        _ => None,
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "shown where it fails")]
fn generated_values_are_named_if_and_only_if_sops_changes_them() {
    let judge = Judge::new();
    let [refused, values, changed] = [const { AtomicUsize::new(0) }; 3];
    cases(CASES, |rng, worker| {
        let mut text = Text::default();
        let name = ["v.yaml", "v.json", "v.env", "v.ini"][rng.usize(..4)];
        match name {
            "v.yaml" => text.yaml(rng, 0),
            "v.json" => text.json(rng, 0),
            name => text.lines(rng, name == "v.ini"),
        }
        let file = format!("w{worker}/{name}");
        judge.world.write(&file, &text.content);
        let mut sops = judge.world.tool_cmd("sops", ["--config", "no-rules.yaml"]);
        sops.args(["encrypt", "--age", &judge.recipient, "--in-place", &file]);
        if judge.world.run(sops).code != Some(0) {
            refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let saved = judge.decrypted(&file, &[]);
        let is_tree = matches!(name, "v.yaml" | "v.json");
        let json = is_tree.then(|| judge.decrypted(&file, &["--output-type", "json"]));
        let json = json.map(|json| serde_json::from_str(&json).expect("JSON"));
        let format = Format::of(Path::new(name));
        let found = differences(format, text.content.as_bytes(), saved.as_bytes(), b"");
        let found: Vec<String> = found.iter().flat_map(Problem::each).collect();
        // For sops itself this begins a text of several lines, and hides what is below.
        let hides = name == "v.ini" && saved.contains("= \"\"\"");
        let shown = || format!("{}\n--- sops:\n{saved}\n--- kb: {found:#?}", text.content);
        if hides {
            assert!(!found.is_empty(), "{}", shown());
            return;
        }
        for (key, written) in &text.values {
            values.fetch_add(1, Ordering::Relaxed);
            let is_changed = match written {
                Written::OldBoolean => true,
                Written::Text(expected) => {
                    let value = json.as_ref().and_then(|json| text_of(json, key));
                    value.and_then(|it| it.as_str()) != Some(expected)
                }
                Written::Token(token) => {
                    let (key, between) = match name {
                        "v.yaml" => (key.clone(), ": "),
                        "v.json" => (format!("\"{key}\""), ": "),
                        "v.env" => (key.clone(), "="),
                        _ => (key.clone(), "="),
                    };
                    let found = match name {
                        // ini aligns its signs.
                        "v.ini" => saved.lines().find_map(|line| {
                            let (found, value) = line.split_once('=')?;
                            (found.trim() == key).then(|| value.trim())
                        }),
                        _ => printed(&saved, &key, between),
                    };
                    let found = found.map(|it| match name {
                        "v.json" => it.trim_end_matches(','),
                        "v.yaml" => it.split(" #").next().unwrap_or_default().trim_matches('"'),
                        _ => it,
                    });
                    found != Some(token)
                }
            };
            let is_named = found.iter().any(|words| words.contains(key.as_str()));
            assert_eq!(is_named, is_changed, "{key}\n{}", shown());
            changed.fetch_add(usize::from(is_changed), Ordering::Relaxed);
        }
        for (words, line) in &text.comments {
            let is_named = found.iter().any(|it| {
                it.starts_with(&format!("line {line}, ")) && it.contains("drop this comment")
            });
            assert_eq!(is_named, !saved.contains(words), "{words}\n{}", shown());
        }
        // Nothing else is named.
        let is_known = |it: &&String| {
            it.contains("comment") || text.values.keys().any(|key| it.contains(key.as_str()))
        };
        assert!(found.iter().all(|it| is_known(&it)), "{}", shown());
    });
    let [refused, values, changed] = [refused, values, changed].map(AtomicUsize::into_inner);
    println!("{values} values, {changed} changed by sops, {refused} texts refused by it");
    assert!(
        values < 100 || changed * 50 > values && changed < values,
        "{changed} of {values}"
    );
}
