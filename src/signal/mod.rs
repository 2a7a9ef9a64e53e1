//! Signals of the process, such as Ctrl-C.
//!
//! [`signal`] starts to listen for one and gives a [`Signal`], a stream; [`ctrl_c`] waits for one
//! `SIGINT`. Any number may listen for the same signal, in any number of loops and threads, and all are
//! told.
//!
//! # What to know
//!
//! - A listener listens from the moment in which it is made. What arrives before it is asked waits
//!   for it.
//! - Signals are not counted: the kernel keeps one of a kind that is pending, and several that arrive
//!   before a listener has looked may be one to it.
//! - A signal that was listened for once no longer does to the process what it would do by itself, not
//!   even after the last listener is gone.
//! - In a forked child the listeners of the parent are dead. Until the child listens for itself, the
//!   signal does to it what it does to any process. Programs that are executed, such as those of
//!   `std::process::Command`, never know that their parent listened.

mod ctrl_c;
mod handler;
mod kind;
mod listener;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;

pub(crate) use self::listener::Listener;
pub use self::{
    ctrl_c::{CtrlC, ctrl_c},
    kind::SignalKind,
};
use crate::io::{Direction, Source, Ticket};

/// Starts to listen for a signal.
///
/// # Errors
///
/// Of the kind `InvalidInput` for a signal that cannot be caught (`SIGKILL`, `SIGSTOP`), for one that
/// says that the running instruction is faulty and would do so again and again (`SIGSEGV`, `SIGBUS`,
/// `SIGILL`, `SIGFPE`), and for a number that is no signal. When the system has no descriptors
/// left: a listener takes two.
///
/// # Examples
///
/// A server that reads its settings again when it is told to:
///
/// ```no_run
/// use greenloop::signal::{SignalKind, signal};
///
/// greenloop::run(async {
///     let mut hangup = signal(SignalKind::hangup())?;
///     greenloop::spawn(async move {
///         while let Some(()) = hangup.recv().await {
///             println!("reading the settings");
///         }
///     });
///     # std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[doc(alias = "add_signal_handler")]
#[doc(alias = "signal_handler")]
#[doc(alias = "sigaction")]
#[doc(alias = "remove_signal_handler")]
#[doc(alias = "getsignal")]
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    let source = Source::new(Listener::new(kind)?);
    source.watch()?;
    Ok(Signal { source, ticket: None })
}

/// Listens for a signal; from [`signal`]. Also a stream of it, which never ends.
///
/// It belongs to the loop that was running when it was made, or if there was none, to the first one
/// in which it is received.
#[derive(Debug)]
#[doc(alias = "sigwait")]
#[doc(alias = "sigwaitinfo")]
#[doc(alias = "sigtimedwait")]
#[doc(alias = "set_wakeup_fd")]
pub struct Signal {
    source: Source<Listener>,
    /// Where `poll_recv` left its waker.
    ticket: Option<Ticket>,
}

impl Signal {
    /// Waits for the signal; at once if it has arrived since it was received last, or since the
    /// listener was made.
    ///
    /// It always gives `Some`; the shape is that of all receivers.
    ///
    /// # Panics
    ///
    /// Outside of a loop; in another loop than the one to which the listener belongs; in a forked child
    /// of the process that made it. If it was made outside of a loop, also when the system cannot watch
    /// one more descriptor.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no signal.
    pub async fn recv(&mut self) -> Option<()> {
        let received = self.source.operate(Direction::Read, Listener::take).await;
        self.some(received)
    }

    /// Polls for the signal; the rest is as for [`recv`](Self::recv).
    ///
    /// # Panics
    ///
    /// As [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.poll(cx).map(|received| self.some(received))
    }

    /// Returns which signal it is.
    #[must_use]
    pub fn kind(&self) -> SignalKind {
        self.source.get().kind()
    }

    fn some(&self, received: io::Result<()>) -> Option<()> {
        match received {
            Ok(()) => Some(()),
            Err(error) => panic!("{:?} cannot be received: {error}", self.kind()),
        }
    }

    fn poll(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let Self { source, ticket } = self;
        *ticket = Some(Ticket::SHARED);
        source.poll_operation(Direction::Read, ticket, cx, Listener::take)
    }
}

impl Stream for Signal {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.poll_recv(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Signal>();
};
