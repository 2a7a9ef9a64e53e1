//! Waiting for connections on a listener of any kind, and living through what can go wrong.

use std::{
    io,
    os::fd::AsFd,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use crate::{
    io::{Direction, Done, Source, Ticket},
    time::{Sleep, sleep},
};

/// The wait for connections, one after the other.
pub(super) struct Accepting<'a, T: AsFd> {
    source: &'a Source<T>,
    ticket: Option<Ticket>,
    pause: Pause,
}

impl<'a, T: AsFd> Accepting<'a, T> {
    pub(super) fn new(source: &'a Source<T>) -> Self {
        Self { source, ticket: None, pause: Pause::default() }
    }

    /// Accepts the next connection. Errors of connections are skipped, a lack of descriptors is
    /// waited out, and any other error is given.
    pub(super) fn poll<C>(
        &mut self,
        cx: &mut Context<'_>,
        mut accept: impl FnMut(&T) -> io::Result<C>,
    ) -> Poll<io::Result<C>> {
        loop {
            if let Some(sleep) = &mut self.pause.sleep {
                ready!(Pin::new(sleep).poll(cx));
                self.pause.sleep = None;
            }
            let accept = |listener: &T| accept(listener).map(Done::Fully);
            let accepted =
                self.source.poll_operation(Direction::Read, &mut self.ticket, cx, accept);
            match ready!(accepted) {
                Ok(connection) => {
                    self.pause = Pause::default();
                    return Poll::Ready(Ok(connection));
                }
                Err(error) if is_the_peers(&error) => {}
                Err(error) if is_exhaustion(&error) => self.pause.start(),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// Accepts the next connection if there is one. Errors of connections are skipped.
pub(super) fn try_accept<T: AsFd, C>(
    source: &Source<T>,
    mut accept: impl FnMut(&T) -> io::Result<C>,
) -> io::Result<C> {
    loop {
        let accept = |listener: &T| accept(listener).map(Done::Fully);
        match source.try_operation(Direction::Read, accept) {
            Err(error) if is_the_peers(&error) => {}
            accepted => return accepted,
        }
    }
}

impl<T: AsFd> Drop for Accepting<'_, T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.source.cancel_wait(Direction::Read, ticket);
        }
    }
}

/// Whether an error of `accept(2)` is about the connection that would have been accepted. The list
/// is that of its manual page.
pub(crate) fn is_the_peers(error: &io::Error) -> bool {
    const ERRORS: &[i32] = &[
        libc::ECONNABORTED,
        libc::ECONNRESET,
        libc::EPROTO,
        libc::ENETDOWN,
        libc::ENOPROTOOPT,
        libc::EHOSTDOWN,
        libc::EHOSTUNREACH,
        libc::ENETUNREACH,
        libc::EPERM,
        #[cfg(target_os = "linux")]
        libc::ENONET,
    ];
    error.raw_os_error().is_some_and(|code| ERRORS.contains(&code))
}

/// Whether an error of `accept(2)` will pass when others have closed something.
pub(crate) fn is_exhaustion(error: &io::Error) -> bool {
    const ERRORS: &[i32] = &[libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error.raw_os_error().is_some_and(|code| ERRORS.contains(&code))
}

/// The wait before the next try when there are no descriptors.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    pub(crate) sleep: Option<Sleep>,
    /// The last pause.
    length: Duration,
}

impl Pause {
    pub(crate) fn start(&mut self) {
        const SHORTEST: Duration = Duration::from_millis(10);
        const LONGEST: Duration = Duration::from_secs(1);
        self.length = (self.length * 2).clamp(SHORTEST, LONGEST);
        self.sleep = Some(sleep(self.length));
    }
}
