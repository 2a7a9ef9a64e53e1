//! Waiting until a value that is behind a lock has changed.

use std::{
    fmt,
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use super::{counted::poll_counted, mutex::MutexGuard};
use crate::{
    time::timeout,
    wait_queue::{Grants, State, Turn, WaitQueue, What},
};

static WHAT: What = What::queue("Condition");

/// Lets a task that has a lock wait until another one has changed what is behind it.
///
/// As std's and Python's: [`wait`](Self::wait) releases the lock, waits for a notification, and takes the lock
/// again. Every wait ends by a notification, none by itself; but others may have had the lock before, so
/// look again, or let [`wait_for`](Self::wait_for) do so. Notifying does not need the lock.
///
/// A condition may be used with any mutex, and with several.
///
/// # Examples
///
/// ```
/// use std::{collections::VecDeque, rc::Rc};
///
/// use greenloop::sync::{Condition, Mutex};
///
/// greenloop::run(async {
///     let queue = Rc::new(Mutex::new(VecDeque::new()));
///     let filled = Rc::new(Condition::new());
///     let consumer = greenloop::spawn({
///         let (queue, filled) = (Rc::clone(&queue), Rc::clone(&filled));
///         async move {
///             let guard = queue.lock().await;
///             let mut guard = filled.wait_for(guard, |queue| !queue.is_empty()).await;
///             guard.pop_front()
///         }
///     });
///     queue.lock().await.push_back("cake");
///     filled.notify(1);
///     assert_eq!(consumer.await.unwrap(), Some("cake"));
/// });
/// ```
#[doc(alias = "Condvar")]
#[doc(alias = "asyncio.Condition")]
pub struct Condition {
    waiting: WaitQueue,
}

impl Condition {
    /// Makes a condition.
    #[must_use]
    #[track_caller]
    pub const fn new() -> Self {
        Self { waiting: WaitQueue::new(&WHAT, Location::caller()) }
    }

    /// Releases the lock, waits for a notification, and takes the lock again.
    ///
    /// # Cancel safety
    ///
    /// The guard belongs to the future. Whoever drops that has neither the lock nor the wait: nothing
    /// can go on in the belief that it has the lock, so there is no need to take it again. One that was
    /// notified, and is dropped before it had the lock again, notifies another.
    pub async fn wait<'a, T: ?Sized>(&'a self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let mutex = MutexGuard::mutex(&guard);
        let notified = self.notified(guard).await;
        let guard = mutex.lock().await;
        notified.use_up();
        guard
    }

    /// As [`wait`](Self::wait), as often as `condition` is not true of the value.
    ///
    /// Returns at once if it is.
    ///
    /// # Cancel safety
    ///
    /// As for `wait`.
    #[doc(alias = "wait_until")]
    #[doc(alias = "wait_while")]
    pub async fn wait_for<'a, T: ?Sized>(
        &'a self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        while !condition(&mut guard) {
            guard = self.wait(guard).await;
        }
        guard
    }

    /// As [`wait`](Self::wait), but waits for a notification for at most `duration`; `false` if the time was over
    /// first.
    ///
    /// It takes the lock again in any case, however long that may take.
    ///
    /// # Panics
    ///
    /// When polled outside an event loop.
    ///
    /// # Cancel safety
    ///
    /// As for `wait`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use greenloop::sync::{Condition, Mutex};
    /// greenloop::run(async {
    ///     let (mutex, never) = (Mutex::new(1), Condition::new());
    ///     let guard = mutex.lock().await;
    ///     let (guard, notified) = never.wait_timeout(guard, Duration::from_millis(1)).await;
    ///     assert!(!notified);
    ///     assert_eq!(*guard, 1);
    /// });
    /// ```
    pub async fn wait_timeout<'a, T: ?Sized>(
        &'a self,
        guard: MutexGuard<'a, T>,
        duration: Duration,
    ) -> (MutexGuard<'a, T>, bool) {
        let mutex = MutexGuard::mutex(&guard);
        let notified = timeout(duration, self.notified(guard)).await.ok();
        let guard = mutex.lock().await;
        let in_time = notified.is_some();
        if let Some(notified) = notified {
            notified.use_up();
        }
        (guard, in_time)
    }

    /// As [`wait_for`](Self::wait_for), but for at most `duration` in all; `false` if the condition is not true
    /// then.
    ///
    /// # Panics
    ///
    /// When polled outside an event loop.
    ///
    /// # Cancel safety
    ///
    /// As for `wait`.
    pub async fn wait_for_timeout<'a, T: ?Sized>(
        &'a self,
        mut guard: MutexGuard<'a, T>,
        duration: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> (MutexGuard<'a, T>, bool) {
        let start = std::time::Instant::now();
        loop {
            if condition(&mut guard) {
                return (guard, true);
            }
            let left = duration.saturating_sub(start.elapsed());
            let in_time;
            (guard, in_time) = self.wait_timeout(guard, left).await;
            if !in_time {
                let holds = condition(&mut guard);
                return (guard, holds);
            }
        }
    }

    /// Wakes so many of those who wait, in their order.
    #[doc(alias = "notify_one")]
    pub fn notify(&self, count: usize) {
        for _ in 0..count {
            if !self.waiting.grant_first() {
                break;
            }
        }
    }

    /// Wakes all who wait.
    #[doc(alias = "notifyAll")]
    pub fn notify_all(&self) {
        self.waiting.tell_all();
    }

    /// Waits for a notification, after having released the lock.
    fn notified<'a, T: ?Sized>(&'a self, guard: MutexGuard<'a, T>) -> Notification<'a, T> {
        Notification { guard: Some(guard), turn: Turn::new(self, 0) }
    }
}

impl Default for Condition {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition").field("waiting", &self.waiting.len()).finish()
    }
}

pin_project_lite::pin_project! {
    /// Releases the lock with its first poll, and waits for a notification.
    struct Notification<'a, T: ?Sized> {
        guard: Option<MutexGuard<'a, T>>,
        #[pin]
        turn: Turn<&'a Condition>,
    }
}

impl Grants for &Condition {
    fn take_back(&self, state: State, _: u32) {
        if state == State::Granted {
            self.notify(1);
        }
    }
}

impl<'a, T: ?Sized> Future for Notification<'a, T> {
    type Output = Notified<'a>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Notified<'a>> {
        let this = self.project();
        let turn = this.turn.into_ref();
        let (condition, waiter) = (*turn.get_ref().grants(), turn.waiter());
        poll_counted(cx, |cx| match waiter.poll(cx.waker()) {
            State::Idle => {
                condition.waiting.push(waiter, Some(cx.waker().clone()));
                // Nothing can have been notified before, since it is still locked.
                *this.guard = None;
                Poll::Pending
            }
            State::Waiting => Poll::Pending,
            State::Granted => {
                waiter.take();
                Poll::Ready(Notified { passes_on: Some(condition) })
            }
            State::Told => {
                waiter.take();
                Poll::Ready(Notified { passes_on: None })
            }
        })
    }
}

/// A notification that was received. Dropped before it was used, it is passed on; that of all is not.
struct Notified<'a> {
    passes_on: Option<&'a Condition>,
}

impl Notified<'_> {
    fn use_up(mut self) {
        self.passes_on = None;
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        if let Some(condition) = self.passes_on {
            condition.notify(1);
        }
    }
}
