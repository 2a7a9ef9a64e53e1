//! The program's own figures, in memory that all workers share.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that a worker adds to, and whose sum over all workers anybody can read; from
/// [`Worker::counter`](super::Worker::counter).
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    pub(super) own: &'static AtomicU64,
}

impl Counter {
    /// Adds to it.
    pub fn add(&self, count: u64) {
        self.own.fetch_add(count, Relaxed);
    }

    /// What this worker has added. [`Worker::cluster_stats`](super::Worker::cluster_stats) has the sum
    /// over all.
    #[must_use]
    pub fn own(&self) -> u64 {
        self.own.load(Relaxed)
    }
}

/// A number that goes up and down, from [`Worker::gauge`](super::Worker::gauge): how much there is of
/// something. Anybody can read its sum over all workers.
#[derive(Clone, Copy, Debug)]
pub struct Gauge {
    pub(super) own: &'static AtomicU64,
}

impl Gauge {
    /// Sets it.
    pub fn set(&self, value: i64) {
        self.own.store(value as u64, Relaxed);
    }

    /// Adds to it, or takes away.
    pub fn add(&self, difference: i64) {
        self.own.fetch_add(difference as u64, Relaxed);
    }

    /// What this worker has set. [`Worker::cluster_stats`](super::Worker::cluster_stats) has the sum
    /// over all.
    #[must_use]
    pub fn own(&self) -> i64 {
        self.own.load(Relaxed) as i64
    }
}
