//! may, with one worker.

use crate::bench::{BATCH, BATCHES, Bench, PARKED, Turns, batches, per_operation, per_parked};
use may::coroutine::{self, JoinHandle};
use std::hint::black_box;
use std::sync::Arc;

/// Takes one measurement.
pub fn measure(bench: Bench) -> Option<f64> {
    may::config().set_workers(1).set_pool_capacity(2 * BATCH).set_worker_pin(false);
    let measure = move || match bench {
        Bench::YieldTwo | Bench::YieldThousand => Some(yields(bench.yields())),
        Bench::SpawnJoin => Some(spawns(|number| number)),
        Bench::SpawnYieldJoin => Some(spawns(|number| {
            coroutine::yield_now();
            number
        })),
        // Its generators are a crate of their own, and it has no other name for them.
        Bench::Switch => None,
        Bench::Parked => Some(per_parked(PARKED, || {
            for _ in 0..PARKED {
                drop(spawn(coroutine::park));
            }
            coroutine::yield_now();
        })),
    };
    spawn(measure).join().expect("no panic")
}

fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    // SAFETY: nothing that is measured overflows its stack or touches a thread-local value.
    unsafe { coroutine::spawn(f) }
}

fn yields((threads, times): (usize, usize)) -> f64 {
    let turns = Arc::new(Turns::default());
    let cost = per_operation(threads * times, || {
        let handles: Vec<_> = (0..threads)
            .map(|this| {
                let turns = Arc::clone(&turns);
                spawn(move || {
                    for _ in 0..times {
                        turns.take(this);
                        coroutine::yield_now();
                    }
                })
            })
            .collect();
        for handle in handles {
            handle.join().expect("no panic");
        }
    });
    turns.check(threads * times);
    cost
}

fn spawns(f: fn(usize) -> usize) -> f64 {
    let mut handles = Vec::with_capacity(BATCH);
    batches(BATCHES, || {
        handles.extend((0..BATCH).map(|number| spawn(move || f(black_box(number)))));
        let sum: usize = handles.drain(..).map(|handle| handle.join().expect("no panic")).sum();
        assert_eq!(sum, BATCH * (BATCH - 1) / 2);
    })
}
