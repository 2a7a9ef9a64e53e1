//! How much memory a process has.
//!
//! Two views: what the process has asked malloc for and not given back, and what the kernel
//! keeps resident for it. The first is exact but blind to `mmap`, the second sees all of it
//! but in whole pages.

use std::fs;
use std::io;

/// Bytes that malloc has handed out in this process, its own bookkeeping included.
///
/// Only the arena of the main thread is counted, and the blocks that malloc got by `mmap`.
pub fn malloc_bytes() -> usize {
    // SAFETY: `mallinfo2` only reads malloc's own counters.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

/// Resident bytes of the process `pid`, summed page by page by the kernel.
pub fn resident_bytes(pid: i32) -> io::Result<usize> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok());
    kib.map(|kib: usize| kib * 1024).ok_or_else(|| io::Error::other("no Rss line in smaps_rollup"))
}
