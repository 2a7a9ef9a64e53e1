#![allow(unsafe_code, reason = "asks libc to be told of forks")]
//! Notices that the process was forked.
//!
//! A child process inherits the descriptors of its parent's loops, and what it would do with them
//! would happen to the parent. Every loop therefore remembers the generation in which it was made,
//! and refuses to turn in another.

use std::{
    io,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// How many forks this process is away from the first one that asked.
pub(crate) fn generation() -> io::Result<u32> {
    static WATCHED: OnceLock<i32> = OnceLock::new();
    // SAFETY: the handler only adds to an atomic, which is allowed in a child.
    let watch = || unsafe { libc::pthread_atfork(None, None, Some(count_fork)) };
    match *WATCHED.get_or_init(watch) {
        0 => Ok(generation_unchecked()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// As `generation`, once a loop exists: one load.
pub(super) fn generation_unchecked() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

extern "C" fn count_fork() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}
