//! Signals that would stop kb in the middle of something.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};

/// As long as it lives, a first INT, TERM or HUP does nothing, because what is
/// under way ends by itself within the time limit of its requests; a second one
/// stops kb all the same.
#[must_use]
pub struct Held(Vec<SigId>);

/// Holds the signals. One that is ignored already, as HUP is under `nohup`, stays
/// ignored.
pub fn hold() -> Held {
    let ignored = ignored_signals();
    let mut registered = Vec::new();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if ignored & (1 << (signal - 1)) != 0 {
            continue;
        }
        let came = Arc::new(AtomicBool::new(false));
        // In this order: the first signal finds the flag unset, and sets it.
        let stop = flag::register_conditional_default(signal, Arc::clone(&came));
        let set = flag::register(signal, came);
        registered.extend([stop, set].into_iter().flatten());
    }
    Held(registered)
}

impl Drop for Held {
    fn drop(&mut self) {
        for id in self.0.drain(..) {
            low_level::unregister(id);
        }
    }
}

/// The signals that are ignored: bit 0 for signal 1. Linux tells it in
/// proc_pid_status(5); elsewhere none counts as ignored.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}
