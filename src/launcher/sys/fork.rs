#![allow(unsafe_code, reason = "forks, executes and ends processes")]
//! Making a process, as a copy of this one or by executing a program, and ending one.

use std::{ffi::CString, io, os::fd::RawFd, ptr};

use super::{signals, threads};
use crate::event_loop::FixedText;

/// Which of the two processes this is.
#[derive(Debug)]
pub(in crate::launcher) enum Forked {
    /// The one that forked, and the number of its child.
    Parent(libc::pid_t),
    /// The copy. All signals are blocked until it has handlers of its own.
    Child,
}

/// Why there is no copy.
#[derive(Debug)]
pub(in crate::launcher) enum ForkError {
    /// There are other threads, with these names. In the copy they would be gone, and the locks that
    /// they hold locked for ever.
    Threads(Vec<String>),
    System(io::Error),
}

/// Copies this process, if it has no other thread.
pub(in crate::launcher) fn fork() -> Result<Forked, ForkError> {
    let others = threads::others().map_err(ForkError::System)?;
    if !others.is_empty() {
        return Err(ForkError::Threads(others));
    }
    // A signal that came to the copy before it has handlers of its own would be told to the parent.
    let blocked = signals::Blocked::all();
    // SAFETY: this is the only thread, so the copy has all threads there were, and may do whatever
    // this process may.
    match unsafe { libc::fork() } {
        -1 => Err(ForkError::System(io::Error::last_os_error())),
        0 => {
            std::mem::forget(blocked);
            Ok(Forked::Child)
        }
        child => Ok(Forked::Parent(child)),
    }
}

/// A program to execute, with all that is needed laid out beforehand: between the fork and the
/// execution nothing may be allocated.
#[derive(Debug)]
pub(in crate::launcher) struct Program {
    path: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    /// Descriptors of ours, and the numbers that they get in the program.
    descriptors: Vec<(RawFd, RawFd)>,
    /// `NAME=` of a variable that says the number of the new process.
    pid_variable: Option<CString>,
}

impl Program {
    pub(in crate::launcher) fn new(
        path: CString,
        arguments: Vec<CString>,
        environment: Vec<CString>,
    ) -> Self {
        Self { path, arguments, environment, descriptors: Vec::new(), pid_variable: None }
    }

    /// Gives the program our descriptors under the numbers from 3 on, in this order.
    pub(in crate::launcher) fn descriptors_from_3(mut self, ours: &[RawFd]) -> Self {
        self.descriptors = ours.iter().copied().zip(3..).collect();
        self
    }

    /// Says the number of the new process in a variable.
    pub(in crate::launcher) fn pid_variable(mut self, name: &str) -> Self {
        let mut variable = name.as_bytes().to_vec();
        variable.push(b'=');
        self.pid_variable = CString::new(variable).ok();
        self
    }

    /// Starts the program, and gives the number of its process. Whether it can be executed shows in
    /// that process: it ends with 127 if not.
    pub(in crate::launcher) fn start(&self) -> io::Result<libc::pid_t> {
        // The numbers from 3 on may be in use for what is to be passed: copies above them first.
        let above = 3 + self.descriptors.len() as RawFd + 1;
        let mut high = Vec::with_capacity(self.descriptors.len());
        for &(ours, _) in &self.descriptors {
            high.push(duplicate_above(ours, above)?);
        }
        let mut arguments: Vec<_> = self.arguments.iter().map(|a| a.as_ptr()).collect();
        arguments.push(ptr::null());
        let mut environment: Vec<_> = self.environment.iter().map(|v| v.as_ptr()).collect();
        let pid_place = environment.len();
        environment.extend(self.pid_variable.as_ref().map(|_| ptr::null()));
        environment.push(ptr::null());
        let blocked = signals::Blocked::all();
        // SAFETY: the child calls nothing but what is allowed after a fork of whatever process: it
        // allocates nothing and takes no lock.
        let child = unsafe { libc::fork() };
        if child == 0 {
            signals::unblock_for_program();
            let mut pid_text = FixedText::<64>::new();
            if let Some(name) = &self.pid_variable {
                pid_text.push(name.to_bytes());
                // SAFETY: takes no pointers.
                pid_text.push_number(unsafe { libc::getpid() } as u64);
                pid_text.push(b"\0");
                environment[pid_place] = pid_text.as_bytes().as_ptr().cast();
            }
            for (&(_, number), &high) in self.descriptors.iter().zip(&high) {
                // SAFETY: takes no pointers; the duplicate is inherited, its original is not.
                unsafe { libc::dup2(high, number) };
            }
            // SAFETY: the strings and the arrays live in this stack frame and end with null pointers.
            unsafe {
                libc::execve(self.path.as_ptr(), arguments.as_ptr(), environment.as_ptr());
            }
            exit_at_once(127);
        }
        let failed = io::Error::last_os_error();
        drop(blocked);
        for fd in high {
            // SAFETY: the copies are this function's.
            unsafe { libc::close(fd) };
        }
        if child < 0 { Err(failed) } else { Ok(child) }
    }
}

fn duplicate_above(fd: RawFd, lowest: RawFd) -> io::Result<RawFd> {
    // SAFETY: takes no pointers.
    match unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, lowest) } {
        -1 => Err(io::Error::last_os_error()),
        copy => Ok(copy),
    }
}

/// Ends the process without running what `exit` would run, which is the parent's.
pub(in crate::launcher) fn exit_at_once(code: i32) -> ! {
    // SAFETY: it does not return, and runs nothing of this process.
    unsafe { libc::_exit(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_not_forked_and_names_them() {
        let (tell, wait) = std::sync::mpsc::channel::<()>();
        let (named, has_name) = std::sync::mpsc::channel();
        // A thread gives itself its name when it starts.
        let other = std::thread::Builder::new().name("the-other".into()).spawn(move || {
            named.send(()).unwrap();
            let _ = wait.recv();
        });
        has_name.recv().unwrap();
        match fork() {
            Err(ForkError::Threads(names)) => assert!(names.contains(&"the-other".into())),
            other => panic!("{other:?}"),
        }
        drop(tell);
        other.unwrap().join().unwrap();
    }
}
