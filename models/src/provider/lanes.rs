//! Many conversations at once: the threads of a stage, and which faults end all of them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{CallFault, Error, Result};

/// Does the work of each item, so many at once; answers with how many could not be finished and may be tried again.
///
/// # Errors
/// The first fault that every other item would meet as well; no further item is begun then.
pub(crate) fn in_lanes<T: Sync>(items: &[T], lanes: usize, work: impl Fn(&T) -> Result<()> + Sync) -> Result<usize> {
    let (next, unfinished) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (stop, stopped) = (AtomicBool::new(false), Mutex::new(None));
    let lane = || {
        while !stop.load(Ordering::Relaxed)
            && let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed))
        {
            match work(item) {
                Ok(()) => {}
                Err(Error::Call { fault, .. }) if !fault.fatal() && fault != CallFault::NotRecorded => {
                    unfinished.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    stopped.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
        }
    };
    std::thread::scope(|scope| (0..lanes.clamp(1, items.len().max(1))).for_each(|_| drop(scope.spawn(lane))));
    let stopped = stopped.into_inner().unwrap_or_else(PoisonError::into_inner);
    stopped.map_or(Ok(unfinished.into_inner()), Err)
}
