//! Who may read a file by its rule: as kb reads the rule, and as sops encrypts by it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use fastrand::Rng;
use kb::core::readers::{Reader, Readers};
use kb::core::sops_config::{CreationRule, SopsConfig};
use serde_json::Value;
use testkit::World;

use crate::generated::cases;
use crate::rule_matching::rule_for;
use crate::{bare_world, keypair, post_quantum_keypair};

/// Keys that sops can encrypt for on this machine, and a server that does what Vault
/// does for it.
struct Keys {
    age: [String; 3],
    post_quantum: String,
    ssh: String,
    fingerprints: [String; 2],
    vault: String,
}

impl Keys {
    fn new(world: &World) -> Self {
        let path = world.write_home("key/x", "").with_file_name("id");
        let path = path.to_str().expect("UTF-8");
        let arguments = [
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            "alice@laptop",
            "-f",
            path,
        ];
        world.tool("ssh-keygen", arguments).assert_code(0);
        let ssh = std::fs::read_to_string(format!("{path}.pub")).expect("a key");
        Self {
            age: [(); 3].map(|()| keypair(world).1),
            post_quantum: post_quantum_keypair(world).1,
            ssh: ssh.trim().to_owned(),
            fingerprints: ["a@example.org", "b@example.org"].map(|name| pgp_key(world, name)),
            vault: vault(),
        }
    }

    /// Puts the keys into a text that names them.
    fn put_into(&self, text: &str) -> String {
        let [k, l, m] = &self.age;
        let [f, g] = &self.fingerprints;
        let spaced: Vec<&str> = (0..f.len()).step_by(4).map(|at| &f[at..at + 4]).collect();
        [
            ("KEY1", k.as_str()),
            ("KEY2", l),
            ("KEY3", m),
            ("PQ", &self.post_quantum),
            ("SSH", &self.ssh),
            ("FP1", f),
            ("FP2", g),
            ("FPLOWER", &f.to_lowercase()),
            ("FPSPACED", &spaced.join(" ")),
            ("VAULT", &self.vault),
        ]
        .iter()
        .rev()
        .fold(text.to_owned(), |text, (name, key)| text.replace(name, key))
    }
}

fn pgp_key(world: &World, name: &str) -> String {
    let gpg = |arguments: &[&str]| {
        let run = world.tool("gpg", [&["--batch", "--quiet"], arguments].concat());
        run.assert_code(0).out().to_owned()
    };
    let options = ["--passphrase", "", "--quick-generate-key"];
    gpg(&[&options, &[name, "rsa2048", "encrypt", "never"][..]].concat());
    let listed = gpg(&["--list-keys", "--with-colons", name]);
    let line = listed.lines().find_map(|line| line.strip_prefix("fpr:"));
    line.expect("a key").trim_matches(':').to_owned()
}

/// Answers each request as Vault answers one to encrypt.
fn vault() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            thread::spawn(move || {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let body = r#"{"data":{"ciphertext":"vault:v1:AAAA"}}"#;
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
                let length = body.len();
                let answer = format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}");
                let _ = stream.write_all(answer.as_bytes());
            });
        }
    });
    format!("http://{address}")
}

/// What sops makes of a new file; `None` if it encrypts nothing.
fn by_sops(world: &World, folder: &str) -> Option<Value> {
    let arguments = [
        "encrypt",
        "--filename-override",
        "x.json",
        "--input-type",
        "json",
    ];
    let mut command = world.tool_cmd("sops", arguments);
    let directory = world.path(folder);
    command.current_dir(&directory).env("PWD", &directory);
    command.env("VAULT_TOKEN", "of-a-person");
    let run = world.run_with_stdin(command, b"{\"data\": \"b\"}");
    if run.code != Some(0) {
        return None;
    }
    let file: Value = serde_json::from_str(run.out()).expect("JSON");
    Some(file["sops"].clone())
}

/// The readers that the metadata of a file names.
fn readers(sops: &Value) -> Readers {
    let group = |group: &Value| {
        let list = |name: &str| group[name].as_array().cloned().unwrap_or_default();
        let text = |value: &Value, name: &str| value[name].as_str().expect(name).to_owned();
        let age = list("age").into_iter();
        let age = age.map(|key| Reader::age(&text(&key, "recipient")));
        let pgp = list("pgp").into_iter();
        let pgp = pgp.map(|key| Reader::pgp(&text(&key, "fp")));
        let vault = list("hc_vault").into_iter();
        let vault = vault.map(|key| Reader::Vault {
            address: text(&key, "vault_address"),
            engine: text(&key, "engine_path"),
            key: text(&key, "key_name"),
        });
        age.chain(pgp).chain(vault).collect::<Vec<_>>()
    };
    let groups = match sops["key_groups"].as_array() {
        Some(groups) => groups.iter().map(group).collect(),
        None => vec![group(sops)],
    };
    Readers {
        groups,
        threshold: sops["shamir_threshold"].as_u64(),
    }
}

/// Compares a config with what sops makes of it. Whether they encrypt by it.
#[track_caller]
fn compare(world: &World, folder: &str, text: &str) -> bool {
    let path = world.write(format!("{folder}/.sops.yaml"), text);
    let config = SopsConfig::load(&path);
    let rule = config.as_ref().ok().and_then(|config| {
        config.check_form().ok()?;
        let rule = rule_for(
            config,
            &world.path(folder),
            &world.path(folder).join("x.json"),
        );
        rule.filter(|rule| can_encrypt(rule))
    });
    let sops = by_sops(world, folder);
    let (Some(rule), Some(sops)) = (rule, &sops) else {
        assert_eq!(
            (rule.is_some(), sops.is_some()),
            (false, false),
            "kb or sops alone takes\n{text}{config:?}"
        );
        return false;
    };
    let file = readers(sops);
    let difference = rule.readers.compare(&file, &[]);
    assert!(difference.is_empty(), "{difference:?}\n{sops:#}\n{text}");
    let mac_only = sops["mac_only_encrypted"] == true;
    assert_eq!(rule.mac_only_encrypted, mac_only, "{text}");
    let selection = rule.selection_fields.iter();
    let selection: Vec<(&str, &str)> = selection.map(|(name, text)| (*name, &**text)).collect();
    let in_file = sops.as_object().expect("metadata").iter();
    let in_file = in_file.filter(|(name, _)| name.ends_with("_regex") || name.ends_with("_suffix"));
    let in_file = in_file.map(|(name, text)| (&**name, text.as_str().expect("a text")));
    // Where a rule says nothing, the file says what that means.
    let in_file: Vec<(&str, &str)> = in_file
        .filter(|said| !selection.is_empty() || *said != ("unencrypted_suffix", "_unencrypted"))
        .collect();
    assert_eq!(selection, in_file, "{text}");
    true
}

fn can_encrypt(rule: &CreationRule) -> bool {
    !rule.has_no_key() && !rule.age.iter().any(|key| key.is_placeholder())
}

const RULES: &[&str] = &[
    "age: KEY1",
    "age: KEY1,KEY2",
    "age: ' KEY1 , KEY2,'",
    "age: >-\n      KEY1,\n      KEY2\n",
    "age: [KEY1, ' KEY2 ', KEY1]",
    "age: [\"KEY1,KEY2\", KEY3]",
    "age: ['', KEY1]",
    "age: ['']\n    pgp: FP1",
    "age: ['KEY1,']",
    "age: [KEY1, ~]",
    "age: [KEY1, 5]",
    "age: 5",
    "age: {a: b}",
    "age: ~",
    "age: <key>",
    "age: [KEY1, <key>]",
    "age: SSH",
    "age: [SSH, KEY1]",
    "age: PQ",
    "age: KEY1\n    pgp: FP1",
    "pgp: FP1,FP2",
    "pgp: [FP1, 'FP2']",
    "pgp: FPSPACED",
    "pgp: FPLOWER",
    "hc_vault_transit_uri: VAULT/v1/sops/keys/first",
    "hc_vault_transit_uri: VAULT/v1/sops/keys/first/",
    "hc_vault_transit_uri: [VAULT/v1/a/b/keys/first, VAULT/v2/sops/keys/second]",
    "hc_vault_transit_uri: VAULT/v1/sops/encrypt/first",
    "hc_vault_transit_uri: VAULT/prefix/v1/sops/keys/first",
    "hc_vault_transit_uri: VAULT/v1/first",
    "hc_vault_transit_uri: vault.example.com/v1/sops/keys/first",
    "azure_keyvault: https://team.vault.azure.net/secrets/sops",
    "hckms: [nonsense]",
    "hckms: nonsense",
    "key_groups:\n      - age: [KEY1]\n        pgp: [FP1]\n        hc_vault: [VAULT/v1/sops/keys/first]",
    "key_groups:\n      - age: [KEY1]\n      - pgp: [FP1]",
    "key_groups:\n      - age: [KEY1]\n      - age: [KEY2]\n      - age: [KEY3]\n    shamir_threshold: 2",
    "key_groups:\n      - age: [KEY1]\n      - age: [KEY2]\n    shamir_threshold: 2.0",
    "key_groups:\n      - age: [KEY1]\n      - age: [KEY2]\n    shamir_threshold: 1",
    "key_groups:\n      - age: [KEY1]\n      - age: [KEY2]\n    shamir_threshold: 3",
    "key_groups:\n      - age: [KEY1]\n      - age: [KEY2]\n    shamir_threshold: -1",
    "key_groups:\n      - age: [KEY1]\n      - age: [KEY2]\n    shamir_threshold: two",
    "key_groups:\n      - age: [KEY1]\n    shamir_threshold: 5",
    "key_groups:\n      - age: [KEY1]\n      - age: []",
    "key_groups:\n      - age: [KEY1]\n      -",
    "key_groups:\n      - age: [KEY1, ~, 'KEY2,KEY3']",
    "key_groups:\n      - age: KEY1",
    "key_groups: {age: [KEY1]}",
    "key_groups: []\n    age: KEY1",
    "key_groups: [~]\n    age: KEY1",
    "key_groups:\n      - age: [KEY1]\n    age: KEY2",
    "key_groups:\n      - merge:\n          - age: [KEY1]\n          - age: [KEY2]\n            pgp: [FP1]\n        age: [KEY1]",
    "key_groups:\n      - merge: {age: [KEY1]}",
    "key_groups:\n      - hc_vault_transit_uri: VAULT/v1/sops/keys/first\n        age: [KEY1]",
    "key_groups:\n      - azure_keyvault: [https://x]\n        age: [KEY1]",
    "age: KEY1\n    encrypted_regex: ^data$",
    "age: KEY1\n    encrypted_regex: 5",
    "age: KEY1\n    encrypted_regex: ''\n    encrypted_suffix: a",
    "age: KEY1\n    encrypted_regex: a\n    unencrypted_comment_regex: b",
    "age: KEY1\n    unencrypted_suffix: _plain\n    mac_only_encrypted: yes",
    "age: KEY1\n    mac_only_encrypted: 'true'",
    "age: KEY1\n    mac_only_encrypted: ~",
    "age: KEY1\n    mac_only_encrypted: On",
    "age: KEY1\n    path_regex: ''",
    "age: KEY1\n    path_regex: json",
    "age: KEY1\n    path_regex: yaml",
    "age: KEY1\n    path_regex: [a]",
    "age: KEY1\n    path_regex: '('",
    "age: KEY1\n    path_regex: !!binary anNvbg==",
    "'age': KEY1\n    unknown: {a: [b]}",
    "age: KEY1\n    age: KEY2",
    "<<: {age: KEY1, pgp: FP1}\n    age: KEY2",
    "<<: [{age: KEY1}, {age: KEY2, pgp: FP1}]",
    "<<: 5\n    age: KEY1",
    "\"<<\": 5\n    age: KEY1",
    "<<: {<<: {age: KEY1}}",
];

#[test]
fn a_rule_names_the_readers_that_sops_encrypts_for() {
    let world = bare_world();
    let keys = Keys::new(&world);
    let encrypted = RULES.iter().filter(|rule| {
        let text = format!("creation_rules:\n  - {rule}\n");
        compare(&world, "r", &keys.put_into(&text))
    });
    assert!(encrypted.count() > RULES.len() / 2);
    for text in [
        "",
        "# nothing\n",
        "creation_rules:\n",
        "creation_rules:\n  -\n",
        "creation_rules:\n  -\n  - age: KEY1\n",
        "creation_rules:\n  - text\n",
        "creation_rules: {age: KEY1}\n",
        "creation_rules: &r\n  - &a\n    age: &k KEY1\n  - path_regex: x\n    age: *k\n",
        "k: &k [KEY1, KEY2]\ncreation_rules:\n  - age: *k\n",
        "d: &d {age: KEY1}\ncreation_rules:\n  - <<: *d\n    pgp: FP1\n",
        "d: &d {path_regex: nowhere, age: KEY1}\ncreation_rules:\n  - *d\n  - <<: *d\n    path_regex: x\n",
        "x: {a: 1, a: 2}\ncreation_rules:\n  - age: KEY1\n",
        "creation_rules:\n  - age: KEY1\n---\ncreation_rules:\n  - age: KEY2\n",
        "creation_rules:\n  - age: KEY1\n---\n- [\n\t@ *nowhere\n",
        "creation_rules:\n  - age: KEY1\n---\n",
        "---\ncreation_rules:\n  - age: KEY1\n...\n",
        "---\n---\ncreation_rules:\n  - age: KEY1\n",
        "%YAML 1.1\n---\ncreation_rules:\n  - age: KEY1\n",
        "%YAML 1.2\n---\ncreation_rules:\n  - age: KEY1\n",
        "{\"creation_rules\": [{\"age\": \"KEY1\"}]}\n",
        "creation_rules:\n  - path_regex: '('\n    age: KEY1\n  - age: KEY2\n",
        "creation_rules:\n  - path_regex: json\n    age: KEY1\n  - path_regex: '('\n    age: KEY2\n",
        "creation_rules:\n  - path_regex: json\n    age: KEY1\n  - age: nonsense\n",
        "creation_rules:\n  - path_regex: json\n    age: KEY1\n  - key_groups: nonsense\n",
        "creation_rules:\n  - age: KEY1\ndestination_rules:\n  - recreation_rule: {age: 5}\n",
        "creation_rules:\n  - age: KEY1\ndestination_rules:\n  - recreation_rule: {key_groups: 5}\n",
    ] {
        compare(&world, "r", &keys.put_into(text));
    }
}

/// UTF-16 is what a shell of Windows writes.
#[test]
fn a_config_in_another_encoding_names_the_same_readers() {
    let world = bare_world();
    let (_, key) = keypair(&world);
    let text = format!("creation_rules:\n  - age: {key} # é\n");
    let units = || text.encode_utf16();
    let low: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
    let high: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
    for bytes in [
        [&b"\xef\xbb\xbf"[..], text.as_bytes()].concat(),
        [&b"\xff\xfe"[..], &low].concat(),
        [&b"\xfe\xff"[..], &high].concat(),
    ] {
        let path = world.write("e/.sops.yaml", &bytes);
        let config = SopsConfig::load(&path).expect("a config");
        let sops = by_sops(&world, "e").expect("encrypted");
        let readers = readers(&sops);
        assert!(config.rules[0].readers.compare(&readers, &[]).is_empty());
    }
}

#[test]
fn generated_key_groups_name_the_readers_that_sops_encrypts_for() {
    let world = bare_world();
    let keys = Keys::new(&world);
    cases(40, |rng, worker| {
        let rule = generated_rule(rng);
        let text = keys.put_into(&format!("creation_rules:\n  - {rule}\n"));
        compare(&world, &format!("g{worker}"), &text);
    });
}

/// A rule with key groups in one style or another.
fn generated_rule(rng: &mut Rng) -> String {
    let groups: Vec<String> = (0..rng.usize(1..4))
        .map(|_| generated_group(rng, 2))
        .collect();
    let mut rule = format!("key_groups: [{}]", groups.join(", "));
    if rng.bool() {
        rule.push_str(&format!("\n    shamir_threshold: {}", rng.usize(0..5)));
    }
    if rng.bool() {
        rule.push_str("\n    age: KEY3");
    }
    rule
}

fn generated_group(rng: &mut Rng, depth: usize) -> String {
    if rng.u8(..12) == 0 {
        return "~".to_owned();
    }
    let some = |names: &[&str], rng: &mut Rng| {
        let count = rng.usize(0..3);
        let items = (0..count).map(|_| names[rng.usize(..names.len())].to_owned());
        items.collect::<Vec<String>>().join(", ")
    };
    let age = some(
        &["KEY1", "'KEY2'", "\"KEY1,KEY2\"", "' KEY3 '", "''", "~"],
        rng,
    );
    let pgp = some(&["FP1", "FPSPACED", "FP2", "~"], rng);
    let mut fields = vec![format!("age: [{age}]"), format!("pgp: [{pgp}]")];
    if depth > 0 && rng.bool() {
        let merged: Vec<String> = (0..rng.usize(0..3))
            .map(|_| generated_group(rng, depth - 1))
            .collect();
        fields.push(format!("merge: [{}]", merged.join(", ")));
    }
    rng.shuffle(&mut fields);
    fields.truncate(rng.usize(0..=fields.len()));
    format!("{{{}}}", fields.join(", "))
}

/// A comment on the line of a recipient marks it, wherever its text is defined.
#[test]
fn recipients_for_recovery_are_marked_by_a_comment_on_their_line() {
    let world = bare_world();
    let [a, b] = [(); 2].map(|()| keypair(&world).1);
    for (text, marked) in [
        ("creation_rules:\n  - age: A # Recovery key\n", vec![&a]),
        (
            "creation_rules:\n  - age: A,B # recovery, both\n",
            vec![&a, &b],
        ),
        (
            "creation_rules:\n  - age: # recovery\n      - A\n      - B\n",
            vec![],
        ),
        ("creation_rules:\n  # recovery\n  - age: A\n", vec![]),
        (
            "creation_rules:\n  - age:\n      - A # our cluster\n      - 'B' # for recovery\n",
            vec![&b],
        ),
        (
            "creation_rules:\n  - age: [\n      A, # recovery\n      B, # recoveryish\n    ]\n",
            vec![&a],
        ),
        (
            "k:\n  - &a A # recovery\n  - &b B\ncreation_rules:\n  - age: [*b, *a]\n",
            vec![&a],
        ),
        (
            "k:\n  - &a A\n  - &b B\ncreation_rules:\n  - key_groups:\n      - age:\n          - *a\n          - *b # recovery\n",
            vec![&b],
        ),
        (
            "creation_rules:\n  - age: A,\n      B # recovery\n",
            vec![&b],
        ),
        (
            "creation_rules:\n  - age: A\n    path_regex: recovery\n",
            vec![],
        ),
    ] {
        let text = text.replace('A', &a).replace('B', &b);
        let config = SopsConfig::from_bytes(Path::new(".sops.yaml"), text.clone().into_bytes());
        let config = config.expect("a config");
        let found: Vec<String> = config.rules[0]
            .recovery
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), marked, "{text}");
    }
}
