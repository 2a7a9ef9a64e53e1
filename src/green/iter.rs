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
pub fn iter<S: Stream>(stream: S) -> Iter<S> {
    Iter { stream: Box::pin(stream) }
}

/// The iterator of [`iter`].
#[derive(Debug)]
#[must_use = "an iterator does nothing until it is asked for items"]
pub struct Iter<S> {
    /// Boxed, since many streams must not be moved once they were polled, and iterators are.
    stream: Pin<Box<S>>,
}

impl<S: Stream> Iterator for Iter<S> {
    type Item = S::Item;

    #[track_caller]
    fn next(&mut self) -> Option<S::Item> {
        poll_fn(|cx| self.stream.as_mut().poll_next(cx)).wait()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}
