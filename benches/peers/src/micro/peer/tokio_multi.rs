//! tokio's scheduler of many threads, with one worker: its tasks must be `Send`, so the benches are written
//! for it.

use crate::cpu;
use crate::memory;
use crate::micro::{Bench, per_operation, print};
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::task::{spawn, yield_now};

/// Takes one measurement inside a task of the worker, prints it and ends the process.
pub fn run(bench: Bench) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("tokio starts").block_on(async move {
        let task = spawn(async move {
            let figures = match bench {
                Bench::SpawnJoin => {
                    vec![spawn_join(300, |number| async move { black_box(number) }).await]
                }
                Bench::SpawnYieldJoin => vec![
                    spawn_join(300, |number| async move {
                        yield_now().await;
                        number
                    })
                    .await,
                ],
                Bench::YieldTwo => vec![yields(2, 250_000).await],
                Bench::YieldThousand => vec![yields(1_000, 500).await],
                Bench::PingPong => vec![ping_pong(300_000).await],
                Bench::Sleeps => vec![sleeps(1_000_000).await],
                Bench::Parked => parked(1_000_000).await,
                _ => unreachable!("it is not asked for"),
            };
            print(bench, &figures);
            std::process::exit(0);
        });
        task.await.expect("no panic")
    });
}

/// Runs the futures of `task` in batches of tasks, each with a number that it returns.
async fn spawn_join<F: Future<Output = usize> + Send + 'static>(
    batches: usize,
    task: impl Fn(usize) -> F,
) -> f64 {
    let mut handles = Vec::with_capacity(BATCH);
    let mut start = 0;
    let warm_up = batches / 10;
    for batch in 0..warm_up + batches {
        if batch == warm_up {
            start = cpu::own_time();
        }
        handles.extend((0..BATCH).map(|number| spawn(task(number))));
        let mut sum = 0;
        for handle in handles.drain(..) {
            sum += handle.await.expect("no panic");
        }
        assert_eq!(sum, BATCH * (BATCH - 1) / 2);
    }
    per_operation(start, batches * BATCH)
}

async fn yields(tasks: usize, times: usize) -> f64 {
    let total = Arc::new(AtomicUsize::new(0));
    let start = cpu::own_time();
    let task = |_| {
        let total = Arc::clone(&total);
        spawn(async move {
            for _ in 0..times {
                // Only one runs at a time; this costs what a `Cell` does.
                total.store(total.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                yield_now().await;
            }
        })
    };
    let handles: Vec<_> = (0..tasks).map(task).collect();
    for handle in handles {
        handle.await.expect("no panic");
    }
    let cost = per_operation(start, tasks * times);
    assert_eq!(total.load(Ordering::Relaxed), tasks * times);
    cost
}

async fn ping_pong(times: usize) -> f64 {
    let table = Arc::new((Flag::default(), Flag::default()));
    let other = spawn({
        let table = Arc::clone(&table);
        async move {
            for _ in 0..times {
                table.0.wait().await;
                table.1.raise();
            }
        }
    });
    let serves = spawn(async move {
        let start = cpu::own_time();
        for _ in 0..times {
            table.0.raise();
            table.1.wait().await;
        }
        per_operation(start, times)
    });
    let cost = serves.await.expect("no panic");
    other.await.expect("no panic");
    cost
}

/// A flag that one task waits for and another raises.
#[derive(Default)]
struct Flag {
    up: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

impl Flag {
    fn raise(&self) {
        self.up.store(true, Ordering::Release);
        let waiting = self.waiting.lock().expect("no panic").take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            let mut waiting = self.waiting.lock().expect("no panic");
            if self.up.swap(false, Ordering::Acquire) {
                return Poll::Ready(());
            }
            *waiting = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

async fn sleeps(count: usize) -> f64 {
    let start = cpu::own_time();
    let begun = Instant::now();
    let sleeper = |number: usize| {
        // 7919 and 1000 have no common divisor, so every duration comes equally often.
        let time = Duration::from_millis((number * 7919 % 1000 + 1) as u64);
        spawn(async move {
            tokio::time::sleep(time).await;
            time
        })
    };
    let handles: Vec<_> = (0..count).map(sleeper).collect();
    let mut total = Duration::ZERO;
    for handle in handles {
        total += handle.await.expect("no panic");
    }
    let cost = per_operation(start, count);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(total.as_millis() as usize, count / 1000 * (1000 * 1001 / 2));
    cost
}

/// The worker has an arena of its own, which malloc does not count: only what is resident is told.
async fn parked(count: usize) -> Vec<f64> {
    let wakers = Arc::new(Mutex::new(vec![Waker::noop().clone(); count]));
    wakers.lock().expect("no panic").clear();
    let pid = std::process::id() as i32;
    let resident = || memory::resident_bytes(pid).expect("the own memory can be read");
    let before = resident();
    for number in 0..count {
        let mut state = [0; 64];
        state[0] = number as u8;
        let wakers = Arc::clone(&wakers);
        drop(spawn(async move {
            poll_fn(|cx| {
                wakers.lock().expect("no panic").push(cx.waker().clone());
                Poll::<()>::Pending
            })
            .await;
            black_box(&state);
        }));
    }
    while wakers.lock().expect("no panic").len() < count {
        yield_now().await;
    }
    vec![f64::NAN, (resident() - before) as f64 / count as f64]
}

const BATCH: usize = 1_000;
