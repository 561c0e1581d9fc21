//! Ends an editor, so that it can keep what is not saved in it.

use std::process::Child;
use std::time::Duration;

use crate::core::process_tree::{GRACE, ProcessTree};
use crate::core::signals;

/// How long an editor may take to end by itself when kb is to end: it may have had the same
/// signal.
const PATIENCE: Duration = Duration::from_millis(300);

/// Ends the editor and what it has started, gently at first.
pub(super) fn end(child: &mut Child) {
    let tree = ProcessTree::of(child);
    if tree.has_ended_within(PATIENCE, child) {
        return;
    }
    // A second signal meanwhile, and vim deletes its swap file.
    let is_ending = tree.has_any(|pid| signals::ends_now(pid.as_raw_nonzero().get()));
    if is_ending && tree.has_ended_within(GRACE, child) {
        return;
    }
    tree.end(child);
}
