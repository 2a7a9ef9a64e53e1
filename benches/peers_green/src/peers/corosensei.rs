//! corosensei: the switch that greenloop's green threads are built on, with a stack of its own.

use crate::bench::{Bench, SWITCHES, per_operation};
use corosensei::{Coroutine, CoroutineResult};

/// Takes one measurement.
pub fn measure(bench: Bench) -> Option<f64> {
    if bench != Bench::Switch {
        return None;
    }
    let mut counter = Coroutine::<usize, usize, ()>::new(|yielder, mut number| {
        loop {
            number = yielder.suspend(number + 1);
        }
    });
    let mut number = 0;
    let cost = per_operation(SWITCHES, || {
        for _ in 0..SWITCHES {
            let CoroutineResult::Yield(next) = counter.resume(number) else { unreachable!() };
            number = next;
        }
    });
    assert_eq!(number, SWITCHES);
    Some(cost)
}
