#![allow(unsafe_code, reason = "watches, signals and reaps child processes")]
//! Child processes, and what a process says of itself.

use std::{
    io,
    os::fd::{FromRawFd as _, OwnedFd},
    time::Duration,
};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::launcher) enum Ended {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal { signal: i32, core_dumped: bool },
}

/// Takes the end of a child process, if it has ended.
pub(in crate::launcher) fn reap(pid: libc::pid_t) -> io::Result<Option<Ended>> {
    let mut status = 0;
    // SAFETY: `status` is alive during the call, which only writes to it.
    match unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        _ => Ok(Some(decode(status))),
    }
}

/// Whether a child process has ended. It still has to be reaped.
pub(in crate::launcher) fn has_ended(pid: libc::pid_t) -> bool {
    // SAFETY: all-zero bytes are a value of this plain structure.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `info` is alive during the call, which only writes to it.
    let result = unsafe { libc::waitid(libc::P_PID, pid as libc::id_t, &mut info, options) };
    // SAFETY: the call has filled in the part of the union that tells of children, or left zeroes.
    result != 0 || unsafe { info.si_pid() } != 0
}

/// Waits for the end of a child process.
pub(in crate::launcher) fn wait(pid: libc::pid_t) {
    let mut status = 0;
    // SAFETY: `status` is alive during the call, which only writes to it.
    while unsafe { libc::waitpid(pid, &mut status, 0) } < 0
        && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
    {}
}

/// The number of any child process that has ended and was not reaped. It still has to be.
pub(in crate::launcher) fn any_ended() -> Option<libc::pid_t> {
    // SAFETY: all-zero bytes are a value of this plain structure.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `info` is alive during the call, which only writes to it.
    let result = unsafe { libc::waitid(libc::P_ALL, 0, &mut info, options) };
    if result != 0 {
        return None;
    }
    // SAFETY: the call has filled in the part of the union that tells of children, or left zeroes.
    let pid = unsafe { info.si_pid() };
    (pid != 0).then_some(pid)
}

fn decode(status: libc::c_int) -> Ended {
    if libc::WIFSIGNALED(status) {
        let core_dumped = libc::WCOREDUMP(status);
        Ended::Signal { signal: libc::WTERMSIG(status), core_dumped }
    } else {
        Ended::Code(libc::WEXITSTATUS(status))
    }
}

/// Sends a signal to a child process that was not reaped yet, so that its number is its own.
pub(in crate::launcher) fn signal(pid: libc::pid_t, signal: i32) {
    debug_assert!(pid > 0, "a group of processes is nobody's child");
    // It fails only for a process that is gone.
    // SAFETY: takes no pointers.
    unsafe { libc::kill(pid, signal) };
}

/// A descriptor that becomes readable when the process ends. `None` before Linux 5.3, where the
/// signal of its end must do.
pub(in crate::launcher) fn descriptor(pid: libc::pid_t) -> Option<OwnedFd> {
    // SAFETY: takes no pointers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    // SAFETY: just made, and nobody else's; the kernel closes it on execution.
    (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// The parent of this process.
pub(in crate::launcher) fn parent() -> libc::pid_t {
    // SAFETY: takes no pointers.
    unsafe { libc::getppid() }
}

/// Has this process sent a signal when its parent dies.
pub(in crate::launcher) fn signal_at_parents_death(signal: i32) -> io::Result<()> {
    // SAFETY: takes no pointers.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal as libc::c_ulong) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Ends this process by `SIGALRM` when it is still there after a while, whatever it does then.
pub(super) fn end_after(time: Duration) {
    let never = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let time = time.max(Duration::from_millis(1));
    let then = libc::timeval {
        tv_sec: time.as_secs().min(1 << 30) as libc::time_t,
        tv_usec: libc::suseconds_t::from(time.subsec_micros()),
    };
    let setting = libc::itimerval { it_interval: never, it_value: then };
    // SAFETY: the setting is alive during the call, which only reads it; the old one is not asked for.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &setting, std::ptr::null_mut()) };
}

/// The creation mask of files is `mask` while `f` runs.
pub(in crate::launcher) fn with_umask<R>(mask: u32, f: impl FnOnce() -> R) -> R {
    // SAFETY: takes no pointers.
    let old = unsafe { libc::umask(mask as libc::mode_t) };
    let result = f();
    // SAFETY: takes no pointers.
    unsafe { libc::umask(old) };
    result
}
