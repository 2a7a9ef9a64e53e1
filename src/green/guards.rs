//! Which stack a guard belongs to, for a signal handler that knows nothing but an address.
//!
//! A list of the mappings that stacks are cut from. Mappings come and go, on all threads; their entries
//! stay and are used again, so that the handler can walk the list at any time.
//!
//! Invariant: an entry's other fields are written only while its `start` is `CLAIMED`.

use std::{
    ops::Range,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::stack_memory::GUARD;

/// Nobody uses the entry.
const FREE: usize = 0;
/// The entry is being filled in.
const CLAIMED: usize = 1;

/// A mapping.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its lowest address, or `FREE`, or `CLAIMED`.
    start: AtomicUsize,
    bytes: AtomicUsize,
    /// In bytes, guard included.
    stack_size: AtomicUsize,
    next: OnceLock<&'static Entry>,
}

static FIRST: Entry = Entry::new();

impl Entry {
    const fn new() -> Self {
        Self {
            start: AtomicUsize::new(FREE),
            bytes: AtomicUsize::new(0),
            stack_size: AtomicUsize::new(0),
            next: OnceLock::new(),
        }
    }

    /// Takes the mapping off the list.
    pub(super) fn release(&self) {
        self.start.store(FREE, Ordering::Release);
    }
}

/// Puts a mapping on the list.
pub(super) fn enter(addresses: Range<usize>, stack_size: usize) -> &'static Entry {
    let mut entry = &FIRST;
    while entry.start.compare_exchange(FREE, CLAIMED, Ordering::Acquire, Ordering::Relaxed).is_err()
    {
        entry = entry.next.get_or_init(|| Box::leak(Box::new(Entry::new())));
    }
    entry.bytes.store(addresses.len(), Ordering::Relaxed);
    entry.stack_size.store(stack_size, Ordering::Relaxed);
    entry.start.store(addresses.start, Ordering::Release);
    entry
}

/// The stack whose guard has this address, if it is one. Allocates nothing and waits for nobody.
pub(super) fn stack_guarded_at(address: usize) -> Option<Range<usize>> {
    let mut next = Some(&FIRST);
    while let Some(entry) = next {
        next = entry.next.get().copied();
        let start = entry.start.load(Ordering::Acquire);
        let stack_size = entry.stack_size.load(Ordering::Relaxed);
        let Some(offset) = address.checked_sub(start).filter(|_| start > CLAIMED) else { continue };
        if offset < entry.bytes.load(Ordering::Relaxed) && offset % stack_size.max(1) < GUARD {
            let limit = address - offset % stack_size.max(1);
            return Some(limit..limit + stack_size);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_guards_are_found_and_only_while_they_are_there() {
        // Where no mapping of the program can be.
        let (start, size) = (usize::MAX / 2, 10 * GUARD);
        let entry = enter(start..start + 3 * size, size);
        let second = start + size;
        assert_eq!(stack_guarded_at(start), Some(start..second));
        assert_eq!(stack_guarded_at(second + GUARD - 1), Some(second..second + size));
        for address in [0, 1, start - 1, start + GUARD, second - 1, start + 3 * size, usize::MAX] {
            assert_eq!(stack_guarded_at(address), None, "{address:x}");
        }
        entry.release();
        assert_eq!(stack_guarded_at(start), None);
    }

    #[test]
    fn an_entry_is_used_again() {
        let threads = [0, 1, 2, 3].map(|thread| {
            std::thread::spawn(move || {
                for round in 0..1000 {
                    let start = usize::MAX / 4 + (thread * 1000 + round) * GUARD * 4;
                    let entry = enter(start..start + 2 * GUARD, 2 * GUARD);
                    assert_eq!(stack_guarded_at(start), Some(start..start + 2 * GUARD));
                    entry.release();
                }
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let mut length = 1;
        let mut entry = &FIRST;
        while let Some(next) = entry.next.get() {
            (length, entry) = (length + 1, next);
        }
        assert!(length < 100, "{length}");
    }
}
