//! What is said before the editor opens, and changes nothing.

use std::os::unix::fs::symlink;

use super::Editing;
use crate::{SECRET, assert_fails, keypair};

/// An editor that would be noticed.
fn watched(prefix: &str) -> Editing {
    let mut editing = Editing::new(prefix);
    let opened = editing.world.tmp().join("opened");
    editing.editor(&format!("touch '{}'", opened.display()));
    editing
}

#[track_caller]
fn assert_refused(editing: &Editing, args: &[&str], words: &[&str]) {
    let run = editing.edit(args);
    assert_fails(&run, 1, words);
    assert!(
        !editing.world.tmp().join("opened").exists(),
        "the editor was opened"
    );
    editing.assert_no_trace();
}

#[test]
fn a_new_file_without_a_rule_is_refused_with_the_rules_there_are() {
    let editing = watched("norule");
    let recipient = editing.recipient();
    assert_refused(
        &editing,
        &["apps/deployment.yaml"],
        &[
            "apps/deployment.yaml is new",
            "no rule of .sops.yaml",
            &recipient,
            "--path-regex",
        ],
    );
    editing.world.write(".sops.yaml", "creation_rules: []\n");
    assert_refused(
        &editing,
        &["a-secret.yaml"],
        &["no rule of .sops.yaml", "--path-regex"],
    );
    std::fs::remove_file(editing.world.path(".sops.yaml")).expect("remove");
    assert_refused(
        &editing,
        &["a-secret.yaml"],
        &["no .sops.yaml", "kb k secrets init"],
    );
    assert!(!editing.world.path("apps").exists());
}

#[test]
fn a_rule_without_a_key_is_refused() {
    let editing = watched("rules");
    let config = editing.world.read(".sops.yaml");
    let own = editing.recipient();
    editing
        .world
        .write(".sops.yaml", config.replace(&own, "<key>"));
    assert_refused(
        &editing,
        &["a-secret.yaml"],
        &["has no key", "kb k secrets init"],
    );
    editing
        .world
        .write(".sops.yaml", config.replace(&own, "age1oops"));
    assert_refused(&editing, &["a-secret.yaml"], &[".sops.yaml:", "age1oops"]);
}

/// What is wrong with another rule is no obstacle, unless sops reads nothing of the file.
#[test]
fn only_what_the_files_rule_depends_on_stops_an_edit() {
    let editing = watched("broken");
    let config = editing.world.read(".sops.yaml");
    let refuse = |text: &str, words: &[&str]| {
        editing.world.write(".sops.yaml", text);
        assert_refused(&editing, &["a-secret.yaml"], words);
    };
    let rule = config.replace("creation_rules:\n", "");
    refuse(
        &format!("creation_rules:\n  - path_regex: 'b('\n    age: <key>\n{rule}"),
        &[
            ".sops.yaml:2:17",
            "kb cannot tell which files the path_regex",
        ],
    );
    refuse(
        &format!("{config}  - path_regex: [b]\n"),
        &["a text is expected here"],
    );
    refuse(
        &format!("{config}<<<<<<< ours\n"),
        &["conflict markers", "git status"],
    );
    refuse(
        &config.replace("path_regex:", "path:"),
        &[
            ".sops.yaml:2:5: unknown field path",
            "did you mean path_regex?",
            "the rule is for every path",
            "hint: write path_regex instead of path",
        ],
    );
    refuse(
        &config.replace("encrypted_regex:", "encrypted_regexp:"),
        &["did you mean encrypted_regex?", "whole manifests"],
    );
}

#[test]
fn a_config_of_the_wrong_name_is_refused() {
    let editing = watched("yml");
    let config = editing.world.read(".sops.yaml");
    editing.world.write("apps/.sops.yml", &config);
    let words = ["sops does not read", "apps/.sops.yml", "hint: git mv"];
    assert_refused(&editing, &["apps/a-secret.yaml"], &words);
    std::fs::remove_file(editing.world.path(".sops.yaml")).expect("remove");
    editing.world.write(".sops.yml", &config);
    assert_refused(&editing, &["a-secret.yaml"], &["sops does not read"]);
}

#[test]
fn nothing_is_written_to_a_retired_key() {
    let editing = watched("retired");
    let (old, retired) = keypair(&editing.world);
    let (current, _) = keypair(&editing.world);
    editing.put_key(&[("age.agekey", &current), ("age.previous.agekey", &old)]);
    editing.encrypt_for(&retired, "s.yaml", SECRET);
    assert_refused(
        &editing,
        &["s.yaml"],
        &["retired key", &retired, "init --use-existing"],
    );
}

#[test]
fn what_is_no_encrypted_file_is_refused() {
    let editing = watched("nofile");
    let plain = "apiVersion: v1\nkind: Secret\n";
    editing.world.write("plain-secret.yaml", plain);
    assert_refused(
        &editing,
        &["plain-secret.yaml"],
        &["is not encrypted", "kb k secrets check --fix"],
    );
    assert_eq!(editing.world.read("plain-secret.yaml"), plain);
    symlink("nowhere", editing.world.path("link-secret.yaml")).expect("link");
    assert_refused(&editing, &["link-secret.yaml"], &["leads nowhere"]);
    std::fs::create_dir(editing.world.path("dir")).expect("mkdir");
    assert_refused(&editing, &["dir"], &["is a directory"]);
    assert_refused(&editing, &["new-secret/"], &["is a directory"]);
    assert_refused(
        &editing,
        &["plain-secret.yaml/x-secret.yaml"],
        &["plain-secret.yaml/x-secret.yaml"],
    );
    editing.encrypt("good-secret.yaml", SECRET);
    let conflict = editing.world.read("good-secret.yaml");
    let conflict = format!("<<<<<<< HEAD\n{conflict}=======\n{conflict}>>>>>>> other\n");
    editing.world.write("good-secret.yaml", conflict);
    assert_refused(
        &editing,
        &["good-secret.yaml"],
        &["good-secret.yaml:1 has a merge conflict"],
    );
}

#[test]
fn a_file_of_another_cluster_and_a_missing_secret_are_told() {
    let editing = watched("other");
    let (_, other) = keypair(&editing.world);
    editing.encrypt_for(&other, "s.yaml", SECRET);
    assert_refused(
        &editing,
        &["s.yaml"],
        &["s.yaml is encrypted for another cluster", &other],
    );
    let nowhere = editing.command(&["edit", "s.yaml", "--secret-name", "nope"]);
    assert_fails(
        &editing.world.run(nowhere),
        1,
        &["the cluster has no Secret", "nope"],
    );
}

#[test]
fn an_editor_that_cannot_work_is_told_before_the_cluster_is_asked() {
    let mut editing = Editing::new("editor").with_secret();
    editing.server(&format!(
        "https://127.0.0.1:{}",
        testkit::net::refused_port()
    ));
    editing.world.script("code", "#!/bin/sh\n");
    for (command, words) in [
        ("no-such-editor -w", &["$EDITOR", "no-such-editor"][..]),
        ("vim 'unclosed", &["a quote in it is not closed"][..]),
        (
            "code",
            &["does not wait", "export EDITOR='code --wait'"][..],
        ),
    ] {
        editing.setup.world.env("EDITOR", command);
        assert_fails(&editing.edit(&["db-secret.yaml"]), 1, words);
    }
    // The order of the variables; blank ones count as unset.
    editing
        .setup
        .world
        .env("EDITOR", " ")
        .env("VISUAL", "no-visual");
    assert_fails(
        &editing.edit(&["db-secret.yaml"]),
        1,
        &["$VISUAL", "no-visual"],
    );
    editing.setup.world.env("SOPS_EDITOR", "no-sops-editor");
    assert_fails(
        &editing.edit(&["db-secret.yaml"]),
        1,
        &["$SOPS_EDITOR", "no-sops-editor"],
    );
}

#[test]
fn a_directory_that_cannot_be_written_to_is_told_first() {
    let mut editing = Editing::new("readonly");
    editing.editor("touch opened");
    let directory = editing.world.path("locked");
    std::fs::create_dir(&directory).expect("mkdir");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o555)).expect("chmod");
    let arguments = [
        "k",
        "secrets",
        "-n",
        &editing.namespace,
        "edit",
        "locked/a-secret.yaml",
    ];
    let run = crate::as_ordinary_user(&editing, &arguments);
    assert_fails(&run, 1, &["cannot write locked/a-secret.yaml", "ls -ld"]);
    assert!(!editing.world.path("opened").exists());
}
