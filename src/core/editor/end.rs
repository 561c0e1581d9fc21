//! Ends an editor, so that it can keep what is not saved in it.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::core::signals;

/// How long an editor may take to end by itself when kb is to end: it may have had the same
/// signal.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long it may take when it is told to end.
const GRACE: Duration = Duration::from_secs(2);

/// Ends the editor and what it has started, gently at first.
pub(super) fn end(child: &mut Child) {
    let family = family(Pid::from_child(child));
    if has_ended_within(PATIENCE, child, &family) {
        return;
    }
    // A second signal meanwhile, and vim deletes its swap file.
    let ends = |pid: &Pid| signals::ends_now(pid.as_raw_nonzero().get());
    if family.iter().any(ends) && has_ended_within(GRACE, child, &family) {
        return;
    }
    for pid in &family {
        let _ = kill_process(*pid, Signal::TERM);
    }
    if has_ended_within(GRACE, child, &family) {
        return;
    }
    for pid in &family {
        let _ = kill_process(*pid, Signal::KILL);
    }
    let _ = child.wait();
}

fn has_ended_within(time: Duration, child: &mut Child, family: &[Pid]) -> bool {
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        let has_ended = !matches!(child.try_wait(), Ok(None));
        if has_ended && !family.iter().any(|pid| test_kill_process(*pid).is_ok()) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// A process and those that it has started, and so on: an editor behind a wrapper
/// script is a child of that. Linux tells them, in proc_pid_task(5).
fn family(pid: Pid) -> Vec<Pid> {
    let mut family = vec![pid];
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    for thread in threads.into_iter().flatten().flatten() {
        let children = std::fs::read_to_string(thread.path().join("children"));
        for child in children.unwrap_or_default().split_whitespace() {
            let child = child.parse().ok().and_then(Pid::from_raw);
            family.extend(child.into_iter().flat_map(self::family));
        }
    }
    family
}
