//! One Ctrl-C.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use super::{Signal, SignalKind, signal};

/// Waits for Ctrl-C (`SIGINT`).
///
/// The signal is caught from this call on, and no longer ends the process: not even after the
/// future is gone. Any number of tasks and loops may wait at the same time, and all are told.
///
/// Each call listens anew: a Ctrl-C between the end of one wait and the next call is nobody's. A program
/// that acts on every one of them keeps the future and awaits it by reference, again and again, or
/// keeps a [`signal`] of [`SignalKind::interrupt`].
///
/// # Errors
///
/// The future's: when the system has no descriptors left (it takes two); outside of a loop.
///
/// # Cancel safety
///
/// Dropping the future stops listening. Polling it by reference loses no signal.
///
/// # Examples
///
/// ```no_run
/// greenloop::run(async {
///     greenloop::signal::ctrl_c().await?;
///     println!("bye");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
///
/// The first one asks, the second one insists:
///
/// ```no_run
/// # async fn finish_what_is_begun() {}
/// greenloop::run(async {
///     let mut ctrl_c = greenloop::signal::ctrl_c();
///     (&mut ctrl_c).await?;
///     greenloop::select! {
///         () = finish_what_is_begun() => Ok(()),
///         again = &mut ctrl_c => again,
///     }
/// })
/// # .unwrap();
/// ```
#[doc(alias = "KeyboardInterrupt")]
#[doc(alias = "default_int_handler")]
pub fn ctrl_c() -> CtrlC {
    CtrlC { signal: signal(SignalKind::interrupt()).map_err(Some) }
}

/// The future of [`ctrl_c`]. When it is done it can be polled again, for the next one.
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct CtrlC {
    /// What went wrong is said once.
    signal: Result<Signal, Option<io::Error>>,
}

impl Future for CtrlC {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.signal {
            Ok(signal) => signal.poll(cx),
            Err(error) => Poll::Ready(Err(error
                .take()
                .unwrap_or_else(|| io::Error::other("ctrl_c was polled after it had failed")))),
        }
    }
}
