//! The same work on many things, on all cores.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    let next = AtomicUsize::new(0);
    let take = || {
        let mut results = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else {
                break results;
            };
            results.push((at, work(item)));
        }
    };
    let mut results = scope(|scope| {
        let workers = cores().min(items.len());
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(take)).collect();
        let mut results = Vec::with_capacity(items.len());
        for worker in workers {
            match worker.join() {
                Ok(part) => results.extend(part),
                // kb's own hook has said it.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// As [`map`], for work that takes the items.
///
/// # Panics
/// If the work does.
pub fn map_owned<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let items: Vec<Mutex<Option<T>>> = items.into_iter().map(|it| Mutex::new(Some(it))).collect();
    let results = map(&items, |item| {
        let item = item.lock().ok().and_then(|mut item| item.take());
        item.map(&work)
    });
    results.into_iter().flatten().collect()
}
