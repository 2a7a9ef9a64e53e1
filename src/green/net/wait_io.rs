//! Waiting for a socket: as long as it takes, for some time, or not at all; and without a panic.

use std::{
    future::poll_fn,
    io,
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use crate::{
    event_loop,
    green::{self, Wait, thread::Record},
    time,
};

/// How long an operation may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    Endless,
    Until(Duration),
    None,
}

impl Patience {
    /// Of a socket with these settings.
    ///
    /// While a panic unwinds the green thread it has none: sockets are often used in destructors, to
    /// say goodbye, and a wait would panic there.
    pub(super) fn new(limit: Option<Duration>, nonblocking: bool) -> Self {
        match limit {
            _ if nonblocking || thread::panicking() => Self::None,
            Some(limit) => Self::Until(limit),
            None => Self::Endless,
        }
    }
}

/// Does an operation at once with `now`, or waits for it with `later`. Out of the way of the sockets without
/// a limit, which do not come here.
#[inline(never)]
#[track_caller]
pub(super) fn do_io<A, T, F>(
    patience: Patience,
    argument: A,
    now: impl FnOnce(A) -> io::Result<T>,
    later: impl FnOnce(A) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    match patience {
        Patience::None => try_io(|| now(argument)),
        Patience::Endless => later(argument).wait(),
        // The kind that std's sockets give on Unix.
        Patience::Until(limit) => time::timeout(limit, later(argument))
            .wait()
            .unwrap_or_else(|_| Err(would_block("the socket's time-out is over"))),
    }
}

/// Waits for what cannot be tried, such as a connection to be made.
#[track_caller]
pub(in crate::green) fn wait_io<T>(
    operation: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    if !thread::panicking() {
        return operation.wait();
    }
    let mut operation = pin!(operation);
    let poll = || operation.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    match event_loop::with_fresh_budget(poll) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(would_block(UNWINDING)),
    }
}

/// Tries an operation. One that would block lets the other tasks run first: a program that tries
/// again and again would otherwise keep them from bringing what it tries to get.
#[track_caller]
fn try_io<T>(operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    if thread::panicking() {
        return operation().map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => would_block(UNWINDING),
            _ => error,
        });
    }
    if Record::with(Record::is_polling) != Some(false) {
        // Not in a green thread, or in a future that it polls.
        return operation();
    }
    let mut operation = Some(operation);
    let result = poll_fn(|_| match operation.take() {
        Some(operation) => Poll::Ready(operation()),
        None => Poll::Pending,
    });
    // A wait, since it must spend from the budget as others do.
    let result = result.wait();
    if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
        green::yield_now();
    }
    result
}

/// Why a socket would block that otherwise waits.
const UNWINDING: &str = "a green thread cannot wait while a panic unwinds it";

fn would_block(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, why)
}
