#![allow(unsafe_code, reason = "tells the system which stack to handle signals on")]
//! A stack for signal handlers, since the one that has overflowed is of no use to them.
//!
//! The standard library gives one to each of its threads, but a small one, on which a debug build's handler
//! has little room; and threads that C code has started have none. So every thread that
//! has stacks of ours gets one for as long as it lives, unless it has a large one.

use std::{
    mem::MaybeUninit,
    ptr::{self, NonNull},
};

use super::stack_memory::page_size;

/// How many bytes a handler may use.
const SIZE: usize = 64 << 10;

/// This thread's signal stack, if it is ours.
#[derive(Debug)]
pub(super) struct SignalStack {
    /// The mapping, which has a guard of a page at its low end.
    memory: Option<NonNull<libc::c_void>>,
}

impl SignalStack {
    /// Gives this thread a signal stack, as far as that is needed and possible.
    pub(super) fn new() -> Self {
        if current().is_some_and(|stack| stack.ss_size >= SIZE) {
            return Self { memory: None };
        }
        let (guard, flags) = (page_size(), libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: asks for new memory anywhere.
        let memory =
            unsafe { libc::mmap(ptr::null_mut(), guard + SIZE, libc::PROT_NONE, flags, -1, 0) };
        let Some(memory) = NonNull::new(memory).filter(|_| memory != libc::MAP_FAILED) else {
            return Self { memory: None };
        };
        let stack = Self { memory: Some(memory) };
        // SAFETY: within the mapping.
        let start = unsafe { memory.byte_add(guard) }.as_ptr();
        // SAFETY: within the mapping, which nobody uses.
        let usable = unsafe { libc::mprotect(start, SIZE, libc::PROT_READ | libc::PROT_WRITE) };
        if usable == 0 {
            let new = libc::stack_t { ss_sp: start, ss_flags: 0, ss_size: SIZE };
            // SAFETY: the memory lives until the drop, which takes it away from the system first.
            unsafe { libc::sigaltstack(&new, ptr::null_mut()) };
        }
        stack
    }

    fn is_current(&self) -> bool {
        let Some(memory) = self.memory else { return false };
        let addresses = memory.addr().get()..memory.addr().get() + page_size() + SIZE;
        current().is_some_and(|stack| addresses.contains(&stack.ss_sp.addr()))
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        if self.is_current() {
            let none =
                libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: SIZE };
            // SAFETY: takes the stack away from the system. It is not in use: no handler runs this.
            unsafe { libc::sigaltstack(&none, ptr::null_mut()) };
        }
        if let Some(memory) = self.memory {
            // SAFETY: mapped with this size, and nobody uses it any more.
            unsafe { libc::munmap(memory.as_ptr(), page_size() + SIZE) };
        }
    }
}

/// The signal stack that this thread has.
fn current() -> Option<libc::stack_t> {
    let mut stack = MaybeUninit::<libc::stack_t>::zeroed();
    // SAFETY: there is room for the answer.
    let result = unsafe { libc::sigaltstack(ptr::null(), stack.as_mut_ptr()) };
    // SAFETY: all zeros are valid, and the call has filled it in.
    let stack = unsafe { stack.assume_init() };
    (result == 0 && stack.ss_flags & libc::SS_DISABLE == 0).then_some(stack)
}
