//! Every way in which a file can be encrypted for a key and not look like it. sops is the
//! judge: what it opens with the retired key keeps that key.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Pruning, SECRET, files, kept_by};
use crate::keypair;

/// A file, and the format that sops is told.
struct Case {
    name: String,
    format: &'static str,
    content: Vec<u8>,
}

/// Commits the cases as what is deployed. sops opens each with these keys; prune keeps the
/// retired key for each, as needed for certain.
#[track_caller]
fn assert_all_keep_the_key(pruning: &Pruning, cases: &[Case], keys: &str) {
    let contents: Vec<(&str, &[u8])> = cases
        .iter()
        .map(|case| (case.name.as_str(), case.content.as_slice()))
        .collect();
    for case in cases {
        pruning.world.write(&case.name, &case.content);
        let mut sops = pruning.world.tool_cmd("sops", ["decrypt", "--ignore-mac"]);
        sops.args([
            "--input-type",
            case.format,
            "--output-type",
            case.format,
            &case.name,
        ]);
        sops.env("SOPS_AGE_KEY", keys);
        let run = pruning.world.run(sops);
        let text = String::from_utf8_lossy(&case.content);
        assert_eq!(run.code, Some(0), "{}: {}\n{text}", case.name, run.err());
        std::fs::remove_file(pruning.world.path(&case.name)).expect("it is there");
    }
    let commit = pruning.commit_of(&contents);
    pruning.deployed(&commit);
    let verdicts = pruning.verdicts(1, &[]);
    let key = &verdicts["keys"][0];
    assert_eq!(kept_by(key), ["deployed"]);
    let found: BTreeSet<String> = files(key).into_iter().collect();
    for case in cases {
        let text = String::from_utf8_lossy(&case.content);
        assert!(
            found.contains(&case.name),
            "{} is not found:\n{text}",
            case.name
        );
    }
    // And where it lies in the working tree.
    pruning.deployed(&pruning.git(&["rev-parse", "HEAD"]));
    for (name, content) in contents {
        pruning.world.write(name, content);
    }
    let verdicts = pruning.verdicts(1, &[]);
    let found: BTreeSet<String> = files(&verdicts["keys"][0]).into_iter().collect();
    for case in cases {
        let path = pruning.world.path(&case.name).display().to_string();
        assert!(found.contains(&path), "{} is not found", case.name);
    }
}

/// A plaintext, encrypted with sops in this format for these recipients.
fn encrypted(pruning: &Pruning, format: &'static str, plaintext: &str, recipients: &str) -> String {
    let config = pruning.world.tmp().join("no-rules.yaml");
    std::fs::write(&config, "{}").expect("write");
    let mut sops = pruning.world.tool_cmd("sops", ["--config"]);
    sops.arg(config);
    sops.args(["encrypt", "--age", recipients, "--input-type", format]);
    let output = if format == "binary" { "json" } else { format };
    sops.args(["--output-type", output, "--filename-override", "x"]);
    let run = pruning.world.run_with_stdin(sops, plaintext.as_bytes());
    run.assert_code(0).out().to_owned()
}

const PLAINTEXTS: [(&str, &str); 5] = [
    ("yaml", SECRET),
    ("json", "{\"a\": \"b\"}"),
    ("dotenv", "A=b\n# c\n"),
    ("ini", "[a]\nb = c\n"),
    ("binary", "any\nbytes\n"),
];

/// A generator of kustomize takes a file for what its key says, and `envs` for dotenv.
#[test]
fn every_format_is_found_under_every_name() {
    let pruning = Pruning::new("formats");
    let mut cases = Vec::new();
    for (format, plaintext) in PLAINTEXTS {
        let content = encrypted(&pruning, format, plaintext, &pruning.old);
        for name in [
            "x.yaml", "x.yml", "x.json", "x.env", "x.ini", "x.conf", "x", "x.md",
        ] {
            cases.push(Case {
                name: format!("{format}/{name}"),
                format,
                content: content.clone().into_bytes(),
            });
        }
    }
    let keys = pruning.old_key.clone();
    assert_all_keep_the_key(&pruning, &cases, &keys);
}

/// sops opens a file by the data keys in it, whatever its recipients are called.
#[test]
fn recipients_that_are_missing_or_wrong_hide_nothing() {
    let pruning = Pruning::new("recipients");
    let (_, other) = keypair(&pruning.world);
    let mut cases = Vec::new();
    for (format, plaintext) in PLAINTEXTS {
        let one = encrypted(&pruning, format, plaintext, &pruning.old);
        let two = encrypted(
            &pruning,
            format,
            plaintext,
            &format!("{other},{}", pruning.old),
        );
        for (what, text) in [
            ("other", one.replace(&pruning.old, &other)),
            ("odd", one.replace(&pruning.old, "nobody")),
            ("empty", one.replace(&pruning.old, "")),
            ("second-odd", two.replace(&other, "age1nobody")),
            ("first-odd", two.replace(&pruning.old, "ssh-nothing")),
            ("named", one.replace("recipient", "recipients")),
        ] {
            for ending in ["yaml", "conf"] {
                cases.push(Case {
                    name: format!("{format}-{what}.{ending}"),
                    format,
                    content: text.clone().into_bytes(),
                });
            }
        }
    }
    let keys = pruning.old_key.clone();
    assert_all_keep_the_key(&pruning, &cases, &keys);
}

#[test]
fn spellings_of_yaml_and_json_hide_nothing() {
    let pruning = Pruning::new("spelled");
    let yaml = encrypted(&pruning, "yaml", SECRET, &pruning.old);
    let json = encrypted(&pruning, "json", "{\"a\": \"b\"}", &pruning.old);
    let (_, other) = keypair(&pruning.world);
    let lying = yaml.replace(&pruning.old, &other);
    let rest = &pruning.old["age1".len()..];
    let wide = |text: &str, mark: &[u8], bytes: fn(u16) -> [u8; 2]| {
        [
            mark,
            &text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>(),
        ]
        .concat()
    };
    // The armor in one line, as JSON has it.
    let start = yaml.find("|\n").expect("a block");
    let end = yaml.find("-----END AGE").expect("an end");
    let body: Vec<&str> = yaml[start + 2..end].lines().map(str::trim).collect();
    let armor = format!("{}-----END AGE ENCRYPTED FILE-----\\n", body.join("\\n"));
    let after = yaml[end..].split_once('\n').expect("a line").1;
    let quoted = |armor: &str| format!("{}{armor}\n{after}", &yaml[..start]);
    let hidden = armor
        .replace(
            "AGE ENCRYPTED FILE",
            "\\u0041GE \\x45NCRYPTED FIL\\U00000045",
        )
        .replace("YWdl", "Y\\x57dl");
    let binary = STANDARD.encode(armor.replace("\\n", "\n"));
    let folded = armor.replace("AGE ENCRYPTED", "AGE\n            ENCRYPTED");
    let key = |key: &str| yaml.replace("\nsops:", &format!("\n{key}:"));
    let key_lying = |key: &str| lying.replace("\nsops:", &format!("\n{key}:"));
    let yamls: Vec<(&str, Vec<u8>)> = vec![
        (
            "escaped",
            yaml.replace("recipient: age1", "recipient: \"\\x61ge1")
                .replace(rest, &format!("{rest}\""))
                .into(),
        ),
        (
            "binary",
            yaml.replace(
                &pruning.old,
                &format!("!!binary {}", STANDARD.encode(&pruning.old)),
            )
            .into(),
        ),
        (
            "tagged",
            format!(
                "%TAG !e! tag:yaml.org,2002:\n---\n{}",
                yaml.replace(
                    &pruning.old,
                    &format!("!e!binary {}", STANDARD.encode(&pruning.old))
                )
            )
            .into(),
        ),
        ("little", wide(&yaml, b"\xff\xfe", u16::to_le_bytes)),
        ("big", wide(&lying, b"\xfe\xff", u16::to_be_bytes)),
        ("mark", format!("\u{feff}{lying}").into()),
        ("quoted-key", key_lying("\"\\x73ops\"").into()),
        ("string-key", key("!!str sops").into()),
        ("spaced-key", key_lying("sops ").into()),
        (
            "quoted",
            quoted(&format!("\"{armor}\""))
                .replace(&pruning.old, &other)
                .into(),
        ),
        (
            "hidden",
            quoted(&format!("\"{hidden}\""))
                .replace(&pruning.old, &other)
                .into(),
        ),
        (
            "armor-binary",
            quoted(&format!("!!binary {binary}"))
                .replace(&pruning.old, &other)
                .into(),
        ),
        (
            "folded",
            quoted(&format!("\"{folded}\""))
                .replace(&pruning.old, &other)
                .into(),
        ),
        ("ends", lying.replace('\n', "\r\n").into()),
        (
            "documents",
            format!("{lying}---\nb_unencrypted: c\n").into(),
        ),
        (
            "groups",
            lying
                .replace(
                    "    age:\n        - enc",
                    "    key_groups:\n      - age:\n        - enc",
                )
                .into(),
        ),
        ("upper", lying.replace("    age:", "    AGE:").into()),
    ];
    let unicode = |text: &str| text.replace("age1", "\\u0061ge1");
    let jsons: Vec<(&str, Vec<u8>)> = vec![
        ("escaped", unicode(&json).into()),
        (
            "hidden",
            json.replace(&pruning.old, &other)
                .replace("AGE ENC", "\\u0041GE\\u0020ENC")
                .into(),
        ),
        (
            "key",
            unicode(&json).replace("\"sops\"", "\"\\u0073ops\"").into(),
        ),
        (
            "behind",
            format!("{} nothing", json.replace(&pruning.old, &other)).into(),
        ),
    ];
    let mut cases = Vec::new();
    for (format, all) in [("yaml", yamls), ("json", jsons)] {
        for (what, content) in all {
            for ending in ["yaml", "json", "conf", "env"] {
                cases.push(Case {
                    name: format!("{what}-{format}.{ending}"),
                    format,
                    content: content.clone(),
                });
            }
        }
    }
    let keys = pruning.old_key.clone();
    assert_all_keep_the_key(&pruning, &cases, &keys);
}

/// ini goes on in the next line behind a backslash, even inside of a word.
#[test]
fn lines_that_go_on_in_ini_hide_nothing() {
    let pruning = Pruning::new("inilines");
    let ini = encrypted(&pruning, "ini", "[a]\nb = c\n", &pruning.old);
    let (_, other) = keypair(&pruning.world);
    let ini = ini.replace(&pruning.old, &other);
    let cases = [
        ("plain", ini.clone()),
        ("split", ini.replace("AGE ENCRYPTED", "AGE ENCRY\\\nPTED")),
        (
            "spaced",
            ini.replace("AGE ENCRYPTED", "AGE ENCRY\\ \n  PTED"),
        ),
    ];
    let cases = cases.map(|(what, text)| Case {
        name: format!("{what}.conf"),
        format: "ini",
        content: text.into_bytes(),
    });
    let keys = pruning.old_key.clone();
    assert_all_keep_the_key(&pruning, &cases, &keys);
}

/// One part of a data key opens nothing, and the file not without it.
#[test]
fn a_part_of_a_split_data_key_keeps_the_key() {
    let pruning = Pruning::new("split");
    let (other_key, other) = keypair(&pruning.world);
    let config = format!(
        "creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n      - age: [{other}]\n      - age: [{}]\n",
        pruning.old
    );
    let path = pruning.world.tmp().join("split.yaml");
    std::fs::write(&path, config).expect("write");
    let mut cases = Vec::new();
    for (format, plaintext) in [("yaml", SECRET), ("dotenv", "A=b\n")] {
        let mut sops = pruning.world.tool_cmd("sops", ["--config"]);
        sops.arg(&path)
            .args(["encrypt", "--filename-override", "x"]);
        sops.args(["--input-type", format, "--output-type", format]);
        let run = pruning.world.run_with_stdin(sops, plaintext.as_bytes());
        let text = run.assert_code(0).out();
        for (what, text) in [
            ("plain", text.to_owned()),
            ("lying", text.replace(&pruning.old, &other)),
        ] {
            cases.push(Case {
                name: format!("{what}-{format}.conf"),
                format,
                content: text.into_bytes(),
            });
        }
    }
    let keys = format!("{other_key}\n{}", pruning.old_key);
    assert_all_keep_the_key(&pruning, &cases, &keys);
}
