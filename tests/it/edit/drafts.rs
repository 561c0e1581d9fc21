//! Drafts: ciphertext for the keys of the rule, which outlives the session.

use std::os::unix::fs::PermissionsExt;

use super::Editing;
use super::signals::{send, typing};
use crate::terminal::Terminal;
use crate::{assert_fails, keypair};

/// A text that was typed and not saved.
fn with_draft(prefix: &str) -> Editing {
    let mut editing = Editing::new(prefix).with_secret();
    editing.editor("sed -i s/admin/owner/ \"$1\"; exit 3");
    editing.edit(&["db-secret.yaml"]).assert_code(1);
    editing
}

/// systemd-logind removes the runtime directory, and what the person has in /dev/shm.
#[test]
fn a_draft_survives_a_logout() {
    let mut editing = Editing::new("logout").with_secret();
    let (child, _) = typing(&mut editing, "");
    send(&editing, "HUP", &child.pid());
    assert_eq!(child.end().0.code(), Some(1));
    std::fs::remove_dir_all(&editing.memory).expect("removed");
    // The next session has a new one, or none.
    editing.setup.world.env_remove("XDG_RUNTIME_DIR");
    editing.editor("sed -i '/^x:/d; s/admin/owner/' \"$1\"");
    editing.edit(&["db-secret.yaml", "--resume"]).assert_code(0);
    assert!(editing.plaintext("db-secret.yaml").contains("user: owner"));
    std::fs::create_dir(&editing.memory).expect("mkdir");
    editing.assert_no_trace();
}

#[test]
fn a_draft_is_for_the_keys_of_the_rule_and_closed_to_others() {
    let mut editing = Editing::new("forkeys");
    let (other_key, other) = keypair(&editing.world);
    let config = editing.world.read(".sops.yaml");
    let key = editing.recipient();
    let both = config.replace(&key, &format!("{key},{other}"));
    editing.world.write(".sops.yaml", both);
    let secret = editing.secret();
    editing.encrypt("db-secret.yaml", &secret);
    editing.editor("sed -i s/admin/owner/ \"$1\"; exit 3");
    for name in ["db-secret.yaml", "new-secret.yaml"] {
        if name.starts_with("new") {
            editing.editor(&format!("echo 'a: {}' > \"$1\"; exit 3", editing.canary));
        }
        let run = editing.edit(&[name]);
        assert_fails(
            &run,
            1,
            &["ended with exit code 3", &key, &other, "--resume"],
        );
        assert!(editing.draft().contains(&editing.canary));
        assert!(editing.draft_for(&other_key).contains(&editing.canary));
        let draft = editing.drafts().remove(0);
        let mode = |path: &std::path::Path| {
            let metadata = std::fs::metadata(path).expect("there");
            metadata.permissions().mode() & 0o777
        };
        assert_eq!(mode(&draft), 0o600);
        assert_eq!(mode(draft.parent().expect("a directory")), 0o700);
        editing.edit(&[name, "--discard"]).assert_code(0);
        editing.assert_no_trace();
    }
}

/// After a rotation the old key is a retired one.
#[test]
fn a_draft_is_gone_on_with_after_a_rotation() {
    let mut editing = with_draft("rotated");
    editing.commit();
    editing.init(&["--force", "--yes"]).assert_code(0);
    editing.editor("touch \"$1\"");
    editing.edit(&["db-secret.yaml", "--resume"]).assert_code(0);
    assert!(editing.plaintext("db-secret.yaml").contains("user: owner"));
    editing.assert_no_trace();
}

#[test]
fn drafts_are_listed_without_a_cluster_and_thrown_away_by_name() {
    let mut editing = with_draft("list");
    editing.editor(&format!("echo 'a: {}' > \"$1\"; exit 3", editing.canary));
    editing.edit(&["new-secret.yaml"]).assert_code(1);
    let key = editing.recipient();
    editing.server("https://127.0.0.1:1");
    let run = editing.secrets(&["drafts"]);
    let out = run.assert_code(0).out();
    let resume = format!(
        "to go on with it: kb k secrets edit db-secret.yaml --resume -n {}",
        editing.namespace
    );
    for words in [
        "new-secret.yaml\n",
        "db-secret.yaml\n",
        "  written ",
        &key,
        &resume,
    ] {
        assert!(out.contains(words), "no {words} in {out}");
    }
    assert!(!out.contains(&editing.canary));
    let run = editing.secrets(&["drafts", "db-secret.yaml", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(run.assert_code(0).out()).expect("JSON");
    let drafts = json["drafts"].as_array().expect("a list");
    assert_eq!(drafts.len(), 1, "{json}");
    let path = editing.world.path("db-secret.yaml");
    assert_eq!(drafts[0]["file"], path.to_str().expect("UTF-8"));
    assert_eq!(drafts[0]["recipients"], serde_json::json!([key]));
    assert_eq!(drafts[0]["place"], "disk");
    assert_eq!(json["version"], 1);

    assert_fails(
        &editing.secrets(&["drafts", "--discard"]),
        1,
        &["which drafts", "--all"],
    );
    let run = editing.secrets(&["drafts", "--discard", "no-secret.yaml"]);
    assert_fails(&run, 1, &["there is no draft for no-secret.yaml"]);
    assert_eq!(editing.drafts().len(), 2);
    editing
        .secrets(&["drafts", "--discard", "new-secret.yaml"])
        .assert_code(0);
    assert_eq!(editing.drafts().len(), 1);
    editing
        .secrets(&["drafts", "--discard", "--all"])
        .assert_code(0);
    editing.assert_no_trace();
    let run = editing.secrets(&["drafts"]);
    assert_eq!(
        (run.assert_code(0).out(), run.err()),
        ("", "There are no drafts.\n")
    );
    let run = editing.secrets(&["drafts", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(run.assert_code(0).out()).expect("JSON");
    assert_eq!(json["drafts"], serde_json::json!([]));
}

/// A remark, and no problem.
#[test]
fn status_names_the_drafts_of_its_repository() {
    let mut editing = with_draft("remark");
    let before = editing.secrets(&["status"]);
    let remark = "note: db-secret.yaml has a draft that is not saved (";
    assert!(before.out().contains(remark), "{}", before.out());
    let code = before.code;
    let other = editing.world.tmp().join("elsewhere");
    std::fs::create_dir(&other).expect("mkdir");
    let mut command = editing.command(&["status"]);
    command.current_dir(&other).env("PWD", &other);
    let run = editing.world.run(command);
    assert!(!run.out().contains("not saved"), "{}", run.out());
    editing
        .edit(&["db-secret.yaml", "--discard"])
        .assert_code(0);
    let after = editing.secrets(&["status"]);
    assert!(!after.out().contains("not saved"), "{}", after.out());
    assert_eq!(after.code, code);
    editing.setup.world.env("EDITOR", "true");
}

/// A developer's own key is none that a draft can be made for.
#[test]
fn without_an_age_key_in_the_rule_it_stays_in_memory_and_that_is_said() {
    let mut editing = Editing::new("nokey");
    let public = crate::ssh_key(&editing, "dev", "");
    let config = editing.world.read(".sops.yaml");
    let config = config.replace(&editing.recipient(), &format!("'{public}'"));
    editing.world.write(".sops.yaml", config);
    let secret = editing.secret();
    editing.encrypt("dev-secret.yaml", &secret);
    editing.editor("sed -i s/admin/owner/ \"$1\"; exit 3");
    let run = editing.edit(&["dev-secret.yaml"]);
    let words = [
        "in memory, until you log out or the machine restarts",
        "names no age key",
        "edit dev-secret.yaml --resume",
    ];
    assert_fails(&run, 1, &words);
    editing.assert_none_on_disk();
    assert_eq!((editing.drafts().len(), editing.in_memory().len()), (0, 1));
    let run = editing.secrets(&["drafts"]);
    assert!(run.assert_code(0).out().contains(words[0]), "{}", run.out());
    let run = editing.edit(&["dev-secret.yaml"]);
    assert_fails(&run, 1, &["is not saved yet"]);
    editing.editor("touch \"$1\"");
    editing
        .edit(&["dev-secret.yaml", "--resume"])
        .assert_code(0);
    editing.assert_no_trace();
    let mut sops = editing
        .world
        .tool_cmd("sops", ["decrypt", "dev-secret.yaml"]);
    sops.env_remove("SOPS_AGE_KEY");
    assert!(
        editing
            .world
            .run(sops)
            .assert_code(0)
            .out()
            .contains("user: owner")
    );
}

/// One of the two keys would be enough for a draft.
#[test]
fn a_text_that_takes_two_keys_is_not_kept_for_one() {
    let mut editing = Editing::new("twokeys");
    let (_, other) = keypair(&editing.world);
    let key = editing.recipient();
    let config = format!(
        "creation_rules:\n  - encrypted_regex: ^(data|stringData)$\n    shamir_threshold: 2\n    key_groups:\n      - age: [{key}]\n      - age: [{other}]\n"
    );
    editing.world.write(".sops.yaml", config);
    editing.editor(&format!("echo 'a: {}' > \"$1\"; exit 3", editing.canary));
    let run = editing.edit(&["new-secret.yaml"]);
    assert_fails(&run, 1, &["in memory, until you log out"]);
    assert!(editing.drafts().is_empty());
    editing.assert_none_on_disk();
    editing
        .secrets(&["drafts", "--discard", "--all"])
        .assert_code(0);
    editing.assert_no_trace();
}

/// As soon as one can be written, the text becomes a draft.
#[test]
fn where_no_draft_can_be_written_it_stays_in_memory_until_one_can() {
    let mut editing = Editing::new("nostate").with_secret();
    editing.world.write_home(".local/state/kb/drafts", "a file");
    editing.editor("sed -i s/admin/owner/ \"$1\"; exit 3");
    let run = editing.edit(&["db-secret.yaml"]);
    assert_fails(
        &run,
        1,
        &[
            "in memory, until you log out",
            "not a directory",
            "--resume",
        ],
    );
    assert_eq!(editing.in_memory().len(), 1);
    editing.editor("true");
    let run = editing.edit(&["db-secret.yaml", "--resume"]);
    assert!(
        run.assert_code(0).err().contains("kept as before") && !run.err().contains("another kb"),
        "{}",
        run.err()
    );
    assert_eq!(editing.in_memory().len(), 1);
    std::fs::remove_file(editing.world.home().join(".local/state/kb/drafts")).expect("remove");
    editing.secrets(&["drafts"]).assert_code(0);
    assert!(editing.draft().contains("user: owner"));
}

/// The second of two texts does not take the place of the first.
#[test]
fn several_drafts_of_a_file_are_told_apart() {
    let mut editing = Editing::new("several").with_secret();
    let (first, _) = typing(&mut editing, "");
    std::fs::remove_file(editing.world.root().join("editor-pid")).expect("remove");
    let (second, _) = typing(&mut editing, "sed -i s/admin/second/ \"$1\"");
    for child in [first, second] {
        send(&editing, "TERM", &child.pid());
        assert_eq!(child.end().0.code(), Some(1));
    }
    assert_eq!(editing.drafts().len(), 2);
    editing.editor("touch \"$1\"");
    let run = editing.edit(&["db-secret.yaml", "--discard"]);
    assert!(
        run.assert_code(0).err().contains("There are 2 drafts"),
        "{}",
        run.err()
    );
    assert_eq!(editing.drafts().len(), 1);
    editing
        .edit(&["db-secret.yaml", "--discard"])
        .assert_code(0);
    editing.assert_no_trace();
}

/// It hands the file to a window and ends; what is saved there goes nowhere.
#[test]
fn an_editor_that_does_not_wait_is_a_warning_on_a_terminal() {
    let mut editing = Editing::new("atonce").with_secret();
    editing.editor("(sleep 1; echo 'a: b' >> \"$1\") > /dev/null 2>&1 & exit 0");
    let (code, screen) = Terminal::start(&editing, "edit db-secret.yaml").end();
    assert_eq!(code, Some(0), "{screen}");
    for words in ["ended at once", "--wait", "Nothing was changed"] {
        assert!(screen.contains(words), "no {words} in {screen}");
    }
    // Scripts that change nothing are not told.
    editing.editor("true");
    let run = editing.edit(&["db-secret.yaml"]);
    assert!(
        !run.assert_code(0).err().contains("at once"),
        "{}",
        run.err()
    );
    // One that changes something has waited.
    editing.editor("sed -i s/admin/owner/ \"$1\"");
    let (_, screen) = Terminal::start(&editing, "edit db-secret.yaml").end();
    assert!(!screen.contains("ended at once"), "{screen}");
}

/// What is typed in one cluster's name is gone on with in the same.
#[test]
fn the_command_that_goes_on_names_cluster_and_options() {
    let mut editing = Editing::new("command").with_secret();
    let kubeconfig = editing.world.home().join(".kube/config");
    let other = editing
        .world
        .write_home("my kubeconfig", std::fs::read(&kubeconfig).expect("read"));
    std::fs::remove_file(kubeconfig).expect("remove");
    editing.editor("sed -i s/admin/owner/ \"$1\"; exit 3");
    let other = other.to_str().expect("UTF-8");
    let run = editing.edit(&["db-secret.yaml", "--kubeconfig", other, "--keep-readers"]);
    let resume = format!(
        "kb k secrets edit db-secret.yaml --resume --keep-readers --kubeconfig '{other}' -n {}",
        editing.namespace
    );
    assert_fails(&run, 1, &[&resume]);
    // Also where it is listed without them.
    let run = editing.secrets(&["drafts"]);
    assert!(run.assert_code(0).out().contains(&resume), "{}", run.out());
}
