//! kb is told to end while an editor runs.

use std::process::{Child, Command, ExitStatus, Output};
use std::time::{Duration, Instant};

use super::Editing;
use crate::terminal::Terminal;

/// An editor that has typed something and goes on; kb, and the editor's pid.
pub(super) fn typing(editing: &mut Editing, more: &str) -> (Running, String) {
    let pid = editing.world.root().join("editor-pid");
    let canary = editing.canary.clone();
    editing.editor(&format!(
        "echo 'x: {canary}' >> \"$1\"; {more}\necho $$ > '{0}.new'; mv '{0}.new' '{0}'\nexec sleep 300",
        pid.display()
    ));
    // The tests themselves may have been started with signals ignored.
    let signals = "--default-signal=INT,QUIT,TERM,HUP";
    let command = editing.edit_by("env", [signals]);
    let child = Running::start(command);
    until(|| pid.exists());
    let text = std::fs::read_to_string(&pid).expect("a pid");
    (child, text.trim().to_owned())
}

/// kb as it runs. A test that fails leaves it not running.
pub(super) struct Running(Option<Child>);

impl Running {
    pub(super) fn start(mut command: Command) -> Self {
        Self(Some(command.spawn().expect("kb")))
    }

    pub(super) fn pid(&self) -> String {
        self.0.as_ref().expect("it runs").id().to_string()
    }

    /// Waits for the end.
    pub(super) fn end(mut self) -> (ExitStatus, String) {
        let child = self.0.as_mut().expect("it runs");
        let deadline = Instant::now() + Duration::from_secs(20);
        while child.try_wait().expect("wait").is_none() {
            assert!(Instant::now() < deadline, "kb goes on");
            std::thread::sleep(Duration::from_millis(5));
        }
        let output = self.0.take().map(Child::wait_with_output);
        let Output { status, stderr, .. } = output.expect("it ran").expect("output");
        (status, String::from_utf8_lossy(&stderr).into_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(super) fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "it takes too long");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(super) fn send(editing: &Editing, signal: &str, pid: &str) {
    let line = format!("kill -{signal} {pid}");
    editing.world.tool("sh", ["-c", &line]).assert_code(0);
}

pub(super) fn is_running(pid: &str) -> bool {
    // A process that nobody waits for stays as a zombie.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.starts_with(" Z"))
}

#[test]
fn told_to_end_it_ends_the_editor_and_keeps_what_was_saved_there() {
    // One editor ends when it is told to, one does not.
    for (signal, more) in [("TERM", ""), ("HUP", ""), ("TERM", "trap '' TERM")] {
        let mut editing = Editing::new("signals").with_secret();
        let before = editing.world.read("db-secret.yaml");
        let (child, editor) = typing(&mut editing, more);
        assert!(
            !editing
                .world
                .memory_containing(editing.canary.as_bytes())
                .is_empty()
        );
        send(&editing, signal, &child.pid());
        let (status, err) = child.end();
        assert_eq!(status.code(), Some(1), "{signal} {more}: {err}");
        assert!(err.contains("error: kb was stopped by a signal"), "{err}");
        let resume = format!(
            "to go on with it: kb k secrets edit db-secret.yaml --resume -n {}",
            editing.namespace
        );
        assert!(err.contains(&resume), "{err}");
        assert!(!is_running(&editor), "{signal} {more}: the editor runs on");
        assert_eq!(editing.world.read("db-secret.yaml"), before);
        assert!(
            editing
                .draft()
                .ends_with(&format!("x: {}\n", editing.canary))
        );
    }
}

/// Nothing new was typed: there is nothing to keep.
#[test]
fn told_to_end_with_an_unchanged_text_it_leaves_nothing() {
    let mut editing = Editing::new("untouched").with_secret();
    let pid = editing.world.root().join("editor-pid");
    editing.editor(&format!(
        "echo $$ > '{0}.new'; mv '{0}.new' '{0}'; exec sleep 60",
        pid.display()
    ));
    let command = editing.edit_by("env", ["--default-signal=TERM"]);
    let child = Running::start(command);
    until(|| pid.exists());
    send(&editing, "TERM", &child.pid());
    assert_eq!(child.end().0.code(), Some(1));
    editing.assert_no_trace();
}

/// An editor behind a wrapper script is a child of that.
#[test]
fn what_the_editor_has_started_ends_too() {
    let mut editing = Editing::new("family").with_secret();
    let grandchild = editing.world.root().join("grandchild");
    let more = format!(
        "sh -c 'trap \"\" TERM; echo $$ > {0}.new; mv {0}.new {0}; sleep 60; true' &\n\
         while [ ! -e {0} ]; do sleep 0.01; done",
        grandchild.display()
    );
    let (child, _) = typing(&mut editing, &more);
    let pid = std::fs::read_to_string(&grandchild).expect("a pid");
    send(&editing, "TERM", &child.pid());
    // Before its pipes are read, which what runs on would hold open for a minute.
    until(|| !is_running(&child.pid()) && !is_running(pid.trim()));
    assert_eq!(child.end().0.code(), Some(1));
    editing.draft();
}

/// A key service that is far away makes sops slow; here it is the shell before it.
#[test]
fn told_to_end_while_sops_encrypts_it_ends() {
    let mut editing = Editing::new("saving").with_secret();
    let before = editing.world.read("db-secret.yaml");
    let link = editing.world.bin().join("sops");
    let sops = std::fs::read_link(&link).expect("a link");
    // The link itself goes, and not what it leads to.
    std::fs::remove_file(&link).expect("remove");
    let saving = editing.world.root().join("saving");
    editing.world.script(
        "sops",
        &format!(
            "#!/bin/sh\ncase \"$*\" in *edit*) touch '{}'; sleep 30;; esac\nexec '{}' \"$@\"\n",
            saving.display(),
            sops.display()
        ),
    );
    editing.editor("sed -i s/admin/owner/ \"$1\"");
    let command = editing.edit_by("env", ["--default-signal=TERM"]);
    let child = Running::start(command);
    until(|| saving.exists());
    send(&editing, "TERM", &child.pid());
    let begun = Instant::now();
    let (status, err) = child.end();
    assert_eq!(status.code(), Some(1), "{err}");
    assert!(err.contains("error: kb was stopped by a signal"), "{err}");
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "it waited for sops"
    );
    assert_eq!(editing.world.read("db-secret.yaml"), before);
    assert!(editing.draft().contains("user: owner"));
}

/// The window is closed, or the connection lost.
#[test]
fn a_terminal_that_goes_away_leaves_nothing_in_memory() {
    let mut editing = Editing::new("window").with_secret();
    editing.setup.world.env("EDITOR", "vim");
    let mut terminal = Terminal::start(&editing, "edit db-secret.yaml");
    terminal.wait_for(&editing.canary);
    drop(terminal);
    until(|| editing.in_memory().is_empty());
    editing.assert_no_trace();
}

/// JSON has no comments, so kb says the reason, and waits until it is read.
#[test]
fn while_kb_waits_for_enter_it_can_be_told_to_end() {
    for keys in ["\u{3}", ""] {
        let mut editing = Editing::new("enter");
        let config = format!("creation_rules:\n  - age: {}\n", editing.recipient());
        editing.world.write(".sops.yaml", config);
        let text = format!("{{\"a\": \"{}\"", editing.canary);
        let pid = editing.world.root().join("kb-pid");
        editing.editor(&format!(
            "echo $PPID > '{}'; echo '{text}' > \"$1\"",
            pid.display()
        ));
        let mut terminal = Terminal::start(&editing, "edit s.json");
        terminal.wait_for("Press Enter");
        if keys.is_empty() {
            let pid = std::fs::read_to_string(&pid).expect("a pid");
            send(&editing, "TERM", pid.trim());
        } else {
            terminal.type_text(keys);
        }
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(1), "{screen}");
        assert_eq!(editing.draft().trim(), text);
    }
}

/// They belong to the editor.
#[test]
fn interrupts_do_not_end_it() {
    let mut editing = Editing::new("interrupt").with_secret();
    let (child, editor) = typing(&mut editing, "");
    for signal in ["INT", "QUIT", "INT"] {
        send(&editing, signal, &child.pid());
    }
    std::thread::sleep(Duration::from_millis(200));
    assert!(is_running(&editor) && is_running(&child.pid()));
    send(&editing, "TERM", &child.pid());
    child.end();
    editing.draft();
}

#[test]
fn under_nohup_a_hangup_changes_nothing() {
    let mut editing = Editing::new("nohup").with_secret();
    let done = editing.world.root().join("done");
    editing.editor(&format!(
        "sed -i s/admin/owner/ \"$1\"; kill -HUP $PPID; sleep 0.2; touch '{}'",
        done.display()
    ));
    let command = editing.edit_by("sh", ["-c", "trap '' HUP; exec \"$@\"", "sh"]);
    editing.world.run(command).assert_code(0);
    assert!(done.exists());
    assert!(editing.plaintext("db-secret.yaml").contains("user: owner"));
}

/// An editor that fails or is killed has perhaps saved something before.
#[test]
fn an_editor_that_is_killed_loses_nothing() {
    let mut editing = Editing::new("crash").with_secret();
    let (child, editor) = typing(&mut editing, "");
    send(&editing, "KILL", &editor);
    let (status, err) = child.end();
    assert_eq!(status.code(), Some(1));
    assert!(
        err.contains("ended with signal 9") && err.contains("--resume"),
        "{err}"
    );
    assert!(editing.draft().contains(&format!("x: {}", editing.canary)));
    editing
        .edit(&["db-secret.yaml", "--discard"])
        .assert_code(0);
    editing.assert_no_trace();
}
