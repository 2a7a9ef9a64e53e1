//! Waking one task, or all that wait.

use std::{
    cell::Cell,
    fmt,
    panic::Location,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use super::counted::poll_counted;
use crate::wait_queue::{Grants, State, Turn, WaitQueue, Waiter, What};

static WHAT: What = What::queue("Notify");

/// In the number of a waiter: it was the last in line when it was notified.
const LAST: u32 = 1;

/// Wakes one of the tasks that wait, or the next that will.
///
/// It holds at most one permit. [`notify_one`](Self::notify_one) hands it to the first task that waits
/// in [`notified`](Self::notified); when nobody waits it is kept, and the next one does not wait.
/// So whoever looks at some state, waits, and looks again, misses nothing.
///
/// # Examples
///
/// A queue with a single consumer:
///
/// ```
/// use std::{cell::RefCell, collections::VecDeque, rc::Rc};
///
/// use greenloop::sync::Notify;
///
/// #[derive(Default)]
/// struct Letters {
///     waiting: RefCell<VecDeque<&'static str>>,
///     arrived: Notify,
/// }
///
/// impl Letters {
///     fn send(&self, letter: &'static str) {
///         self.waiting.borrow_mut().push_back(letter);
///         self.arrived.notify_one();
///     }
///
///     async fn receive(&self) -> &'static str {
///         loop {
///             if let Some(letter) = self.waiting.borrow_mut().pop_front() {
///                 return letter;
///             }
///             self.arrived.notified().await;
///         }
///     }
/// }
///
/// greenloop::run(async {
///     let letters = Rc::new(Letters::default());
///     let reader = greenloop::spawn({
///         let letters = Rc::clone(&letters);
///         async move { letters.receive().await }
///     });
///     letters.send("hello");
///     assert_eq!(reader.await.unwrap(), "hello");
/// });
/// ```
pub struct Notify {
    permit: Cell<bool>,
    /// How often all were notified, so that a future knows if it was among them before its first poll.
    rounds: Cell<u64>,
    waiting: WaitQueue,
}

impl Notify {
    /// Makes one without a permit.
    #[must_use]
    #[track_caller]
    pub const fn new() -> Self {
        Self {
            permit: Cell::new(false),
            rounds: Cell::new(0),
            waiting: WaitQueue::new(&WHAT, Location::caller()),
        }
    }

    /// Waits for a notification.
    ///
    /// The future gets the notifications of [`notify_waiters`](Self::notify_waiters) from this
    /// call on, and those of [`notify_one`](Self::notify_one) from its first poll on, or from
    /// [`Notified::enable`].
    ///
    /// # Cancel safety
    ///
    /// Whoever is dropped loses the place in line. One that was notified by `notify_one`, and is dropped
    /// before it could tell, notifies the next.
    #[inline]
    pub fn notified(&self) -> Notified<'_> {
        Notified { round: self.rounds.get(), turn: Turn::new(self, 0) }
    }

    /// As [`notified`](Self::notified), for a future that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// As for `notified`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    ///
    /// use greenloop::sync::Notify;
    ///
    /// greenloop::run(async {
    ///     let notify = Rc::new(Notify::new());
    ///     let task = greenloop::spawn(Rc::clone(&notify).notified_owned());
    ///     notify.notify_one();
    ///     task.await.unwrap();
    /// });
    /// ```
    pub fn notified_owned(self: Rc<Self>) -> OwnedNotified {
        OwnedNotified { round: self.rounds.get(), turn: Turn::new(self, 0) }
    }

    /// Wakes the first who waits; if nobody does, the next who comes does not wait.
    ///
    /// There is one permit at most: two calls while nobody waits are as good as one.
    #[inline]
    pub fn notify_one(&self) {
        if !self.waiting.grant_first() {
            self.permit.set(true);
        }
    }

    /// As [`notify_one`](Self::notify_one), but wakes the last who came.
    pub fn notify_last(&self) {
        if !self.waiting.grant_last(LAST) {
            self.permit.set(true);
        }
    }

    /// Wakes all who wait now, and keeps no permit for those who will.
    ///
    /// A permit that is there stays.
    #[doc(alias = "notify_all")]
    pub fn notify_waiters(&self) {
        self.rounds.set(self.rounds.get() + 1);
        self.waiting.tell_all();
    }

    /// Whether the future of this round is through; if not, it waits.
    #[inline]
    fn poll(&self, round: u64, waiter: Pin<&Waiter>, cx: &mut Context<'_>) -> Poll<()> {
        match waiter.state() {
            State::Granted | State::Told => poll_counted(cx, |_| {
                waiter.settle();
                Poll::Ready(())
            }),
            State::Idle | State::Waiting => self.poll_in_line(round, waiter, cx),
        }
    }

    /// Not inlined, so that the poll that ends a wait is small.
    #[inline(never)]
    fn poll_in_line(&self, round: u64, waiter: Pin<&Waiter>, cx: &mut Context<'_>) -> Poll<()> {
        poll_counted(cx, |cx| {
            if waiter.poll(cx.waker()) == State::Waiting {
                return Poll::Pending;
            }
            if waiter.state() != State::Idle || self.is_through(round) {
                waiter.settle();
                return Poll::Ready(());
            }
            // It may be notified when a stranger's waker is cloned.
            let waker = cx.waker().clone();
            if self.is_through(round) {
                waiter.settle();
                return Poll::Ready(());
            }
            self.waiting.push(waiter, Some(waker));
            Poll::Pending
        })
    }

    /// For a future that does not wait yet: whether it need not, which it must then use.
    #[inline]
    fn is_through(&self, round: u64) -> bool {
        self.rounds.get() != round || self.permit.replace(false)
    }

    fn enable(&self, round: u64, waiter: Pin<&Waiter>) -> bool {
        match waiter.state() {
            State::Waiting => return false,
            State::Idle if !self.is_through(round) => {
                self.waiting.push(waiter, None);
                return false;
            }
            State::Idle | State::Granted | State::Told => waiter.settle(),
        }
        true
    }
}

impl Grants for &Notify {
    fn take_back(&self, state: State, number: u32) {
        match (state, number) {
            (State::Granted, LAST) => self.notify_last(),
            (State::Granted, _) => self.notify_one(),
            _ => {}
        }
    }
}

impl Grants for Rc<Notify> {
    fn take_back(&self, state: State, number: u32) {
        (&**self).take_back(state, number);
    }
}

impl Default for Notify {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify").field("permit", &self.permit.get()).finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Notify::notified`].
    #[derive(Debug)]
    #[must_use = "a future does nothing unless awaited"]
    pub struct Notified<'a> {
        round: u64,
        #[pin]
        turn: Turn<&'a Notify>,
    }
}

impl Notified<'_> {
    /// Gets in line without being polled, so that the next [`notify_one`](Notify::notify_one) is not
    /// missed; `true` if the future is through already.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    ///
    /// use greenloop::sync::Notify;
    ///
    /// greenloop::run(async {
    ///     let notify = Notify::new();
    ///     let mut first = pin!(notify.notified());
    ///     assert!(!first.as_mut().enable());
    ///     let second = notify.notified();
    ///     notify.notify_one();
    ///     assert!(greenloop::timeout(std::time::Duration::ZERO, second).await.is_err());
    ///     first.await;
    /// });
    /// ```
    pub fn enable(self: Pin<&mut Self>) -> bool {
        let this = self.into_ref().project_ref();
        this.turn.grants().enable(*this.round, this.turn.waiter())
    }
}

impl Future for Notified<'_> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.into_ref().project_ref();
        this.turn.grants().poll(*this.round, this.turn.waiter(), cx)
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Notify::notified_owned`].
    #[derive(Debug)]
    #[must_use = "a future does nothing unless awaited"]
    pub struct OwnedNotified {
        round: u64,
        #[pin]
        turn: Turn<Rc<Notify>>,
    }
}

impl OwnedNotified {
    /// As [`Notified::enable`].
    pub fn enable(self: Pin<&mut Self>) -> bool {
        let this = self.into_ref().project_ref();
        this.turn.grants().enable(*this.round, this.turn.waiter())
    }
}

impl Future for OwnedNotified {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.into_ref().project_ref();
        this.turn.grants().poll(*this.round, this.turn.waiter(), cx)
    }
}
