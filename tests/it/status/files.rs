//! Faults of the files.

use super::{InLine, MANIFEST};
use crate::keypair;

const SECRET: &str = "apps/db-secret.yaml";

#[test]
fn a_plaintext_that_a_rule_covers() {
    let in_line = InLine::new("plaintext");
    in_line.world.write("apps/new-secret.yaml", MANIFEST);
    let screen = in_line.assert_found(
        "not-encrypted",
        &["apps/new-secret.yaml: not encrypted: the Secret db"],
    );
    in_line.follow(&screen, "to encrypt it in place:");
    in_line.assert_in_line();
    assert!(
        !in_line
            .world
            .read("apps/new-secret.yaml")
            .contains("hunter2")
    );
    // What no rule covers is a note, and no problem.
    in_line.world.write("elsewhere/db.yaml", MANIFEST);
    let run = in_line.kb(&["status"]);
    assert!(
        run.assert_code(0)
            .out()
            .contains("note: elsewhere/db.yaml is not encrypted: a Secret"),
        "{}",
        run.out()
    );
}

/// The same judgements as `check`'s.
#[test]
fn what_check_finds_in_a_file_status_finds_too() {
    let in_line = InLine::new("as-check");
    in_line.encrypt("apps/values-secret.yaml", "password: hunter2\n");
    in_line.assert_found(
        "nothing-encrypted",
        &["apps/values-secret.yaml: it has sops metadata"],
    );
    std::fs::remove_file(in_line.world.path("apps/values-secret.yaml")).expect("removed");
    in_line.world.write("apps/new-secret.yaml", MANIFEST);
    in_line.world.write(".kbignore", "apps/new-*\n");
    let run = in_line.kb(&["status"]);
    let note = "note: 1 file was left out by .kbignore";
    assert!(run.assert_code(0).out().contains(note), "{}", run.out());
    in_line.kb(&["status", "--no-ignore"]).assert_code(3);
}

#[test]
fn a_file_that_no_rule_matches_gets_one() {
    let in_line = InLine::new("new-rule");
    in_line.encrypt("apps/token-secret.yaml", MANIFEST);
    in_line.git(&["mv", "-f", SECRET, "apps/db.yaml"]);
    let screen = in_line.assert_found("no-rule", &["apps/db.yaml: no rule is for it"]);
    in_line.follow(&screen, "to add a rule with the cluster's key:");
    in_line.assert_in_line();
}

#[test]
fn recipients_that_differ_from_the_rule() {
    let in_line = InLine::new("recipients");
    let (_, other) = keypair(&in_line.world);
    let config = in_line.world.read(".sops.yaml");
    let own = in_line.recipient();
    // The rule has one that the file has not, and then the other way round.
    in_line.world.write(
        ".sops.yaml",
        config.replace(&own, &format!("{own},{other}")),
    );
    let screen = in_line.assert_found(
        "other-recipients",
        &[&format!("it is not encrypted for {other}, which its rule")],
    );
    in_line.follow(
        &screen,
        "if the rule is right, to re-encrypt the file for its readers:",
    );
    in_line.assert_in_line();
    in_line.world.write(".sops.yaml", &config);
    let screen = in_line.assert_found(
        "other-recipients",
        &[&format!("it is encrypted for {other}, which its rule")],
    );
    in_line.follow(
        &screen,
        "if the rule is right, to re-encrypt the file for its readers:",
    );
    in_line.assert_in_line();
}

#[test]
fn a_file_for_a_retired_key() {
    let in_line = InLine::new("retired");
    let before = in_line.world.read_bytes(SECRET);
    in_line.kb(&["init", "--force"]).assert_code(0);
    in_line.world.write(SECRET, before);
    let screen = in_line.assert_all_found(&["retired-key", "other-recipients"], &[]);
    in_line.follow(&screen, "to re-encrypt it for the current key:");
    in_line.prune();
    in_line.assert_in_line();
}

#[test]
fn a_file_for_a_key_that_nobody_has() {
    let in_line = InLine::new("unknown");
    let (key, recipient) = keypair(&in_line.world);
    let config = in_line.world.read(".sops.yaml");
    in_line.world.write(
        ".sops.yaml",
        config.replace(&in_line.recipient(), &recipient),
    );
    in_line.encrypt("apps/their-secret.yaml", MANIFEST);
    in_line.world.write(".sops.yaml", config);
    let screen = in_line.assert_found(
        "unknown-keys",
        &[&format!(
            "it is for {recipient}, which neither the cluster nor any rule has"
        )],
    );
    let hint = "with that key, to encrypt it for those of its rule:";
    in_line.follow_with_stdin(&screen, hint, &format!("{key}\n"));
    in_line.assert_in_line();
}

#[test]
fn values_that_stand_unencrypted_in_an_encrypted_file() {
    let in_line = InLine::new("plain-values");
    let config = in_line.world.read(".sops.yaml");
    // The rule is wrong.
    in_line.world.write(
        ".sops.yaml",
        config.replace("^(data|stringData)$", "^data$"),
    );
    in_line.encrypt("apps/new-secret.yaml", MANIFEST);
    in_line.world.write(".sops.yaml", &config);
    let screen = in_line.assert_all_found(
        &["values-not-encrypted", "other-selection"],
        &[
            "encrypted, but stringData.password is in plaintext",
            "^(data|stringData)$",
        ],
    );
    assert!(!screen.contains("hunter2"), "{screen}");
    in_line.follow(&screen, "to encrypt it again by its rule:");
    in_line.assert_in_line();
    assert!(
        !in_line
            .world
            .read("apps/new-secret.yaml")
            .contains("hunter2")
    );
    // Someone has typed a value in.
    let encrypted = in_line.world.read(SECRET);
    let typed = encrypted.replace("stringData:\n", "stringData:\n    token: hunter3\n");
    in_line.world.write(SECRET, typed);
    let screen = in_line.assert_found(
        "values-not-encrypted",
        &["stringData.token", "remove stringData.token from the file"],
    );
    in_line.world.write(SECRET, encrypted);
    assert!(
        screen.contains("k secrets edit apps/db-secret.yaml"),
        "{screen}"
    );
    in_line.assert_in_line();
}

#[test]
fn metadata_that_is_encrypted() {
    let in_line = InLine::new("head");
    let config = in_line.world.read(".sops.yaml");
    let whole = config
        .lines()
        .filter(|line| !line.contains("encrypted_regex"));
    in_line.world.write(
        ".sops.yaml",
        whole.map(|line| format!("{line}\n")).collect::<String>(),
    );
    in_line.encrypt("apps/new-secret.yaml", MANIFEST);
    in_line.world.write(".sops.yaml", &config);
    let screen = in_line.assert_all_found(
        &["head-encrypted", "other-selection"],
        &["apps/new-secret.yaml: apiVersion is encrypted, so Flux cannot apply it"],
    );
    in_line.follow(&screen, "to encrypt it again by its rule:");
    in_line.assert_in_line();
    assert!(
        in_line
            .world
            .read("apps/new-secret.yaml")
            .contains("kind: Secret")
    );
}

#[test]
fn a_mac_that_does_not_match() {
    let in_line = InLine::new("mac");
    let encrypted = in_line.world.read(SECRET);
    in_line
        .world
        .write(SECRET, encrypted.replace("name: db", "name: web"));
    let screen = in_line.assert_found(
        "wrong-mac",
        &["its MAC does not match: it was changed without sops, which Flux does not notice"],
    );
    let purpose = "if every value is right, save it again, which writes a new MAC:";
    let mut shell = in_line.shell_for(&screen, purpose);
    let saved = "#!/bin/sh\ncat \"$1\" > \"$1.x\"; cat \"$1.x\" > \"$1\"\n";
    shell.env("EDITOR", in_line.world.script("saves", saved));
    in_line.world.run_with_stdin(shell, b"").assert_code(0);
    in_line.assert_in_line();
    assert!(in_line.world.read(SECRET).contains("name: web"));
}

#[test]
fn a_damaged_file() {
    let in_line = InLine::new("damaged");
    in_line.git(&["commit", "--quiet", "--message", "all is well"]);
    let encrypted = in_line.world.read(SECRET);
    in_line.world.write(
        SECRET,
        format!("<<<<<<< HEAD\n{encrypted}=======\n{encrypted}>>>>>>> main\n"),
    );
    let screen = in_line.assert_found(
        "merge-conflict",
        &["apps/db-secret.yaml:1: a merge conflict"],
    );
    assert!(screen.contains("git checkout --ours -- apps/db-secret.yaml"));
    in_line.git(&["checkout", "--", SECRET]);
    in_line.assert_in_line();
    // A value was changed: the key opens the file, and sops does not.
    let at = encrypted.find("data:").expect("a value") + "data:".len() + 1;
    let at = at
        + encrypted[at..]
            .find("ENC[AES256_GCM,data:")
            .expect("a value")
        + 20;
    let mut bytes = encrypted.clone().into_bytes();
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    in_line.world.write(SECRET, bytes);
    in_line.assert_found("does-not-open", &["a value in it was damaged"]);
}

#[test]
fn a_file_over_the_limit_of_flux() {
    let in_line = InLine::new("large");
    let value = "x".repeat(4 << 20);
    in_line.encrypt(
        "apps/large-secret.yaml",
        &MANIFEST.replace("hunter2", &value),
    );
    in_line.assert_found(
        "too-large",
        &["it has 5.3 MiB, and Flux decrypts no file of more than 5"],
    );
    std::fs::remove_file(in_line.world.path("apps/large-secret.yaml")).expect("removed");
    in_line.assert_in_line();
}

#[test]
fn an_encrypted_kustomization() {
    let in_line = InLine::new("kustomization");
    let kustomization = in_line.world.read("apps/kustomization.yaml");
    in_line.encrypt_for(
        &in_line.recipient(),
        "apps/kustomization.yaml",
        &kustomization,
    );
    in_line.assert_all_found(
        &["kustomization-encrypted", "no-rule"],
        &["kustomize reads it before anything is decrypted"],
    );
    in_line
        .world
        .write("apps/kustomization.yaml", kustomization);
    in_line.assert_in_line();
}
