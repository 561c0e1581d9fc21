//! Where the plaintext is while someone edits it: in memory, and nowhere else.

use std::collections::BTreeSet;

use super::Editing;
use crate::assert_fails;

/// Looks, from within the editor, where the plaintext is and what the editor got.
const LOOK: &str = "\
grep -rlF \"$CANARY\" \"$HOME\" \"$WORLD/tmp\" \"$WORLD/repo\" /dev/shm > \"$WORLD/found\" 2>/dev/null
env > \"$WORLD/environment\"
ulimit -Hc > \"$WORLD/core\"
echo \"$1\" > \"$WORLD/text\"
stat -c '%a %n' \"$1\" \"${1%/*}\" \"${1%/*/*}\" > \"$WORLD/modes\"
sed -i s/admin/owner/ \"$1\"";

#[test]
fn in_the_middle_only_the_private_directory_holds_it() {
    let mut editing = Editing::new("middle").with_secret();
    let (personal, _) = crate::keypair(&editing.world);
    let (root, canary) = (editing.world.root().to_owned(), editing.canary.clone());
    editing
        .setup
        .world
        .env("WORLD", &root)
        .env("CANARY", &canary)
        .env("SOPS_AGE_KEY", &personal)
        .env("SOPS_AGE_KEY_FILE", "/nowhere")
        .env("MY_OWN_COPY", format!("x {personal}"));
    editing.editor(LOOK);
    editing.edit(&["db-secret.yaml"]).assert_code(0);
    let read = |name: &str| std::fs::read_to_string(root.join(name)).expect("written");
    let text = read("text");
    let text = text.trim();
    assert_eq!(read("found").trim(), text);
    let memory = editing.memory.to_string_lossy();
    assert!(text.starts_with(&*memory), "{text}");
    assert!(text.ends_with("/db-secret.yaml"), "{text}");
    let modes = read("modes");
    let modes: Vec<&str> = modes.lines().map(|line| &line[..3]).collect();
    assert_eq!(modes, ["600", "700", "700"]);
    assert_eq!(read("core").trim(), "0");
    let environment = read("environment");
    assert!(
        !environment.contains("AGE-SECRET-KEY"),
        "a key in the editor's environment"
    );
    assert!(!environment.contains("SOPS_AGE"), "{environment}");
    assert!(
        !environment.contains(
            editing
                .entry("age.agekey")
                .expect("key")
                .lines()
                .last()
                .expect("line")
        )
    );
    for variable in ["TMPDIR", "TMP", "TEMP"] {
        assert!(
            environment.contains(&format!("\n{variable}={memory}/kb-edit-")),
            "{environment}"
        );
    }
    editing.setup.world.env_remove("CANARY");
    editing.assert_no_trace();
}

/// Every write of kb, sops and the editor that carries plaintext or the key.
#[test]
fn no_write_of_plaintext_or_key_goes_outside_memory() {
    let mut editing = Editing::new("strace").with_secret();
    editing.editor("sed -i s/admin/owner/ \"$1\"; sed -n p \"$1\" > \"$TMPDIR/copy\"");
    let key = editing.entry("age.agekey").expect("a key");
    let key = key.lines().last().expect("a line").to_owned();
    let log = editing.world.root().join("strace.log");
    let log = log.to_str().expect("UTF-8").to_owned();
    let traced = "trace=write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg";
    let options = ["-f", "-y", "-qq", "-s", "1000000", "-e", traced, "-o", &log];
    let command = editing.edit_by("strace", options);
    let run = editing.world.run(command);
    assert_eq!(run.assert_code(0).out(), "");
    assert!(!run.err().contains(&editing.canary) && !run.err().contains(&key));
    let log = std::fs::read(&log).expect("a log");
    let log = String::from_utf8_lossy(&log);
    let written = log
        .lines()
        .filter(|line| line.contains(&editing.canary) || line.contains(&key));
    // `1234 write(5</dev/shm/x>, "…", 9) = 9`
    let where_to = |line: &str| {
        let (_, rest) = line.split_once('<').expect("a descriptor");
        rest.split_once('>').expect("its end").0.to_owned()
    };
    let places: BTreeSet<String> = written.map(where_to).collect();
    assert!(!places.is_empty(), "strace saw nothing");
    let memory = editing.memory.to_string_lossy().into_owned();
    for place in &places {
        let allowed = place.starts_with("pipe:") || place.starts_with(&memory);
        assert!(allowed, "{places:?}");
    }
    // sops wrote its own copy there too, and so did the editor.
    let of = |name: &str| places.iter().any(|place| place.contains(name));
    assert!(
        of("/new") && of("/tmp/copy") && of("/db-secret.yaml"),
        "{places:?}"
    );
    editing.assert_no_trace();
}

#[test]
fn without_memory_it_is_refused_unless_a_disk_is_allowed() {
    let mut editing = Editing::new("nomemory").with_secret();
    editing.editor("echo \"$1\" > seen; sed -i s/admin/owner/ \"$1\"");
    let disk = editing.world.tmp();
    let script = format!(
        "mount --bind '{0}' /dev/shm && XDG_RUNTIME_DIR='{0}' exec \"$@\"",
        disk.display()
    );
    let run = |more: &[&str]| {
        let mut command = editing.edit_with_mounts(&script);
        command.args(more);
        editing.world.run(command)
    };
    assert_fails(
        &run(&[]),
        1,
        &[
            "no place in memory",
            "is on a disk",
            "/dev/shm",
            "--allow-disk",
        ],
    );
    let allowed = run(&["--allow-disk"]);
    assert!(
        allowed
            .assert_code(0)
            .err()
            .contains("warning: the plaintext is on a disk")
    );
    assert!(
        editing
            .world
            .read("seen")
            .starts_with(disk.to_str().expect("UTF-8"))
    );
    assert!(editing.plaintext("db-secret.yaml").contains("user: owner"));
    editing.assert_no_trace();
}

#[test]
fn swap_that_is_not_encrypted_is_a_warning() {
    let mut editing = Editing::new("swap").with_secret();
    editing.editor("true");
    let swaps = editing.world.tmp().join("swaps");
    std::fs::write(
        &swaps,
        "Filename Type Size Used Priority\n/dev/sdx9 partition 1 0 -2\n",
    )
    .expect("write");
    let script = format!(
        "mount --bind '{}' /proc/swaps && exec \"$@\"",
        swaps.display()
    );
    let command = editing.edit_with_mounts(&script);
    let run = editing.world.run(command);
    assert!(
        run.assert_code(0)
            .err()
            .contains("warning: the swap space /dev/sdx9 is not encrypted"),
        "{}",
        run.err()
    );
}

#[test]
fn editors_that_keep_copies_elsewhere_are_a_warning() {
    let mut editing = Editing::new("warned").with_secret();
    for (name, options, words) in [
        ("code", "--wait", "code keeps a copy of every file"),
        ("emacsclient", "", "emacsclient leaves backups"),
        ("goland", "--wait", "Local History"),
    ] {
        editing.world.script(name, "#!/bin/sh\n");
        editing
            .setup
            .world
            .env("EDITOR", format!("{name} {options}"));
        let run = editing.edit(&["db-secret.yaml"]);
        run.assert_code(0);
        let mut warnings = run
            .err()
            .lines()
            .filter(|line| line.starts_with("warning: "));
        assert!(warnings.any(|line| line.contains(words)), "{}", run.err());
        let waits = run
            .err()
            .contains(&format!("Waiting until {name} closes the file."));
        assert_eq!(waits, !options.is_empty(), "{}", run.err());
    }
}
