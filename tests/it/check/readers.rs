//! Encrypted files that are otherwise than their rule says: for others, or with other values
//! encrypted.

use serde_json::Value;
use testkit::Run;

use super::{MANIFEST, RULE, Repository};
use crate::keypair;

const OTHERS: &str = "other-recipients";
const SELECTION: &str = "other-selection";

impl Repository {
    /// A rule for the files of these paths, without a word on which values.
    fn for_paths(path_regex: &str) -> Self {
        Self::with_rules(&[&format!("path_regex: {path_regex}")])
    }

    /// Another key, which no rule names.
    fn stranger(&self) -> String {
        keypair(&self.world).1
    }

    /// Encrypts by sops with these options, whatever the rules say.
    fn encrypt_otherwise(&self, name: &str, plaintext: &str, options: &[&str]) {
        self.world.write(name, plaintext);
        let config = self.world.tmp().join("no-rules.yaml");
        std::fs::write(&config, "{}\n").expect("write");
        let mut sops = self.world.tool_cmd("sops", ["--config"]);
        sops.arg(config).args(["encrypt", "--in-place"]);
        sops.args(options).arg(name);
        self.world.run(sops).assert_code(0);
    }

    fn rename_key(&self, from: &str, to: &str) {
        let config = self.world.read(".sops.yaml").replace(from, to);
        self.world.write(".sops.yaml", config);
    }

    /// Each problem's kind and file.
    fn problems(&self, args: &[&str]) -> Vec<(String, String)> {
        let run = self.check(&[args, &["-o", "json"]].concat());
        let json: Value = serde_json::from_str(run.out()).expect("JSON");
        let problems = json["problems"].as_array().expect("a list").clone();
        assert_eq!(json["ok"], problems.is_empty(), "{json:#}");
        assert_eq!(run.code, Some(if problems.is_empty() { 0 } else { 3 }));
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        problems
            .iter()
            .map(|problem| {
                let subject = text(&problem["subject"]);
                let name = subject.rsplit("/repo/").next().expect("a name");
                (text(&problem["kind"]), name.to_owned())
            })
            .collect()
    }

    /// This one problem is found, in the working tree and in the index, in these words.
    #[track_caller]
    fn assert_one(&self, kind: &str, name: &str, words: &[&str]) {
        self.git(&["add", "--all"]).assert_code(0);
        for args in [&[][..], &["--staged"], &[name]] {
            let found = self.problems(args);
            assert_eq!(found, [(kind.to_owned(), name.to_owned())], "{args:?}");
            let run = self.check(args);
            crate::assert_fails(&run, 3, &[&format!("{name}: "), "git log -p"]);
            assert_words(&run, words);
        }
    }
}

#[track_caller]
fn assert_words(run: &Run, words: &[&str]) {
    for word in words {
        assert!(run.err().contains(word), "no {word:?} in:\n{}", run.err());
    }
    assert!(!run.err().contains("hunter2"), "{}", run.err());
    assert!(!run.err().contains("updatekeys"), "{}", run.err());
}

#[test]
fn a_reader_too_many_or_too_few_is_found_in_every_format() {
    let repository = Repository::for_paths("^app\\.");
    let (own, stranger) = (repository.recipient.clone(), repository.stranger());
    let both = format!("{own},{stranger}");
    for (name, text) in [
        ("app.yaml", "a: b\n"),
        ("app.yml", "a: b\n---\nc: d\n"),
        ("app.json", "{\"a\": 1}\n"),
        ("app.env", "A=b\n"),
        ("app.ini", "[a]\nb = c\n"),
        ("app.bin", "x\n"),
    ] {
        let too_many = format!("it is encrypted for {stranger}, which its rule .sops.yaml:2:5");
        let missing = format!("it is not encrypted for {own}, which its rule .sops.yaml:2:5");
        repository.encrypt_otherwise(name, text, &["--age", &both]);
        repository.assert_one(OTHERS, name, &[&too_many]);
        repository.encrypt_otherwise(name, text, &["--age", &stranger]);
        repository.assert_one(OTHERS, name, &[&too_many, &missing]);
        // A rule that got one more.
        repository.encrypt_otherwise(name, text, &["--age", &own]);
        repository.assert_clean(&[]);
        repository.rename_key(&own, &both);
        let missing = format!("it is not encrypted for {stranger}, which its rule");
        repository.assert_one(OTHERS, name, &[&missing, "init --use-existing"]);
        repository.rename_key(&both, &own);
        repository.git(&["rm", "-qf", name]).assert_code(0);
    }
}

#[test]
fn the_heading_says_what_is_wrong() {
    let repository = Repository::for_paths("^app\\.");
    let stranger = repository.stranger();
    repository.encrypt_otherwise("app.yaml", "a: b\n", &["--age", &stranger]);
    let run = repository.check(&[]);
    assert_words(
        &run,
        &["error: the readers of these files differ from their rules:\n  app.yaml"],
    );
    assert!(
        !run.err().contains("must not be committed"),
        "{}",
        run.err()
    );
    repository.world.write("app.json", "{\"a\": 1}\n");
    assert_words(&repository.check(&[]), &["error: problems were found:\n"]);
    repository.git(&["rm", "-qf", "--ignore-unmatch", "app.yaml"]);
    std::fs::remove_file(repository.world.path("app.yaml")).expect("removed");
    assert_words(
        &repository.check(&[]),
        &["error: this must not be committed:\n  app.json"],
    );
}

#[test]
fn a_file_copied_under_another_rule_is_found() {
    let repository = Repository::new();
    let (own, dev) = (repository.recipient.clone(), repository.stranger());
    let rules = format!(
        "creation_rules:\n  - {}\n    age: {dev}\n  - {RULE}\n    age: {own}\n",
        RULE.replace("(^|/)", "^dev/")
    );
    repository.world.write(".sops.yaml", rules);
    repository.encrypt("prod-secret.yaml", MANIFEST);
    repository.encrypt("dev/db-secret.yaml", MANIFEST);
    repository.assert_clean(&[]);
    repository.world.write(
        "dev/x-secret.yaml",
        repository.world.read("prod-secret.yaml"),
    );
    let words = [
        format!("it is encrypted for {own}, which its rule .sops.yaml:2:5"),
        format!("it is not encrypted for {dev}"),
    ];
    repository.assert_one(
        OTHERS,
        "dev/x-secret.yaml",
        &words.each_ref().map(String::as_str),
    );
}

/// Entries of metadata, and how kb calls them.
const ENTRIES: [(&str, &str); 9] = [
    (
        "    hc_vault:\n        - vault_address: http://127.0.0.1:1\n          engine_path: transit\n          key_name: k\n          created_at: \"2026-11-29T20:55:16Z\"\n          enc: vault:v1:AAAA\n",
        "http://127.0.0.1:1/v1/transit/keys/k",
    ),
    (
        "    kms:\n        - arn: arn:aws:kms:eu-west-1:1:key/a\n          created_at: \"2026-11-29T20:55:16Z\"\n          enc: AAAA\n",
        "arn:aws:kms:eu-west-1:1:key/a",
    ),
    (
        "    gcp_kms:\n        - resource_id: projects/p/locations/l/keyRings/r/cryptoKeys/k\n          created_at: \"2026-11-29T20:55:16Z\"\n          enc: AAAA\n",
        "projects/p/locations/l/keyRings/r/cryptoKeys/k",
    ),
    (
        "    azure_kv:\n        - vault_url: https://v.vault.azure.net\n          name: k\n          version: v1\n          created_at: \"2026-11-29T20:55:16Z\"\n          enc: AAAA\n",
        "https://v.vault.azure.net/keys/k/v1",
    ),
    (
        "    hckms:\n        - key_id: eu:1234\n          created_at: \"2026-11-29T20:55:16Z\"\n          enc: AAAA\n",
        "eu:1234",
    ),
    (
        "    pgp:\n        - fp: 0123456789ABCDEF0123456789ABCDEF01234567\n          created_at: \"2026-11-29T20:55:16Z\"\n          enc: AAAA\n",
        "0123456789ABCDEF0123456789ABCDEF01234567",
    ),
    // The names of fields in other letters; U+017F is an s for sops.
    (
        "    HC_VAULT:\n        - Vault_Address: http://127.0.0.1:1\n          engine_path: transit\n          key_name: k\n          enc: x\n",
        "http://127.0.0.1:1/v1/transit/keys/k",
    ),
    (
        "    km\u{17f}:\n        - arn: arn:aws:kms:eu-west-1:1:key/a\n          enc: AAAA\n",
        "arn:aws:kms:eu-west-1:1:key/a",
    ),
    // A single entry where a list belongs.
    (
        "    pgp:\n        fp: 0123456789ABCDEF0123456789ABCDEF01234567\n        enc: AAAA\n",
        "0123456789ABCDEF0123456789ABCDEF01234567",
    ),
];

#[test]
fn a_key_of_any_kind_that_the_rule_does_not_name_is_found() {
    let repository = Repository::new();
    repository.encrypt("db-secret.yaml", MANIFEST);
    let sound = repository.world.read("db-secret.yaml");
    for (entry, name) in ENTRIES {
        let added = sound.replacen("sops:\n", &format!("sops:\n{entry}"), 1);
        repository.world.write("db-secret.yaml", added);
        repository.assert_one(OTHERS, "db-secret.yaml", &["it is encrypted for", name]);
    }
    // Among the recipients.
    for recipient in [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN",
        "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t",
        "not-a-key",
    ] {
        let entry = format!("    age:\n        - recipient: {recipient}\n          enc: x\n");
        let added = sound.replacen("    age:\n", &entry, 1);
        repository.world.write("db-secret.yaml", added);
        repository.assert_one(OTHERS, "db-secret.yaml", &[recipient]);
    }
    // Where sops passes over it, and in a key group of its own.
    let stranger = repository.stranger();
    let group = format!(
        "    key_groups:\n        - age:\n            - recipient: {stranger}\n              enc: x\n"
    );
    let added = sound.replacen("sops:\n", &format!("sops:\n{group}"), 1);
    repository.world.write("db-secret.yaml", added);
    repository.assert_one(OTHERS, "db-secret.yaml", &[&stranger]);
    // A field twice, so that nobody knows which one counts.
    let twice = sound.replacen(
        "          recipient: ",
        &format!("          RECIPIENT: {stranger}\n          recipient: "),
        1,
    );
    repository.world.write("db-secret.yaml", twice);
    repository.assert_one(
        OTHERS,
        "db-secret.yaml",
        &["an entry that has a field twice"],
    );
}

/// Flux decrypts each document by its own metadata.
#[test]
fn a_reader_of_the_second_document_is_found() {
    let repository = Repository::new();
    let two = format!("{MANIFEST}---\n{}", MANIFEST.replace("db", "web"));
    repository.encrypt("two-secret.yaml", &two);
    repository.assert_clean(&[]);
    let sound = repository.world.read("two-secret.yaml");
    let stranger = repository.stranger();
    let (first, second) = sound.split_once("\n---\n").expect("two documents");
    let entry = format!("    age:\n        - recipient: {stranger}\n          enc: x\n");
    let added = second.replacen("    age:\n", &entry, 1);
    let two = format!("{first}\n---\n{added}");
    repository.world.write("two-secret.yaml", two);
    repository.assert_one(OTHERS, "two-secret.yaml", &[&stranger]);
    let other = second.replace(
        "encrypted_regex: ^(data|stringData)$",
        "encrypted_regex: ^x$",
    );
    let two = format!("{first}\n---\n{other}");
    repository.world.write("two-secret.yaml", two);
    let found = repository.problems(&[]);
    let kinds: Vec<&str> = found.iter().map(|(kind, _)| kind.as_str()).collect();
    assert!(kinds.contains(&SELECTION), "{found:?}");
}

#[test]
fn other_values_than_the_rule_selects_are_found() {
    let repository = Repository::new();
    let own = repository.recipient.clone();
    let age = ["--age", own.as_str()];
    for (options, words) in [
        (
            &["--encrypted-regex", "^(data|stringData|x)$"][..],
            "^(data|stringData|x)$",
        ),
        (
            &["--unencrypted-regex", "^(apiVersion|kind|metadata)$"],
            "unencrypted_regex",
        ),
        (&["--encrypted-suffix", "Data"], "encrypted_suffix: Data"),
    ] {
        repository.encrypt_otherwise("db-secret.yaml", MANIFEST, &[&age, options].concat());
        repository.assert_one(
            SELECTION,
            "db-secret.yaml",
            &["it encrypts by", words, "and its rule .sops.yaml:2:5 by"],
        );
    }
    // As a pull request would change it: nothing authenticates it.
    repository.encrypt("db-secret.yaml", MANIFEST);
    let sound = repository.world.read("db-secret.yaml");
    let line = "    encrypted_regex: ^(data|stringData)$\n";
    for changed in [
        "    encrypted_regex: ^(data|stringData)$\n    mac_only_encrypted: true\n",
        "    encrypted_regex: ^(data|stringData)$\n    mac_only_encrypted: 1\n",
        "    encrypted_regex: ^(data|stringData)$\n    mac_only_encrypted: \"t\"\n",
        "    encrypted_regex: ^(data|stringData)$\n    unencrypted_regex: ^password$\n",
        "    encrypted_regex: ^(data|stringData)$\n    encrypted_comment_regex: x\n",
    ] {
        repository
            .world
            .write("db-secret.yaml", sound.replace(line, changed));
        let found = repository.problems(&[]);
        assert!(
            found.iter().any(|(kind, _)| kind == SELECTION),
            "{changed}: {found:?}"
        );
    }
    // Both: who reads it is what matters.
    let stranger = repository.stranger();
    let options = ["--age", &stranger, "--encrypted-suffix", "Data"];
    repository.encrypt_otherwise("db-secret.yaml", MANIFEST, &options);
    repository.assert_one(OTHERS, "db-secret.yaml", &[&stranger, "it encrypts by"]);
}

#[test]
fn the_same_in_another_spelling_is_no_finding() {
    let repository = Repository::new();
    repository.encrypt("db-secret.yaml", MANIFEST);
    let sound = repository.world.read("db-secret.yaml");
    let line = "    encrypted_regex: ^(data|stringData)$\n";
    for same in [
        "    encrypted_regex: ^(stringData|data)$\n",
        "    encrypted_regex: \"^(data|stringData)$\"\n",
        "    encrypted_regex: ^(?:data|stringData)$\n    mac_only_encrypted: false\n",
        "    ENCRYPTED_REGEX: ^(data|stringData)$\n    unencrypted_suffix: \"\"\n",
    ] {
        repository
            .world
            .write("db-secret.yaml", sound.replace(line, same));
        repository.assert_clean(&[]);
    }
    // Nothing in the rule is what sops writes for it.
    let repository = Repository::for_paths("^app\\.");
    repository.encrypt("app.yaml", "a: b\n");
    let sound = repository.world.read("app.yaml");
    assert!(
        sound.contains("unencrypted_suffix: _unencrypted"),
        "{sound}"
    );
    repository.assert_clean(&[]);
    repository.world.write(
        "app.yaml",
        sound.replace("    unencrypted_suffix: _unencrypted\n", ""),
    );
    repository.assert_clean(&[]);
    // The same readers in another order, twice, with another comment.
    let stranger = repository.stranger();
    let own = repository.recipient.clone();
    repository.rename_key(&own, &format!("{own},{stranger},{own}"));
    for keys in [format!("{own},{stranger}"), format!("{stranger},{own}")] {
        repository.encrypt_otherwise("app.yaml", "a: b\n", &["--age", &keys]);
        repository.assert_clean(&[]);
    }
}

#[test]
fn a_rule_without_a_key_says_nothing_of_readers() {
    let repository = Repository::new();
    repository.encrypt("db-secret.yaml", MANIFEST);
    let own = repository.recipient.clone();
    for key in ["", "\"\"", "age1REPLACE_ME", "[]"] {
        repository.rename_key(&format!("age: {own}\n"), &format!("age: {key}\n"));
        let found = repository.problems(&[]);
        assert!(
            !found.iter().any(|(kind, _)| kind == OTHERS),
            "{key}: {found:?}"
        );
        repository.rename_key(&format!("age: {key}\n"), &format!("age: {own}\n"));
        repository.assert_clean(&[]);
    }
}

/// What sops writes for Secrets is looked at in a faster way; a comment behind it is enough
/// to have it looked at in the other one.
#[test]
fn the_fast_and_the_whole_look_find_the_same() {
    let repository = Repository::new();
    repository.encrypt("db-secret.yaml", MANIFEST);
    let sound = repository.world.read("db-secret.yaml");
    let stranger = repository.stranger();
    let own = &repository.recipient;
    let entry = format!("    age:\n        - recipient: {stranger}\n          enc: x\n");
    let mut variants = vec![
        sound.clone(),
        sound.replacen("    age:\n", &entry, 1),
        sound.replace(own, &stranger),
        sound.replace(own, "x"),
        sound.replace("    mac: ", "    mac_only_encrypted: true\n    mac: "),
        sound.replace("    version: ", "    shamir_threshold: 2\n    version: "),
        sound.replace("    version: ", "    version: 3.9.0\n    version: "),
        sound.replace("    version: ", "    unknown: x\n    version: "),
        sound.replacen("stringData:", "stringData:\n    token: hunter2", 1),
        sound.replacen("kind: Secret", "kind: Secret\ndata:\n    token: aGk=", 1),
        sound.replacen("kind: Secret", "kind: Secret\nkind: Secret", 1),
        sound.replacen("kind: Secret", "# a\u{2028}kind: Secret", 1),
        sound.replacen("    age:", "    # a\u{2028}    x: y\n    age:", 1),
        sound.replacen("kind: Secret", "kind: Secret\n\"\\x73ops\": {}", 1),
        sound.replacen("apiVersion", "a: b\n---\napiVersion", 1),
        format!("{sound}---\na: b\n"),
    ];
    for (entry, _) in ENTRIES {
        variants.push(sound.replacen("sops:\n", &format!("sops:\n{entry}"), 1));
    }
    for variant in variants {
        repository.world.write("db-secret.yaml", &variant);
        let fast = repository.problems(&[]);
        repository
            .world
            .write("db-secret.yaml", format!("{variant}# a comment\n"));
        assert_eq!(repository.problems(&[]), fast, "{variant}");
    }
}

/// A file that was moved out of its rule's paths is not overlooked.
#[test]
fn a_file_that_has_lost_its_rule_is_a_problem() {
    let repository = Repository::for_paths("^apps/");
    repository.encrypt("apps/db-secret.yaml", MANIFEST);
    repository.commit_all();
    repository
        .git(&["remote", "add", "origin", "nowhere"])
        .assert_code(0);
    let origin = ["update-ref", "refs/remotes/origin/main", "HEAD"];
    repository.git(&origin).assert_code(0);
    assert_eq!(repository.problems(&[]), []);
    repository.git(&["mv", "apps", "old"]).assert_code(0);
    let lost = [("rule-lost".to_owned(), "old/db-secret.yaml".to_owned())];
    for args in [&[][..], &["--staged"]] {
        assert_eq!(repository.problems(args), lost, "{args:?}");
    }
    // What never had a rule is a file of someone who needs none.
    repository.git(&["mv", "old", "apps"]).assert_code(0);
    repository.encrypt_otherwise("other.yaml", MANIFEST, &["--age", &repository.stranger()]);
    assert_eq!(repository.problems(&[]), []);
}
