//! Documents as people write them, and odder ones; and what editors and formatters
//! do to them after sops has encrypted them.

use fastrand::Rng;
use serde_json::{Value, json};

/// A plaintext, and how it is encrypted.
pub(super) struct Plain {
    /// The ending tells the format.
    pub(super) name: &'static str,
    pub(super) content: Vec<u8>,
    /// What sops is told besides the recipients.
    pub(super) options: Vec<&'static str>,
    /// Whether kb claims to re-encrypt it by itself.
    pub(super) inside: bool,
}

/// An encrypted document, and whether it is still inside what kb claims.
pub(super) struct Edited {
    pub(super) text: String,
    pub(super) inside: bool,
}

const KEYS: [&str; 24] = [
    "user",
    "password",
    "token_secret",
    "plain_unencrypted",
    "data",
    "stringData",
    "Data",
    "list",
    "a.b/c",
    "a:b",
    "with space",
    "ключ",
    "日本語",
    "emoji🙂",
    "'key: with colon'",
    "'\"quoted\"'",
    "'it''s'",
    "\"tab\\there\"",
    "\"line\\nend\"",
    "'true'",
    "'12'",
    "'#hash'",
    "'~'",
    "sops_like",
];

const SCALARS: [&str; 50] = [
    "plain",
    "two words",
    "correct horse battery staple",
    "a:b",
    "http://x.y/z?q=1#f",
    "x #no",
    "ünïcödé",
    "日本語 text",
    "🙂",
    "'single ''quoted'''",
    "\"double \\\"quoted\\\" \\t\\n\\u00e9\"",
    "'42'",
    "'true'",
    "''",
    "\"\"",
    "' lead and trail '",
    "'# no comment'",
    "'- no item'",
    "'{'",
    "'ENC['",
    "0",
    "7",
    "-7",
    "+7",
    "42",
    "9007199254740993",
    "1.5",
    "-0.25",
    ".5",
    "1e3",
    "1.0",
    "6.02e23",
    "1e-7",
    "007",
    "0x1F",
    "1_000",
    "true",
    "False",
    "null",
    "~",
    "",
    "yes",
    "n",
    "2024-02-29",
    "2024-02-29T12:30:00Z",
    "10.0.0.1",
    "1.2.3",
    "12:30",
    "-",
    "<none>",
];

const COMMENTS: [&str; 6] = [
    "# a comment",
    "#no space",
    "# ünïcödé 🙂",
    "# key: value",
    "## twice",
    "# encrypt me please",
];

/// A document of any format.
pub(super) fn document(rng: &mut Rng) -> Plain {
    match rng.u8(..100) {
        0..60 => yaml(rng),
        60..82 => json(rng),
        82..90 => Plain {
            name: "case.env",
            content: dotenv(rng).into_bytes(),
            options: options(rng, &[]),
            inside: false,
        },
        90..96 => Plain {
            name: "case.ini",
            content: ini(rng).into_bytes(),
            options: options(rng, &[]),
            inside: false,
        },
        _ => Plain {
            name: "case",
            content: (0..rng.usize(1..400)).map(|_| rng.u8(..)).collect(),
            options: Vec::new(),
            inside: false,
        },
    }
}

const SELECTIONS: [&[&str]; 8] = [
    &["--encrypted-regex", "^(data|stringData)$"],
    &["--encrypted-regex", "(?i)pass|data"],
    &["--unencrypted-regex", "^(user|list)$"],
    &["--encrypted-suffix", "_secret"],
    &["--unencrypted-suffix", "_unencrypted"],
    &["--unencrypted-suffix", "ord"],
    &["--encrypted-comment-regex", "encrypt me"],
    &["--unencrypted-comment-regex", "a comment"],
];

fn options(rng: &mut Rng, by_comment: &[&[&'static str]]) -> Vec<&'static str> {
    let mut options = Vec::new();
    if rng.bool() {
        let by_keys = &SELECTIONS[..6];
        let all: Vec<_> = by_keys.iter().chain(by_comment).collect();
        options.extend_from_slice(all[rng.usize(..all.len())]);
    }
    if rng.u8(..4) == 0 {
        options.push("--mac-only-encrypted");
    }
    options
}

fn yaml(rng: &mut Rng) -> Plain {
    let mut text = String::new();
    let documents = if rng.u8(..6) == 0 { rng.usize(2..4) } else { 1 };
    for document in 0..documents {
        if document > 0 || rng.u8(..10) == 0 {
            text.push_str("---\n");
        }
        let mut writer = Writer {
            // sops counts comments in lists into the MAC when it encrypts them, and
            // cannot open the file afterwards (getsops/sops#2243).
            comments_in_lists: rng.u8(..40) == 0,
            comments: rng.u8(..3) > 0,
            text: &mut text,
            rng,
            entries: 0,
        };
        writer.mapping(0, 0);
    }
    // sops writes out what an alias stands for.
    if documents == 1 && rng.u8(..20) == 0 {
        text.push_str("anchored: &it\n    deep: value\nalias: *it\n");
    }
    let options = options(rng, &SELECTIONS[6..]);
    Plain {
        name: if rng.bool() { "case.yaml" } else { "case.yml" },
        content: text.into_bytes(),
        inside: !options.iter().any(|option| option.contains("comment")),
        options,
    }
}

struct Writer<'a> {
    text: &'a mut String,
    rng: &'a mut Rng,
    comments: bool,
    comments_in_lists: bool,
    /// So that no key stands twice.
    entries: usize,
}

impl Writer<'_> {
    fn line(&mut self, indent: usize, text: &str) {
        self.text.push_str(&" ".repeat(indent));
        self.text.push_str(text);
    }

    fn comment(&mut self, indent: usize) {
        if self.comments && self.rng.u8(..6) == 0 {
            let comment = COMMENTS[self.rng.usize(..COMMENTS.len())];
            self.line(indent, &format!("{comment}\n"));
        }
    }

    fn end_of_line(&mut self) {
        if self.comments && self.rng.u8(..12) == 0 {
            let comment = COMMENTS[self.rng.usize(..COMMENTS.len())];
            self.text.push_str(&format!(" {comment}"));
        }
        self.text.push('\n');
        if self.rng.u8(..15) == 0 {
            self.text.push('\n');
        }
    }

    fn key(&mut self) -> String {
        self.entries += 1;
        let key = KEYS[self.rng.usize(..KEYS.len())];
        // Most keys as they are, while they are new.
        match (self.entries, key.strip_suffix(['\'', '"'])) {
            (1, _) => key.to_owned(),
            (number, Some(quoted)) => format!("{quoted}{number}{}", &key[key.len() - 1..]),
            (number, None) if key.ends_with("_unencrypted") || key.ends_with("_secret") => {
                format!("k{number}{key}")
            }
            (number, None) => format!("{key}{number}"),
        }
    }

    fn mapping(&mut self, depth: usize, indent: usize) {
        for _ in 0..self.rng.usize(1..5) {
            self.comment(indent);
            let key = self.key();
            self.line(indent, &format!("{key}:"));
            self.value(depth, indent);
        }
        if depth == 0 {
            self.comment(indent);
        }
    }

    /// What stands behind a key, with the line's end.
    fn value(&mut self, depth: usize, indent: usize) {
        match self.rng.u8(..10) {
            0..=1 if depth < 4 => {
                self.end_of_line();
                self.mapping(depth + 1, indent + 4);
            }
            2..=3 if depth < 4 => {
                self.end_of_line();
                self.list(depth + 1, indent + 4);
            }
            4 => {
                let style = ["|", "|-", ">", ">-", "|+"][self.rng.usize(..5)];
                self.text.push_str(&format!(" {style}\n"));
                for _ in 0..self.rng.usize(1..4) {
                    let line =
                        ["first", "  deeper", "# no comment", "ключ: v"][self.rng.usize(..4)];
                    let line = if line.starts_with(' ') { "x" } else { line };
                    self.line(indent + 4, &format!("{line}\n"));
                }
            }
            5 => {
                let empty = ["{}", "[]", "[a, 1, true]", "{x: 1, y: [z]}"][self.rng.usize(..4)];
                self.text.push_str(&format!(" {empty}"));
                self.end_of_line();
            }
            _ => {
                let scalar = SCALARS[self.rng.usize(..SCALARS.len())];
                self.text.push_str(&format!(" {scalar}"));
                self.end_of_line();
            }
        }
    }

    fn list(&mut self, depth: usize, indent: usize) {
        let comments = std::mem::replace(&mut self.comments, self.comments_in_lists);
        for _ in 0..self.rng.usize(1..4) {
            self.comment(indent);
            self.line(indent, "-");
            match self.rng.u8(..6) {
                0 if depth < 4 => {
                    let key = self.key();
                    self.text.push_str(&format!(" {key}:"));
                    self.value(depth + 1, indent + 2);
                    let key = self.key();
                    self.line(indent + 2, &format!("{key}: x\n"));
                }
                1 if depth < 4 => self.text.push_str(" [[a, 1], [], {}]\n"),
                2 if depth < 4 => {
                    self.text.push_str(" - x\n");
                    self.line(indent + 2, "- 2\n");
                }
                _ => {
                    let scalar = SCALARS[self.rng.usize(..SCALARS.len())];
                    self.text.push_str(&format!(" {scalar}\n"));
                }
            }
        }
        self.comments = comments;
    }
}

fn json(rng: &mut Rng) -> Plain {
    let mut object = serde_json::Map::new();
    for number in 0..rng.usize(1..6) {
        let key = KEYS[rng.usize(..14)];
        let value = json_value(rng, 0);
        let is_new = number == 0 || rng.bool();
        let key = if is_new {
            key.to_owned()
        } else {
            format!("{number}{key}")
        };
        object.insert(key, value);
    }
    let value = Value::Object(object);
    let text = match rng.bool() {
        true => value.to_string(),
        false => format!("{value:#}\n"),
    };
    Plain {
        name: "case.json",
        options: options(rng, &[]),
        // A control character that JSON allows and YAML does not.
        inside: !text.contains('\u{7f}'),
        content: text.into_bytes(),
    }
}

fn json_value(rng: &mut Rng, depth: usize) -> Value {
    let texts = [
        "",
        "plain",
        "a\"b\\c/d",
        "<&>",
        "\u{e9}\u{2028}🙂",
        "line\nend\t",
        "\u{1}\u{7f}",
        "ENC[",
    ];
    match rng.u8(..12) {
        0 if depth < 4 => (0..rng.usize(..4))
            .map(|_| json_value(rng, depth + 1))
            .collect(),
        1..=2 if depth < 4 => {
            let entry = |number: usize, rng: &mut Rng| {
                let key = format!("{}{number}", KEYS[rng.usize(..14)]);
                (key, json_value(rng, depth + 1))
            };
            Value::Object(
                (0..rng.usize(..4))
                    .map(|number| entry(number, rng))
                    .collect(),
            )
        }
        3 => json!(rng.i64(..)),
        4 => json!(rng.i64(-100..100)),
        5 => json!(rng.f64() * 1e6),
        6 => json!(rng.i32(-5..5) as f64),
        7 => json!(rng.f64() * 1e-9),
        8 => json!(rng.bool()),
        9 => Value::Null,
        _ => json!(texts[rng.usize(..texts.len())]),
    }
}

fn dotenv(rng: &mut Rng) -> String {
    let values = [
        "",
        "plain",
        "a=b",
        "with space",
        " lead",
        "\"quoted\"",
        "'x'",
        "one\\ntwo",
        "ünï",
        "#no",
        "7",
    ];
    let mut text = String::new();
    for number in 0..rng.usize(1..7) {
        match rng.u8(..6) {
            0 => text.push_str("# a comment\n"),
            1 => text.push('\n'),
            _ => {}
        }
        let key = ["KEY", "PASSWORD", "A_secret", "P_unencrypted"][rng.usize(..4)];
        let value = values[rng.usize(..values.len())];
        text.push_str(&format!("N{number}{key}={value}\n"));
    }
    text
}

fn ini(rng: &mut Rng) -> String {
    let values = [
        "",
        "plain",
        "a=b",
        "with space",
        "\"quoted\"",
        "x;y",
        "x # y",
        "ünï",
        "7",
        "C:\\dir",
        "a\\",
    ];
    let mut text = String::new();
    if rng.u8(..5) == 0 {
        text.push_str("outside = any section\n");
    }
    for section in 0..rng.usize(1..4) {
        if rng.u8(..4) == 0 {
            text.push_str("; of the section\n");
        }
        text.push_str(&format!("[section{section}]\n"));
        for number in 0..rng.usize(1..4) {
            if rng.u8(..5) == 0 {
                text.push_str(if rng.bool() {
                    "; a comment\n"
                } else {
                    "# another\n"
                });
            }
            let key = ["key", "password", "x_secret", "p_unencrypted"][rng.usize(..4)];
            let value = values[rng.usize(..values.len())];
            text.push_str(&format!("n{number}{key} = {value}\n"));
        }
        text.push('\n');
    }
    text
}

/// What editors and formatters do to an encrypted file, which sops opens all the same.
pub(super) fn edited(rng: &mut Rng, name: &str, text: String) -> Edited {
    let mut edited = Edited { text, inside: true };
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("yaml" | "yml") => edit_yaml(rng, &mut edited),
        Some("json") if rng.u8(..3) == 0 => {
            // Of one line, or with other white space.
            let compact = edited.text.replace(['\n', '\t'], "");
            edited.text = match rng.bool() {
                true => compact,
                false => edited.text.replace('\t', "  "),
            };
        }
        Some("env") if rng.u8(..3) == 0 => edited.text.push_str("\n\n"),
        Some("ini") if rng.u8(..3) == 0 => edited.text = edited.text.replace(" = ", "="),
        _ => {}
    }
    edited
}

fn edit_yaml(rng: &mut Rng, edited: &mut Edited) {
    let is_value = |line: &str| line.contains(": ENC[") && line.ends_with(']');
    if rng.u8(..3) > 0 {
        return;
    }
    match rng.u8(..8) {
        0 => edited.text = edited.text.replace('\n', "\r\n"),
        1 => edited.text.insert_str(0, "---\n"),
        2 => edited.text.push_str("\n\n"),
        3 => {
            // Quoted.
            let quoted = |line: &str| match line.split_once(": ENC[") {
                Some((key, value)) if is_value(line) && !key.trim_start().starts_with('#') => {
                    format!("{key}: \"ENC[{value}\"")
                }
                _ => line.to_owned(),
            };
            edited.text = lines(&edited.text, quoted);
        }
        4 => {
            // As a block scalar.
            let folded = |line: &str| match line.split_once(": ENC[") {
                Some((key, value)) if is_value(line) && !key.contains(['#', '-']) => {
                    let indent = key.len() - key.trim_start().len() + 2;
                    format!("{key}: >-\n{}ENC[{value}", " ".repeat(indent))
                }
                _ => line.to_owned(),
            };
            edited.text = lines(&edited.text, folded);
        }
        5 => edited.text = edited.text.replace("]\n", "]   \n"),
        6 => {
            // An anchor that nobody uses.
            edited.text = edited.text.replacen(": ENC[", ": &here ENC[", 1);
            edited.inside = false;
        }
        _ => {
            // Without the indentation that sops gives to lists.
            edited.text = edited.text.replacen("\nsops:\n", "\n\nsops:\n", 1);
        }
    }
}

fn lines(text: &str, edit: impl Fn(&str) -> String) -> String {
    let edited = text.lines().map(|line| edit(line) + "\n");
    edited.collect()
}
