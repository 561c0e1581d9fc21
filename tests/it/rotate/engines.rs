//! Which engine re-encrypts what, and what neither takes.

use serde_json::Value;

use super::Rotating;
use crate::{assert_fails, ssh_key};

const DB: &str = "apps/db-secret.yaml";
const SSH: &str = "apps/with-ssh.yaml";

/// With one more file, which is for a person's ssh key as well, as its rule says.
fn with_ssh(prefix: &str) -> Rotating {
    let mut rotating = Rotating::new(prefix);
    let person = ssh_key(&rotating.setup, "dev@example.org", "");
    rotating.add_rule("with-ssh", &[&rotating.old, &person]);
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
            true => (
                "sops",
                Value::from("one of its recipients is not an X25519 key"),
            ),
            false => ("native", Value::Null),
        };
        assert_eq!(step["engine"], engine, "{step}");
        assert_eq!(step["reason"], reason, "{step}");
    }
    let run = rotating.force(&["--engine", "auto", "-v"]);
    rotating.assert_rotated(&run);
    for words in [
        "7 files re-encrypted for the new key (6 by kb itself, 1 by sops)",
        &format!("left to sops: {SSH}: one of its recipients is not an X25519 key"),
    ] {
        assert!(run.err().contains(words), "{}", run.err());
    }
}

#[test]
fn native_leaves_behind_what_kb_would_leave_to_sops() {
    let rotating = with_ssh("nativeleaves");
    let before = rotating.world.read_bytes(SSH);
    let run = rotating.force(&["--engine", "native"]);
    for words in [
        "apps/with-ssh.yaml: one of its recipients is not an X25519 key",
        "without --engine native",
    ] {
        assert!(run.err().contains(words), "{}", run.err());
    }
    rotating.assert_left(&run, &[(SSH, &before)]);
    rotating.assert_finishes(&["--engine", "auto"]);
    let skipping = with_ssh("nativeskips");
    let run = skipping.force(&["--engine", "native", "--skip", SSH]);
    run.assert_code(0);
    assert!(!skipping.world.read(DB).contains(&skipping.old));
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

/// A rotation of a file that was changed leaves it, as `words` say, and moves it when it
/// is as it was.
#[track_caller]
fn assert_left_until_restored(engine: &str, change: impl Fn(&str) -> String, words: &[&str]) {
    let rotating = Rotating::new("restored");
    let before = rotating.world.read(DB);
    let changed = change(&before);
    assert_ne!(changed, before);
    rotating.world.write(DB, &changed);
    let run = rotating.force(&["--engine", engine]);
    for words in words {
        assert!(run.err().contains(words), "{engine}: {}", run.err());
    }
    rotating.assert_left(&run, &[(DB, changed.as_bytes())]);
    rotating.world.write(DB, &before);
    rotating.assert_finishes(&["--engine", engine]);
}

#[test]
fn a_file_with_a_tampered_value_is_left_and_the_place_is_named() {
    let place = format!("{DB}:7:11: the value of stringData.user is not authentic");
    for engine in ["auto", "native"] {
        let change = |before: &str| tampered(before, "user:");
        assert_left_until_restored(engine, change, &[&place, "git log -p"]);
    }
}

/// sops takes such a comment for plaintext, and encrypts the ciphertext once more.
#[test]
fn a_file_with_a_tampered_comment_is_left_unless_sops_is_asked_for() {
    let place = format!("{DB}:6:6: an encrypted comment is not authentic");
    let change = |before: &str| tampered(before, "#ENC");
    assert_left_until_restored("auto", change, &[&place, "--engine sops keeps it"]);
    let rotating = Rotating::new("tamperedcomment");
    let before = rotating.world.read(DB);
    rotating.world.write(DB, tampered(&before, "#ENC"));
    rotating.force(&["--engine", "sops"]).assert_code(0);
}

/// The MAC would match: it is over the plaintexts.
#[test]
fn a_file_with_a_plaintext_in_the_place_of_a_value_is_left() {
    for engine in ["auto", "native"] {
        let change = |before: &str| {
            let mut lines = before.lines();
            let line = lines.find(|line| line.trim().starts_with("user:"));
            before.replace(line.expect("a line"), "    user: db")
        };
        assert_left_until_restored(engine, change, &[DB]);
    }
}

/// A line that the MAC is over is gone.
fn without_kind(before: &str) -> String {
    let kind = before.lines().find(|line| line.starts_with("kind:"));
    before.replace(&format!("{}\n", kind.expect("a line")), "")
}

#[test]
fn a_file_whose_mac_does_not_match_is_left_by_either_engine() {
    for (engine, words) in [
        ("auto", "the MAC of"),
        ("native", "its MAC does not match what kb computes"),
        ("sops", "the MAC of"),
    ] {
        assert_left_until_restored(engine, without_kind, &[words]);
    }
    let rotating = Rotating::new("mac");
    let without = without_kind(&rotating.world.read(DB));
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
    let line_of = |before: &str| {
        let mut lines = before.lines();
        let line = lines.find(|line| line.trim().starts_with("user:"));
        line.expect("a line").to_owned()
    };
    let words = format!("{DB}: an encrypted value in a comment of it does not open");
    let words = [words.as_str(), "--engine sops keeps it"];
    let commented_out = |before: &str| {
        let line = line_of(before);
        before.replace(&line, &format!("{line}\n    # old {}", line.trim()))
    };
    assert_left_until_restored("auto", commented_out, &words);
    let moved = |before: &str| before.replace("#ENC[", "# ENC[");
    assert_left_until_restored("auto", moved, &words);
    // Left to sops for another reason, with a comment that is not authentic.
    let left_to_sops =
        |before: &str| tampered(before, "#ENC").replacen(": ENC[", ": &here ENC[", 1);
    assert_left_until_restored("auto", left_to_sops, &words);
}
