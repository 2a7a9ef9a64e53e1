//! What a worker waits for before it ends.

#[cfg(feature = "green")]
use std::sync::atomic::Ordering::Relaxed;
use std::{fmt, rc::Rc};

#[cfg(feature = "green")]
use super::scoreboard::Entry;
use super::worker::Inner;

/// Something that [`Worker::drained`](super::Worker::drained) waits for, until it is dropped.
pub struct Tracked {
    pub(super) worker: Rc<Inner>,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let left = self.worker.tracked.get() - 1;
        self.worker.tracked.set(left);
        if left == 0 {
            self.worker.idle.wake();
        }
    }
}

/// Counts a green thread in the worker's entry.
#[cfg(feature = "green")]
pub(super) struct CountedGreen(&'static Entry);

#[cfg(feature = "green")]
impl CountedGreen {
    pub(super) fn new(worker: &Inner) -> Self {
        worker.entry().green_threads.fetch_add(1, Relaxed);
        Self(worker.entry())
    }
}

#[cfg(feature = "green")]
impl Drop for CountedGreen {
    fn drop(&mut self) {
        self.0.green_threads.fetch_sub(1, Relaxed);
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tracked")
    }
}
