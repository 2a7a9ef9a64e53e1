//! What a loop lets others see of it while it turns, without being asked: a supervisor in another
//! process reads it from shared memory and finds out whether the loop still turns.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Where a loop writes its signs of life. Four stores and two looks at the clock per turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pulse {
    /// When the loop last came back from the kernel, by `now`; 0 while it sleeps there, however
    /// long: an idle loop need not wake up to prove that it lives.
    pub(crate) busy_since: &'static AtomicU64,
    /// The longest time between coming back from the kernel and going there again, by `now`.
    pub(crate) longest_turn: &'static AtomicU64,
    /// How many tasks it had when it last went to the kernel.
    pub(crate) tasks: &'static AtomicU32,
    /// How many had ended by a panic.
    pub(crate) panicked: &'static AtomicU64,
    /// The clock that the reader knows, too.
    pub(crate) now: fn() -> u64,
}

impl Pulse {
    /// The loop goes to the kernel, and may sleep there.
    pub(super) fn rest(&self, tasks: usize, panicked: u64) {
        self.tasks.store(u32::try_from(tasks).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.panicked.store(panicked, Ordering::Relaxed);
        let turn = (self.now)().saturating_sub(self.busy_since.load(Ordering::Relaxed));
        // Only this loop writes it.
        if turn > self.longest_turn.load(Ordering::Relaxed) {
            self.longest_turn.store(turn, Ordering::Relaxed);
        }
        self.busy_since.store(0, Ordering::Relaxed);
    }

    /// The loop is back, or begins.
    pub(super) fn beat(&self) {
        self.busy_since.store((self.now)(), Ordering::Relaxed);
    }
}
