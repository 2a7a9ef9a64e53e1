#![allow(unsafe_code, reason = "installs signal handlers")]
//! Signals as bytes in a pipe.
//!
//! Handlers, not a blocked mask with a signalfd: a mask is inherited by every program that a worker
//! starts, and would make it deaf to `SIGTERM`. A handler is reset by execution. For the same reason
//! what is to be ignored gets a handler that does nothing.

use std::{
    io,
    os::{fd::IntoRawFd as _, unix::net::UnixStream},
    ptr,
    sync::atomic::{AtomicI32, AtomicU64, Ordering},
    time::Duration,
};

use super::{dump, process};

/// Where the handler writes the number of the signal.
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// Signals that the pipe had no room for, a bit each: among many of one kind there may be the one that
/// ends the process.
static LOST: AtomicU64 = AtomicU64::new(0);

/// The supervisor of this worker, or 0: when it is gone, nobody ends a worker that drains too long.
static SUPERVISOR: AtomicI32 = AtomicI32::new(0);

/// How long a worker may drain after its supervisor's death, in milliseconds.
static GRACE: AtomicU64 = AtomicU64::new(0);

/// What is done with a signal.
#[derive(Clone, Copy, Debug)]
pub(in crate::launcher) enum Action {
    /// Its number goes into the pipe.
    Tell,
    /// Nothing, in this process; a program that it executes has the default again.
    Nothing,
    /// What the system does by default.
    Default,
    /// What runs is printed on standard error; see `dump.rs`.
    Dump,
}

/// All signals are blocked until this is dropped.
#[derive(Debug)]
pub(super) struct Blocked {
    before: libc::sigset_t,
}

impl Blocked {
    pub(super) fn all() -> Self {
        let mut all = empty_set();
        let mut before = empty_set();
        // SAFETY: the set is alive during the call, which only writes to it.
        unsafe { libc::sigfillset(&mut all) };
        // SAFETY: both sets are alive during the call.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before) };
        Self { before }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set is alive during the call, and the old one is not asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, ptr::null_mut()) };
    }
}

/// Lets all signals through.
pub(in crate::launcher) fn unblock_all() {
    let none = empty_set();
    // SAFETY: the set is alive during the call, and the old one is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &none, ptr::null_mut()) };
}

/// Between a fork and the execution of a program: nothing is blocked, and what is handled in this
/// process does what it does by default, as it will in the program.
pub(super) fn unblock_for_program() {
    for signal in [
        libc::SIGTERM,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGHUP,
        libc::SIGCHLD,
        // The runtime of the standard library ignores it, which a program would inherit.
        libc::SIGPIPE,
    ] {
        let _ = set(signal, Action::Default);
    }
    unblock_all();
}

/// Has a worker end `grace` from now, whatever it does then, because its supervisor is gone.
pub(in crate::launcher) fn end_after_grace() {
    process::end_after(Duration::from_millis(GRACE.load(Ordering::Relaxed)));
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: all-zero bytes are a value of this plain structure.
    let mut set = unsafe { std::mem::zeroed() };
    // SAFETY: the set is alive during the call, which only writes to it.
    unsafe { libc::sigemptyset(&mut set) };
    set
}

/// Makes the pipe of this process, in place of the one that it may have inherited, and gives the end
/// to read from.
pub(in crate::launcher) fn pipe() -> io::Result<UnixStream> {
    let (ours, handlers) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    handlers.set_nonblocking(true)?;
    let inherited = PIPE.swap(handlers.into_raw_fd(), Ordering::AcqRel);
    if inherited >= 0 {
        // SAFETY: this module made it, and nothing uses it any more.
        unsafe { libc::close(inherited) };
    }
    // Those were told to the process that this one is a copy of.
    LOST.store(0, Ordering::Relaxed);
    Ok(ours)
}

/// Sets what is done with a signal.
pub(in crate::launcher) fn set(signal: i32, action: Action) -> io::Result<()> {
    let handler = match action {
        Action::Tell => tell as *const () as libc::sighandler_t,
        Action::Nothing => nothing as *const () as libc::sighandler_t,
        Action::Dump => dump::handle as *const () as libc::sighandler_t,
        Action::Default => libc::SIG_DFL,
    };
    // SAFETY: all-zero bytes are a value of this plain structure.
    let mut setting: libc::sigaction = unsafe { std::mem::zeroed() };
    setting.sa_sigaction = handler;
    setting.sa_flags = libc::SA_RESTART;
    setting.sa_mask = empty_set();
    if matches!(action, Action::Dump) {
        // Not on the stack of a green thread, which may have little room left. The signal stack has room for
        // one handler, so the others wait.
        setting.sa_flags |= libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the set is alive during the call, which only writes to it.
        unsafe { libc::sigfillset(&mut setting.sa_mask) };
    }
    // SAFETY: the setting is alive during the call, the old one is not asked for; the handlers do
    // only what is allowed in one, see there.
    match unsafe { libc::sigaction(signal, &setting, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The signals that have come since the last call.
pub(in crate::launcher) fn take(pipe: &UnixStream) -> io::Result<Vec<i32>> {
    let mut signals = Vec::new();
    let mut bytes = [0; 256];
    loop {
        match io::Read::read(&mut &*pipe, &mut bytes) {
            Ok(count) => {
                signals.extend(bytes[..count].iter().map(|byte| i32::from(*byte)));
                if count < bytes.len() {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // Those that the pipe had no room for came last.
    let lost = LOST.swap(0, Ordering::AcqRel);
    signals.extend((0..64).filter(|signal| lost & (1 << signal) != 0));
    Ok(signals)
}

/// Has a worker end `grace` after a `SIGTERM` that comes when its supervisor is gone.
pub(in crate::launcher) fn outlive_supervisor(supervisor: libc::pid_t, grace: Duration) {
    let grace = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
    GRACE.store(grace, Ordering::Relaxed);
    SUPERVISOR.store(supervisor, Ordering::Release);
}

/// The signal that asks a worker for what it runs.
pub(in crate::launcher) fn dump_signal() -> i32 {
    libc::SIGRTMIN() + 5
}

/// The signal that asks a worker for that, and then to abort.
pub(in crate::launcher) fn abort_signal() -> i32 {
    libc::SIGRTMIN() + 6
}

extern "C" fn nothing(_signal: libc::c_int) {}

/// Only makes system calls and uses atomics, which a handler may do.
extern "C" fn tell(signal: libc::c_int) {
    let _errno = Errno::kept();
    let byte = signal as u8;
    // SAFETY: the byte is alive during the call.
    let count = unsafe { libc::write(PIPE.load(Ordering::Acquire), (&raw const byte).cast(), 1) };
    if count != 1 {
        LOST.fetch_or(1 << (signal & 63), Ordering::AcqRel);
    }
    let supervisor = SUPERVISOR.load(Ordering::Acquire);
    if signal == libc::SIGTERM && supervisor != 0 && process::parent() != supervisor {
        end_after_grace();
    }
}

/// Keeps the error number of the code that a handler interrupts, until this is dropped.
#[derive(Debug)]
pub(super) struct Errno {
    place: *mut libc::c_int,
    before: libc::c_int,
}

impl Errno {
    pub(super) fn kept() -> Self {
        // SAFETY: gives the address of a thread's own variable.
        let place = unsafe { libc::__errno_location() };
        // SAFETY: it is this thread's, alive as long as the thread.
        Self { place, before: unsafe { *place } }
    }
}

impl Drop for Errno {
    fn drop(&mut self) {
        // SAFETY: as above; it is not `Send`, because of the pointer.
        unsafe { *self.place = self.before };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_the_pipe_has_no_room_for_is_not_lost() {
        let pipe = pipe().unwrap();
        // As many as no pipe takes, and then the one that matters.
        for _ in 0..100_000 {
            tell(libc::SIGHUP);
        }
        tell(libc::SIGTERM);
        let mut signals = Vec::new();
        loop {
            let some = take(&pipe).unwrap();
            if some.is_empty() {
                break;
            }
            signals.extend(some);
        }
        assert_eq!(signals.last(), Some(&libc::SIGTERM));
        assert!(signals.len() < 100_000, "the pipe is smaller");
    }
}
