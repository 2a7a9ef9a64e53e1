//! Something that has happened, or not yet.

use std::{
    cell::Cell,
    fmt,
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
};

use super::counted::poll_counted;
use crate::wait_queue::{State, WaitQueue, Waiter, What};

static WHAT: What = What::queue("Event");

/// A flag that tasks wait for: all of them go on when it is set, and nobody waits while it is.
///
/// For a wake-up that one of those who wait consumes, see [`Notify`](super::Notify).
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
///
/// use greenloop::sync::Event;
///
/// greenloop::run(async {
///     let ready = Rc::new(Event::new());
///     let worker = greenloop::spawn({
///         let ready = Rc::clone(&ready);
///         async move {
///             ready.wait().await;
///             "at work"
///         }
///     });
///     ready.set();
///     assert_eq!(worker.await.unwrap(), "at work");
/// });
/// ```
///
/// And in green threads:
///
#[cfg_attr(feature = "green", doc = "```")]
#[cfg_attr(not(feature = "green"), doc = "```ignore")]
/// use std::rc::Rc;
///
/// use greenloop::{green::{self, Wait}, sync::Event};
///
/// green::run(|| {
///     let ready = Rc::new(Event::new());
///     let worker = green::spawn({
///         let ready = Rc::clone(&ready);
///         move || ready.wait().wait()
///     });
///     ready.set();
///     worker.wait().unwrap();
/// });
/// ```
#[doc(alias = "asyncio.Event")]
#[doc(alias = "gevent.event.Event")]
#[doc(alias = "ResetEvent")]
pub struct Event {
    is_set: Cell<bool>,
    waiting: WaitQueue,
}

impl Event {
    /// Makes an event that is not set.
    #[must_use]
    #[track_caller]
    pub const fn new() -> Self {
        Self { is_set: Cell::new(false), waiting: WaitQueue::new(&WHAT, Location::caller()) }
    }

    /// Sets it: everybody who waits goes on, also if it is cleared before they run.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::sync::Event;
    /// greenloop::run(async {
    ///     let event = std::rc::Rc::new(Event::new());
    ///     let waiter = greenloop::spawn({
    ///         let event = event.clone();
    ///         async move { event.wait().await }
    ///     });
    ///     greenloop::yield_now().await;
    ///     event.set();
    ///     event.clear();
    ///     waiter.await.unwrap();
    /// });
    /// ```
    pub fn set(&self) {
        self.is_set.set(true);
        self.waiting.tell_all();
    }

    /// Clears it: whoever waits from here on, waits for the next [`set`](Self::set).
    pub fn clear(&self) {
        self.is_set.set(false);
    }

    /// Whether it is set.
    #[doc(alias = "isSet")]
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.is_set.get()
    }

    /// Waits until it is set; not at all, if it is.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only means not to wait.
    #[inline]
    pub fn wait(&self) -> EventWait<'_> {
        EventWait { event: self, waiter: Waiter::new(0) }
    }
}

impl Default for Event {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("is_set", &self.is_set()).finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Event::wait`].
    #[derive(Debug)]
    #[must_use = "a future does nothing unless awaited"]
    pub struct EventWait<'a> {
        event: &'a Event,
        #[pin]
        waiter: Waiter,
    }
}

impl Future for EventWait<'_> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        poll_counted(cx, |cx| {
            if self.waiter.state() == State::Idle && self.event.is_set() {
                return Poll::Ready(());
            }
            let this = self.project();
            match this.waiter.poll(cx.waker()) {
                State::Idle => {
                    // It may be set when a stranger's waker is cloned.
                    let waker = cx.waker().clone();
                    if this.event.is_set() {
                        return Poll::Ready(());
                    }
                    this.event.waiting.push(this.waiter.into_ref(), Some(waker));
                    Poll::Pending
                }
                State::Waiting => Poll::Pending,
                State::Granted | State::Told => Poll::Ready(()),
            }
        })
    }
}
