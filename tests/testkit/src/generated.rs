//! Generated cases: a bounded number of them, from a seed that is printed.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use fastrand::Rng;

/// How many cases, instead of the number that each test names.
const CASES: &str = "KB_TEST_CASES";
/// The seed of the first case, instead of a new one.
const SEED: &str = "KB_TEST_SEED";

/// Runs `case` so many times, on all processors, each time with another seed.
/// The number is the worker's, so that each can have its own files.
///
/// # Panics
/// When a case does; the message before says how to run it again.
pub fn cases(count: u64, case: impl Fn(&mut Rng, usize) + Sync) {
    let number = |name| {
        let value = std::env::var(name).ok()?;
        Some(value.parse::<u64>().expect("a number"))
    };
    let count = number(CASES).unwrap_or(count);
    let first = number(SEED).unwrap_or_else(|| fastrand::u64(..));
    // Past what the tests' harness keeps to itself: the log of a run that went well has
    // it, too.
    let line = format!("{count} generated cases from {SEED}={first}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for worker in 0..workers {
            let case = &case;
            scope.spawn(move || {
                for index in (worker as u64..count).step_by(workers) {
                    let seed = first.wrapping_add(index);
                    let mut rng = Rng::with_seed(seed);
                    let run = catch_unwind(AssertUnwindSafe(|| case(&mut rng, worker)));
                    assert!(run.is_ok(), "again with {CASES}=1 {SEED}={seed}");
                }
            });
        }
    });
}
