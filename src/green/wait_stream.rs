//! The bridge for streams: a `for` loop in a green thread.

use std::{fmt, future::poll_fn, pin::Pin};

use futures_core::Stream;

use super::Wait;

/// Waits for the items of streams in green threads.
///
/// Every stream has it: those of this crate, such as signals, and those of any other.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use greenloop::{green::{self, WaitStream}, time::interval};
///
/// green::run(|| {
///     let start = Instant::now();
///     let ticks = interval(Duration::from_millis(1));
///     for tick in ticks.wait_iter().take(3) {
///         assert!(tick <= Instant::now());
///     }
///     assert!(start.elapsed() >= Duration::from_millis(2));
/// });
/// ```
pub trait WaitStream: Stream {
    /// Waits for the next item; `None` is the end of the stream.
    ///
    /// # Panics
    ///
    /// As [`Wait::wait`].
    #[track_caller]
    fn wait_next(&mut self) -> Option<Self::Item>
    where
        Self: Unpin,
    {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).wait()
    }

    /// Gives an iterator that waits for each item.
    fn wait_iter(self) -> WaitIter<Self>
    where
        Self: Sized,
    {
        WaitIter { stream: Box::pin(self) }
    }
}

impl<S: Stream + ?Sized> WaitStream for S {}

/// The iterator of [`WaitStream::wait_iter`].
#[must_use = "an iterator does nothing unless asked"]
pub struct WaitIter<S> {
    stream: Pin<Box<S>>,
}

impl<S: Stream> Iterator for WaitIter<S> {
    type Item = S::Item;

    #[track_caller]
    fn next(&mut self) -> Option<S::Item> {
        self.stream.wait_next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}

impl<S> fmt::Debug for WaitIter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitIter").finish_non_exhaustive()
    }
}
