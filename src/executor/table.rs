#![allow(unsafe_code, reason = "a slab without the check of a RefCell")]
//! Where every task stands, from its spawn until nobody can ask for its output any more.

use std::{
    cell::{Cell, UnsafeCell},
    ptr::NonNull,
};

use slab::Slab;

use super::{Id, header::Header, task_key::SPENT};

/// A task's place in the table.
#[derive(Debug)]
struct Entry {
    task: NonNull<Header>,
    id: Id,
}

/// The tasks of one loop, by slot.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Borrowed only within the methods below, none of which runs anything that could come back
    /// here; and the type is not `Sync`.
    entries: UnsafeCell<Slab<Entry>>,
    /// The entries are being moved to a larger place.
    moving: Cell<bool>,
}

impl Table {
    #[inline]
    pub(super) fn insert(&self, task: NonNull<Header>, id: Id) -> u32 {
        // SAFETY: the only borrow; see `entries`.
        let entries = unsafe { &mut *self.entries.get() };
        if entries.len() == entries.capacity() {
            self.moving.set(true);
            entries.reserve(1);
            self.moving.set(false);
        }
        let slot = entries.insert(Entry { task, id });
        debug_assert!(slot < SPENT as usize, "tasks for 2^32 places do not fit into memory");
        slot as u32
    }

    #[inline]
    pub(super) fn remove(&self, slot: u32) {
        // SAFETY: the only borrow; see `entries`. An entry has no destructor.
        unsafe { &mut *self.entries.get() }.remove(slot as usize);
    }

    /// The task that stands here, if it is still the one with this id.
    #[inline]
    pub(super) fn find(&self, slot: u32, id: Id) -> Option<NonNull<Header>> {
        // SAFETY: the only borrow; see `entries`.
        let entry = unsafe { &*self.entries.get() }.get(slot as usize)?;
        (entry.id == id).then_some(entry.task)
    }

    /// The id of the task that stands here.
    pub(super) fn id(&self, slot: u32) -> Id {
        // SAFETY: the only borrow; see `entries`.
        let entries = unsafe { &*self.entries.get() };
        entries[slot as usize].id
    }

    /// As `id`, for a signal handler: `None` while the table moves to a larger place.
    pub(super) fn id_if_at_rest(&self, slot: u32) -> Option<Id> {
        // Other changes leave the entries of running tasks as they are.
        (!self.moving.get()).then(|| self.id(slot))
    }

    /// Slot, id and memory of every task.
    pub(super) fn everyone(&self) -> Vec<(u32, Id, NonNull<Header>)> {
        // SAFETY: the only borrow; see `entries`.
        let entries = unsafe { &*self.entries.get() };
        entries.iter().map(|(slot, entry)| (slot as u32, entry.id, entry.task)).collect()
    }
}
