//! Runtimes whose tasks have stacks: the same operations, written once for them.
//!
//! Their tasks are closures and no futures, so the benches for tasks do not fit. There are none for what they
//! do not have: sleeps that are given up, and wakers.

use crate::cpu;
use crate::memory;
use crate::micro::{Bench, per_operation, print};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What such a runtime must be able to do to be measured.
pub trait Stacks: 'static {
    /// What `spawn` returns.
    type Handle<T: Send + 'static>;

    /// Runs a closure as the first task.
    fn run(main: impl FnOnce() + Send + 'static);

    /// Starts a task.
    fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Self::Handle<T>;

    /// Waits for a task and returns its result.
    fn join<T: Send + 'static>(handle: Self::Handle<T>) -> T;

    /// Lets the other tasks run once.
    fn yield_now();

    /// Waits until `time` has passed.
    fn sleep(time: Duration);

    /// Waits for ever.
    fn park();

    /// Two tasks wake each other so often; the cost of a round trip.
    fn ping_pong(times: usize) -> f64;
}

/// Takes one measurement on the runtime `S`, prints it and ends the process.
pub fn run<S: Stacks>(bench: Bench) {
    S::run(move || {
        let figures = match bench {
            Bench::SpawnJoin => vec![spawn_join::<S>(200, |number| number)],
            Bench::SpawnYieldJoin => vec![spawn_join::<S>(200, |number| {
                S::yield_now();
                number
            })],
            Bench::YieldTwo => vec![yields::<S>(2, 250_000)],
            Bench::YieldThousand => vec![yields::<S>(1_000, 300)],
            Bench::PingPong => vec![S::ping_pong(200_000)],
            // A stack each: fewer must do.
            Bench::Sleeps => vec![sleeps::<S>(20_000)],
            Bench::Parked => parked::<S>(20_000),
            _ => unreachable!("it is not asked for"),
        };
        print(bench, &figures);
        std::process::exit(0);
    });
}

/// Runs `task` in batches of tasks, each with a number that it returns.
fn spawn_join<S: Stacks>(
    batches: usize,
    task: impl Fn(usize) -> usize + Copy + Send + 'static,
) -> f64 {
    let mut handles = Vec::with_capacity(BATCH);
    let mut batch = || {
        handles.extend((0..BATCH).map(|number| S::spawn(move || task(black_box(number)))));
        let sum: usize = handles.drain(..).map(S::join).sum();
        assert_eq!(sum, BATCH * (BATCH - 1) / 2);
    };
    for _ in 0..batches / 10 {
        batch();
    }
    let start = cpu::own_time();
    for _ in 0..batches {
        batch();
    }
    per_operation(start, batches * BATCH)
}

fn yields<S: Stacks>(count: usize, times: usize) -> f64 {
    // Only one runs at a time; a load and a store cost what a `Cell` does.
    let turns = Arc::new([const { AtomicUsize::new(0) }; 3]);
    let start = cpu::own_time();
    let handles: Vec<_> = (0..count)
        .map(|this| {
            let turns = Arc::clone(&turns);
            S::spawn(move || {
                let [total, latest, greedy] = &*turns;
                for _ in 0..times {
                    total.store(total.load(Relaxed) + 1, Relaxed);
                    if latest.load(Relaxed) == this {
                        greedy.store(greedy.load(Relaxed) + 1, Relaxed);
                    }
                    latest.store(this, Relaxed);
                    S::yield_now();
                }
            })
        })
        .collect();
    handles.into_iter().for_each(|handle| S::join(handle));
    let cost = per_operation(start, count * times);
    let [total, _, greedy] = &*turns;
    assert_eq!(total.load(Relaxed), count * times);
    assert!(greedy.load(Relaxed) < count * times / 20 + 2, "they do not take turns");
    cost
}

fn sleeps<S: Stacks>(count: usize) -> f64 {
    let start = cpu::own_time();
    let begun = Instant::now();
    let sleeper = |number: usize| {
        // 7919 and 1000 have no common divisor, so every duration comes equally often.
        let time = Duration::from_millis((number * 7919 % 1000 + 1) as u64);
        S::spawn(move || {
            S::sleep(time);
            time
        })
    };
    let handles: Vec<_> = (0..count).map(sleeper).collect();
    let total: Duration = handles.into_iter().map(S::join).sum();
    let cost = per_operation(start, count);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(total.as_millis() as usize, count / 1000 * (1000 * 1001 / 2));
    cost
}

/// Stacks are not malloc's: only what is resident is told.
fn parked<S: Stacks>(count: usize) -> Vec<f64> {
    let ready = Arc::new(AtomicUsize::new(0));
    let pid = std::process::id() as i32;
    let resident = || memory::resident_bytes(pid).expect("the own memory can be read");
    let before = resident();
    for number in 0..count {
        let ready = Arc::clone(&ready);
        let state = [number as u8; 64];
        drop(S::spawn(move || {
            ready.store(ready.load(Relaxed) + 1, Relaxed);
            S::park();
            black_box(&state);
        }));
    }
    // By sleeping, since may runs the one that yields again before it begins with those that are new.
    while ready.load(Relaxed) < count {
        S::sleep(Duration::from_millis(1));
    }
    vec![f64::NAN, (resident() - before) as f64 / count as f64]
}

const BATCH: usize = 1_000;
