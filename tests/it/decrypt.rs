//! `decrypt`: plaintext comes out as from sops, by the cluster's key.

use crate::{CANARY, SECRET, Setup, keypair, ssh_key};

#[test]
fn every_format_comes_out_as_from_sops() {
    let setup = Setup::new("formats");
    let key = setup.init(&[]).assert_code(0).out().trim().to_owned();
    let recipient = crate::recipient_of(&setup.world, &key);
    let cases = [
        ("s.yaml", SECRET.to_owned()),
        ("two.yml", format!("{SECRET}---\n{SECRET}")),
        (
            "s.json",
            format!("{{\"password\": \"{CANARY}\", \"n\": [1, true, null]}}\n"),
        ),
        ("s.env", format!("# comment\nPASSWORD={CANARY}\nEMPTY=\n")),
        ("s.ini", format!("[db]\npassword = {CANARY}\n")),
        (
            "s.bin",
            format!("\u{0}\u{1}{CANARY}\r\nno newline at the end"),
        ),
        ("no-extension", CANARY.to_owned()),
    ];
    for (name, plaintext) in cases {
        setup.encrypt_for(&recipient, name, &plaintext);
        let ours = setup.decrypt(&[name]);
        let mut sops = setup.world.tool_cmd("sops", ["decrypt", name]);
        sops.env("SOPS_AGE_KEY", &key);
        let theirs = setup.world.run(sops);
        theirs.assert_code(0);
        assert_eq!(ours.assert_code(0).stdout, theirs.stdout, "{name}");
        assert_eq!(ours.err(), "", "{name}");
    }
}

#[test]
fn one_value_is_extracted_without_a_newline() {
    let setup = Setup::initialized("extract");
    setup.encrypt("my-secret.yaml", SECRET);
    let run = setup.decrypt(&[
        "my-secret.yaml",
        "--extract",
        "[\"stringData\"][\"password\"]",
    ]);
    assert_eq!(run.assert_code(0).out(), CANARY);
}

#[test]
fn no_config_is_needed_and_any_directory_will_do() {
    let setup = Setup::initialized("anywhere");
    setup.encrypt("my-secret.yaml", SECRET);
    std::fs::remove_file(setup.world.path(".sops.yaml")).expect("remove");
    let file = setup.world.path("my-secret.yaml");
    let mut command = setup.command(&["decrypt"]);
    command.arg(&file).current_dir("/");
    assert!(
        setup
            .world
            .run(command)
            .assert_code(0)
            .out()
            .contains(CANARY)
    );
    // A name that looks like an option, and one with spaces.
    for name in ["-x.yaml", "a b'c.yaml"] {
        std::fs::copy(&file, setup.world.path(name)).expect("copy");
        setup.decrypt(&["--", name]).assert_code(0);
    }
}

#[test]
fn every_identity_of_every_agekey_entry_is_tried() {
    let setup = Setup::new("journal");
    let (current, current_recipient) = keypair(&setup.world);
    let (previous, previous_recipient) = keypair(&setup.world);
    let (second, second_recipient) = keypair(&setup.world);
    setup.put_key(&[
        ("age.agekey", &format!("# by hand\n{current}\n\n{second}\n")),
        ("age.previous.agekey", &previous),
        ("unrelated", "x"),
    ]);
    for recipient in [current_recipient, previous_recipient, second_recipient] {
        setup.encrypt_for(&recipient, "s.yaml", SECRET);
        let run = setup.decrypt(&["s.yaml"]);
        assert!(run.assert_code(0).out().contains(CANARY));
        assert_eq!(run.err(), "");
    }
}

#[test]
fn a_bad_line_beside_a_good_one_is_a_warning_and_not_the_end() {
    let setup = Setup::new("badline");
    let (key, recipient) = keypair(&setup.world);
    setup.put_key(&[("age.agekey", &format!("{key}\nAGE-SECRET-KEY-1OOPS\n"))]);
    setup.encrypt_for(&recipient, "s.yaml", SECRET);
    let run = setup.decrypt(&["s.yaml"]);
    assert!(run.assert_code(0).out().contains(CANARY));
    assert!(run.err().contains("warning: the Secret"), "{}", run.err());
    assert!(run.err().contains("age.agekey, line 2"), "{}", run.err());
    assert!(
        run.err().contains("Flux refuses the whole Secret"),
        "{}",
        run.err()
    );
}

/// A personal key in the environment must not stand in for the cluster's, and
/// its key command must not run.
#[test]
fn personal_keys_of_the_environment_are_not_used() {
    let mut setup = Setup::initialized("personal");
    setup.encrypt("my-secret.yaml", SECRET);
    let ran = setup.world.tmp().join("ran");
    let command = setup
        .world
        .script("keycmd", &format!("#!/bin/sh\ntouch '{}'\n", ran.display()));
    let (other, _) = keypair(&setup.world);
    setup
        .world
        .env("SOPS_AGE_KEY_CMD", command)
        .env("SOPS_AGE_KEY", other);
    setup.world.env("SOPS_AGE_KEY_FILE", "/nowhere");
    let run = setup.decrypt(&["my-secret.yaml"]);
    assert!(run.assert_code(0).out().contains(CANARY));
    assert!(!ran.exists(), "SOPS_AGE_KEY_CMD was run");
}

/// A file for a developer's own key needs no cluster, and asks none.
#[test]
fn a_file_for_an_ssh_key_only_asks_no_cluster() {
    let setup = Setup::new("ssh");
    let nowhere = format!("https://127.0.0.1:{}", testkit::net::refused_port());
    setup.server(&nowhere);
    let recipient = ssh_key(&setup, "dev@example.org", "");
    setup.encrypt_for(
        &recipient,
        ".env.json",
        &format!("{{\"password\": \"{CANARY}\"}}\n"),
    );
    let run = setup.decrypt(&[".env.json"]);
    assert!(run.assert_code(0).out().contains(CANARY), "{}", run.err());
}

#[test]
fn verbose_names_the_server_and_no_secret() {
    let setup = Setup::initialized("verbose");
    setup.encrypt("my-secret.yaml", SECRET);
    let run = setup.decrypt(&["-v", "my-secret.yaml"]);
    assert!(
        run.assert_code(0).err().contains("https://127.0.0.1:"),
        "{}",
        run.err()
    );
    assert!(!run.err().contains(CANARY));
}

/// sops's own settings, such as the indentation, hold for kb as they do for
/// sops.
#[test]
fn the_stores_settings_of_the_config_hold() {
    let setup = Setup::initialized("stores");
    let config = setup.world.read(".sops.yaml") + "stores:\n  yaml:\n    indent: 7\n";
    setup.world.write(".sops.yaml", config);
    setup.encrypt("my-secret.yaml", SECRET);
    let run = setup.decrypt(&["my-secret.yaml"]);
    assert!(
        run.assert_code(0).out().contains("\n       password: "),
        "{}",
        run.out()
    );
    let run = setup.decrypt(&["my-secret.yaml", "--config", ".sops.yaml"]);
    assert!(
        run.assert_code(0).out().contains("\n       password: "),
        "{}",
        run.out()
    );
}

/// What sops itself reads without a complaint when it decrypts.
#[test]
fn a_config_that_only_encryption_would_stumble_over_is_no_obstacle() {
    let setup = Setup::initialized("lenient");
    setup.encrypt("my-secret.yaml", SECRET);
    for config in [
        "creation_rules:\n  - age: 5\n",
        "creation_rules:\n  -\n",
        "creation_rules:\n  - path_regex: a(\n",
        "creation_rules: []\n---\nother: document\n",
    ] {
        setup.world.write(".sops.yaml", config);
        let mut sops = setup.world.tool_cmd("sops", ["decrypt", "my-secret.yaml"]);
        sops.env(
            "SOPS_AGE_KEY",
            setup
                .entry("age.agekey")
                .expect("a key")
                .lines()
                .last()
                .expect("a line"),
        );
        setup.world.run(sops).assert_code(0);
        assert!(
            setup
                .decrypt(&["my-secret.yaml"])
                .assert_code(0)
                .out()
                .contains(CANARY),
            "{config}"
        );
    }
}

/// sops passes over it; whoever wrote it thinks otherwise.
#[test]
fn a_config_of_the_wrong_name_is_a_warning() {
    let setup = Setup::initialized("misnamed");
    setup.encrypt("my-secret.yaml", SECRET);
    let config = setup.world.read(".sops.yaml");
    std::fs::remove_file(setup.world.path(".sops.yaml")).expect("removed");
    setup.world.write(".sops.yml", config);
    let run = setup.decrypt(&["my-secret.yaml"]);
    assert!(run.assert_code(0).out().contains(CANARY), "{}", run.out());
    let warning = "warning: sops does not read .sops.yml: its config is called .sops.yaml";
    assert!(
        run.err().lines().any(|line| line == warning),
        "{}",
        run.err()
    );
}

/// A post-quantum key in the cluster goes to sops as it is, and does not open
/// the door for a person's own key.
#[test]
fn a_post_quantum_key_opens_its_own_files_only() {
    let setup = Setup::new("pq");
    let (key, recipient) = crate::post_quantum_keypair(&setup.world);
    setup.put_key(&[("age.agekey", &key)]);
    setup.encrypt_for(&recipient, "s.yaml", SECRET);
    assert!(
        setup
            .decrypt(&["s.yaml"])
            .assert_code(0)
            .out()
            .contains(CANARY)
    );

    let (personal, other) = keypair(&setup.world);
    setup
        .world
        .write_home(".config/sops/age/keys.txt", personal);
    setup.encrypt_for(&other, "other.yaml", SECRET);
    let run = setup.decrypt(&["other.yaml"]);
    crate::assert_fails(&run, 1, &["other.yaml is encrypted for another cluster"]);
    // A damaged one beside a good key is left out, and told.
    let (good, recipient) = keypair(&setup.world);
    setup.put_key(&[(
        "age.agekey",
        &format!("{good}\nAGE-SECRET-KEY-PQ-1GARBAGE\n"),
    )]);
    setup.encrypt_for(&recipient, "s.yaml", SECRET);
    let run = setup.decrypt(&["s.yaml"]);
    assert!(
        run.assert_code(0).err().contains("age.agekey, line 2"),
        "{}",
        run.err()
    );
}

/// What kb must read as sops does: comments behind a section, and a recipient
/// that the ini format quotes.
#[test]
fn metadata_of_an_ini_file_may_be_quoted() {
    let setup = Setup::initialized("ini");
    let person = ssh_key(&setup, "dev;x #1", "");
    let both = format!("{},{person}", setup.recipient());
    setup.encrypt_for(&both, "s.ini", "[db]\nuser = x\n");
    let text = setup
        .world
        .read("s.ini")
        .replace("[sops]", "[sops] ; metadata");
    setup.world.write("s.ini", text);
    assert!(
        setup
            .decrypt(&["s.ini"])
            .assert_code(0)
            .out()
            .contains("user")
    );
}
