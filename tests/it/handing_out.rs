//! The cluster's key for other programs: `exec`, `key`, and `decrypt --textconv`.

use testkit::sample::{CANARY, SECRET};

use crate::{Setup, assert_fails, keypair};

impl Setup {
    fn exec(&self, command: &[&str]) -> testkit::Run {
        self.secrets(&[&["exec", "--"], command].concat())
    }

    /// The cluster's private key, as it stands in its Secret.
    fn private_key(&self) -> String {
        let entry = self.entry("age.agekey").expect("a key");
        entry.lines().last().expect("a line").to_owned()
    }
}

#[test]
fn a_command_gets_the_clusters_key_and_no_other() {
    let mut setup = Setup::initialized("exec");
    setup.encrypt("db-secret.yaml", SECRET);
    let (personal, _) = keypair(&setup.world);
    for name in [
        "SOPS_AGE_KEY",
        "SOPS_AGE_KEY_FILE",
        "SOPS_AGE_KEY_CMD",
        "SOPS_AGE_SSH_PRIVATE_KEY_FILE",
        "SOPS_AGE_SSH_PRIVATE_KEY_CMD",
    ] {
        setup.world.env(name, &personal);
    }
    setup.world.env("SOPS_AGE_RECIPIENTS", "age1mine");
    let run = setup.exec(&["sh", "-c", "env | grep ^SOPS_AGE | sort"]);
    let key = setup.private_key();
    assert_eq!(
        run.assert_code(0).out(),
        format!("SOPS_AGE_KEY={key}\nSOPS_AGE_RECIPIENTS=age1mine\n")
    );
    assert_eq!(run.err(), "");
    setup.world.env_remove("SOPS_AGE_RECIPIENTS");
    let run = setup.exec(&["sops", "decrypt", "db-secret.yaml"]);
    assert!(run.assert_code(0).out().contains(CANARY));
    // Its words are its own, also those that look like kb's.
    let run = setup.exec(&["echo", "--context", "x", "--", "-n", "y"]);
    assert_eq!(run.assert_code(0).out(), "--context x -- -n y\n");
    let command = setup.command(&["exec", "--", "cat"]);
    assert_eq!(setup.world.run_with_stdin(command, b"stdin").out(), "stdin");
}

#[test]
fn the_exit_code_is_that_of_the_command() {
    let setup = Setup::initialized("exec-code");
    for code in [0, 3, 42, 255] {
        setup
            .exec(&["sh", "-c", &format!("exit {code}")])
            .assert_code(code);
    }
    // It takes kb's place, so a signal is its own as well.
    let kb = env!("CARGO_BIN_EXE_kb");
    let namespace = &setup.namespace;
    let line = format!("{kb} k secrets -n {namespace} exec -- sh -c 'kill -TERM $$'; echo $?");
    let run = setup.world.tool("sh", ["-c", &line]);
    assert_eq!(run.assert_code(0).out(), "143\n");
    assert_fails(
        &setup.exec(&["no-such-program"]),
        127,
        &["there is no program no-such-program"],
    );
    let file = setup.world.write("not-executable", "");
    assert_fails(
        &setup.exec(&[file.to_str().expect("UTF-8")]),
        126,
        &["cannot start"],
    );
    setup.secrets(&["exec", "echo"]).assert_code(2);
    setup.secrets(&["exec"]).assert_code(2);
    let bare = Setup::new("exec-bare");
    assert_fails(
        &bare.exec(&["true"]),
        1,
        &["the cluster has no Secret", "kb k secrets init"],
    );
}

/// sops splits the command as a shell would, and names the recipient that it wants.
#[test]
fn plain_sops_opens_files_with_the_key_command() {
    let mut setup = Setup::initialized("key");
    setup.encrypt("db-secret.yaml", SECRET);
    let kb = env!("CARGO_BIN_EXE_kb");
    let command = format!("{kb} k secrets key -n {}", setup.namespace);
    setup.world.env("SOPS_AGE_KEY_CMD", command);
    let run = setup.world.tool("sops", ["decrypt", "db-secret.yaml"]);
    assert!(run.assert_code(0).out().contains(CANARY), "{}", run.err());
    let (_, other) = keypair(&setup.world);
    setup.encrypt_for(&other, "other.yaml", SECRET);
    setup
        .world
        .tool("sops", ["decrypt", "other.yaml"])
        .assert_code(128);
}

#[test]
fn the_key_command_answers_only_for_what_the_cluster_holds() {
    let mut setup = Setup::initialized("key-wanted");
    let old = (setup.private_key(), setup.recipient());
    setup.init(&["--force"]).assert_code(0);
    let new = (setup.private_key(), setup.recipient());
    let run = setup.secrets(&["key"]);
    assert_eq!(run.assert_code(0).out(), format!("{}\n{}\n", new.0, old.0));
    for (key, recipient) in [&old, &new] {
        setup.world.env("SOPS_AGE_RECIPIENT", recipient);
        assert_eq!(
            setup.secrets(&["key"]).assert_code(0).out(),
            format!("{key}\n")
        );
    }
    let (_, other) = keypair(&setup.world);
    setup.world.env("SOPS_AGE_RECIPIENT", &other);
    assert_fails(
        &setup.secrets(&["key"]),
        1,
        &[&format!("holds no key for {other}"), "--context"],
    );
    setup
        .world
        .env("SOPS_AGE_RECIPIENT", "ssh-ed25519 AAAAC3Nz dev@example.org");
    assert_fails(
        &setup.secrets(&["key"]),
        1,
        &["holds no key for ssh-ed25519"],
    );
    setup.world.env("SOPS_AGE_RECIPIENT", "nonsense");
    assert_fails(
        &setup.secrets(&["key"]),
        1,
        &["SOPS_AGE_RECIPIENT is not a recipient"],
    );
    setup.world.env_remove("SOPS_AGE_RECIPIENT");
    // Rule 2: not into a repository.
    let file = std::fs::File::create(setup.world.path("key.txt")).expect("a file");
    let mut command = setup.command(&["key"]);
    command.stdout(file);
    let run = setup.world.run(command);
    run.assert_code(1);
    assert_eq!(setup.world.read("key.txt"), "", "{}", run.err());
}

/// The recipe of docs/git.md, with the real git.
#[test]
fn git_shows_plaintext_and_survives_what_cannot_be_opened() {
    let setup = Setup::initialized("textconv");
    let kb = env!("CARGO_BIN_EXE_kb");
    let git = |args: &[&str]| {
        let author = ["-c", "user.name=kb", "-c", "user.email=kb@example.org"];
        let run = setup.world.tool("git", [&author, args].concat());
        run.assert_code(0);
        run
    };
    let textconv = format!("{kb} k secrets decrypt --textconv -n {}", setup.namespace);
    git(&["config", "diff.kb.textconv", &textconv]);
    git(&["config", "diff.kb.cachetextconv", "false"]);
    setup
        .world
        .write(".gitattributes", "*secret*.yaml diff=kb\n");
    setup.encrypt("db-secret.yaml", SECRET);
    let (_, other) = keypair(&setup.world);
    setup.encrypt_for(&other, "their-secret.yaml", "password: theirs\n");
    setup.world.write("plain-secret.yaml", "no: secret\n");
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "-m", "one"]);
    let mut edit = setup.command(&["edit", "db-secret.yaml"]);
    edit.env("EDITOR", "sed -i s/admin/owner/");
    setup.world.run(edit).assert_code(0);
    let diff = git(&["diff"]);
    let changed: Vec<&str> = diff
        .out()
        .lines()
        .filter(|line| line.starts_with(['+', '-']) && !line.contains("db-secret"))
        .collect();
    assert_eq!(
        changed,
        ["-    user: admin", "+    user: owner"],
        "{}",
        diff.out()
    );
    git(&["commit", "--quiet", "-a", "-m", "two"]);
    let log = git(&["log", "-p"]);
    for words in [
        "+    user: admin",
        "+password: ENC[AES256_GCM,",
        "+no: secret",
    ] {
        assert!(log.out().contains(words), "no {words:?} in:\n{}", log.out());
    }
    assert_eq!(log.err(), "");
    // No blob of Git's, and no file, holds the plaintext.
    assert_eq!(
        setup.world.files_containing(CANARY.as_bytes()),
        [] as [std::path::PathBuf; 0]
    );
    assert_eq!(git(&["for-each-ref", "refs/notes"]).out(), "");
    // Nor does it stop where the cluster does not answer.
    setup.server(&format!(
        "https://127.0.0.1:{}",
        testkit::net::refused_port()
    ));
    assert!(git(&["log", "-p"]).out().contains("+    user: ENC["));
    let run = setup.decrypt(&["--textconv", "-v", "db-secret.yaml"]);
    assert!(
        run.assert_code(0).out().contains("ENC[")
            && run.err().contains("cannot reach the API server"),
        "{}",
        run.err()
    );
    assert_fails(
        &setup.decrypt(&["--textconv", "nowhere.yaml"]),
        1,
        &["there is no file"],
    );
}
