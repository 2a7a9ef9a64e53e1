#![allow(
    unsafe_code,
    reason = "these system calls have no safe wrapper in the crates that are used anyway"
)]
//! A descriptor that stands for a process: it is readable when the process has ended, and a signal that
//! is sent through it cannot reach another process that was given the same number.
//!
//! Linux has them from 5.3 on, and sends signals to a group through them from 6.9 on.

#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd as _, FromRawFd as _, RawFd};
use std::{ffi::c_int, io, os::fd::OwnedFd};

#[cfg(target_os = "linux")]
const TO_GROUP: libc::c_uint = 1 << 2;

/// Opens the descriptor of a child that has not been waited for.
#[cfg(target_os = "linux")]
pub(super) fn open(id: u32) -> io::Result<OwnedFd> {
    let flags: libc::c_uint = 0;
    // SAFETY: takes no pointers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, id as libc::pid_t, flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Sends a signal, to the process or to the group whose leader it is or was.
#[cfg(target_os = "linux")]
pub(super) fn send(process: &OwnedFd, number: c_int, to_group: bool) -> io::Result<()> {
    let flags = if to_group { TO_GROUP } else { 0 };
    let information = std::ptr::null::<libc::siginfo_t>();
    let fd = process.as_raw_fd();
    // SAFETY: the pointer is null, for which the kernel makes up what `kill` would say.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, number, information, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open(_id: u32) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn send(_process: &OwnedFd, _number: c_int, _to_group: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Sends a signal by number; to a process if that is positive, to a group if negative.
pub(super) fn kill(id: libc::pid_t, number: c_int) -> io::Result<()> {
    // SAFETY: takes no pointers.
    match unsafe { libc::kill(id, number) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
