//! may's coroutines, with one worker.

use super::stacks::Stacks;
use crate::cpu;
use crate::micro::per_operation;
use may::coroutine::{self, Coroutine, JoinHandle};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// may.
pub struct May;

impl Stacks for May {
    type Handle<T: Send + 'static> = JoinHandle<T>;

    fn run(main: impl FnOnce() + Send + 'static) {
        may::config().set_workers(1).set_pool_capacity(2_000).set_worker_pin(false);
        Self::spawn(main).join().expect("no panic");
    }

    fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        // SAFETY: nothing that is measured overflows its stack or touches a thread-local value.
        unsafe { coroutine::spawn(f) }
    }

    fn join<T: Send + 'static>(handle: JoinHandle<T>) -> T {
        handle.join().expect("no panic")
    }

    fn yield_now() {
        coroutine::yield_now();
    }

    fn sleep(time: Duration) {
        coroutine::sleep(time);
    }

    fn park() {
        loop {
            coroutine::park();
        }
    }

    fn ping_pong(times: usize) -> f64 {
        let turns = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let this = coroutine::current();
        let start = cpu::own_time();
        let other = Self::spawn({
            let turns = Arc::clone(&turns);
            move || (0..times).for_each(|_| take_turn(&turns, 0, &this))
        });
        turns[0].store(true, Ordering::Release);
        other.coroutine().unpark();
        for _ in 1..times {
            take_turn(&turns, 1, other.coroutine());
        }
        Self::join(other);
        per_operation(start, times)
    }
}

/// Waits for the turn `mine`, and gives the other one to `other`.
fn take_turn(turns: &[AtomicBool; 2], mine: usize, other: &Coroutine) {
    while !turns[mine].swap(false, Ordering::Acquire) {
        coroutine::park();
    }
    turns[1 - mine].store(true, Ordering::Release);
    other.unpark();
}
