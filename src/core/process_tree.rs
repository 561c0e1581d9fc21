//! Ends a program together with what it has started.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// How long programs that were asked to end may take.
const GRACE: Duration = Duration::from_secs(2);

/// Ends a program and what it has started, gently at first.
pub fn end(child: &mut Child) {
    let family = family(Pid::from_child(child));
    for pid in &family {
        let _ = kill_process(*pid, Signal::TERM);
    }
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline {
        let ended = !matches!(child.try_wait(), Ok(None));
        if ended && !family.iter().any(|pid| test_kill_process(*pid).is_ok()) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    for pid in &family {
        let _ = kill_process(*pid, Signal::KILL);
    }
    let _ = child.wait();
}

/// A process and those that it has started, and so on: a program behind a wrapper
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
