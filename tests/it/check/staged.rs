//! `--staged`: what is in the index, and nothing else.

use std::os::unix::fs::PermissionsExt;

use super::{MANIFEST, Repository};

#[test]
fn the_index_counts_and_not_the_working_tree() {
    let repository = Repository::new();
    repository.commit_all();
    let line = "db-secret.yaml: not encrypted: the Secret db (rule .sops.yaml:2:5)";
    repository.world.write("db-secret.yaml", MANIFEST);
    repository.assert_clean(&["--staged"]);
    repository.git(&["add", "db-secret.yaml"]).assert_code(0);
    let run = repository.assert_found(&["--staged"], &[line]);
    assert!(
        run.err()
            .contains("hint: the index has the old content until you stage the fixed file"),
        "{}",
        run.err()
    );
    // Encrypted in the working tree only.
    repository.encrypt("db-secret.yaml", MANIFEST);
    repository.assert_clean(&[]);
    repository.assert_found(&["--staged"], &[line]);
    repository.git(&["add", "db-secret.yaml"]).assert_code(0);
    repository.world.write("db-secret.yaml", MANIFEST);
    repository.assert_clean(&["--staged"]);
    repository.check(&[]).assert_code(3);
    // Gone from the working tree.
    std::fs::remove_file(repository.world.path("db-secret.yaml")).expect("removed");
    repository.assert_clean(&["--staged"]);
    // What was committed before, and is not touched, does not stop a commit.
    repository.world.write("old-secret.yaml", MANIFEST);
    repository.commit_all();
    repository.world.write("README.md", "x\n");
    repository.git(&["add", "--all"]).assert_code(0);
    repository.assert_clean(&["--staged"]);
    // A mode, a rename, a link, and a file that goes.
    std::fs::set_permissions(
        repository.world.path("README.md"),
        std::fs::Permissions::from_mode(0o755),
    )
    .expect("a mode");
    repository
        .git(&["mv", "old-secret.yaml", "new-secret.yaml"])
        .assert_code(0);
    repository.git(&["add", "--all"]).assert_code(0);
    repository.assert_found(
        &["--staged"],
        &["new-secret.yaml: not encrypted: the Secret db (rule .sops.yaml:2:5)"],
    );
    repository
        .git(&["rm", "-f", "new-secret.yaml"])
        .assert_code(0);
    std::os::unix::fs::symlink("/etc/passwd", repository.world.path("link-secret.yaml"))
        .expect("a link");
    repository.git(&["add", "--all"]).assert_code(0);
    repository.assert_clean(&["--staged"]);
}

#[test]
fn the_rules_are_those_of_the_index_too() {
    let repository = Repository::with_rules(&["path_regex: ^nothing$"]);
    repository.world.write("apps/db.yaml", MANIFEST);
    repository.commit_all();
    let before = repository.world.read(".sops.yaml");
    let after = before.replace("^nothing$", "^apps/");
    repository.world.write(".sops.yaml", &after);
    repository.world.write("x", "x\n");
    repository.git(&["add", "x"]).assert_code(0);
    repository.assert_clean(&["--staged"]);
    // A rule that changes is a matter of all files.
    repository.git(&["add", ".sops.yaml"]).assert_code(0);
    repository.world.write(".sops.yaml", &before);
    repository.assert_found(
        &["--staged"],
        &["apps/db.yaml: not encrypted: the Secret db (rule .sops.yaml:2:5)"],
    );
    // One in a directory is nearer.
    let nested = before.replace("^nothing$", "^other$");
    repository.world.write("apps/.sops.yaml", nested);
    repository.git(&["add", "apps/.sops.yaml"]).assert_code(0);
    let run = repository.check(&["--staged"]);
    assert!(
        run.assert_code(0)
            .err()
            .contains("no rule of .sops.yaml is for it"),
        "{}",
        run.err()
    );
    // None is in the index: then those that were not added yet count.
    let remove = [
        "rm",
        "-q",
        "-f",
        "--cached",
        ".sops.yaml",
        "apps/.sops.yaml",
    ];
    repository.git(&remove).assert_code(0);
    let nested = after.replace("^apps/", "^db");
    repository.world.write("apps/.sops.yaml", nested);
    repository.world.write(
        "apps/db.yaml",
        format!(
            "{MANIFEST}type: Opaque
"
        ),
    );
    repository.git(&["add", "apps/db.yaml"]).assert_code(0);
    repository.assert_found(
        &["--staged"],
        &["apps/db.yaml: not encrypted: the Secret db (rule apps/.sops.yaml:2:5)"],
    );
    for config in [".sops.yaml", "apps/.sops.yaml"] {
        std::fs::remove_file(repository.world.path(config)).expect("removed");
    }
    let run = repository.check(&["--staged"]);
    assert!(
        run.assert_code(0).err().contains("there is no .sops.yaml"),
        "{}",
        run.err()
    );
}

/// git names the index in the environment of a hook, and another one for `commit -a`.
#[test]
fn as_a_hook_it_stops_every_kind_of_commit() {
    let repository = Repository::new();
    repository.commit_all();
    let kb = env!("CARGO_BIN_EXE_kb");
    let hook = repository.world.write(
        ".git/hooks/pre-commit",
        format!("#!/bin/sh\nexec {kb} k secrets check --staged\n"),
    );
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let head = || {
        repository
            .git(&["rev-parse", "HEAD"])
            .assert_code(0)
            .out()
            .to_owned()
    };
    let before = head();
    repository.encrypt("db-secret.yaml", MANIFEST);
    let encrypted = repository.world.read("db-secret.yaml");
    repository.git(&["add", "--all"]).assert_code(0);
    repository
        .git(&["commit", "--quiet", "--message", "encrypted"])
        .assert_code(0);
    let after = head();
    assert_ne!(before, after);
    repository.world.write("db-secret.yaml", MANIFEST);
    // The index of `commit -a` and of `commit FILE` is another than the usual one.
    for args in [
        &["commit", "-a", "-m", "x"][..],
        &["commit", "-m", "x", "db-secret.yaml"],
    ] {
        let run = repository.git(args);
        run.assert_code(1);
        assert!(
            run.err().contains("db-secret.yaml: not encrypted"),
            "{}",
            run.err()
        );
    }
    repository.git(&["add", "--all"]).assert_code(0);
    repository.git(&["commit", "-m", "x"]).assert_code(1);
    repository
        .git(&["commit", "--amend", "-m", "x"])
        .assert_code(1);
    assert_eq!(head(), after);
    // From a directory below, in another worktree.
    repository.world.write("db-secret.yaml", &encrypted);
    repository.git(&["add", "--all"]).assert_code(0);
    repository
        .git(&["worktree", "add", "-q", "../other", "HEAD"])
        .assert_code(0);
    let other = repository.world.repo().with_file_name("other");
    std::fs::create_dir(other.join("below")).expect("a directory");
    std::fs::write(other.join("below/x-secret.yaml"), MANIFEST).expect("a file");
    for args in [&["add", "--all"][..], &["commit", "-m", "x"]] {
        let mut command = repository.git_cmd(args);
        command.current_dir(other.join("below"));
        let code = i32::from(args[0] == "commit");
        repository.world.run(command).assert_code(code);
    }
}

#[test]
fn the_first_commit_is_looked_at_like_any_other() {
    let repository = Repository::new();
    repository.world.write("sub/db-secret.yaml", MANIFEST);
    repository.git(&["add", "--all"]).assert_code(0);
    let mut inside = repository
        .world
        .kb_cmd(["k", "secrets", "check", "--staged"]);
    inside.current_dir(repository.world.path("sub"));
    let run = repository.world.run(inside);
    run.assert_code(3);
    assert!(
        run.err().contains("db-secret.yaml: not encrypted"),
        "{}",
        run.err()
    );
}

#[test]
fn what_a_person_has_configured_for_git_does_not_hide_a_file() {
    let repository = Repository::new();
    repository.commit_all();
    for (key, value) in [
        ("diff.relative", "true"),
        ("diff.noprefix", "true"),
        ("diff.renames", "copies"),
        ("color.ui", "always"),
        ("core.quotePath", "true"),
        ("diff.external", "false"),
        ("core.autocrlf", "true"),
        ("submodule.recurse", "true"),
    ] {
        repository.git(&["config", key, value]).assert_code(0);
    }
    repository.world.write("a/ü\n-secret.yaml", MANIFEST);
    repository.git(&["add", "--all"]).assert_code(0);
    repository.world.write("empty/x", "x");
    // The rules are those of the index, also by these.
    std::fs::remove_file(repository.world.path(".sops.yaml")).expect("removed");
    for directory in ["a", "empty", "."] {
        let mut inside = repository
            .world
            .kb_cmd(["k", "secrets", "check", "--staged"]);
        inside.current_dir(repository.world.path(directory));
        inside.env("GIT_LITERAL_PATHSPECS", "1");
        repository.world.run(inside).assert_code(3);
    }
}

#[test]
fn a_submodule_is_someone_elses() {
    let repository = Repository::new();
    let theirs = repository.world.path("theirs");
    std::fs::create_dir(&theirs).expect("a directory");
    std::fs::write(theirs.join("x-secret.yaml"), MANIFEST).expect("a file");
    for args in [
        &["init", "-q"][..],
        &["add", "--all"],
        &["commit", "-q", "-m", "x"],
    ] {
        let mut command = repository.git_cmd(args);
        command.current_dir(&theirs);
        repository.world.run(command).assert_code(0);
    }
    repository.git(&["add", "--all"]).assert_code(0);
    repository.assert_clean(&["--staged"]);
    repository.assert_clean(&[]);
}

#[test]
fn a_config_that_goes_or_is_a_link_counts_too() {
    let repository = Repository::with_rules(&["path_regex: ^dev/"]);
    let nested = repository
        .world
        .read(".sops.yaml")
        .replace("^dev/", "^nothing$");
    repository.world.write("dev/.sops.yaml", &nested);
    repository.world.write("dev/db.yaml", MANIFEST);
    repository.commit_all();
    repository
        .git(&["rm", "-q", "dev/.sops.yaml"])
        .assert_code(0);
    let line = |rule: &str| format!("dev/db.yaml: not encrypted: the Secret db (rule {rule}:2:5)");
    repository.assert_found(&["--staged"], &[&line(".sops.yaml")]);
    // By way of a link.
    let rules = repository.world.read(".sops.yaml").replace("^dev/", "^db");
    repository.world.write("shared.yaml", rules);
    std::os::unix::fs::symlink("../shared.yaml", repository.world.path("dev/.sops.yaml"))
        .expect("a link");
    repository.git(&["add", "--all"]).assert_code(0);
    repository.assert_found(&["--staged"], &[&line("dev/.sops.yaml")]);
}

#[test]
fn a_repository_that_the_environment_names_is_the_one() {
    let repository = Repository::new();
    repository.world.write("sub/db-secret.yaml", MANIFEST);
    repository.git(&["add", "--all"]).assert_code(0);
    let elsewhere = repository.world.repo().with_file_name("elsewhere.git");
    std::fs::rename(repository.world.path(".git"), elsewhere).expect("moved");
    let mut command = repository
        .world
        .kb_cmd(["k", "secrets", "check", "--staged"]);
    command
        .env("GIT_DIR", "../../elsewhere.git")
        .env("GIT_WORK_TREE", "..")
        .current_dir(repository.world.path("sub"));
    let run = repository.world.run(command);
    run.assert_code(3);
    assert!(
        run.err().contains("db-secret.yaml: not encrypted"),
        "{}",
        run.err()
    );
}
