//! The items of a stream, one after the other, in a green thread.

use std::{future::poll_fn, pin::Pin};

use futures_core::Stream;

use super::wait::Wait;

/// Iterates over the items of a stream, and waits for each.
///
/// # Panics
///
/// The iterator panics outside of a green thread, where `StreamExt::next` is the way.
///
/// # Examples
///
/// ```
/// use greenloop::{green, task};
///
/// green::run(|| {
///     let threads = (0..5).map(|n| green::spawn(move || n));
///     let sum: u32 = green::iter(task::as_completed(threads)).map(Result::unwrap).sum();
///     assert_eq!(sum, 10);
/// });
/// ```
#[doc(alias = "iwait")]
pub fn iter<S: Stream + Unpin>(stream: S) -> Iter<S> {
    Iter { stream }
}

/// The iterator of [`iter`].
#[derive(Clone, Debug)]
#[must_use = "an iterator does nothing until it is asked for items"]
pub struct Iter<S> {
    stream: S,
}

impl<S> Iter<S> {
    /// Returns the stream.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: Stream + Unpin> Iterator for Iter<S> {
    type Item = S::Item;

    #[track_caller]
    fn next(&mut self) -> Option<S::Item> {
        poll_fn(|cx| Pin::new(&mut self.stream).poll_next(cx)).wait()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}
