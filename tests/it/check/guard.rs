//! A Secret is found whatever its file is called and however it is written, and what is
//! none is no finding.

use super::{MANIFEST, RULE, Repository};

/// For every path.
const FOR_ALL: &str = "encrypted_regex: ^(data|stringData)$";

impl Repository {
    /// Adds a file alone, checks, and removes it: the exit code, and what was said.
    fn alone(&self, name: &str, content: impl AsRef<[u8]>, args: &[&str]) -> (Option<i32>, String) {
        self.world.write(name, content);
        let run = self.check(args);
        std::fs::remove_file(self.world.path(name)).expect("removed");
        (run.code, run.err().to_owned())
    }
}

fn utf16(text: &str, mark: [u8; 2], unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let units = text.encode_utf16().flat_map(unit);
    mark.into_iter().chain(units).collect()
}

#[test]
fn a_secret_is_found_whatever_its_file_is_called() {
    let (all, none) = (Repository::with_rules(&[FOR_ALL]), Repository::new());
    for name in [
        "s.yaml",
        "s.yaml.orig",
        "s.yaml~",
        "s.yaml.bak",
        "s.YAML",
        "s.yaml.dec",
        "s.txt",
        "s",
        "s.json",
        "s.yaml1",
        "#s.yaml#",
        "s.md",
        "s.tpl",
        ".s.yaml.kb-tmp-AbCd1234",
    ] {
        let (code, said) = all.alone(name, MANIFEST, &[]);
        let words = format!("{name}: not encrypted: the Secret db (rule .sops.yaml:2:5)");
        assert!(code == Some(3) && said.contains(&words), "{name}: {said}");
        // Only what sops encrypts value by value is offered for it.
        let is_offered = ["s.yaml"].contains(&name);
        assert_eq!(said.contains("--fix"), is_offered, "{name}: {said}");
        let (code, said) = none.alone(name, MANIFEST, &[]);
        let words = format!("warning: {name} is not encrypted: a Secret, and no rule");
        assert!(code == Some(0) && said.contains(&words), "{name}: {said}");
    }
    all.world.write("s.yaml~", MANIFEST);
    all.git(&["add", "--all"]).assert_code(0);
    all.check(&["--staged"]).assert_code(3);
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let repository = Repository::with_rules(&[FOR_ALL]);
    let json = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db"},"stringData":{"a":"hunter2"}}"#;
    let values = "metadata: {name: db}\nstringData: {a: hunter2}\n";
    let texts: Vec<Vec<u8>> = vec![
        utf16(MANIFEST, [0xff, 0xfe], u16::to_le_bytes),
        utf16(MANIFEST, [0xfe, 0xff], u16::to_be_bytes),
        [b"\xef\xbb\xbf", MANIFEST.as_bytes()].concat(),
        MANIFEST.replace('\n', "\r\n").into(),
        json.into(),
        format!("{{\"a\": 1}}\n{json}").into(),
        json.replace("Secret", "\\u0053ecret").into(),
        json.replace("kind", "\\u006bind").into(),
        format!("apiVersion: v1\nkind:\n  Secret\n{values}").into(),
        format!("apiVersion: v1\nkind: \"S\\x65cret\"\n{values}").into(),
        format!("apiVersion: v1\nkind: \"Sec\\\n  ret\"\n{values}").into(),
        format!("apiVersion: v1\nkind: !!binary U2VjcmV0\n{values}").into(),
        format!("apiVersion: v1\nkind: |-\n  Secret\n{values}").into(),
        format!("\"apiVersion\": 'v1'\n? kind\n: Secret # why\n{values}").into(),
        format!("a: &k Secret\napiVersion: v1\nkind: *k\n{values}").into(),
        format!("apiVersion: /v1\nkind: Secret\n{values}").into(),
        format!("x: &x {{apiVersion: v1, kind: Secret}}\n<<: *x\n{values}").into(),
        format!("apiVersion: v1\nkind: ConfigMap\nkind: Secret\n{values}").into(),
        format!("# first\n---\n---\na: b\n---\n{MANIFEST}").into(),
        format!("apiVersion: v1\nkind: List\nitems:\n- {json}\n").into(),
        format!("apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items: [{json}]\n").into(),
        "apiVersion: v1\nkind: SecretList\nitems:\n- metadata: {name: db}\n  data: {a: aHVudGVyMg==}\n".into(),
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringdata: {a: hunter2}\n".into(),
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nspec: {a: [hunter2]}\n".into(),
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {a: 5432}\n".into(),
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData:\n#  a: hunter2\n".into(),
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData:\n  # password: hunter2\n  a: ''\n".into(),
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: '{\"data\":{\"a\":\"aHVudGVyMg==\"}}'\n".into(),
        MANIFEST.replace("password: hunter2", "p: hunter2\n  p: hunter3").into(),
        MANIFEST.replace("password: hunter2", "p: \"ENC[AES256_GCM,data:hunter2]\"").into(),
        // It does not parse, and looks like one.
        format!("{MANIFEST}  - x\n").into(),
        format!("<<<<<<< HEAD\n{MANIFEST}=======\n{MANIFEST}>>>>>>> b\n").into(),
    ];
    for text in texts {
        for name in ["x.yaml", "x.txt"] {
            let (code, said) = repository.alone(name, &text, &[]);
            let shown = String::from_utf8_lossy(&text);
            assert_eq!(code, Some(3), "{name}: {shown}\n{said}");
            assert!(
                said.contains("Secret") || said.contains("damaged"),
                "{shown}\n{said}"
            );
            assert!(!said.contains("hunter"), "{said}");
        }
    }
}

#[test]
fn a_secret_that_does_not_parse_is_said_without_a_rule_too() {
    let repository = Repository::new();
    let (code, said) = repository.alone("app.yaml", format!("{MANIFEST}  - x\n"), &[]);
    let words = "app.yaml is not encrypted: it looks like a Secret and does not parse at 7:";
    assert!(code == Some(0) && said.contains(words), "{said}");
}

#[test]
fn what_kubectl_reads_as_no_secret_is_none() {
    let repository = Repository::with_rules(&[FOR_ALL]);
    let values = "metadata: {name: db}\nstringData: {a: hunter2}\n";
    for text in [
        format!("apiVersion: v1\nkind: secret\n{values}"),
        format!("apiVersion: v2\nkind: Secret\n{values}"),
        format!("apiVersion: example.org/v1\nkind: Secret\n{values}"),
        format!("apiVersion: v1\nKind: Secret\n{values}"),
        format!("apiVersion: v1\nkind: ConfigMap\nref: {{kind: Secret}}\n{values}"),
        format!("kind: Secret\n{values}"),
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ntype: Opaque\nimmutable: true\n".to_owned(),
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata: {}\nstringData: {a: '', b: null}\n".to_owned(),
        "apiVersion: v1\nkind: Secret\n# owner: team-a\nmetadata: {name: db}\n# note: why\ndata: {}\n".to_owned(),
        // Prose that quotes one.
        format!("# Secrets\n\nWrite this:\n\n```yaml\n{MANIFEST}```\n"),
    ] {
        for name in ["x.yaml", "x.md", "x.txt"] {
            let (code, said) = repository.alone(name, &text, &[]);
            let is_prose = text.contains("```");
            if !(is_prose && name == "x.yaml") {
                assert!(code == Some(0) && !said.contains("warning"), "{name}: {text}\n{said}");
            }
        }
    }
}

/// Fault 4 of real repositories: most `path_regex` do not end in `$`.
#[test]
fn templates_and_texts_beside_an_unanchored_rule_are_no_findings() {
    let repository = Repository::with_rules(&[
        "path_regex: kubernetes/.*\\.ya?ml\n    encrypted_regex: ^(data|stringData)$",
        "path_regex: .*secret.*",
        "path_regex: \\.sops\\.ya?ml",
    ]);
    for (name, text) in [
        (
            "kubernetes/kustomization.yaml.bootstrap",
            "resources:\n  - a.yaml\n",
        ),
        ("kubernetes/lint.yaml.sh", "#!/bin/sh\necho\n"),
        ("kubernetes/x.yaml.md", "# Doc\n"),
        (
            "kubernetes/r.yaml.j2",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {a: \"#{ b }#\"}\n",
        ),
        (
            "kubernetes/s.yaml.tmpl",
            "{% if x %}\napiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {a: {{ x | b64 }}}\n{% endif %}\n",
        ),
        ("kubernetes/values.yaml", "a: {{ x }}\n"),
        (
            "kubernetes/np.yaml",
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n  spec: {}\n",
        ),
        ("docs/send-secrets.md", "# How to\n"),
        (
            "charts/secret.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData:\n  a: {{ .Values.a }}\n",
        ),
        ("users.sops.yaml.example", "a: b\n"),
        ("users.sops.yaml.disable", "a: b\n"),
        ("key.secret.pub", "ssh-ed25519 AAAA\n"),
        (
            "kubernetes/recyclarr.yaml",
            "sonarr:\n  data: !env_var SONARR\n",
        ),
    ] {
        let (code, said) = repository.alone(name, text, &["--fix"]);
        assert_eq!(code, Some(0), "{name}: {said}");
        assert!(
            !said.contains("encrypt it") && !said.contains("sops encrypt"),
            "{said}"
        );
    }
    // But a Secret with a value is one, and nobody is told to encrypt a template.
    for (name, text) in [
        (
            "kubernetes/r.yaml.j2",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: '{{ x }}'}\nstringData: {password: hunter2}\n",
        ),
        (
            "charts/secret.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {{ x }}\nstringData:\n  password: hunter2\n",
        ),
    ] {
        let (code, said) = repository.alone(name, text, &["--fix"]);
        assert_eq!(code, Some(3), "{name}: {said}");
        assert!(
            !said.contains("encrypt it:") && !said.contains("sops encrypt"),
            "{said}"
        );
    }
    // And so is a text that the rule spells out.
    let repository = Repository::with_rules(&["path_regex: \\.tmpl$", "path_regex: ^dir/"]);
    for name in ["a.tmpl", "dir/tls.key"] {
        let (code, said) = repository.alone(name, "hunter2\n", &[]);
        assert_eq!(code, Some(3), "{name}: {said}");
    }
}

/// A rule for every file with an ending says of none what it is.
#[test]
fn a_rule_for_all_manifests_speaks_of_secrets_alone() {
    for rule in [
        "path_regex: .*.yaml",
        "path_regex: \\.ya?ml$\n    encrypted_regex: ^(data|stringData)$",
    ] {
        let repository = Repository::with_rules(&[rule]);
        let (code, said) = repository.alone(
            "kustomizeconfig.yaml",
            "nameReference: []\nvalues: {data: x}\n",
            &[],
        );
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(repository.alone("db.yaml", MANIFEST, &[]).0, Some(3));
    }
    for rule in [
        "path_regex: ^values",
        "path_regex: ^apps/",
        "path_regex: \\.yaml$\n    encrypted_regex: password",
    ] {
        let repository = Repository::with_rules(&[rule]);
        let name = if rule.contains("apps") {
            "apps/a.yaml"
        } else {
            "values.yaml"
        };
        assert_eq!(
            repository.alone(name, "password: hunter2\n", &[]).0,
            Some(3),
            "{rule}"
        );
    }
}

/// An expression for whole words is not one that matches within a word by chance.
#[test]
fn a_rule_for_names_of_any_word_speaks_of_those_files() {
    let text = "dsn: postgres://app:hunter2@db/app\npin: '12345678'\n";
    for (rule, name) in [
        (".+\\.prod\\.yaml$", "app.prod.yaml"),
        ("[^/]+\\.prod\\.ya?ml$", "app.prod.yaml"),
        ("^\\w+\\.prod\\.yaml$", "app.prod.yaml"),
        ("^[a-z]+\\.prod\\.yaml$", "app.prod.yaml"),
        ("(^|/)[a-z-]+\\.prod\\.yaml$", "a/app.prod.yaml"),
        ("[0-9]+\\.prod\\.yaml$", "app12.prod.yaml"),
    ] {
        let repository = Repository::with_rules(&[&format!("path_regex: '{rule}'")]);
        let (code, said) = repository.alone(name, text, &[]);
        assert_eq!(code, Some(3), "{rule}: {said}");
    }
    let repository = Repository::with_rules(&["path_regex: config.yaml$"]);
    let quiet = "nameReference: []\npin: '12345678'\n";
    let (code, said) = repository.alone("kustomizeconfig.yaml", quiet, &[]);
    assert_eq!(code, Some(0), "{said}");
    // But an account is one in whatever file.
    let (code, said) = repository.alone("kustomizeconfig.yaml", text, &[]);
    assert_eq!(code, Some(3), "{said}");
}

/// Only its names, and not its values, made a Secret one of settings.
#[test]
fn a_secret_in_a_connection_string_or_a_configuration_is_plaintext() {
    let repository = Repository::with_rules(&[
        "path_regex: ^clusters/prod/.*\\.ya?ml$\n    encrypted_regex: ^(data|stringData)$",
    ]);
    let secret = |name: &str, value: &str| {
        let value = serde_json::Value::from(value);
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\nstringData:\n  {name}: {value}\n"
        )
    };
    for (name, value) in [
        ("database", "host=db user=app password=hunter2"),
        ("login", "admin:hunter2"),
        ("settings.xml", "<a><password>hunter2</password></a>"),
        ("netrc", "machine ${HOST} login app password hunter2"),
        ("a.conf", "# password: hunter2\na: ${X}\n"),
    ] {
        let text = secret(name, value);
        let (code, said) = repository.alone("clusters/prod/x.yaml", &text, &[]);
        assert_eq!(code, Some(3), "{name}: {said}");
    }
    // A rule is a decision: whoever wrote it wants this encrypted as well.
    let text = secret("database", "app");
    let (code, said) = repository.alone("clusters/prod/x.yaml", &text, &[]);
    assert_eq!(code, Some(3), "{said}");
    let (code, said) = repository.alone("clusters/dev/x.yaml", &text, &[]);
    assert!(
        code == Some(0) && said.contains("look like settings"),
        "{said}"
    );
    // A template without anything to fill in among its values.
    let text = secret("dsn", "postgres://app:hunter2@db/x").replace("name: x", "name: '{{ x }}'");
    for name in ["clusters/prod/x.yaml.j2", "clusters/prod/x.yaml"] {
        let text = text.replace(
            "'{{ x }}'",
            match name.ends_with("j2") {
                true => "'{{ x }}'",
                false => "{{ x }}",
            },
        );
        let repository = Repository::with_rules(&["path_regex: ^clusters/prod/"]);
        let (code, said) = repository.alone(name, &text, &[]);
        assert_eq!(code, Some(3), "{name}: {said}");
    }
}

/// A rule for all of a directory says with what its files are encrypted, and not which.
#[test]
fn a_rule_for_a_place_means_the_files_in_which_something_is_called_like_a_secret() {
    let repository = Repository::with_rules(&[
        "path_regex: talos/.*\\.yaml$",
        "path_regex: node.yaml|kubeconfig",
        "path_regex: .*secrets.*\\.ya?ml$",
    ]);
    let unnamed = "is not encrypted that a rule names by its place alone";
    for (name, text) in [
        (
            "talos/inventory.yaml",
            "hosts:\n- {host: a1, ip: 10.0.0.1}\n",
        ),
        (
            "talos/Taskfile.yaml",
            "vars:\n  age_key: prod-age-key\ncmds:\n- kubectl create secret generic x\n",
        ),
        (
            "talos/x.yaml",
            "spread:\n  topologyKey: kubernetes.io/hostname\n",
        ),
        ("apps/a/node.yaml", "hostname: x.example\n"),
        ("talos/roles/make-sops/main.yaml", "a: 1b2\n"),
        (
            "charts/shared-secrets/values.yaml",
            "fullname: x\nttl: 10h\n",
        ),
    ] {
        let (code, said) = repository.alone(name, text, &[]);
        assert!(code == Some(0) && said.contains(unnamed), "{name}: {said}");
    }
    for (name, text) in [
        (
            "talos/inventory.yaml",
            "hosts:\n- {host: a1, password: hunter2}\n",
        ),
        (
            "talos/inventory.yaml",
            "hosts:\n- {host: a1, password: api-token}\n",
        ),
        ("talos/inventory.yaml", "token: hunter2\n"),
        ("talos/inventory.yaml", "args: --password hunter2\n"),
        (
            "talos/inventory.yaml",
            "url: https://app:hunter2@x.example\n",
        ),
        ("talos/inventory.yaml", "data: {a: b}\n"),
        ("apps/a/node.yaml", "token: hunter2\n"),
        ("node.yaml", "hostname: x.example\n"),
        ("talos/secrets/main.yaml", "alice: hunter2\n"),
        ("talos/secrets.yaml", "alice: hunter2\n"),
        ("charts/shared-secrets/values.yaml", "token: hunter2\n"),
        ("charts/shared-secrets/users.yaml", "alice: hunter2\n"),
    ] {
        let (code, said) = repository.alone(name, text, &[]);
        let words = format!("{name}: not encrypted (rule");
        assert!(code == Some(3) && said.contains(&words), "{name}: {said}");
    }
    // Helm and GitHub read these as they are.
    for name in [
        "charts/shared-secrets/Chart.yaml",
        ".github/workflows/secrets.yaml",
        ".github/actions/secrets/action.yml",
    ] {
        let (code, said) = repository.alone(name, "a: b\n", &[]);
        assert!(code == Some(0) && !said.contains(unnamed), "{name}: {said}");
    }
}

#[test]
fn an_example_is_named_and_no_finding_unless_a_value_in_it_looks_made_by_chance() {
    let repository = Repository::with_rules(&[
        "path_regex: (secret|.*-secret)\\.ya?ml\n    encrypted_regex: ^(data|stringData)$",
    ]);
    let secret = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\nstringData:\n  user: admin\n  password: {value}\n"
        )
    };
    for value in [
        "changeme!",
        "choose-a-strong-one",
        "base64 of user and token",
        "<TOKEN>",
    ] {
        let text = secret(&format!("\"{value}\""));
        for rule in ["a/db-secret.yaml.example", "b/other.yaml.template"] {
            let (code, said) = repository.alone(rule, &text, &[]);
            let words = "1 file holds placeholders instead of values";
            assert!(code == Some(0) && said.contains(words), "{value}: {said}");
        }
        // Elsewhere what is not surely one is a value.
        let (code, said) = repository.alone("a/db-secret.yaml", &text, &[]);
        let is_placeholder = ["changeme!", "<TOKEN>"].contains(&value);
        assert_eq!(code == Some(0), is_placeholder, "{value}: {said}");
    }
    for value in [
        "hunter2",
        "YourStrong!Passw0rd",
        "c3I7yWDjKaxNcpS8",
        "aBcDeFgHiJk",
        "qwertyuiopasdfghjklzxcvbnm",
        "|\n    -----BEGIN RSA PRIVATE KEY-----\n    abc",
    ] {
        let (code, said) = repository.alone("a/db-secret.yaml.example", secret(value), &[]);
        assert_eq!(code, Some(3), "{value}: {said}");
    }
}

#[test]
fn what_tells_no_secret_by_its_form_is_no_finding_under_a_rule_for_a_place() {
    let repository = Repository::with_rules(&[
        "path_regex: ^secrets/.*",
        "path_regex: ^apps/.*\\.yaml$\n    encrypted_regex: ^(data|stringData)$",
    ]);
    let secret = |value: &str| {
        let value = serde_json::Value::from(value);
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\nstringData:\n  keys.json: {value}\n"
        )
    };
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGh1bnRlcjJodW50ZXIyaHVudGVyMmh1bnRlcjJo a@b\n";
    for value in [key, "{\"active\": \"\", \"keys\": []}"] {
        let (code, said) = repository.alone("apps/x.yaml", secret(value), &[]);
        assert_eq!(code, Some(0), "{value}: {said}");
    }
    let mixed = format!("{key}hunter2\n");
    for value in [
        &mixed,
        "{\"active\": \"hunter2\", \"keys\": []}",
        "[\"hunter2\"]",
    ] {
        let (code, said) = repository.alone("apps/x.yaml", secret(value), &[]);
        assert_eq!(code, Some(3), "{value}: {said}");
    }
    for name in ["secrets/host.age-pub", "secrets/id_ed25519"] {
        let (code, said) = repository.alone(name, key, &[]);
        assert_eq!(code, Some(0), "{name}: {said}");
        let (code, said) = repository.alone(name, &mixed, &[]);
        assert_eq!(code, Some(3), "{name}: {said}");
    }
}

/// The key beside it is encrypted, by a rule that names it.
#[test]
fn a_certificate_beside_an_encrypted_key_is_no_plaintext() {
    let repository = Repository::with_rules(&["encrypted_regex: ^tls\\.key$"]);
    let tls = |crt: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\ntype: kubernetes.io/tls\nstringData:\n  tls.key: hunter2\n  tls.crt: \"{crt}\"\n"
        )
    };
    repository.encrypt(
        "a.yaml",
        &tls("-----BEGIN CERTIFICATE-----\\nMII\\n-----END CERTIFICATE-----\\n"),
    );
    repository.check(&[]).assert_code(0);
    repository.encrypt("b.yaml", &tls("-----BEGIN PRIVATE KEY-----\\nMII\\n"));
    repository.assert_found(
        &[],
        &["b.yaml: encrypted, but stringData.tls.crt is in plaintext"],
    );
}

/// Faults 3 and 1 of real repositories: `--fix` made binary sops files of them.
#[test]
fn a_fix_leaves_copies_alone_and_says_what_to_do_with_them() {
    let repository = Repository::with_rules(&[
        "path_regex: k/.*\\.yaml\n    encrypted_regex: ^(data|stringData)$",
    ]);
    let names = [
        "k/s.yaml~",
        "k/s.yaml1",
        "k/s.yaml.bak",
        "k/s.yaml.orig",
        "k/s.yaml.UTF",
    ];
    for name in names {
        repository.world.write(name, MANIFEST);
    }
    repository.world.write("k/notes.yaml#", "hello\n");
    let wide = utf16(MANIFEST, [0xff, 0xfe], u16::to_le_bytes);
    repository.world.write("k/wide.yaml", &wide);
    let run = repository.check(&["--fix"]);
    crate::assert_fails(&run, 3, &["hint: if it is a copy, delete it: rm "]);
    assert!(!run.err().contains("Encrypted:"), "{}", run.err());
    for name in names {
        assert_eq!(repository.world.read(name), MANIFEST, "{name}");
    }
    assert_eq!(repository.world.read_bytes("k/wide.yaml"), wide);
    assert_eq!(repository.world.read("k/notes.yaml#"), "hello\n");
}

/// Fault 5 of real repositories.
#[test]
fn placeholders_are_a_remark_and_only_where_they_are_the_whole_value() {
    let repository =
        Repository::with_rules(&["path_regex: \\.yaml$\n    encrypted_regex: ^(data|stringData)$"]);
    let secret = |value: &str| MANIFEST.replace("hunter2", &format!("'{value}'"));
    let encoded = "JHtEQl9QQVNTV09SRH0=";
    for text in [
        secret("${DB_PASSWORD}"),
        secret("op://vault/item/field"),
        secret("ref+vault://secret/db#/password"),
        secret("<placeholder>"),
        secret("<path:secret/data/db#password>"),
        secret("CHANGE_ME"),
        secret("{{ .x }}"),
        secret("#{ x }#"),
        secret("{\"a\": \"${A}\", \"b\": [\"${B}\"]}"),
        MANIFEST.replace(
            "stringData:\n  password: hunter2",
            &format!("data:\n  password: {encoded}"),
        ),
        MANIFEST.replace("hunter2", "${DB_PASSWORD}\n  username: admin"),
    ] {
        let (code, said) = repository.alone("s.yaml", &text, &["--fix"]);
        let remark = "warning: 1 file holds placeholders instead of values: s.yaml";
        assert!(code == Some(0) && said.contains(remark), "{text}\n{said}");
        assert!(!said.contains("encrypt"), "{said}");
    }
    for (text, named) in [
        (secret("hunter2${DB_PASSWORD}"), ""),
        (secret("${DB_PASSWORD:=hunter2}"), ""),
        (secret("{\"a\": \"${A}\", \"b\": \"hunter2\"}"), ""),
        (secret("postgres://app:hunter2@${HOST}/db"), ""),
        (
            MANIFEST.replace("hunter2", "${A}\n  other: hunter2"),
            ": stringData.other",
        ),
    ] {
        let (code, said) = repository.alone("s.yaml", &text, &["--fix"]);
        let words = format!("s.yaml: not encrypted: the Secret db{named} (rule");
        assert!(code == Some(3) && said.contains(&words), "{text}\n{said}");
        assert!(!said.contains("Encrypted:"), "{said}");
    }
    repository.world.write("s.yaml", secret("${A}"));
    let run = repository.check(&["-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(run.assert_code(0).out()).expect("JSON");
    let remark = json["remarks"][0].as_str().expect("a remark");
    assert!(
        remark.contains("placeholders") && remark.contains("s.yaml"),
        "{remark}"
    );
}

/// Fault 6 of real repositories: kustomize-controller decrypts it.
#[test]
fn a_value_that_is_a_sops_file_is_no_plaintext() {
    let repository = Repository::with_rules(&[RULE, "path_regex: ^inner"]);
    repository.encrypt("inner.json", "{\"data\": \"hunter2\"}");
    let inner = repository.world.read("inner.json");
    std::fs::remove_file(repository.world.path("inner.json")).expect("removed");
    let manifest = |inner: &str| {
        let encoded = repository.world.run_with_stdin(
            repository.world.tool_cmd("base64", ["-w0"]),
            inner.as_bytes(),
        );
        MANIFEST.replace(
            "stringData:\n  password: hunter2",
            &format!("data:\n  conf.json: {}", encoded.out()),
        )
    };
    let text = manifest(&inner);
    let (code, said) = repository.alone("b-secret.yaml", &text, &["--fix"]);
    assert!(code == Some(0) && !said.contains("warning"), "{said}");
    // A value that was typed into it is one.
    let typed = manifest(&inner.replacen('{', "{\"typed\": \"hunter3\",", 1));
    assert_eq!(repository.alone("b-secret.yaml", typed, &[]).0, Some(3));
}

/// Fault 9 of real repositories.
#[test]
fn a_text_that_can_be_no_key_is_no_finding() {
    let repository = Repository::with_rules(&[RULE]);
    let (key, _) = crate::keypair(&repository.world);
    for text in [
        format!("AGE-SECRET-KEY-{}", "X".repeat(58)),
        "AGE-SECRET-KEY-1ABC123DEF456GHI789JKL012MNO345PQR678STU901VWX234YZ567".to_owned(),
    ] {
        assert_eq!(repository.alone("d.md", &text, &[]).0, Some(0), "{text}");
    }
    // One that is cut short is, and one in base64 in UTF-16 as well.
    assert_eq!(repository.alone("d.md", &key[..60], &[]).0, Some(3));
    let encoded = repository.world.run_with_stdin(
        repository.world.tool_cmd("base64", ["-w0"]),
        format!("# created\n{key}\n").as_bytes(),
    );
    let text = format!("data:\n  age.agekey: {}\n", encoded.out());
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(repository.alone("backup.txt", wide, &[]).0, Some(3));
    assert_eq!(
        repository
            .alone(".db-secret.yaml.kb-tmp-abcdefgh", &key, &[])
            .0,
        Some(3)
    );
}
