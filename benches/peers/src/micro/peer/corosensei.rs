//! corosensei: the switch that greenloop's green threads are built on, with a stack of its own.

use crate::micro::Bench;
use crate::micro::switch::{self, Counter};
use corosensei::{Coroutine, CoroutineResult};

/// Measures the switch and prints it: there is nothing else.
pub fn run(_: Bench) {
    switch::run::<Coroutine<usize, usize, ()>>();
}

impl Counter for Coroutine<usize, usize, ()> {
    fn begin() -> Self {
        Coroutine::new(|yielder, mut number| {
            loop {
                number = yielder.suspend(number + 1);
            }
        })
    }

    fn next(&mut self, number: usize) -> usize {
        let CoroutineResult::Yield(next) = self.resume(number) else { unreachable!() };
        next
    }
}
