#![allow(unsafe_code, reason = "the supervisor waits with poll(2), not with an event loop")]
//! Waiting for descriptors without an event loop, which the supervisor must not have: its children
//! would inherit it.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, RawFd},
    time::Duration,
};

/// Descriptors to wait for, each with a word of the caller's.
#[derive(Debug)]
pub(in crate::launcher) struct Poll<T> {
    entries: Vec<libc::pollfd>,
    words: Vec<T>,
}

impl<T: Copy> Poll<T> {
    pub(in crate::launcher) fn new() -> Self {
        Self { entries: Vec::new(), words: Vec::new() }
    }

    pub(in crate::launcher) fn clear(&mut self) {
        self.entries.clear();
        self.words.clear();
    }

    /// Waits for this one to become readable, too.
    pub(in crate::launcher) fn readable(&mut self, fd: BorrowedFd<'_>, word: T) {
        self.entries.push(libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 });
        self.words.push(word);
    }

    /// Waits until one of them is ready or has come to its end, or `timeout` has passed (`None`: for
    /// ever), or a signal came.
    pub(in crate::launcher) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Vec<T>> {
        // Rounded up: a sleep that ends before its time would be followed by many short ones.
        let timeout = timeout.map_or(-1, |timeout| {
            timeout.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(i32::MAX)
        });
        match poll(&mut self.entries, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Vec::new()),
            result => result?,
        }
        let ready = self.entries.iter().zip(&self.words).filter(|(entry, _)| entry.revents != 0);
        Ok(ready.map(|(_, word)| *word).collect())
    }
}

/// Whether a descriptor can be read, or a connection accepted, at this moment.
pub(in crate::launcher) fn is_readable(fd: RawFd) -> bool {
    let mut entry = [libc::pollfd { fd, events: libc::POLLIN, revents: 0 }];
    poll(&mut entry, 0).is_ok() && entry[0].revents != 0
}

fn poll(entries: &mut [libc::pollfd], timeout: i32) -> io::Result<()> {
    // SAFETY: the entries are alive during the call, and their number is that of the slice.
    match unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, timeout) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
