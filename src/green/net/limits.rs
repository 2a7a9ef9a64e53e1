//! How long the operations of a socket may wait, written once for every kind of socket.
//!
//! The clones of a socket share its limits, as the duplicates of a descriptor share the kernel's.

use std::{
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
    thread,
    time::Duration,
};

use super::{
    super::wait::wait_own,
    wait_io::{Patience, do_io},
};

/// What the clones of a socket share.
pub(super) struct Limited<S> {
    pub(super) socket: S,
    /// Nobody has set a limit yet, so that there is no need to look.
    unlimited: AtomicBool,
    limits: Mutex<Limits>,
}

#[derive(Clone, Copy, Default)]
struct Limits {
    read: Option<Duration>,
    write: Option<Duration>,
    nonblocking: bool,
}

impl<S> Limited<S> {
    pub(super) fn new(socket: S) -> Self {
        Self { socket, unlimited: AtomicBool::new(true), limits: Mutex::default() }
    }

    /// Does what reads, receives or accepts: at once with `now`, or waiting with `later`.
    #[inline]
    #[track_caller]
    pub(super) fn read<'a, A, T, F>(
        &'a self,
        argument: A,
        now: impl FnOnce(&'a S, A) -> io::Result<T>,
        later: impl FnOnce(&'a S, A) -> F,
    ) -> io::Result<T>
    where
        F: Future<Output = io::Result<T>>,
    {
        self.do_io(|limits| limits.read, argument, now, later)
    }

    /// Does what writes or sends: at once with `now`, or waiting with `later`.
    #[inline]
    #[track_caller]
    pub(super) fn write<'a, A, T, F>(
        &'a self,
        argument: A,
        now: impl FnOnce(&'a S, A) -> io::Result<T>,
        later: impl FnOnce(&'a S, A) -> F,
    ) -> io::Result<T>
    where
        F: Future<Output = io::Result<T>>,
    {
        self.do_io(|limits| limits.write, argument, now, later)
    }

    #[track_caller]
    fn do_io<'a, A, T, F>(
        &'a self,
        limit: impl FnOnce(&Limits) -> Option<Duration>,
        argument: A,
        now: impl FnOnce(&'a S, A) -> io::Result<T>,
        later: impl FnOnce(&'a S, A) -> F,
    ) -> io::Result<T>
    where
        F: Future<Output = io::Result<T>>,
    {
        let socket = &self.socket;
        if self.unlimited.load(Acquire) && !thread::panicking() {
            return wait_own(later(socket, argument));
        }
        let limits = self.limits();
        let patience = Patience::new(limit(&limits), limits.nonblocking);
        do_io(
            patience,
            argument,
            |argument| now(socket, argument),
            |argument| later(socket, argument),
        )
    }

    pub(super) fn set_nonblocking(&self, nonblocking: bool) {
        self.set(|limits| limits.nonblocking = nonblocking);
    }

    pub(super) fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        limit.map_or(Ok(()), refuse_zero)?;
        self.set(|limits| limits.read = limit);
        Ok(())
    }

    pub(super) fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        limit.map_or(Ok(()), refuse_zero)?;
        self.set(|limits| limits.write = limit);
        Ok(())
    }

    pub(super) fn read_timeout(&self) -> Option<Duration> {
        self.limits().read
    }

    pub(super) fn write_timeout(&self) -> Option<Duration> {
        self.limits().write
    }

    fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, set: impl FnOnce(&mut Limits)) {
        set(&mut self.limits.lock().unwrap_or_else(PoisonError::into_inner));
        self.unlimited.store(false, Release);
    }
}

pub(super) fn refuse_zero(limit: Duration) -> io::Result<()> {
    if limit.is_zero() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a time-out of zero would never let anything happen: use None for no limit",
        ));
    }
    Ok(())
}

/// The time-outs of a type with a field `shared: Arc<Limited<_>>`.
macro_rules! limits {
    ($Socket:ident) => {
        impl $Socket {
            /// Limits how long a read waits; `None` does not.
            ///
            /// # Errors
            ///
            /// Of the kind `InvalidInput` for a limit of zero, as std has it.
            #[doc(alias = "settimeout")]
            pub fn set_read_timeout(
                &self,
                limit: Option<std::time::Duration>,
            ) -> std::io::Result<()> {
                self.shared.set_read_timeout(limit)
            }

            /// Limits how long a write waits; `None` does not.
            ///
            /// # Errors
            ///
            /// Of the kind `InvalidInput` for a limit of zero, as std has it.
            pub fn set_write_timeout(
                &self,
                limit: Option<std::time::Duration>,
            ) -> std::io::Result<()> {
                self.shared.set_write_timeout(limit)
            }

            /// Returns how long a read waits.
            ///
            /// # Errors
            ///
            /// None.
            pub fn read_timeout(&self) -> std::io::Result<Option<std::time::Duration>> {
                Ok(self.shared.read_timeout())
            }

            /// Returns how long a write waits.
            ///
            /// # Errors
            ///
            /// None.
            pub fn write_timeout(&self) -> std::io::Result<Option<std::time::Duration>> {
                Ok(self.shared.write_timeout())
            }
        }
    };
}

pub(super) use limits;
