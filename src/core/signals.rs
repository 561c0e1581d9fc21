//! Signals that would stop kb in the middle of something.
//!
//! signal-hook leaves its handler behind when the last action for a signal is removed, and
//! that handler does nothing: the signal would be ignored for good. So the first guard of a
//! signal adds an action that ends kb, as the system would, and that is switched off as long
//! as a guard lives.

use std::ffi::c_int;
use std::io;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::{SigId, flag, low_level};

/// As long as it lives, a first INT, TERM or HUP does nothing, because what is
/// under way ends by itself within the time limit of its requests; a second one
/// stops kb all the same.
#[must_use]
pub struct SignalGuard {
    // Dropped before the actions are removed: a signal in between ends kb.
    guarded: Vec<Guarded>,
    ids: Vec<SigId>,
    came: Vec<Arc<AtomicBool>>,
}

/// Holds the signals. One that is ignored already, as HUP is under `nohup`, stays
/// ignored.
pub fn hold() -> SignalGuard {
    let mut held = SignalGuard {
        guarded: Vec::new(),
        ids: Vec::new(),
        came: Vec::new(),
    };
    for signal in not_ignored([SIGINT, SIGTERM, SIGHUP]) {
        let came = Arc::new(AtomicBool::new(false));
        // In this order: the first signal finds the flag unset, and sets it.
        let stop = flag::register_conditional_default(signal, Arc::clone(&came));
        let set = flag::register(signal, Arc::clone(&came));
        held.ids.extend([stop, set].into_iter().flatten());
        held.came.push(came);
        held.guarded.extend(Guarded::new(signal));
    }
    held
}

impl SignalGuard {
    /// Whether one has come.
    pub fn asked_to_stop(&self) -> bool {
        self.came.iter().any(|came| came.load(Ordering::Relaxed))
    }
}

impl Drop for SignalGuard {
    fn drop(&mut self) {
        self.guarded.clear();
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
    // Dropped before `signals`: a signal in between ends kb.
    _guarded: Vec<Guarded>,
    signals: Signals,
    stop: bool,
    interrupted: bool,
}

/// What a [`Watch`] saw first.
#[derive(Debug)]
pub enum WatchOutcome {
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
        let watched: Vec<c_int> = not_ignored([SIGTERM, SIGHUP, SIGINT, SIGQUIT]).collect();
        let signals = Signals::new(watched.iter().copied().chain([SIGCHLD]))?;
        let guarded = watched.into_iter().map(Guarded::new);
        Ok(Self {
            _guarded: guarded.collect::<io::Result<_>>()?,
            signals,
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
    pub fn wait(&mut self, child: &mut Child) -> io::Result<WatchOutcome> {
        loop {
            self.look();
            if self.stop {
                return Ok(WatchOutcome::Stop);
            }
            if let Some(status) = child.try_wait()? {
                return Ok(WatchOutcome::Ended(status));
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

/// The action of a signal while no guard is there for it.
struct DefaultAction {
    signal: c_int,
    /// Whether it ends kb.
    ends: Arc<AtomicBool>,
    guards: usize,
}

/// Of the process, as the actions themselves are.
static DEFAULTS: Mutex<Vec<DefaultAction>> = Mutex::new(Vec::new());

fn defaults() -> MutexGuard<'static, Vec<DefaultAction>> {
    DEFAULTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As long as it lives, the signal does not end kb by itself; then it does again.
struct Guarded(c_int);

impl Guarded {
    fn new(signal: c_int) -> io::Result<Self> {
        let mut defaults = defaults();
        let known = defaults.iter().position(|known| known.signal == signal);
        let at = match known {
            Some(at) => at,
            None => {
                let ends = Arc::new(AtomicBool::new(false));
                flag::register_conditional_default(signal, Arc::clone(&ends))?;
                defaults.push(DefaultAction {
                    signal,
                    ends,
                    guards: 0,
                });
                defaults.len() - 1
            }
        };
        defaults[at].guards += 1;
        defaults[at].ends.store(false, Ordering::SeqCst);
        Ok(Self(signal))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        for default in defaults().iter_mut().filter(|it| it.signal == self.0) {
            default.guards -= 1;
            default.ends.store(default.guards == 0, Ordering::SeqCst);
        }
    }
}

/// Makes a write beyond the limit for the size of files (`ulimit -f`) an error like that of
/// a full disk, where it would end kb. Programs that kb starts get the default action back:
/// a handler, unlike an ignored signal, does not outlive exec.
pub fn survive_size_limit() {
    for signal in not_ignored([SIGXFSZ]) {
        // If it cannot be had, all is as it was.
        let _ = flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
}

fn not_ignored<const N: usize>(signals: [c_int; N]) -> impl Iterator<Item = c_int> {
    let ignored = ignored_signals();
    let minded = move |signal: &c_int| ignored & (1 << (signal - 1)) == 0;
    signals.into_iter().filter(minded)
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
