//! The loops of this process by their ids, for what must reach a loop from elsewhere and holds
//! nothing but the id: a socket dropped on another thread, an abort from another thread.
//!
//! Ids are never used twice. Nothing on a hot path comes here.

use std::{
    collections::BTreeMap,
    num::NonZeroU64,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Handle, current};
use crate::executor::Job;

static LOOPS: Mutex<BTreeMap<NonZeroU64, Handle>> = Mutex::new(BTreeMap::new());

/// An id for a new loop.
pub(super) fn new_id() -> NonZeroU64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    NonZeroU64::new(LAST.fetch_add(1, Ordering::Relaxed) + 1).expect("2^64 loops take centuries")
}

pub(super) fn enter(handle: Handle) {
    LOOPS.lock().unwrap_or_else(PoisonError::into_inner).insert(handle.loop_id(), handle);
}

pub(super) fn leave(id: NonZeroU64) {
    let handle = LOOPS.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    drop(handle);
}

/// Whether the loop has not ended.
pub(crate) fn is_alive(id: NonZeroU64) -> bool {
    LOOPS.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&id)
}

/// Has a job done by a loop that this thread is not running; dropped if the loop has ended.
pub(crate) fn post(id: NonZeroU64, job: impl FnOnce() + Send + 'static) {
    let handle = LOOPS.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
    if let Some(handle) = handle {
        let job: Job = Box::new(job);
        let _ = handle.post(job);
    }
}

/// Has a job done by a loop: at once if this thread is running it, as soon as it comes to it
/// otherwise.
pub(crate) fn run_or_post(id: NonZeroU64, job: impl FnOnce(&super::Core) + Send + 'static) {
    let mut job = Some(job);
    let done = current::with_loop(id, |core| {
        if let Some(job) = job.take() {
            job(core);
        }
    });
    if let (None, Some(job)) = (done, job) {
        post(id, move || {
            current::with_loop(id, job);
        });
    }
}
