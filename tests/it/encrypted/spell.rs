//! The same encrypted file in another spelling: what else YAML, JSON, dotenv and ini allow,
//! and what sops takes beside it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;
use serde_json::{Map, Value, json};

/// A spelled file.
pub(crate) struct Spelled {
    /// The ending tells the format.
    pub(crate) name: &'static str,
    pub(crate) content: Vec<u8>,
    /// What was done to it, for the message of a test that fails.
    pub(crate) tricks: Vec<&'static str>,
}

/// An encrypted Secret in another spelling; `document` is what sops wrote, with its metadata.
pub(crate) fn spelled(rng: &mut Rng, document: &Value) -> Spelled {
    match rng.u8(..20) {
        0..12 => yaml(rng, document),
        12..17 => json(rng, document),
        17 => dotenv(rng, document),
        _ => ini(rng, document),
    }
}

/// What a field of the metadata is called, for sops.
fn field(rng: &mut Rng, name: &str) -> String {
    match rng.u8(..12) {
        0 => name.to_uppercase(),
        1 => name.replace('s', "\u{17f}").replace('k', "\u{212a}"),
        _ => name.to_owned(),
    }
}

/// Metadata with its fields renamed, its lists as single entries or below `key_groups`.
fn reshaped(rng: &mut Rng, sops: &Value, tricks: &mut Vec<&'static str>) -> Value {
    let mut sops = sops.as_object().expect("metadata").clone();
    if rng.u8(..5) == 0 {
        tricks.push("key_groups");
        let age = sops.remove("age").expect("recipients");
        let group = json!({"age": age});
        let groups = if rng.bool() {
            json!([group])
        } else {
            tricks.push("a single group");
            group
        };
        sops.insert("key_groups".to_owned(), groups);
    }
    let mut sops = Value::Object(sops);
    if rng.u8(..4) == 0 {
        tricks.push("a single entry");
        for list in ["/age", "/key_groups/age", "/key_groups/0/age"] {
            if let Some(list) = sops.pointer_mut(list)
                && let Some([only]) = list.as_array().map(Vec::as_slice)
            {
                *list = only.clone();
            }
        }
    }
    if rng.u8(..3) == 0 {
        tricks.push("names of fields");
        sops = renamed(rng, &sops);
    }
    sops
}

fn renamed(rng: &mut Rng, value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let renamed = map.iter().map(|(key, value)| {
                let value = renamed(rng, value);
                (field(rng, key), value)
            });
            Value::Object(renamed.collect())
        }
        Value::Array(items) => items.iter().map(|item| renamed(rng, item)).collect(),
        other => other.clone(),
    }
}

fn yaml(rng: &mut Rng, document: &Value) -> Spelled {
    let mut tricks = Vec::new();
    let mut document = document.clone();
    document["sops"] = reshaped(rng, &document["sops"], &mut tricks);
    let mut writer = Writer {
        handle: match rng.u8(..6) {
            0 => Some(("%TAG !e! tag:yaml.org,2002:\n", "!e!")),
            1 => Some(("%TAG ! tag:yaml.org,2002:\n", "!")),
            2 => Some(("%YAML 1.1\n%TAG !! tag:yaml.org,2002:\n", "!!")),
            _ => None,
        },
        plainness: rng.u8(..12),
        rng,
        before: String::new(),
        anchors: 0,
        is_tagged: false,
        tricks: &mut tricks,
    };
    let mut body = String::new();
    for (key, value) in document.as_object().expect("a mapping") {
        if key == "sops" && writer.one_in(6) {
            writer.tricks.push("metadata behind an alias");
            let inner = writer.value(value, 0, false);
            let _ = writeln!(body, "x_sops: &sops{inner}");
            let key = writer.key(key);
            let _ = writeln!(body, "{key}: *sops");
            continue;
        }
        let key = writer.key(key);
        let value = writer.value(value, 0, false);
        let _ = writeln!(body, "{key}:{value}");
    }
    let (handle, is_tagged) = (writer.handle, writer.is_tagged);
    let mut text = format!("{}{body}", writer.before);
    match handle.filter(|_| is_tagged) {
        Some((directive, _)) => {
            tricks.push("%TAG");
            text = format!("{directive}---\n{text}");
        }
        None if rng.u8(..8) == 0 => text = format!("---\n{text}"),
        None => {}
    }
    if rng.u8(..6) == 0 {
        tricks.push("a second document");
        let more = [
            "---\nkind: x\n",
            "---\n",
            "...\n---\na: b\n",
            "...\n",
            "--- {}\n",
        ];
        text.push_str(more[rng.usize(..more.len())]);
    }
    if rng.u8(..6) == 0 {
        tricks.push("a comment with another line end");
        let end = ["\u{2028}", "\u{2029}", "\u{85}", "\r"][rng.usize(..4)];
        text = text.replacen("\nstringData", &format!("\n# a{end}stringData"), 1);
        text = text.replacen("\nsops", &format!("\n# b{end}sops"), 1);
        text = text.replacen("\n    age", &format!("\n    # b{end}    age"), 1);
    }
    let name = if rng.bool() { "case.yaml" } else { "case.yml" };
    let content = encoded(rng, text, &mut tricks);
    Spelled {
        name,
        content,
        tricks,
    }
}

/// A text in one of the encodings that YAML has, with one of its line ends.
fn encoded(rng: &mut Rng, text: String, tricks: &mut Vec<&'static str>) -> Vec<u8> {
    let text = match rng.u8(..16) {
        0 => {
            tricks.push("CR LF");
            text.replace('\n', "\r\n")
        }
        1 => {
            tricks.push("CR");
            text.replace('\n', "\r")
        }
        2 => {
            tricks.push("NEL");
            text.replace('\n', "\u{85}")
        }
        _ => text,
    };
    let wide = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    match rng.u8(..12) {
        0 => {
            tricks.push("UTF-8 with a mark");
            format!("\u{feff}{text}").into_bytes()
        }
        1 => {
            tricks.push("UTF-16 LE");
            [b"\xff\xfe", wide(u16::to_le_bytes).as_slice()].concat()
        }
        2 => {
            tricks.push("UTF-16 BE");
            [b"\xfe\xff", wide(u16::to_be_bytes).as_slice()].concat()
        }
        _ => text.into_bytes(),
    }
}

struct Writer<'a> {
    rng: &'a mut Rng,
    /// A directive, and the tag prefix that it makes.
    handle: Option<(&'static str, &'static str)>,
    /// The higher, the less is spelled otherwise.
    plainness: u8,
    /// Top-level entries that anchors stand in.
    before: String,
    anchors: usize,
    is_tagged: bool,
    tricks: &'a mut Vec<&'static str>,
}

impl Writer<'_> {
    fn one_in(&mut self, count: u8) -> bool {
        self.rng.u8(..count + self.plainness) == 0
    }

    /// What stands behind the colon or dash, with the space or line end before it.
    fn value(&mut self, value: &Value, indent: usize, flow: bool) -> String {
        if indent > 0 && self.one_in(14) {
            self.tricks.push("an alias");
            self.anchors += 1;
            let anchor = self.anchors;
            let inner = self.value(value, 0, false);
            let _ = writeln!(self.before, "x_{anchor}: &a{anchor}{inner}");
            return format!(" *a{anchor} ");
        }
        let flow = flow || self.one_in(8);
        let pad = " ".repeat(indent + 4);
        match value {
            Value::Object(map) if flow => {
                self.tricks.push("flow");
                let entries: Vec<String> = map
                    .iter()
                    .map(|(key, value)| {
                        let key = self.key_in_flow(key);
                        format!("{key}:{}", self.value(value, indent + 4, true))
                    })
                    .collect();
                format!(" {{{}}}", entries.join(", "))
            }
            Value::Array(items) if flow => {
                let items: Vec<String> = items
                    .iter()
                    .map(|item| self.value(item, indent + 4, true))
                    .collect();
                format!(" [{}]", items.join(","))
            }
            Value::Object(map) => {
                let mut text = String::new();
                for (key, value) in map {
                    let key = self.key(key);
                    let value = self.value(value, indent + 4, false);
                    let _ = write!(text, "\n{pad}{key}:{value}");
                }
                text
            }
            Value::Array(items) => {
                let mut text = String::new();
                for item in items {
                    let item = self.value(item, indent + 4, false);
                    let _ = write!(text, "\n{pad}-{item}");
                }
                text
            }
            Value::String(string) => format!(" {}", self.scalar(string, &pad, flow)),
            other => format!(" {other}"),
        }
    }

    fn key(&mut self, name: &str) -> String {
        if self.one_in(10) {
            self.tricks.push("an explicit key");
            // In the same line, so that it goes with any indentation.
            return format!("? {}\n", self.key_in_flow(name)).replace('\n', " ");
        }
        self.key_in_flow(name)
    }

    fn key_in_flow(&mut self, name: &str) -> String {
        match self.rng.u8(..10 + self.plainness) {
            0 => format!("'{name}'"),
            1 => self.double_quoted(name, ""),
            2 => format!("{} {name}", self.tag("str")),
            3 => format!("{} {}", self.tag("binary"), STANDARD.encode(name)),
            4 => {
                self.anchors += 1;
                format!("&k{} {name}", self.anchors)
            }
            _ => name.to_owned(),
        }
    }

    /// A tag of YAML's core schema, in one of its spellings.
    fn tag(&mut self, kind: &str) -> String {
        self.tricks.push("a tag");
        if let Some((_, prefix)) = self.handle {
            self.is_tagged = true;
            return format!("{prefix}{kind}");
        }
        match self.rng.u8(..4) {
            0 => format!("!<tag:yaml.org,2002:{kind}>"),
            1 => format!("!!{}", kind.replace('r', "%72")),
            2 => format!("!<tag:yaml.org,2002:{}>", kind.replace('r', "%72")),
            _ => format!("!!{kind}"),
        }
    }

    fn scalar(&mut self, text: &str, pad: &str, flow: bool) -> String {
        let lines = text.contains('\n');
        let block = |sign: &str| {
            let body: String = text.lines().map(|line| format!("\n{pad}{line}")).collect();
            format!("{sign}{}", body)
        };
        match self.rng.u8(..9 + self.plainness) {
            0 => self.double_quoted(text, pad),
            1 if lines => format!("'{}'", text.replace('\n', "\n\n ")),
            1 => format!("'{text}'"),
            2 => {
                self.tricks.push("!!binary");
                let encoded = STANDARD.encode(text);
                let tag = self.tag("binary");
                if flow || self.rng.bool() {
                    return format!("{tag} \"{encoded}\"");
                }
                let half = encoded.len() / 2;
                let (a, b) = encoded.split_at(half);
                format!("{tag} |\n{pad}{a}\n{pad}{b}")
            }
            3 => format!("{} {}", self.tag("str"), self.double_quoted(text, pad)),
            4 if !flow => {
                self.tricks.push("a block");
                let signs = ["|-", "|", "|+", ">-", ">"];
                let sign = signs[self.rng.usize(..if lines { 2 } else { 5 })];
                block(sign)
            }
            5 if !flow && !lines => {
                self.tricks.push("escaped line breaks");
                self.broken(text, pad)
            }
            _ if lines && !flow => block("|"),
            _ if lines => self.double_quoted(text, pad),
            _ if flow || text.contains([':', '#', '[', ',', '*', '&', '!']) => format!("'{text}'"),
            _ => text.to_owned(),
        }
    }

    fn broken(&mut self, text: &str, pad: &str) -> String {
        let mut quoted = String::from("\"");
        for letter in text.chars() {
            if self.rng.u8(..12) == 0 {
                let _ = write!(quoted, "\\\n{pad}");
            }
            quoted.push(letter);
        }
        quoted.push('"');
        quoted
    }

    fn double_quoted(&mut self, text: &str, _pad: &str) -> String {
        self.tricks.push("escapes");
        let share = self.rng.u8(1..20);
        let mut quoted = String::from("\"");
        for letter in text.chars() {
            let number = u32::from(letter);
            let _ = match (letter, self.rng.u8(..share)) {
                ('\n', _) => write!(quoted, "\\n"),
                (_, 0) if number < 0x80 => match self.rng.u8(..3) {
                    0 => write!(quoted, "\\x{number:02x}"),
                    1 => write!(quoted, "\\u{number:04X}"),
                    _ => write!(quoted, "\\U{number:08x}"),
                },
                _ => write!(quoted, "{letter}"),
            };
        }
        quoted.push('"');
        quoted
    }
}

fn json(rng: &mut Rng, document: &Value) -> Spelled {
    let mut tricks = vec!["JSON"];
    let mut document = document.clone();
    document["sops"] = reshaped(rng, &document["sops"], &mut tricks);
    let name = ["case.json", "case.json", "case.yaml", "case.bin"][rng.usize(..4)];
    if name == "case.bin" {
        let data = document["stringData"]["data"].clone();
        document = json!({"data": data, "sops": document["sops"]});
    }
    let space = ["", " ", "\n\t", "\r\n"][rng.usize(..4)];
    let share = rng.u8(1..40);
    let mut text = json_text(rng, &document, space, share);
    let end = match rng.u8(..8) {
        0 => "{\"more\": 1}",
        1 => "garbage",
        2 => "\n\n",
        3 => "]",
        _ => "",
    };
    if !end.is_empty() {
        tricks.push("something behind it");
        text.push_str(end);
    }
    match rng.u8(..12) {
        0 => {
            tricks.push("cut off");
            let end = [",\"x\":", ",\"x\":[1", ",\"x\":{\"y\":", ",\"x\":[{"][rng.usize(..4)];
            let last = text.rfind('}').expect("an end");
            text.truncate(last);
            text.push_str(end);
        }
        1 => {
            tricks.push("a key twice");
            text = text.replacen('{', "{\"kind\": \"Other\",", 1);
        }
        2 => {
            tricks.push("a mark");
            text.insert(0, '\u{feff}');
        }
        _ => {}
    }
    Spelled {
        name,
        content: text.into_bytes(),
        tricks,
    }
}

fn json_text(rng: &mut Rng, value: &Value, space: &str, share: u8) -> String {
    match value {
        Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| {
                    let key = json_string(rng, key, share);
                    let value = json_text(rng, value, space, share);
                    format!("{space}{key}{space}:{space}{value}")
                })
                .collect();
            format!("{{{}{space}}}", entries.join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items
                .iter()
                .map(|item| json_text(rng, item, space, share))
                .collect();
            format!("[{}{space}]", items.join(","))
        }
        Value::String(text) => json_string(rng, text, share),
        other => other.to_string(),
    }
}

fn json_string(rng: &mut Rng, text: &str, share: u8) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        let _ = match (letter, rng.u8(..share)) {
            ('\n', 0) => write!(quoted, "\\n"),
            ('/', 1) => write!(quoted, "\\/"),
            ('\n', _) => write!(quoted, "\\u000a"),
            (_, 0) if letter.is_ascii() => write!(quoted, "\\u{:04x}", u32::from(letter)),
            _ => write!(quoted, "{letter}"),
        };
    }
    quoted.push('"');
    quoted
}

/// The metadata flattened, as sops 3.13 writes it for dotenv and ini.
fn flattened(
    rng: &mut Rng,
    document: &Value,
    tricks: &mut Vec<&'static str>,
) -> Vec<(String, String)> {
    let sops = reshaped(rng, &document["sops"], tricks);
    let mut flat = Vec::new();
    flatten("", &sops, &mut flat);
    rng.shuffle(&mut flat);
    flat
}

fn flatten(name: &str, value: &Value, flat: &mut Vec<(String, String)>) {
    let within = |sign: &str, key: &str| match name {
        "" => key.to_owned(),
        name => format!("{name}__{sign}_{key}"),
    };
    match value {
        Value::Object(map) => {
            let map: &Map<String, Value> = map;
            for (key, value) in map {
                flatten(&within("map", key), value, flat);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                flatten(&within("list", &at.to_string()), item, flat);
            }
        }
        Value::String(text) => flat.push((name.to_owned(), text.replace('\n', "\\n"))),
        other => flat.push((name.to_owned(), other.to_string())),
    }
}

fn dotenv(rng: &mut Rng, document: &Value) -> Spelled {
    let mut tricks = vec!["dotenv"];
    let mut text = String::from("A=b\n");
    for (key, value) in flattened(rng, document, &mut tricks) {
        let key = match rng.u8(..20) {
            0 => key.replace("list_0", "list_00"),
            1 => key.replace("list_0", "list_x"),
            _ => key,
        };
        let _ = writeln!(text, "sops_{key}={value}");
    }
    Spelled {
        name: "case.env",
        content: text.into_bytes(),
        tricks,
    }
}

fn ini(rng: &mut Rng, document: &Value) -> Spelled {
    let mut tricks = vec!["ini"];
    let mut text = String::from("[a]\nb = c\n");
    if rng.u8(..6) == 0 {
        tricks.push("a value of several lines before it");
        let quote = ["\"\"\"", "`"][rng.usize(..2)];
        let _ = write!(text, "d = {quote}x\n[other]\n{quote}\n");
    }
    text.push_str(["[sops]\n", "  [sops]  \n", "[sops] ; x\n"][rng.usize(..3)]);
    if rng.u8(..8) == 0 {
        tricks.push("a value of several lines in it");
        text.push_str("other = x\\\n[other]\n");
    }
    for (key, value) in flattened(rng, document, &mut tricks) {
        let key = match rng.u8(..16) {
            0 => format!("\"{key}\""),
            1 => format!("`{key}`"),
            2 => format!("   {key}"),
            _ => key,
        };
        let sign = ["=", " = ", ":", " :\t"][rng.usize(..4)];
        let half = rng.usize(..=value.len());
        let value = match rng.u8(..16) {
            0 => format!("\"{value}\""),
            1 => format!("'{value}'"),
            2 => format!("`{value}`"),
            3 => format!("\"\"\"{value}\"\"\""),
            4 => format!("{value} # comment"),
            5 if value.is_char_boundary(half) && !value[..half].ends_with('\\') => {
                tricks.push("a value that goes on");
                let (a, b) = value.split_at(half);
                format!("{a}\\\n  {b}")
            }
            6 => format!("{value} ; comment"),
            _ => value,
        };
        let _ = writeln!(text, "{key}{sign}{value}");
    }
    if rng.u8(..10) == 0 {
        tricks.push("a mark");
        text = text.replacen("[a]\nb = c\n", "", 1);
        text.insert(0, '\u{feff}');
    }
    Spelled {
        name: "case.ini",
        content: text.into_bytes(),
        tricks,
    }
}
