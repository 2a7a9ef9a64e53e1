//! greenloop.

use crate::bench::{
    BATCH, BATCHES, Bench, PARKED, SWITCHES, Turns, batches, per_operation, per_parked,
};
use greenloop::green::{self, Coroutine, Resumed, Wait};
use std::future::pending;
use std::hint::black_box;
use std::rc::Rc;

/// Takes one measurement.
pub fn measure(bench: Bench) -> Option<f64> {
    Some(green::run(move || match bench {
        Bench::YieldTwo | Bench::YieldThousand => yields(bench.yields()),
        Bench::SpawnJoin => spawns(|number| number),
        Bench::SpawnYieldJoin => spawns(|number| {
            green::yield_now();
            number
        }),
        Bench::Switch => switch(),
        Bench::Parked => per_parked(PARKED, || {
            for _ in 0..PARKED {
                drop(green::spawn(|| pending::<()>().wait()));
            }
            green::yield_now();
        }),
    }))
}

fn yields((threads, times): (usize, usize)) -> f64 {
    let turns = Rc::new(Turns::default());
    let cost = per_operation(threads * times, || {
        let handles = (0..threads).map(|this| {
            let turns = Rc::clone(&turns);
            green::spawn(move || {
                for _ in 0..times {
                    turns.take(this);
                    green::yield_now();
                }
            })
        });
        green::join_all(handles.collect::<Vec<_>>());
    });
    turns.check(threads * times);
    cost
}

fn spawns(f: fn(usize) -> usize) -> f64 {
    let mut handles = Vec::with_capacity(BATCH);
    batches(BATCHES, || {
        handles.extend((0..BATCH).map(|number| green::spawn(move || f(black_box(number)))));
        let sum: usize = handles.drain(..).map(|handle| handle.wait().expect("no panic")).sum();
        assert_eq!(sum, BATCH * (BATCH - 1) / 2);
    })
}

fn switch() -> f64 {
    let mut counter = Coroutine::<usize, usize, ()>::new(|yielder, mut number| {
        loop {
            number = yielder.yield_value(number + 1);
        }
    });
    let mut number = 0;
    let cost = per_operation(SWITCHES, || {
        for _ in 0..SWITCHES {
            let Resumed::Yielded(next) = counter.resume(number) else { unreachable!() };
            number = next;
        }
    });
    assert_eq!(number, SWITCHES);
    cost
}
