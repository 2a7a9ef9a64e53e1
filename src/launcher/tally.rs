//! What became of a worker's work when the worker ended.
//!
//! The supervisor reads it from the scoreboard when it has reaped the worker, so it is there however that
//! ended. A worker that is told to end at once drops what it has, and nobody could tell that from what was
//! finished: so it notes before how much that is.

use std::{fmt, sync::atomic::Ordering::Relaxed};

use super::scoreboard::Entry;

/// What became of the connections and tasks of a worker that has ended; part of
/// [`Event::Ended`](super::Event::Ended) and [`Event::Died`](super::Event::Died).
///
/// Its `Display` is a line for people.
///
/// # Examples
///
/// ```
/// use greenloop::launcher::{Event, Launcher};
///
/// let launcher = Launcher::new().on_event(|event| match event {
///     Event::Ended(worker, tally) if tally.cut > 0 => {
///         eprintln!("worker {} has cut {} connections: is grace too short?", worker.slot, tally.cut);
///     }
///     _ => {}
/// });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Connections that it has accepted in its life.
    pub accepted: u64,
    /// Connections that were open when it began to drain, or were accepted since, and ended by themselves.
    pub drained: u64,
    /// Connections that were open when its tasks were dropped, because it had to end or its closure had, or
    /// when it was killed.
    pub cut: u64,
    /// What [`Worker::drained`](super::Worker::drained) would still have waited for then: tasks and green
    /// threads that were spawned through the worker, and guards. A connection that such a task serves is
    /// counted in both.
    pub cut_tasks: u64,
    /// Tasks of its loop that have ended by a panic in its life, green threads among them. If it was killed,
    /// those of which it had told when its loop last slept.
    pub panicked: u64,
}

impl Tally {
    /// That of a worker that is gone, or will do nothing more.
    pub(super) fn of(entry: &Entry) -> Self {
        // Whoever has noted what it cuts, and was killed while it did, has cut all of it.
        let left = |now: u32, noted: u32| u64::from(now.max(noted));
        let cut = left(entry.active.load(Relaxed), entry.cut.load(Relaxed));
        let cut_tasks = left(entry.tracked.load(Relaxed), entry.cut_tasks.load(Relaxed));
        let accepted = entry.sums.accepted.load(Relaxed);
        let drained = match entry.drains_from.load(Relaxed) {
            0 => 0,
            // Killed while it accepted one, it may have counted that as open only.
            from => (accepted + 1).saturating_sub(from).saturating_sub(cut),
        };
        let panicked = entry.sums.panicked.load(Relaxed);
        Self { accepted, drained, cut, cut_tasks, panicked }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, drained, cut, cut_tasks, panicked } = self;
        write!(f, "{drained} drained and {cut} cut, {cut_tasks} tasks cut; ")?;
        write!(f, "{accepted} accepted in all, {panicked} panicked")
    }
}

impl Entry {
    /// The worker accepts no more, or only what waits in the queue.
    pub(super) fn note_draining(&self) {
        if self.drains_from.load(Relaxed) == 0 {
            let open = u64::from(self.active.load(Relaxed));
            let ended = self.sums.accepted.load(Relaxed).saturating_sub(open);
            self.drains_from.store(ended + 1, Relaxed);
        }
    }

    /// The worker is about to drop all its tasks.
    pub(super) fn note_cut(&self) {
        self.cut.fetch_max(self.active.load(Relaxed), Relaxed);
        self.cut_tasks.fetch_max(self.tracked.load(Relaxed), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launcher::{scoreboard::Scoreboard, sys::memory};

    /// An entry with so many connections that were accepted, and that are open.
    fn entry(accepted: u64, active: u32) -> &'static Entry {
        let board: &'static Scoreboard = memory::share_with_children().unwrap();
        let entry = board.entry(board.hand_out(0, 1).unwrap());
        entry.sums.accepted.store(accepted, Relaxed);
        entry.active.store(active, Relaxed);
        entry.tracked.store(active, Relaxed);
        entry
    }

    #[test]
    fn who_dies_without_notice_cuts_what_is_open() {
        let tally = Tally::of(entry(5, 2));
        assert_eq!((tally.drained, tally.cut, tally.cut_tasks, tally.accepted), (0, 2, 2, 5));
    }

    #[test]
    fn what_ends_while_it_drains_is_drained_also_if_it_came_late() {
        let entry = entry(5, 2);
        entry.note_draining();
        entry.sums.accepted.store(6, Relaxed);
        // The second order is not another beginning.
        entry.active.store(1, Relaxed);
        entry.note_draining();
        let tally = Tally::of(entry);
        assert_eq!((tally.drained, tally.cut, tally.accepted), (2, 1, 6));
    }

    #[test]
    fn what_is_dropped_is_cut_and_not_drained() {
        let entry = entry(5, 3);
        entry.note_draining();
        entry.active.store(2, Relaxed);
        entry.tracked.store(1, Relaxed);
        entry.note_cut();
        // Killed in the middle of it, or not.
        for left in [1, 0] {
            entry.active.store(left, Relaxed);
            entry.tracked.store(0, Relaxed);
            let tally = Tally::of(entry);
            assert_eq!((tally.drained, tally.cut, tally.cut_tasks), (1, 2, 1));
        }
    }

    #[test]
    fn the_next_one_at_its_place_begins_at_nothing() {
        let board: &Scoreboard = memory::share_with_children().unwrap();
        let entry = board.entry(board.hand_out(0, 1).unwrap());
        entry.sums.accepted.store(5, Relaxed);
        entry.sums.panicked.store(5, Relaxed);
        entry.active.store(2, Relaxed);
        entry.tracked.store(2, Relaxed);
        entry.note_draining();
        entry.note_cut();
        board.bury(0);
        assert_eq!(board.hand_out(0, 2), Some(0));
        assert_eq!(Tally::of(entry), Tally::default());
    }

    #[test]
    fn it_reads_as_a_line() {
        let tally = Tally { accepted: 1204, drained: 3, cut: 1, cut_tasks: 2, panicked: 4 };
        let text = "3 drained and 1 cut, 2 tasks cut; 1204 accepted in all, 4 panicked";
        assert_eq!(tally.to_string(), text);
    }
}
