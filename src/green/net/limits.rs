//! How long the operations of a socket may wait, written once for every kind of socket.
//!
//! The clones of a socket share its limits, as the duplicates of a descriptor share the kernel's.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// What the clones of a socket share.
pub(super) struct Limited<S> {
    pub(super) socket: S,
    limits: Mutex<Limits>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Limits {
    pub(super) read: Option<Duration>,
    pub(super) write: Option<Duration>,
}

impl<S> Limited<S> {
    pub(super) fn new(socket: S) -> Self {
        Self { socket, limits: Mutex::default() }
    }

    pub(super) fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_read(&self, limit: Option<Duration>) -> io::Result<()> {
        refuse_zero(limit)?;
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).read = limit;
        Ok(())
    }

    pub(super) fn set_write(&self, limit: Option<Duration>) -> io::Result<()> {
        refuse_zero(limit)?;
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).write = limit;
        Ok(())
    }
}

fn refuse_zero(limit: Option<Duration>) -> io::Result<()> {
    if limit == Some(Duration::ZERO) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a time-out of zero would never let anything happen: use None for no limit",
        ));
    }
    Ok(())
}

/// What all sockets have that can be cloned: a type with a field `shared: Arc<Limited<Async>>`.
macro_rules! limited_socket {
    ($Socket:ident, $Async:ty) => {
        impl $Socket {
            /// Wraps a socket of async code.
            #[must_use]
            pub fn from_async(socket: $Async) -> Self {
                Self {
                    shared: std::sync::Arc::new($crate::green::net::limits::Limited::new(socket)),
                }
            }

            /// Returns the socket for async code.
            #[must_use]
            pub fn as_async(&self) -> &$Async {
                &self.shared.socket
            }

            /// Gives another handle to the same socket, with the same time-outs. It cannot fail, and
            /// is as std has it.
            ///
            /// # Errors
            ///
            /// None.
            pub fn try_clone(&self) -> std::io::Result<Self> {
                Ok(self.clone())
            }

            /// Limits how long a read waits; `None` does not.
            ///
            /// # Errors
            ///
            /// Of the kind `InvalidInput` for a limit of zero, as std has it.
            pub fn set_read_timeout(
                &self,
                limit: Option<std::time::Duration>,
            ) -> std::io::Result<()> {
                self.shared.set_read(limit)
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
                self.shared.set_write(limit)
            }

            /// Returns how long a read waits.
            ///
            /// # Errors
            ///
            /// None.
            pub fn read_timeout(&self) -> std::io::Result<Option<std::time::Duration>> {
                Ok(self.shared.limits().read)
            }

            /// Returns how long a write waits.
            ///
            /// # Errors
            ///
            /// None.
            pub fn write_timeout(&self) -> std::io::Result<Option<std::time::Duration>> {
                Ok(self.shared.limits().write)
            }
        }

        impl std::os::fd::AsFd for $Socket {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.shared.socket.as_fd()
            }
        }

        impl std::os::fd::AsRawFd for $Socket {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.shared.socket.as_raw_fd()
            }
        }

        impl std::fmt::Debug for $Socket {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.shared.socket.fmt(f)
            }
        }
    };
}

/// `Read` and `Write` of a stream that is a `limited_socket`, and of a reference to it.
macro_rules! read_and_write {
    ($Stream:ident) => {
        $crate::green::net::limits::read_and_write!(impl &$Stream);
        $crate::green::net::limits::read_and_write!(impl $Stream);
    };
    (impl $Stream:ty) => {
        impl std::io::Read for $Stream {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let limit = self.shared.limits().read;
                $crate::green::net::wait_io::wait_io(limit, self.shared.socket.read(buffer))
            }

            fn read_vectored(
                &mut self,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                let limit = self.shared.limits().read;
                let read = self.shared.socket.read_vectored(buffers);
                $crate::green::net::wait_io::wait_io(limit, read)
            }
        }

        impl std::io::Write for $Stream {
            fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
                let limit = self.shared.limits().write;
                $crate::green::net::wait_io::wait_io(limit, self.shared.socket.write(buffer))
            }

            fn write_vectored(
                &mut self,
                buffers: &[std::io::IoSlice<'_>],
            ) -> std::io::Result<usize> {
                let limit = self.shared.limits().write;
                let write = self.shared.socket.write_vectored(buffers);
                $crate::green::net::wait_io::wait_io(limit, write)
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
    };
}

pub(super) use {limited_socket, read_and_write};
