//! kb is killed outright: what it left in memory is not lost.

use super::Editing;
use super::signals::{Running, is_running, send, typing, until};
use crate::assert_fails;
use crate::terminal::Terminal;

/// kb and its editor are killed after something was saved in the editor.
fn killed(editing: &mut Editing) {
    let (child, editor) = typing(editing, "");
    kill(editing, child);
    send(editing, "KILL", &editor);
    assert_eq!(editing.in_memory().len(), 1);
    editing.assert_none_on_disk();
}

/// Its output is not read: the editor holds it open.
fn kill(editing: &Editing, child: Running) {
    send(editing, "KILL", &child.pid());
    until(|| !is_running(&child.pid()));
}

#[test]
fn the_next_edit_of_whatever_file_keeps_it() {
    let mut editing = Editing::new("kill").with_secret();
    let before = editing.world.read("db-secret.yaml");
    killed(&mut editing);
    let secret = editing.secret().replace(&editing.canary, "x");
    editing.encrypt("other-secret.yaml", &secret);
    editing.editor("true");
    let run = editing.edit(&["other-secret.yaml"]);
    assert!(!run.assert_code(0).err().contains("draft"), "{}", run.err());
    assert!(
        editing
            .draft()
            .ends_with(&format!("x: {}\n", editing.canary))
    );
    assert_eq!(editing.world.read("db-secret.yaml"), before);
    let run = editing.edit(&["db-secret.yaml"]);
    assert_fails(&run, 1, &["is not saved yet (", "--resume"]);
    let seen = editing.world.tmp().join("seen");
    editing.editor(&format!(
        "grep '^x:' \"$1\" > '{}'; sed -i '/^x:/d; s/admin/owner/' \"$1\"",
        seen.display()
    ));
    editing.edit(&["db-secret.yaml", "--resume"]).assert_code(0);
    let seen_text = std::fs::read_to_string(&seen).expect("seen");
    assert_eq!(seen_text, format!("x: {}\n", editing.canary));
    std::fs::remove_file(seen).expect("remove");
    assert!(editing.plaintext("db-secret.yaml").contains("user: owner"));
    editing.assert_no_trace();
}

/// `status` may fail afterwards, without a cluster: the text is kept.
#[test]
fn the_next_status_keeps_it_and_says_so_on_a_terminal() {
    for cluster in [true, false] {
        let mut editing = Editing::new("status").with_secret();
        killed(&mut editing);
        if !cluster {
            editing.server("https://127.0.0.1:1");
        }
        let (_, screen) = Terminal::start(&editing, "status").end();
        assert!(
            screen.contains("A killed kb left unsaved text for db-secret.yaml"),
            "{screen}"
        );
        assert!(
            screen.contains("kb k secrets edit db-secret.yaml --resume"),
            "{screen}"
        );
        assert_eq!(
            screen.contains("note: db-secret.yaml has a draft that is not saved"),
            cluster
        );
        assert!(editing.draft().contains(&editing.canary));
    }
}

/// Others run for each file, or in the shell: they look for nothing, and say nothing.
#[test]
fn commands_that_programs_run_leave_it_alone() {
    let mut editing = Editing::new("alone").with_secret();
    killed(&mut editing);
    for arguments in [
        &["decrypt", "db-secret.yaml"][..],
        &["decrypt", "--textconv", "db-secret.yaml"],
        &["key"],
        &["check"],
        &["exec", "--", "true"],
    ] {
        let run = editing.secrets(arguments);
        run.assert_code(0);
        for words in ["draft", "kb-edit", "resume"] {
            assert!(!run.err().contains(words), "{arguments:?}: {}", run.err());
        }
        assert_eq!(editing.in_memory().len(), 1, "{arguments:?}");
        assert!(editing.drafts().is_empty());
    }
}

#[test]
fn while_its_editor_lives_it_is_left_alone_and_named() {
    let mut editing = Editing::new("lives").with_secret();
    let (child, editor) = typing(&mut editing, "");
    // kb lives, too: another run says that it is there.
    let mut other = editing.command(&["edit", "db-secret.yaml"]);
    other.env("EDITOR", "true");
    let run = editing.world.run(other);
    let words = "another kb edits db-secret.yaml";
    assert!(run.assert_code(0).err().contains(words), "{}", run.err());
    assert_eq!(editing.in_memory().len(), 1);
    kill(&editing, child);
    let named = format!("db-secret.yaml open (pid {editor})");
    let mut other = editing.command(&["edit", "db-secret.yaml"]);
    other.env("EDITOR", "true");
    let run = editing.world.run(other);
    assert!(run.assert_code(0).err().contains(&named), "{}", run.err());
    let run = editing.edit(&["db-secret.yaml", "--resume"]);
    assert_fails(&run, 1, &["is still open", &editor, "close that editor"]);
    let run = editing.secrets(&["drafts"]);
    assert!(
        run.assert_code(0).out().contains(&format!("pid {editor}")),
        "{}",
        run.out()
    );
    let (_, screen) = Terminal::start(&editing, "status").end();
    assert!(screen.contains(&named), "{screen}");
    assert_eq!(editing.in_memory().len(), 1);
    assert!(editing.drafts().is_empty());
    // What it saves later is not lost either.
    send(&editing, "KILL", &editor);
    editing.secrets(&["drafts"]).assert_code(0);
    assert!(editing.draft().contains(&editing.canary));
}

/// What the file says already is not kept, and neither is a text without a value.
#[test]
fn a_text_in_which_nothing_is_new_is_deleted() {
    for (name, script) in [
        ("db-secret.yaml", ":"),
        ("new-secret.yaml", ":"),
        (
            "db-secret.yaml",
            "sed -i 1d \"$1\"; sed -i '1i apiVersion: v1' \"$1\"",
        ),
        ("db-secret.yaml", ": > \"$1\""),
        ("new-secret.yaml", "rm \"$1\""),
    ] {
        let mut editing = Editing::new("nothing").with_secret();
        let pid = editing.world.root().join("editor-pid");
        editing.editor(&format!(
            "{script}; echo $$ > '{0}.new'; mv '{0}.new' '{0}'; exec sleep 60",
            pid.display()
        ));
        let child = Running::start(editing.command(&["edit", name]));
        until(|| pid.exists());
        kill(&editing, child);
        let pid = std::fs::read_to_string(pid).expect("a pid");
        send(&editing, "KILL", pid.trim());
        assert_eq!(editing.in_memory().len(), 1);
        editing.secrets(&["drafts"]).assert_code(0);
        editing.assert_no_trace();
    }
}

/// Links lead nowhere, and what is another user's is theirs.
#[test]
fn nothing_else_is_touched() {
    let mut editing = Editing::new("touched").with_secret();
    killed(&mut editing);
    let directory = editing.memory.join(&editing.in_memory()[0]);
    let precious = editing.world.write_home("precious", "x");
    std::os::unix::fs::symlink(editing.world.home(), directory.join("home")).expect("link");
    std::os::unix::fs::symlink(&precious, directory.join("text/link")).expect("link");
    for prefix in ["kb-edit-", "kb-gone-"] {
        let link = editing.memory.join(format!("{prefix}link0000"));
        std::os::unix::fs::symlink(editing.world.home(), link).expect("link");
        let theirs = editing.memory.join(format!("{prefix}theirs00"));
        std::fs::create_dir(&theirs).expect("mkdir");
        let _ = std::os::unix::fs::chown(&theirs, Some(12345), None);
    }
    editing.secrets(&["drafts"]).assert_code(0);
    assert!(precious.exists() && !directory.exists());
    let left = editing.in_memory();
    assert!(
        left.iter().filter(|name| name.contains("link0000")).count() == 2,
        "{left:?}"
    );
    for name in left {
        let path = editing.memory.join(name);
        let _ = std::fs::remove_file(&path);
        let _ = std::fs::remove_dir(path);
    }
    let text = editing.draft();
    assert!(text.contains(&editing.canary));
    let draft = editing.drafts().remove(0);
    let key = editing.entry("age.agekey").expect("a key");
    assert!(
        !editing
            .decrypt_draft(&draft, &key)
            .contains("file 4 1\nlink")
    );
}
