#![allow(unsafe_code, reason = "std changes the mode of its own sockets only")]
//! The mode of a descriptor of any kind.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

/// Puts a descriptor into non-blocking mode, for all who share it.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = flags(fd)?;
    if flags & libc::O_NONBLOCK == 0 {
        // SAFETY: takes no pointers; the descriptor is open while it is borrowed.
        let result =
            unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The flags that a descriptor was opened with, and its mode.
pub(crate) fn flags(fd: BorrowedFd<'_>) -> io::Result<i32> {
    // SAFETY: takes no pointers; the descriptor is open while it is borrowed.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    if flags < 0 { Err(io::Error::last_os_error()) } else { Ok(flags) }
}
