//! Waiting until a moment has come.

use std::{
    num::NonZeroU64,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use crate::{
    event_loop::{self, Core},
    timers::TimerKey,
};

/// Waits until `duration` has passed, letting other tasks run.
///
/// May finish late when the loop is busy, never early. [`Duration::ZERO`] finishes at once,
/// [`Duration::MAX`] never.
///
/// # Panics
///
/// When polled outside an event loop, or by another one than the first time.
///
/// # Cancel safety
///
/// Dropping the future forgets the deadline and nothing else.
///
/// # Examples
///
/// ```
/// # use std::time::{Duration, Instant};
/// greenloop::run(async {
///     let start = Instant::now();
///     greenloop::sleep(Duration::from_millis(5)).await;
///     assert!(start.elapsed() >= Duration::from_millis(5));
/// });
/// ```
#[doc(alias = "gevent.sleep")]
#[doc(alias = "asyncio.sleep")]
pub fn sleep(duration: Duration) -> Sleep {
    let now = Instant::now();
    Sleep::new(now, now.checked_add(duration))
}

/// Waits until `deadline` has passed; at once, if it has.
///
/// The rest is as for [`sleep`].
///
/// # Panics
///
/// When polled outside an event loop, or by another one than the first time.
///
/// # Examples
///
/// ```
/// # use std::time::{Duration, Instant};
/// greenloop::run(async {
///     let deadline = Instant::now() + Duration::from_millis(5);
///     greenloop::time::sleep_until(deadline).await;
///     assert!(Instant::now() >= deadline);
/// });
/// ```
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(Instant::now(), Some(deadline))
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// It is `Unpin`, and can be [`reset`](Self::reset) and waited for again and again. A timer is armed
/// by the first poll.
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Sleep {
    /// `None` lies beyond what an `Instant` can say: never.
    deadline: Option<Instant>,
    /// The timer, from the first poll until the deadline was seen to have passed.
    timer: Option<(NonZeroU64, TimerKey)>,
}

/// A second, in nanoseconds. When a deadline is so much later than the time that was read last, that
/// is not read again: it can have passed only if a task has kept the loop for so long, and then
/// the timer fires in the next turn.
const NEAR: u64 = 1_000_000_000;

impl Sleep {
    fn new(now: Instant, deadline: Option<Instant>) -> Self {
        // The first poll, which mostly follows at once, need not read the time again.
        event_loop::with(|core| core.clock.note(now));
        Self { deadline, timer: None }
    }

    /// Returns the moment that is waited for; `None` if it lies too far in the future for an
    /// `Instant`.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns whether the deadline has passed.
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Sets another deadline, also when the old one has passed: then the future can be awaited
    /// again. The task that waits is woken at the new time only.
    ///
    /// To a later time this costs next to nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::{Duration, Instant};
    /// greenloop::run(async {
    ///     let start = Instant::now();
    ///     let mut sleep = greenloop::sleep(Duration::from_secs(3600));
    ///     sleep.reset(start + Duration::from_millis(1));
    ///     (&mut sleep).await;
    ///     assert!(start.elapsed() >= Duration::from_millis(1));
    /// });
    /// ```
    pub fn reset(&mut self, deadline: Instant) {
        self.set(Some(deadline));
    }

    /// As `reset`; `None` is never.
    pub(crate) fn set(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
        let Some((id, key)) = self.timer else { return };
        let moved = event_loop::with_loop(id, |core| {
            core.timers.borrow_mut().move_to(key, nanos(core, deadline))
        });
        if moved != Some(true) {
            // Fired, or out of reach here: the next poll arms another.
            self.disarm();
        }
    }

    /// Takes the timer away; the next poll arms another.
    pub(crate) fn disarm(&mut self) {
        if let Some((id, key)) = self.timer.take() {
            event_loop::run_or_post(id, move |core| {
                let waker = core.timers.borrow_mut().cancel(key);
                drop(waker);
            });
        }
    }

    fn poll_armed(&self, core: &Core, key: TimerKey, waker: &Waker) -> Poll<()> {
        let timers = core.timers.borrow();
        if !timers.is_armed(key) {
            return Poll::Ready(());
        }
        if !timers.would_wake(key, waker) {
            drop(timers);
            // A stranger's waker may run anything when it is cloned or dropped.
            let waker = waker.clone();
            let old = core.timers.borrow_mut().set_waker(key, waker);
            drop(old);
        }
        Poll::Pending
    }

    fn poll_first(&mut self, core: &Core, waker: &Waker) -> Poll<()> {
        let deadline = nanos(core, self.deadline);
        let latest = core.clock.latest();
        if deadline <= latest || (deadline - latest < NEAR && deadline <= core.clock.refresh()) {
            return Poll::Ready(());
        }
        let waker = waker.clone();
        let key = core.timers.borrow_mut().arm(deadline, waker);
        self.timer = Some((core.id(), key));
        Poll::Pending
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polled = event_loop::with(|core| {
            if core.executor.poll_budget(cx).is_pending() {
                return Poll::Pending;
            }
            let polled = match self.timer {
                Some((id, key)) if id == core.id() => self.poll_armed(core, key, cx.waker()),
                Some(_) => panic!("a Sleep was polled by another event loop than before"),
                None => self.poll_first(core, cx.waker()),
            };
            if polled.is_ready() {
                self.timer = None;
                core.executor.spend_budget();
            }
            polled
        });
        match polled {
            Some(polled) => polled,
            None => panic!("a Sleep {}", event_loop::NEEDS_LOOP),
        }
    }
}

/// A deadline on the loop's clock; never is its end.
fn nanos(core: &Core, deadline: Option<Instant>) -> u64 {
    deadline.map_or(u64::MAX, |deadline| core.clock.nanos(deadline))
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.disarm();
    }
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync + Unpin>() {}
    is_send_and_sync::<Sleep>();
};
