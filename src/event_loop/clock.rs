//! The loop's clock: the one place where it learns the time.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// Nanoseconds since the loop was made.
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Instant,
    /// What `refresh` last read.
    latest: Cell<u64>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { origin: Instant::now(), latest: Cell::new(0) }
    }

    /// Reads the time.
    pub(crate) fn refresh(&self) -> u64 {
        let now = self.nanos(Instant::now());
        self.latest.set(now);
        now
    }

    /// Takes over a time that somebody else has just read.
    pub(crate) fn note(&self, now: Instant) {
        self.latest.set(self.latest.get().max(self.nanos(now)));
    }

    /// The time as it was last read: perhaps earlier than now, never later.
    pub(crate) fn latest(&self) -> u64 {
        self.latest.get()
    }

    /// A time on this clock as an instant; `None` if it lies too far in the future for one.
    pub(crate) fn instant(&self, nanos: u64) -> Option<Instant> {
        self.origin.checked_add(Duration::from_nanos(nanos)).filter(|_| nanos < u64::MAX)
    }

    /// An instant on this clock; before the loop was made counts as then, and what lies beyond
    /// 584 years as that.
    pub(crate) fn nanos(&self, instant: Instant) -> u64 {
        let since: Duration = instant.saturating_duration_since(self.origin);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}
