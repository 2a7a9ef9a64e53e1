//! One closure for many items.
//!
//! Items are taken from their iterator, in the thread that polls, as far ahead of the results that
//! were taken as is allowed. Each is a job that leaves its result in a place that it shares with the
//! stream; the closure, the items and the results are never touched under the lock of that place.

use std::{
    any::Any,
    collections::VecDeque,
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_core::Stream;

use super::spending;
use crate::{
    blocking::Threads,
    executor::{Id, JoinError, wake},
};

type Outcome<R> = Result<R, JoinError>;

/// The results of [`ThreadPool::map`](super::ThreadPool::map), in the order of the items; a stream.
///
/// Dropping it cancels the items whose turn has not come. A panic of the iterator of the items comes
/// out of the stream, after the results of the items before.
#[must_use = "a stream does nothing unless polled"]
pub struct Map<I, F, R>(Mapping<I, F, R>);

/// The results of [`ThreadPool::map_unordered`](super::ThreadPool::map_unordered), as they come; the rest
/// is as for [`Map`].
#[must_use = "a stream does nothing unless polled"]
pub struct MapUnordered<I, F, R>(Mapping<I, F, R>);

/// The two differ in the order of their results.
macro_rules! stream {
    ($name:ident, $results:expr) => {
        impl<I, F, R> $name<I, F, R>
        where
            I: Iterator<Item: Send + 'static>,
            F: Fn(I::Item) -> R + Send + Sync + 'static,
            R: Send + 'static,
        {
            pub(super) fn new(threads: Arc<Threads>, items: I, f: F) -> Self {
                Self(Mapping::new(threads, items, f, $results))
            }

            /// Sets how many items may be submitted without their results having been taken. Unless
            /// said, it is twice the number of threads. With `usize::MAX` all are submitted at once, which
            /// an endless input must not be.
            pub fn ahead(mut self, items: usize) -> Self {
                self.0.ahead = items.max(1);
                self.0.fill();
                self
            }
        }

        impl<I, F, R> Stream for $name<I, F, R>
        where
            I: Iterator<Item: Send + 'static>,
            F: Fn(I::Item) -> R + Send + Sync + 'static,
            R: Send + 'static,
        {
            type Item = Result<R, JoinError>;

            fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                spending(cx, |cx| self.get_mut().0.poll_next(cx))
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.0.size_hint()
            }
        }

        impl<I, F, R> Unpin for $name<I, F, R> {}

        impl<I, F, R> fmt::Debug for $name<I, F, R> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let Mapping { begun, given, .. } = self.0;
                f.debug_struct(stringify!($name))
                    .field("submitted", &begun)
                    .field("taken", &given)
                    .finish_non_exhaustive()
            }
        }
    };
}

stream!(Map, Results::OfItems { first: 0, places: VecDeque::new() });
stream!(MapUnordered, Results::AsTheyCome(VecDeque::new()));

struct Mapping<I, F, R> {
    threads: Arc<Threads>,
    /// `None` when it has ended.
    items: Option<I>,
    /// What its panic carried.
    panic: Option<Box<dyn Any + Send>>,
    f: Arc<F>,
    shared: Arc<Shared<R>>,
    ahead: usize,
    /// How many items were submitted.
    begun: usize,
    /// How many results were taken.
    given: usize,
}

impl<I, F, R> Mapping<I, F, R>
where
    I: Iterator<Item: Send + 'static>,
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    R: Send + 'static,
{
    fn new(threads: Arc<Threads>, items: I, f: F, results: Results<R>) -> Self {
        let state = State { results, waiter: None, abandoned: false };
        let mut mapping = Self {
            ahead: threads.settings().limit.saturating_mul(2),
            threads,
            items: Some(items),
            panic: None,
            f: Arc::new(f),
            shared: Arc::new(Shared(Mutex::new(state))),
            begun: 0,
            given: 0,
        };
        mapping.fill();
        mapping
    }

    /// Submits items, as far ahead as is allowed.
    fn fill(&mut self) {
        while let Some(items) = &mut self.items {
            if self.begun - self.given >= self.ahead {
                return;
            }
            match catch_unwind(AssertUnwindSafe(|| items.next())) {
                Ok(Some(item)) => {
                    let (f, shared) = (Arc::clone(&self.f), Arc::clone(&self.shared));
                    let job = ItemJob { number: self.begun, work: Some((item, f)), shared };
                    self.begun += 1;
                    // One that is refused is dropped, and leaves an error.
                    let _ = self.threads.current().submit(Box::new(move || job.run()));
                }
                Ok(None) => self.items = None,
                Err(payload) => {
                    self.items = None;
                    self.panic = Some(payload);
                }
            }
        }
    }

    fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<Outcome<R>>> {
        self.fill();
        if self.begun == self.given {
            return match self.panic.take() {
                Some(payload) => resume_unwind(payload),
                None => Poll::Ready(None),
            };
        }
        let waker = cx.waker().clone();
        let mut state = self.shared.lock();
        match state.results.take() {
            Some(result) => {
                drop(state);
                self.given += 1;
                self.fill();
                Poll::Ready(Some(result))
            }
            None => {
                let old = state.waiter.replace(waker);
                drop(state);
                drop(old);
                Poll::Pending
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let submitted = self.begun - self.given;
        let (least, most) = self.items.as_ref().map_or((0, Some(0)), Iterator::size_hint);
        (least.saturating_add(submitted), most.and_then(|most| most.checked_add(submitted)))
    }
}

impl<I, F, R> Drop for Mapping<I, F, R> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.abandoned = true;
        let results = mem::replace(&mut state.results, Results::AsTheyCome(VecDeque::new()));
        let waiter = state.waiter.take();
        drop(state);
        drop(results);
        drop(waiter);
    }
}

/// An item in line. Dropping it without having run it leaves an error.
struct ItemJob<T, F, R> {
    number: usize,
    work: Option<(T, Arc<F>)>,
    shared: Arc<Shared<R>>,
}

impl<T, F: Fn(T) -> R, R> ItemJob<T, F, R> {
    fn run(mut self) {
        let Some((item, f)) = self.work.take() else { return };
        if self.shared.lock().abandoned {
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| f(item)))
            .map_err(|payload| JoinError::panicked(Id::reserve(), None, payload));
        self.shared.put(self.number, outcome);
    }
}

impl<T, F, R> Drop for ItemJob<T, F, R> {
    fn drop(&mut self) {
        if self.work.is_some() {
            self.shared.put(self.number, Err(JoinError::cancelled(Id::reserve(), None)));
        }
    }
}

/// Where the results go.
struct Shared<R>(Mutex<State<R>>);

struct State<R> {
    results: Results<R>,
    waiter: Option<Waker>,
    /// Nobody wants the results.
    abandoned: bool,
}

enum Results<R> {
    OfItems {
        /// The number of the item whose result is the next.
        first: usize,
        /// The results from there on, as far as there are.
        places: VecDeque<Option<Outcome<R>>>,
    },
    AsTheyCome(VecDeque<Outcome<R>>),
}

impl<R> Shared<R> {
    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, number: usize, outcome: Outcome<R>) {
        let mut state = self.lock();
        if state.abandoned {
            drop(state);
            return drop(outcome);
        }
        state.results.put(number, outcome);
        let waiter = state.waiter.take();
        drop(state);
        if let Some(waiter) = waiter {
            wake(waiter);
        }
    }
}

impl<R> Results<R> {
    fn put(&mut self, number: usize, outcome: Outcome<R>) {
        match self {
            Self::OfItems { first, places } => {
                let place = number - *first;
                if places.len() <= place {
                    places.resize_with(place + 1, || None);
                }
                places[place] = Some(outcome);
            }
            Self::AsTheyCome(outcomes) => outcomes.push_back(outcome),
        }
    }

    fn take(&mut self) -> Option<Outcome<R>> {
        match self {
            Self::OfItems { first, places } => {
                let outcome = places.front_mut()?.take()?;
                places.pop_front();
                *first += 1;
                Some(outcome)
            }
            Self::AsTheyCome(outcomes) => outcomes.pop_front(),
        }
    }
}
