//! What green threads cost: yielding, spawning and joining, and the bare switch.
//!
//! ```text
//! cargo bench --bench green
//! ```
//!
//! Each figure is the time of one operation. The bare switch is a `resume` and the `yield_value` that
//! answers it, beside corosensei's own.

mod machine;

use std::{
    cell::Cell,
    hint::black_box,
    rc::Rc,
    time::{Duration, Instant},
};

use corosensei::CoroutineResult;
use criterion::{Bencher, BenchmarkId, Criterion};
use greenloop::{
    EventLoop,
    green::{self, Coroutine, Resumed, Wait},
};

fn main() {
    machine::print();
    let mut criterion = Criterion::default().configure_from_args();
    spawn_and_join(&mut criterion);
    yields(&mut criterion);
    wait_for_what_is_ready(&mut criterion);
    switch(&mut criterion);
    criterion.final_summary();
}

/// So many green threads are alive at the same time.
const BATCH: u64 = 1000;

fn spawn_and_join(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("green spawn and join");
    group.bench_function("that end at once", |bencher| {
        in_loop(bencher, |threads| {
            let mut handles = Vec::with_capacity(BATCH as usize);
            let mut sum = 0;
            let start = Instant::now();
            for first in (0..threads).step_by(BATCH as usize) {
                let batch = first..threads.min(first + BATCH);
                handles.extend(batch.map(|number| green::spawn(move || black_box(number))));
                for handle in handles.drain(..) {
                    sum += handle.wait().expect("the green thread returns its number");
                }
            }
            let time = start.elapsed();
            assert_eq!(sum, (0..threads).sum::<u64>());
            time
        });
    });
    // Each needs a stack of its own.
    group.bench_function("that wait once", |bencher| {
        in_loop(bencher, |threads| {
            let mut handles = Vec::with_capacity(BATCH as usize);
            let start = Instant::now();
            for first in (0..threads).step_by(BATCH as usize) {
                let batch = first..threads.min(first + BATCH);
                handles.extend(batch.map(|_| green::spawn(green::yield_now)));
                for handle in handles.drain(..) {
                    handle.wait().expect("the green thread ends by itself");
                }
            }
            start.elapsed()
        });
    });
}

fn yields(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("green yield");
    for threads in [1, 2, 1000] {
        group.bench_function(BenchmarkId::from_parameter(threads), |bencher| {
            in_loop(bencher, move |yields| {
                // Enough rounds for the spawns not to count.
                let rounds = yields.div_ceil(threads).max(100);
                let done = Rc::new(Cell::new(0));
                let thread = |_| {
                    let done = Rc::clone(&done);
                    green::spawn(move || {
                        for _ in 0..rounds {
                            green::yield_now();
                            done.set(done.get() + 1);
                        }
                    })
                };
                let start = Instant::now();
                green::join_all((0..threads).map(thread));
                let time = start.elapsed();
                assert_eq!(done.get(), rounds * threads);
                time.mul_f64(yields as f64 / done.get() as f64)
            });
        });
    }
}

/// The price of `wait` where nothing has to be waited for, its share of the budget included.
fn wait_for_what_is_ready(criterion: &mut Criterion) {
    criterion.bench_function("green wait for what is ready", |bencher| {
        in_loop(bencher, |waits| {
            let start = Instant::now();
            for number in 0..waits {
                assert_eq!(std::future::ready(black_box(number)).wait(), number);
            }
            start.elapsed()
        });
    });
}

fn switch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("switch there and back");
    group.bench_function("Coroutine", |bencher| {
        let mut coroutine = Coroutine::new(|yielder, mut number: u64| -> u64 {
            while number != u64::MAX {
                number = yielder.yield_value(number + 1);
            }
            number
        });
        let mut number = 0;
        bencher.iter(|| {
            let Resumed::Yielded(next) = coroutine.resume(number) else { unreachable!() };
            number = next;
        });
        assert_eq!(coroutine.resume(u64::MAX), Resumed::Returned(u64::MAX));
    });
    group.bench_function("corosensei", |bencher| {
        let mut coroutine = corosensei::Coroutine::new(|yielder, mut number: u64| -> u64 {
            while number != u64::MAX {
                number = yielder.suspend(number + 1);
            }
            number
        });
        let mut number = 0;
        bencher.iter(|| {
            let CoroutineResult::Yield(next) = coroutine.resume(number) else { unreachable!() };
            number = next;
        });
        assert!(matches!(coroutine.resume(u64::MAX), CoroutineResult::Return(u64::MAX)));
    });
    group.finish();
    let mut group = criterion.benchmark_group("make, start, end");
    group.bench_function("Coroutine", |bencher| {
        bencher.iter(|| {
            let mut coroutine = Coroutine::<u64, (), u64>::new(|_, number| number);
            assert_eq!(coroutine.resume(black_box(7)), Resumed::Returned(7));
        });
    });
    group.finish();
}

/// Measures so many operations as criterion asks for, in the first green thread of a loop.
fn in_loop(bencher: &mut Bencher<'_>, operations: impl Fn(u64) -> Duration + Clone + 'static) {
    let mut event_loop = EventLoop::new().expect("there are descriptors for a loop");
    bencher.iter_custom(|count| {
        let operations = operations.clone();
        event_loop
            .run(async move { green::spawn(move || operations(count)).await })
            .expect("the measurement does not panic")
    });
}
