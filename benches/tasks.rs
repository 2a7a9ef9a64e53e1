//! What tasks cost: spawning and joining, yielding, waking from this thread and from another.
//!
//! ```text
//! cargo bench --bench tasks
//! ```
//!
//! Each figure is the time of one operation, measured inside a running loop.

mod machine;

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    hint::black_box,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    task::{Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use criterion::{Bencher, BenchmarkId, Criterion};
use greenloop::{EventLoop, join_all, spawn, yield_now};

fn main() {
    machine::print();
    let mut criterion = Criterion::default().configure_from_args();
    spawn_and_join(&mut criterion);
    yields(&mut criterion);
    ping_pong(&mut criterion);
    foreign_wake(&mut criterion);
    criterion.final_summary();
}

/// So many tasks are alive at the same time.
const BATCH: u64 = 1000;

fn spawn_and_join(criterion: &mut Criterion) {
    criterion.bench_function("spawn and join", |bencher| {
        in_loop(bencher, async |tasks| {
            let mut handles = Vec::with_capacity(BATCH as usize);
            let mut sum = 0;
            let start = Instant::now();
            for first in (0..tasks).step_by(BATCH as usize) {
                let batch = first..tasks.min(first + BATCH);
                handles.extend(batch.map(|number| spawn(async move { black_box(number) })));
                for handle in handles.drain(..) {
                    sum += handle.await.expect("the task returns its number");
                }
            }
            let time = start.elapsed();
            assert_eq!(sum, (0..tasks).sum::<u64>());
            time
        });
    });
}

fn yields(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("yield");
    for tasks in [1, 2, 1000] {
        group.bench_function(BenchmarkId::from_parameter(tasks), |bencher| {
            in_loop(bencher, async |yields| {
                // Enough rounds for the spawns not to count.
                let rounds = yields.div_ceil(tasks).max(100);
                let done = Rc::new(Cell::new(0));
                let task = |_| {
                    let done = Rc::clone(&done);
                    spawn(async move {
                        for _ in 0..rounds {
                            yield_now().await;
                            done.set(done.get() + 1);
                        }
                    })
                };
                let start = Instant::now();
                join_all((0..tasks).map(task)).await;
                let time = start.elapsed();
                assert_eq!(done.get(), rounds * tasks);
                time.mul_f64(yields as f64 / done.get() as f64)
            });
        });
    }
}

/// Two tasks that wake each other in turns; a round is one wake of each.
fn ping_pong(criterion: &mut Criterion) {
    struct Table {
        turn: Cell<usize>,
        waiting: [RefCell<Option<Waker>>; 2],
    }

    async fn play(table: Rc<Table>, me: usize, rounds: u64) {
        for _ in 0..rounds {
            poll_fn(|cx| {
                if table.turn.get() == me {
                    return Poll::Ready(());
                }
                table.waiting[me].replace(Some(cx.waker().clone()));
                Poll::Pending
            })
            .await;
            let other = 1 - me;
            table.turn.set(other);
            if let Some(waker) = table.waiting[other].take() {
                waker.wake();
            }
        }
    }

    criterion.bench_function("ping-pong", |bencher| {
        in_loop(bencher, async |rounds| {
            let table = Rc::new(Table { turn: Cell::new(0), waiting: Default::default() });
            let start = Instant::now();
            let players = [0, 1].map(|me| spawn(play(Rc::clone(&table), me, rounds)));
            for player in players {
                player.await.expect("both play to the end");
            }
            start.elapsed()
        });
    });
}

/// A task hands its waker to another thread, which sleeps until then, and waits to be woken by it.
fn foreign_wake(criterion: &mut Criterion) {
    let (sender, wakers) = mpsc::channel::<Waker>();
    let wakes = Arc::new(AtomicU64::new(0));
    let thread = thread::spawn({
        let wakes = Arc::clone(&wakes);
        move || {
            for waker in wakers {
                wakes.fetch_add(1, Ordering::Release);
                waker.wake();
            }
        }
    });
    criterion.bench_function("wake from another thread, round trip", |bencher| {
        in_loop(bencher, async |rounds| {
            let before = wakes.load(Ordering::Acquire);
            let start = Instant::now();
            for round in 0..rounds {
                let mut sent = false;
                poll_fn(|cx| {
                    if wakes.load(Ordering::Acquire) > before + round {
                        return Poll::Ready(());
                    }
                    if !std::mem::replace(&mut sent, true) {
                        sender.send(cx.waker().clone()).expect("the thread waits for it");
                    }
                    Poll::Pending
                })
                .await;
            }
            start.elapsed()
        });
    });
    drop(sender);
    thread.join().expect("the thread ends with the channel");
}

/// Measures so many operations as criterion asks for, as the root of a loop of their own.
fn in_loop(bencher: &mut Bencher<'_>, operations: impl AsyncFn(u64) -> Duration) {
    let mut event_loop = EventLoop::new().expect("there are descriptors for a loop");
    bencher.iter_custom(|count| event_loop.run(operations(count)));
}
