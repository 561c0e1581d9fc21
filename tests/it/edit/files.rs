//! What becomes of files: new ones and those that exist, in every format.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::{Editing, changed_lines};
use crate::SECRET;

/// A rule for everything, since the formats beside YAML know no `data`.
fn rule_for_all(editing: &Editing, more: &str) {
    let recipient = editing.recipient();
    let config = format!("creation_rules:\n  - age: {recipient}\n{more}");
    editing.world.write(".sops.yaml", config);
}

#[test]
fn a_new_file_of_every_format_is_what_sops_makes_of_it() {
    let mut editing = Editing::new("newfile");
    rule_for_all(&editing, "");
    let canary = editing.canary.clone();
    for (name, text) in [
        ("a/b/s.yaml", format!("password: {canary}\n")),
        ("two.yml", format!("a: {canary}\n---\nb: {canary}\n")),
        ("s.json", format!("{{\"password\": \"{canary}\"}}\n")),
        ("s.env", format!("# c\nPASSWORD={canary}\n")),
        ("s.ini", format!("[db]\npassword = {canary}\n")),
        ("s.bin", format!("\u{1}{canary}\r\nno newline")),
        ("odd name 'x'.yaml", format!("password: {canary}\n")),
        ("-dash.yaml", format!("password: {canary}\n")),
    ] {
        let typed = editing.world.tmp().join("typed");
        std::fs::write(&typed, &text).expect("write");
        editing.editor(&format!("cat '{}' > \"$1\"", typed.display()));
        let run = editing.edit(&["--", name]);
        std::fs::remove_file(&typed).expect("remove");
        assert!(
            run.assert_code(0).err().starts_with("Created "),
            "{}",
            run.err()
        );
        assert!(run.stdout.is_empty());
        // By sops itself, also as far as the text comes out again.
        let ours = editing.plaintext(&format!("./{name}"));
        std::fs::write(&typed, &text).expect("write");
        let mut encrypt = editing
            .world
            .tool_cmd("sops", ["encrypt", "--filename-override", name]);
        encrypt.arg(&typed);
        let theirs = editing.world.run(encrypt);
        std::fs::remove_file(&typed).expect("remove");
        let copy = format!("theirs-{}", name.replace('/', "-"));
        editing.world.write(&copy, &theirs.assert_code(0).stdout);
        assert_eq!(ours, editing.plaintext(&copy), "{name}");
        editing.assert_no_trace();
    }
}

#[test]
fn in_every_format_what_did_not_change_keeps_its_ciphertext() {
    let mut editing = Editing::new("diff");
    rule_for_all(
        &editing,
        "stores:\n  yaml:\n    indent: 7\n  json:\n    indent: 3\n",
    );
    let canary = editing.canary.clone();
    for (name, text) in [
        (
            "s.yaml",
            format!(
                "# head\nm:\n       # who\n       user: admin\n       password: {canary}\nlist: [a, b]\n"
            ),
        ),
        (
            "two.yaml",
            format!("user: admin\n---\npassword: {canary}\n"),
        ),
        (
            "s.json",
            format!("{{\"user\": \"admin\", \"password\": \"{canary}\"}}\n"),
        ),
        ("s.env", format!("# c\nUSER=admin\nPASSWORD={canary}\n")),
        (
            "s.ini",
            format!("[db]\nuser = admin\npassword = {canary}\n"),
        ),
    ] {
        editing.encrypt(name, &text);
        // Else it would get a new data key.
        editing.commit();
        let before = editing.world.read(name);
        editing.editor("sed -i 's/admin/owner/' \"$1\"");
        let run = editing.edit(&[name]);
        assert!(
            run.assert_code(0).err().starts_with("Saved "),
            "{}",
            run.err()
        );
        let after = editing.world.read(name);
        let (gone, come) = changed_lines(&before, &after);
        // The value, the MAC and the date; of two documents, each has the latter.
        let most = if name == "two.yaml" { 5 } else { 3 };
        assert!(
            gone.len() <= most && come.len() <= most,
            "{name}: {gone:?} {come:?}"
        );
        assert!(editing.plaintext(name).contains("owner"), "{name}");
        assert!(editing.plaintext(name).contains(&canary), "{name}");
        editing.assert_no_trace();
    }
}

#[test]
fn a_binary_file_is_edited_byte_by_byte() {
    let mut editing = Editing::new("binary");
    rule_for_all(&editing, "");
    editing.encrypt("s.bin", &format!("\u{0}{}\r\n", editing.canary));
    editing.editor("printf 'more' >> \"$1\"");
    editing.edit(&["s.bin"]).assert_code(0);
    assert_eq!(
        editing.plaintext("s.bin"),
        format!("\u{0}{}\r\nmore", editing.canary)
    );
}

#[test]
fn mode_link_and_comments_stay() {
    let mut editing = Editing::new("mode").with_secret();
    let file = editing.world.path("db-secret.yaml");
    let mode = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(&file, mode).expect("chmod");
    std::fs::create_dir(editing.world.path("links")).expect("mkdir");
    let link = editing.world.path("links/other-secret.yaml");
    symlink("../db-secret.yaml", &link).expect("link");
    editing.editor("grep -q '# who' \"$1\" && sed -i 's/admin/owner/' \"$1\"");
    editing.edit(&["links/other-secret.yaml"]).assert_code(0);
    assert!(link.is_symlink());
    let now = std::fs::metadata(&file)
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(now & 0o7777, 0o640);
    let plaintext = editing.plaintext("db-secret.yaml");
    assert!(
        plaintext.contains("# who") && plaintext.contains("user: owner"),
        "{plaintext}"
    );
    let left = std::fs::read_dir(editing.world.repo())
        .expect("repo")
        .flatten();
    let left: Vec<_> = left
        .filter(|entry| entry.file_name().to_string_lossy().contains("kb-tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The text of a file is found again by every name of the file.
#[test]
fn a_link_and_its_file_are_the_same_file() {
    let mut editing = Editing::new("link").with_secret();
    std::fs::create_dir(editing.world.path("links")).expect("mkdir");
    let link = editing.world.path("links/other-secret.yaml");
    symlink("../db-secret.yaml", &link).expect("link");
    editing.editor("sed -i 's/admin/owner/' \"$1\"; exit 1");
    editing.edit(&["links/other-secret.yaml"]).assert_code(1);
    let run = editing.edit(&["db-secret.yaml"]);
    crate::assert_fails(&run, 1, &["is not saved yet"]);
    editing.editor("touch \"$1\"");
    editing.edit(&["db-secret.yaml", "--resume"]).assert_code(0);
    assert!(editing.plaintext("db-secret.yaml").contains("user: owner"));
    assert!(link.is_symlink());
    editing.assert_no_trace();
}

#[test]
fn unchanged_writes_nothing_and_leaves_nothing() {
    let mut editing = Editing::new("unchanged").with_secret();
    let before = editing.world.read("db-secret.yaml");
    for editor in [
        "true",
        ": > \"$1\"",
        "cp \"$1\" \"$1.x\"; mv \"$1.x\" \"$1\"",
    ] {
        editing.editor(editor);
        editing.edit(&["db-secret.yaml"]).assert_code(0);
        assert_eq!(editing.world.read("db-secret.yaml"), before, "{editor}");
        // A manifest by its rule, so the editor shows a Secret to fill in.
        let run = editing.edit(&["x/new/new-secret.yaml"]);
        assert!(
            run.assert_code(0).err().contains("new-secret.yaml"),
            "{}",
            run.err()
        );
        assert!(!editing.world.path("x").exists(), "{editor}");
        editing.assert_no_trace();
    }
}

#[test]
fn the_skeleton_of_a_secret_is_filled_in() {
    let mut editing = Editing::new("skeleton");
    let canary = editing.canary.clone();
    editing.editor(&format!(
        "sed -i 's/^# //; s/password: .*/password: {canary}/' \"$1\""
    ));
    let run = editing.edit(&["app-secret.yaml"]);
    run.assert_code(0);
    assert_eq!(
        editing.plaintext("app-secret.yaml"),
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n    name: app-secret\nstringData:\n    password: {canary}\n"
        )
    );
    editing.assert_no_trace();
}

#[test]
fn an_empty_file_counts_as_new() {
    let mut editing = Editing::new("empty");
    editing.world.write("db-secret.yaml", "");
    editing.editor(&format!("cat > \"$1\" <<'EOF'\n{SECRET}EOF"));
    let run = editing.edit(&["db-secret.yaml"]);
    assert!(
        run.assert_code(0).err().starts_with("Created "),
        "{}",
        run.err()
    );
    assert!(editing.plaintext("db-secret.yaml").contains("user: admin"));
}

#[test]
fn editors_may_save_by_renaming_and_leave_children() {
    let mut editing = Editing::new("rename").with_secret();
    editing.editor(
        "sed 's/admin/owner/' \"$1\" > \"$1.new\" && mv \"$1.new\" \"$1\"\n\
         (n=0; while [ $n -lt 3000 ]; do n=$((n+1)); mkdir \"${1%/*}/$n\" || break; done) >/dev/null 2>&1 &",
    );
    editing.edit(&["db-secret.yaml"]).assert_code(0);
    assert!(editing.plaintext("db-secret.yaml").contains("user: owner"));
    editing.assert_no_trace();
}

/// The rules of one repository are not for the files of another.
#[test]
fn a_file_elsewhere_is_encrypted_by_the_rules_there() {
    let mut editing = Editing::new("elsewhere");
    let (_, other) = crate::keypair(&editing.world);
    let here = editing.world.read(".sops.yaml");
    for (directory, rules) in [
        ("mine", here.clone()),
        ("theirs", here.replace(&editing.recipient(), &other)),
    ] {
        let directory = editing.world.tmp().join(directory);
        std::fs::create_dir_all(directory.join("deep")).expect("mkdir");
        let init = ["init", "--quiet", directory.to_str().expect("UTF-8")];
        editing.git(&init);
        std::fs::write(directory.join(".sops.yaml"), rules).expect("write");
    }
    editing.editor(&format!("cat > \"$1\" <<'EOF'\n{SECRET}EOF"));
    let run = editing.edit(&["../tmp/mine/deep/a-secret.yaml"]);
    let said = format!("The rules are those of {}", editing.world.tmp().display());
    assert!(run.assert_code(0).err().contains(&said), "{}", run.err());
    assert!(
        editing
            .plaintext("../tmp/mine/deep/a-secret.yaml")
            .contains("user: admin")
    );
    let run = editing.edit(&["../tmp/theirs/deep/a-secret.yaml"]);
    let said = format!("encrypted for {other}.");
    assert!(run.assert_code(0).err().contains(&said), "{}", run.err());
    // From outside any repository, too.
    let mut command = editing.command(&["edit"]);
    command
        .arg(editing.world.tmp().join("mine/b-secret.yaml"))
        .current_dir("/");
    editing.world.run(command).assert_code(0);
    assert!(
        editing
            .plaintext("../tmp/mine/b-secret.yaml")
            .contains("user: admin")
    );
}

/// Behind a link, `..` is one directory for the shell and another for sops.
#[test]
fn a_path_that_is_two_files_is_refused() {
    let mut editing = Editing::new("dotdot").with_secret();
    let elsewhere = editing.world.tmp().join("elsewhere/deep");
    std::fs::create_dir_all(&elsewhere).expect("mkdir");
    symlink(&elsewhere, editing.world.path("link")).expect("link");
    editing.editor("sed -i s/admin/owner/ \"$1\"");
    let there = elsewhere.with_file_name("db-secret.yaml");
    for command in ["edit", "decrypt"] {
        let run = editing.secrets(&[command, "link/../db-secret.yaml"]);
        let there = there.to_str().expect("UTF-8");
        crate::assert_fails(&run, 1, &["leads through a link", there]);
    }
    editing.edit(&["./db-secret.yaml"]).assert_code(0);
}

/// Variables with which sops would encrypt for other keys than the rule's.
#[test]
fn the_rule_says_for_whom_and_no_variable() {
    let mut editing = Editing::new("variables");
    let (_, other) = crate::keypair(&editing.world);
    editing
        .setup
        .world
        .env("SOPS_AGE_RECIPIENTS", other)
        .env("SOPS_PGP_FP", "F".repeat(40));
    editing.editor(&format!("cat > \"$1\" <<'EOF'\n{SECRET}EOF"));
    let run = editing.edit(&["db-secret.yaml"]);
    run.assert_code(0);
    assert!(
        run.err()
            .contains(&format!("encrypted for {}.", editing.recipient())),
        "{}",
        run.err()
    );
    assert!(editing.plaintext("db-secret.yaml").contains("user: admin"));
}

/// A file whose MAC does not match was edited by hand, and Flux never noticed.
#[test]
fn a_file_edited_by_hand_is_repaired() {
    let editing = Editing::new("mac");
    rule_for_all(
        &editing,
        "    encrypted_regex: ^(data|stringData|password)$\n",
    );
    for (name, text, bytes) in [
        ("s.yaml", editing.secret(), ["name: db", "name: renamed"]),
        (
            "s.json",
            format!("{{\"password\": \"{}\", \"name\": \"db\"}}", editing.canary),
            ["\"name\": \"db\"", "\"name\": \"renamed\""],
        ),
    ] {
        editing.encrypt(name, &text);
        let broken = editing.world.read(name).replace(bytes[0], bytes[1]);
        let run_with = |editor: &str, option: &[&str]| {
            editing.world.write(name, &broken);
            let script = format!("#!/bin/sh\n{editor}\n");
            let path = editing.world.script("scripted-editor", &script);
            let mut command = editing.command(&["edit", name]);
            command.args(option).env("EDITOR", path);
            editing.world.run(command)
        };
        let refused = run_with("true", &[]);
        crate::assert_fails(&refused, 1, &["MAC", "--ignore-mac opens it"]);
        let looked = run_with("true", &["--ignore-mac"]);
        crate::assert_fails(&looked, 1, &["still does not match", "save the text"]);
        assert_eq!(editing.world.read(name), broken);
        let saved = "cat \"$1\" > \"$1.x\"; cat \"$1.x\" > \"$1\"";
        for editor in [saved, "sed -i s/renamed/again/ \"$1\""] {
            run_with(editor, &["--ignore-mac"]).assert_code(0);
            let plaintext = editing.plaintext(name);
            let mended = plaintext.contains("renamed") || plaintext.contains("again");
            assert!(mended && plaintext.contains(&editing.canary), "{plaintext}");
        }
        editing.assert_no_trace();
    }
}

#[test]
fn every_identity_of_the_cluster_opens_its_files() {
    let mut editing = Editing::new("journal");
    let (current, current_recipient) = crate::keypair(&editing.world);
    let (second, second_recipient) = crate::keypair(&editing.world);
    let (next, next_recipient) = crate::keypair(&editing.world);
    editing.put_key(&[
        ("age.agekey", &format!("{current}\n{second}\n")),
        ("age.next.agekey", &next),
    ]);
    for recipient in [current_recipient, second_recipient, next_recipient] {
        editing.encrypt_for(&recipient, "s.yaml", SECRET);
        editing.editor("sed -i s/admin/owner/ \"$1\"");
        let run = editing.edit(&["s.yaml"]);
        assert_eq!(
            run.assert_code(0).err(),
            format!("Saved s.yaml, encrypted for {recipient}.\n")
        );
        assert!(
            editing
                .decrypt(&["s.yaml"])
                .assert_code(0)
                .out()
                .contains("user: owner")
        );
    }
}

/// A developers' own file needs no cluster, new or not.
#[test]
fn a_file_for_an_ssh_key_only_asks_no_cluster() {
    let mut editing = Editing::new("ssh");
    editing.server(&format!(
        "https://127.0.0.1:{}",
        testkit::net::refused_port()
    ));
    let public = crate::ssh_key(&editing, "dev@example.org", "");
    let rules = format!("creation_rules:\n  - path_regex: \\.env\\.json$\n    age: {public}");
    editing.world.write(".sops.yaml", rules);
    let canary = editing.canary.clone();
    editing.editor(&format!("echo '{{\"password\": \"{canary}\"}}' > \"$1\""));
    editing.edit(&[".env.json"]).assert_code(0);
    editing.editor("sed -i 's/}/,\"user\":\"admin\"}/' \"$1\"");
    editing.edit(&[".env.json"]).assert_code(0);
    let decrypted = editing.decrypt(&[".env.json"]);
    assert!(decrypted.assert_code(0).out().contains("admin"));
    assert!(decrypted.out().contains(&canary));
    editing.assert_no_trace();
}
