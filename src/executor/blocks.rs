#![allow(unsafe_code, reason = "calls the allocator for memory of a size known at run time")]
//! Memory for tasks, kept for the next task when one ends.
//!
//! A server spawns the same few futures over and over; taking the block that the last one left is
//! an order of magnitude cheaper than a round trip through the allocator. Blocks of up to
//! `LARGEST` bytes are sorted into classes 16 bytes apart, each class a linked stack through the
//! blocks themselves.
//!
//! Invariant: a block in class `n` was allocated with exactly the layout `rounded` gives for
//! `n`, so any task of that class may have it.

use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    cell::Cell,
    ptr::NonNull,
};

/// Larger tasks go straight to the allocator.
const LARGEST: usize = 64 * 16 + 8;
/// One more than the largest class, and a power of two, which spares the check of bounds.
const CLASSES: usize = 128;
/// For blocks that are not kept. No task is so small that this could be its class.
const NO_CLASS: u8 = 0;
/// How many bytes of blocks one loop keeps at most.
const KEEP: usize = 1 << 20;
/// Not in debug builds, so that AddressSanitizer and valgrind see every use after free in tests.
const KEEPS: bool = !cfg!(debug_assertions);

/// The blocks that wait for their next task.
#[derive(Debug)]
pub(super) struct Blocks {
    classes: [Cell<Option<NonNull<Free>>>; CLASSES],
    kept: Cell<usize>,
}

/// What stands in a block that waits.
#[derive(Debug)]
struct Free {
    next: Option<NonNull<Free>>,
}

/// The layout that is really allocated for `layout`: sizes of 8 modulo 16, which is what common
/// allocators give without waste, since their own header takes the other 8.
pub(super) const fn rounded(layout: Layout) -> Layout {
    match class(layout) {
        NO_CLASS => layout,
        class => match Layout::from_size_align(class as usize * 16 + 8, layout.align()) {
            Ok(rounded) => rounded,
            Err(_) => layout,
        },
    }
}

/// The class of blocks that a layout belongs to; `NO_CLASS` if it is too large or aligned to more.
pub(super) const fn class(layout: Layout) -> u8 {
    if layout.size() > LARGEST || layout.align() > align_of::<usize>() {
        NO_CLASS
    } else {
        ((layout.size() + 7) / 16) as u8
    }
}

/// Gives a block back to the allocator.
///
/// # Safety
///
/// `block` came from `Blocks::allocate` with this (rounded) layout and is not used any more.
pub(super) unsafe fn deallocate(block: NonNull<u8>, layout: Layout) {
    // SAFETY: the caller's promise.
    unsafe { dealloc(block.as_ptr(), layout) };
}

impl Blocks {
    pub(super) const fn new() -> Self {
        Self { classes: [const { Cell::new(None) }; CLASSES], kept: Cell::new(0) }
    }

    /// Memory of the given (rounded) layout and its class, uninitialised.
    #[inline]
    pub(super) fn allocate(&self, layout: Layout, class: u8) -> NonNull<u8> {
        let class = self.class(class);
        if let Some(free) = class.get() {
            // SAFETY: a block on the stack holds a valid `Free`, and only this thread uses it.
            class.set(unsafe { free.as_ref() }.next);
            self.kept.set(self.kept.get() - layout.size());
            return free.cast();
        }
        // SAFETY: a task has a header, so the size is not zero.
        let block = unsafe { alloc(layout) };
        NonNull::new(block).unwrap_or_else(|| handle_alloc_error(layout))
    }

    #[inline]
    fn class(&self, class: u8) -> &Cell<Option<NonNull<Free>>> {
        &self.classes[usize::from(class) % CLASSES]
    }

    /// Keeps a block for the next task, or gives it back to the allocator.
    ///
    /// # Safety
    ///
    /// As for `deallocate`; `class` is that of the layout.
    #[inline]
    pub(super) unsafe fn recycle(&self, block: NonNull<u8>, layout: Layout, class: u8) {
        let kept = self.kept.get() + layout.size();
        if !KEEPS || class == NO_CLASS || kept > KEEP {
            // SAFETY: the caller's promise.
            return unsafe { deallocate(block, layout) };
        }
        let free = block.cast::<Free>();
        // SAFETY: the block is ours, aligned and large enough for a pointer.
        unsafe { free.write(Free { next: self.class(class).get() }) };
        self.class(class).set(Some(free));
        self.kept.set(kept);
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        for (class, head) in self.classes.iter().enumerate() {
            // A task holds pointers, so no task is aligned to less, and none with more has a class.
            let layout = Layout::from_size_align(class * 16 + 8, align_of::<usize>())
                .expect("a small power of two");
            while let Some(free) = head.get() {
                // SAFETY: a block on the stack holds a valid `Free`.
                head.set(unsafe { free.as_ref() }.next);
                // SAFETY: it was allocated with this layout; see `rounded`.
                unsafe { deallocate(free.cast(), layout) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rounded_layout_is_its_own_class() {
        for size in 32..=LARGEST {
            let layout = rounded(Layout::from_size_align(size, 8).expect("valid"));
            assert!(layout.size() >= size);
            assert_eq!(rounded(layout), layout);
            assert!(layout.size() < size + 16);
        }
    }

    #[test]
    fn large_and_over_aligned_layouts_are_left_alone() {
        for layout in [Layout::new::<[u64; 1000]>(), Layout::from_size_align(64, 64).expect("ok")] {
            assert_eq!(rounded(layout), layout);
        }
    }
}
