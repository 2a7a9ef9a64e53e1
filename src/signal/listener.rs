//! One who listens for a signal: a pair of sockets, one end of which the signal handler writes to.
//!
//! A pair for each listener rather than one for the process or the loop: nobody has to pass on what
//! another one has read, a listener may be made before there is a loop, and it goes away without
//! a trace. Signals are rare, so the price, two descriptors, is paid in idle memory only.

use std::{
    io::{self, Read as _},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

use signal_hook::{SigId, low_level::unregister};

use super::{SignalKind, handler};
use crate::{event_loop, io::Done};

/// How many bytes are read at once, that is: how many signals, at most, are one.
const AT_ONCE: usize = 64;

#[derive(Debug)]
pub(crate) struct Listener {
    kind: SignalKind,
    /// A byte arrives in it with each signal, as long as there is room.
    arrived: UnixStream,
    action: SigId,
    /// The process that listens; see `event_loop/fork.rs`.
    process: u32,
}

impl Listener {
    pub(crate) fn new(kind: SignalKind) -> io::Result<Self> {
        let process = event_loop::process_generation()?;
        let (arrived, handlers) = UnixStream::pair()?;
        arrived.set_nonblocking(true)?;
        handlers.set_nonblocking(true)?;
        let action = handler::add(kind, handlers)?;
        Ok(Self { kind, arrived, action, process })
    }

    pub(super) fn kind(&self) -> SignalKind {
        self.kind
    }

    /// Takes the signals that have arrived.
    pub(crate) fn take(&self) -> io::Result<Done<()>> {
        // What it reads would be missing in the parent.
        if self.is_inherited() {
            return Err(io::Error::other(
                "it was listened for before a fork, by the parent process: \
                 listen for it again in the child",
            ));
        }
        let count = (&self.arrived).read(&mut [0; AT_ONCE])?;
        Ok(if count < AT_ONCE { Done::Short(()) } else { Done::Fully(()) })
    }

    fn is_inherited(&self) -> bool {
        event_loop::process_generation().ok() != Some(self.process)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // In a child the action does nothing, and the lock over all actions may have been held by a
        // thread of the parent that is not there.
        if !self.is_inherited() {
            unregister(self.action);
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.arrived.as_fd()
    }
}
