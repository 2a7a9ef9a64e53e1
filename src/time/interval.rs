//! Ticking.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use futures_core::Stream;

use super::sleep::{Sleep, sleep_until};

/// How late a tick may be and still count as in time; tokio's figure.
const TOLERANCE: Duration = Duration::from_millis(5);

/// Ticks at once, and then each time `period` has passed.
///
/// # Panics
///
/// When `period` is zero.
///
/// # Examples
///
/// ```
/// # use std::time::{Duration, Instant};
/// greenloop::run(async {
///     let start = Instant::now();
///     let mut interval = greenloop::time::interval(Duration::from_millis(2));
///     for _ in 0..3 {
///         interval.tick().await;
///     }
///     assert!(start.elapsed() >= Duration::from_millis(4));
/// });
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks at `start`, and then each time `period` has passed.
///
/// # Panics
///
/// When `period` is zero.
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "the period of an interval must be longer than zero");
    Interval { sleep: sleep_until(start), period, missed: MissedTickBehavior::Burst }
}

/// What an [`Interval`] does when ticks were missed, because nobody waited for them in time.
///
/// A tick counts as missed when it is more than 5 ms late. In the examples the period is 100 ms
/// and the tick of 200 ms is taken at 350 ms only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// Makes up for each of them: 350, 350, 400, 500, ...
    #[default]
    Burst,
    /// Waits a whole period from the late tick on: 350, 450, 550, ...
    Delay,
    /// Leaves them out and keeps to the grid: 350, 400, 500, ...
    Skip,
}

/// The ticks of [`interval`] and [`interval_at`]; also a stream of them, which never ends.
#[derive(Debug)]
pub struct Interval {
    sleep: Sleep,
    period: Duration,
    missed: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick, and gives the moment for which it was due.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes no tick.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// Polls for the next tick.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.sleep).poll(cx));
        let due = self.sleep.deadline().expect("a deadline that has passed can be said");
        self.sleep.set(self.next(due, Instant::now()));
        Poll::Ready(due)
    }

    /// The tick after the one of `due`, which is taken `now`.
    fn next(&self, due: Instant, now: Instant) -> Option<Instant> {
        let missed = now.saturating_duration_since(due) > TOLERANCE;
        match self.missed {
            MissedTickBehavior::Delay if missed => now.checked_add(self.period),
            MissedTickBehavior::Skip if missed => {
                let into_period = (now - due).as_nanos() % self.period.as_nanos();
                let left = self.period.as_nanos() - into_period;
                let left = Duration::new(
                    u64::try_from(left / 1_000_000_000).unwrap_or(u64::MAX),
                    (left % 1_000_000_000) as u32,
                );
                now.checked_add(left)
            }
            _ => due.checked_add(self.period),
        }
    }

    /// Lets the next tick come one period from now.
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// Lets the next tick come at once.
    pub fn reset_immediately(&mut self) {
        self.reset_after(Duration::ZERO);
    }

    /// Lets the next tick come after `after`.
    pub fn reset_after(&mut self, after: Duration) {
        self.sleep.set(Instant::now().checked_add(after));
    }

    /// Lets the next tick come at `deadline`.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.sleep.reset(deadline);
    }

    /// Returns what is done about missed ticks.
    #[must_use]
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Sets what is done about missed ticks.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }

    /// Returns the time between two ticks.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(cx).map(Some)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}
