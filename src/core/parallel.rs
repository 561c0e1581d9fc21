//! The same work on many things, on all cores.

use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, available_parallelism, scope};

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
    let most = items.len();
    let items = Mutex::new(items.into_iter().enumerate());
    // Nothing panics while it is locked.
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let parts = on_all_cores(most, || {
        let mut results = Vec::new();
        while let Some((at, item)) = next() {
            results.push((at, work(item)));
        }
        results
    });
    let mut results: Vec<(usize, R)> = parts.into_iter().flatten().collect();
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Does the same work on all cores, at `most` so many times: on the caller's thread, and on
/// as many more as the system gives. Where it gives none, the caller does it alone.
///
/// # Panics
/// If the work does.
pub fn on_all_cores<R: Send>(most: usize, work: impl Fn() -> R + Sync) -> Vec<R> {
    scope(|scope| {
        let more = 1..cores().min(most);
        let start = |_| Builder::new().spawn_scoped(scope, &work).ok();
        let started: Vec<_> = more.map_while(start).collect();
        let mut results = vec![work()];
        for worker in started {
            match worker.join() {
                Ok(result) => results.push(result),
                // kb's own hook has said it.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })
}
