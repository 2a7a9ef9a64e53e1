#![allow(
    unsafe_code,
    reason = "looks at tasks that are not being polled, and asks for their memory"
)]
//! What the next polls will touch, fetched into the cache while this one works.
//!
//! Among thousands of tasks the next one was last polled so long ago that the cache has forgotten it, and a
//! poll that calls the kernel takes longer than memory does to answer. So each poll asks for the memory of
//! the next but one, and, once that has come, for the stack that it may have. With 1,000 connections an echo
//! on a green thread takes 1.06 to 1.10 times the processor time of a bare epoll loop; before this, and a
//! shorter wait for sockets, it took 1.11 to 1.15 times (`benches/peers/run.sh echo --bench 1000x64`).

use std::{cell::Cell, ptr, ptr::NonNull};

use super::header::{DONE, Header, RUNNING, STACK_FIRST};

/// With fewer tasks in the queue all are in the cache anyway.
pub(super) const CROWD: usize = 32;

/// The bytes of a line of the cache, on nearly every processor.
const LINE: usize = 64;

/// How much of a task is fetched: its head and the beginning of its future.
const OF_TASK: usize = 3 * LINE;

/// How much of a stack is fetched: what was used last, as far as a function that waits for a socket and
/// its caller reach.
const OF_STACK: usize = 8 * LINE;

/// How far below the noted place a stack may have been used.
const BELOW: usize = 2 * LINE;

/// Where the stack of a future that has one was used last: a place near its end. It is found where such a
/// future is a whole task and begins with it; see [`ask_current`](super::Executor::ask_current).
#[derive(Debug)]
pub(crate) struct StackEnd(Cell<*const u8>);

#[cfg_attr(not(feature = "green"), allow(dead_code, reason = "only green threads have a stack"))]
impl StackEnd {
    pub(crate) const fn unknown() -> Self {
        Self(Cell::new(ptr::null()))
    }

    pub(crate) fn note(&self, place: *const u8) {
        self.0.set(place);
    }
}

/// Asks for the memory of a task.
#[inline]
pub(super) fn task(task: NonNull<Header>) {
    lines(task.as_ptr().cast_const().cast(), OF_TASK);
}

/// Asks for the stack of a task that is alive, if it is known and nobody uses it.
#[inline]
pub(super) fn stack(task: NonNull<Header>) {
    if let Some(end) = stack_end(task) {
        lines(end.wrapping_byte_sub(BELOW), OF_STACK);
    }
}

fn stack_end(task: NonNull<Header>) -> Option<*const u8> {
    // SAFETY: the caller's task is alive.
    let header = unsafe { task.as_ref() };
    if !header.has_only(STACK_FIRST, STACK_FIRST | DONE | RUNNING) {
        return None;
    }
    // SAFETY: the future stands at the offset that the vtable was made with.
    let future = unsafe { task.byte_add(header.vtable().stage_offset) };
    // SAFETY: by `DONE` the future is there, by `STACK_FIRST` it begins with this, and by `RUNNING` nobody
    // uses it.
    Some(unsafe { future.cast::<StackEnd>().as_ref() }.0.get())
}

#[inline]
fn lines(start: *const u8, bytes: usize) {
    for offset in (0..bytes).step_by(LINE) {
        line(start.wrapping_byte_add(offset));
    }
}

/// Has a line brought into the cache, if it is mapped. Whatever the address is, a program can see nothing
/// of it but the time.
#[inline]
fn line(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch neither faults nor changes anything.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch neither faults nor changes anything.
    unsafe {
        std::arch::asm!(
            "prfm pldl1keep, [{address}]",
            address = in(reg) address,
            options(nostack, preserves_flags, readonly),
        );
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}

#[cfg(all(test, not(greenloop_loom)))]
mod tests {
    use std::{
        num::NonZeroU64,
        pin::Pin,
        rc::Rc,
        task::{Context, Poll},
    };

    use super::{
        super::{Doorbell, Executor, SpawnOptions},
        *,
    };

    /// Nobody sleeps.
    struct Mute;

    impl Doorbell for Mute {
        fn ring(&self) {}
    }

    /// A task that must be asked to end, with something before its mark, or nothing.
    #[repr(C)]
    struct Marked<const BEFORE: usize> {
        before: [usize; BEFORE],
        end: StackEnd,
        executor: Rc<Executor>,
    }

    impl<const BEFORE: usize> Marked<BEFORE> {
        fn spawn(executor: &Rc<Executor>) {
            let (end, executor) = (StackEnd::unknown(), Rc::clone(executor));
            let marked = Self { before: [1; BEFORE], end, executor: Rc::clone(&executor) };
            executor.spawn(marked, SpawnOptions::plain());
        }
    }

    impl<const BEFORE: usize> Future for Marked<BEFORE> {
        type Output = usize;

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<usize> {
            // SAFETY: it never moves.
            unsafe { self.executor.ask_current(&self.end) };
            self.end.note(ptr::without_provenance(7));
            let is_over = self.executor.current_is_aborted();
            if is_over { Poll::Ready(self.before.iter().sum()) } else { Poll::Pending }
        }
    }

    #[test]
    fn a_stack_is_found_only_where_a_task_begins_with_its_mark() {
        let executor = Executor::new(NonZeroU64::MIN, Box::new(Mute), Box::new(|_| ()));
        let executor = Rc::new(executor);
        let found = || {
            let ends =
                executor.table.everyone().into_iter().filter_map(|(.., task)| stack_end(task));
            ends.map(|end| end.addr()).collect::<Vec<_>>()
        };
        Marked::<1>::spawn(&executor);
        while executor.poll_next() {}
        assert_eq!(found(), []);
        Marked::<0>::spawn(&executor);
        assert_eq!(found(), []);
        while executor.poll_next() {}
        assert_eq!(found(), [7]);
        assert!(executor.shut_down().is_empty());
        assert_eq!(found(), []);
    }
}
