//! Signals that would stop kb in the middle of something.

use std::io;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::{SigId, flag, low_level};

/// As long as it lives, a first INT, TERM or HUP does nothing, because what is
/// under way ends by itself within the time limit of its requests; a second one
/// stops kb all the same.
#[must_use]
pub struct Held {
    ids: Vec<SigId>,
    came: Vec<Arc<AtomicBool>>,
}

/// Holds the signals. One that is ignored already, as HUP is under `nohup`, stays
/// ignored.
pub fn hold() -> Held {
    let ignored = ignored_signals();
    let mut held = Held {
        ids: Vec::new(),
        came: Vec::new(),
    };
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if ignored & (1 << (signal - 1)) != 0 {
            continue;
        }
        let came = Arc::new(AtomicBool::new(false));
        // In this order: the first signal finds the flag unset, and sets it.
        let stop = flag::register_conditional_default(signal, Arc::clone(&came));
        let set = flag::register(signal, Arc::clone(&came));
        held.ids.extend([stop, set].into_iter().flatten());
        held.came.push(came);
    }
    held
}

impl Held {
    /// Whether one has come.
    pub fn asked_to_stop(&self) -> bool {
        self.came.iter().any(|came| came.load(Ordering::Relaxed))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            low_level::unregister(id);
        }
    }
}

/// As long as it lives, INT and QUIT stop nothing, for they belong to the editor
/// that runs meanwhile: in vim's `:make`, Ctrl-C reaches kb too. TERM and HUP are
/// remembered, so that what lies in memory is cleared away first. None is ignored,
/// which the editor would inherit.
pub struct Watch {
    signals: Signals,
    stop: bool,
    interrupted: bool,
}

/// What a [`Watch`] saw first.
#[derive(Debug)]
pub enum Seen {
    /// The program ended.
    Ended(ExitStatus),
    /// kb is to stop, and the program runs still.
    Stop,
}

impl Watch {
    /// Watches from now on.
    ///
    /// # Errors
    /// When the system has no room for the pipe by which it is told.
    pub fn new() -> io::Result<Self> {
        let ignored = ignored_signals();
        let minded = |signal: &i32| ignored & (1 << (signal - 1)) == 0;
        let signals = [SIGTERM, SIGHUP, SIGINT, SIGQUIT]
            .into_iter()
            .filter(minded);
        Ok(Self {
            signals: Signals::new(signals.chain([SIGCHLD]))?,
            stop: false,
            interrupted: false,
        })
    }

    /// Whether TERM or HUP has come.
    pub fn asked_to_stop(&mut self) -> bool {
        self.look();
        self.stop
    }

    /// Whether INT has come since this was last asked.
    pub fn take_interrupt(&mut self) -> bool {
        self.look();
        std::mem::take(&mut self.interrupted)
    }

    /// Waits until the program ends, or kb is to stop.
    ///
    /// # Errors
    /// When the program is no child of kb's any more.
    pub fn wait(&mut self, child: &mut Child) -> io::Result<Seen> {
        loop {
            self.look();
            if self.stop {
                return Ok(Seen::Stop);
            }
            if let Some(status) = child.try_wait()? {
                return Ok(Seen::Ended(status));
            }
            let came: Vec<i32> = self.signals.wait().collect();
            self.note(&came);
        }
    }

    fn look(&mut self) {
        let came: Vec<i32> = self.signals.pending().collect();
        self.note(&came);
    }

    fn note(&mut self, came: &[i32]) {
        self.stop |= came.contains(&SIGTERM) || came.contains(&SIGHUP);
        self.interrupted |= came.contains(&SIGINT);
    }
}

/// The signals that are ignored: bit 0 for signal 1.
fn ignored_signals() -> u64 {
    mask("self", "SigIgn:")
}

/// Whether a process is in the handler of a HUP or TERM: the signal is blocked meanwhile.
pub fn ends_now(pid: i32) -> bool {
    let blocked = mask(&pid.to_string(), "SigBlk:");
    [SIGHUP, SIGTERM]
        .iter()
        .any(|signal| blocked & (1 << (signal - 1)) != 0)
}

/// Signals of a process, as Linux tells them in proc_pid_status(5); elsewhere none.
fn mask(pid: &str, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix(name));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}
