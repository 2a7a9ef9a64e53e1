#![allow(
    unsafe_code,
    reason = "says of its structures, by a macro that checks it, that they can be shared"
)]
//! What all processes of a launcher know of each other, in memory that they share.
//!
//! Each worker process has an entry, from before it starts until it was reaped. It writes its own and
//! reads those of the others; the supervisor hands the entries out and takes them back. When a worker
//! is gone, its sums are added to those of the dead, so that no total ever goes down.
//!
//! Everything is an atomic integer and every store is complete in itself, so a process may be killed
//! at any moment. The one thing that takes several stores, burying an entry, makes the `burials`
//! number odd meanwhile, and readers of totals try again.

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use super::sys::{clock, memory::shareable};

/// How many worker processes there can be at a time, those that end included.
pub(super) const ENTRIES: usize = 1024;

/// How many workers can be asked for.
pub(super) const SLOTS: usize = 256;

/// How many counters a program can have of its own.
pub(super) const COUNTERS: usize = 24;

/// How many gauges a program can have of its own.
pub(super) const GAUGES: usize = 8;

/// The shared memory.
#[repr(C, align(128))]
pub(super) struct Scoreboard {
    /// The supervisor's process.
    pub(super) supervisor: AtomicU32,
    /// Not 0 from the moment at which the whole server is to stop. A worker that drains then is the
    /// last one to serve its sockets.
    pub(super) stopping: AtomicU32,
    /// One more than the highest entry that was ever used.
    used: AtomicU32,
    /// Odd while an entry is added to the dead.
    burials: AtomicU64,
    /// The sums of the workers that are gone.
    dead: Sums,
    /// How often the worker of each slot was replaced after its death.
    pub(super) restarts: [AtomicU32; SLOTS],
    entries: [Entry; ENTRIES],
}

/// What only ever grows.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Sums {
    /// Connections that were accepted.
    pub(super) accepted: AtomicU64,
    /// What the program called `Worker::count_request` for.
    pub(super) requests: AtomicU64,
    /// The program's own counters.
    pub(super) counters: [AtomicU64; COUNTERS],
}

/// One worker process. The first line of the processor's cache is what the others read at every
/// connection.
#[repr(C, align(128))]
#[derive(Debug)]
pub(super) struct Entry {
    /// A `State`.
    state: AtomicU32,
    /// Connections that are open.
    pub(super) active: AtomicU32,
    /// See `Pulse`.
    pub(super) busy_since: AtomicU64,
    pub(super) pid: AtomicU32,
    pub(super) slot: AtomicU32,
    pub(super) generation: AtomicU32,
    /// Tasks of the loop, when it last slept.
    pub(super) tasks: AtomicU32,
    /// Green threads that the worker looks after.
    pub(super) green_threads: AtomicU32,
    /// When it was started, by `clock::now`.
    pub(super) started: AtomicU64,
    /// The longest time for which the loop was not back at the kernel, in nanoseconds.
    pub(super) longest_turn: AtomicU64,
    pub(super) sums: Sums,
    /// The program's own gauges: each an `i64`, bit by bit.
    pub(super) gauges: [AtomicU64; GAUGES],
}

shareable!(Sums { AtomicU64, [AtomicU64; COUNTERS] });
shareable!(Entry { AtomicU32, AtomicU64, Sums, [AtomicU64; GAUGES] });
shareable!(Scoreboard { AtomicU32, AtomicU64, Sums, [AtomicU32; SLOTS], [Entry; ENTRIES] });

/// What a worker process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum State {
    /// The entry is nobody's.
    Free = 0,
    /// It was started and is not ready.
    Booting = 1,
    /// It serves.
    Ready = 2,
    /// It accepts no more, and ends.
    Draining = 3,
}

impl State {
    fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Booting,
            2 => Self::Ready,
            3 => Self::Draining,
            _ => Self::Free,
        }
    }
}

impl Entry {
    pub(super) fn state(&self) -> State {
        State::from_number(self.state.load(Acquire))
    }

    pub(super) fn set_state(&self, state: State) {
        self.state.store(state as u32, Release);
    }

    /// For how many nanoseconds the loop has not been back at the kernel. 0 while it sleeps there.
    pub(super) fn busy_for(&self, now: u64) -> u64 {
        match self.busy_since.load(Relaxed) {
            0 => 0,
            since => now.saturating_sub(since),
        }
    }
}

impl Scoreboard {
    /// The entry of this place.
    pub(super) fn entry(&self, place: usize) -> &Entry {
        &self.entries[place]
    }

    /// The entries of all workers, with their places.
    pub(super) fn workers(&self) -> impl Iterator<Item = (usize, &Entry)> {
        let used = (self.used.load(Acquire) as usize).min(ENTRIES);
        let entries = self.entries[..used].iter().enumerate();
        entries.filter(|(_, entry)| entry.state() != State::Free)
    }

    /// Gives out an entry. Only the supervisor does. `None` if there are as many workers as can be.
    pub(super) fn hand_out(&self, slot: usize, generation: u32) -> Option<usize> {
        let place = self.entries.iter().position(|entry| entry.state() == State::Free)?;
        let entry = &self.entries[place];
        entry.slot.store(slot as u32, Relaxed);
        entry.generation.store(generation, Relaxed);
        entry.started.store(clock::now(), Relaxed);
        entry.set_state(State::Booting);
        self.used.fetch_max(place as u32 + 1, Release);
        Some(place)
    }

    /// Takes an entry back, and adds its sums to those of the dead. Only the supervisor does.
    pub(super) fn bury(&self, place: usize) {
        let entry = &self.entries[place];
        self.burials.fetch_add(1, Acquire);
        std::sync::atomic::fence(Release);
        for (dead, own) in self.dead.all().zip(entry.sums.all()) {
            dead.fetch_add(own.swap(0, Relaxed), Relaxed);
        }
        for zero in [&entry.active, &entry.pid, &entry.tasks, &entry.green_threads] {
            zero.store(0, Relaxed);
        }
        let zeroes = [&entry.busy_since, &entry.longest_turn].into_iter().chain(&entry.gauges);
        zeroes.for_each(|zero| zero.store(0, Relaxed));
        entry.set_state(State::Free);
        self.burials.fetch_add(1, Release);
    }

    /// The sums over all workers there ever were: accepted, requests, and the program's counters.
    pub(super) fn totals(&self) -> [u64; 2 + COUNTERS] {
        // If the supervisor was killed in the middle of a burial the number stays odd.
        for _ in 0..1000 {
            let before = self.burials.load(Acquire);
            let totals = self.add_up();
            std::sync::atomic::fence(Acquire);
            if before % 2 == 0 && self.burials.load(Relaxed) == before {
                return totals;
            }
            std::hint::spin_loop();
        }
        self.add_up()
    }

    fn add_up(&self) -> [u64; 2 + COUNTERS] {
        let mut totals = [0_u64; 2 + COUNTERS];
        let living = self.entries[..self.used.load(Acquire) as usize].iter().map(|e| &e.sums);
        for sums in std::iter::once(&self.dead).chain(living) {
            for (total, own) in totals.iter_mut().zip(sums.all()) {
                *total = total.wrapping_add(own.load(Relaxed));
            }
        }
        totals
    }
}

impl Sums {
    fn all(&self) -> impl Iterator<Item = &AtomicU64> {
        [&self.accepted, &self.requests].into_iter().chain(&self.counters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launcher::sys::memory;

    #[test]
    fn totals_do_not_change_when_a_worker_is_buried() {
        let board: &Scoreboard = memory::share_with_children().unwrap();
        let first = board.hand_out(0, 1).unwrap();
        let second = board.hand_out(1, 1).unwrap();
        assert_ne!(first, second);
        board.entry(first).sums.accepted.store(5, Relaxed);
        board.entry(second).sums.accepted.store(7, Relaxed);
        board.entry(first).sums.counters[3].store(9, Relaxed);
        board.entry(first).active.store(2, Relaxed);

        board.bury(first);

        assert_eq!((board.totals()[0], board.totals()[2 + 3]), (12, 9));
        assert_eq!(board.workers().map(|(place, _)| place).collect::<Vec<_>>(), [second]);
        let again = board.hand_out(0, 2).unwrap();
        assert_eq!(again, first);
        assert_eq!(board.entry(again).active.load(Relaxed), 0);
        assert_eq!(board.totals()[0], 12);
    }

    #[test]
    fn there_is_an_end_to_the_entries() {
        let board: &Scoreboard = memory::share_with_children().unwrap();
        for _ in 0..ENTRIES {
            board.hand_out(0, 1).unwrap();
        }
        assert_eq!(board.hand_out(0, 1), None);
        board.bury(17);
        assert_eq!(board.hand_out(0, 1), Some(17));
    }

    #[test]
    fn a_loop_that_sleeps_is_not_busy() {
        let board: &Scoreboard = memory::share_with_children().unwrap();
        let entry = board.entry(0);
        assert_eq!(entry.busy_for(clock::now()), 0);
        entry.busy_since.store(1_000, Relaxed);
        assert_eq!((entry.busy_for(1_500), entry.busy_for(900)), (500, 0));
    }
}
