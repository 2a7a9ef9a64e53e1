//! Waiting for a future, but not longer than until a moment.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::sleep::{Sleep, sleep, sleep_until};
use crate::event_loop;

/// Waits for a future, but at most for `duration`; then the future is dropped.
///
/// The future is polled first: if it is done when the time is over, its output wins, and with
/// [`Duration::ZERO`] it gets one poll. With [`Duration::MAX`] there is no limit.
///
/// # Errors
///
/// [`Elapsed`] when the time is over. It converts into an `io::Error` of the kind `TimedOut`.
///
/// # Panics
///
/// When polled outside an event loop.
///
/// # Cancel safety
///
/// That of the future: it is dropped with the time-out.
///
/// # Examples
///
/// ```
/// # use std::time::Duration;
/// greenloop::run(async {
///     let never = std::future::pending::<()>();
///     assert!(greenloop::timeout(Duration::from_millis(1), never).await.is_err());
///     assert_eq!(greenloop::timeout(Duration::from_secs(60), async { 7 }).await, Ok(7));
/// });
/// ```
#[doc(alias = "wait_for")]
#[doc(alias = "gevent.Timeout")]
#[doc(alias = "with_timeout")]
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: future.into_future(), sleep: sleep(duration) }
}

/// Waits for a future, but at most until `deadline`; the rest is as for [`timeout`].
///
/// # Errors
///
/// [`Elapsed`] when the deadline has passed.
///
/// # Panics
///
/// When polled outside an event loop.
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: future.into_future(), sleep: sleep_until(deadline) }
}

pin_project_lite::pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    #[derive(Debug)]
    #[must_use = "a future does nothing unless awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

impl<F> Timeout<F> {
    /// Returns the future, without a limit from here on.
    pub fn into_inner(self) -> F {
        self.future
    }

    /// Sets another deadline.
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        self.project().sleep.reset(deadline);
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // The future may have used up the budget; the time is over all the same.
        let poll_sleep = || Pin::new(this.sleep).poll(cx);
        let polled = event_loop::with(|core| core.executor.with_fresh_budget(poll_sleep));
        match polled {
            Some(polled) => polled.map(|()| Err(Elapsed(()))),
            None => panic!("a time-out {}", event_loop::NEEDS_LOOP),
        }
    }
}

/// The error of a wait that took too long.
#[doc(alias = "TimeoutError")]
#[doc(alias = "TimeoutExpired")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl Elapsed {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time is over")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(io::ErrorKind::TimedOut, elapsed)
    }
}
