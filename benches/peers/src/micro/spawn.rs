//! What it costs to start a task and to wait for it.

use super::{Runtime, per_operation};
use crate::cpu;
use std::hint::black_box;

/// Spawns `batches` times 1,000 tasks that do nothing, and joins them batch by batch.
pub async fn spawn_join<R: Runtime>(batches: usize) -> f64 {
    let mut handles = Vec::with_capacity(BATCH);
    let warm_up = batches / 10;
    let mut start = 0;
    let mut sum = 0;
    for batch in 0..warm_up + batches {
        if batch == warm_up {
            start = cpu::own_time();
        }
        for number in 0..BATCH {
            handles.push(R::spawn(async move { black_box(number) }));
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
