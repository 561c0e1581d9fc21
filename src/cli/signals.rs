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

/// Holds the signals. Where the system does not allow it, they stay as they are.
pub fn hold() -> Held {
    let mut registered = Vec::new();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
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
