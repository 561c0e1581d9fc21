//! Ends a program together with what it has started.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// How long programs that were asked to end may take.
pub const GRACE: Duration = Duration::from_secs(2);

/// Ends a program and what it has started, gently at first.
pub fn end(child: &mut Child) {
    ProcessTree::of(child).end(child);
}

/// A program and what it has started.
pub struct ProcessTree(Vec<Pid>);

impl ProcessTree {
    /// As it is now.
    pub fn of(child: &Child) -> Self {
        Self(family(Pid::from_child(child)))
    }

    /// Whether one of the processes is like this.
    pub fn has_any(&self, is_meant: impl Fn(Pid) -> bool) -> bool {
        self.0.iter().any(|pid| is_meant(*pid))
    }

    /// Waits that long for all of them to end by themselves.
    pub fn has_ended_within(&self, time: Duration, child: &mut Child) -> bool {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            let has_ended = !matches!(child.try_wait(), Ok(None));
            if has_ended && !self.has_any(|pid| test_kill_process(pid).is_ok()) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// Ends them, gently at first.
    pub fn end(self, child: &mut Child) {
        for pid in &self.0 {
            let _ = kill_process(*pid, Signal::TERM);
        }
        if self.has_ended_within(GRACE, child) {
            return;
        }
        for pid in &self.0 {
            let _ = kill_process(*pid, Signal::KILL);
        }
        let _ = child.wait();
    }
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
