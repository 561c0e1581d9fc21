//! What someone has typed is not lost when it cannot be saved.

use testkit::Tools;

use super::Editing;
use crate::slow_proxy::SlowProxy;
use crate::{assert_fails, mount_namespace};

/// Checks that the one text that is kept is this, as a draft and nowhere else.
#[track_caller]
fn assert_kept(editing: &Editing, words: &str) {
    let text = editing.draft();
    assert!(text.contains(words), "{text}");
}

#[test]
fn a_file_that_someone_else_changed_is_not_overwritten() {
    let mut editing = Editing::new("changed").with_secret();
    let theirs = editing.secret().replace("admin", "theirs");
    editing.encrypt("theirs.yaml.secret.yaml", &theirs);
    let theirs = editing.world.read("theirs.yaml.secret.yaml");
    let repo = editing.world.repo();
    editing.editor(&format!(
        "cp '{0}/theirs.yaml.secret.yaml' '{0}/db-secret.yaml'; sed -i s/admin/owner/ \"$1\"",
        repo.display()
    ));
    let run = editing.edit(&["db-secret.yaml"]);
    assert_fails(
        &run,
        1,
        &[
            "db-secret.yaml was changed by someone else meanwhile",
            "hint: the text is kept encrypted for age1",
            "kb k secrets edit db-secret.yaml --resume",
            "--discard",
        ],
    );
    assert_eq!(editing.world.read("db-secret.yaml"), theirs);
    assert_kept(&editing, "user: owner");
    // No second text beside it.
    let run = editing.edit(&["db-secret.yaml"]);
    assert_fails(&run, 1, &["is not saved yet", "--resume", "--discard"]);
    // Closed without saving, it goes nowhere, and least of all over theirs.
    editing.editor("true");
    let run = editing.edit(&["db-secret.yaml", "--resume"]);
    assert!(
        run.assert_code(0).err().contains("Nothing was saved"),
        "{}",
        run.err()
    );
    assert_eq!(editing.world.read("db-secret.yaml"), theirs);
    assert_kept(&editing, "user: owner");
    // Going on with it says whose version it replaces, and saves it as it is.
    let shown = editing.world.tmp().join("shown");
    editing.editor(&format!(
        "grep -v password \"$1\" > '{}'; touch \"$1\"",
        shown.display()
    ));
    let run = editing.edit(&["db-secret.yaml", "--resume"]);
    assert!(
        run.assert_code(0)
            .err()
            .contains("changed or removed since"),
        "{}",
        run.err()
    );
    let shown = std::fs::read_to_string(shown).expect("shown");
    assert!(
        shown.starts_with("## kb: the file was changed or removed"),
        "{shown}"
    );
    assert!(editing.plaintext("db-secret.yaml").contains("user: owner"));
    assert!(!editing.plaintext("db-secret.yaml").contains("kb:"));
    editing.assert_no_trace();
}

#[test]
fn a_new_file_that_someone_else_made_is_not_overwritten() {
    let mut editing = Editing::new("made");
    let file = editing.world.path("deep/db-secret.yaml");
    let secret = editing.secret();
    editing.editor(&format!(
        "mkdir '{0}'; echo theirs > '{1}'; cat > \"$1\" <<'EOF'\n{secret}EOF",
        file.parent().expect("a directory").display(),
        file.display()
    ));
    let run = editing.edit(&["deep/db-secret.yaml"]);
    assert_fails(&run, 1, &["changed by someone else meanwhile", "--resume"]);
    assert_eq!(std::fs::read_to_string(&file).expect("read"), "theirs\n");
    assert_kept(&editing, "user: admin");
    std::fs::remove_file(&file).expect("remove");
    editing.editor("touch \"$1\"");
    // From another directory, and by another name of the same file.
    let mut command = editing.command(&["edit", "../repo/deep/db-secret.yaml", "--resume"]);
    command.current_dir(editing.world.tmp());
    let run = editing.world.run(command);
    assert!(
        run.assert_code(0).err().contains("Created"),
        "{}",
        run.err()
    );
    assert!(
        editing
            .plaintext("deep/db-secret.yaml")
            .contains("user: admin")
    );
    editing.assert_no_trace();
}

#[test]
fn on_a_full_disk_the_text_is_kept_and_the_file_is_whole() {
    let mut editing = Editing::new("full").with_secret();
    let full = editing.world.path("full");
    std::fs::create_dir(&full).expect("mkdir");
    editing.editor(
        "case $1 in *new*) echo 'data: {a: aGk=}' > \"$1\";; esac\n\
         sed -i s/admin/owner/ \"$1\"; cat /dev/zero > full/filler 2>/dev/null; true",
    );
    let script = "\
        mount -t tmpfs -o size=64k none full && cp db-secret.yaml full/ && cp .sops.yaml full/
        \"$@\" full/db-secret.yaml; echo \"code $?\"
        cmp db-secret.yaml full/db-secret.yaml && ls -A full | sort | tr '\\n' ' '
        \"$@\" full/new/new-secret.yaml; echo \"code $?\"; \"$@\" full/new/new-secret.yaml --discard
        ls -A full | sort | tr '\\n' ' '
        rm full/filler
        EDITOR=touch \"$@\" full/db-secret.yaml --resume; echo \"code $?\"
        cp full/db-secret.yaml saved.yaml; ls -A full | sort | tr '\\n' ' '";
    let mut command = editing.world.tool_cmd("unshare", mount_namespace());
    command.args(["sh", "-c", script, "sh", env!("CARGO_BIN_EXE_kb")]);
    command.args(["k", "secrets", "-n", &editing.namespace, "edit"]);
    let run = editing.world.run(command);
    let (out, err) = (run.assert_code(0).out(), run.err());
    assert_eq!(
        out,
        "code 1\n.sops.yaml db-secret.yaml filler code 1\n.sops.yaml db-secret.yaml filler code 0\n.sops.yaml db-secret.yaml "
    );
    assert!(err.contains("No space left on device"), "{err}");
    assert!(err.contains("hint: df full shows what is left"), "{err}");
    assert!(err.contains("--resume"), "{err}");
    assert!(editing.plaintext("saved.yaml").contains("user: owner"));
    editing.assert_no_trace();
}

/// Where there is no room for the text with the reason above it, the text alone is
/// there still.
#[test]
fn in_a_full_memory_the_text_is_kept() {
    let mut editing = Editing::new("fullmemory").with_secret();
    let memory = editing.world.tmp().join("memory");
    std::fs::create_dir(&memory).expect("mkdir");
    let memory = memory.display();
    // The text fills a page of memory; with the reason above it, it needs another.
    let mut text =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata: {x: '*'}\n".to_owned();
    text += &format!("# {:x<1$}{2}\n", "", 4070 - text.len(), editing.canary);
    let typed = editing.world.root().join("typed");
    std::fs::write(&typed, &text).expect("write");
    editing.editor(&format!(
        "cat '{}' > \"$1\"; cat /dev/zero > '{memory}/filler' 2>/dev/null; true",
        typed.display()
    ));
    let script = format!(
        "mount -t tmpfs -o size=64k none '{memory}'; export XDG_RUNTIME_DIR='{memory}'
        \"$@\"; echo \"code $?\"; rm '{memory}/filler'; cp ~/.local/state/kb/drafts/*.age kept
        EDITOR='sed -i s/*/aGk=/' \"$@\" --resume; echo \"code $?\"; ls '{memory}'"
    );
    let command = editing.edit_with_mounts(&script);
    let run = editing.world.run(command);
    assert_eq!(
        run.assert_code(0).out(),
        "code 1\ncode 0\n",
        "{}",
        run.err()
    );
    assert!(
        run.err().contains("No space left on device"),
        "{}",
        run.err()
    );
    let key = editing.entry("age.agekey").expect("a key");
    let kept = editing.decrypt_draft(&editing.world.path("kept"), &key);
    assert!(kept.starts_with(&format!("text 0 {}\n{text}", text.len())));
}

/// Once, before the editor opens; so it may go away meanwhile.
#[test]
fn the_cluster_is_asked_once() {
    let mut editing = Editing::new("once").with_secret();
    let proxy = SlowProxy::start(editing.setup.cluster);
    editing.server(&proxy.url());
    let kubeconfig = editing.world.home().join(".kube/config");
    editing.editor(&format!(
        "rm '{}'; sed -i s/admin/owner/ \"$1\"",
        kubeconfig.display()
    ));
    editing.edit(&["db-secret.yaml"]).assert_code(0);
    let secret = format!("/api/v1/namespaces/{}/secrets/sops-age", editing.namespace);
    assert_eq!(proxy.requests(), [format!("GET {secret}")]);
    assert!(editing.plaintext("db-secret.yaml").contains("user: owner"));
}

#[test]
fn when_sops_fails_the_text_is_kept() {
    let mut editing = Editing::new("sops").with_secret();
    let before = editing.world.read("db-secret.yaml");
    // After the editor there is no `mv` for sops to run, and then no sops.
    let bin = editing.world.bin();
    editing.editor(&format!(
        "sed -i s/admin/owner/ \"$1\"; printf '#!/bin/sh\\nexit 1\\n' > '{0}/mv'; chmod +x '{0}/mv'",
        bin.display()
    ));
    let run = editing.edit(&["db-secret.yaml"]);
    assert_fails(&run, 1, &["sops cannot encrypt db-secret.yaml", "--resume"]);
    assert_eq!(editing.world.read("db-secret.yaml"), before);
    assert_kept(&editing, "user: owner");
    std::fs::remove_file(bin.join("mv")).expect("remove");
    editing.editor("touch \"$1\"");
    editing.edit(&["db-secret.yaml", "--resume"]).assert_code(0);
    assert!(editing.plaintext("db-secret.yaml").contains("user: owner"));
    editing.assert_no_trace();
}

#[test]
fn an_editor_that_fails_keeps_what_it_saved() {
    let mut editing = Editing::new("fails").with_secret();
    let before = editing.world.read("db-secret.yaml");
    editing.editor("exit 3");
    let run = editing.edit(&["db-secret.yaml"]);
    assert_fails(&run, 1, &["ended with exit code 3"]);
    editing.assert_no_trace();
    editing.editor("sed -i s/admin/owner/ \"$1\"; exit 3");
    let run = editing.edit(&["db-secret.yaml"]);
    assert_fails(&run, 1, &["ended with exit code 3", "--resume"]);
    assert_kept(&editing, "user: owner");
    // Going on, and giving up again, leaves it there; so does emptying it.
    let emptied = ": > \"$1\"";
    let replaced = "rm \"$1\"; mkdir \"$1\"; touch \"$1/x\"; exit 3";
    for editor in [
        "exit 3",
        emptied,
        ": > \"$1\"; exit 3",
        "rm \"$1\"; exit 3",
        replaced,
    ] {
        editing.editor(editor);
        editing.edit(&["db-secret.yaml", "--resume"]);
        assert_kept(&editing, "user: owner");
    }
    assert_eq!(editing.world.read("db-secret.yaml"), before);
    editing
        .edit(&["db-secret.yaml", "--discard"])
        .assert_code(0);
    editing.assert_no_trace();
    for option in ["--resume", "--discard"] {
        let run = editing.edit(&["db-secret.yaml", option]);
        assert_fails(&run, 1, &["there is no draft for db-secret.yaml"]);
    }
}

/// What sops writes and does not open again is kept from the file: sops 3.9 writes the
/// threshold of key groups into an ini file as a number that it does not read.
#[test]
fn a_file_that_sops_would_not_open_again_is_not_written() {
    let mut editing = Editing::new("unreadable");
    let (key, (_, other)) = (editing.recipient(), crate::keypair(&editing.world));
    let config = format!(
        "creation_rules:\n  - key_groups:\n      - age: [{key}]\n      - age: [{key}, {other}]\n    shamir_threshold: 2\n"
    );
    editing.world.write(".sops.yaml", config);
    editing.encrypt("s.ini", "[a]\nb = before\n");
    editing.commit();
    let before = editing.world.read("s.ini");
    let sops = editing.world.bin().join("sops");
    std::fs::remove_file(&sops).expect("remove");
    std::os::unix::fs::symlink(Tools::get().oldest_sops(), sops).expect("a link");
    editing.editor("printf '[a]\nb = note\n' > \"$1\"");
    for (name, words) in [
        ("s.ini", "sops cannot decrypt s.ini"),
        ("new.ini", "for other keys than its rule named"),
    ] {
        let run = editing.edit(&[name]);
        assert_fails(&run, 1, &[words, "--resume"]);
        // It takes two keys to open the file, and one would be enough for a draft.
        assert!(
            run.err().contains("in memory, until you log out"),
            "{}",
            run.err()
        );
    }
    assert_eq!(editing.world.read("s.ini"), before);
    assert!(!editing.world.path("new.ini").exists());
    assert!(editing.drafts().is_empty());
    editing.assert_none_on_disk();
}

/// A text that is gone is no text that was emptied.
#[test]
fn a_text_that_is_taken_away_is_missed() {
    let mut editing = Editing::new("taken").with_secret();
    for editor in ["rm \"$1\"", "rm -r \"${1%/*/*}\""] {
        editing.editor(editor);
        let run = editing.edit(&["db-secret.yaml"]);
        assert_fails(&run, 1, &["the text is gone"]);
        editing.assert_no_trace();
    }
}

/// What was typed for one cluster does not go to the key of another.
#[test]
fn a_text_is_not_gone_on_with_for_another_key() {
    let mut editing = Editing::new("otherkey").with_secret();
    let first = editing.entry("age.agekey").expect("a key");
    let (key, other) = crate::keypair(&editing.world);
    editing.editor("sed -i s/admin/owner/ \"$1\"; exit 1");
    editing.edit(&["db-secret.yaml"]).assert_code(1);
    let secret = editing.secret();
    editing.encrypt_for(&other, "db-secret.yaml", &secret);
    let theirs = editing.world.read("db-secret.yaml");
    editing.put_key(&[("age.agekey", &key)]);
    editing.editor("touch \"$1\"");
    let run = editing.edit(&["db-secret.yaml", "--resume"]);
    assert_fails(
        &run,
        1,
        &["no key of this cluster opens the draft", "--discard"],
    );
    assert_eq!(editing.world.read("db-secret.yaml"), theirs);
    assert!(editing.draft_for(&first).contains("user: owner"));
}

/// A text that is what the file holds by now is no text to keep.
#[test]
fn going_on_with_what_is_saved_already_ends_it() {
    let mut editing = Editing::new("same").with_secret();
    editing.editor("sed -i s/admin/owner/ \"$1\"; exit 3");
    editing.edit(&["db-secret.yaml"]).assert_code(1);
    editing.encrypt(
        "db-secret.yaml",
        &editing
            .secret()
            .replace("admin", "owner")
            .replace("  ", "    "),
    );
    let before = editing.world.read("db-secret.yaml");
    editing.editor("touch \"$1\"");
    let run = editing.edit(&["db-secret.yaml", "--resume"]);
    assert!(
        run.assert_code(0).err().contains("Nothing was changed"),
        "{}",
        run.err()
    );
    assert_eq!(editing.world.read("db-secret.yaml"), before);
    editing.assert_no_trace();
}
