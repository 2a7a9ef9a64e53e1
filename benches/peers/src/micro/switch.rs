//! What it costs to switch to another stack and back, without a scheduler.

use super::{Bench, per_operation, print};
use crate::cpu;

/// A bare coroutine that counts.
pub trait Counter {
    /// Makes it.
    fn begin() -> Self;

    /// Resumes it with a number; it yields the next one.
    fn next(&mut self, number: usize) -> usize;
}

/// Takes the measurement on the coroutine `C` and prints it.
pub fn run<C: Counter>() {
    let mut counter = C::begin();
    let mut number = 0;
    let start = cpu::own_time();
    for _ in 0..TIMES {
        number = counter.next(number);
    }
    let cost = per_operation(start, TIMES);
    assert_eq!(number, TIMES);
    print(Bench::Switch, &vec![cost]);
}

const TIMES: usize = 5_000_000;
