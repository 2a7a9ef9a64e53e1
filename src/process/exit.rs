//! How the end of a child is announced.

use std::{
    ffi::c_int,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use super::pidfd;
use crate::signal::{Listener, SignalKind};

/// A descriptor that becomes readable when the child may have ended.
#[derive(Debug)]
pub(super) enum Exit {
    /// When it has: a descriptor of the process itself.
    Process(OwnedFd),
    /// When some child has: where there are no such descriptors (other systems, Linux before 5.3, a
    /// sandbox that forbids them), a listener for `SIGCHLD`.
    SomeChild(Listener),
}

impl Exit {
    /// For a child that has not been waited for.
    pub(super) fn of(id: u32) -> io::Result<Self> {
        match pidfd::open(id) {
            Ok(process) => Ok(Self::Process(process)),
            Err(error) if is_lack(&error) => Err(error),
            Err(_) => Listener::new(SignalKind::child()).map(Self::SomeChild),
        }
    }

    /// Takes what has been announced, before somebody looks whether it is so.
    pub(super) fn take(&self) {
        if let Self::SomeChild(listener) = self {
            // What it says is that nothing has arrived, and somebody looks all the same.
            let _ = listener.take();
        }
    }

    /// Sends a signal in such a way that it reaches the child or nobody; an error of the kind
    /// `Unsupported` if that cannot be done.
    pub(super) fn send(&self, number: c_int, to_group: bool) -> io::Result<()> {
        let Self::Process(process) = self else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        match pidfd::send(process, number, to_group) {
            Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            // Flags that the kernel does not know.
            Err(error) if to_group && error.raw_os_error() == Some(libc::EINVAL) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            result => result,
        }
    }
}

/// Whether there may be a descriptor a moment later.
pub(super) fn is_lack(error: &io::Error) -> bool {
    let lacks = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENODEV];
    error.raw_os_error().is_some_and(|code| lacks.contains(&code))
}

impl AsFd for Exit {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Process(process) => process.as_fd(),
            Self::SomeChild(listener) => listener.as_fd(),
        }
    }
}
