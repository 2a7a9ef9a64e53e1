//! How much memory a task takes that waits.

use super::{Figures, Runtime};
use crate::memory;
use std::cell::RefCell;
use std::future::poll_fn;
use std::hint::black_box;
use std::task::{Poll, Waker};

/// Parks `count` tasks with 64 bytes of state each; bytes per task as malloc counts them,
/// and as the kernel does.
///
/// Each waiting task is kept by its waker, as it would be by a socket or a timer. The list
/// of wakers is allocated and touched before the first reading, so it is not in the figures.
pub async fn parked<R: Runtime>(count: usize) -> Figures {
    PARKED.with_borrow_mut(|parked| {
        parked.resize(count, Waker::noop().clone());
        parked.clear();
    });
    let pid = std::process::id() as i32;
    let resident = || memory::resident_bytes(pid).expect("the own memory can be read");
    let before = (memory::malloc_bytes(), resident());
    for number in 0..count {
        let mut state = [0; 64];
        state[0] = number as u8;
        R::detach(R::spawn(async move {
            park().await;
            black_box(&state);
        }));
    }
    while PARKED.with_borrow(Vec::len) < count {
        R::yield_now().await;
    }
    let after = (memory::malloc_bytes(), resident());
    let per_task = |before: usize, after: usize| (after - before) as f64 / count as f64;
    vec![per_task(before.0, after.0), per_task(before.1, after.1)]
}

/// Waits for ever, and leaves the waker where somebody could use it.
async fn park() {
    poll_fn(|cx| {
        PARKED.with_borrow_mut(|parked| parked.push(cx.waker().clone()));
        Poll::<()>::Pending
    })
    .await;
}

thread_local! {
    /// The wakers of all parked tasks.
    static PARKED: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}
