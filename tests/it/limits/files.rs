//! Files that are none, that have no end, and that may not grow.

use std::os::unix::fs::symlink;

use crate::{SECRET, Setup, assert_fails};

/// What can be behind a name: devices, and files of the kernel's that wait for more.
const ENDLESS: [&str; 5] = [
    "/proc/kmsg",
    "/proc/self/environ",
    "/dev/zero",
    "/dev/random",
    "/sys/kernel/notes",
];

#[test]
fn a_config_that_is_no_real_file_is_an_error() {
    let setup = Setup::initialized("endless");
    std::fs::remove_file(setup.world.path(".sops.yaml")).expect("remove");
    setup.world.write("notes", "x");
    for target in ENDLESS {
        symlink(target, setup.world.path(".sops.yaml")).expect("a link");
        for args in [
            &["check"][..],
            &["status"],
            &["init"],
            &["init", "--use-existing"],
            &["init", "--force", "--yes"],
        ] {
            let run = setup.secrets(args);
            assert!(
                matches!(run.code, Some(1 | 3)),
                "{target} {args:?}: {}",
                run.err()
            );
            let text = format!("{}{}", run.out(), run.err());
            let words = "cannot read .sops.yaml";
            assert!(text.contains(words), "{target} {args:?}: {text}");
        }
        std::fs::remove_file(setup.world.path(".sops.yaml")).expect("remove");
    }
}

#[test]
fn a_named_file_that_is_none_is_an_error() {
    let setup = Setup::initialized("named");
    for target in ENDLESS {
        let link = setup.world.path("x-secret.yaml");
        symlink(target, &link).expect("a link");
        for args in [
            &["decrypt", "x-secret.yaml"][..],
            &["edit", "x-secret.yaml"],
            &["decrypt", "y", "--config", "x-secret.yaml"],
            &["check", "--config", "x-secret.yaml"],
            &["check", "--kubeconfig", "x-secret.yaml", "x-secret.yaml"],
            &["status", "--kubeconfig", "x-secret.yaml"],
        ] {
            let run = setup.secrets(args);
            // What is evidently no file is nothing that `check` could look at.
            let is_passed_over = args[0] == "check" && target.starts_with("/dev");
            assert!(
                run.code == Some(1) || is_passed_over && run.code == Some(0),
                "{target} {args:?}: {:?} {}",
                run.code,
                run.err()
            );
        }
        std::fs::remove_file(link).expect("remove");
    }
}

/// `/dev/null` is how people say that there is no kubeconfig, and `<(…)` is a pipe.
#[test]
fn a_kubeconfig_may_be_a_pipe_or_none() {
    let setup = Setup::initialized("pipes");
    setup.encrypt("my-secret.yaml", SECRET);
    let args = ["decrypt", "my-secret.yaml", "--kubeconfig", "/dev/null"];
    assert_fails(&setup.secrets(&args), 1, &["no current context"]);
    let mut command = setup.command(&["decrypt", "my-secret.yaml", "--kubeconfig", "/dev/stdin"]);
    command.stdin(std::process::Stdio::piped());
    let text = setup.cluster.kubeconfig().to_yaml();
    let run = setup.world.run_with_stdin(command, text.as_bytes());
    assert!(
        run.assert_code(0)
            .out()
            .contains("password: hunter2-canary")
    );
}

/// `ulimit -f`: a write beyond the limit would end kb by a signal.
#[test]
fn a_file_that_may_not_grow_is_an_error() {
    let mut setup = Setup::initialized("small");
    setup.world.runtime_dir();
    setup.encrypt("my-secret.yaml", SECRET);
    let before = setup.world.read("my-secret.yaml");
    let editor = "#!/bin/sh\nhead -c 9000 /dev/zero | tr '\\0' '#' >> \"$1\"\n";
    let editor = setup.world.script("typing", editor);
    setup.world.env("EDITOR", editor);
    for args in [
        &["init", "--force", "--yes"][..],
        &["edit", "my-secret.yaml"],
    ] {
        let mut command = setup
            .world
            .tool_cmd("sh", ["-c", "ulimit -f 1; exec \"$@\"", "sh"]);
        command.arg(env!("CARGO_BIN_EXE_kb"));
        command.args(["k", "secrets", "-n", &setup.namespace]);
        command.args(args);
        let run = setup.world.run(command);
        assert_fails(&run, 1, &[]);
        assert_eq!(setup.world.read("my-secret.yaml"), before, "{args:?}");
    }
    // Programs that kb starts are ended by it, as before.
    let script = "grep SigIgn: /proc/self/status";
    let run = setup.secrets(&["exec", "--", "sh", "-c", script]);
    let mask = run
        .assert_code(0)
        .out()
        .split_whitespace()
        .last()
        .expect("a mask");
    let mask = u64::from_str_radix(mask, 16).expect("a number");
    assert_eq!(mask & (1 << 24), 0, "SIGXFSZ is ignored");
}

/// A regular expression of 200,000 characters, for instance.
#[test]
fn no_message_repeats_more_than_a_line_of_a_file() {
    let setup = Setup::initialized("long");
    let recipient = setup.recipient();
    let long = "x".repeat(200_000);
    for rule in [
        format!(
            "path_regex: '{}'\n    age: {recipient}",
            "(".repeat(200_000)
        ),
        format!("path_regex: '[{long}'\n    age: {recipient}"),
        format!("path_regex: '\\Q{long}'\n    age: {recipient}"),
        format!("path_regex: a\n    age: '{long}'"),
        format!("path_regex: a\n    kms: '{long}'\n    age: {recipient}"),
        format!("path_regex: a\n    {long}: b\n    age: {recipient}"),
        format!("path_regex: a\n    encrypted_regex: '({long}'\n    age: {recipient}"),
        format!("path_regex: a\n    age: {recipient}\n{long}"),
    ] {
        let config = format!("creation_rules:\n  - {rule}\n");
        setup.world.write(".sops.yaml", config);
        setup.world.write("a/my-secret.yaml", SECRET);
        for args in [
            &["check"][..],
            &["status"],
            &["init"],
            &["init", "--use-existing"],
        ] {
            let run = setup.secrets(args);
            let length = run.out().len() + run.err().len();
            assert!(
                length < 8000,
                "{args:?}: {length} bytes for {}",
                &rule[..40]
            );
        }
    }
}
