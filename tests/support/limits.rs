#![allow(unsafe_code, reason = "the limits of a process have no safe wrapper here")]
#![allow(dead_code, reason = "each test program uses a part of it")]
//! How many descriptors the process may have.

use std::io;

/// Sets the limit, which counts for the whole process.
pub(crate) fn set(descriptors: u64) {
    let mut limit = get();
    limit.rlim_cur = descriptors.min(limit.rlim_max);
    // SAFETY: `limit` is alive during the call, which only reads it.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

/// Raises the limit as far as that is allowed, and gives it.
pub(crate) fn raise() -> u64 {
    set(u64::MAX);
    get().rlim_cur
}

fn get() -> libc::rlimit {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is alive during the call, which only writes to it.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    limit
}
