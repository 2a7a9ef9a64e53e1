//! The kernel's readiness queue, as bare as it comes.
//!
//! Used by the hand-written server and by the load generator. It owns one epoll instance,
//! knows tokens and event masks, and nothing about sockets or futures.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Something to read, or the end of the stream; once per change.
pub const READ: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET) as u32;
/// Room to write, once per change.
pub const WRITE: u32 = (libc::EPOLLOUT | libc::EPOLLET) as u32;
/// The other side has closed, or the socket is broken.
pub const CLOSED: u32 = (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32;

/// One epoll instance and room for the events of one wait.
pub struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    /// Opens an instance that reports up to `capacity` events per wait.
    pub fn new(capacity: usize) -> io::Result<Self> {
        // SAFETY: no memory is passed.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Epoll { fd, events: vec![libc::epoll_event { events: 0, u64: 0 }; capacity] })
    }

    /// Starts reporting `interest` of `source` under `token`.
    pub fn add(&self, source: &impl AsRawFd, interest: u32, token: usize) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, source, interest, token)
    }

    /// Replaces the interest of a source that was added before.
    pub fn modify(&self, source: &impl AsRawFd, interest: u32, token: usize) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, source, interest, token)
    }

    /// Waits for events and says how many there are; none after `timeout`.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let millis = timeout.map_or(-1, |timeout| timeout.as_millis() as libc::c_int);
        let room = self.events.len() as libc::c_int;
        loop {
            // SAFETY: `events` is live and has room for `room` events.
            let count = unsafe {
                libc::epoll_wait(self.fd.as_raw_fd(), self.events.as_mut_ptr(), room, millis)
            };
            match check(count) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map(|count| count as usize),
            }
        }
    }

    /// Token and event mask of the event `index` of the last wait.
    pub fn event(&self, index: usize) -> (usize, u32) {
        let event = self.events[index];
        (event.u64 as usize, event.events)
    }

    fn control(
        &self,
        operation: libc::c_int,
        source: &impl AsRawFd,
        events: u32,
        token: usize,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token as u64 };
        // SAFETY: `event` is live; the kernel copies it.
        let code = unsafe {
            libc::epoll_ctl(self.fd.as_raw_fd(), operation, source.as_raw_fd(), &mut event)
        };
        check(code).map(drop)
    }
}

fn check(code: libc::c_int) -> io::Result<libc::c_int> {
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(code) }
}
