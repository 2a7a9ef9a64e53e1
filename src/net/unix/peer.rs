#![allow(unsafe_code, reason = "no safe crate here asks who the peer is")]
//! Who is at the other end of a Unix connection.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Who the process at the other end was when it connected, or called `listen` or `pair`. The kernel
/// vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UCred {
    uid: u32,
    gid: u32,
    pid: Option<i32>,
}

impl UCred {
    /// Returns the id of the user.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Returns the id of the group.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// Returns the id of the process, where the system tells it. The process may have ended since,
    /// and its id may be another's.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }
}

/// Asks the kernel who is at the other end.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn credentials(socket: BorrowedFd<'_>) -> io::Result<UCred> {
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the pointers are to local variables of the size that is told, alive during the call,
    // which writes plain integers to them.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(UCred { uid: found.uid, gid: found.gid, pid: Some(found.pid) })
}

/// Asks the kernel who is at the other end.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn credentials(socket: BorrowedFd<'_>) -> io::Result<UCred> {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: the pointers are to local variables, alive during the call, which writes plain
    // integers to them.
    let result = unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut uid, &raw mut gid) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(UCred { uid, gid, pid: None })
}
