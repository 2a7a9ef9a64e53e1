//! What something has cost: CPU time, and time on the wall.
//!
//! CPU time is what the scheduler charged to a whole process, its work in the kernel and its helper
//! threads included. So others who use the machine hardly change it.

use std::time::{Duration, Instant};

use crate::{
    process::{self, Forked},
    system,
};

/// A stopwatch that also counts the CPU time of this process and of its finished children.
#[derive(Debug)]
pub struct Stopwatch {
    wall: Instant,
    cpu: Duration,
}

/// What a stopwatch has counted.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// CPU time.
    pub cpu: Duration,
    /// Time on the wall.
    pub wall: Duration,
}

impl Stopwatch {
    /// Starts counting.
    pub fn start() -> Self {
        Self { cpu: used(), wall: Instant::now() }
    }

    /// What was used since.
    pub fn read(&self) -> Cost {
        let wall = self.wall.elapsed();
        Cost { cpu: used().saturating_sub(self.cpu), wall }
    }
}

fn used() -> Duration {
    system::own_time() + system::children_time()
}

/// A stopwatch over processes that still run. It counts the time on the wall where the system does
/// not tell what they have used; alone on a processor, that is nearly the same.
#[derive(Debug)]
pub struct Others<'a> {
    processes: &'a [Forked],
    wall: Instant,
    cpu: Option<Duration>,
}

impl<'a> Others<'a> {
    /// Starts counting.
    pub fn start(processes: &'a [Forked]) -> Self {
        Self { processes, cpu: process::time_of(processes), wall: Instant::now() }
    }

    /// What they have used since.
    pub fn read(&self) -> Cost {
        let wall = self.wall.elapsed();
        let cpu = self.cpu.zip(process::time_of(self.processes));
        Cost { cpu: cpu.map_or(wall, |(before, after)| after - before), wall }
    }
}
