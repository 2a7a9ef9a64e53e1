//! What a worker waits for before it ends.

use std::{
    fmt,
    pin::Pin,
    rc::Rc,
    sync::atomic::Ordering::Relaxed,
    task::{Context, Poll},
};

#[cfg(feature = "green")]
use super::scoreboard::Entry;
use super::worker::Inner;

/// Something that [`Worker::drained`](super::Worker::drained) waits for, until it is dropped.
pub struct Tracked {
    worker: Rc<Inner>,
}

impl Tracked {
    pub(super) fn new(worker: Rc<Inner>) -> Self {
        // Only the worker's thread writes it.
        let tracked = &worker.entry().tracked;
        tracked.store(tracked.load(Relaxed) + 1, Relaxed);
        Self { worker }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let tracked = &self.worker.entry().tracked;
        let left = tracked.load(Relaxed) - 1;
        tracked.store(left, Relaxed);
        if left == 0 {
            self.worker.idle.wake();
        }
    }
}

pin_project_lite::pin_project! {
    /// A future that counts until it is dropped. An `async` block around it would be twice as large: the
    /// future would have a place where it waits to be polled, and another one where it is.
    pub(super) struct Counted<F> {
        #[pin]
        pub(super) future: F,
        pub(super) tracked: Tracked,
    }
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

/// Counts a green thread in the worker's entry.
#[cfg(feature = "green")]
pub(super) struct CountedGreen(&'static Entry);

#[cfg(feature = "green")]
impl CountedGreen {
    pub(super) fn new(worker: &Inner) -> Self {
        worker.entry().green_threads.fetch_add(1, Relaxed);
        Self(worker.entry())
    }
}

#[cfg(feature = "green")]
impl Drop for CountedGreen {
    fn drop(&mut self) {
        self.0.green_threads.fetch_sub(1, Relaxed);
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tracked")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_is_there_once_while_it_counts() {
        fn counted<F>(_: &F) -> usize {
            size_of::<Counted<F>>()
        }
        let future = async {
            let buffer = [0_u8; 4096];
            std::future::ready(()).await;
            std::hint::black_box(&buffer);
        };
        assert_eq!(counted(&future), size_of_val(&future).next_multiple_of(8) + 8);
    }
}
