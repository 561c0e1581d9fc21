//! Shows on a terminal how far the work on many files is, and passes Ctrl-C on.

use std::sync::{Mutex, PoisonError};

use indicatif::ProgressBar;

use super::report::Report;
use crate::core::reencrypt::{Observer, Stage};
use crate::core::signals::{self, SignalGuard};

/// Work on many files. While it lives, a first Ctrl-C only asks the work to stop.
pub struct Progress<'a> {
    report: &'a Report,
    bar: Mutex<Option<(Stage, ProgressBar)>>,
    held: SignalGuard,
    reached: &'a (dyn Fn(Stage, usize) + Sync),
}

impl<'a> Progress<'a> {
    /// `reached` is called after each file.
    pub fn new(report: &'a Report, reached: &'a (dyn Fn(Stage, usize) + Sync)) -> Self {
        Self {
            report,
            bar: Mutex::new(None),
            held: signals::hold(),
            reached,
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bar)) = bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Progress<'_> {
    fn progress(&self, stage: Stage, done: usize, of: usize) {
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if !bar.as_ref().is_some_and(|(shown, _)| *shown == stage)
            && let Some((_, before)) = bar.take()
        {
            before.finish_and_clear();
        }
        let (_, shown) = bar.get_or_insert_with(|| {
            let what = match stage {
                Stage::Reencrypting => "re-encrypting",
                Stage::Replacing => "replacing",
            };
            (stage, self.report.bar(of, what))
        });
        // The workers tell out of order.
        shown.set_position(shown.position().max(done as u64));
        drop(bar);
        (self.reached)(stage, done);
    }

    fn asked_to_stop(&self) -> bool {
        self.held.asked_to_stop()
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}
