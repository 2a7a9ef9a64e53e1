//! The threads of the system. They are dear, so that fewer must do.

use crate::bench::{BATCH, Bench, batches, per_operation, per_parked};
use std::hint::black_box;
use std::thread;

/// Takes one measurement.
pub fn measure(bench: Bench) -> Option<f64> {
    match bench {
        Bench::YieldTwo | Bench::YieldThousand => {
            let (threads, times) = bench.yields();
            Some(yields(threads, times / 5))
        }
        Bench::SpawnJoin => Some(spawns(|number| number)),
        Bench::SpawnYieldJoin => Some(spawns(|number| {
            thread::yield_now();
            number
        })),
        Bench::Switch => None,
        Bench::Parked => Some(per_parked(BATCH, || {
            for _ in 0..BATCH {
                drop(thread::spawn(|| {
                    loop {
                        thread::park();
                    }
                }));
            }
            // All share this processor: they have started when this one is last in the queue.
            thread::sleep(std::time::Duration::from_millis(200));
        })),
    }
}

fn yields(threads: usize, times: usize) -> f64 {
    per_operation(threads * times, || {
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| (0..times).for_each(|_| thread::yield_now()));
            }
        });
    })
}

fn spawns(f: fn(usize) -> usize) -> f64 {
    let mut handles = Vec::with_capacity(BATCH);
    batches(10, || {
        handles.extend((0..BATCH).map(|number| thread::spawn(move || f(black_box(number)))));
        let sum: usize = handles.drain(..).map(|handle| handle.join().expect("no panic")).sum();
        assert_eq!(sum, BATCH * (BATCH - 1) / 2);
    })
}
