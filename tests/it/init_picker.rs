//! `init` on a terminal asks which rule is meant.

use crate::terminal::Terminal;
use crate::{Setup, keypair};

/// Three rules: a cluster's, two without a key.
fn with_rules(prefix: &str) -> (Setup, String, String) {
    let setup = Setup::new(prefix);
    let (_, other) = keypair(&setup.world);
    let config = format!(
        "creation_rules:\n  - path_regex: ^prod/.*secret.*\\.yaml$\n    encrypted_regex: ^(data|stringData)$\n    \
         age: {other} # prod\n  - path_regex: ^test/.*secret.*\\.yaml$\n    encrypted_regex: ^data$\n    age: <test>\n  \
         - path_regex: ^dev/.*secret.*\\.yaml$\n    encrypted_regex: ^data$\n    age: <dev>\n"
    );
    setup.world.write(".sops.yaml", &config);
    (setup, other, config)
}

#[test]
fn the_rule_that_is_picked_gets_the_key() {
    let (setup, _, config) = with_rules("pick");
    let mut terminal = Terminal::start(&setup, "init");
    terminal.wait_for("1 to 4, or Enter to stop: ");
    // Mistakes are told, and asked again.
    for wrong in ["0", "5", "first", "-1"] {
        terminal
            .type_line(wrong)
            .wait_for("not a number of the list")
            .wait_for("stop: ");
    }
    terminal.type_line("3");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    assert!(
        seen.contains("Which rule of .sops.yaml is for the cluster of context \"test\"?"),
        "{seen}"
    );
    assert!(
        seen.contains("  2  line 5: ^test/.*secret.*\\.yaml$: <test>"),
        "{seen}"
    );
    let after = setup.world.read(".sops.yaml");
    assert_eq!(after, config.replace("<dev>", &setup.recipient()));
}

#[test]
fn a_new_rule_is_asked_for_its_paths() {
    let (setup, _, config) = with_rules("picknew");
    let mut terminal = Terminal::start(&setup, "init");
    terminal.wait_for("Enter to stop: ").type_line("4");
    terminal.wait_for("path_regex: ").type_line("^new/[");
    terminal
        .wait_for("unclosed character class")
        .wait_for("path_regex: ");
    terminal.type_line("^new/.*secret.*\\.yaml$");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    let rule = format!(
        "  - path_regex: ^new/.*secret.*\\.yaml$\n    encrypted_regex: ^(data|stringData)$\n    age: {}\n",
        setup.recipient()
    );
    assert_eq!(setup.world.read(".sops.yaml"), config + &rule);
}

#[test]
fn a_taken_rule_is_asked_what_becomes_of_its_keys() {
    for (answer, beside) in [("1", true), ("2", false)] {
        let (setup, other, config) = with_rules("picktaken");
        let mut terminal = Terminal::start(&setup, "init");
        terminal.wait_for("Enter to stop: ").type_line("1");
        terminal
            .wait_for("1 to 2, or Enter to stop: ")
            .type_line(answer);
        let (code, seen) = terminal.end();
        assert_eq!(code, Some(0), "{seen}");
        let new = setup.recipient();
        let keys = if beside {
            format!("{other},{new}")
        } else {
            new
        };
        assert_eq!(
            setup.world.read(".sops.yaml"),
            config.replace(&other, &keys)
        );
    }
}

/// Enter, Ctrl-D and Ctrl-C, at each question: nothing is done, and whoever did
/// not kill kb is told the options.
#[test]
fn whoever_stops_has_changed_nothing() {
    const TO_4: &str = "1 to 4, or Enter to stop: ";
    type Dialogue<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Dialogue, Option<i32>); 6] = [
        (&[(TO_4, "\n")], Some(1)),
        (&[(TO_4, "\u{4}")], Some(1)),
        (&[(TO_4, "\u{3}")], Some(130)),
        (&[(TO_4, "4\n"), ("path_regex: ", "\n")], Some(1)),
        (
            &[(TO_4, "1\n"), ("1 to 2, or Enter to stop: ", "\n")],
            Some(1),
        ),
        (&[(TO_4, "4\n"), ("path_regex: ", "\u{4}")], Some(1)),
    ];
    for (dialogue, code) in cases {
        let (setup, _, config) = with_rules("pickstop");
        let mut terminal = Terminal::start(&setup, "init");
        for (question, answer) in dialogue {
            terminal.wait_for(question).type_text(answer);
        }
        let (ended, seen) = terminal.end();
        assert_eq!(ended, code, "{seen}");
        let told = seen.contains("hint: --path-regex RE");
        assert_eq!(told, code == Some(1), "{seen}");
        assert_eq!(setup.entry("age.agekey"), None);
        assert_eq!(setup.world.read(".sops.yaml"), config);
    }
}

#[test]
fn a_private_key_at_the_wrong_question_is_written_nowhere() {
    let (setup, _, config) = with_rules("pickleak");
    let (key, _) = keypair(&setup.world);
    let mut terminal = Terminal::start(&setup, "init");
    terminal.wait_for("Enter to stop: ").type_line("4");
    terminal.wait_for("path_regex: ").type_line(&key);
    terminal
        .wait_for("That is a private key")
        .wait_for("path_regex: ")
        .type_line("");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(1), "{seen}");
    assert_eq!(setup.world.read(".sops.yaml"), config);
}

/// Without a terminal, or with --quiet, nobody is asked.
#[test]
fn nobody_is_asked_who_would_not_see_the_question() {
    let (setup, _, config) = with_rules("picknone");
    let (code, seen) = Terminal::start(&setup, "init --quiet").end();
    assert_eq!(code, Some(1), "{seen}");
    assert!(!seen.contains("Which rule"), "{seen}");
    let (code, seen) = Terminal::start(&setup, "init </dev/null").end();
    assert_eq!(code, Some(1), "{seen}");
    assert!(!seen.contains("Which rule"), "{seen}");
    assert_eq!(setup.world.read(".sops.yaml"), config);
}

/// The hidden prompt and the question, one after the other.
#[test]
fn an_imported_key_that_was_typed_finds_its_rule_too() {
    let (setup, _, config) = with_rules("pickimport");
    let (key, recipient) = keypair(&setup.world);
    let mut terminal = Terminal::start(&setup, "init --import");
    terminal.wait_for("not shown): ").type_line(&key);
    terminal.wait_for("Enter to stop: ").type_line("2");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    assert!(!seen.contains(&key[17..]), "{seen}");
    let after = config.replace("<test>", &recipient);
    assert_eq!(setup.world.read(".sops.yaml"), after);
}
