//! Queues, as Python has them: for producers and consumers who share one object.
//!
//! [`Queue`] gives the items in their order, [`LifoQueue`] the last one first, [`PriorityQueue`] the smallest.
//! Any number of tasks may put and get. Against the channels of [`sync::mpsc`](crate::sync::mpsc) they have
//! several consumers, [`task_done`](Queue::task_done) and [`join`](Queue::join), and an end that
//! is said, by [`shutdown`](Queue::shutdown), instead of coming with the last sender.
//!
//! Those who wait are served in their order. An item that was put belongs to the first who waits, also if he
//! did not run yet; if he is dropped before he got it, it goes to the next, in its old place.
//!
//! # Examples
//!
//! ```
//! use std::rc::Rc;
//!
//! use greenloop::{queue::Queue, spawn};
//!
//! greenloop::run(async {
//!     let queue = Rc::new(Queue::bounded(2));
//!     for _ in 0..3 {
//!         let queue = Rc::clone(&queue);
//!         spawn(async move {
//!             while let Ok(number) = queue.get().await {
//!                 println!("{number}");
//!                 queue.task_done().unwrap();
//!             }
//!         });
//!     }
//!     for number in 0..10 {
//!         queue.put(number).await.unwrap();
//!     }
//!     queue.join().await;
//!     queue.shutdown(false);
//! });
//! ```
//!
//! In green threads, with a `for` loop that ends with the queue:
//!
#![cfg_attr(feature = "green", doc = "```")]
#![cfg_attr(not(feature = "green"), doc = "```ignore")]
//! use std::rc::Rc;
//!
//! use greenloop::{
//!     green::{self, Wait},
//!     queue::Queue,
//! };
//!
//! green::run(|| {
//!     let queue = Rc::new(Queue::new());
//!     let consumer = green::spawn({
//!         let queue = Rc::clone(&queue);
//!         move || green::iter(queue.stream()).sum::<i32>()
//!     });
//!     for number in 0..5 {
//!         queue.put(number).wait().unwrap();
//!     }
//!     queue.shutdown(false);
//!     assert_eq!(consumer.wait().unwrap(), 10);
//! });
//! ```
//!
//! The files: `shared.rs` what a queue is, `order.rs` the orders, `error.rs` the errors; here they are put together.

mod error;
mod order;
mod shared;

use std::{fmt, panic::Location, time::Duration};

use futures_core::Stream;

pub use self::error::{GetError, PutError, ShutDown, TooManyDone};
use self::{
    order::{Fifo, Lifo, Smallest},
    shared::{Names, Shared},
};
use crate::wait_queue::What;

/// Makes the type of a queue of one order.
macro_rules! queue {
    (
        $(#[doc = $doc:literal])*
        $(#[doc($($alias:tt)*)])*
        $name:ident, $order:ident $(, $bound:ident)?
    ) => {
        $(#[doc = $doc])*
        $(#[doc($($alias)*)])*
        pub struct $name<T> {
            shared: Shared<T, $order<T>>,
        }

        impl<T $(: $bound)?> $name<T> {
            const NAMES: &'static Names = &Names {
                get: What::queue(concat!(stringify!($name), "::get")),
                put: What::queue(concat!(stringify!($name), "::put")),
                join: What::queue(concat!(stringify!($name), "::join")),
            };

            /// Makes a queue that holds as many items as memory does.
            #[must_use]
            #[track_caller]
            pub const fn new() -> Self {
                Self { shared: Shared::new(None, Self::NAMES, Location::caller()) }
            }

            /// Makes a queue that holds at most so many items: who puts waits while it is full.
            ///
            /// # Panics
            ///
            /// With a `maxsize` of zero, which for Python is no limit: that is [`new`](Self::new). And with one
            /// of 2^29 or more.
            #[must_use]
            #[track_caller]
            pub const fn bounded(maxsize: usize) -> Self {
                Self { shared: Shared::new(Some(maxsize), Self::NAMES, Location::caller()) }
            }

            /// Puts an item, after having waited for room.
            ///
            /// # Errors
            ///
            /// The item, when the queue is shut down, also while this waits.
            ///
            /// # Cancel safety
            ///
            /// Dropped, nothing was put, the item is dropped with it, and the place in line is lost. With
            /// [`put_timeout`](Self::put_timeout) the item comes back.
            pub async fn put(&self, item: T) -> Result<(), ShutDown<T>> {
                self.shared.put(item).await
            }

            /// Puts an item if there is room, and nobody waits for it.
            ///
            /// # Errors
            ///
            /// The item, when there is none, or the queue is shut down.
            #[doc(alias = "put_nowait")]
            pub fn try_put(&self, item: T) -> Result<(), PutError<T>> {
                self.shared.try_put(item)
            }

            /// As [`put`](Self::put), for at most `duration`.
            ///
            /// # Errors
            ///
            /// The item, when the time is over, or the queue is shut down.
            ///
            /// # Panics
            ///
            /// When polled outside an event loop.
            ///
            /// # Cancel safety
            ///
            /// As for `put`.
            pub async fn put_timeout(
                &self,
                item: T,
                duration: Duration,
            ) -> Result<(), PutError<T>> {
                self.shared.put_timeout(item, duration).await
            }

            /// Takes an item, after having waited for one.
            ///
            /// # Errors
            ///
            /// When the queue is shut down and nothing is left in it.
            ///
            /// # Cancel safety
            ///
            /// Dropping the future loses nothing: an item leaves the queue when it is returned.
            pub async fn get(&self) -> Result<T, ShutDown> {
                self.shared.get().await
            }

            /// Takes an item if there is one, and nobody waits for it.
            ///
            /// # Errors
            ///
            /// When there is none, which says whether one may still come.
            #[doc(alias = "get_nowait")]
            pub fn try_get(&self) -> Result<T, GetError> {
                self.shared.try_get()
            }

            /// As [`get`](Self::get), for at most `duration`.
            ///
            /// # Errors
            ///
            /// When the time is over, or the queue is shut down and nothing is left in it.
            ///
            /// # Panics
            ///
            /// When polled outside an event loop.
            ///
            /// # Cancel safety
            ///
            /// As for `get`.
            pub async fn get_timeout(&self, duration: Duration) -> Result<T, GetError> {
                self.shared.get_timeout(duration).await
            }

            /// Copies the item that is next, after having waited for one, and leaves it in the queue.
            ///
            /// # Errors
            ///
            /// When the queue is shut down and nothing is left in it.
            ///
            /// # Cancel safety
            ///
            /// Dropping the future loses nothing.
            pub async fn peek(&self) -> Result<T, ShutDown>
            where
                T: Clone,
            {
                self.shared.peek().await
            }

            /// Copies the item that is next, and leaves it in the queue, if there is one and nobody waits for
            /// it.
            ///
            /// # Errors
            ///
            /// When there is none, which says whether one may still come.
            #[doc(alias = "peek_nowait")]
            pub fn try_peek(&self) -> Result<T, GetError>
            where
                T: Clone,
            {
                self.shared.try_peek()
            }

            /// Says that an item that was taken is done, for those who wait in [`join`](Self::join).
            ///
            /// # Errors
            ///
            /// When that was said of as many items as were put; nothing is changed.
            pub fn task_done(&self) -> Result<(), TooManyDone> {
                self.shared.task_done()
            }

            /// Waits until all items that were put are done; see [`task_done`](Self::task_done).
            ///
            /// # Cancel safety
            ///
            /// Dropping the future only means not to wait.
            pub async fn join(&self) {
                self.shared.join().await;
            }

            /// Lets nobody put any more; those who wait to do so get their items back. What is in the queue is
            /// still taken, unless `immediate`: then it is dropped, counts as done, and those who wait for an
            /// item are sent away at once.
            ///
            /// It may be called again.
            pub fn shutdown(&self, immediate: bool) {
                self.shared.shutdown(immediate);
            }

            /// Whether it is shut down.
            #[doc(alias = "is_shutdown")]
            #[must_use]
            pub fn is_shut_down(&self) -> bool {
                self.shared.is_shut_down()
            }

            /// The items as a stream, each of them taken, until the queue is shut down and empty. Several may
            /// be in use at a time. In a green thread, `green::iter` makes an iterator of it.
            ///
            /// # Cancel safety
            ///
            /// Dropping the stream, or the future of a `next`, loses nothing.
            pub fn stream(&self) -> impl Stream<Item = T> {
                self.shared.stream()
            }

            /// How many items are in it. Some may belong to tasks that waited and did not run yet.
            #[must_use]
            #[doc(alias = "qsize")]
            pub fn len(&self) -> usize {
                self.shared.len()
            }

            /// Whether nothing is in it.
            #[must_use]
            #[doc(alias = "empty")]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Whether there is no room in it.
            #[must_use]
            #[doc(alias = "full")]
            pub fn is_full(&self) -> bool {
                self.shared.is_full()
            }

            /// How many items it holds at most; `None` if there is no limit.
            #[must_use]
            pub fn maxsize(&self) -> Option<usize> {
                self.shared.maxsize()
            }

            /// How many items were put and are not [done](Self::task_done).
            #[must_use]
            #[doc(alias = "unfinished_tasks")]
            pub fn unfinished(&self) -> usize {
                self.shared.unfinished()
            }
        }

        impl<T $(: $bound)?> Default for $name<T> {
            #[track_caller]
            fn default() -> Self {
                Self::new()
            }
        }

        impl<T $(: $bound)?> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("len", &self.len())
                    .field("maxsize", &self.maxsize())
                    .field("is_shut_down", &self.is_shut_down())
                    .finish_non_exhaustive()
            }
        }
    };
}

queue! {
    /// A queue that gives the items in the order in which they were put.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::queue::{PutError, Queue};
    ///
    /// greenloop::run(async {
    ///     let queue = Queue::bounded(2);
    ///     queue.put(1).await.unwrap();
    ///     queue.put(2).await.unwrap();
    ///     assert_eq!(queue.try_put(3), Err(PutError::Full(3)));
    ///     assert_eq!(queue.get().await, Ok(1));
    ///     assert_eq!(queue.peek().await, Ok(2));
    ///     assert_eq!(queue.get().await, Ok(2));
    /// });
    /// ```
    #[doc(alias = "asyncio.Queue")]
    #[doc(alias = "JoinableQueue")]
    #[doc(alias = "SimpleQueue")]
    Queue, Fifo
}

queue! {
    /// A queue that gives the item first that was put last.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::queue::LifoQueue;
    ///
    /// let stack = LifoQueue::new();
    /// stack.try_put(1).unwrap();
    /// stack.try_put(2).unwrap();
    /// assert_eq!(stack.try_get(), Ok(2));
    /// assert_eq!(stack.try_get(), Ok(1));
    /// ```
    #[doc(alias = "asyncio.LifoQueue")]
    LifoQueue, Lifo
}

queue! {
    /// A queue that gives the smallest item first, as Python's; of equal ones the one that was put first.
    ///
    /// For the greatest first, put [`Reverse`](std::cmp::Reverse)d items.
    ///
    /// # Panics
    ///
    /// When an item's comparison uses the queue that it is in.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::queue::PriorityQueue;
    ///
    /// let jobs = PriorityQueue::new();
    /// jobs.try_put((2, "soon")).unwrap();
    /// jobs.try_put((1, "now")).unwrap();
    /// jobs.try_put((3, "later")).unwrap();
    /// assert_eq!(jobs.try_get(), Ok((1, "now")));
    /// assert_eq!(jobs.try_get(), Ok((2, "soon")));
    /// ```
    #[doc(alias = "asyncio.PriorityQueue")]
    PriorityQueue, Smallest, Ord
}
