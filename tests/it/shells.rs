//! What shells and packagers get: completions, and man pages.

use testkit::Run;

use crate::{Setup, assert_fails, bare_world};

/// What a shell would be told for these words; the last one is being typed.
fn complete(setup: &Setup, words: &[&str]) -> Vec<String> {
    let mut command = setup.world.kb_cmd(["--"]);
    command.args(words).env("KB_COMPLETE", "fish");
    let run = setup.world.run(command);
    assert_eq!(run.err(), "");
    let lines = run.assert_code(0).out().lines();
    let values = lines.map(|line| line.split('\t').next().unwrap_or_default().to_owned());
    values.collect()
}

#[test]
fn contexts_rules_recipients_and_files_are_completed_as_they_are_now() {
    let setup = Setup::initialized("complete");
    let kubeconfig = setup.cluster.kubeconfig().context_name("prod-eu").to_yaml();
    setup.world.kubeconfig(&kubeconfig);
    let contexts = complete(&setup, &["kb", "k", "secrets", "decrypt", "--context", ""]);
    assert_eq!(contexts, ["prod-eu"]);
    assert_eq!(
        complete(&setup, &["kb", "--context", "dev"]),
        [] as [&str; 0]
    );
    let rules = complete(&setup, &["kb", "k", "secrets", "init", "--path-regex", ""]);
    assert_eq!(rules, ["(^|/)[^/]*secret[^/]*\\.ya?ml$"]);
    let recipients = complete(&setup, &["kb", "k", "secrets", "init", "--replace", "age1"]);
    assert_eq!(recipients, [setup.recipient()]);
    setup.world.write("apps/db-secret.yaml", "x");
    let files = complete(&setup, &["kb", "k", "secrets", "edit", "apps/"]);
    assert_eq!(files, ["apps/db-secret.yaml"]);
    let words = complete(&setup, &["kb", "k", "secrets", ""]);
    for word in [
        "init", "edit", "decrypt", "status", "check", "exec", "key", "prune",
    ] {
        assert!(words.iter().any(|found| found == word), "{words:?}");
    }
    // What is broken completes to nothing, and says nothing.
    setup.world.kubeconfig("no: [kubeconfig");
    setup.world.write(".sops.yaml", "creation_rules: {");
    assert_eq!(complete(&setup, &["kb", "--context", ""]), [] as [&str; 0]);
    assert_eq!(
        complete(&setup, &["kb", "k", "secrets", "init", "--path-regex", ""]),
        [] as [&str; 0]
    );
}

/// A variable that is set for something else must not make a guard silent.
#[test]
fn only_a_shell_that_is_known_gets_completions_instead_of_the_command() {
    let mut world = bare_world();
    for (name, value) in [
        ("COMPLETE", "1"),
        ("COMPLETE", "bash"),
        ("KB_COMPLETE", "1"),
        ("KB_COMPLETE", ""),
        ("kb_complete", "bash"),
    ] {
        world.env(name, value);
        world
            .kb(["k", "secrets", "check", "nowhere"])
            .assert_code(1);
        world.env_remove(name);
    }
}

#[test]
fn every_shell_gets_a_script_and_bash_takes_it() {
    let world = bare_world();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = world.kb(["completions", shell]);
        assert!(
            run.assert_code(0).out().contains("KB_COMPLETE"),
            "{}",
            run.out()
        );
        assert_eq!(run.err(), "");
    }
    world.kb(["completions", "tcsh"]).assert_code(2);
    let link = world.bin().join("kb");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kb"), link).expect("a link");
    let script = "eval \"$(kb completions bash)\"; COMP_WORDS=(kb k secrets de); COMP_CWORD=3; \
                  _clap_complete_kb kb de secrets; echo \"${COMPREPLY[@]}\"";
    let run = world.tool("bash", ["-c", script]);
    assert_eq!(run.assert_code(0).out().trim(), "decrypt", "{}", run.err());
    // bash takes what is completed as words of its own.
    world.write(
        ".sops.yaml",
        "creation_rules:\n- path_regex: (^|/)a b$\n  age: <key>\n",
    );
    for typed in ["", "("] {
        let script = format!(
            "eval \"$(kb completions bash)\"; COMP_WORDS=(kb k secrets init --path-regex {typed:?}); COMP_CWORD=5; \
             _clap_complete_kb kb {typed:?} --path-regex; echo \"${{COMPREPLY[@]}}\""
        );
        let run = world.tool("bash", ["-c", &script]);
        assert_eq!(
            run.assert_code(0).out().trim(),
            "'(^|/)a b$'",
            "{typed} {}",
            run.err()
        );
    }
}

#[test]
fn each_command_has_a_man_page() {
    let world = bare_world();
    let pages = world.path("man");
    assert_fails(
        &world.kb(["man", "man"]),
        1,
        &["there is no directory man", "mkdir"],
    );
    std::fs::create_dir(&pages).expect("a directory");
    let write = || -> Run { world.kb(["man", "man"]) };
    write().assert_code(0);
    let page = world.read("man/kb-k-secrets-init.1");
    for words in [".TH kb-k-secrets-init 1", "\\-\\-force", "SYNOPSIS"] {
        assert!(page.contains(words), "no {words:?} in:\n{page}");
    }
    let names = std::fs::read_dir(&pages).expect("the directory").count();
    assert!(names >= 13, "{names} pages");
    // Again, over what is there.
    world.write("man/kb.1", "old");
    write().assert_code(0);
    assert!(world.read("man/kb.1").contains(".TH kb 1"));
    assert_eq!(
        std::fs::read_dir(&pages).expect("the directory").count(),
        names
    );
}
