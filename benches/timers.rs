//! What a sleep costs that does not come to its end, as most time-outs do not.
//!
//! ```text
//! cargo bench --bench timers
//! ```
//!
//! Each figure is the time of one operation, measured inside a task of a running loop.

mod machine;

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use criterion::{Bencher, BenchmarkId, Criterion};
use greenloop::{EventLoop, sleep};

fn main() {
    machine::print();
    let mut criterion = Criterion::default().configure_from_args();
    create_poll_drop(&mut criterion);
    put_off(&mut criterion);
    criterion.final_summary();
}

const LONG: Duration = Duration::from_secs(60);

fn create_poll_drop(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("create, poll and drop a sleep");
    for others in [0, 10_000] {
        group.bench_function(BenchmarkId::new("others alive", others), |bencher| {
            beside(others, bencher, |sleeps, cx| {
                let start = Instant::now();
                for _ in 0..sleeps {
                    let mut sleep = sleep(LONG);
                    assert!(Pin::new(&mut sleep).poll(cx).is_pending());
                }
                start.elapsed()
            });
        });
    }
}

/// A time-out that is put off again and again, as by each message of a connection.
fn put_off(criterion: &mut Criterion) {
    criterion.bench_function("put a sleep off", |bencher| {
        beside(0, bencher, |resets, cx| {
            let mut sleep = sleep(LONG);
            assert!(Pin::new(&mut sleep).poll(cx).is_pending());
            let start = Instant::now();
            for _ in 0..resets {
                sleep.reset(Instant::now() + LONG);
            }
            let time = start.elapsed();
            assert!(Pin::new(&mut sleep).poll(cx).is_pending());
            time
        });
    });
}

/// Measures so many operations as criterion asks for, while other sleeps are pending.
fn beside(
    others: u64,
    bencher: &mut Bencher<'_>,
    mut operations: impl FnMut(u64, &mut Context<'_>) -> Duration,
) {
    let mut event_loop = EventLoop::new().expect("there are descriptors for a loop");
    bencher.iter_custom(|count| {
        event_loop.run(async {
            let mut others: Vec<_> =
                (0..others).map(|number| sleep(LONG + Duration::from_millis(number))).collect();
            poll_fn(|cx| {
                for sleep in &mut others {
                    assert!(Pin::new(sleep).poll(cx).is_pending());
                }
                Poll::Ready(operations(count, cx))
            })
            .await
        })
    });
}
