#![allow(unsafe_code, reason = "the supervisor waits with poll(2), not with an event loop")]
//! Waiting for descriptors without an event loop, which the supervisor must not have: its children
//! would inherit it.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, RawFd},
    thread,
    time::Duration,
};

/// How long it is waited where the system does not let this process wait for descriptors.
const PAUSE: Duration = Duration::from_millis(50);

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
        self.add(fd, libc::POLLIN, word);
    }

    /// Waits for this one to become writable, too.
    pub(in crate::launcher) fn writable(&mut self, fd: BorrowedFd<'_>, word: T) {
        self.add(fd, libc::POLLOUT, word);
    }

    fn add(&mut self, fd: BorrowedFd<'_>, events: i16, word: T) {
        self.entries.push(libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 });
        self.words.push(word);
    }

    /// Waits until one of them is ready or has come to its end, or `timeout` has passed (`None`: for
    /// ever), or a signal came. What it gives may be a false alarm.
    pub(in crate::launcher) fn wait(&mut self, timeout: Option<Duration>) -> Vec<T> {
        // Rounded up: a sleep that ends before its time would be followed by many short ones.
        let timeout = timeout.map_or(-1, |timeout| {
            timeout.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(i32::MAX)
        });
        match poll(&mut self.entries, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Vec::new(),
            // No memory, or the limit of descriptors was lowered below what there is: workers must be
            // looked after all the same, so all of them are looked at, less often.
            Err(_) => {
                thread::sleep(PAUSE);
                return self.words.clone();
            }
            Ok(()) => {}
        }
        let ready = self.entries.iter().zip(&self.words).filter(|(entry, _)| entry.revents != 0);
        ready.map(|(_, word)| *word).collect()
    }
}

/// Whether a descriptor can be read, or a connection accepted, at this moment.
pub(in crate::launcher) fn is_readable(fd: RawFd) -> bool {
    let mut entry = [libc::pollfd { fd, events: libc::POLLIN, revents: 0 }];
    poll(&mut entry, 0).is_ok() && entry[0].revents != 0
}

/// Whether something can be written at this moment, without waiting.
pub(in crate::launcher) fn is_writable(fd: RawFd) -> bool {
    let mut entry = [libc::pollfd { fd, events: libc::POLLOUT, revents: 0 }];
    poll(&mut entry, 0).is_ok() && entry[0].revents & libc::POLLOUT != 0
}

fn poll(entries: &mut [libc::pollfd], timeout: i32) -> io::Result<()> {
    // SAFETY: the entries are alive during the call, and their number is that of the slice.
    match unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, timeout) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, os::fd::AsFd as _, os::unix::net::UnixStream};

    use super::*;

    #[test]
    fn a_socket_that_is_full_is_not_writable() {
        let (_reader, mut writer) = UnixStream::pair().unwrap();
        assert!(is_writable(writer.as_raw_fd()));
        let mut written = 0;
        while is_writable(writer.as_raw_fd()) {
            writer.write_all(&[0; 1024]).unwrap();
            written += 1024;
            assert!(written < 100 << 20);
        }
        let mut poll = Poll::new();
        poll.writable(writer.as_fd(), 'w');
        assert!(poll.wait(Some(Duration::ZERO)).is_empty());
    }

    #[test]
    fn where_the_system_does_not_let_it_wait_all_may_be_ready_after_a_while() {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the limit is alive during the call, which only writes to it.
        assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) }, 0);
        if limit.rlim_cur > 1 << 24 {
            return println!("SKIPPED: poll(2) waits for more descriptors than fit into memory");
        }
        // One more than a process may have.
        let words = 0..=limit.rlim_cur;
        let (silent, _other) = UnixStream::pair().unwrap();
        let mut poll = Poll::new();
        words.clone().for_each(|word| poll.readable(silent.as_fd(), word));
        let start = std::time::Instant::now();
        assert!(poll.wait(Some(Duration::ZERO)).into_iter().eq(words));
        assert!(start.elapsed() >= PAUSE, "it would be tried again and again at once");
    }
}
