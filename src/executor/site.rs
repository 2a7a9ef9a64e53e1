#![allow(unsafe_code, reason = "shares memory with tasks that may outlive their loop")]
//! What all tasks of one kind have in common: the place in the program that spawns them and the
//! functions that know the type of their future. A task points to it, which takes 8 bytes of its
//! memory instead of 24.
//!
//! There are as many sites as the program has places that spawn, so they are made once and kept as
//! long as the injector, which every task's memory keeps alive.

use std::{cell::Cell, cell::RefCell, collections::HashMap, panic::Location, ptr, ptr::NonNull};

use super::{header::VTable, injector::Injector};

/// One place that spawns one type of future on one loop. Never changes, so any thread may read it.
#[derive(Debug)]
pub(super) struct Site {
    /// A copy of `kind`: a poll finds its function here, one step nearer.
    pub(super) vtable: VTable,
    kind: &'static VTable,
    /// The loop's letter box. Alive as long as each task of this site: the loop holds it while the
    /// task is in its table, and an orphan holds a count of its own.
    pub(super) injector: NonNull<Injector>,
    /// Where the tasks are spawned.
    pub(super) location: &'static Location<'static>,
}

/// A site's memory; the injector owns it.
#[derive(Debug)]
pub(super) struct OwnedSite(NonNull<Site>);

// SAFETY: a site never changes, and nobody but the owner frees it.
unsafe impl Send for OwnedSite {}

impl Drop for OwnedSite {
    fn drop(&mut self) {
        // SAFETY: made by `Box::leak` in `find_or_make`. Tasks point to it, but none of them is left
        // when the injector goes.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// The sites of one loop: those that are hot in a small table, all of them in a large one.
#[derive(Debug)]
pub(super) struct Sites {
    hot: [Cell<Option<NonNull<Site>>>; HOT],
    all: RefCell<HashMap<Key, NonNull<Site>>>,
}

/// What tells one site from another.
type Key = (*const VTable, *const Location<'static>);

const HOT: usize = 64;

impl Sites {
    pub(super) fn new() -> Self {
        Self { hot: [const { Cell::new(None) }; HOT], all: RefCell::default() }
    }

    /// The site of these two, which is made if there is none.
    #[inline]
    pub(super) fn find(
        &self,
        injector: &Injector,
        kind: &'static VTable,
        location: &'static Location<'static>,
    ) -> NonNull<Site> {
        let hot = &self.hot[Self::place(kind, location)];
        if let Some(site) = hot.get() {
            // SAFETY: the injector, and so its sites, live as long as the loop.
            let found = unsafe { site.as_ref() };
            if ptr::eq(found.kind, kind) && ptr::eq(found.location, location) {
                return site;
            }
        }
        self.find_or_make(injector, kind, location)
    }

    #[cold]
    #[inline(never)]
    fn find_or_make(
        &self,
        injector: &Injector,
        kind: &'static VTable,
        location: &'static Location<'static>,
    ) -> NonNull<Site> {
        let make = || {
            let site = Site { vtable: *kind, kind, injector: NonNull::from(injector), location };
            let site = NonNull::from(Box::leak(Box::new(site)));
            injector.keep(OwnedSite(site));
            site
        };
        let site = *self.all.borrow_mut().entry((kind, location)).or_insert_with(make);
        self.hot[Self::place(kind, location)].set(Some(site));
        site
    }

    /// Both addresses, mixed: consecutive ones, as in a program's data, land in different places.
    fn place(kind: &'static VTable, location: &'static Location<'static>) -> usize {
        let (kind, location) = (ptr::from_ref(kind).addr(), ptr::from_ref(location).addr());
        ((kind >> 4) ^ (location >> 3)) % HOT
    }
}
