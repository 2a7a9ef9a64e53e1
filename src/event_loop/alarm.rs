#![allow(unsafe_code, reason = "timerfd has no safe wrapper in the crates that are used anyway")]
//! Ends a sleep that is shorter than a millisecond.
//!
//! `epoll_wait` counts in milliseconds; a timerfd among the watched descriptors counts in
//! nanoseconds. It costs a system call per sleep, so it is set only for the last stretch before a
//! deadline. Other platforms than Linux have none and sleep on to the next millisecond.

use std::{io, os::fd::OwnedFd, time::Duration};

use crate::reactor::Reactor;

/// A timer descriptor, watched by the reactor.
#[derive(Debug)]
pub(super) struct Alarm {
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "never made there"))]
    timer: OwnedFd,
}

#[cfg(target_os = "linux")]
impl Alarm {
    pub(super) fn new(reactor: &mut Reactor) -> io::Result<Self> {
        use std::os::fd::{AsFd as _, FromRawFd as _};
        let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made, and nobody else's.
        let timer = unsafe { OwnedFd::from_raw_fd(fd) };
        reactor.register(timer.as_fd())?;
        Ok(Self { timer })
    }

    /// Makes the descriptor readable after `left`. The expiry is never read: setting the timer
    /// again takes it back, and the reactor only looks at edges.
    pub(super) fn arm(&self, left: Duration) -> io::Result<()> {
        use std::os::fd::AsRawFd as _;
        let never = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let left = libc::timespec {
            tv_sec: left.as_secs() as libc::time_t,
            tv_nsec: left.subsec_nanos() as libc::c_long,
        };
        let setting = libc::itimerspec { it_interval: never, it_value: left };
        let fd = self.timer.as_raw_fd();
        // SAFETY: `setting` is alive during the call, and the old setting is not asked for.
        match unsafe { libc::timerfd_settime(fd, 0, &setting, std::ptr::null_mut()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Alarm {
    pub(super) fn new(_reactor: &mut Reactor) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn arm(&self, _left: Duration) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
