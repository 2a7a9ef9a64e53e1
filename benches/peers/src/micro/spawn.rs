//! What it costs to start a task and to wait for it.

use super::{Runtime, per_operation};
use crate::cpu;
use std::future::Future;
use std::hint::black_box;

/// Spawns `batches` times 1,000 tasks that do nothing, and joins them batch by batch.
pub async fn spawn_join<R: Runtime>(batches: usize) -> f64 {
    spawn::<R, _>(batches, |number| async move { black_box(number) }).await
}

/// The same, but each yields once, so that all of a batch are there at the same time.
pub async fn spawn_yield_join<R: Runtime>(batches: usize) -> f64 {
    let task = |number| async move {
        R::yield_now().await;
        number
    };
    spawn::<R, _>(batches, task).await
}

/// Spawns the futures of `task` in batches, each with a number that it returns.
async fn spawn<R: Runtime, F: Future<Output = usize> + 'static>(
    batches: usize,
    task: impl Fn(usize) -> F,
) -> f64 {
    let mut handles = Vec::with_capacity(BATCH);
    let warm_up = batches / 10;
    let mut start = 0;
    let mut sum = 0;
    for batch in 0..warm_up + batches {
        if batch == warm_up {
            start = cpu::own_time();
        }
        for number in 0..BATCH {
            handles.push(R::spawn(task(number)));
        }
        for handle in handles.drain(..) {
            sum += R::join(handle).await;
        }
    }
    let cost = per_operation(start, batches * BATCH);
    assert_eq!(sum, (warm_up + batches) * (BATCH * (BATCH - 1) / 2));
    cost
}

const BATCH: usize = 1_000;
