//! What timers cost: those that are given up early, as time limits are, and those that fire.

use super::{Runtime, per_operation};
use crate::cpu;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Creates, polls once and drops a sleep of a minute, `times` times, while `crowd` other
/// sleeps are pending.
///
/// Every hundredth time the task yields, so that work a runtime has put off is in the figure.
pub async fn drop_early<R: Runtime>(crowd: usize, times: usize) -> f64 {
    let mut others = Vec::with_capacity(crowd);
    for number in 0..crowd {
        let mut sleep = Box::pin(R::sleep(MINUTE + Duration::from_millis(number as u64 * 7)));
        poll_once(sleep.as_mut()).await;
        others.push(sleep);
    }
    R::yield_now().await;
    let start = cpu::own_time();
    for number in 0..times {
        poll_once(pin!(R::sleep(MINUTE))).await;
        if number % 100 == 99 {
            R::yield_now().await;
        }
    }
    let cost = per_operation(start, times);
    assert_eq!(others.len(), crowd);
    cost
}

/// Starts `count` tasks that sleep 1 to 1,000 milliseconds, and waits for all of them.
pub async fn sleeps<R: Runtime>(count: usize) -> f64 {
    let start = cpu::own_time();
    let begun = Instant::now();
    let mut handles = Vec::with_capacity(count);
    for number in 0..count {
        // 7919 and 1000 have no common divisor, so every duration comes equally often.
        let duration = Duration::from_millis((number * 7919 % 1000 + 1) as u64);
        handles.push(R::spawn(async move {
            R::sleep(duration).await;
            duration
        }));
    }
    let mut total = Duration::ZERO;
    for handle in handles {
        total += R::join(handle).await;
    }
    let cost = per_operation(start, count);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(total.as_millis() as usize, count / 1000 * (1000 * 1001 / 2));
    cost
}

/// Polls a sleep once, which must be pending.
async fn poll_once<F: Future<Output = ()>>(mut sleep: Pin<&mut F>) {
    poll_fn(|cx| {
        assert!(sleep.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

const MINUTE: Duration = Duration::from_secs(60);
