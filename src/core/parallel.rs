//! The same work on many things, on all cores.

use std::sync::{Mutex, PoisonError};
use std::thread::{available_parallelism, scope};

/// How many cores there are to work on.
pub fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// Does the work on each item, on all cores; the results are in the order of the items.
///
/// # Panics
/// If the work does.
pub fn map<'i, T: Sync, R: Send>(items: &'i [T], work: impl Fn(&'i T) -> R + Sync) -> Vec<R> {
    map_owned(items.iter().collect(), work)
}

/// As [`map`], for work that takes the items.
///
/// # Panics
/// If the work does.
pub fn map_owned<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let workers = cores().min(items.len());
    let mut results = Vec::with_capacity(items.len());
    let items = Mutex::new(items.into_iter().enumerate());
    // Nothing panics while it is locked.
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let take = || {
        let mut results = Vec::new();
        while let Some((at, item)) = next() {
            results.push((at, work(item)));
        }
        results
    };
    scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(take)).collect();
        for worker in workers {
            match worker.join() {
                Ok(part) => results.extend(part),
                // kb's own hook has said it.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}
