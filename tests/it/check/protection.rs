//! Whether an encrypted file protects what stands in it.

use super::{MANIFEST, Repository};

impl Repository {
    /// Encrypts a file, changes it, and checks: the kinds and messages of the problems.
    #[track_caller]
    fn changed(
        &self,
        name: &str,
        text: &str,
        change: impl Fn(&str) -> String,
    ) -> Vec<(String, String)> {
        self.encrypt(name, text);
        self.assert_clean(&[]);
        let changed = change(&self.world.read(name));
        self.world.write(name, &changed);
        let problems = self.kinds_and_messages();
        std::fs::remove_file(self.world.path(name)).expect("removed");
        problems
    }

    fn kinds_and_messages(&self) -> Vec<(String, String)> {
        let run = self.check(&["-o", "json"]);
        let json: serde_json::Value = serde_json::from_str(run.out()).expect("JSON");
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let problems = json["problems"].as_array().expect("a list").iter();
        problems
            .map(|it| (text(&it["kind"]), text(&it["message"])))
            .collect()
    }
}

#[track_caller]
fn assert_only(problems: &[(String, String)], kind: &str, name: &str) {
    let [(found, message)] = problems else {
        panic!("one problem: {problems:?}");
    };
    assert!(found == kind && message.contains(name), "{problems:?}");
    assert!(!message.contains("hunter"), "{message}");
}

#[test]
fn a_file_in_which_nothing_is_encrypted_is_not_encrypted() {
    let repository = Repository::new();
    for (name, text) in [
        ("values-secret.yaml", "password: hunter2\n"),
        ("list-secret.yaml", "- password: hunter2\n"),
        (
            "config-secret.yaml",
            "apiVersion: v1\nkind: Config\nspec: {a: hunter2}\n",
        ),
    ] {
        repository.world.write(name, text);
        let sops = repository
            .world
            .tool("sops", ["encrypt", "--in-place", name]);
        if sops.code == Some(0) {
            assert_only(
                &repository.kinds_and_messages(),
                "nothing-encrypted",
                "sops metadata",
            );
        }
        std::fs::remove_file(repository.world.path(name)).expect("removed");
    }
    // A Secret without values has nothing to encrypt.
    repository.encrypt(
        "empty-secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {a: ''}\n",
    );
    repository.assert_clean(&[]);
}

#[test]
fn a_value_where_sops_keeps_its_own_is_found_in_every_format() {
    let repository = Repository::with_rules(&["path_regex: ^app\\."]);
    let kind = "values-not-encrypted";
    let found = repository.changed("app.env", "A=1\n", |text| {
        format!("{text}sops_token=hunter2\n")
    });
    assert_only(&found, kind, "sops.token");
    let found = repository.changed("app.env", "A=1\n", |text| format!(";D=hunter2\n{text}"));
    assert_only(&found, kind, ";D");
    let found = repository.changed("app.ini", "[a]\nb = 1\n", |text| {
        format!("{text}\ntoken = hunter2\n")
    });
    assert_only(&found, kind, "sops.token");
    let found = repository.changed("app.yaml", "a: 1\n", |text| {
        text.replace("\nsops:\n", "\nsops:\n    token: hunter2\n")
    });
    assert_only(&found, kind, "sops.token");
    let found = repository.changed("app.yaml", "a: 1\n", |text| {
        text.replace("\n    age:\n", "\n    age:\n        - token: hunter2\n")
    });
    assert!(
        found
            .iter()
            .any(|(it, words)| it == kind && words.contains("sops.age.token")),
        "{found:?}"
    );
    let found = repository.changed("app.json", "{\"a\": 1}\n", |text| {
        text.replace("\"sops\": {", "\"sops\": {\"token\": \"hunter2\",")
    });
    assert_only(&found, kind, "sops.token");
}

#[test]
fn both_of_two_equal_keys_are_looked_at() {
    let repository =
        Repository::with_rules(&["path_regex: secret\n    encrypted_regex: ^(data|stringData)$"]);
    let json =
        r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"},"stringData":{"p":"s3"}}"#;
    let found = repository.changed("x-secret.json", json, |text| {
        text.replace("\"stringData\": {", "\"stringData\": {\"p\": \"hunter2\",")
    });
    assert_only(&found, "values-not-encrypted", "stringData.p");
    let found = repository.changed("x-secret.yaml", MANIFEST, |text| {
        text.replace("stringData:\n", "stringData:\n    password: hunter2\n")
    });
    assert_only(&found, "values-not-encrypted", "stringData.password");
    // sops does not open it any more.
    let found = repository.changed("x-secret.yaml", MANIFEST, |text| {
        let line = text
            .lines()
            .find(|line| line.contains("password: ENC"))
            .expect("a value");
        text.replace(line, &format!("{line}\n{line}"))
    });
    assert_only(&found, "damaged", "");
}

#[test]
fn a_comment_with_a_value_is_plaintext_too() {
    let repository = Repository::with_rules(&[
        "path_regex: secret\n    encrypted_regex: ^(data|stringData)$",
        "path_regex: ^app\\.",
    ]);
    let kind = "values-not-encrypted";
    for comment in ["    # password: hunter2\n", "#    token=hunter2\n"] {
        let found = repository.changed("x-secret.yaml", MANIFEST, |text| {
            text.replace("\nstringData:\n", &format!("\nstringData:\n{comment}"))
        });
        assert_only(&found, kind, "the comment");
        let found = repository.changed("x-secret.yaml", MANIFEST, |text| {
            text.replace("\nsops:\n", &format!("\n{comment}sops:\n"))
        });
        assert_only(&found, kind, "the comment");
    }
    let found = repository.changed("app.yaml", "a: x\n", |text| {
        format!("# password: hunter2\n{text}")
    });
    assert_only(&found, kind, "the comment");
    let found = repository.changed("app.env", "A=b\n", |text| {
        format!("# PASSWORD=hunter2\n{text}")
    });
    assert_only(&found, kind, "the comment");
    // What sops leaves in plaintext, and what is no value.
    repository.encrypt("y-secret.yaml", &format!("# yaml-language-server: $schema=https://example.org/x\n# owner: me\n{MANIFEST}  # a note\n"));
    repository.assert_clean(&[]);
}

#[test]
fn a_value_that_only_looks_encrypted_is_found() {
    let repository =
        Repository::with_rules(&["path_regex: secret\n    encrypted_regex: ^(data|stringData)$"]);
    let kind = "value-looks-encrypted";
    let value = |text: &str| {
        let line = text
            .lines()
            .find(|line| line.contains("password: ENC"))
            .expect("a value");
        line.split_once(": ").expect("a key").1.to_owned()
    };
    for fake in [
        "\"ENC[AES256_GCM,data:hunter2,iv:AAAA,tag:AAAA,type:str]\"",
        "\"ENC[AES256_GCM,hunter2\"",
        "\"ENC[AES256_GCM,data:hunter2]\"",
    ] {
        let found = repository.changed("x-secret.yaml", MANIFEST, |text| {
            text.replace(&value(text), fake)
        });
        assert!(
            found
                .iter()
                .any(|(it, words)| it == kind && words.contains("stringData.password")),
            "{found:?}"
        );
    }
    let found = repository.changed("x-secret.yaml", MANIFEST, |text| {
        text.replace(&value(text), &format!("{} hunter2", value(text)))
    });
    assert!(found.iter().any(|(it, _)| it == kind), "{found:?}");
    // One where sops decrypts nothing.
    let found = repository.changed("x-secret.yaml", MANIFEST, |text| {
        text.replace(
            "\nstringData:\n",
            &format!("\nstringdata:\n    q: {}\nstringData:\n", value(text)),
        )
    });
    assert_only(&found, kind, "stringdata.q");
}

#[test]
fn a_value_of_a_secret_that_is_no_text_is_found() {
    let repository = Repository::new();
    for value in ["5432", "true", "1.5"] {
        repository.encrypt("x-secret.yaml", &MANIFEST.replace("hunter2", value));
        assert_only(
            &repository.kinds_and_messages(),
            "value-not-text",
            "stringData.password",
        );
    }
    repository.encrypt("x-secret.yaml", &MANIFEST.replace("hunter2", "'5432'"));
    repository.assert_clean(&[]);
}

#[test]
fn a_secret_in_a_list_is_like_one_at_the_top() {
    let repository = Repository::new();
    let list = "apiVersion: v1\nkind: List\nitems:\n    - apiVersion: v1\n      kind: Secret\n      metadata:\n        name: x\n      stringData:\n        password: s3\n";
    for (from, to, name) in [
        (
            "      stringData:\n",
            "      stringdata:\n        p: hunter2\n      stringData:\n",
            "stringdata.p",
        ),
        (
            "        name: x\n",
            "        name: x\n        annotations:\n            kubectl.kubernetes.io/last-applied-configuration: hunter2\n",
            "last-applied",
        ),
    ] {
        repository.encrypt("l-secret.yaml", list);
        let encrypted = repository.world.read("l-secret.yaml");
        let indented = from.trim_end().trim_start();
        let line = encrypted
            .lines()
            .find(|line| line.trim_start() == indented)
            .expect(from);
        let depth = line.len() - line.trim_start().len();
        let moved: String = to
            .lines()
            .map(|text| {
                let own = text.len() - text.trim_start().len();
                let base = from.len() - from.trim_start().len();
                format!(
                    "{}{}\n",
                    " ".repeat(depth + (own - base)),
                    text.trim_start()
                )
            })
            .collect();
        repository.world.write(
            "l-secret.yaml",
            encrypted.replacen(&format!("{line}\n"), &moved, 1),
        );
        let found = repository.kinds_and_messages();
        assert!(
            found
                .iter()
                .any(|(kind, words)| kind == "values-not-encrypted" && words.contains(name)),
            "{found:?}"
        );
    }
}
