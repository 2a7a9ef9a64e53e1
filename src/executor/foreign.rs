#![allow(unsafe_code, reason = "counts references to a task's memory and frees it")]
//! The half of a task that other threads touch.
//!
//! One atomic word holds a signed count of references and two bits:
//!
//! * `QUEUED`: the task was woken from elsewhere and is on the injector's stack, or about to be put
//!   there by whoever set the bit. Cleared by the loop when it takes the task from the stack. Pins
//!   the memory.
//! * `ORPHAN`: the task has left the loop's table and this word is the whole truth. Never cleared.
//!   Excludes new wakes.
//!
//! The memory is freed by whoever brings the word to "orphan, no references, not queued": each
//! change is one atomic operation, so exactly one does. While a task is not an orphan nobody frees
//! it, however low the count goes, because the table's reference is in the local half.

use std::ptr::NonNull;

use super::{
    blocks,
    header::Header,
    injector::Injector,
    primitives::{Arc, Ordering},
};

const QUEUED: u32 = 1;
const ORPHAN: u32 = 1 << 1;
const ONE: u32 = 1 << 2;

/// More references than this cannot be counted; as `Arc` does, end the process before they wrap.
const MOST: i32 = i32::MAX >> 3;

/// The signed count above the two bits.
fn count(word: u32) -> i32 {
    word as i32 >> 2
}

/// Whether whoever produced this word must free the task.
fn is_last(word: u32) -> bool {
    word == ORPHAN
}

/// Adds a reference.
pub(super) fn clone(task: &Header) {
    let before = task.foreign.fetch_add(ONE, Ordering::Relaxed);
    if count(before) >= MOST {
        std::process::abort();
    }
}

/// Gives up a reference.
///
/// # Safety
///
/// The caller gives up a reference that it holds, and does not touch `task` afterwards.
pub(super) unsafe fn drop_ref(task: NonNull<Header>) {
    // SAFETY: the caller's reference keeps the task alive up to the subtraction.
    let word = unsafe { task.as_ref() }.foreign.fetch_sub(ONE, Ordering::AcqRel);
    if is_last(word.wrapping_sub(ONE)) {
        // SAFETY: this call brought the word to its last state.
        unsafe { free_orphan(task) };
    }
}

/// Wakes the task from a thread that does not run its loop.
///
/// # Safety
///
/// The caller holds a reference for the whole call: it keeps the task alive, and with it the
/// injector.
pub(super) unsafe fn wake_by_ref(task: NonNull<Header>) {
    // SAFETY: the caller holds a reference.
    let header = unsafe { task.as_ref() };
    if header.foreign.load(Ordering::Relaxed) & ORPHAN != 0 {
        return;
    }
    // Even if the bit is set already this must be a write: what the caller did before this wake
    // is published by it to the loop, which clears the bit before it polls.
    let before = header.foreign.fetch_or(QUEUED, Ordering::AcqRel);
    if before & QUEUED != 0 {
        return;
    }
    // SAFETY: a task's injector lives as long as the task.
    let injector = unsafe { header.site().injector.as_ref() };
    if before & ORPHAN == 0 && injector.push(header) {
        injector.ring();
    } else {
        // SAFETY: this call set the bit and nobody pushed the task.
        unsafe { unqueue(task) };
    }
}

/// Takes back the `QUEUED` bit of a task that is not on the stack (any more); `true` if the task is
/// alive and should be scheduled.
///
/// # Safety
///
/// The caller set the bit and could not push the task, or took the task from the stack. Unless it
/// holds a reference, it must not touch an orphan (`false`) afterwards.
unsafe fn unqueue(task: NonNull<Header>) -> bool {
    // SAFETY: the bit pins the memory until this operation.
    let word = unsafe { task.as_ref() }.foreign.fetch_and(!QUEUED, Ordering::AcqRel);
    if is_last(word & !QUEUED) {
        // SAFETY: this call brought the word to its last state.
        unsafe { free_orphan(task) };
    }
    word & ORPHAN == 0
}

/// Accepts a task taken from the injector's stack; `true` if it should be scheduled.
///
/// # Safety
///
/// Only on the loop's thread, with a task just taken from the stack. After `false` the task may be
/// gone.
pub(super) unsafe fn accept(task: NonNull<Header>) -> bool {
    // SAFETY: the task was on the stack.
    if !unsafe { unqueue(task) } {
        return false;
    }
    // SAFETY: it is no orphan, so the table holds a reference, and the table is this thread's.
    let header = unsafe { task.as_ref() };
    // Wakers cloned here and dropped elsewhere: let the two halves meet, so that neither runs full.
    let below_zero = count(header.foreign.load(Ordering::Relaxed)).min(0).unsigned_abs();
    if below_zero > 0 {
        header.foreign.fetch_add(below_zero * ONE, Ordering::AcqRel);
        header.take_local_refs(below_zero);
    }
    true
}

/// Whether nothing but the table points to a task that has ended.
#[inline]
pub(super) fn is_ours_alone(header: &Header) -> bool {
    // With no reference elsewhere nobody can make another.
    header.is_alone() && header.foreign.load(Ordering::Acquire) == 0
}

/// Gives up the table's reference: frees the task if it was the last one, and makes it an orphan
/// otherwise. `true` if the memory may be reused by the caller, who then owns it.
///
/// # Safety
///
/// Only on the loop's thread, once, when the task's future, output and cold part are gone and the
/// task is in no queue but, perhaps, the injector's stack.
pub(super) unsafe fn release(task: NonNull<Header>) -> bool {
    // SAFETY: the table's reference is given up only below.
    let header = unsafe { task.as_ref() };
    if header.local_refs() == 1 && header.foreign.load(Ordering::Acquire) == 0 {
        // The table's was the only reference, so nobody can make another.
        return true;
    }
    // The orphan keeps the injector alive by a count of its own; taken first, because from the
    // exchange on another thread may free the task.
    // SAFETY: the pointer came from an `Arc` that the loop still holds.
    unsafe { Arc::increment_strong_count(header.site().injector.as_ptr().cast_const()) };
    // All local references but the table's move over.
    let moved = header.local_refs() - 1;
    header.take_local_refs(moved + 1);
    let mut word = header.foreign.load(Ordering::Relaxed);
    let orphaned = loop {
        let orphaned = word.wrapping_add(moved * ONE) | ORPHAN;
        let exchange = header.foreign.compare_exchange_weak(
            word,
            orphaned,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        match exchange {
            Ok(_) => break orphaned,
            Err(now) => word = now,
        }
    };
    if is_last(orphaned) {
        // SAFETY: this call brought the word to its last state.
        unsafe { free_orphan(task) };
    }
    false
}

/// Frees an orphan, on whatever thread.
///
/// # Safety
///
/// The caller brought the foreign word to its last state.
unsafe fn free_orphan(task: NonNull<Header>) {
    // SAFETY: nobody else can reach the task; its future, output and cold part are gone.
    let header = unsafe { task.as_ref() };
    let injector: *const Injector = header.site().injector.as_ptr();
    let layout = header.vtable().layout;
    #[cfg(greenloop_loom)]
    header.freed();
    // loom counts its objects and wants to see them dropped.
    #[cfg(greenloop_loom)]
    // SAFETY: as above; the memory is not read again.
    unsafe {
        std::ptr::drop_in_place(task.as_ptr());
    }
    // SAFETY: allocated with this layout, freed once.
    unsafe { blocks::deallocate(task.cast(), layout) };
    // SAFETY: the count taken when the task became an orphan.
    unsafe { Arc::decrement_strong_count(injector) };
}
