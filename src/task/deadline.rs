//! Moments until which work must be done, which may be moved while it is going on.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use super::with_context::WithContext;
use crate::{
    event_loop,
    executor::wake,
    time::{Elapsed, Sleep, sleep_until},
};

crate::context_var! {
    /// The deadlines around the running code, the innermost first.
    static AROUND: Option<Rc<Around>> = None;
}

struct Around {
    deadline: Deadline,
    outer: Option<Rc<Around>>,
}

/// A moment until which work must be done; it can be moved while the work is going on, from inside and
/// from outside.
///
/// [`scope`](Self::scope) runs a future under it, and `run` a block of code in a green thread. Scopes
/// nest, and each ends by its own deadline or by one further out. What runs in a scope, and the tasks
/// that it spawns, can ask how much [time is left](Self::effective). The clones of a deadline are the same
/// deadline, and any number of scopes may have it.
///
/// A scope ends what runs in it. The tasks that were spawned there are ended only if something in
/// it holds them: a [`TaskGroup`](super::TaskGroup), a [`JoinSet`](super::JoinSet).
///
/// # Examples
///
/// A server that gives up when nothing has been heard for a while:
///
/// ```
/// use std::time::Duration;
///
/// use greenloop::task::Deadline;
///
/// const PATIENCE: Duration = Duration::from_millis(20);
///
/// greenloop::run(async {
///     let deadline = Deadline::after(PATIENCE);
///     let heard = deadline.scope(async {
///         for nap in [10, 15, 10, 3600_000] {
///             greenloop::sleep(Duration::from_millis(nap)).await;
///             deadline.reset(PATIENCE);
///         }
///     });
///     assert!(heard.await.is_err());
/// });
/// ```
#[doc(alias = "fail_at")]
#[doc(alias = "fail_after")]
#[doc(alias = "move_on_at")]
#[doc(alias = "move_on_after")]
#[doc(alias = "asyncio.timeout")]
#[doc(alias = "CancelScope")]
#[derive(Clone)]
pub struct Deadline {
    shared: Rc<Shared>,
}

struct Shared {
    /// `None` is never.
    when: Cell<Option<Instant>>,
    /// Whom to tell when it is moved to an earlier time, by their tickets. A later time is found out at
    /// the old one.
    watchers: RefCell<BTreeMap<u64, Waker>>,
    /// Never used twice, so a watcher who was told does not take back another's waker.
    next_ticket: Cell<u64>,
}

impl Deadline {
    /// A deadline that is `duration` from now on. [`Duration::MAX`] is never.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self::new(Instant::now().checked_add(duration))
    }

    /// A deadline at a moment.
    #[must_use]
    pub fn at(when: Instant) -> Self {
        Self::new(Some(when))
    }

    /// A deadline that never comes, unless it is moved.
    #[must_use]
    pub fn never() -> Self {
        Self::new(None)
    }

    fn new(when: Option<Instant>) -> Self {
        let shared = Shared {
            when: Cell::new(when),
            watchers: RefCell::default(),
            next_ticket: Cell::new(0),
        };
        Self { shared: Rc::new(shared) }
    }

    /// Returns the deadline; `None` is never.
    #[must_use]
    pub fn when(&self) -> Option<Instant> {
        self.shared.when.get()
    }

    /// Returns whether the deadline has passed.
    #[doc(alias = "expired")]
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.when().is_some_and(|when| when <= Instant::now())
    }

    /// Moves it to `duration` from now on. [`Duration::MAX`] is never.
    ///
    /// To a later time this costs next to nothing. A scope that has ended by the deadline remains so.
    #[doc(alias = "reschedule")]
    pub fn reset(&self, duration: Duration) {
        self.set(Instant::now().checked_add(duration));
    }

    /// Moves it to `when`.
    #[doc(alias = "reschedule")]
    pub fn reset_at(&self, when: Instant) {
        self.set(Some(when));
    }

    /// Takes it away: it never comes, unless it is moved again.
    pub fn lift(&self) {
        self.set(None);
    }

    fn set(&self, when: Option<Instant>) {
        let before = self.shared.when.replace(when);
        let is_earlier = when.is_some_and(|when| before.is_none_or(|before| when < before));
        if is_earlier {
            let watchers = std::mem::take(&mut *self.shared.watchers.borrow_mut());
            for (_, watcher) in watchers {
                wake(watcher);
            }
        }
    }

    /// Waits until the deadline has passed, also if it is moved meanwhile.
    ///
    /// # Panics
    ///
    /// When polled outside of a loop.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only means not to wait.
    pub fn passed(&self) -> Passed {
        Passed { deadline: self.clone(), sleep: None, ticket: None }
    }

    /// Runs a future until it is done or the deadline has passed: then it is dropped.
    ///
    /// The future is polled first: an output that is there wins, and also after the deadline it gets one
    /// poll.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] when the deadline has passed.
    ///
    /// # Panics
    ///
    /// When polled outside of a loop.
    ///
    /// # Cancel safety
    ///
    /// That of the future.
    pub fn scope<F: IntoFuture>(&self, future: F) -> DeadlineScope<F::IntoFuture> {
        let future = AROUND.scope(self.around(), future);
        DeadlineScope { future, passed: self.passed(), entered: false }
    }

    /// Calls a closure as if in a scope of this deadline, which does not end it.
    #[cfg(feature = "green")]
    pub(crate) fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        AROUND.sync_scope(self.around(), f)
    }

    /// What code in a scope of this deadline finds around it.
    fn around(&self) -> Option<Rc<Around>> {
        Some(Rc::new(Around { deadline: self.clone(), outer: AROUND.get() }))
    }

    /// Returns the deadline of the innermost scope around the running code, if there is one.
    #[must_use]
    pub fn current() -> Option<Self> {
        AROUND.with(|around| around.as_ref().map(|around| around.deadline.clone()))
    }

    /// Returns the moment at which the running code is cut short: the earliest of the deadlines of the
    /// scopes around it, in this task and in those that spawned it. `None` is never.
    ///
    /// What is [shielded](super::shield()) has none from outside of the shield.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use greenloop::task::Deadline;
    ///
    /// greenloop::run(async {
    ///     assert_eq!(Deadline::effective(), None);
    ///     let soon = Deadline::after(Duration::from_secs(5));
    ///     let inside = Deadline::after(Duration::from_secs(60)).scope(async {
    ///         greenloop::spawn(async { Deadline::effective() }).await.unwrap()
    ///     });
    ///     assert_eq!(soon.scope(inside).await.unwrap().unwrap(), soon.when());
    /// });
    /// ```
    #[doc(alias = "current_effective_deadline")]
    #[must_use]
    pub fn effective() -> Option<Instant> {
        AROUND.with(|around| {
            let all = std::iter::successors(around.as_deref(), |around| around.outer.as_deref());
            all.filter_map(|around| around.deadline.when()).min()
        })
    }
}

/// Calls a closure as if there were no deadlines around it.
pub(crate) fn without_deadlines<T>(f: impl FnOnce() -> T) -> T {
    if AROUND.with(Option::is_none) { f() } else { AROUND.sync_scope(None, f) }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deadline").field(&self.when()).finish()
    }
}

/// The future of [`Deadline::passed`].
#[must_use = "a future does nothing unless awaited"]
pub struct Passed {
    deadline: Deadline,
    /// For the deadline as it was when this was last polled; `None` if it was never.
    sleep: Option<Sleep>,
    /// Under which the waker was left among the watchers, perhaps before they were told.
    ticket: Option<u64>,
}

impl Passed {
    /// Sees to it that the waker is told when the deadline is moved to an earlier time.
    fn watch(&mut self, waker: &Waker) {
        let shared = &self.deadline.shared;
        let is_there = |ticket| {
            shared.watchers.borrow().get(&ticket).is_some_and(|other| other.will_wake(waker))
        };
        if self.ticket.is_some_and(is_there) {
            return;
        }
        // A stranger's waker may run anything when it is cloned or dropped.
        let waker = waker.clone();
        let ticket = self.ticket.unwrap_or_else(|| {
            let ticket = shared.next_ticket.get();
            shared.next_ticket.set(ticket + 1);
            ticket
        });
        self.ticket = Some(ticket);
        let old = shared.watchers.borrow_mut().insert(ticket, waker);
        drop(old);
    }
}

impl Future for Passed {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.watch(cx.waker());
        loop {
            let Some(when) = this.deadline.when() else {
                this.sleep = None;
                return Poll::Pending;
            };
            let sleep = this.sleep.get_or_insert_with(|| sleep_until(when));
            if sleep.deadline() != Some(when) {
                sleep.reset(when);
            }
            if Pin::new(sleep).poll(cx).is_pending() {
                return Poll::Pending;
            }
            // Polling clones the waker, which may have moved it.
            if this.deadline.when() == Some(when) {
                return Poll::Ready(());
            }
        }
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let watcher = self.deadline.shared.watchers.borrow_mut().remove(&ticket);
            drop(watcher);
        }
    }
}

impl fmt::Debug for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Passed").field(&self.deadline.when()).finish()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Deadline::scope`].
    #[derive(Debug)]
    #[must_use = "a future does nothing unless awaited"]
    pub struct DeadlineScope<F> {
        #[pin]
        future: WithContext<F>,
        passed: Passed,
        entered: bool,
    }
}

impl<F: Future> Future for DeadlineScope<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if !std::mem::replace(this.entered, true) {
            // The deadlines around it are those of where it runs, not of where it was made.
            let around = AROUND.change(this.passed.deadline.around());
            this.future.as_mut().set_change(around);
        }
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // The future may have used up the budget; the time is over all the same.
        let poll = || Pin::new(&mut *this.passed).poll(cx);
        event_loop::with_fresh_budget(poll).map(|()| Err(Elapsed::new()))
    }
}
