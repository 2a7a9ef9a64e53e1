//! Threads of the operating system: the same operations, as threads do them.
//!
//! They have no timers of their own and no wakers, so some benches are left out.

use crate::cpu;
use crate::memory;
use crate::micro::{Bench, per_operation, print};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

/// Takes one measurement and prints it.
pub fn run(bench: Bench) {
    let figures = match bench {
        Bench::SpawnJoin => vec![spawn_join(10, |number| number)],
        Bench::SpawnYieldJoin => vec![spawn_join(10, |number| {
            thread::yield_now();
            number
        })],
        Bench::YieldTwo => vec![yields(2, 25_000)],
        Bench::YieldThousand => vec![yields(1_000, 50)],
        Bench::PingPong => vec![ping_pong(20_000)],
        Bench::Parked => parked(10_000),
        _ => unreachable!("it is not asked for"),
    };
    print(bench, &figures);
    std::process::exit(0);
}

/// Whether they have what the bench needs.
pub fn has(bench: Bench) -> bool {
    bench.is_common() && bench != Bench::Sleeps
}

/// Runs `task` in batches of threads, each with a number that it returns.
fn spawn_join(batches: usize, task: impl Fn(usize) -> usize + Copy + Send + 'static) -> f64 {
    let batch = || {
        let threads: Vec<_> =
            (0..BATCH).map(|number| thread::spawn(move || task(black_box(number)))).collect();
        threads.into_iter().map(|it| it.join().expect("no panic")).sum::<usize>()
    };
    assert_eq!(batch(), BATCH * (BATCH - 1) / 2);
    let start = cpu::own_time();
    for _ in 0..batches {
        batch();
    }
    per_operation(start, batches * BATCH)
}

/// They do not take turns: the system may let one go on that yields.
fn yields(count: usize, times: usize) -> f64 {
    let start = cpu::own_time();
    let threads: Vec<_> = (0..count)
        .map(|_| {
            thread::spawn(move || {
                for _ in 0..times {
                    thread::yield_now();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    per_operation(start, count * times)
}

/// Two that park and unpark each other.
fn ping_pong(times: usize) -> f64 {
    let turns = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
    let main = thread::current();
    let start = cpu::own_time();
    let other = thread::spawn({
        let turns = Arc::clone(&turns);
        move || (0..times).for_each(|_| take_turn(&turns, 0, &main))
    });
    turns[0].store(true, Ordering::Release);
    other.thread().unpark();
    for _ in 1..times {
        take_turn(&turns, 1, other.thread());
    }
    other.join().expect("no panic");
    per_operation(start, times)
}

/// Waits for the turn `mine`, and gives the other one to `other`.
fn take_turn(turns: &[AtomicBool; 2], mine: usize, other: &Thread) {
    while !turns[mine].swap(false, Ordering::Acquire) {
        thread::park();
    }
    turns[1 - mine].store(true, Ordering::Release);
    other.unpark();
}

/// Their stacks are not malloc's: only what is resident is told.
fn parked(count: usize) -> Vec<f64> {
    let ready = Arc::new(AtomicUsize::new(0));
    let pid = std::process::id() as i32;
    let resident = || memory::resident_bytes(pid).expect("the own memory can be read");
    let before = resident();
    for number in 0..count {
        let ready = Arc::clone(&ready);
        let state = [number as u8; 64];
        drop(thread::spawn(move || {
            ready.fetch_add(1, Ordering::Relaxed);
            loop {
                thread::park();
                black_box(&state);
            }
        }));
    }
    while ready.load(Ordering::Relaxed) < count {
        thread::sleep(Duration::from_millis(1));
    }
    vec![f64::NAN, (resident() - before) as f64 / count as f64]
}

const BATCH: usize = 1_000;
