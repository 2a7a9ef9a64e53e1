#![allow(unsafe_code, reason = "mio has no EPOLLEXCLUSIVE")]
//! Watching a socket that other processes watch too, so that one of them is woken and not all.
//!
//! `EPOLLEXCLUSIVE` must be said when a descriptor enters the set; an entry cannot be modified
//! afterwards, only taken out. It is level-triggered here: a process that was woken and takes only
//! one of several connections is told of the rest, or another is.

use std::{io, os::fd::RawFd};

/// Puts a descriptor into the set. An event carries the token, as those of mio do.
pub(super) fn add(set: RawFd, fd: RawFd, token: mio::Token) -> io::Result<()> {
    let mut event = libc::epoll_event {
        events: (libc::EPOLLIN | libc::EPOLLEXCLUSIVE) as u32,
        u64: token.0 as u64,
    };
    // SAFETY: `event` is alive during the call, which only reads it.
    match unsafe { libc::epoll_ctl(set, libc::EPOLL_CTL_ADD, fd, &mut event) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Takes a descriptor out of the set.
pub(super) fn remove(set: RawFd, fd: RawFd) -> io::Result<()> {
    // SAFETY: takes no event; the kernel has ignored the pointer since 2.6.9.
    match unsafe { libc::epoll_ctl(set, libc::EPOLL_CTL_DEL, fd, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
