//! Generated manifests: kb calls a Secret what kubectl calls a Secret.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;
use testkit::Tools;

use super::{Repository, bare_world};
use crate::Setup;
use crate::generated::cases;

/// As many as take about ten seconds on two cores.
const CASES: u64 = 24;
/// A second `kind`.
const DOUBLED: &str = "kind:   ";
/// So many files are in each.
const FILES: usize = 30;

/// One file, and how it was made.
struct Manifest {
    name: String,
    content: Vec<u8>,
    /// Whether `kind` stands twice in an object.
    is_doubled: bool,
}

fn choice<'c>(rng: &mut Rng, choices: &[&'c str]) -> &'c str {
    choices[rng.usize(..choices.len())]
}

/// A key in block style: with its colon.
fn key(rng: &mut Rng, name: &str) -> String {
    let escaped = format!("\"\\x{:02x}{}\":", name.as_bytes()[0], &name[1..]);
    match rng.u8(..8) {
        0 => format!("\"{name}\":"),
        1 => format!("'{name}':"),
        2 => escaped,
        _ => format!("{name}:"),
    }
}

/// A text in block style, behind a key at this depth.
fn value(rng: &mut Rng, text: &str, depth: usize) -> String {
    let deeper = " ".repeat(depth + 3);
    let (head, tail) = text.split_at(text.len() / 2);
    match rng.u8(..14) {
        0 => format!(" '{text}'"),
        1 => format!(" \"{text}\""),
        2 => format!("\n{deeper}{text}"),
        3 => format!(" # a comment\n{deeper}{text}"),
        4 => format!(" |-\n{deeper}{text}"),
        5 => format!(" >-\n{deeper}{text}"),
        6 => format!(" !!str {text}"),
        7 => format!(" \"{head}\\\n{deeper}{tail}\""),
        8 => format!(
            " \"{head}\\u{:04x}{}\"",
            u32::from(tail.as_bytes()[0]),
            &tail[1..]
        ),
        9 => format!(" &a{} {text}", rng.u32(..)),
        10 => format!(" {text} # why"),
        11 => format!(" \"\\x{:02x}{}\"", text.as_bytes()[0], &text[1..]),
        _ => format!(" {text}"),
    }
}

/// The fields of an object that is of this kind.
fn head(rng: &mut Rng) -> (String, String) {
    let kinds = [
        "Secret",
        "Secret",
        "Secret",
        "ConfigMap",
        "secret",
        "SecretList",
        "Secrets",
    ];
    let versions = ["v1", "v1", "v1", "v1", "/v1", "v2", "example.org/v1", "V1"];
    (
        choice(rng, &kinds).to_owned(),
        choice(rng, &versions).to_owned(),
    )
}

fn yaml(rng: &mut Rng, name: &str, depth: usize, lists: usize) -> String {
    let margin = " ".repeat(depth);
    if lists > 0 {
        let kind = choice(rng, &["List", "List", "SecretList", "ConfigMapList"]);
        let items = (0..1 + rng.usize(..2)).map(|number| {
            let inner = yaml(rng, &format!("{name}-{number}"), depth + 2, lists - 1);
            format!("{margin}- {}", inner.trim_start())
        });
        let items: String = items.collect();
        return format!("{margin}apiVersion: v1\n{margin}kind: {kind}\n{margin}items:\n{items}");
    }
    let (kind, version) = head(rng);
    let mut lines = vec![
        format!(
            "{margin}{}{}\n",
            key(rng, "apiVersion"),
            value(rng, &version, depth)
        ),
        format!("{margin}{}{}\n", key(rng, "kind"), value(rng, &kind, depth)),
        format!("{margin}metadata:\n{margin}  name: {name}\n"),
        format!(
            "{margin}{}:\n{margin}  password: hunter2\n",
            choice(rng, &["stringData", "data", "stringdata"])
        ),
    ];
    if rng.u8(..10) == 0 {
        lines.push(format!(
            "{margin}{DOUBLED}{}\n",
            choice(rng, &["Secret", "ConfigMap"])
        ));
    }
    if rng.u8(..10) == 0 {
        lines[0] =
            format!("{margin}extra: &x{depth} {{apiVersion: {version}}}\n{margin}<<: *x{depth}\n");
    }
    rng.shuffle(&mut lines[1..]);
    lines.concat()
}

fn json(rng: &mut Rng, name: &str, lists: usize) -> serde_json::Value {
    if lists > 0 {
        let items =
            (0..1 + rng.usize(..2)).map(|number| json(rng, &format!("{name}-{number}"), lists - 1));
        let items: Vec<_> = items.collect();
        let kind = choice(rng, &["List", "SecretList"]);
        return serde_json::json!({"apiVersion": "v1", "kind": kind, "items": items});
    }
    let (kind, version) = head(rng);
    serde_json::json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "stringData": {"password": "hunter2"}})
}

fn json_text(rng: &mut Rng, value: &serde_json::Value) -> String {
    let text = if rng.bool() {
        value.to_string()
    } else {
        serde_json::to_string_pretty(value).expect("JSON")
    };
    match rng.u8(..4) {
        0 => text.replace("\"Secret", "\"\\u0053ecret"),
        1 => text.replace("\"kind\"", "\"\\u006bind\""),
        _ => text,
    }
}

fn manifest(rng: &mut Rng, number: usize) -> Manifest {
    let ending = choice(
        rng,
        &[".yaml", ".yml", ".json", ".yaml.bak", ".txt", "~", ""],
    );
    let name = format!("f{number}{ending}");
    let documents = 1 + rng.usize(..3);
    let lists = [0, 0, 1, 2][rng.usize(..4)];
    let mut text = String::new();
    if rng.bool() {
        for document in 0..documents {
            let separator = choice(
                rng,
                &["---\n", "--- # next\n", "---\n# only a comment\n---\n"],
            );
            if document > 0 || rng.bool() {
                text.push_str(separator);
            }
            text.push_str(&yaml(rng, &format!("s{number}-{document}"), 0, lists));
        }
    } else {
        for document in 0..documents {
            let value = json(rng, &format!("s{number}-{document}"), lists);
            text.push_str(&json_text(rng, &value));
            text.push_str(choice(rng, &["\n", " ", ""]));
        }
    }
    if rng.u8(..6) == 0 {
        text = text.replace('\n', "\r\n");
    }
    let wide = |mark: [u8; 2], unit: fn(u16) -> [u8; 2]| {
        let units = text.encode_utf16().flat_map(unit);
        mark.into_iter().chain(units).collect()
    };
    let content = match rng.u8(..8) {
        0 => wide([0xff, 0xfe], u16::to_le_bytes),
        1 => wide([0xfe, 0xff], u16::to_be_bytes),
        2 => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        _ => text.clone().into_bytes(),
    };
    Manifest {
        name,
        content,
        is_doubled: text.contains(DOUBLED),
    }
}

/// The numbers of the files in which kubectl sees a Secret.
fn secrets_of_kubectl(printed: &str) -> BTreeSet<String> {
    let objects = serde_json::Deserializer::from_str(printed).into_iter::<serde_json::Value>();
    let objects = objects.map(|object| object.expect("JSON"));
    let secrets = objects.filter(|object| object["kind"] == "Secret");
    let name = |object: serde_json::Value| {
        object["metadata"]["name"]
            .as_str()
            .expect("a name")
            .to_owned()
    };
    secrets
        .map(|secret| {
            name(secret)
                .trim_start_matches('s')
                .split('-')
                .next()
                .expect("a number")
                .to_owned()
        })
        .collect()
}

#[test]
#[expect(clippy::print_stdout, reason = "shown where it fails")]
fn kb_calls_a_secret_what_kubectl_calls_a_secret() {
    let setup = Setup::new("differential");
    let kubectl = Tools::get().kubectl();
    let repository = Repository::with_rules(&["encrypted_regex: ^(data|stringData)$"]);
    let world = bare_world();
    world.kubeconfig(&setup.cluster.kubeconfig().to_yaml());
    let (seen, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let numbers = AtomicUsize::new(0);
    let create = || {
        let options = [
            "create",
            "--dry-run=client",
            "--validate=false",
            "-o",
            "json",
        ];
        world.tool_cmd(kubectl.to_str().expect("UTF-8"), options)
    };
    cases(CASES, |rng, _| {
        let directory = format!("case{}", numbers.fetch_add(1, Ordering::Relaxed));
        let files: Vec<Manifest> = (0..FILES).map(|number| manifest(rng, number)).collect();
        let mut command = world.tool_cmd(
            kubectl.to_str().expect("UTF-8"),
            [
                "create",
                "--dry-run=client",
                "--validate=false",
                "-o",
                "json",
            ],
        );
        for file in &files {
            let path = repository
                .world
                .write(format!("{directory}/{}", file.name), &file.content);
            command.arg("-f").arg(path);
        }
        let judged = world.run(command);
        let secrets = secrets_of_kubectl(judged.out());
        let run = repository.check(&[&directory, "-o", "json"]);
        let found: serde_json::Value = serde_json::from_str(run.out()).expect("JSON");
        for (number, file) in files.iter().enumerate() {
            let path = format!("{directory}/{}", file.name);
            let problems = found["problems"].as_array().expect("a list").iter();
            let mut mine =
                problems.filter(|it| it["subject"].as_str().expect("a path").ends_with(&path));
            let is_found = mine.next().is_some();
            // Of two kinds kubectl takes the last one, and kustomize none.
            let is_doubled = file.is_doubled;
            let is_secret = secrets.contains(&number.to_string());
            seen.fetch_add(usize::from(is_secret), Ordering::Relaxed);
            let mut is_same = is_found == is_secret || is_found && is_doubled;
            if !is_same && is_found {
                // What kubectl does not read to its end may hold more.
                let mut alone = create();
                alone.arg("-f").arg(repository.world.path(&path));
                is_same = world.run(alone).code != Some(0);
                refused.fetch_add(1, Ordering::Relaxed);
            }
            assert!(
                is_same,
                "kubectl: {is_secret}, kb: {is_found}\n{}: {}\n{}",
                file.name,
                String::from_utf8_lossy(&file.content),
                judged.err()
            );
        }
        std::fs::remove_dir_all(repository.world.path(&directory)).expect("removed");
    });
    let (seen, refused) = (seen.into_inner(), refused.into_inner());
    println!("{seen} files with a Secret, {refused} that kubectl refuses in part");
    assert!(seen > 0);
}
