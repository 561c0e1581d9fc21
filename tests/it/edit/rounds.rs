//! A text that is not good comes back in the editor.

use super::Editing;
use crate::assert_fails;
use crate::terminal::Terminal;

/// Puts each of the texts in turn into the buffer, and keeps what it showed.
fn typing(editing: &mut Editing, texts: &[&str]) {
    let tmp = editing.world.tmp();
    for (index, text) in texts.iter().enumerate() {
        std::fs::write(tmp.join(format!("typed-{index}")), text).expect("write");
    }
    let tmp = tmp.display();
    editing.editor(&format!(
        "n=$(cat {tmp}/count 2>/dev/null || echo 0); echo $((n+1)) > {tmp}/count\n\
         cp \"$1\" {tmp}/shown-$n\n\
         [ ! -e {tmp}/typed-$n ] || cat {tmp}/typed-$n > \"$1\""
    ));
}

fn shown(editing: &Editing, round: usize) -> String {
    let path = editing.world.tmp().join(format!("shown-{round}"));
    std::fs::read_to_string(path).expect("it was shown")
}

const HEAD: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n";

#[test]
fn invalid_text_comes_back_with_the_reason_above_it() {
    let mut editing = Editing::new("rounds").with_secret();
    let bad = format!("{HEAD}stringData:\n  user: [unclosed\n");
    let good = format!("{HEAD}stringData:\n  user: owner\n");
    typing(
        &mut editing,
        &[&bad, &format!("## a comment of my own\n{good}")],
    );
    let run = editing.edit(&["db-secret.yaml"]);
    run.assert_code(0);
    let again = shown(&editing, 1);
    assert!(
        again.starts_with("## kb: not saved: line 8, column 9: it does not parse: did not find"),
        "{again}"
    );
    assert!(again.ends_with(&bad), "{again}");
    // The line number is that of the text as the editor shows it.
    assert_eq!(again.lines().count(), 8, "{again}");
    // It is not true any more.
    assert!(!run.err().contains("not saved"), "{}", run.err());
    let plaintext = editing.plaintext("db-secret.yaml");
    assert!(plaintext.contains("user: owner") && plaintext.contains("a comment of my own"));
    assert!(!plaintext.contains("kb:"), "{plaintext}");
    assert!(!editing.world.read("db-secret.yaml").contains("kb:"));
}

#[test]
fn what_the_cluster_would_refuse_comes_back_too() {
    let mut editing = Editing::new("judged");
    let cases = [
        ("- a\n", "the top level is not a mapping"),
        (
            "kind: Secret\nstringData: {a: b}\n",
            "a Secret needs apiVersion",
        ),
        (
            &format!("{HEAD}data:\n  a: hunter2!\n"),
            "data.a is not base64",
        ),
        (
            &format!("{HEAD}stringdata:\n  a: hunter2!\n"),
            "a Secret has no field stringdata",
        ),
        (
            &format!("{HEAD}stringData:\n  port: 5432\n"),
            "stringData.port is read as a number",
        ),
        (
            &format!("{HEAD}stringData:\n  on: 2026-01-01\n"),
            "stringData.on is read as a date",
        ),
        (&format!("{HEAD}sops: {{}}\n"), "the key sops"),
        ("# a: 1\n", "there are only comments in it"),
        (
            &format!("{HEAD}stringData:\n  8080: x\n"),
            "sops does not take it for YAML",
        ),
        (
            "apiVersion: v2\nkind: HelmRelease\nspec: {password: hunter2!}\n",
            "nothing in it would be encrypted",
        ),
        ("a: 1\na: 2\n", "column 1: duplicate key"),
    ];
    for (text, words) in cases {
        let _ = std::fs::remove_file(editing.world.tmp().join("count"));
        typing(&mut editing, &[text, ""]);
        let run = editing.edit(&["new-secret.yaml"]);
        assert_fails(&run, 1, &[words, "error: the text was not saved"]);
        assert!(shown(&editing, 1).contains(words), "{}", shown(&editing, 1));
        assert!(!run.err().contains("hunter2"), "{}", run.err());
        assert!(!editing.world.path("new-secret.yaml").exists());
        // Without a terminal it can come again, and must not be in the way then.
        assert!(!run.err().contains("--resume"), "{}", run.err());
        editing.assert_no_trace();
    }
}

/// kb's comments are no part of what is saved, wherever they are by then.
#[test]
fn the_reason_above_the_text_is_not_saved() {
    let mut editing = Editing::new("above").with_secret();
    editing.editor("sed -i 's/admin/5432/; t; s/5432/\"5432\"/; $a # mine' \"$1\"");
    editing.edit(&["db-secret.yaml"]).assert_code(0);
    let plaintext = editing.plaintext("db-secret.yaml");
    assert!(
        plaintext.contains("user: \"5432\"") && plaintext.contains("# mine"),
        "{plaintext}"
    );
    assert!(!plaintext.contains("kb:"), "{plaintext}");
}

/// A rule that does not take the values of a Secret would leave them in plaintext
/// on the disk.
#[test]
fn values_that_would_stay_in_plaintext_come_back() {
    let mut editing = Editing::new("plain");
    let config = editing
        .world
        .read(".sops.yaml")
        .replace("^(data|stringData)$", "^data$");
    editing.world.write(".sops.yaml", config);
    let text = format!(
        "{HEAD}data:\n  a: aGk=\nstringData:\n  b: {}\n",
        editing.canary
    );
    typing(&mut editing, &[&text]);
    let run = editing.edit(&["new-secret.yaml"]);
    assert_fails(&run, 1, &["stringData.b would stay in plaintext"]);
    assert!(!editing.world.path("new-secret.yaml").exists());
}

/// Formats whose syntax sops alone knows.
#[test]
fn text_that_sops_refuses_comes_back_in_every_format() {
    let mut editing = Editing::new("formats");
    let config = format!("creation_rules:\n  - age: {}\n", editing.recipient());
    editing.world.write(".sops.yaml", config);
    for (name, bad, sign) in [
        (
            "s.env",
            "hunter2",
            "## kb: not saved: line 3, column 1: sops does not take it for a dotenv file",
        ),
        (
            "s.ini",
            "[a\nhunter2",
            ";; kb: not saved: line 3, column 1: sops does not take it for an ini file",
        ),
        ("s.json", "{\"hunter2\"", ""),
        ("s.json", "[\"hunter2\"]", ""),
        ("s.yaml", "a: hunter2 : x", "## kb: not saved: line"),
    ] {
        for exists in [false, true] {
            let _ = std::fs::remove_file(editing.world.tmp().join("count"));
            if exists {
                let text = match name {
                    "s.json" => "{\"a\": \"b\"}",
                    "s.yaml" => "a: b\n",
                    _ => "a = b\n",
                };
                editing.encrypt(name, text);
            }
            let before = exists.then(|| editing.world.read(name));
            typing(&mut editing, &[bad]);
            let run = editing.edit(&[name]);
            assert_fails(&run, 1, &["was not saved"]);
            assert!(!run.err().contains("hunter2"), "{name}: {}", run.err());
            assert!(
                shown(&editing, 1).starts_with(sign),
                "{name}: {}",
                shown(&editing, 1)
            );
            assert!(
                shown(&editing, 1).ends_with(bad),
                "{name}: {}",
                shown(&editing, 1)
            );
            assert_eq!(
                editing
                    .world
                    .path(name)
                    .exists()
                    .then(|| editing.world.read(name)),
                before
            );
            editing.assert_no_trace();
            let _ = std::fs::remove_file(editing.world.path(name));
        }
    }
}

#[test]
fn closing_it_unchanged_gives_up_and_keeps_the_text() {
    let mut editing = Editing::new("giveup").with_secret();
    let before = editing.world.read("db-secret.yaml");
    let bad = format!("{HEAD}stringData:\n  user: [unclosed\n");
    typing(&mut editing, &[&bad]);
    let (code, screen) = Terminal::start(&editing, "edit db-secret.yaml").end();
    assert_eq!(code, Some(1), "{screen}");
    for words in ["the text was not saved", "--resume", "--discard"] {
        assert!(screen.contains(words), "no {words} in {screen}");
    }
    assert_eq!(editing.world.read("db-secret.yaml"), before);
    for round in [0, 1] {
        let shown = editing.world.tmp().join(format!("shown-{round}"));
        std::fs::remove_file(shown).expect("removed");
    }
    assert_eq!(editing.draft(), bad);
    let rounds = std::fs::read_to_string(editing.world.tmp().join("count"));
    assert_eq!(rounds.expect("counted").trim(), "2");
    // Nothing else begins in the meantime.
    let run = editing.edit(&["db-secret.yaml"]);
    assert_fails(&run, 1, &["is not saved yet", "--resume", "--discard"]);
}

/// In a loop of the shell the standard input is no terminal, and the editor opens its own.
#[test]
fn what_was_typed_in_a_real_editor_is_kept_without_a_terminal_too() {
    for (name, keeps) in [("nano", true), ("scripted-editor", false)] {
        let mut editing = Editing::new("loop").with_secret();
        let bad = format!("{HEAD}stringData:\n  user: 1\n");
        let typed = editing.world.tmp().join("typed");
        std::fs::write(&typed, &bad).expect("written");
        // The file is the last argument; the second time it is closed as it is.
        let script = format!(
            "#!/bin/sh\nfor file; do :; done\n[ ! -e '{0}' ] || mv '{0}' \"$file\"\n",
            typed.display()
        );
        let path = editing.world.script(name, &script);
        editing.setup.world.env("EDITOR", path);
        let run = editing.edit(&["db-secret.yaml"]);
        let hint = if keeps {
            "--resume"
        } else {
            "edit it again, or leave it as it is"
        };
        assert_fails(&run, 1, &["the text was not saved", hint]);
        if keeps {
            assert_eq!(editing.draft(), bad);
        }
    }
}

/// A script that adds to the text each time would go on forever.
#[test]
fn a_script_that_makes_it_worse_each_time_comes_to_an_end() {
    let mut editing = Editing::new("forever").with_secret();
    editing.editor("echo '  x: [' >> \"$1\"");
    let (code, screen) = Terminal::start(&editing, "edit db-secret.yaml").end();
    assert_eq!(code, Some(1), "{screen}");
    assert!(screen.contains("the text was not saved"), "{screen}");
    assert!(editing.draft().contains("  x: ["));
    editing
        .edit(&["db-secret.yaml", "--discard"])
        .assert_code(0);
    let run = editing.edit(&["db-secret.yaml"]);
    assert_fails(&run, 1, &["the text was not saved"]);
    editing.assert_no_trace();
}

/// sops encrypts comments among the values, and no others. A value that was
/// commented out, or a skeleton that was filled in by half, would be on the disk.
#[test]
fn a_comment_that_would_stay_in_plaintext_comes_back() {
    let mut editing = Editing::new("comment").with_secret();
    let password = format!("password: {}", editing.canary);
    let half = format!("s/^# \\(a\\|k\\|m\\|  name\\)/\\1/; s/password: .*/{password}/");
    let whole = "s/^ *password/#  password/".to_owned();
    for (name, script, words) in [
        ("half-secret.yaml", half, "its values are commented out"),
        ("db-secret.yaml", whole, "a comment would stay in plaintext"),
    ] {
        editing.editor(&format!("sed -i '{script}' \"$1\""));
        let run = editing.edit(&[name]);
        assert_fails(&run, 1, &[words]);
        editing.assert_no_trace();
    }
}

/// Whatever a substitution for the whole text does to them.
#[test]
fn lines_of_kb_are_not_saved_however_they_were_changed() {
    let mut editing = Editing::new("lines");
    let text = format!("{HEAD}stringdata:\n  p: hunter2\n");
    let fix = "s/stringdata/stringData/";
    for (number, more) in [
        "",
        "s/^/  /;s/^  \\([^#]\\)/\\1/",
        "s/^## /# /",
        "s/^## //",
        "s/^## kb/# note/",
    ]
    .iter()
    .enumerate()
    {
        let name = format!("q{number}-secret.yaml");
        let typed = editing.world.tmp().join("typed");
        std::fs::write(&typed, &text).expect("write");
        editing.editor(&format!(
            "if [ -e '{0}' ]; then mv '{0}' \"$1\"; else sed -i '{fix};{more}' \"$1\"; fi",
            typed.display()
        ));
        let run = editing.edit(&[&name]);
        run.assert_code(0);
        let plaintext = editing.plaintext(&name);
        assert!(plaintext.contains("hunter2"), "{more}: {plaintext}");
        let encrypted = editing.world.read(&name);
        for text in [&plaintext, &encrypted] {
            assert!(
                !text.contains("not saved") && !text.contains("Save it"),
                "{more}: {text}"
            );
            assert!(!text.contains('#'), "{more}: {text}");
        }
    }
}

/// One that an older kb has saved: it is removed, and that is said.
#[test]
fn a_line_of_kb_in_a_file_is_named_and_removed() {
    let mut editing = Editing::new("older");
    let secret = format!("## kb: not saved: x\n{}", editing.secret());
    editing.encrypt("db-secret.yaml", &secret);
    let before = editing.world.read("db-secret.yaml");
    editing.editor("touch \"$1\"");
    let run = editing.edit(&["db-secret.yaml"]);
    assert!(
        run.assert_code(0).err().contains("saving removes them"),
        "{}",
        run.err()
    );
    assert_eq!(editing.world.read("db-secret.yaml"), before);
    editing.editor("sed -i s/admin/owner/ \"$1\"");
    editing.edit(&["db-secret.yaml"]).assert_code(0);
    let plaintext = editing.plaintext("db-secret.yaml");
    assert!(
        plaintext.contains("owner") && !plaintext.contains("kb:"),
        "{plaintext}"
    );
}

/// A Secret may have no value yet, and then nothing of it is encrypted.
#[test]
fn a_secret_whose_values_are_empty_is_saved() {
    let mut editing = Editing::new("novalue");
    editing.editor("sed -i 's/^# //' \"$1\"");
    editing.edit(&["app-secret.yaml"]).assert_code(0);
    assert!(
        editing
            .plaintext("app-secret.yaml")
            .contains("password: \"\"")
    );
}
