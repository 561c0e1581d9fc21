//! Who is asked, and where the keys go that are dropped.

use super::Pruning;
use crate::assert_fails;
use crate::terminal::Terminal;

#[test]
fn it_asks_on_a_terminal() {
    for (answer, is_dropped) in [("y", true), ("yes", true), ("", false), ("n", false)] {
        let pruning = Pruning::new("asks");
        let mut terminal = Terminal::start(&pruning.setup, "prune --no-export");
        terminal
            .wait_for("Drop 1 retired key from the cluster of context \"test\"? [y/N]")
            .type_line(answer);
        let (code, seen) = terminal.end();
        assert_eq!(code, Some(i32::from(!is_dropped)), "{answer}: {seen}");
        assert_eq!(pruning.retired_entry().is_none(), is_dropped, "{answer}");
    }
}

/// What the person agrees to is what is needed and what is not.
#[test]
fn nobody_is_asked_where_nothing_can_be_dropped() {
    let pruning = Pruning::new("noask");
    pruning.world.write("old.yaml", pruning.old_file());
    let (code, seen) = Terminal::start(&pruning.setup, "prune").end();
    assert_eq!(code, Some(1), "{seen}");
    assert!(!seen.contains("[y/N]"), "{seen}");
    assert!(pruning.retired_entry().is_some());
}

#[test]
fn without_a_terminal_it_wants_yes_but_for_a_dry_run() {
    let pruning = Pruning::new("wantsyes");
    let run = pruning.prune(&[]);
    assert_fails(&run, 1, &["nothing was changed", "--yes"]);
    assert!(pruning.retired_entry().is_some());
    pruning.prune(&["--dry-run"]).assert_code(0);
    assert!(pruning.retired_entry().is_some());
    pruning.prune(&["--yes"]).assert_code(0);
    assert_eq!(pruning.retired_entry(), None);
}

/// A key is printed before it is dropped, and only where it touches no repository.
#[test]
fn keys_are_printed_before_they_are_dropped() {
    let pruning = Pruning::new("export");
    let run = |redirect: &str, arguments: &str| {
        let line = format!(
            "'{}' k secrets -n {} prune --yes {arguments} {redirect}",
            env!("CARGO_BIN_EXE_kb"),
            pruning.namespace
        );
        pruning.world.tool("sh", ["-c", &line])
    };
    for (redirect, words) in [
        ("> key.txt", "would stand in a repository"),
        (">&-", "stdout is closed"),
        ("> /dev/full", "stdout did not take the private keys"),
    ] {
        let run = run(redirect, "");
        assert_fails(&run, 1, &[words]);
        assert!(pruning.retired_entry().is_some(), "{redirect}");
    }
    let found = pruning.world.files_containing(pruning.old_key.as_bytes());
    assert_eq!(found, [] as [std::path::PathBuf; 0]);
    // Two answers do not go to one place.
    pruning.prune(&["--yes", "-o", "json"]).assert_code(2);
    let out = pruning.prune(&["--yes"]);
    assert_eq!(out.assert_code(0).out(), format!("{}\n", pruning.old_key));
    assert!(
        out.err().contains("init --import --retired"),
        "{}",
        out.err()
    );
    assert_eq!(pruning.retired_entry(), None);

    pruning.put_keys(&[&pruning.old_key]);
    let out = run("> verdicts.json", "--no-export -o json");
    out.assert_code(0);
    assert!(!out.err().contains(&pruning.old_key));
    let text = pruning.world.read("verdicts.json");
    let verdicts: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(verdicts["keys"][0]["dropped"], true);
    assert_eq!(verdicts["keys"][0]["recipient"], pruning.old);
    assert!(!text.contains("AGE-SECRET"), "{text}");
    assert_eq!(pruning.retired_entry(), None);
    let none = pruning.verdicts(0, &[]);
    assert_eq!(none["keys"], serde_json::json!([]));
}

#[test]
fn an_unknown_check_is_wrong_usage() {
    let pruning = Pruning::new("wrongcheck");
    for name in ["all", "heads", ""] {
        let run = pruning.prune(&["--yes", "--despite", name]);
        run.assert_code(2);
    }
    assert!(pruning.retired_entry().is_some());
}
