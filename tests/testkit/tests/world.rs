//! The closed world, and what it demands of every run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use testkit::{Cluster, World};

/// A world in which `kb` is a shell, which does what it is told.
fn world() -> World {
    World::new(Path::new("/bin/sh"))
}

/// The text of the panic that `action` must end in.
fn panic_of<T>(action: impl FnOnce() -> T) -> String {
    let panic = catch_unwind(AssertUnwindSafe(action)).err();
    let panic = panic.expect("it must not go unnoticed");
    *panic.downcast::<String>().expect("a panic with a text")
}

#[test]
fn environment_holds_nothing_of_the_person_at_the_keyboard() {
    let mut world = world();
    world.env("ADDED", "by the test").env_remove("LANG");
    let run = world.kb(["-c", "env"]);
    let mut names: Vec<&str> = run
        .assert_code(0)
        .out()
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        // The shell's own.
        .filter(|name| !matches!(*name, "PWD" | "SHLVL" | "_" | "OLDPWD"))
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "ADDED",
            "GIT_AUTHOR_EMAIL",
            "GIT_AUTHOR_NAME",
            "GIT_CEILING_DIRECTORIES",
            "GIT_COMMITTER_EMAIL",
            "GIT_COMMITTER_NAME",
            "GIT_CONFIG_NOSYSTEM",
            "HOME",
            "PATH",
            "TMPDIR",
        ]
    );
}

#[test]
fn real_sops_and_age_keygen_run_in_it() {
    let world = world();
    let sops = world.tool("sops", ["--disable-version-check", "--version"]);
    assert!(sops.assert_code(0).out().starts_with("sops 3."));
    let key = world.tool("age-keygen", std::iter::empty::<&str>());
    let text = key.assert_code(0).snapshot();
    assert!(
        text.contains("# public key: [RECIPIENT]\n[PRIVATE KEY]\n"),
        "{text}"
    );
}

#[test]
fn snapshot_shows_code_and_both_outputs_without_what_varies() {
    let world = world();
    let namespace = Cluster::shared().new_namespace("snapshot");
    let script = format!("pwd; echo {namespace} $HOME >&2; printf end >&2; exit 3");
    assert_eq!(
        world.kb(["-c", &script]).snapshot(),
        "exit code: 3\n----- stdout -----\n[REPO]\n----- stderr -----\n[NS] [HOME]\nend[no newline]\n"
    );
}

#[test]
fn stdin_reaches_the_program_and_is_empty_otherwise() {
    let world = world();
    assert_eq!(world.kb_with_stdin(["-c", "cat"], "text").out(), "text");
    assert_eq!(world.kb(["-c", "cat"]).out(), "");
    // One that does not read it is no failure.
    let much = vec![b'x'; 1 << 20];
    world.kb_with_stdin(["-c", "exit 0"], much).assert_code(0);
}

#[test]
fn run_that_shows_what_must_never_be_shown_fails() {
    let world = world();
    for text in [
        "AGE-SECRET-KEY-1ABCDEFGHIJ",
        "thread main panicked at x",
        "Some(1)",
    ] {
        let panic = panic_of(|| world.kb(["-c", r#"echo "$1" >&2"#, "sh", text]));
        assert!(panic.contains("on stderr"), "{panic}");
    }
    let panic = panic_of(|| world.kb(["-c", "kill -9 $$"]));
    assert!(panic.contains("ended by a signal"), "{panic}");
    let panic = panic_of(|| world.kb(["-c", "echo seen; exit 1"]).assert_code(0).code);
    assert!(panic.contains("expected exit code 0"), "{panic}");
    assert!(panic.contains("seen"), "{panic}");
}

#[test]
fn script_is_a_program_of_the_world() {
    let world = world();
    world.script("editor", "#!/bin/sh\necho edited \"$1\"\n");
    assert_eq!(world.tool("editor", ["x"]).out(), "edited x\n");
}

#[test]
fn canary_is_found_in_files_and_in_git_objects() {
    let world = world();
    assert!(world.files_containing(b"canary-4711").is_empty());
    let file = world.write("deep/er/file", "a canary-4711 sings");
    let home = world.write_home(".cache/x", "canary-4711");
    assert_eq!(world.read("deep/er/file"), "a canary-4711 sings");
    assert_eq!(world.files_containing(b"canary-4711"), [home, file.clone()]);

    world.tool("git", ["add", "deep"]).assert_code(0);
    world.tool("git", ["commit", "-qm", "x"]).assert_code(0);
    std::fs::remove_file(file).expect("it is there");
    let found = world.files_containing(b"canary-4711");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[1].starts_with(world.path(".git/objects")),
        "{found:?}"
    );
}
