//! Which engine re-encrypts what, and what neither takes.

use serde_json::Value;

use super::Rotating;
use crate::{assert_fails, ssh_key};

const DB: &str = "apps/db-secret.yaml";
const SSH: &str = "apps/with-ssh.yaml";

/// With one more file, which is for a person's ssh key as well.
fn with_ssh(prefix: &str) -> Rotating {
    let mut rotating = Rotating::new(prefix);
    let person = ssh_key(&rotating.setup, "dev@example.org", "");
    let recipients = format!("{},{person}", rotating.old);
    let text = "a: b\n";
    rotating.setup.encrypt_for(&recipients, SSH, text);
    rotating.files.push((SSH.to_owned(), text.to_owned()));
    rotating
}

#[test]
fn what_kb_leaves_to_sops_is_counted_and_named() {
    let rotating = with_ssh("leftto");
    let run = rotating.force(&["--engine", "auto", "--dry-run", "-o", "json"]);
    let plan: Value = serde_json::from_slice(&run.assert_code(0).stdout).expect("JSON");
    let steps = plan["steps"].as_array().expect("steps").iter();
    let files = steps.filter(|step| step["step"] == "reencrypt");
    for step in files {
        let is_ssh = step["path"].as_str().expect("a path").ends_with(SSH);
        let (engine, reason) = match is_ssh {
            true => ("sops", Value::from("a recipient of it is no X25519 key")),
            false => ("native", Value::Null),
        };
        assert_eq!(step["engine"], engine, "{step}");
        assert_eq!(step["reason"], reason, "{step}");
    }
    let run = rotating.force(&["--engine", "auto", "-v"]);
    rotating.assert_rotated(&run);
    for words in [
        "7 files re-encrypted for the new key (6 by kb itself, 1 by sops)",
        &format!("left to sops: {SSH}: a recipient of it is no X25519 key"),
    ] {
        assert!(run.err().contains(words), "{}", run.err());
    }
}

#[test]
fn native_stops_where_kb_would_leave_a_file_to_sops() {
    let rotating = with_ssh("nativestops");
    let run = rotating.force(&["--engine", "native"]);
    let words = [
        "a file cannot be re-encrypted",
        "apps/with-ssh.yaml: a recipient of it is no X25519 key",
        "without --engine native",
    ];
    assert_fails(&run, 1, &words);
    rotating.assert_untouched();
    let run = rotating.force(&["--engine", "native", "--skip", SSH]);
    run.assert_code(0);
    assert!(!rotating.world.read(DB).contains(&rotating.old));
}

#[test]
fn only_sops_makes_a_new_mac() {
    let rotating = Rotating::new("newmac");
    let run = rotating.force(&["--engine", "native", "--ignore-mac"]);
    assert_fails(
        &run,
        2,
        &["--ignore-mac needs sops", "leave --engine native away"],
    );
    rotating.assert_untouched();
}

#[test]
fn native_needs_no_sops() {
    let rotating = Rotating::new("nosops");
    let link = rotating.world.bin().join("sops");
    let sops = std::fs::read_link(&link).expect("the link to sops");
    std::fs::remove_file(&link).expect("the link");
    let run = rotating.force(&["--engine", "auto"]);
    assert_fails(&run, 1, &["sops is not installed"]);
    let run = rotating.force(&["--engine", "native"]);
    run.assert_code(0);
    std::os::unix::fs::symlink(&sops, &link).expect("the link");
    rotating.assert_rotated(&run);
}

/// The first encrypted value of a line, with one character of it changed.
fn tampered(text: &str, line_starts: &str) -> String {
    let line = text
        .lines()
        .find(|line| line.trim_start().starts_with(line_starts));
    let line = line.expect("a line");
    let data = line.find("data:").expect("a value") + "data:".len();
    let mut changed = line.to_owned();
    let other = if &line[data..=data] == "A" { "B" } else { "A" };
    changed.replace_range(data..=data, other);
    text.replace(line, &changed)
}

#[test]
fn a_tampered_value_stops_it_and_is_named_by_its_place() {
    let rotating = Rotating::new("tampered");
    let before = rotating.world.read(DB);
    for engine in ["auto", "native"] {
        rotating.world.write(DB, tampered(&before, "user:"));
        let run = rotating.force(&["--engine", engine]);
        let place = format!("{DB}:7:11: the value of stringData.user is not authentic");
        assert_fails(&run, 1, &[&place, "git log -p"]);
        rotating.world.write(DB, &before);
        rotating.assert_untouched();
    }
}

/// sops takes such a comment for plaintext, and encrypts the ciphertext once more.
#[test]
fn a_tampered_comment_stops_it_unless_sops_is_asked_for() {
    let rotating = Rotating::new("tamperedcomment");
    let before = rotating.world.read(DB);
    rotating.world.write(DB, tampered(&before, "#ENC"));
    let run = rotating.force(&["--engine", "auto"]);
    let place = format!("{DB}:6:6: an encrypted comment is not authentic");
    assert_fails(&run, 1, &[&place, "--engine sops keeps it"]);
    rotating.world.write(DB, &before);
    rotating.assert_untouched();
    rotating.world.write(DB, tampered(&before, "#ENC"));
    rotating.force(&["--engine", "sops"]).assert_code(0);
}

/// The MAC would match: it is over the plaintexts.
#[test]
fn a_plaintext_in_the_place_of_a_value_is_not_taken() {
    let rotating = Rotating::new("typedin");
    let before = rotating.world.read(DB);
    let line = before.lines().find(|line| line.trim().starts_with("user:"));
    let typed = before.replace(line.expect("a line"), "    user: db");
    for engine in ["auto", "native"] {
        rotating.world.write(DB, &typed);
        let run = rotating.force(&["--engine", engine]);
        assert_fails(&run, 1, &["a file cannot be re-encrypted", DB]);
        rotating.world.write(DB, &before);
        rotating.assert_untouched();
    }
}

#[test]
fn a_mac_that_does_not_match_is_found_by_either_engine() {
    let rotating = Rotating::new("mac");
    let before = rotating.world.read(DB);
    let kind = before.lines().find(|line| line.starts_with("kind:"));
    let without = before.replace(&format!("{}\n", kind.expect("a line")), "");
    for (engine, words) in [
        ("auto", "the MAC of"),
        ("native", "its MAC does not match what kb computes"),
        ("sops", "the MAC of"),
    ] {
        rotating.world.write(DB, &without);
        let run = rotating.force(&["--engine", engine]);
        assert_fails(&run, 1, &[words, DB]);
        rotating.world.write(DB, &before);
        rotating.assert_untouched();
    }
    rotating.world.write(DB, &without);
    let run = rotating.force(&["--engine", "auto", "--ignore-mac"]);
    assert!(
        run.assert_code(0)
            .err()
            .contains("5 by kb itself, 1 by sops"),
        "{}",
        run.err()
    );
    let opened = rotating.plaintext(DB, run.out().trim());
    assert!(!opened.assert_code(0).out().contains("kind:"));
}

/// A line that someone has commented out, or a comment that a formatter has moved away
/// from its `#`: sops takes them for plaintext.
#[test]
fn a_ciphertext_in_a_comment_is_not_lost_unawares() {
    let rotating = Rotating::new("commentedout");
    let before = rotating.world.read(DB);
    let line = before.lines().find(|line| line.trim().starts_with("user:"));
    let line = line.expect("a line");
    let tampered = tampered(&before, "#ENC");
    for changed in [
        before.replace(line, &format!("{line}\n    # old {}", line.trim())),
        before.replace("#ENC[", "# ENC["),
        // Left to sops for another reason, with a comment that is not authentic.
        tampered.replacen(": ENC[", ": &here ENC[", 1),
    ] {
        rotating.world.write(DB, &changed);
        let run = rotating.force(&["--engine", "auto"]);
        let words = format!("{DB}: an encrypted value in a comment of it does not open");
        assert_fails(&run, 1, &[&words, "--engine sops keeps it"]);
        rotating.world.write(DB, &before);
        rotating.assert_untouched();
    }
}
