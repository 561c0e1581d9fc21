//! What counts as plaintext.

use super::{MANIFEST, RULE, Repository};
use crate::keypair;

#[test]
fn a_manifest_counts_only_if_it_is_a_secret_with_values() {
    // All of these are under a rule that is for every manifest.
    let repository = Repository::with_rules(&[
        "path_regex: \\.ya?ml$\n    encrypted_regex: ^(data|stringData)$",
    ]);
    let write = |name: &str, text: &str| repository.world.write(name, text);
    write(
        "config.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: b}\n",
    );
    write(
        "sealed.yaml",
        "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: x}\nspec: {data: {a: b}}\n",
    );
    write(
        "other.yaml",
        "apiVersion: example.org/v1\nkind: Secret\nmetadata: {name: x}\ndata: {a: b}\n",
    );
    write(
        "empty.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata:\nstringData: {a: ''}\n",
    );
    write("kustomization.yaml", "resources: []\ndata: {a: b}\n");
    write("values.yaml", "replicas: 3\npassword: hunter2\n");
    write("nothing.yaml", "\n");
    repository.assert_clean(&[]);

    write("one.yaml", MANIFEST);
    write(
        "two.yml",
        &format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\n---\n{MANIFEST}"),
    );
    write(
        "list.yaml",
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: in-list}, data: {a: aHVudGVyMg==}}\n",
    );
    // No manifest: a rule for the Secrets among all files does not mean it.
    write("helm.yaml", "db: {data: {password: hunter2}}\n");
    write(
        "broken.yaml",
        "apiVersion: v1\nkind: Secret\n  data: {{ .Values.x }}\n",
    );
    let rule = "(rule .sops.yaml:2:5)";
    let run = repository.assert_found(
        &[],
        &[
            &format!(
                "broken.yaml: not encrypted: looks like a Secret, and does not parse at 3:7 {rule}"
            ),
            &format!("list.yaml: not encrypted: the Secret in-list {rule}"),
            &format!("one.yaml: not encrypted: the Secret db {rule}"),
            &format!("two.yml: not encrypted: the Secret db {rule}"),
        ],
    );
    assert!(
        run.err()
            .contains("hint: to encrypt 3 of them in place: kb k secrets check --fix\n"),
        "{}",
        run.err()
    );
    assert!(run.err().contains("hint: fix it first"), "{}", run.err());
}

#[test]
fn files_of_every_format_are_judged_by_their_rule() {
    let repository = Repository::with_rules(&[
        "path_regex: ^ends/.*\\.(env|ini|json|key)$",
        "path_regex: ^some/\n    encrypted_regex: ^password$",
        "path_regex: ^suffix/\n    encrypted_suffix: _secret",
        "path_regex: ^dir/",
        "path_regex: .*",
    ]);
    let write = |name: &str, text: &str| repository.world.write(name, text);
    write("ends/a.env", "A=hunter2\n");
    write("ends/a.ini", "[a]\nb = hunter2\n");
    write("ends/a.json", "{\"token\": \"hunter2\"}\n");
    write("ends/a.key", "hunter2\n");
    write("ends/README.md", "not for the first rule\n");
    write("some/a.yaml", "user: x\npassword: hunter2\n");
    write("some/b.yaml", "user: x\n");
    write("some/c.env", "USER=x\npassword=\n");
    write("suffix/a.json", "{\"a\": [{\"b_secret\": \"hunter2\"}]}");
    write("suffix/b.json", "{\"a\": [{\"b\": \"x\"}]}");
    write("dir/tls.key", "hunter2\n");
    write("dir/a.yaml", "a_unencrypted: x\nb: ''\n");
    write("dir/.gitignore", "*.tmp\n");
    // A rule for every path says of no file that it is one to be encrypted.
    write("main.go", "package main\n");
    write("package.json", "{\"name\": \"x\"}\n");
    write("db.yaml", MANIFEST);
    let rule = |line: u32| format!("(rule .sops.yaml:{line}:5)");
    repository.assert_found(
        &[],
        &[
            &format!("db.yaml: not encrypted: the Secret db {}", rule(12)),
            &format!("dir/tls.key: not encrypted {}", rule(10)),
            &format!("ends/a.env: not encrypted {}", rule(2)),
            &format!("ends/a.ini: not encrypted {}", rule(2)),
            &format!("ends/a.json: not encrypted {}", rule(2)),
            &format!("ends/a.key: not encrypted {}", rule(2)),
            &format!("some/a.yaml: not encrypted {}", rule(4)),
            &format!("suffix/a.json: not encrypted {}", rule(7)),
        ]
        .map(|line| line.as_str()),
    );
}

#[test]
fn an_encrypted_file_must_be_encrypted_throughout() {
    let repository = Repository::new();
    repository.encrypt("db-secret.yaml", MANIFEST);
    let encrypted = repository.world.read("db-secret.yaml");
    let typed = encrypted.replace("stringData:\n", "stringData:\n    token: hunter3\n");
    repository.world.write("db-secret.yaml", &typed);
    let line = "db-secret.yaml: encrypted, but stringData.token is in plaintext";
    let run = repository.assert_found(&[], &[line]);
    assert!(
        run.err()
            .contains("hint: remove stringData.token from the file"),
        "{}",
        run.err()
    );
    // As text behind the metadata, where the quick look does not look.
    let behind = format!("{encrypted}stringData2:\n    a: b\ndata:\n    token: hunter3\n");
    repository.world.write("db-secret.yaml", behind);
    repository.assert_found(
        &[],
        &["db-secret.yaml: encrypted, but stringData2.a, data.token are in plaintext"],
    );
    let second = format!("{encrypted}---\n{MANIFEST}");
    repository.world.write("db-secret.yaml", second);
    repository.assert_found(
        &[],
        &["db-secret.yaml: encrypted, but stringData.password is in plaintext"],
    );
    let conflict = format!("<<<<<<< HEAD\n{encrypted}=======\n{MANIFEST}>>>>>>> main\n");
    repository.world.write("db-secret.yaml", conflict);
    repository.assert_found(
        &[],
        &["db-secret.yaml:1: a merge conflict: Git's conflict markers are still in it"],
    );
    // What only looks encrypted.
    let fake = format!("{MANIFEST}# ENC[AES256_GCM,\nsops:\n    mac: ENC[AES256_GCM,x]\n");
    repository.world.write("db-secret.yaml", fake);
    repository.check(&[]).assert_code(3);
    repository.world.write("db-secret.yaml", encrypted);
    repository.assert_clean(&[]);
    // A value that its key's own ending leaves in plaintext is meant to be.
    let repository = Repository::with_rules(&["path_regex: secret"]);
    repository.encrypt("x-secret.json", "{\"a_unencrypted\": \"x\", \"b\": \"y\"}");
    repository.assert_clean(&[]);
}

#[test]
fn a_private_key_is_found_in_any_file_and_never_printed() {
    let repository = Repository::new();
    let (key, _) = keypair(&repository.world);
    let write = |name: &str, text: &str| repository.world.write(name, text);
    write("README.md", "A key looks like AGE-SECRET-KEY-1…\n");
    repository.assert_clean(&[]);
    let wide: Vec<u8> = key.encode_utf16().flat_map(u16::to_le_bytes).collect();
    repository.world.write("wide.txt", wide);
    write("notes.txt", &format!("one\ntwo {key}\n"));
    write("src/main.rs", &format!("const KEY: &str = \"{key}\";\n"));
    write("keys.bin", &format!("\0\u{1}{key}\0"));
    let encoded = repository.world.run_with_stdin(
        repository.world.tool_cmd("base64", ["-w0"]),
        format!("# created: now\n{key}\n").as_bytes(),
    );
    write(
        "sops-age.yaml",
        &format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: sops-age}}\ndata:\n  age.agekey: {}\n",
            encoded.out()
        ),
    );
    let run = repository.assert_found(
        &[],
        &[
            "keys.bin:1: it contains an age private key",
            "notes.txt:2: it contains an age private key",
            "sops-age.yaml:5: it contains an age private key",
            "src/main.rs:1: it contains an age private key",
            "wide.txt:1: it contains an age private key",
        ],
    );
    assert!(!run.err().contains(&key[20..40]), "{}", run.err());
    repository.git(&["add", "--all"]).assert_code(0);
    repository.check(&["--staged"]).assert_code(3);
    repository.assert_found(
        &["notes.txt"],
        &["notes.txt:2: it contains an age private key"],
    );
    repository
        .check(&[
            "--skip",
            "src",
            "--skip",
            "keys.bin",
            "--skip",
            "notes.txt",
            "--skip",
            "sops-age.yaml",
            "--skip",
            "wide.txt",
        ])
        .assert_code(0);
}

#[test]
fn which_files_are_looked_at() {
    let repository = Repository::new();
    let write = |name: &str, text: &str| repository.world.write(name, text);
    write(".gitignore", "ignored*\n");
    write("ignored-secret.yaml", MANIFEST);
    write("vendor/clone/x-secret.yaml", MANIFEST);
    repository
        .world
        .tool("git", ["init", "-q", "vendor/clone"])
        .assert_code(0);
    std::os::unix::fs::symlink(
        "ignored-secret.yaml",
        repository.world.path("link-secret.yaml"),
    )
    .expect("a link");
    repository.assert_clean(&[]);
    let line = |name: &str| format!("{name}: not encrypted: the Secret db (rule .sops.yaml:2:5)");
    // What is named is looked at; and so is what is tracked, ignored or not.
    repository.assert_found(&["ignored-secret.yaml"], &[&line("ignored-secret.yaml")]);
    repository
        .git(&["add", "--force", "ignored-secret.yaml"])
        .assert_code(0);
    repository.assert_found(&[], &[&line("ignored-secret.yaml")]);
    repository
        .git(&["rm", "--cached", "ignored-secret.yaml"])
        .assert_code(0);
    write("apps/a b/ü-secret.yaml", MANIFEST);
    write("apps/c-secret.yaml", MANIFEST);
    repository.assert_found(&["apps/a b"], &[&line("apps/a b/ü-secret.yaml")]);
    repository.assert_found(
        &["apps", "apps/c-secret.yaml"],
        &[&line("apps/a b/ü-secret.yaml"), &line("apps/c-secret.yaml")],
    );
    repository.assert_found(&["--skip", "apps/a b"], &[&line("apps/c-secret.yaml")]);
    // A directory that Git knows nothing of was named all the same. The rules of another
    // repository are its own.
    let unruled = "vendor/clone/x-secret.yaml is not encrypted: a Secret, and no rule";
    let run = repository.check(&["vendor/clone"]);
    assert!(run.assert_code(0).err().contains(unruled), "{}", run.err());
    let rules = repository.world.read(".sops.yaml");
    write("vendor/clone/.sops.yaml", &rules);
    let found = "vendor/clone/x-secret.yaml: not encrypted: the Secret db (rule vendor/clone/.sops.yaml:2:5)";
    repository.assert_found(&["vendor/clone"], &[found]);
    std::os::unix::fs::symlink("vendor/clone", repository.world.path("to-clone")).expect("a link");
    repository.check(&["to-clone"]).assert_code(3);
    // From within a directory, and by a config that is nearer.
    write(
        "apps/.sops.yaml",
        &format!(
            "creation_rules:\n  - path_regex: ^a b/\n    age: {}\n",
            repository.recipient
        ),
    );
    let mut inside = repository.world.kb_cmd(["k", "secrets", "check", "."]);
    inside.current_dir(repository.world.path("apps"));
    let run = repository.world.run(inside);
    run.assert_code(3);
    assert!(
        run.err()
            .contains("a b/ü-secret.yaml: not encrypted: the Secret db (rule .sops.yaml:2:5)"),
        "{}",
        run.err()
    );
    // Without Git, all files there are.
    std::fs::remove_dir_all(repository.world.path(".git")).expect("removed");
    repository.check(&[]).assert_code(3);
    let run = repository.check(&["ignored-secret.yaml"]);
    run.assert_code(3);
}

#[test]
fn a_config_that_was_named_is_for_all_files() {
    let repository = Repository::with_rules(&["path_regex: ^nothing$"]);
    let config = format!(
        "creation_rules:\n  - {RULE}\n    age: {}\n",
        repository.recipient
    );
    repository.world.write("elsewhere/rules.yaml", config);
    repository.world.write("db-secret.yaml", MANIFEST);
    let run = repository.check(&[]);
    assert!(
        run.assert_code(0)
            .err()
            .contains("warning: db-secret.yaml is not encrypted: a Secret, and no rule"),
        "{}",
        run.err()
    );
    repository
        .check(&["--config", "elsewhere/rules.yaml"])
        .assert_code(3);
}

#[test]
fn what_kb_cannot_read_is_no_all_clear() {
    let repository = Repository::new();
    let write = |name: &str, text: &str| repository.world.write(name, text);
    write(
        "a-secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {{ .x }}\nstringData:\n  password: hunter2\n",
    );
    write(
        "b-secret.yaml",
        "password: hunter2\nhost: {{ ansible_host }}\n",
    );
    write("c-secret.yaml", &format!("{MANIFEST}? [a, b]\n: c\n"));
    write("d-secret.yaml", &format!("{MANIFEST}kind: Secret\n"));
    // sops and kubectl take no mapping and no list as a key; of two equal ones kubectl takes
    // the second, and sops none.
    let lines = [
        ("a", "not encrypted: a Secret"),
        ("b", "not encrypted, and it does not parse at 2:8"),
        (
            "c",
            "not encrypted: looks like a Secret, and does not parse at 7:3",
        ),
        ("d", "not encrypted: the Secret db"),
    ];
    let lines =
        lines.map(|(name, words)| format!("{name}-secret.yaml: {words} (rule .sops.yaml:2:5)"));
    let run = repository.assert_found(&[], &lines.each_ref().map(String::as_str));
    assert!(
        run.err().contains("hint: fix it first") && run.err().contains("narrower path_regex"),
        "{}",
        run.err()
    );
    for name in ["a", "b", "c", "d"] {
        std::fs::remove_file(repository.world.path(format!("{name}-secret.yaml")))
            .expect("removed");
    }
    // Encrypted, with a value that was typed in, and then made unreadable.
    repository.encrypt("db-secret.yaml", MANIFEST);
    let encrypted = repository.world.read("db-secret.yaml");
    let typed = encrypted.replace("stringData:\n", "stringData:\n    token: hunter3\n");
    repository.world.write(
        "db-secret.yaml",
        typed.replace("name: db", "name: {{ db }}"),
    );
    repository.assert_found(&[], &["db-secret.yaml: damaged: it does not parse"]);

    // A rule for all manifests does not mean templates; but for those of a Secret.
    let repository =
        Repository::with_rules(&["path_regex: .*.yaml\n    encrypted_regex: ^(data|stringData)$"]);
    repository.world.write(
        "templates/deploy.yaml",
        "{{- if .Values.x }}\nkind: Deployment\n{{ end }}\n",
    );
    repository.assert_clean(&[]);
    repository.world.write(
        "templates/secret.yaml",
        "{{- if .Values.x }}\napiVersion: v1\nkind: Secret\nstringData: {password: hunter2}\n{{ end }}\n",
    );
    repository.check(&[]).assert_code(3);
    // A rule for every path: the same.
    let repository = Repository::with_rules(&["encrypted_regex: ^(data|stringData)$"]);
    repository.world.write("x.yaml", "a: 1\na: 2\n");
    repository.assert_clean(&[]);
    for text in [
        format!("{MANIFEST}kind: Secret\n"),
        format!("<<<<<<< HEAD\n{MANIFEST}"),
        "{\"apiVersion\": \"v1\", \"kind\": \"Secret\"} {,}".to_owned(),
    ] {
        repository.world.write("x.yaml", text);
        repository.check(&[]).assert_code(3);
    }
}

#[test]
fn what_kubectl_keeps_in_an_annotation_is_plaintext_too() {
    let repository = Repository::new();
    let annotation = "kubectl.kubernetes.io/last-applied-configuration";
    let manifest = MANIFEST.replace(
        "  name: db\n",
        &format!("  name: db\n  annotations:\n    {annotation}: '{{\"stringData\":{{\"password\":\"hunter2\"}}}}'\n"),
    );
    repository.world.write("db-secret.yaml", &manifest);
    let run = repository.check(&["--fix"]);
    crate::assert_fails(
        &run,
        3,
        &[
            "the annotation last-applied-configuration would stay in plaintext",
            "hint: remove the annotation first",
        ],
    );
    assert_eq!(repository.world.read("db-secret.yaml"), manifest);
    repository.encrypt("db-secret.yaml", &manifest);
    let run = repository.assert_found(&[], &["db-secret.yaml: encrypted, but the annotation last-applied-configuration is in plaintext"]);
    assert!(
        run.err()
            .contains("to remove the annotation: kb k secrets edit db-secret.yaml"),
        "{}",
        run.err()
    );
}

#[test]
fn a_list_of_secrets_is_one_whatever_its_items_say() {
    let repository = Repository::new();
    let list = "apiVersion: v1\nkind: SecretList\nitems:\n- metadata: {name: in-list}\n  stringData: {password: hunter2}\n";
    repository.world.write("list-secret.yaml", list);
    repository.assert_found(
        &[],
        &["list-secret.yaml: not encrypted: the Secret in-list (rule .sops.yaml:2:5)"],
    );
}

#[test]
fn a_value_typed_into_an_encrypted_file_is_found_in_every_format() {
    let repository = Repository::with_rules(&["path_regex: ^app\\."]);
    for (name, text, from, to) in [
        ("app.env", "A=b\nC=d\n", "A=", "NEW=hunter3\nA="),
        (
            "app.ini",
            "[a]\nb = c\nd = `x, y`\n",
            "[a]\n",
            "[a]\nnew = hunter3\n",
        ),
        (
            "app.json",
            "{\"a\": [1, true, \"x\", null, \"\"]}\n",
            "{\n",
            "{\"new\": \"hunter3\",\n",
        ),
        (
            "app.yaml",
            "a: [1, true, 2001-01-01, 1.5]\n# c\nb:\n  c: |\n    x\n",
            "a:\n",
            "new: hunter3\na:\n",
        ),
    ] {
        repository.encrypt(name, text);
        repository.assert_clean(&[]);
        let encrypted = repository.world.read(name);
        assert!(encrypted.contains(from), "{encrypted}");
        repository
            .world
            .write(name, encrypted.replacen(from, to, 1));
        let run = repository.check(&[]);
        crate::assert_fails(
            &run,
            3,
            &[&format!("{name}: encrypted, but"), "in plaintext"],
        );
        repository.world.write(name, encrypted);
    }
    // Where only some values are encrypted, the others are none of it.
    let repository =
        Repository::with_rules(&["path_regex: ^app\\.\n    encrypted_regex: ^password$"]);
    repository.encrypt("app.yaml", "user: x\npassword: y\n");
    let encrypted = repository.world.read("app.yaml");
    repository
        .world
        .write("app.yaml", format!("other: z\n{encrypted}"));
    repository.assert_clean(&[]);
    repository.world.write(
        "app.yaml",
        format!("other: {{password: hunter3}}\n{encrypted}"),
    );
    repository.assert_found(
        &[],
        &["app.yaml: encrypted, but other.password is in plaintext"],
    );
}

#[test]
fn a_file_that_quotes_an_encrypted_value_is_not_one() {
    let repository = Repository::with_rules(&["path_regex: secret"]);
    repository.encrypt("x-secret.yaml", MANIFEST);
    let quoted = repository.world.read("x-secret.yaml");
    let write = |name: &str, text: &str| repository.world.write(name, text);
    write("docs/how.md", &format!("Like this:\n```\n{quoted}```\n"));
    write("main.rs", "const P: &str = \"ENC[AES256_GCM,\";\n");
    write("ci.yaml", "run: grep -q 'ENC[AES256_GCM,' x\n");
    write(
        "external.yaml",
        "apiVersion: e/v1\nkind: ExternalSecret\n# not ENC[AES256_GCM,\ndata: []\n",
    );
    repository.assert_clean(&[]);
}

#[test]
fn a_rule_for_every_path_speaks_of_secrets_alone() {
    let repository = Repository::with_rules(&["encrypted_regex: (?i)(password|token|secret)"]);
    let write = |name: &str, text: &str| repository.world.write(name, text);
    write(
        ".github/workflows/ci.yml",
        "jobs: {a: {secrets: inherit, with: {github-token: x}}}\n",
    );
    write("chart/values.yaml", "existingSecret: foo\n");
    write(
        "package.json",
        "{\"dependencies\": {\"generate-password\": \"1\"}}\n",
    );
    repository.assert_clean(&["--fix"]);
    write("db.yaml", MANIFEST);
    repository.assert_found(
        &[],
        &["db.yaml: not encrypted: the Secret db (rule .sops.yaml:2:5)"],
    );
}

#[test]
fn a_named_config_counts_however_it_is_spelled() {
    let repository = Repository::with_rules(&["path_regex: ^sub/"]);
    repository.world.write("sub/db-secret.yaml", MANIFEST);
    repository.git(&["add", "--all"]).assert_code(0);
    let link = repository.world.repo().with_file_name("link");
    std::os::unix::fs::symlink(repository.world.repo(), &link).expect("a link");
    let linked = link.join(".sops.yaml");
    for config in [
        "../.sops.yaml",
        ".././sub/../.sops.yaml",
        linked.to_str().expect("UTF-8"),
    ] {
        for staged in [&["--staged"][..], &[]] {
            let mut command = repository
                .world
                .kb_cmd(["k", "secrets", "check", "--config", config]);
            command
                .args(staged)
                .current_dir(repository.world.path("sub"));
            repository.world.run(command).assert_code(3);
            let mut command = repository.world.kb_cmd(["k", "secrets", "check"]);
            command
                .args(staged)
                .env("SOPS_CONFIG", config)
                .current_dir(repository.world.path("sub"));
            let run = repository.world.run(command);
            run.assert_code(3);
        }
    }
    // What a hint says goes by the same config.
    let run = repository.check(&["--config", "./.sops.yaml"]);
    assert!(
        run.err()
            .contains("check --fix sub/db-secret.yaml --config ./.sops.yaml"),
        "{}",
        run.err()
    );
}

/// `check`, run by someone whom the modes of files bind, as they do not bind root.
fn as_another(repository: &Repository, args: &[&str]) -> testkit::Run {
    let drop = [
        "--bounding-set=-dac_override,-dac_read_search",
        "--inh-caps=-all",
    ];
    let mut command = repository.world.tool_cmd("setpriv", drop);
    command
        .arg(env!("CARGO_BIN_EXE_kb"))
        .args(["k", "secrets", "check"])
        .args(args);
    repository.world.run(command)
}

#[test]
fn what_cannot_be_read_hides_nothing_else() {
    let repository = Repository::new();
    repository.world.write("a-secret.yaml", MANIFEST);
    let hidden = repository.world.write("hidden", "x");
    std::fs::set_permissions(&hidden, std::os::unix::fs::PermissionsExt::from_mode(0o000))
        .expect("a mode");
    let check = |args: &[&str]| as_another(&repository, args);
    let run = check(&[]);
    crate::assert_fails(
        &run,
        3,
        &[
            "warning: hidden cannot be read",
            "a-secret.yaml: not encrypted",
        ],
    );
    repository.encrypt("a-secret.yaml", MANIFEST);
    crate::assert_fails(
        &check(&[]),
        1,
        &["not all files could be looked at", "--skip"],
    );
    check(&["--skip", "hidden"]).assert_code(0);
}

#[test]
fn a_damaged_file_of_every_format_is_no_plaintext() {
    let repository = Repository::with_rules(&["path_regex: ^app\\."]);
    for (name, text) in [
        ("app.env", "A=b\n"),
        ("app.ini", "[a]\nb = c\n"),
        ("app.json", "{\"a\": 1}\n"),
        ("app.yaml", "a: b\n"),
        ("app.bin", "x\n"),
    ] {
        repository.encrypt(name, text);
        let encrypted = repository.world.read(name);
        // Without the lines of the metadata that name the keys.
        let damaged: String = encrypted
            .lines()
            .filter(|line| !line.contains("age1") && !line.contains("\"enc\""))
            .map(|line| format!("{line}\n"))
            .collect();
        repository.world.write(name, &damaged);
        let run = repository.check(&["--fix"]);
        // Of YAML, dotenv and ini only the recipient is missing.
        let words = match name {
            "app.json" | "app.bin" => format!("{name}: damaged"),
            _ => format!("{name}: it is encrypted for an entry of age that is not a key"),
        };
        crate::assert_fails(&run, 3, &[&words]);
        assert_eq!(repository.world.read(name), damaged);
        repository.world.write(name, encrypted);
        repository.assert_clean(&[]);
    }
}

#[test]
fn what_is_broken_or_too_large_hides_nothing_else() {
    let repository = Repository::new();
    repository
        .world
        .write("fixtures/.sops.yaml", "creation_rules: {\n");
    repository.world.write("fixtures/x.yaml", "a: b\n");
    let large = repository.world.write("disk.img", "");
    std::fs::File::options()
        .write(true)
        .open(large)
        .and_then(|file| file.set_len(300 << 20))
        .expect("a sparse file");
    crate::assert_fails(
        &repository.check(&[]),
        1,
        &[
            "fixtures/.sops.yaml:1",
            "warning: disk.img cannot be read",
            "not all files",
        ],
    );
    let run = repository.check(&["-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(run.assert_code(1).out()).expect("JSON");
    assert_eq!(
        (&json["ok"], json["unread"].as_array().map(Vec::len)),
        (&false.into(), Some(1))
    );
    repository.world.write("db-secret.yaml", MANIFEST);
    crate::assert_fails(
        &repository.check(&[]),
        3,
        &["fixtures/.sops.yaml:1", "db-secret.yaml: not encrypted"],
    );
    repository
        .check(&["--skip", "fixtures", "--skip", "disk.img"])
        .assert_code(3);
    repository.encrypt("db-secret.yaml", MANIFEST);
    repository
        .check(&["--skip", "fixtures", "--skip", "disk.img"])
        .assert_code(0);
}

#[test]
fn a_fix_leaves_nothing_behind_that_it_says_is_there() {
    let repository = Repository::new();
    let (key, _) = keypair(&repository.world);
    repository
        .world
        .write("db-secret.yaml", MANIFEST.replace("hunter2", &key));
    let run = repository.check(&["--fix"]);
    assert!(
        run.assert_code(0)
            .err()
            .contains("Encrypted: db-secret.yaml"),
        "{}",
        run.err()
    );
    // A link that is named is looked at, too.
    repository.world.write("plain.yaml", MANIFEST);
    std::os::unix::fs::symlink("plain.yaml", repository.world.path("link-secret.yaml"))
        .expect("a link");
    repository.check(&["link-secret.yaml"]).assert_code(3);
    // What is ignored is not looked at only because there is nothing else.
    let empty = Repository::new();
    empty.world.write(".gitignore", "*\n");
    empty.world.write("x-secret.yaml", MANIFEST);
    assert_eq!(
        empty.check(&[]).assert_code(0).err(),
        "There is nothing to look at.\n"
    );
}

#[test]
fn ini_and_dotenv_are_read_as_sops_reads_them() {
    let repository = Repository::with_rules(&["path_regex: ^app\\."]);
    for text in [
        "[db]\npassword: hunter2\n",
        "password=ab]cd\n[x]\n",
        "[x]\n[ y ]\na = hunter2\n",
    ] {
        repository.world.write("app.ini", text);
        repository.assert_found(&[], &["app.ini: not encrypted (rule .sops.yaml:2:5)"]);
    }
    for (name, text, from, to) in [
        (
            "app.ini",
            "top = x\n; comment\n[sec]\na = b\n",
            "top",
            "new = hunter3\ntop",
        ),
        (
            "app.ini",
            "[sec]\na = b\n",
            "[sec]\n",
            "[sec]\na = hunter3\n",
        ),
        (
            "app.ini",
            "[sec]\na = b\n",
            "[sec]\n",
            "[sec]\na = hunter3\n[sec]\n",
        ),
        ("app.env", "A=b\n", "A=", "A=hunter3\nA="),
    ] {
        repository.encrypt(name, text);
        repository.assert_clean(&[]);
        let encrypted = repository.world.read(name);
        repository
            .world
            .write(name, encrypted.replacen(from, to, 1));
        crate::assert_fails(
            &repository.check(&[]),
            3,
            &[&format!("{name}: encrypted, but")],
        );
        std::fs::remove_file(repository.world.path(name)).expect("removed");
    }
}

#[test]
fn where_comments_decide_the_values_of_a_secret_are_looked_at_all_the_same() {
    let repository =
        Repository::with_rules(&["path_regex: ^cc/\n    encrypted_comment_regex: sops:enc"]);
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData:\n  # sops:enc\n  a: hunter2\n  forgotten: hunter3\n";
    repository.world.write("cc/s.yaml", text);
    let run = repository.check(&["--fix"]);
    crate::assert_fails(&run, 3, &["stringData.forgotten would stay in plaintext"]);
    repository.encrypt("cc/s.yaml", text);
    repository.assert_found(
        &[],
        &["cc/s.yaml: encrypted, but stringData.forgotten is in plaintext"],
    );
}

#[test]
fn a_file_whose_format_its_name_does_not_tell_is_read_by_its_metadata() {
    let repository = Repository::with_rules(&["path_regex: ^secrets/"]);
    for (name, format, text) in [
        ("secrets/.env.prod", "dotenv", "A=b\n"),
        ("secrets/a.yaml.enc", "yaml", "a: b\n"),
        ("secrets/a.ini.enc", "ini", "[a]\nb = c\n"),
        ("secrets/a.json.sops", "json", "{\"a\": \"b\"}\n"),
    ] {
        repository.world.write(name, text);
        let args = [
            "encrypt",
            "--input-type",
            format,
            "--output-type",
            format,
            "--in-place",
            name,
        ];
        repository.world.tool("sops", args).assert_code(0);
        repository.assert_clean(&[]);
        let encrypted = repository.world.read(name);
        let typed = match format {
            "json" => encrypted.replacen("{", "{\"new\": \"hunter3\",", 1),
            "yaml" => format!("new: hunter3\n{encrypted}"),
            _ => format!("new=hunter3\n{encrypted}"),
        };
        repository.world.write(name, typed);
        crate::assert_fails(
            &repository.check(&[]),
            3,
            &[&format!("{name}: encrypted, but")],
        );
        repository.world.write(name, encrypted);
    }
}

#[test]
fn templates_are_not_encrypted_and_other_kinds_are_no_secrets() {
    let repository = Repository::with_rules(&[
        "path_regex: .*\\.ya?ml$\n    encrypted_regex: ^(data|stringData)$",
    ]);
    for value in ["{{ .Values.password }}", "${DB_PASSWORD}"] {
        let text = MANIFEST.replace("hunter2", &format!("\"{value}\""));
        repository.world.write("secret.yaml", &text);
        let run = repository.check(&["--fix"]);
        let remark = "1 file holds placeholders instead of values: secret.yaml";
        assert!(run.assert_code(0).err().contains(remark), "{}", run.err());
        assert!(!run.err().contains("encrypt it"), "{}", run.err());
        assert_eq!(repository.world.read("secret.yaml"), text);
    }
    repository.world.write(
        "secret.yaml",
        "kind: ExternalSecret\nname: {{ .Release.Name }}\nref: {kind: SecretStore}\n",
    );
    repository.assert_clean(&[]);
}

#[test]
fn odd_values_in_plaintext_do_not_keep_a_file_from_being_read() {
    let repository =
        Repository::with_rules(&["path_regex: ^app\\.\n    encrypted_regex: ^password$"]);
    repository.encrypt(
        "app.yaml",
        "password: x\na: .inf\nb: .nan\nc: !!binary /9j/4AAQ\nd: 1e400\n",
    );
    repository.assert_clean(&[]);
}

#[test]
fn a_hint_names_the_config_that_sops_would_not_take_by_itself() {
    let repository = Repository::new();
    let (_, other) = keypair(&repository.world);
    repository.world.write(
        "nested/.sops.yaml",
        format!("creation_rules:\n- age: {other}\n  path_regex: ^values\n"),
    );
    repository
        .world
        .write("nested/values-secret.yaml", "password: hunter2\n");
    let run = repository.check(&[]);
    let hint = "hint: to encrypt it: sops --config nested/.sops.yaml encrypt --in-place nested/values-secret.yaml\n";
    assert!(run.assert_code(3).err().contains(hint), "{}", run.err());
    let command = [
        "--config",
        "nested/.sops.yaml",
        "encrypt",
        "--in-place",
        "nested/values-secret.yaml",
    ];
    repository.world.tool("sops", command).assert_code(0);
    assert!(
        repository
            .world
            .read("nested/values-secret.yaml")
            .contains(&other)
    );
}

/// A directory that can be listed and not entered, and what is ignored and tracked.
#[test]
fn a_directory_that_cannot_be_entered_is_no_all_clear() {
    let repository = Repository::new();
    repository.world.write("d/a-secret.yaml", MANIFEST);
    repository.world.write(".gitignore", "d/\n");
    repository.git(&["add", "--force", "d"]).assert_code(0);
    let directory = repository.world.path("d");
    let mode = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&directory, mode).expect("a mode");
    };
    let check = |args: &[&str]| as_another(&repository, args);
    check(&[]).assert_code(3);
    for unreadable in [0o644, 0o000] {
        mode(unreadable);
        for arguments in [&[][..], &["d"]] {
            let run = check(arguments);
            assert_eq!(
                run.code,
                Some(1),
                "{unreadable:o} {arguments:?}: {}",
                run.err()
            );
        }
    }
    mode(0o755);
}

#[test]
fn a_pipe_that_is_named_is_no_all_clear() {
    let repository = Repository::new();
    let pipe = repository.world.path("pipe");
    repository.world.tool("mkfifo", [&pipe]).assert_code(0);
    crate::assert_fails(
        &repository.check(&["pipe"]),
        1,
        &["pipe", "it is a pipe or a device"],
    );
}

/// sops takes a quoted text whose lines stand further to the left than its key, and a MAC
/// that is written with escapes.
#[test]
fn a_file_under_a_rule_that_only_sops_can_parse_is_reported() {
    let repository = Repository::with_rules(&["path_regex: ^app\\."]);
    repository.encrypt("app.yaml", "a:\n    b: c\n");
    let encrypted = repository.world.read("app.yaml");
    let is_mac = |line: &&str| line.trim_start().starts_with("mac: ");
    let mac = encrypted.lines().find(is_mac).expect("a MAC");
    let escaped = mac.replace("ENC[", "\"\\x45NC[") + "\"";
    let text = encrypted.replace(mac, &escaped);
    let text = text.replace("    b: ", "    note_unencrypted: 'x\n\n y'\n    b: ");
    repository.world.write("app.yaml", &text);
    let run = repository.check(&[]);
    crate::assert_fails(&run, 3, &["app.yaml: damaged: it does not parse"]);
}
