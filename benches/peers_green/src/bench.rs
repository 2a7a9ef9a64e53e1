//! What is measured, whoever does it.

use crate::cpu;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// One bench.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bench {
    /// Two green threads let each other run.
    YieldTwo,
    /// A thousand of them do.
    YieldThousand,
    /// Start green threads that only return, in batches of 1,000, and wait for them.
    SpawnJoin,
    /// The same, but each yields once.
    SpawnYieldJoin,
    /// One resume and one suspend of the bare coroutine.
    Switch,
    /// Resident bytes per green thread that waits.
    Parked,
}

impl Bench {
    /// All benches, in the order of the table.
    pub const ALL: [Bench; 6] = [
        Bench::YieldTwo,
        Bench::YieldThousand,
        Bench::SpawnJoin,
        Bench::SpawnYieldJoin,
        Bench::Switch,
        Bench::Parked,
    ];

    /// Its name on the command line, and the words for the table.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Bench::YieldTwo => ("yield-2", "yield, 2 (ns)"),
            Bench::YieldThousand => ("yield-1000", "yield, 1,000 (ns)"),
            Bench::SpawnJoin => ("spawn-join", "spawn + join, batches of 1,000 (ns)"),
            Bench::SpawnYieldJoin => ("spawn-yield-join", "the same, each yields once (ns)"),
            Bench::Switch => ("switch", "bare switch, there and back (ns)"),
            Bench::Parked => ("parked", "parked, resident (B)"),
        }
    }

    /// How many green threads yield how often, in the benches of that kind.
    pub fn yields(self) -> (usize, usize) {
        if self == Bench::YieldTwo { (2, 500_000) } else { (1_000, 1_000) }
    }
}

/// How many are started before they are waited for.
pub const BATCH: usize = 1_000;
/// How many batches are measured, after a tenth as many to warm up.
pub const BATCHES: usize = 200;
/// How many switches are measured.
pub const SWITCHES: usize = 5_000_000;
/// How many wait at a time when their memory is measured.
pub const PARKED: usize = 20_000;

/// Runs `batch` again and again, and gives the CPU time per member of a batch.
pub fn batches(count: usize, mut batch: impl FnMut()) -> f64 {
    for _ in 0..count / 10 {
        batch();
    }
    per_operation(count * BATCH, || (0..count).for_each(|_| batch()))
}

/// CPU time per operation of what `work` does, in nanoseconds.
pub fn per_operation(operations: usize, work: impl FnOnce()) -> f64 {
    let start = cpu::own_time();
    work();
    (cpu::own_time() - start) as f64 / operations as f64
}

/// By how many bytes the resident memory grows per green thread that `park` parks.
pub fn per_parked(count: usize, park: impl FnOnce()) -> f64 {
    let before = cpu::resident();
    park();
    (cpu::resident() - before) / count as f64
}

/// Counts the yields of several green threads, and whether they take turns. Only one runs at a time; a
/// load and a store cost what a `Cell` does.
#[derive(Default)]
pub struct Turns {
    total: AtomicUsize,
    /// Who ran last, and how often somebody ran twice in a row.
    latest: AtomicUsize,
    greedy: AtomicUsize,
}

impl Turns {
    /// Counts a turn of one of them.
    pub fn take(&self, who: usize) {
        self.total.store(self.total.load(Relaxed) + 1, Relaxed);
        if self.latest.load(Relaxed) == who {
            self.greedy.store(self.greedy.load(Relaxed) + 1, Relaxed);
        }
        self.latest.store(who, Relaxed);
    }

    /// Panics unless there were so many turns, of one after the other. Go lets one run twice in a row
    /// every thirtieth time, which is not what is measured here.
    pub fn check(&self, turns: usize) {
        assert_eq!(self.total.load(Relaxed), turns);
        assert!(self.greedy.load(Relaxed) < turns / 20 + 2, "they do not take turns");
    }
}
