//! Other people at work at the same time: in the cluster, in another clone, in the
//! same files.

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::json;
use testkit::{Run, Spawned};

use super::{Rotating, go_on, signal};
use crate::{assert_fails, keypair, recipient_of};

/// A second clone of the same repository.
fn clone(rotating: &Rotating) -> PathBuf {
    let clone = rotating.world.root().join("clone");
    let run = rotating.world.tool(
        "cp",
        [
            "-r",
            rotating.world.repo().to_str().expect("UTF-8"),
            clone.to_str().expect("UTF-8"),
        ],
    );
    run.assert_code(0);
    clone
}

/// `kb k secrets …` in another clone.
fn run_in(rotating: &Rotating, clone: &Path, arguments: &[&str]) -> Run {
    let mut command = rotating.command(arguments);
    command.current_dir(clone);
    rotating.world.run(command)
}

/// A rotation in another clone that has stopped itself at a point.
#[track_caller]
fn paused_in(rotating: &Rotating, clone: &Path, point: &str) -> Spawned {
    let mut command = rotating.pausing(point, &[]);
    command.current_dir(clone);
    let mut spawned = rotating.world.spawn(command);
    spawned.wait_until_stopped();
    spawned
}

#[track_caller]
fn assert_clone_open(rotating: &Rotating, clone: &Path, keys: &str) {
    for (name, text) in &rotating.files {
        let mut sops = rotating.world.tool_cmd("sops", ["decrypt"]);
        sops.arg(clone.join(name)).env("SOPS_AGE_KEY", keys);
        assert_eq!(
            rotating.world.run(sops).assert_code(0).out(),
            text,
            "{name}"
        );
    }
}

/// The one that is slower joins the one that has begun.
#[test]
fn two_people_in_two_clones_end_with_one_key() {
    for point in ["prepared", "staged"] {
        let rotating = Rotating::new("two");
        let clone = clone(&rotating);
        let slow = paused_in(&rotating, &clone, point);
        // The other has begun, and is not done.
        let other = rotating.paused_at("begun", &[]);
        let joined = go_on(slow);
        joined.assert_code(0);
        assert!(
            joined.err().contains("begun before, and this is its key"),
            "{}",
            joined.err()
        );
        let run = go_on(other);
        rotating.assert_rotated(&run);
        assert_eq!(run.out(), joined.out());
        assert_clone_open(&rotating, &clone, run.out().trim());
        assert_eq!(rotating.keys().lines().count(), 2);
        let find = rotating.world.tool(
            "find",
            [clone.to_str().expect("UTF-8"), "-name", "*.kb-tmp-*"],
        );
        assert_eq!(find.out(), "");
    }
}

/// One who finds the rotation finished has nothing to join: the clone is behind.
#[test]
fn whoever_comes_after_the_end_changes_nothing() {
    let rotating = Rotating::new("after");
    let clone = clone(&rotating);
    let slow = paused_in(&rotating, &clone, "staged");
    let run = rotating.force(&[]);
    rotating.assert_rotated(&run);
    let late = go_on(slow);
    assert_fails(
        &late,
        1,
        &[
            "were changed by someone else meanwhile",
            "git pull",
            "--use-existing",
        ],
    );
    assert_clone_open(&rotating, &clone, &rotating.keys());
    assert_eq!(rotating.keys().lines().count(), 2);
    // As it says.
    run_in(&rotating, &clone, &["init", "--use-existing"]).assert_code(0);
    assert_clone_open(&rotating, &clone, run.out().trim());
}

/// Neither a starter that fails while another has joined, nor a resumed run that
/// fails again, takes the key away.
#[test]
fn a_run_that_fails_never_takes_the_key_out() {
    let rotating = Rotating::new("keeps");
    let clone = clone(&rotating);
    let starter = rotating.paused_at("begun", &[]);
    let next = rotating.entry("age.next.agekey").expect("the new key");
    let joiner = paused_in(&rotating, &clone, "replaced");
    // The starter cannot go on: someone's merge leaves rules that cannot be read.
    let whole = rotating.world.read(".sops.yaml");
    let conflict = format!("<<<<<<< HEAD\n{whole}");
    rotating.world.write(".sops.yaml", conflict);
    let failed = go_on(starter);
    assert_fails(
        &failed,
        1,
        &[
            "the rotation is not finished",
            ".sops.yaml",
            "every file opens",
            "init --force",
        ],
    );
    assert_eq!(rotating.entry("age.next.agekey"), Some(next.clone()));
    // Resumed, it fails again.
    let again = rotating.force(&[]);
    assert_fails(&again, 1, &[".sops.yaml"]);
    assert_eq!(rotating.entry("age.next.agekey"), Some(next));
    let run = go_on(joiner);
    run.assert_code(0);
    rotating.world.write(".sops.yaml", whole);
    rotating.assert_all_open();
    // The first clone is behind, and is told how to follow.
    rotating.init(&["--use-existing"]).assert_code(0);
    rotating.assert_rotated(&run);
}

/// What nobody knew when it was planned is left all the same, and said: whoever rotates,
/// joins or resumes.
#[test]
fn a_file_that_is_damaged_meanwhile_is_left_and_named() {
    const DB: &str = "apps/db-secret.yaml";
    for point in ["planned", "prepared", "staged", "begun"] {
        let rotating = Rotating::new("meanwhile");
        let whole = rotating.world.read(DB);
        let damaged = whole.replace("sops:", "sops: [");
        let spawned = rotating.paused_at(point, &[]);
        rotating.world.write(DB, &damaged);
        let run = go_on(spawned);
        rotating.assert_left(&run, &[(DB, damaged.as_bytes())]);
        rotating.world.write(DB, &whole);
        rotating.assert_finishes(&[]);
    }
    let rotating = Rotating::new("meanwhile");
    let whole = rotating.world.read(DB);
    let damaged = whole.replace("sops:", "sops: [");
    let clone = clone(&rotating);
    let joiner = rotating.paused_at("staged", &[]);
    paused_in(&rotating, &clone, "begun").kill();
    rotating.world.write(DB, &damaged);
    let run = go_on(joiner);
    rotating.assert_left(&run, &[(DB, damaged.as_bytes())]);

    let rotating = Rotating::new("meanwhile");
    rotating.paused_at("begun", &[]).kill();
    rotating.world.write(DB, &damaged);
    let damaged = rotating.world.read(DB).replace(
        &damaged[damaged.find("age1").expect("a recipient")..][..62],
        &rotating.old,
    );
    rotating.world.write(DB, &damaged);
    let run = rotating.force(&[]);
    rotating.assert_left(&run, &[(DB, damaged.as_bytes())]);
}

/// A file that was left when it was planned, and is whole again when it comes to it.
#[test]
fn a_file_that_is_repaired_meanwhile_is_moved() {
    const DB: &str = "apps/db-secret.yaml";
    let rotating = Rotating::new("repaired");
    let whole = rotating.world.read(DB);
    rotating.world.write(DB, whole.replace("sops:", "sops: ["));
    let spawned = rotating.paused_at("begun", &[]);
    rotating.world.write(DB, &whole);
    let run = go_on(spawned);
    rotating.assert_rotated(&run);
}

#[test]
fn two_runs_in_the_same_files_do_not_meet() {
    let rotating = Rotating::new("same");
    let first = rotating.paused_at("staged", &[]);
    let second = rotating.force(&[]);
    assert_fails(&second, 1, &["another run of kb is changing files"]);
    let run = go_on(first);
    rotating.assert_rotated(&run);
}

/// Between the plan and the rename, and between the files and the rules.
#[test]
fn what_someone_saves_meanwhile_is_not_lost() {
    let mut rotating = Rotating::new("saved");
    let theirs =
        "apiVersion: v1\nkind: Secret\nmetadata:\n    name: db\nstringData:\n    user: theirs\n";
    for (at, point) in ["planned", "prepared", "staged", "begun"]
        .into_iter()
        .enumerate()
    {
        let name = rotating.files[at].0.clone();
        let spawned = rotating.paused_at(point, &[]);
        let (text, extra) = match name.ends_with(".yaml") || name.ends_with(".yml") {
            true => (theirs.to_owned(), format!("extra-{at}.yaml")),
            false => (rotating.files[at].1.clone(), format!("extra-{at}.env")),
        };
        let held = recipient_of(
            &rotating.world,
            &rotating.entry("age.agekey").expect("a key"),
        );
        rotating.encrypt_for(&held, &name, &text);
        rotating.files[at].1 = text;
        // Another file for the old key appears.
        let text = if extra.ends_with("yaml") {
            "a: b\n"
        } else {
            "A=b\n"
        };
        rotating.encrypt_for(&held, &extra, text);
        rotating.files.push((extra, text.to_owned()));
        // And a line in the config.
        let config = rotating.world.read(".sops.yaml");
        rotating
            .world
            .write(".sops.yaml", format!("# their remark {at}\n{config}"));
        let run = go_on(spawned);
        let new = rotating.assert_rotated(&run);
        let config = rotating.world.read(".sops.yaml");
        assert!(
            config.starts_with(&format!("# their remark {at}\n")),
            "{config}"
        );
        rotating.old = new;
    }
}

/// Labels, other entries: whatever is not kb's.
#[test]
fn what_someone_changes_in_the_secret_meanwhile_stays() {
    let rotating = Rotating::new("touched");
    let path = rotating.path();
    let spawned = rotating.paused_at("staged", &[]);
    rotating
        .cluster
        .patch_merge(&path, &json!({"metadata": {"labels": {"team": "a"}}}));
    signal(&spawned, Signal::CONT);
    let run = spawned.finish();
    rotating.assert_rotated(&run);
    assert_eq!(rotating.object()["metadata"]["labels"]["team"], "a");

    let spawned = rotating.paused_at("shown", &[]);
    rotating.cluster.patch_merge(
        &path,
        &json!({"metadata": {"annotations": {"a": "b"}}, "data": {"note": "eA=="}}),
    );
    let run = go_on(spawned);
    rotating.assert_rotated(&run);
    assert_eq!(rotating.object()["metadata"]["annotations"]["a"], "b");
    assert_eq!(rotating.entry("note").as_deref(), Some("x"));
}

/// Someone who puts another key there by hand stops a rotation that has not begun;
/// one that has keeps both.
#[test]
fn keys_that_someone_changes_meanwhile_are_kept() {
    let rotating = Rotating::new("byhand");
    let old = rotating.keys();
    let (theirs, _) = keypair(&rotating.world);
    let spawned = rotating.paused_at("staged", &[]);
    rotating.put_key(&[("age.agekey", &theirs), ("old.agekey", &old)]);
    let run = go_on(spawned);
    assert_fails(&run, 1, &["were changed by someone else meanwhile"]);
    assert_eq!(rotating.entry("age.next.agekey"), None);
    rotating.assert_all_open();
    rotating.assert_no_stray();

    rotating.put_key(&[("age.agekey", &old)]);
    let spawned = rotating.paused_at("shown", &[]);
    rotating.put_key(&[("age.agekey", &theirs), ("old.agekey", &old)]);
    let run = go_on(spawned);
    run.assert_code(1);
    assert!(
        run.err().contains("is not the current one"),
        "{}",
        run.err()
    );
    assert_eq!(
        rotating.entry("age.agekey").as_deref(),
        Some(theirs.as_str())
    );
    assert!(rotating.keys().contains(run.out().trim()));
    assert!(rotating.keys().contains(&theirs) && rotating.keys().contains(&old));
    rotating.assert_open_with(run.out().trim());
}

/// A laptop that sleeps between the files and the last update.
#[test]
fn a_late_finish_does_not_undo_a_later_rotation() {
    let rotating = Rotating::new("late");
    let clone = clone(&rotating);
    let late = paused_in(&rotating, &clone, "replaced");
    // Someone joins and finishes, and rotates once more.
    rotating.force(&[]).assert_code(0);
    let second = rotating.paused_at("shown", &[]);
    let run = go_on(late);
    run.assert_code(1);
    let words = [
        "is not the current one",
        "changed by someone else",
        "begun another one: git pull",
    ];
    for words in words {
        assert!(run.err().contains(words), "{}", run.err());
    }
    let run = go_on(second);
    let new = rotating.assert_rotated(&run);
    assert_eq!(rotating.recipient(), new);
    // The same when theirs is finished.
    let late = rotating.paused_at("replaced", &[]);
    for _ in 0..2 {
        // Another working tree of the same state, so that the lock is another.
        std::fs::remove_dir_all(&clone).expect("remove");
        self::clone(&rotating);
        run_in(&rotating, &clone, &["init", "--force"]).assert_code(0);
    }
    let held = rotating.keys();
    go_on(late).assert_code(1);
    assert_eq!(rotating.keys(), held);
    rotating.assert_all_open();
}

/// Even the key of the late one is gone by then; its files still open.
#[test]
fn a_late_finish_after_a_prune_keeps_the_later_key_and_opens_its_own_files() {
    let rotating = Rotating::new("pruned");
    let clone = clone(&rotating);
    let late = rotating.paused_at("replaced", &[]);
    for arguments in [
        &["init", "--force"][..],
        &["init", "--force"],
        &["prune", "--yes"],
    ] {
        run_in(&rotating, &clone, arguments).assert_code(0);
    }
    let current = rotating.entry("age.agekey");
    let run = go_on(late);
    run.assert_code(1);
    assert_eq!(rotating.entry("age.agekey"), current);
    assert_eq!(rotating.entry("age.next.agekey"), None);
    rotating.assert_all_open();
    assert_clone_open(&rotating, &clone, &rotating.keys());
    rotating.init(&["--use-existing"]).assert_code(0);
    let current = current.expect("a key");
    rotating.assert_open_with(current.lines().last().expect("a line"));
}

/// All its keys are in the cluster.
#[test]
fn any_clone_can_finish_even_one_that_is_behind() {
    let rotating = Rotating::new("anyclone");
    let clone = clone(&rotating);
    rotating.force(&[]).assert_code(0);
    rotating.paused_at("begun", &[]).kill();
    let run = run_in(&rotating, &clone, &["init", "--force"]);
    run.assert_code(0);
    assert_clone_open(&rotating, &clone, run.out().trim());
    rotating.assert_all_open();
    rotating.init(&["--use-existing"]).assert_code(0);
    rotating.assert_open_with(run.out().trim());
}

/// Someone looks at "Go on?" for as long as a whole rotation takes.
#[test]
fn resuming_on_what_was_read_long_ago_changes_nothing() {
    let rotating = Rotating::new("stale");
    rotating.paused_at("begun", &[]).kill();
    let clone = clone(&rotating);
    let stale = rotating.paused_at("planned", &[]);
    // In another clone it is finished, another one too, and the old keys are gone.
    for arguments in [
        &["init", "--force"][..],
        &["init", "--force"],
        &["prune", "--yes"],
    ] {
        run_in(&rotating, &clone, arguments).assert_code(0);
    }
    let before: Vec<Vec<u8>> = rotating
        .files
        .iter()
        .map(|(name, _)| rotating.world.read_bytes(name))
        .collect();
    let run = go_on(stale);
    assert_fails(&run, 1, &["were changed by someone else meanwhile"]);
    for ((name, _), before) in rotating.files.iter().zip(before) {
        assert_eq!(rotating.world.read_bytes(name), before, "{name}");
    }
    assert_clone_open(&rotating, &clone, &rotating.keys());
    rotating.assert_no_stray();
}
