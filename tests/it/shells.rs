//! What shells and packagers get: completions, and man pages.

use testkit::{Run, World};

use crate::terminal::Terminal;
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
fn every_shell_gets_a_script() {
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
}

/// File names that a shell would take for something else, were they inserted as they are.
const NAMES: [&str; 22] = [
    "db-$(touch PWNED)secret.yaml",
    "`touch PWNED`.yaml",
    "a;touch PWNED;.yaml",
    "a&touch PWNED&.yaml",
    "a|touch PWNED",
    "a>PWNED",
    "(touch PWNED)",
    "a b  c.yaml",
    "it's.yaml",
    "\"quoted\".yaml",
    "$HOME.yaml",
    "*.yaml",
    "[ab]?.yaml",
    "~",
    "{a,b}",
    "ex!!cl",
    r"back\slash",
    r"\$(touch PWNED)'",
    "#hash",
    "a:b=c@d.yaml",
    "-x",
    "Ünï.yaml",
];

/// Names that no shell is told of.
const NOT_COMPLETED: [&str; 3] = ["a\nb", "a\tb", "a\u{1b}[2Jb"];

/// In an interactive shell, types the name of a directory behind `kb k secrets decrypt` and
/// each of these quotes, then Tab and Enter: kb gets the file in it, and nothing else is
/// run.
#[track_caller]
fn assert_files_are_quoted(command: &str, enter: &str, quotes: &[&str], world: &World) {
    let prompt = "ready> ";
    let kb = env!("CARGO_BIN_EXE_kb");
    world.script(
        "kb",
        &format!(
            "#!/bin/sh\nif [ -n \"$KB_COMPLETE\" ] || [ \"$1\" = completions ]; then exec '{kb}' \"$@\"; fi\n\
             for word; do printf '%s\\0' \"$word\" >>\"$HOME/words\"; done\nprintf '\\0' >>\"$HOME/words\"\necho it-ran\n"
        ),
    );
    let mut terminal = Terminal::run_in(world, command);
    terminal.wait_for(prompt);
    let mut expected = Vec::new();
    for (number, name) in NAMES.iter().chain(&NOT_COMPLETED).enumerate() {
        let directory = format!("d{number}/");
        world.write(format!("{directory}{name}"), "x");
        for quote in quotes {
            let is_completed = !NOT_COMPLETED.contains(name);
            // An open quote would wait for its end.
            if !is_completed && !quote.is_empty() {
                continue;
            }
            let file = if is_completed { *name } else { "" };
            expected.push(format!("k\0secrets\0decrypt\0{directory}{file}\0\0"));
            terminal.type_text(&format!("kb k secrets decrypt {quote}{directory}\t"));
            terminal.type_text(enter);
            terminal.wait_for("it-ran").wait_for(prompt);
        }
    }
    terminal.type_text("exit\r");
    terminal.end();
    let words = std::fs::read_to_string(world.home().join("words")).expect("words");
    for (words, expected) in words.split_inclusive("\0\0").zip(&expected) {
        assert_eq!(words, expected, "{command}");
    }
    assert_eq!(words, expected.concat());
    let found = world.tool("find", [".", "-name", "PWNED*"]);
    assert_eq!(found.out(), "");
}

#[test]
fn bash_completes_file_names_as_quoted_words() {
    let world = bare_world();
    world.write_home("rc", "source <(kb completions bash)\nPS1='ready> '\n");
    let bash = "exec bash --noprofile --rcfile ~/rc -i";
    assert_files_are_quoted(bash, "\r", &["", "'", "\""], &world);
}

#[test]
fn zsh_completes_file_names_as_quoted_words() {
    let world = bare_world();
    world.write_home(
        ".zshrc",
        "autoload -U compinit; compinit -u -D\nsource <(kb completions zsh)\nPS1='ready> '\nunsetopt PROMPT_SP BANG_HIST\n",
    );
    assert_files_are_quoted("exec zsh -i", "\r", &["", "'", "\""], &world);
}

#[test]
fn fish_completes_file_names_as_quoted_words() {
    let world = bare_world();
    world.write_home(
        ".config/fish/config.fish",
        "kb completions fish | source\nfunction fish_prompt; echo 'ready> '; end\n",
    );
    assert_files_are_quoted("exec fish -i", "\r", &["", "'", "\""], &world);
}

#[test]
fn elvish_completes_file_names_as_quoted_words() {
    let world = bare_world();
    world.write_home(
        "rc.elv",
        "eval (kb completions elvish | slurp)\nset edit:prompt = { put 'ready> ' }\nset edit:rprompt = { put '' }\n",
    );
    // The first Enter takes the candidate.
    assert_files_are_quoted("exec elvish -rc ~/rc.elv", "\r\r", &[""], &world);
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
