//! Waiting for a socket, with a limit and without a panic.

use std::{
    io,
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use crate::{event_loop, green::Wait, time};

/// Waits for an operation, at most for `limit`.
///
/// While a panic unwinds the green thread it does not wait but gives an error, since sockets are often
/// used in destructors, to say goodbye.
#[track_caller]
pub(super) fn wait_io<T>(
    limit: Option<Duration>,
    operation: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    if thread::panicking() {
        let mut operation = pin!(operation);
        // What is ready must be so, whatever the thread did before.
        let poll = || operation.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        return match event_loop::with_fresh_budget(poll) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                "a green thread cannot wait while a panic unwinds it",
            )),
        };
    }
    match limit {
        None => operation.wait(),
        // The kind that std's sockets give on Unix.
        Some(limit) => time::timeout(limit, operation).wait().unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::WouldBlock, "the socket's time-out is over"))
        }),
    }
}
