#![allow(unsafe_code, reason = "what it gives to the signal handler must be fit to run there")]
//! What happens in the signal handler: a byte is written to each listener's socket.
//!
//! A forked child inherits the handler with the sockets of its parent, which must not hear of the
//! child's signals. So each action knows its process and does nothing in another; and the first one
//! of all, which is never taken away, does in a process that never listened what would have
//! happened there without a handler.
//!
//! Nothing here locks, allocates or panics.

use std::{
    ffi::c_int,
    io::{self, Write as _},
    mem::MaybeUninit,
    os::unix::net::UnixStream,
    ptr,
    sync::atomic::{AtomicI32, AtomicU8, Ordering},
};

use signal_hook::{
    SigId,
    low_level::{emulate_default_handler, register},
};

use super::SignalKind;

/// More than the numbers of the signals of any system.
const SIGNALS: usize = 128;

/// For each signal the process that listened for it last.
static LISTENED_IN: [AtomicI32; SIGNALS] = [const { AtomicI32::new(0) }; SIGNALS];

/// For each signal whether a process that does not listen needs help to have its default action.
static BEFORE: [AtomicU8; SIGNALS] = [const { AtomicU8::new(UNKNOWN) }; SIGNALS];

const UNKNOWN: u8 = 0;
/// It has the system's default action before anybody listens, and `first` is among the actions.
const DEFAULT: u8 = 1;
/// It is ignored or handled by others, whose handler goes on to be called.
const OTHER: u8 = 2;

/// What would come back as soon as the handler returns.
const FAULTS: &[c_int] = &[libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];

/// Has a byte written to a socket, in non-blocking mode, each time the signal arrives.
pub(super) fn add(kind: SignalKind, socket: UnixStream) -> io::Result<SigId> {
    let number = kind.as_raw_value();
    let Some(place) = usize::try_from(number).ok().filter(|place| (1..SIGNALS).contains(place))
    else {
        return Err(refused(kind, "there is no such signal"));
    };
    if [libc::SIGKILL, libc::SIGSTOP].contains(&number) {
        return Err(refused(kind, "it cannot be caught"));
    }
    if FAULTS.contains(&number) {
        return Err(refused(kind, "the instruction that raised it would raise it again"));
    }
    add_first(number, place)?;
    let process = own_id();
    let action = move || {
        if own_id() == process {
            // When there is no room the listener has enough to read.
            let _ = (&socket).write(&[0]);
        }
    };
    // SAFETY: the action asks for the process id and writes to a socket, which are allowed in a
    // handler. A failed write allocates nothing, and nothing panics.
    let added = unsafe { register(number, action) };
    if added.is_ok() {
        // Up to here a signal still has its default action, as if it had come before.
        LISTENED_IN[place].store(process, Ordering::Relaxed);
    }
    added
}

/// Adds what keeps up the default action in forked children; once for each signal.
fn add_first(number: c_int, place: usize) -> io::Result<()> {
    let before = &BEFORE[place];
    if before.load(Ordering::Acquire) != UNKNOWN {
        return Ok(());
    }
    let found = if has_default_action(number)? { DEFAULT } else { OTHER };
    // Whoever comes second has possibly found the handler of the one who came first.
    let first = before.compare_exchange(UNKNOWN, found, Ordering::AcqRel, Ordering::Acquire);
    if (first, found) != (Ok(UNKNOWN), DEFAULT) {
        return Ok(());
    }
    let action = move || {
        if LISTENED_IN[place].load(Ordering::Relaxed) != own_id() {
            let _ = emulate_default_handler(number);
        }
    };
    // SAFETY: as for the listeners', plus a load and what is documented to be fit for a handler.
    let added = unsafe { register(number, action) };
    if added.is_err() {
        before.store(UNKNOWN, Ordering::Release);
    }
    added.map(drop)
}

/// Whether the process has neither a handler for the signal nor ignores it.
fn has_default_action(number: c_int) -> io::Result<bool> {
    let mut found = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: it changes nothing, and `found` is alive during the call.
    if unsafe { libc::sigaction(number, ptr::null(), found.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has filled it.
    let found = unsafe { found.assume_init() };
    Ok(found.sa_sigaction == libc::SIG_DFL)
}

fn own_id() -> libc::pid_t {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::getpid() }
}

fn refused(kind: SignalKind, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{kind:?} cannot be listened for: {why}"))
}
