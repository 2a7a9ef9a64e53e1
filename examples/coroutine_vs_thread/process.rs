#![allow(unsafe_code, reason = "there is no safe fork")]
//! Forked processes, for what a process costs. Only single-threaded children of the driver fork.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{FromRawFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use crate::system;

/// A forked process. Dropping it kills it.
#[derive(Debug)]
pub struct Forked {
    pid: i32,
    ended: bool,
}

/// Forks. The child does `body` and ends, without any destructor of what it has inherited.
pub fn fork(body: impl FnOnce()) -> io::Result<Forked> {
    // SAFETY: this process has one thread, so the child inherits no lock that somebody holds.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            #[cfg(target_os = "linux")]
            // SAFETY: it takes the number of a signal, and touches no memory.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL)
            };
            let code = i32::from(catch_unwind(AssertUnwindSafe(body)).is_err());
            // SAFETY: it only ends the process.
            unsafe { libc::_exit(code) }
        }
        pid => Ok(Forked { pid, ended: false }),
    }
}

impl Forked {
    /// Its id.
    pub fn id(&self) -> i32 {
        self.pid
    }

    /// Waits for its end; an error if it failed.
    pub fn wait(mut self) -> io::Result<()> {
        match self.reap()? {
            0 => Ok(()),
            status => Err(io::Error::other(format!("a process ended with status {status:#x}"))),
        }
    }

    fn reap(&mut self) -> io::Result<i32> {
        let mut status = 0;
        // SAFETY: `status` is alive, and written to.
        while unsafe { libc::waitpid(self.pid, &mut status, 0) } == -1 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        self.ended = true;
        Ok(status)
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        if !self.ended {
            // SAFETY: it touches no memory. The id is still this child's, which was not waited for.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
            // A child that cannot be waited for is gone.
            let _ = self.reap();
        }
    }
}

/// The CPU time that these processes have used so far, where the system tells.
pub fn time_of(processes: &[Forked]) -> Option<Duration> {
    processes.iter().map(|process| system::time_of(process.pid)).sum()
}

/// The turn, as a byte in a pipe: whoever reads it has it.
#[derive(Debug)]
pub struct Turn {
    reader: File,
    writer: File,
}

impl Turn {
    /// Makes a turn that nobody has.
    pub fn new() -> io::Result<Self> {
        let mut ends = [0; 2];
        // SAFETY: there is room for two descriptors to be written.
        if unsafe { libc::pipe(ends.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let [reader, writer] = ends.map(|end| {
            // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
            File::from(unsafe { OwnedFd::from_raw_fd(end) })
        });
        Ok(Self { reader, writer })
    }

    /// Gives it to whoever waits for it here.
    pub fn give(&self) -> io::Result<()> {
        (&self.writer).write_all(&[1])
    }

    /// Waits until it is given.
    pub fn wait(&self) -> io::Result<()> {
        (&self.reader).read_exact(&mut [0])
    }
}
