//! A rotation that is killed, at each of its points and at any moment.

use std::time::Instant;

use rustix::process::Signal;

use super::{Rotating, go_on, signal};
use crate::recipient_of;

/// The points, in order, and whether the cluster has heard of the new key by then.
const POINTS: [(&str, bool); 8] = [
    ("planned", false),
    ("prepared", false),
    ("staged", false),
    ("begun", true),
    ("replacing-1", true),
    ("replacing-4", true),
    ("replaced", true),
    ("shown", true),
];

#[test]
fn killed_at_any_point_it_is_finished_by_the_next_run_with_the_same_key() {
    for (point, begun) in POINTS {
        let rotating = Rotating::new("point");
        let (running, printed) = rotating.paused_at(point, &[]).kill();
        assert!(running, "{point}");
        rotating.assert_all_open();
        let next = rotating.entry("age.next.agekey");
        assert_eq!(next.is_some(), begun, "{point}");
        let run = rotating.force(&[]);
        let new = rotating.assert_rotated(&run);
        if let Some(next) = next {
            assert_eq!(recipient_of(&rotating.world, &next), new, "{point}");
            assert!(run.err().contains("that is under way"), "{}", run.err());
        }
        if point == "shown" {
            assert_eq!(String::from_utf8_lossy(&printed), run.out());
        }
        // No third key.
        assert_eq!(rotating.keys().lines().count(), 2, "{point}");
    }
}

/// How often a rotation is killed, instead of [`USUAL_ROUNDS`]; nightly 200 times.
const ROUNDS: &str = "KB_TEST_ROUNDS";
const USUAL_ROUNDS: u32 = 20;

/// Spread over the length of one rotation.
#[test]
fn killed_at_any_moment_every_file_opens_and_the_next_run_finishes() {
    let measured = Rotating::new("measured");
    let start = Instant::now();
    measured.force(&[]).assert_code(0);
    let mut length = start.elapsed();
    let rounds = std::env::var(ROUNDS).ok();
    let rounds = rounds.map_or(USUAL_ROUNDS, |rounds| rounds.parse().expect("a number"));
    let mut killed = 0;
    let rotating = Rotating::new("moment");
    let mut first_next = None;
    for round in 0..rounds {
        let command = rotating.command(&["init", "--force"]);
        let spawned = rotating.world.spawn(command);
        std::thread::sleep(length * round / rounds);
        let (was_killed, _) = spawned.kill();
        killed += u32::from(was_killed);
        if !was_killed {
            // It was measured while the machine had more to do.
            length = length * round / rounds;
        }
        rotating.assert_all_open();
        // As long as a rotation is under way, its key stays the same.
        let next = rotating.entry("age.next.agekey");
        if next.is_some() && first_next.is_some() {
            assert_eq!(next, first_next, "round {round}");
        }
        first_next = next;
        if round % 2 == 1 {
            let run = rotating.force(&[]);
            run.assert_code(0);
            if let Some(next) = first_next.take() {
                assert_eq!(next.lines().last(), Some(run.out().trim()));
            }
            assert_eq!(rotating.entry("age.next.agekey"), None);
            rotating.assert_open_with(run.out().trim());
            rotating.assert_no_stray();
        }
    }
    let run = rotating.force(&[]);
    rotating.assert_rotated(&run);
    assert!(
        killed * 2 >= rounds,
        "{killed} of {rounds} were killed before the end"
    );
}

/// A power cut loses nothing: what was written is synced before the first file is
/// replaced, and what was replaced before the rules are.
#[test]
fn what_is_written_is_synced_before_anything_depends_on_it() {
    let rotating = Rotating::new("synced");
    let log = rotating.world.root().join("strace");
    let options = ["-f", "-qq", "-e", "trace=syncfs,fsync,renameat2", "-o"];
    let mut command = rotating.world.tool_cmd("strace", options);
    command.arg(&log).arg(env!("CARGO_BIN_EXE_kb"));
    command.args(["k", "secrets", "-n", &rotating.namespace, "init", "--force"]);
    rotating.world.run(command).assert_code(0);
    let log = std::fs::read_to_string(log).expect("the log");
    let calls = log.lines().filter_map(|line| {
        let call = ["syncfs", "fsync", "renameat2"]
            .into_iter()
            .find(|call| line.contains(&format!("{call}(")))?;
        Some(match line.contains(".sops.yaml") {
            true => "config",
            false => call,
        })
    });
    let mut order: Vec<&str> = calls.collect();
    order.dedup();
    // The new config is written and synced by itself, then all files at once; they are
    // exchanged, and that is synced before the config is.
    assert_eq!(
        order,
        ["fsync", "syncfs", "renameat2", "syncfs", "config", "fsync"]
    );
}

/// Until the cluster has heard of the key, Ctrl-C leaves nothing behind; from then
/// on it waits for the end.
#[test]
fn a_first_interrupt_leaves_nothing_half_done() {
    for point in ["planned", "staged"] {
        let rotating = Rotating::new("interrupt");
        let spawned = rotating.paused_at(point, &[]);
        signal(&spawned, Signal::INT);
        let run = go_on(spawned);
        crate::assert_fails(&run, 1, &["stopped: nothing was changed"]);
        rotating.assert_untouched();
    }
    // Also where something is still to be re-encrypted.
    let mut rotating = Rotating::new("interrupt");
    let spawned = rotating.paused_at("begun", &[]);
    rotating.encrypt_for(&rotating.old, "late.env", "A=b\n");
    let late = ("late.env".to_owned(), "A=b\n".to_owned());
    rotating.files.push(late);
    signal(&spawned, Signal::INT);
    let run = go_on(spawned);
    rotating.assert_rotated(&run);
}
