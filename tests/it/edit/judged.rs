//! Generated Secrets: kb refuses what the API server refuses, and nothing else.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;
use testkit::Client;

use super::Editing;
use crate::generated::cases;

/// As many as take about ten seconds on two cores.
const CASES: u64 = 24;
/// So many Secrets are in each.
const SECRETS: usize = 8;

fn choice<'c>(rng: &mut Rng, choices: &[&'c str]) -> &'c str {
    choices[rng.usize(..choices.len())]
}

/// One of the first ones mostly, which are valid.
fn mostly<'c>(rng: &mut Rng, valid: &[&'c str], others: &[&'c str]) -> &'c str {
    let choices = if rng.u8(..12) > 0 { valid } else { others };
    choice(rng, choices)
}

/// A scalar as it is written. Dates and `yes` are left out: sops changes them, and edit
/// says so.
fn text(rng: &mut Rng) -> &'static str {
    let valid = [
        "b",
        "'1'",
        "\"true\"",
        "''",
        "~",
        "null",
        "",
        "v1.2",
        "1.2.3",
        "0x",
        "1_",
        "2026-13-45",
        "0o9",
        "é",
        "'a b'",
        "+x",
        ".a",
        "a_b",
        "A",
    ];
    let others = [
        "1",
        "1.5",
        "true",
        "False",
        "0x1F",
        "1_000",
        "010",
        "0o17",
        "0b11",
        ".inf",
        "-.INF",
        ".nan",
        "1e3",
        "+1",
        "-1",
        "99999999999999999999",
        "{}",
        "{a: b}",
        "[]",
        "[a]",
        "!!float 1",
    ];
    mostly(rng, &valid, &others)
}

fn base64(rng: &mut Rng) -> &'static str {
    let valid = [
        "aGk=",
        "YQ==",
        "YR==",
        "''",
        "~",
        "",
        "e30=",
        "bnVsbA==",
        "W10=",
        "\"aG\\nk=\"",
        "YWJj",
        "|\n    aG\n    k=",
        ">-\n    aGk=",
    ];
    let others = [
        "aGk",
        "YQ=",
        "a",
        "'aG k='",
        "aGk=YQ==",
        "_-8=",
        "1234",
        "12345",
        "true",
        "{a: b}",
        "====",
        "aGk==",
        "\"aGk=\\t\"",
        "é",
    ];
    mostly(rng, &valid, &others)
}

fn key(rng: &mut Rng) -> &'static str {
    let valid = [
        "a",
        "_",
        "-x",
        "tls.crt",
        "tls.key",
        ".dockerconfigjson",
        ".dockercfg",
        "username",
        "password",
        "ssh-privatekey",
        "A.b-C_d",
        ".a",
        "'9'",
    ];
    let others = [
        "'a b'", "..", "..a", "'.'", "a/b", "é", "\"\"", "'a\\b'", "a..b", "$x",
    ];
    mostly(rng, &valid, &others)
}

fn label_key(rng: &mut Rng) -> &'static str {
    let valid = ["a", "a.b/C_d", "app.kubernetes.io/name", "A", "'1'", "a-b"];
    let others = [
        "A.b/c", "a/b/c", "/a", "a/", "-a", "a_", "'a b'", "\"\"", "é", "K", "a..b/c",
    ];
    mostly(rng, &valid, &others)
}

/// Entries of a mapping, each key once.
fn entries(
    rng: &mut Rng,
    margin: &str,
    count: usize,
    key: fn(&mut Rng) -> &'static str,
    value: fn(&mut Rng) -> &'static str,
) -> String {
    let keys: BTreeSet<&str> = (0..count).map(|_| key(rng)).collect();
    let lines = keys.iter().map(|key| {
        let value = value(rng).replace("\n    ", &format!("\n{margin}  "));
        format!("{margin}{key}: {value}\n")
    });
    lines.collect()
}

fn long(rng: &mut Rng, text: &str) -> String {
    let length = [62, 63, 64, 252, 253, 254][rng.usize(..6)];
    let text = text.trim_matches(['\'', '"']);
    if rng.u8(..30) == 0 && !text.is_empty() {
        let head: String = text
            .chars()
            .take(1)
            .filter(char::is_ascii_lowercase)
            .collect();
        "a".repeat(length - head.len()) + &head
    } else {
        String::new()
    }
}

/// Valid names end in the number: kb refuses a Secret that is in a file twice.
fn metadata(rng: &mut Rng, number: usize) -> String {
    let names = ["db", "a.b-c", "0", "x"];
    let bad = [
        "Db", "a_b", "-a", "a.", "a..b", "''", "1", "true", "~", "é", "a-.b", "1.5",
    ];
    let name = mostly(rng, &names, &bad);
    let name = match long(rng, name) {
        long if !long.is_empty() => format!("{}{number}", &long[1..]),
        _ if name == "0" => format!("'0{number}'"),
        _ if names.contains(&name) => format!("{name}{number}"),
        _ => name.to_owned(),
    };
    let mut fields = vec![format!("  name: {name}\n")];
    if rng.u8(..40) == 0 {
        fields.clear();
    }
    if rng.u8(..3) == 0 {
        let namespace = mostly(
            rng,
            &["default", "''", "~"],
            &["Default", "a.b", "'-'", "1"],
        );
        fields.push(format!("  namespace: {namespace}\n"));
    }
    if rng.u8(..6) == 0 {
        let beginning = mostly(
            rng,
            &["a-", "a", "''", "a--"],
            &["A", "'-'", "a_", "é-", "a.-"],
        );
        fields.push(format!("  generateName: {beginning}\n"));
    }
    for section in ["labels", "annotations"] {
        match rng.u8(..8) {
            0 => {
                let value = mostly(rng, &["{}", "~", ""], &["[]", "a", "1"]);
                fields.push(format!("  {section}: {value}\n"));
            }
            1..4 => {
                let count = 1 + rng.usize(..2);
                let lines = entries(rng, "    ", count, label_key, text);
                fields.push(format!("  {section}:\n{lines}"));
            }
            _ => {}
        }
    }
    if rng.u8(..8) == 0 {
        let valid = [
            "finalizers: [orphan]",
            "finalizers: [a.b/c, kubernetes]",
            "creationTimestamp: ~",
            "creationTimestamp: '2026-01-01T00:00:00Z'",
            "generation: 1",
            "selfLink: a",
            "ownerReferences: []",
            "ownerReferences: [{apiVersion: v1, kind: Pod, name: a, uid: b}]",
            "ownerReferences: [{apiVersion: a/v1, kind: B, name: a, uid: b, controller: true}]",
        ];
        let others = [
            "finalizers: [a]",
            "finalizers: [orphan, foregroundDeletion]",
            "finalizers: {}",
            "finalizers: [1]",
            "creationTimestamp: a",
            "generation: -1",
            "generation: a",
            "label: {}",
            "Name: a",
            "generatename: a",
            "ownerReferences: [{apiVersion: v1, kind: Pod, name: a}]",
            "ownerReferences: [{apiVersion: a/b/c, kind: Pod, name: a, uid: b}]",
            "ownerReferences: [{apiVersion: v1, kind: Event, name: a, uid: b}]",
            "ownerReferences: [{apiVersion: v1, kind: Pod, name: a, uid: b, controllers: true}]",
            "ownerReferences: [{apiVersion: v1, kind: Pod, name: a, uid: b, controller: 'true'}]",
        ];
        fields.push(format!("  {}\n", mostly(rng, &valid, &others)));
    }
    rng.shuffle(&mut fields);
    if fields.is_empty() {
        return "metadata: {}\n".to_owned();
    }
    format!("metadata:\n{}", fields.concat())
}

fn secret(rng: &mut Rng, number: usize) -> String {
    let mut fields = vec![metadata(rng, number)];
    // Without a value there is nothing to encrypt.
    let first = rng.usize(..2);
    for (number, section) in ["data", "stringData"].into_iter().enumerate() {
        let count = rng.usize(..4).max(usize::from(number == first));
        let value = if section == "data" { base64 } else { text };
        match rng.u8(..30) {
            0 if number != first => {
                let value = mostly(rng, &["{}", "~", ""], &["[]", "a", "1"]);
                fields.push(format!("{section}: {value}\n"));
            }
            _ if count == 0 => {}
            _ => {
                let lines = entries(rng, "  ", count, key, value);
                fields.push(format!("{section}:\n{lines}"));
            }
        }
    }
    if rng.u8(..3) == 0 {
        let kinds = [
            "Opaque",
            "x/y",
            "''",
            "~",
            "kubernetes.io/tls",
            "kubernetes.io/dockercfg",
            "kubernetes.io/dockerconfigjson",
            "kubernetes.io/basic-auth",
            "kubernetes.io/ssh-auth",
            "kubernetes.io/service-account-token",
        ];
        let kind = mostly(rng, &kinds, &["1", "true", "[]"]);
        fields.push(format!("type: {kind}\n"));
    }
    if rng.u8(..6) == 0 {
        let value = mostly(rng, &["true", "false", "~"], &["'true'", "1", "yes", "[]"]);
        fields.push(format!("immutable: {value}\n"));
    }
    if rng.u8(..20) == 0 {
        let field = choice(
            rng,
            &["stringdata: {}", "spec: ~", "Data: {a: aGk=}", "status: {}"],
        );
        fields.push(format!("{field}\n"));
    }
    rng.shuffle(&mut fields);
    format!("apiVersion: v1\nkind: Secret\n{}", fields.concat())
}

/// The Secrets as documents or as the items of a list, with the first line of each.
fn file(secrets: &[&String], as_list: Option<&str>) -> (String, Vec<usize>) {
    let mut file = as_list.map_or_else(String::new, |kind| {
        format!("apiVersion: v1\nkind: {kind}\nitems:\n")
    });
    let mut starts = Vec::new();
    for secret in secrets {
        if as_list.is_none() {
            file.push_str("---\n");
        }
        starts.push(file.matches('\n').count() + 1);
        if as_list.is_some() {
            let item = secret.trim_end_matches('\n').replace('\n', "\n  ");
            file.push_str(&format!("- {item}\n"));
        } else {
            file.push_str(secret);
        }
    }
    (file, starts)
}

impl Editing {
    /// Whether the API server takes each of the Secrets that sops reads in this file,
    /// created and by server-side apply.
    fn taken(&self, client: &Client, name: &str, secrets: &[String]) -> Vec<bool> {
        let all: Vec<&String> = secrets.iter().collect();
        self.encrypt(name, &file(&all, None).0);
        let plaintext = self.plaintext(name);
        std::fs::remove_file(self.world.path(name)).expect("removed");
        let documents: Vec<&str> = plaintext.split("\n---\n").collect();
        assert_eq!(documents.len(), secrets.len(), "{plaintext}");
        let query = "dryRun=All&fieldValidation=Strict";
        let path = "/api/v1/namespaces/default/secrets";
        let is_taken = |document: &&str| {
            let (status, answer) = client.post_yaml(&format!("{path}?{query}"), document);
            assert!(
                [201, 400, 422].contains(&status),
                "{status} {answer}\n{document}"
            );
            let name = answer["metadata"]["name"].as_str();
            status == 201 && {
                let name = name.expect("a name");
                let query = format!("{query}&fieldManager=kb&force=true");
                let (status, answer) =
                    client.apply_yaml(&format!("{path}/{name}?{query}"), document);
                // What has only a generateName can be created, and not applied.
                let message = answer["message"].as_str().unwrap_or_default();
                let is_nameless = message.contains("name must be provided");
                assert!(
                    [200, 201].contains(&status) || is_nameless,
                    "created, not applied: {answer}\n{document}"
                );
                !is_nameless
            }
        };
        documents.iter().map(is_taken).collect()
    }

    /// Which of the Secrets kb refuses, when they are typed into a file.
    fn refused(&self, name: &str, secrets: &[String], as_list: Option<&str>) -> BTreeSet<usize> {
        let mut refused = BTreeSet::new();
        loop {
            let left: Vec<usize> = (0..secrets.len())
                .filter(|it| !refused.contains(it))
                .collect();
            let texts: Vec<&String> = left.iter().map(|it| &secrets[*it]).collect();
            if texts.is_empty() {
                return refused;
            }
            let (file, starts) = file(&texts, as_list);
            std::fs::write(self.world.tmp().join(name), &file).expect("write");
            let run = self.edit(&[name]);
            if run.code == Some(0) {
                std::fs::remove_file(self.world.path(name)).expect("removed");
                return refused;
            }
            let said = run.err().rsplit("error: ").next().expect("an error");
            let lines = said
                .split("line ")
                .skip(1)
                .filter_map(|rest| rest.split(',').next());
            let lines: Vec<usize> = lines.filter_map(|line| line.parse().ok()).collect();
            assert!(!lines.is_empty(), "{file}\n{}", run.err());
            let behind = |line: usize| starts.partition_point(|start| *start <= line);
            refused.extend(lines.into_iter().map(|line| left[behind(line) - 1]));
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "shown where it fails")]
fn generated_secrets_are_refused_where_the_api_server_refuses_them() {
    let mut editing = Editing::new("judged");
    let tmp = editing.world.tmp();
    let tmp = tmp.display();
    editing.editor(&format!(
        "typed={tmp}/$(basename \"$1\"); [ ! -e \"$typed\" ] || mv \"$typed\" \"$1\""
    ));
    let client = editing
        .cluster
        .client_with_token(editing.cluster.admin_token());
    let (taken, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    cases(CASES, |rng, worker| {
        let secrets: Vec<String> = (0..SECRETS).map(|number| secret(rng, number)).collect();
        let name = format!("w{worker}-secret.yaml");
        let is_taken = editing.taken(&client, &name, &secrets);
        let as_list = [None, None, Some("List"), Some("SecretList")][rng.usize(..4)];
        let is_refused = editing.refused(&name, &secrets, as_list);
        for (number, secret) in secrets.iter().enumerate() {
            let by_server = !is_taken[number];
            let by_kb = is_refused.contains(&number);
            let count = if by_server { &refused } else { &taken };
            count.fetch_add(1, Ordering::Relaxed);
            assert_eq!(by_kb, by_server, "kb refuses it: {by_kb}\n{secret}");
        }
    });
    let (taken, refused) = (taken.into_inner(), refused.into_inner());
    println!("{taken} Secrets taken, {refused} refused");
    assert!(taken > 0 && refused > 0);
}
