#![allow(unsafe_code, reason = "std's clock cannot be compared between processes")]
//! The one clock that all processes of the machine agree on.

/// Nanoseconds on the system's monotonic clock; never 0.
pub(in crate::launcher) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is alive during the call, which only writes to it.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    (time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64).max(1)
}
