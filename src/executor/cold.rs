//! What few tasks have: a name, links, values of their own.
//!
//! It stands beside the tasks, by their place in the table, and costs those that have none of it a
//! bit (`COLD`).
//!
//! Idea 8 of the design: no foreign code runs while the map is borrowed; what is replaced or taken is
//! given to the caller, who drops it.

use std::{
    any::Any,
    cell::RefCell,
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    ptr::NonNull,
    rc::Rc,
    sync::Arc,
};

use super::header::{COLD, Header};

/// What few tasks have, made when the first of it is needed.
#[derive(Default)]
pub(super) struct Cold {
    pub(super) name: Option<Arc<str>>,
    /// What is called with the output when the task has ended, in this order.
    pub(super) links: Vec<Link>,
    /// How many look at the output besides the one for whom `RUNNING` is set.
    pub(super) more_looks: u32,
    /// Values of the task's own, by the address of what names them.
    pub(super) locals: Vec<(usize, Rc<dyn Any>)>,
}

/// A function that is called once with a finished task, whose output is still there.
pub(super) type Link = Box<dyn FnOnce(NonNull<Header>)>;

/// The cold parts of one loop's tasks.
#[derive(Default)]
pub(super) struct Colds {
    by_slot: RefCell<HashMap<u32, Box<Cold>, BuildHasherDefault<SlotHasher>>>,
}

impl Colds {
    /// The name given at spawn. Allocates and frees nothing; `None` also if the map is in use, which
    /// only a signal handler can find.
    pub(super) fn name(&self, header: &Header) -> Option<Arc<str>> {
        if !header.has(COLD) {
            return None;
        }
        self.by_slot.try_borrow().ok()?.get(&header.slot.get())?.name.clone()
    }

    /// Works on the cold part, which is made if there is none. No foreign code may run meanwhile.
    pub(super) fn with<R>(&self, header: &Header, f: impl FnOnce(&mut Cold) -> R) -> R {
        header.set(COLD);
        f(self.by_slot.borrow_mut().entry(header.slot.get()).or_default())
    }

    /// Takes the cold part away, at the end of the task.
    #[inline]
    pub(super) fn take(&self, header: &Header) -> Option<Box<Cold>> {
        if !header.has(COLD) {
            return None;
        }
        header.clear(COLD);
        self.by_slot.borrow_mut().remove(&header.slot.get())
    }
}

/// Slots are small distinct numbers: a multiplication spreads them well enough.
#[derive(Debug, Default)]
struct SlotHasher(u64);

impl Hasher for SlotHasher {
    fn write(&mut self, _: &[u8]) {
        unreachable!("slots are hashed as u32");
    }

    fn write_u32(&mut self, slot: u32) {
        // 2^64 divided by the golden ratio (Knuth, The Art of Computer Programming, 6.4).
        self.0 = u64::from(slot).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
