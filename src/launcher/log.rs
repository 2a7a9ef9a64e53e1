//! Lines on standard error, which must not keep the supervisor from its work.

use std::{
    io::{self, Write as _},
    os::fd::AsRawFd as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use super::sys::poll::is_writable;

/// As much as a pipe takes without waiting, if it takes anything (`PIPE_BUF`).
const AT_ONCE: usize = 4096;

/// Lines that were not printed since the last one that was.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Prints a line, if that is possible without waiting. Standard error may be closed, or a pipe that nobody
/// reads; then the line is lost, and the next one says so.
pub(super) fn say(line: &str) {
    let lost = LOST.load(Relaxed);
    if lost > 0 && print(&format!("({lost} lines were lost: standard error was full)\n")) {
        LOST.fetch_sub(lost, Relaxed);
    }
    if !print(&format!("{line}\n")) {
        LOST.fetch_add(1, Relaxed);
    }
}

/// Whether all of it was printed.
fn print(text: &str) -> bool {
    let mut stderr = io::stderr();
    text.as_bytes()
        .chunks(AT_ONCE)
        .all(|part| is_writable(stderr.as_raw_fd()) && stderr.write_all(part).is_ok())
}
