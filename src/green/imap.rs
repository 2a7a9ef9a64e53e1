//! The results of a pool's work, as an iterator: [`Pool::imap`](super::Pool::imap) and
//! [`imap_unordered`](super::Pool::imap_unordered).
//!
//! `Pool` feeds the items; this keeps the results that nobody has asked for yet. Each item has a place, which is
//! filled once or given up.
//!
//! Invariant: as long as a place, or the right to take another, is there, the iterator waits.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
};

use super::{Group, wait::Wait};
use crate::task::JoinError;

/// The iterator of [`Pool::imap`](super::Pool::imap).
pub struct Imap<R>(pub(super) Mapping<R>);

/// The iterator of [`Pool::imap_unordered`](super::Pool::imap_unordered).
pub struct ImapUnordered<R>(pub(super) Mapping<R>);

impl<R> Iterator for Imap<R> {
    type Item = Result<R, JoinError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl<R> Iterator for ImapUnordered<R> {
    type Item = Result<R, JoinError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl<R> fmt::Debug for Imap<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imap").field("open", &self.0.results.borrow().open).finish()
    }
}

impl<R> fmt::Debug for ImapUnordered<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImapUnordered").field("open", &self.0.results.borrow().open).finish()
    }
}

/// In which order the results are given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    OfItems,
    OfEnds,
}

/// The reading end.
pub(super) struct Mapping<R> {
    results: Rc<RefCell<Results<R>>>,
    /// Who works on the items, and who feeds them.
    pub(super) workers: Group,
}

struct Results<R> {
    order: Order,
    /// By the numbers of their places; with [`Order::OfEnds`] a result gets its number when it is there.
    ready: BTreeMap<u64, Result<R, JoinError>>,
    /// The number that the next place has.
    next_place: u64,
    /// The number that is given next.
    next_given: u64,
    /// How many places and rights to take places there are.
    open: usize,
    waiting: Option<Waker>,
}

impl<R> Mapping<R> {
    pub(super) fn new(order: Order) -> Self {
        let results = Results {
            order,
            ready: BTreeMap::new(),
            next_place: 0,
            next_given: 0,
            open: 0,
            waiting: None,
        };
        Self { results: Rc::new(RefCell::new(results)), workers: Group::new() }
    }

    pub(super) fn places(&self) -> Places<R> {
        Places(Open::new(&self.results))
    }

    #[track_caller]
    fn next(&mut self) -> Option<Result<R, JoinError>> {
        let next = poll_fn(|cx| {
            let waker = cx.waker().clone();
            let mut results = self.results.borrow_mut();
            if let Some(result) = results.take() {
                return Poll::Ready(Some(result));
            }
            if results.open == 0 {
                return Poll::Ready(None);
            }
            let old = results.waiting.replace(waker);
            drop(results);
            drop(old);
            Poll::Pending
        });
        next.wait()
    }
}

impl<R> Drop for Mapping<R> {
    fn drop(&mut self) {
        self.workers.abort_without_waiting();
    }
}

impl<R> Results<R> {
    fn take(&mut self) -> Option<Result<R, JoinError>> {
        let first = self.ready.first_entry()?;
        // When no more can come, whoever is missing gave its place up.
        if *first.key() != self.next_given && self.open > 0 {
            return None;
        }
        self.next_given = *first.key() + 1;
        Some(first.remove())
    }
}

/// The right to take places.
pub(super) struct Places<R>(Open<R>);

impl<R> Places<R> {
    /// Takes the place of the next item.
    pub(super) fn next(&self) -> Place<R> {
        let mut results = self.0.0.borrow_mut();
        let number = results.next_place;
        if results.order == Order::OfItems {
            results.next_place += 1;
        }
        drop(results);
        Place { number, open: Open::new(&self.0.0) }
    }
}

/// The place of one item's result.
pub(super) struct Place<R> {
    number: u64,
    open: Open<R>,
}

impl<R> Place<R> {
    pub(super) fn fill(self, result: Result<R, JoinError>) {
        let mut results = self.open.0.borrow_mut();
        let number = match results.order {
            Order::OfItems => self.number,
            Order::OfEnds => {
                results.next_place += 1;
                results.next_place - 1
            }
        };
        results.ready.insert(number, result);
    }
}

/// Keeps the iterator waiting; dropped, it has it look again.
struct Open<R>(Rc<RefCell<Results<R>>>);

impl<R> Open<R> {
    fn new(results: &Rc<RefCell<Results<R>>>) -> Self {
        results.borrow_mut().open += 1;
        Self(Rc::clone(results))
    }
}

impl<R> Drop for Open<R> {
    fn drop(&mut self) {
        let waiting = {
            let mut results = self.0.borrow_mut();
            results.open -= 1;
            results.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}
