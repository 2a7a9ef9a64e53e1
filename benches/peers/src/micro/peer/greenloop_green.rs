//! greenloop's green threads.

use super::stacks::{self, Stacks};
use crate::cpu;
use crate::micro::ping_pong::Flag;
use crate::micro::switch::{self, Counter};
use crate::micro::{Bench, per_operation};
use greenloop::green::{self, Coroutine, JoinHandle, Resumed, Wait};
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

/// Takes one measurement and prints it: of green threads, or of the bare coroutine below them.
pub fn run(bench: Bench) {
    match bench {
        Bench::Switch => switch::run::<Coroutine<usize, usize, ()>>(),
        _ => stacks::run::<Green>(bench),
    }
}

impl Counter for Coroutine<usize, usize, ()> {
    fn begin() -> Self {
        Coroutine::new(|yielder, mut number| {
            loop {
                number = yielder.yield_value(number + 1);
            }
        })
    }

    fn next(&mut self, number: usize) -> usize {
        let Resumed::Yielded(next) = self.resume(number) else { unreachable!() };
        next
    }
}

/// greenloop's green threads.
pub struct Green;

impl Stacks for Green {
    type Handle<T: Send + 'static> = JoinHandle<T>;

    fn run(main: impl FnOnce() + Send + 'static) {
        green::run(main);
    }

    fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        green::spawn(f)
    }

    fn join<T: Send + 'static>(handle: JoinHandle<T>) -> T {
        handle.wait().expect("no panic")
    }

    fn yield_now() {
        green::yield_now();
    }

    fn sleep(time: Duration) {
        green::sleep(time);
    }

    fn park() {
        pending::<()>().wait();
    }

    fn ping_pong(times: usize) -> f64 {
        let table = Rc::new((Flag::default(), Flag::default()));
        let other = green::spawn({
            let table = Rc::clone(&table);
            move || {
                for _ in 0..times {
                    table.0.wait().wait();
                    table.1.raise();
                }
            }
        });
        let start = cpu::own_time();
        for _ in 0..times {
            table.0.raise();
            table.1.wait().wait();
        }
        let cost = per_operation(start, times);
        Self::join(other);
        cost
    }
}
