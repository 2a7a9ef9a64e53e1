#![allow(unsafe_code, reason = "handles a signal")]
//! Says which green thread overflowed its stack, before the process ends.
//!
//! The guard below a stack turns an overflow into SIGSEGV (SIGBUS on macOS). The standard library
//! explains that for the stacks of real threads; this handler, put before it, does for ours, and
//! passes everything else on. It runs on the alternate stack that the standard library gives to
//! each thread, and does nothing but what is allowed in a signal handler.

use std::{cell::UnsafeCell, mem::MaybeUninit, ptr, sync::Once};

use super::thread::Record;
use crate::event_loop;

const SIGNALS: [libc::c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// The handlers that were there before.
struct Previous(UnsafeCell<[MaybeUninit<libc::sigaction>; 2]>);

// SAFETY: written once, before the handler that reads it is installed.
unsafe impl Sync for Previous {}

static PREVIOUS: Previous = Previous(UnsafeCell::new([const { MaybeUninit::uninit() }; 2]));

/// Puts the handler in place, at the first call.
pub(super) fn install_handler() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        for (place, signal) in SIGNALS.into_iter().enumerate() {
            let previous = PREVIOUS.0.get().cast::<libc::sigaction>();
            // SAFETY: `place` is within the array of two.
            let previous = unsafe { previous.add(place) };
            // SAFETY: asks for the present handler, and has room for it.
            unsafe { libc::sigaction(signal, ptr::null(), previous) };
            // SAFETY: a `sigaction` of zeros is valid.
            let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
            action.sa_sigaction = handle as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            // SAFETY: the handler has the signature that `SA_SIGINFO` asks for.
            unsafe { libc::sigaction(signal, &action, ptr::null_mut()) };
        }
    });
}

extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel gives a valid `info` for these signals.
    let info = unsafe { &*info };
    // SAFETY: these signals carry an address.
    let address = unsafe { info.si_addr() }.addr();
    // The thread-local has no destructor and no initialiser, so it may be read here; the record is
    // on the stack that overflowed, above the guard.
    let overflowed =
        Record::with(|record| record.guard.contains(&address).then_some(record.stack_size));
    if let Some(Some(size)) = overflowed {
        report(size);
        // SAFETY: allowed in a signal handler.
        unsafe { libc::abort() };
    }
    // Not ours: put the previous handler back. The faulting instruction runs again and meets it.
    let place = usize::from(signal == SIGNALS[1]);
    let previous = PREVIOUS.0.get().cast::<libc::sigaction>();
    // SAFETY: within the array.
    let previous = unsafe { previous.add(place) };
    // SAFETY: written before this handler was installed.
    unsafe { libc::sigaction(signal, previous, ptr::null_mut()) };
}

/// Writes the message without allocating.
fn report(stack_size: usize) {
    let mut message = Message { text: [0; 256], len: 0 };
    message.push(b"\ngreen thread ");
    event_loop::with(|core| {
        core.executor.describe_current(|id, name| {
            if let Some(id) = id {
                message.push_number(id.get());
            }
            if let Some(name) = name {
                message.push(b" '");
                message.push(name.as_bytes());
                message.push(b"'");
            }
        });
    });
    message.push(b" has overflowed its stack of ");
    message.push_number(stack_size as u64);
    message.push(b" bytes; green::Builder::stack_size gives it a larger one\n");
    // SAFETY: the text is alive during the call, which is allowed in a signal handler.
    unsafe { libc::write(libc::STDERR_FILENO, message.text.as_ptr().cast(), message.len) };
}

struct Message {
    text: [u8; 256],
    len: usize,
}

impl Message {
    /// Appends as much as there is room for.
    fn push(&mut self, text: &[u8]) {
        let count = text.len().min(self.text.len() - self.len);
        self.text[self.len..self.len + count].copy_from_slice(&text[..count]);
        self.len += count;
    }

    fn push_number(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.push(&digits[first..]);
    }
}
