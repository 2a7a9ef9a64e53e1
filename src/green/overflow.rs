#![allow(unsafe_code, reason = "handles a signal")]
//! Says whose stack has overflowed, before the process ends.
//!
//! The guard below a stack turns an overflow into SIGSEGV (SIGBUS on macOS). The standard library
//! explains that for the stacks of real threads; this handler, put before it, does for ours, and
//! passes everything else on. It does nothing but what is allowed in a signal handler.

use std::{cell::UnsafeCell, mem::MaybeUninit, ptr, sync::Once};

use super::{guards, signal_stack::SignalStack, stacks, thread::Record};
use crate::{
    event_loop::{self, FixedText},
    executor::Brief,
};

const SIGNALS: [libc::c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// So much of a name is told.
const LONGEST_NAME: usize = 100;

/// The handlers that were there before.
struct Previous(UnsafeCell<[MaybeUninit<libc::sigaction>; 2]>);

// SAFETY: written once, before the handler that reads it is installed.
unsafe impl Sync for Previous {}

static PREVIOUS: Previous = Previous(UnsafeCell::new([const { MaybeUninit::uninit() }; 2]));

/// Sees to it that the overflows of this thread's stacks are told, until the thread ends.
pub(super) fn prepare_thread() {
    thread_local! {
        static SIGNAL_STACK: SignalStack = SignalStack::new();
    }
    // A thread that is ending does without.
    let _ = SIGNAL_STACK.try_with(|_| ());
    install_handler();
}

/// Puts the handler in place, at the first call.
fn install_handler() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        for signal in SIGNALS {
            // SAFETY: asks for the present handler, and has room for it.
            unsafe { libc::sigaction(signal, ptr::null(), previous(signal)) };
            // SAFETY: just written.
            let mut action = unsafe { *previous(signal) };
            // What is passed on to the previous handler finds what it has asked for.
            action.sa_flags &= libc::SA_NODEFER;
            action.sa_flags |= libc::SA_SIGINFO | libc::SA_ONSTACK;
            action.sa_sigaction = handle as *const () as usize;
            // SAFETY: the handler has the signature that `SA_SIGINFO` asks for.
            unsafe { libc::sigaction(signal, &action, ptr::null_mut()) };
        }
    });
}

/// The place of the handler that was there before.
fn previous(signal: libc::c_int) -> *mut libc::sigaction {
    let place = usize::from(signal == SIGNALS[1]);
    // SAFETY: within the array of two.
    unsafe { PREVIOUS.0.get().cast::<libc::sigaction>().add(place) }
}

extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel gives a valid `info` for these signals.
    let address = unsafe { &*info };
    // SAFETY: these signals carry an address.
    let address = unsafe { address.si_addr() }.addr();
    if let Some(stack) = guards::stack_guarded_at(address) {
        // The thread-local has no destructor and no initialiser, so it may be read here.
        let record = Record::with(|record| stack.contains(&ptr::from_ref(record).addr()));
        report(record, stacks::held_by(stack.len()));
        // SAFETY: allowed in a signal handler.
        unsafe { libc::abort() };
    }
    pass_on(signal, info, context);
}

/// Lets the previous handler see to it, and stays in place: it may mend what it was and go on.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: written before the handler that calls this was installed.
    let action = unsafe { &*previous(signal) };
    let is_function = ![libc::SIG_DFL, libc::SIG_IGN].contains(&action.sa_sigaction);
    if !is_function || action.sa_flags & libc::SA_RESETHAND != 0 {
        // Put it back: the faulting instruction runs again and meets it.
        // SAFETY: a valid action, as the system gave it.
        unsafe { libc::sigaction(signal, action, ptr::null_mut()) };
    } else if action.sa_flags & libc::SA_SIGINFO != 0 {
        type Function = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
        // SAFETY: a function of this signature, as the flag says.
        let function = unsafe { std::mem::transmute::<usize, Function>(action.sa_sigaction) };
        function(signal, info, context);
    } else {
        type Function = extern "C" fn(libc::c_int);
        // SAFETY: a function of this signature, since the flag is not set.
        let function = unsafe { std::mem::transmute::<usize, Function>(action.sa_sigaction) };
        function(signal);
    }
}

/// Writes the message without allocating. `is_own` says whether the stack is that of the green thread
/// that runs, if one does whose function has begun.
fn report(is_own: Option<bool>, stack_size: usize) {
    let mut message = FixedText::<256>::new();
    let mut is_own = is_own == Some(true);
    message.push(b"\n");
    let described = event_loop::with(|core| {
        core.executor.describe_current(|Brief { has_stack, id, name, .. }| {
            // One that has a stack and no record was about to begin.
            is_own |= has_stack && Record::with(|_| ()).is_none();
            message.push(if is_own { b"" } else { b"a coroutine in " });
            message.push(if has_stack { b"green thread " } else { b"task " });
            if let Some(id) = id {
                message.push_number(id.get());
            }
            if let Some(name) = name {
                message.push(b" '");
                // The rest of the message must have room, too.
                message.push(&name.as_bytes()[..name.len().min(LONGEST_NAME)]);
                message.push(b"'");
            }
        })
    });
    if described != Some(true) {
        message.push(b"a coroutine");
    }
    message.push(b" has overflowed its stack of ");
    message.push_number(stack_size as u64);
    message.push(b" bytes; ");
    message.push(if is_own {
        b"green::Builder::stack_size"
    } else {
        b"green::Coroutine::with_stack_size"
    });
    message.push(b" gives it a larger one\n");
    let text = message.as_bytes();
    // SAFETY: the text is alive during the call, which is allowed in a signal handler.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}
