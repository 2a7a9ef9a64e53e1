//! greenloop's green threads.

use super::stacks::Stacks;
use crate::cpu;
use crate::micro::per_operation;
use crate::micro::ping_pong::Flag;
use greenloop::green::{self, JoinHandle, Wait};
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

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
