//! What is wrong is called by its name, in every command, with what to do about it.

use std::path::Path;

use crate::{CANARY, SECRET, Setup, assert_fails, bare_world, keypair, recipient_of};

/// A repository with its own keys in `~/.kube` and one rule for every format.
fn setup(prefix: &str) -> Setup {
    let setup = Setup::initialized(prefix);
    let recipient = setup.recipient();
    setup.world.write(
        ".sops.yaml",
        format!(
            "creation_rules:\n  - path_regex: secret[^/]*\\.ya?ml$\n    \
             encrypted_regex: ^(data|stringData)$\n    age: {recipient}\n  \
             - path_regex: secret\n    age: {recipient}\n"
        ),
    );
    git(&setup, &["init", "-q", "-b", "main"]);
    setup
}

fn git(setup: &Setup, arguments: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
    let arguments = [&identity[..], arguments].concat();
    setup.world.tool("git", arguments);
}

/// What each command that reads the file says.
fn said_by_all(setup: &Setup, file: &str) -> Vec<(String, String)> {
    let commands: [&[&str]; 7] = [
        &["check"],
        &["check", "--staged"],
        &["status"],
        &["decrypt", file],
        &["decrypt", "--textconv", file],
        &["edit", file],
        &["init", "--force", "--dry-run"],
    ];
    let said = commands.map(|arguments| {
        let mut command = setup.command(arguments);
        command.env("EDITOR", "true");
        let run = setup.world.run(command);
        let is_textconv = arguments.contains(&"--textconv");
        assert_eq!(
            run.code == Some(0),
            is_textconv,
            "{arguments:?}: {}",
            run.err()
        );
        let all = format!("{}{}", String::from_utf8_lossy(&run.stdout), run.err());
        (arguments.join(" "), all)
    });
    said.into()
}

#[track_caller]
fn assert_said(setup: &Setup, file: &str, words: &str) {
    for (command, said) in said_by_all(setup, file) {
        assert!(said.contains(words), "{file}: {command}:\n{said}");
        assert!(!said.contains("damaged"), "{file}: {command}:\n{said}");
        assert!(!said.contains(CANARY), "{file}: {command}:\n{said}");
    }
}

const FORMATS: [(&str, &str); 5] = [
    ("a-secret.yaml", SECRET),
    ("a-secret.json", "{\"a\": \"x\", \"b\": \"y\"}"),
    ("a-secret.env", "A=x\nB=y\n"),
    ("a-secret.ini", "[a]\nb = x\n"),
    ("a-secret.txt", "x\n"),
];

#[test]
fn a_merge_that_git_could_not_finish_is_called_a_merge_conflict_by_every_command() {
    let setup = setup("conflict");
    for (file, text) in FORMATS {
        for style in ["merge", "diff3", "zdiff3"] {
            git(
                &setup,
                &["checkout", "-q", "--orphan", &format!("{file}-{style}")],
            );
            git(&setup, &["rm", "-rqf", "--ignore-unmatch", "*secret*"]);
            let commit = |message: &str| {
                setup.encrypt(file, text);
                git(&setup, &["add", "."]);
                git(&setup, &["commit", "-qm", message]);
            };
            commit("base");
            git(
                &setup,
                &["checkout", "-qb", &format!("{file}-{style}-topic")],
            );
            commit("topic");
            git(&setup, &["checkout", "-q", "-"]);
            commit("main");
            let style = format!("merge.conflictStyle={style}");
            let topic = format!("{file}-{}-topic", &style[20..]);
            git(&setup, &["-c", &style, "merge", "-q", &topic]);
            let merged = setup.world.read(file);
            let line = merged.lines().position(|line| line.starts_with("<<<<<<<"));
            let line = line.expect("a conflict") + 1;
            git(&setup, &["add", "."]);
            assert_said(&setup, file, &format!("{file}:{line}"));
            assert_said(&setup, file, "merge conflict");
            if style.ends_with("=diff3") {
                setup.world.write(file, merged.replace('\n', "\r\n"));
                git(&setup, &["add", "."]);
                assert_said(&setup, file, "merge conflict");
                // Half of it was resolved.
                let rest = merged.replace("<<<<<<<", "").replace("=======\n", "");
                setup.world.write(file, rest);
                git(&setup, &["add", "."]);
                assert_said(&setup, file, "merge conflict");
            }
            git(&setup, &["commit", "-qm", "markers and all"]);
        }
    }
}

#[test]
fn a_text_that_quotes_conflict_markers_is_no_conflict() {
    let setup = setup("quoted");
    let quoted = "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> topic\n";
    let inside = quoted.replace('\n', "\n    ");
    setup.encrypt(
        "a-secret.yaml",
        &format!("{SECRET}  text: |\n    {}\n", inside.trim_end()),
    );
    setup.encrypt("b-secret.txt", quoted);
    setup
        .world
        .write("README.md", format!("Merges\n=======\n\n{quoted}"));
    for file in ["a-secret.yaml", "b-secret.txt"] {
        let run = setup.decrypt(&[file]);
        assert!(run.assert_code(0).out().contains("<<<<<<< HEAD"), "{file}");
    }
    let run = setup.secrets(&["check"]);
    assert!(
        !run.assert_code(0).err().contains("conflict"),
        "{}",
        run.err()
    );
}

#[test]
fn what_keeps_git_from_working_is_said_in_its_own_words_with_the_way_out() {
    type Fault = fn(&Path);
    let faults: [(Fault, &[&str]); 5] = [
        (
            |top| std::fs::write(top.join(".git/index"), "garbage").expect("write"),
            &["fatal: ", "index", "git reset"],
        ),
        (
            |top| std::fs::write(top.join(".git/HEAD"), "garbage").expect("write"),
            &["fatal: not a git repository", "ls -la .git"],
        ),
        (
            |top| std::fs::write(top.join(".git/config"), "[core").expect("write"),
            &["fatal: bad config", "git config --edit"],
        ),
        (
            |top| {
                std::fs::remove_dir_all(top.join(".git")).expect("remove");
                let file = "gitdir: /nowhere/.git/worktrees/x\n";
                std::fs::write(top.join(".git"), file).expect("write");
            },
            &[
                "fatal: not a git repository: /nowhere/.git/worktrees/x",
                "git worktree repair",
            ],
        ),
        (
            |top| {
                let config = "[core]\n\trepositoryformatversion = 99\n";
                std::fs::write(top.join(".git/config"), config).expect("write");
            },
            &["fatal: Expected git repo version", "git --version"],
        ),
    ];
    for (fault, words) in faults {
        let world = bare_world();
        world.tool("git", ["init", "-q"]).assert_code(0);
        world.write("a.yaml", "a: b\n");
        world.tool("git", ["add", "."]).assert_code(0);
        fault(&world.repo());
        for arguments in [&["check"][..], &["check", "--staged"]] {
            let run = world.kb([&["k", "secrets"], arguments].concat());
            assert_fails(&run, 1, words);
        }
    }
}

#[test]
fn a_repository_of_another_owner_is_called_so_with_gits_own_command() {
    let world = bare_world();
    world.tool("git", ["init", "-q"]).assert_code(0);
    let mut command = world.kb_cmd(["k", "secrets", "check"]);
    command.env("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
    // git takes that variable of its own tests only where it gets it; kb passes none on.
    let passed = world.run(command);
    passed.assert_code(0);
    let owner = std::os::unix::fs::chown(world.repo(), Some(12345), None);
    if owner.is_err() {
        // Only root may give files away.
        return;
    }
    let run = world.kb(["k", "secrets", "check"]);
    let command = format!(
        "git config --global --add safe.directory {}",
        world.repo().display()
    );
    assert_fails(&run, 1, &["fatal: detected dubious ownership", &command]);
}

#[test]
fn an_encoding_that_sops_does_not_read_is_named_with_the_way_out() {
    let setup = setup("encoding");
    let mut all = FORMATS.to_vec();
    all.remove(0);
    for (file, text) in all {
        setup.encrypt(file, text);
        let encrypted = setup.world.read(file);
        let wide: Vec<u8> = encrypted
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        setup.world.write(file, [&b"\xff\xfe"[..], &wide].concat());
        git(&setup, &["add", "."]);
        assert_said(&setup, file, "UTF-16");
        assert_said_by_decrypt(&setup, file, "iconv -f UTF-16 -t UTF-8");
        if !file.ends_with(".ini") {
            setup.world.write(file, format!("\u{feff}{encrypted}"));
            git(&setup, &["add", "."]);
            assert_said(&setup, file, "byte order mark");
        }
        std::fs::remove_file(setup.world.path(file)).expect("remove");
    }
    // sops reads YAML in UTF-16.
    setup.encrypt("b-secret.yaml", SECRET);
    let wide = setup.world.read("b-secret.yaml");
    let wide: Vec<u8> = wide.encode_utf16().flat_map(u16::to_be_bytes).collect();
    setup
        .world
        .write("b-secret.yaml", [&b"\xfe\xff"[..], &wide].concat());
    setup.decrypt(&["b-secret.yaml"]).assert_code(0);
    setup.init(&["--force", "--yes"]).assert_code(0);
    setup.decrypt(&["b-secret.yaml"]).assert_code(0);
}

#[track_caller]
fn assert_said_by_decrypt(setup: &Setup, file: &str, words: &str) {
    let run = setup.decrypt(&[file]);
    assert_fails(&run, 1, &[words]);
}

#[test]
fn a_plain_document_before_an_encrypted_one_is_called_so() {
    let setup = setup("plainfirst");
    setup.encrypt("a-secret.yaml", SECRET);
    let encrypted = setup.world.read("a-secret.yaml");
    let plain = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  a: b\n---\n";
    setup
        .world
        .write("a-secret.yaml", format!("{plain}{encrypted}"));
    git(&setup, &["add", "."]);
    let mut said = said_by_all(&setup, "a-secret.yaml");
    said.retain(|(command, _)| !command.contains("textconv"));
    for (command, said) in said {
        assert!(
            said.contains("document 2 is encrypted"),
            "{command}:\n{said}"
        );
        assert!(!said.contains("damaged"), "{command}:\n{said}");
    }
}

#[test]
fn every_command_reads_the_format_of_the_content_where_the_name_tells_another() {
    let setup = setup("format");
    for (name, format, text) in [
        ("a-secret.yaml", "dotenv", "A=x\n"),
        ("b-secret.json", "dotenv", "A=x\n"),
        ("c-secret.env", "yaml", "a: x\n"),
        ("d-secret.json", "yaml", "a: x\n"),
        ("e-secret.yaml", "ini", "[a]\nb = x\n"),
        ("f-secret.txt", "yaml", "a: x\n"),
    ] {
        let arguments = [
            "encrypt",
            "--input-type",
            format,
            "--output-type",
            format,
            "--age",
            &setup.recipient(),
            "--filename-override",
            "x-secret",
            "/dev/stdin",
        ];
        let command = setup.world.tool_cmd("sops", arguments);
        let run = setup.world.run_with_stdin(command, text.as_bytes());
        setup.world.write(name, run.assert_code(0).out());
        let mut command = setup.command(&["edit", "--keep-readers", name]);
        command.env("EDITOR", "sed -i s/x/changed/");
        setup.world.run(command).assert_code(0);
        let run = setup.decrypt(&[name]);
        let expected = text.replace('x', "changed");
        let out = run.assert_code(0).out().replace(' ', "");
        assert_eq!(out.trim(), expected.replace(' ', "").trim(), "{name}");
    }
    setup
        .init(&["--force", "--yes", "--skip", ".git"])
        .assert_code(0);
    let key = setup.entry("age.agekey").expect("the entry");
    assert_eq!(recipient_of(&setup.world, &key), setup.recipient());
    for name in ["a-secret.yaml", "c-secret.env", "e-secret.yaml"] {
        setup.decrypt(&[name]).assert_code(0);
        assert!(
            setup.world.read(name).contains(&setup.recipient()),
            "{name}"
        );
    }
}

#[test]
fn what_is_piped_in_instead_of_a_key_file_is_called_by_its_name() {
    let setup = Setup::new("otherkeys");
    let (key, _) = keypair(&setup.world);
    let mut command = setup.world.tool_cmd("age-keygen", ["-y"]);
    command.arg("/dev/stdin");
    let recipient = setup.world.run_with_stdin(command, key.as_bytes());
    let recipient = recipient.assert_code(0).out().trim().to_owned();
    let encrypted = |armor: &[&str]| {
        let age = testkit::Tools::get().age.as_os_str();
        let mut command = setup.world.tool_cmd("env", [age]);
        command.args(armor).args(["-r", &recipient]);
        setup.world.run_with_stdin(command, key.as_bytes()).stdout
    };
    let base64 = |bytes: &[u8]| {
        let command = setup.world.tool_cmd("base64", ["-w", "60"]);
        setup.world.run_with_stdin(command, bytes).stdout
    };
    let encoded = base64(key.as_bytes());
    let once = String::from_utf8_lossy(&encoded).replace('\n', "");
    let cases: [(Vec<u8>, &str, &str); 9] = [
        (
            encrypted(&["-a"]),
            "an encrypted age file",
            "age -d KEY.age |",
        ),
        (encrypted(&[]), "an encrypted age file", "age -d KEY.age |"),
        (encoded.clone(), "a private key in base64", "base64 -d"),
        (base64(&encoded), "a private key in base64", "base64 -d"),
        (
            format!("apiVersion: v1\nkind: Secret\ndata:\n  age.agekey: {once}\n").into(),
            "a Kubernetes manifest",
            "jsonpath",
        ),
        (
            format!("{{\"kind\": \"Secret\", \"data\": {{\"age.agekey\": \"{once}\"}}}}").into(),
            "a Kubernetes manifest",
            "jsonpath",
        ),
        (
            format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{once}\n").into(),
            "an ssh key",
            "age-keygen |",
        ),
        (
            format!("-----BEGIN PGP PRIVATE KEY BLOCK-----\n{once}\n").into(),
            "a PGP key",
            "age-keygen |",
        ),
        (recipient.clone().into(), "a public key", "AGE-SECRET-KEY-1"),
    ];
    for (stdin, words, hint) in &cases {
        let run = setup
            .world
            .run_with_stdin(setup.command(&["init", "--import"]), stdin);
        assert_fails(&run, 1, &[words, hint]);
        for secret in [&key[17..37], &once[20..40]] {
            assert!(!run.err().contains(secret), "{}", run.err());
        }
        assert_eq!(setup.entry("age.agekey"), None);
    }
    // The same where it is the entry of the cluster's Secret.
    setup.init(&[]).assert_code(0);
    setup.encrypt("a-secret.yaml", SECRET);
    for (entry, words, _) in &cases {
        setup
            .cluster
            .put_secret(&setup.namespace, "sops-age", &[("age.agekey", entry)]);
        for command in [&["decrypt", "a-secret.yaml"][..], &["status"]] {
            let run = setup.secrets(command);
            let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), run.err());
            assert!(said.contains(words), "{command:?}:\n{said}");
            for secret in [&key[17..37], &once[20..40]] {
                assert!(!said.contains(secret), "{said}");
            }
        }
    }
}

#[test]
fn a_key_file_of_powershell_is_read() {
    for mark in ["\u{feff}", "wide"] {
        let setup = Setup::new("powershell");
        let (key, recipient) = keypair(&setup.world);
        let text = format!("# created: today\r\n{key}\r\n");
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let stdin = match mark {
            "wide" => [&b"\xff\xfe"[..], &wide].concat(),
            mark => format!("{mark}{text}").into_bytes(),
        };
        let command = setup.command(&["init", "--import"]);
        setup.world.run_with_stdin(command, &stdin).assert_code(0);
        let entry = setup.entry("age.agekey").expect("the entry");
        assert_eq!(recipient_of(&setup.world, &entry), recipient);
    }
}

/// sops writes a comment in a list as an item of it, and no version counts it into the MAC
/// that it writes; those of 3.12.0 to 3.13.2 do when they read.
#[test]
fn a_comment_in_a_list_that_an_old_sops_wrote_opens_and_is_rotated_by_kb_alone() {
    let setup = setup("listcomment");
    let text = format!("{SECRET}  list:\n    # first\n    - {CANARY}\n    # second\n    - b\n");
    setup.world.write("a-secret.yaml", text);
    let mut command = std::process::Command::new(testkit::Tools::get().oldest_sops());
    command.args([
        "--config",
        ".sops.yaml",
        "encrypt",
        "--in-place",
        "a-secret.yaml",
    ]);
    command.current_dir(setup.world.repo());
    setup.world.run(command).assert_code(0);
    assert!(setup.world.read("a-secret.yaml").contains(",type:comment]"));
    setup.decrypt(&["a-secret.yaml"]).assert_code(0);
    setup
        .init(&["--force", "--yes", "--engine", "native"])
        .assert_code(0);
    let run = setup.decrypt(&["a-secret.yaml"]);
    assert!(
        run.assert_code(0).out().contains("# second"),
        "{}",
        run.out()
    );
}
