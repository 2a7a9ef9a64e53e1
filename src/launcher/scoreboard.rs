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

/// How many sums there are before those.
pub(super) const OWN: usize = 3;

/// How many gauges a program can have of its own.
pub(super) const GAUGES: usize = 8;

/// How many histograms a program can have of its own.
pub(super) const HISTOGRAMS: usize = 16;

/// How many bounds a histogram can have.
pub(super) const BOUNDS: usize = 32;

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
    /// Which figures the program has of its own: see `Names::key`.
    pub(super) figures: AtomicU64,
    /// The bounds of the program's histograms, each followed by `u64::MAX`.
    pub(super) bounds: [[AtomicU64; BOUNDS]; HISTOGRAMS],
    /// What the workers that are gone have recorded.
    dead_histograms: [Buckets; HISTOGRAMS],
    /// What the workers have, each at the place of its entry. They are large, and stand apart from what is
    /// read at every connection. Memory that nobody touches is not there: of these 4.5 MB, two or
    /// three pages for each worker.
    histograms: [[Buckets; HISTOGRAMS]; ENTRIES],
}

/// What only ever grows.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Sums {
    /// Connections that were accepted.
    pub(super) accepted: AtomicU64,
    /// What the program called `Worker::count_request` for.
    pub(super) requests: AtomicU64,
    /// Tasks that have ended by a panic, when the loop last slept.
    pub(super) panicked: AtomicU64,
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
    /// What `Worker::drained` waits for.
    pub(super) tracked: AtomicU32,
    /// When it was started, by `clock::now`.
    pub(super) started: AtomicU64,
    /// The longest time for which the loop was not back at the kernel, in nanoseconds.
    pub(super) longest_turn: AtomicU64,
    pub(super) sums: Sums,
    /// The program's own gauges: each an `i64`, bit by bit.
    pub(super) gauges: [AtomicU64; GAUGES],
    /// One more than how many connections had ended when it began to drain; 0 before.
    pub(super) drains_from: AtomicU64,
    /// How many connections were open when it dropped all its tasks.
    pub(super) cut: AtomicU32,
    /// What `tracked` was then.
    pub(super) cut_tasks: AtomicU32,
}

/// The values that were recorded in a histogram.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Buckets {
    /// How many were not above the bound of the same place, and above the one before. The one after the
    /// last bound has none.
    pub(super) counts: [AtomicU64; BOUNDS + 1],
    pub(super) sum: AtomicU64,
}

shareable!(Sums { AtomicU64, [AtomicU64; COUNTERS] });
shareable!(Entry { AtomicU32, AtomicU64, Sums, [AtomicU64; GAUGES] });
shareable!(Buckets { [AtomicU64; BOUNDS + 1], AtomicU64 });
shareable!(Scoreboard {
    AtomicU32,
    AtomicU64,
    Sums,
    [AtomicU32; SLOTS],
    [Entry; ENTRIES],
    [[AtomicU64; BOUNDS]; HISTOGRAMS],
    [Buckets; HISTOGRAMS],
    [[Buckets; HISTOGRAMS]; ENTRIES],
});

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

    /// A histogram of the worker at this place.
    pub(super) fn histogram(&self, place: usize, number: usize) -> &Buckets {
        &self.histograms[place][number]
    }

    /// The entries of all workers, with their places.
    pub(super) fn workers(&self) -> impl Iterator<Item = (usize, &Entry)> {
        let entries = self.entries[..self.used()].iter().enumerate();
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
        let dead = self.dead_histograms.iter().flat_map(Buckets::all);
        let histograms = dead.zip(self.histograms[place].iter().flat_map(Buckets::all));
        // Nobody else writes them: the worker is gone.
        for (dead, own) in self.dead.all().zip(entry.sums.all()).chain(histograms) {
            dead.store(dead.load(Relaxed).wrapping_add(own.load(Relaxed)), Relaxed);
            own.store(0, Relaxed);
        }
        let Entry { active, pid, tasks, green_threads, tracked, cut, cut_tasks, .. } = entry;
        for zero in [active, pid, tasks, green_threads, tracked, cut, cut_tasks] {
            zero.store(0, Relaxed);
        }
        let zeroes = [&entry.busy_since, &entry.longest_turn, &entry.drains_from];
        zeroes.into_iter().chain(&entry.gauges).for_each(|zero| zero.store(0, Relaxed));
        entry.set_state(State::Free);
        self.burials.fetch_add(1, Release);
    }

    /// The sums over all workers there ever were: accepted, requests, panicked, and from `OWN` on the
    /// program's counters.
    pub(super) fn totals(&self) -> [u64; OWN + COUNTERS] {
        self.undisturbed(|| {
            let living = self.entries[..self.used()].iter().map(|entry| &entry.sums);
            add_up(std::iter::once(&self.dead).chain(living).map(Sums::all))
        })
    }

    /// A histogram over all workers there ever were: its buckets, and the sum of the values.
    pub(super) fn histogram_totals(&self, number: usize) -> [u64; BOUNDS + 2] {
        self.undisturbed(|| {
            let living = self.histograms[..self.used()].iter().map(|own| &own[number]);
            let all = std::iter::once(&self.dead_histograms[number]).chain(living);
            add_up(all.map(Buckets::all))
        })
    }

    fn used(&self) -> usize {
        (self.used.load(Acquire) as usize).min(ENTRIES)
    }

    /// What is read while no entry is added to the dead.
    fn undisturbed<T>(&self, read: impl Fn() -> T) -> T {
        // If the supervisor was killed in the middle of a burial the number stays odd.
        for _ in 0..1000 {
            let before = self.burials.load(Acquire);
            let totals = read();
            std::sync::atomic::fence(Acquire);
            if before % 2 == 0 && self.burials.load(Relaxed) == before {
                return totals;
            }
            // It may be this processor that the supervisor waits for.
            std::thread::yield_now();
        }
        read()
    }
}

fn add_up<'a, const N: usize>(
    workers: impl Iterator<Item = impl Iterator<Item = &'a AtomicU64>>,
) -> [u64; N] {
    let mut totals = [0_u64; N];
    for worker in workers {
        for (total, own) in totals.iter_mut().zip(worker) {
            *total = total.wrapping_add(own.load(Relaxed));
        }
    }
    totals
}

impl Sums {
    fn all(&self) -> impl Iterator<Item = &AtomicU64> {
        [&self.accepted, &self.requests, &self.panicked].into_iter().chain(&self.counters)
    }
}

impl Buckets {
    fn all(&self) -> impl Iterator<Item = &AtomicU64> {
        self.counts.iter().chain([&self.sum])
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

        assert_eq!((board.totals()[0], board.totals()[OWN + 3]), (12, 9));
        assert_eq!(board.workers().map(|(place, _)| place).collect::<Vec<_>>(), [second]);
        let again = board.hand_out(0, 2).unwrap();
        assert_eq!(again, first);
        assert_eq!(board.entry(again).active.load(Relaxed), 0);
        assert_eq!(board.totals()[0], 12);
    }

    #[test]
    fn its_size_is_that_of_a_small_file() {
        assert!(size_of::<Scoreboard>() < 5 << 20, "{}", size_of::<Scoreboard>());
        assert_eq!(size_of::<Buckets>(), (BOUNDS + 2) * 8);
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
