//! Who is asked, and what is printed.

use super::Pruning;
use crate::assert_fails;
use crate::terminal::Terminal;

#[test]
fn it_asks_on_a_terminal() {
    for (answer, is_dropped) in [("y", true), ("yes", true), ("", false), ("n", false)] {
        let pruning = Pruning::new("asks");
        let mut terminal = Terminal::start(&pruning.setup, "prune");
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

/// What the plan says of a copy is done before the answer.
#[test]
fn the_plan_says_how_to_keep_a_copy_and_no_private_key_is_printed() {
    let pruning = Pruning::new("copyfirst");
    let plan = pruning.prune(&["--dry-run"]);
    let command = format!("SOPS_AGE_RECIPIENT={} kb k secrets key", pruning.old);
    assert!(plan.err().contains(&command), "{}", plan.err());
    let mut key = pruning.command(&["key"]);
    key.env("SOPS_AGE_RECIPIENT", &pruning.old);
    let copy = pruning.world.run(key);
    assert_eq!(copy.assert_code(0).out().trim(), pruning.old_key);

    let run = pruning.prune(&["--yes", "-o", "json"]);
    let verdicts: serde_json::Value = serde_json::from_str(run.assert_code(0).out()).expect("JSON");
    assert_eq!(verdicts["keys"][0]["dropped"], true);
    assert_eq!(verdicts["keys"][0]["recipient"], pruning.old);
    assert_eq!(verdicts["sources"]["namespace"]["from"], "option");
    for text in [run.out(), run.err()] {
        assert!(!text.contains("AGE-SECRET"), "{text}");
    }
    assert!(run.err().contains("init --import --retired"));
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
