//! What a rotation is about, and what it says.

use serde_json::Value;

use super::Rotating;
use crate::{assert_fails, keypair, recipient_of};

#[test]
fn files_of_every_format_are_moved_and_the_old_revision_still_opens() {
    let rotating = Rotating::new("formats");
    let before: Vec<String> = rotating
        .files
        .iter()
        .map(|(name, _)| rotating.world.read(name))
        .collect();
    let old_key = rotating.keys();
    let run = rotating.force(&[]);
    rotating.assert_rotated(&run);
    for said in [
        "6 files re-encrypted",
        "Commit and push",
        "kb k secrets prune",
        "change the passwords",
    ] {
        assert!(run.err().contains(said), "{}", run.err());
    }
    // The old key opens none of them any more; it does open what is deployed.
    for ((name, text), before) in rotating.files.iter().zip(before) {
        let run = rotating.plaintext(name, &old_key);
        assert_eq!(run.code, Some(128), "{name}");
        rotating.world.write(name, before);
        let run = rotating.plaintext(name, &rotating.keys());
        assert_eq!(run.assert_code(0).out(), text);
    }
}

#[test]
fn dry_run_says_it_all_and_changes_nothing() {
    let rotating = Rotating::new("dry");
    let run = rotating.force(&["--dry-run"]);
    assert_eq!(run.assert_code(0).out(), "");
    insta::assert_snapshot!("dry_run", run.snapshot());
    rotating.assert_untouched();
    let run = rotating.force(&["--dry-run", "-o", "json", "-q"]);
    assert_eq!(run.assert_code(0).err(), "");
    let json: Value = serde_json::from_str(run.out()).expect("JSON");
    assert_eq!(json["version"], 1);
    assert_eq!(json["old"], serde_json::json!([rotating.old]));
    assert_eq!(json["new"], Value::Null);
    assert_eq!(
        json["sources"]["context"],
        serde_json::json!({"value": "test", "from": "current-context"})
    );
    let steps = json["steps"].as_array().expect("steps");
    let names: Vec<&str> = steps
        .iter()
        .map(|step| step["step"].as_str().expect("a name"))
        .collect();
    let mut expected = vec!["add-key"];
    expected.extend(["reencrypt"; 6]);
    expected.extend(["edit-config", "show-key", "promote"]);
    assert_eq!(names, expected);
    assert!(
        steps[1]["path"]
            .as_str()
            .expect("a path")
            .ends_with("apps/app.env")
    );
    rotating.assert_untouched();
    // A machine that waits for a plan does not get an empty answer.
    rotating.cluster.delete(&rotating.path());
    let run = rotating.force(&[
        "--dry-run",
        "-o",
        "json",
        "--skip",
        "apps",
        "--skip",
        "deep",
    ]);
    assert_fails(&run, 1, &["nothing to rotate"]);
}

#[test]
fn options_that_do_not_go_together_are_wrong_usage() {
    let setup = crate::Setup::new("usage");
    for arguments in [
        &["--force", "-o", "json"][..],
        &["--force", "--use-existing"],
        &["--force", "--path-regex", "x"],
        &["--force", "--all-copies", "--only-this"],
        &["--ignore-mac"],
        &["--skip", "x"],
    ] {
        setup.init(arguments).assert_code(2);
    }
}

/// Who is found, and who is not.
#[test]
fn files_are_found_by_their_metadata_wherever_they_are() {
    let mut rotating = Rotating::new("found");
    let old = rotating.old.clone();
    let mut add = |name: &str, text: &str| {
        rotating.setup.encrypt_for(&old, name, text);
        rotating.files.push((name.to_owned(), text.to_owned()));
    };
    add("ignored/app.env", "A=b\n");
    add("no ending and ünicode", "x");
    add(".hidden/.x.yaml", "a: b\n");
    rotating.world.write(".gitignore", "ignored/\n");
    // None of these is for the key.
    let prose = format!("our key is {old}\n");
    rotating.world.write("README.md", &prose);
    rotating.world.write("notes.yaml", format!("key: {old}\n"));
    rotating.encrypt_for(&old, ".git/x.yaml", "a: b\n");
    let in_git = rotating.world.read(".git/x.yaml");
    // Someone else's repository in this one is named, and stays.
    rotating.encrypt_for(&old, "vendor/clone/x.yaml", "a: b\n");
    rotating
        .world
        .write("vendor/clone/.git/HEAD", "ref: refs/heads/main\n");
    let vendored = rotating.world.read("vendor/clone/x.yaml");
    // A link is not followed; what it leads to is outside.
    let outside = rotating
        .world
        .write_home("outside.yaml", rotating.world.read("apps/db-secret.yaml"));
    std::os::unix::fs::symlink(&outside, rotating.world.path("link.yaml")).expect("symlink");
    let run = rotating.force(&[]);
    rotating.assert_rotated(&run);
    assert!(run.err().contains("9 files re-encrypted"), "{}", run.err());
    assert!(
        run.err().contains("vendor/clone has its own .git"),
        "{}",
        run.err()
    );
    assert_eq!(rotating.world.read("README.md"), prose);
    assert_eq!(rotating.world.read(".git/x.yaml"), in_git);
    assert_eq!(rotating.world.read("vendor/clone/x.yaml"), vendored);
    assert!(
        std::fs::read_to_string(outside)
            .expect("outside")
            .contains(&old)
    );
}

/// Also rules of other directories, of a config that was named, behind links, and
/// of one that appears while the rotation runs.
#[test]
fn every_config_of_the_repository_is_brought_in_line() {
    let rotating = Rotating::new("configs");
    let old = &rotating.old;
    let (_, other) = keypair(&rotating.world);
    let nested = format!(
        "# ours and theirs\ncreation_rules:\n  - path_regex: x\n    age: >-\n      {other},\n      {old}\n"
    );
    rotating.world.write("apps/.sops.yaml", &nested);
    rotating
        .world
        .write("broken/.sops.yaml", "creation_rules: [\n");
    let simple = format!("creation_rules:\n- path_regex: (apps|deep)/\n  age: {old}\n");
    rotating.world.write("shared/config.yaml", &simple);
    let link = rotating.world.path("deep/.sops.yaml");
    std::os::unix::fs::symlink("../shared/config.yaml", &link).expect("symlink");
    let elsewhere = rotating.world.write_home("elsewhere.yaml", &simple);
    let named = elsewhere.to_str().expect("UTF-8");
    let spawned = rotating.paused_at("planned", &["--yes", "--config", named]);
    rotating.world.write("late/.sops.yaml", &simple);
    let run = super::go_on(spawned);
    let new = rotating.assert_rotated(&run);
    let expected = nested.replace(old.as_str(), &new);
    assert_eq!(rotating.world.read("apps/.sops.yaml"), expected);
    let expected = simple.replace(old.as_str(), &new);
    for config in ["shared/config.yaml", "late/.sops.yaml"] {
        assert_eq!(rotating.world.read(config), expected, "{config}");
    }
    assert!(link.is_symlink());
    assert_eq!(
        std::fs::read_to_string(&elsewhere).expect("elsewhere"),
        expected
    );
}

/// The config of the whole repository may be a link, too.
#[test]
fn a_linked_config_is_brought_in_line_and_keeps_a_retired_key_from_being_pruned() {
    let rotating = Rotating::new("linked");
    let text = rotating.world.read(".sops.yaml");
    let real = rotating.world.write_home("config.yaml", &text);
    std::fs::remove_file(rotating.world.path(".sops.yaml")).expect("remove");
    std::os::unix::fs::symlink(&real, rotating.world.path(".sops.yaml")).expect("symlink");
    let run = rotating.force(&[]);
    rotating.assert_rotated(&run);
    assert!(rotating.world.path(".sops.yaml").is_symlink());
    std::fs::write(&real, text).expect("write");
    let run = rotating.secrets(&["prune", "--yes"]);
    assert_fails(
        &run,
        1,
        &["may still be needed", "working-tree", ".sops.yaml"],
    );
}

#[test]
fn an_imported_key_takes_the_place_and_is_not_printed() {
    let rotating = Rotating::new("import");
    let (key, recipient) = keypair(&rotating.world);
    let command = rotating.command(&["init", "--force", "--import"]);
    let run = rotating.world.run_with_stdin(command, key.as_bytes());
    assert_eq!(run.assert_code(0).out(), "");
    assert!(rotating.entry("age.agekey").expect("a key").contains(&key));
    rotating.assert_open_with(&key);
    assert!(rotating.world.read(".sops.yaml").contains(&recipient));
    // The same once more is no rotation.
    let command = rotating.command(&["init", "--force", "--import"]);
    let run = rotating.world.run_with_stdin(command, key.as_bytes());
    assert_fails(
        &run,
        1,
        &["is the one that the cluster has", "--use-existing"],
    );
}

/// Comments, several identities and other entries.
#[test]
fn all_identities_of_the_current_entry_are_rotated_away_and_nothing_else_is_lost() {
    let mut rotating = Rotating::new("several");
    let first = rotating.entry("age.agekey").expect("a key");
    let (second, second_recipient) = keypair(&rotating.world);
    let (other, other_recipient) = keypair(&rotating.world);
    let current = format!("# made by hand\n{first}# the second\n{second}\n");
    rotating.put_key(&[
        ("age.agekey", &current),
        ("other.agekey", &other),
        ("note", "theirs"),
    ]);
    rotating.encrypt_for(&second_recipient, "second.yaml", "a: b\n");
    rotating
        .files
        .push(("second.yaml".to_owned(), "a: b\n".to_owned()));
    rotating.encrypt_for(&other_recipient, "theirs.yaml", "a: b\n");
    let theirs = rotating.world.read("theirs.yaml");
    // For both, and for a person, as its rule says: one of three goes, one comes, once.
    let (_, person) = keypair(&rotating.world);
    rotating.add_rule("^all", &[&rotating.old, &second_recipient, &person]);
    let all = format!("{},{second_recipient},{person}", rotating.old);
    rotating.encrypt_for(&all, "all.yaml", "a: b\n");
    rotating
        .files
        .push(("all.yaml".to_owned(), "a: b\n".to_owned()));
    let run = rotating.force(&["--yes"]);
    let new = rotating.assert_rotated(&run);
    assert_eq!(rotating.entry("other.agekey"), Some(other));
    assert_eq!(rotating.entry("note").as_deref(), Some("theirs"));
    assert_eq!(rotating.entry("age.previous.agekey"), Some(current));
    assert_eq!(rotating.world.read("theirs.yaml"), theirs);
    let all = rotating.world.read("all.yaml");
    assert!(all.contains(&person) && all.contains(&new) && !all.contains(&second_recipient));
    assert_eq!(all.matches("recipient:").count(), 2, "{all}");
    // Labels and annotations stay too.
    let labels = rotating.object()["metadata"]["labels"].clone();
    assert_eq!(labels["app.kubernetes.io/managed-by"], "kb");
}

/// A second rotation keeps the keys of the first.
#[test]
fn retired_keys_add_up() {
    let rotating = Rotating::new("twice");
    let first = rotating.keys();
    let second = rotating.force(&[]);
    rotating.assert_rotated(&second);
    let third = rotating.force(&[]);
    let new = rotating.assert_rotated(&third);
    let retired = rotating.entry("age.previous.agekey").expect("two keys");
    assert!(retired.contains(&first) && retired.contains(second.out().trim()));
    assert!(!retired.contains(&new));
}

/// Flux reads any entry that ends so, and people call it what they like.
#[test]
fn a_key_in_an_entry_of_another_name_is_rotated_too() {
    let rotating = Rotating::new("named");
    let key = rotating.keys();
    rotating.put_key(&[("identity.agekey", &key)]);
    let run = rotating.force(&[]);
    rotating.assert_rotated(&run);
    assert_eq!(rotating.entry("identity.agekey"), None);
    assert_eq!(
        rotating.entry("age.previous.agekey"),
        Some(format!("{key}\n"))
    );
}

/// As a restore from a backup may leave it.
#[test]
fn a_cluster_with_only_retired_keys_gets_a_new_one() {
    let rotating = Rotating::new("onlyretired");
    let key = rotating.keys();
    rotating.put_key(&[("age.previous.agekey", &key)]);
    let run = rotating.init(&[]);
    assert_fails(
        &run,
        1,
        &["no other keys than retired ones", "init --force"],
    );
    let run = rotating.force(&[]);
    rotating.assert_rotated(&run);
}

/// What the cluster has not, it cannot rotate.
#[test]
fn without_a_secret_force_is_init_unless_files_need_a_key() {
    let rotating = Rotating::new("absent");
    let key = rotating.keys();
    rotating.cluster.delete(&rotating.path());
    let run = rotating.force(&[]);
    assert_fails(
        &run,
        1,
        &[
            "the cluster has no key",
            "apps/db-secret.yaml",
            "deep/er/blob",
            "init --import",
        ],
    );
    assert!(rotating.cluster.get(&rotating.path()).is_none());
    // The key that opens them may come back.
    let command = rotating.command(&["init", "--force", "--import"]);
    let run = rotating.world.run_with_stdin(command, key.as_bytes());
    run.assert_code(0);
    assert_eq!(
        recipient_of(&rotating.world, &rotating.keys()),
        rotating.old
    );
    let bare = crate::Setup::new("bare");
    let run = bare.init(&["--force"]);
    run.assert_code(0);
    assert!(run.out().starts_with("AGE-SECRET-KEY-1"));
    assert!(bare.world.read(".sops.yaml").contains(&bare.recipient()));
}

/// Paths on the command line are left for the old key, which stays.
#[test]
fn what_is_skipped_stays_and_still_opens() {
    let rotating = Rotating::new("skip");
    let before = rotating.world.read("apps/app.env");
    let run = rotating.force(&["--skip", "apps/app.env", "--skip", "deep"]);
    run.assert_code(0);
    assert_eq!(rotating.world.read("apps/app.env"), before);
    assert!(rotating.world.read("deep/er/blob").contains(&rotating.old));
    assert!(!rotating.world.read("apps/app.ini").contains(&rotating.old));
    rotating.assert_all_open();
    let run = rotating.force(&["--skip", "not/there"]);
    assert_fails(&run, 1, &["there is no file not/there"]);
    let outside = rotating.world.write_home("x", "");
    let run = rotating.force(&["--skip", outside.to_str().expect("UTF-8")]);
    assert_fails(&run, 1, &["is not in this repository"]);
}

/// A path is the same however it is spelled.
#[test]
fn what_is_skipped_may_be_named_through_a_link() {
    let rotating = Rotating::new("skiplink");
    let link = rotating.world.root().join("link");
    std::os::unix::fs::symlink(rotating.world.repo(), &link).expect("symlink");
    let before = rotating.world.read("apps/app.env");
    let spelled = link.join("apps/../apps/app.env");
    let run = rotating.force(&[
        "--skip",
        spelled.to_str().expect("UTF-8"),
        "--skip",
        "./deep/",
    ]);
    run.assert_code(0);
    assert_eq!(rotating.world.read("apps/app.env"), before);
    assert!(rotating.world.read("deep/er/blob").contains(&rotating.old));
}
