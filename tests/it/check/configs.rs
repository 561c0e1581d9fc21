//! What `check` makes of a `.sops.yaml` that is not as it should be.

use super::{MANIFEST, Repository};
use crate::{assert_fails, keypair};

impl Repository {
    fn config(&self, text: &str) {
        let text = text.replace("KEY", &self.recipient);
        self.world.write(".sops.yaml", text);
    }

    fn kinds(&self, code: i32) -> Vec<(String, String)> {
        let run = self.check(&["-o", "json"]);
        let json: serde_json::Value =
            serde_json::from_str(run.assert_code(code).out()).expect("JSON");
        let problems = json["problems"].as_array().expect("a list").iter();
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let pair = |it: &serde_json::Value| (text(&it["kind"]), text(&it["message"]));
        problems.map(pair).collect()
    }
}

/// sops tries the rules in order: files that come to the broken one have an unknown
/// rule, and all others the one that they had.
#[test]
fn a_rule_that_does_not_compile_is_a_problem_and_all_others_count() {
    let repository = Repository::new();
    repository.config(
        "creation_rules:\n  - path_regex: ^a/\n    age: KEY\n  - path_regex: '^b(/'\n    age: KEY\n  - age: KEY\n",
    );
    repository.world.write("a/encrypted.yaml", "a: b\n");
    let sops = |name: &str| {
        let run = repository
            .world
            .tool("sops", ["encrypt", "--in-place", name]);
        run.code == Some(0)
    };
    assert!(sops("a/encrypted.yaml"));
    repository.world.write("a/plain.yaml", "password: b\n");
    repository.world.write("c/db.yaml", MANIFEST);
    assert!(!sops("c/db.yaml"), "sops comes to the broken rule");
    repository.world.write("c/notes.yaml", "a: b\n");
    let error = ".sops.yaml:4:17: kb cannot tell which files the path_regex \"^b(/\" matches: unclosed group: `(`";
    repository.assert_found(
        &[],
        &[
            error,
            "a/plain.yaml: not encrypted (rule .sops.yaml:2:5)",
            &format!("c/db.yaml: not encrypted: the Secret db; nobody can tell its rule: {error}"),
        ],
    );
    let kinds: Vec<String> = repository.kinds(3).into_iter().map(|it| it.0).collect();
    assert_eq!(kinds, ["config-broken", "not-encrypted", "not-encrypted"]);
    let run = repository.check(&[]);
    assert!(!run.err().contains("no rule of"), "{}", run.err());
    repository.git(&["add", "--all"]).assert_code(0);
    assert_fails(&repository.check(&["--staged"]), 3, &[error, "c/db.yaml"]);
}

#[test]
fn a_rule_with_a_key_that_is_none_is_a_problem_and_still_the_rule_of_its_files() {
    let repository = Repository::new();
    for broken in [
        "age: age1oops",
        "pgp: [5]",
        "age: KEY\n    encrypted_regex: a\n    encrypted_suffix: b",
        "age: KEY\n    mac_only_encrypted: 5",
    ] {
        repository.config(&format!(
            "creation_rules:\n  - path_regex: ^a/\n    {broken}\n  - path_regex: ^b/\n    age: KEY\n"
        ));
        repository.world.write("a/db-secret.yaml", MANIFEST);
        repository.world.write("b/db-secret.yaml", MANIFEST);
        let run = repository.check(&[]);
        let words = [
            ".sops.yaml:",
            "a/db-secret.yaml: not encrypted: the Secret db (rule .sops.yaml:2:5)",
            "b/db-secret.yaml: not encrypted: the Secret db (rule .sops.yaml:",
        ];
        assert_fails(&run, 3, &words);
        assert_eq!(repository.kinds(3)[0].0, "config-broken", "{broken}");
        std::fs::remove_dir_all(repository.world.path("a")).expect("removed");
        std::fs::remove_dir_all(repository.world.path("b")).expect("removed");
        // The rule alone is one, too.
        assert_eq!(repository.kinds(3).len(), 1, "{broken}");
    }
}

/// A file that does not parse says nothing of any rule.
#[test]
fn below_a_config_that_does_not_parse_nothing_is_without_a_rule() {
    let repository = Repository::new();
    repository
        .world
        .write("a/.sops.yaml", "creation_rules: {\n");
    repository.world.write("a/db.yaml", MANIFEST);
    let run = repository.check(&[]);
    let words = [
        "a/.sops.yaml:",
        "a/db.yaml: not encrypted: the Secret db; nobody can tell",
    ];
    assert_fails(&run, 3, &words);
    assert!(!run.err().contains("no rule of"), "{}", run.err());
    repository.encrypt("db-secret.yaml", MANIFEST);
    std::fs::remove_file(repository.world.path("a/db.yaml")).expect("removed");
    repository.world.write("a/x.yaml", "a: b\n");
    assert_fails(&repository.check(&[]), 1, &["a/.sops.yaml:"]);
    repository.world.write(
        "a/.sops.yaml",
        "creation_rules:\n<<<<<<< HEAD\n  - age: a\n=======\n  - age: b\n>>>>>>> main\n",
    );
    let words = [
        "a/.sops.yaml:2:1: a merge conflict",
        "--ours -- a/.sops.yaml",
    ];
    assert_fails(&repository.check(&[]), 1, &words);
    assert_eq!(repository.kinds(1)[0].0, "config-broken");
}

/// The template of a cluster has such a file in a folder.
#[test]
fn a_nested_config_with_nothing_but_a_placeholder_is_no_problem() {
    let repository = Repository::new();
    for key in [
        "\"${AGE_PUBLIC_KEY}\"",
        "'{{ .Values.age }}'",
        "REPLACE_ME",
        "CHANGE_ME",
        "YOUR_AGE_PUBLIC_KEY",
        "age1xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "<key>",
        "age1abc...",
    ] {
        let config = format!("creation_rules:\n  - path_regex: x\n    age: {key}\n");
        repository.world.write("template/.sops.yaml", config);
        repository.world.write("template/a.yaml", "a: b\n");
        repository.assert_clean(&[]);
    }
    repository.world.write(
        "template/.sops.yaml",
        "creation_rules:\n  - path_regex: x\n    pgp: <fingerprint>\n    kms: arn:aws:kms:eu-west-1:${ACCOUNT}:key/1\n",
    );
    repository.assert_clean(&[]);
}

#[test]
fn a_field_that_sops_ignores_is_named_with_the_one_that_was_meant() {
    let repository = Repository::new();
    repository.config(
        "creation_rule: []\nkeys: []\ncreation_rules:\n  - path: secret\n    encrypted_regex: ^(data|stringData)$\n    key_groups:\n      - age: [KEY]\n        azure_kv: []\n    name: ours\n",
    );
    let run = repository.check(&[]);
    let warnings = [
        "warning: .sops.yaml:1:1: unknown field creation_rule, which sops ignores; did you mean creation_rules?",
        "warning: .sops.yaml:4:5: unknown field path, which sops ignores; did you mean path_regex?",
        "warning: .sops.yaml:8:9: unknown field azure_kv, which sops ignores; did you mean azure_keyvault?",
        "warning: .sops.yaml:9:5: unknown field name, which sops ignores",
    ];
    for warning in warnings {
        let err = run.assert_code(0).err();
        assert!(err.lines().any(|line| line == warning), "{warning}\n{err}");
    }
    assert!(!run.err().contains("field keys"), "{}", run.err());
    let run = repository.check(&["-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(run.assert_code(0).out()).expect("JSON");
    assert_eq!(json["remarks"].as_array().map(Vec::len), Some(4));
}

/// sops passes over it, and takes the one above or none.
#[test]
fn a_config_of_the_wrong_name_is_a_problem() {
    let repository = Repository::new();
    let config = repository.world.read(".sops.yaml");
    std::fs::remove_file(repository.world.path(".sops.yaml")).expect("removed");
    repository.world.write(".sops.yml", &config);
    repository.world.write("apps/x.yaml", "a: b\n");
    let line = "sops does not read .sops.yml: its config is called .sops.yaml";
    let run = repository.assert_found(&[], &[line]);
    assert!(
        run.err().contains("hint: git mv .sops.yml .sops.yaml"),
        "{}",
        run.err()
    );
    assert!(
        !run.err().contains("there is no .sops.yaml"),
        "{}",
        run.err()
    );
    assert_eq!(repository.kinds(3)[0].0, "config-misnamed");
    repository.git(&["add", "--all"]).assert_code(0);
    repository.assert_found(&["--staged"], &[line]);
    repository.check(&["--skip", ".sops.yml"]).assert_code(0);
    // Beside a right one it does no harm; below one it is thought to count.
    repository.world.write(".sops.yaml", &config);
    repository.assert_clean(&[]);
    repository.world.write("apps/.sops.yml", &config);
    repository.assert_found(
        &[],
        &["sops does not read apps/.sops.yml: its config is called .sops.yaml"],
    );
}

#[test]
fn only_the_first_document_counts_and_any_encoding_that_sops_reads() {
    let repository = Repository::new();
    let (_, other) = keypair(&repository.world);
    let rule = "creation_rules:\n  - path_regex: ^a/\n    age: KEY\n";
    repository.world.write("a/db.yaml", MANIFEST);
    let found = ["a/db.yaml: not encrypted: the Secret db (rule .sops.yaml:2:5)"];
    for behind in [
        "---\n".to_owned(),
        format!("---\ncreation_rules:\n  - age: {other}\n"),
        "---\n- [\n\t@\n".to_owned(),
    ] {
        repository.config(&format!("{rule}{behind}"));
        repository.assert_found(&[], &found);
    }
    let text = rule.replace("KEY", &repository.recipient);
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    repository
        .world
        .write(".sops.yaml", [&b"\xff\xfe"[..], &units].concat());
    repository.assert_found(&[], &found);
    repository.check(&["--fix"]).assert_code(3);
    let sops = repository
        .world
        .tool("sops", ["encrypt", "--in-place", "a/db.yaml"]);
    sops.assert_code(0);
    repository.assert_clean(&[]);
}
