//! What it costs that one task wakes another: the price of a local message without the queue.

use super::{Runtime, per_operation};
use crate::cpu;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Two tasks take turns `times` times; the cost of a round trip.
pub async fn ping_pong<R: Runtime>(times: usize) -> f64 {
    let table = Rc::new((Flag::default(), Flag::default()));
    let returns = R::spawn({
        let table = table.clone();
        async move {
            let mut count = 0;
            for _ in 0..times {
                table.0.wait().await;
                count += 1;
                table.1.raise();
            }
            count
        }
    });
    let serves = R::spawn(async move {
        let start = cpu::own_time();
        for _ in 0..times {
            table.0.raise();
            table.1.wait().await;
        }
        per_operation(start, times)
    });
    let cost = R::join(serves).await;
    assert_eq!(R::join(returns).await, times);
    cost
}

/// A flag that one task waits for and another raises.
#[derive(Default)]
pub struct Flag {
    up: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Flag {
    /// Puts the flag up.
    pub fn raise(&self) {
        self.up.set(true);
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    /// Waits until the flag is up, and takes it down.
    pub async fn wait(&self) {
        poll_fn(|cx| {
            if self.up.take() {
                return Poll::Ready(());
            }
            self.waiting.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}
