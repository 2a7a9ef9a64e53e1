//! The family of a cancellation token: who is whose child, and who waits for whom.
//!
//! All tokens that descend from one are nodes of one tree under one lock, which is held for a few steps
//! and never while foreign code runs. A node leaves the tree with the last clone of its token; its children
//! become its parent's, since whoever cancels that means them, too.
//!
//! Invariants: the children of a node are linked to each other and know their parent; a cancelled node has
//! neither parent nor children, and no waiters.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    task::Waker,
};

use slab::Slab;

use super::cancellation_token::State;

/// A token's place in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node(usize);

/// The tokens that descend from one.
#[derive(Default)]
pub(super) struct Tree {
    nodes: Mutex<Slab<Entry>>,
}

struct Entry {
    state: Arc<State>,
    parent: Option<usize>,
    first_child: Option<usize>,
    /// The neighbours among the children of the parent.
    previous: Option<usize>,
    next: Option<usize>,
    waiters: Slab<Waker>,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Entry>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a node; `state` makes what belongs to it, and is told whether it is cancelled from the start.
    pub(super) fn insert(
        &self,
        parent: Option<Node>,
        state: impl FnOnce(Node, bool) -> Arc<State>,
    ) -> Arc<State> {
        let mut nodes = self.lock();
        let is_cancelled = parent
            .is_some_and(|Node(parent)| nodes[parent].state.is_cancelled.load(Ordering::Relaxed));
        // Nobody cancels a child of a cancelled node a second time, so it need not be known.
        let parent = parent.filter(|_| !is_cancelled).map(|Node(parent)| parent);
        let vacant = nodes.vacant_entry();
        let index = vacant.key();
        let state = state(Node(index), is_cancelled);
        vacant.insert(Entry {
            state: Arc::clone(&state),
            parent: None,
            first_child: None,
            previous: None,
            next: None,
            waiters: Slab::new(),
        });
        if let Some(parent) = parent {
            link(&mut nodes, index, parent);
        }
        state
    }

    /// Takes a node out whose token is gone, and gives what belonged to it, for the caller to drop.
    pub(super) fn remove(&self, Node(index): Node) -> impl Sized {
        let mut nodes = self.lock();
        let parent = nodes[index].parent;
        unlink(&mut nodes, index);
        let mut next = nodes[index].first_child;
        while let Some(child) = next {
            next = nodes[child].next;
            let entry = &mut nodes[child];
            (entry.parent, entry.previous, entry.next) = (None, None, None);
            if let Some(parent) = parent {
                link(&mut nodes, child, parent);
            }
        }
        nodes.remove(index)
    }

    /// Cancels a node and all below it, and gives the wakers of those who waited.
    pub(super) fn cancel(&self, Node(index): Node) -> Vec<Waker> {
        let mut nodes = self.lock();
        let mut woken = Vec::new();
        unlink(&mut nodes, index);
        let mut next = Some(index);
        // Each has its children put in front of what is left to do; no recursion, however deep they are.
        while let Some(index) = next {
            let entry = &mut nodes[index];
            entry.state.is_cancelled.store(true, Ordering::Release);
            woken.extend(std::mem::take(&mut entry.waiters).drain());
            let (first_child, rest) = (entry.first_child.take(), entry.next.take());
            (entry.parent, entry.previous) = (None, None);
            next = rest;
            if let Some(first) = first_child {
                let last = last_of(&nodes, first);
                nodes[last].next = rest;
                next = Some(first);
            }
        }
        woken
    }

    /// Whether this waker stands at this place.
    pub(super) fn is_listening(
        &self,
        Node(index): Node,
        place: Option<usize>,
        waker: &Waker,
    ) -> bool {
        place.is_some_and(|place| {
            let nodes = self.lock();
            nodes[index].waiters.get(place).is_some_and(|other| other.will_wake(waker))
        })
    }

    /// Leaves a waker, in a new place or in one that was given before. Gives the place and the waker that is
    /// to be dropped: the one from before, or this one if the node is cancelled.
    pub(super) fn listen(
        &self,
        Node(index): Node,
        place: Option<usize>,
        waker: Waker,
    ) -> (Option<usize>, Option<Waker>) {
        let mut nodes = self.lock();
        let entry = &mut nodes[index];
        if entry.state.is_cancelled.load(Ordering::Relaxed) {
            return (None, Some(waker));
        }
        match place {
            Some(place) => (Some(place), Some(std::mem::replace(&mut entry.waiters[place], waker))),
            None => (Some(entry.waiters.insert(waker)), None),
        }
    }

    /// Takes a waker back, if it is still there.
    pub(super) fn forget(&self, Node(index): Node, place: usize) -> Option<Waker> {
        self.lock()[index].waiters.try_remove(place)
    }
}

/// The last of the siblings from `first` on.
fn last_of(nodes: &Slab<Entry>, first: usize) -> usize {
    let mut last = first;
    while let Some(next) = nodes[last].next {
        last = next;
    }
    last
}

/// Makes a node, which has no parent, the first child of another.
fn link(nodes: &mut Slab<Entry>, index: usize, parent: usize) {
    let next = nodes[parent].first_child.replace(index);
    if let Some(next) = next {
        nodes[next].previous = Some(index);
    }
    let entry = &mut nodes[index];
    (entry.parent, entry.previous, entry.next) = (Some(parent), None, next);
}

/// Takes a node from its parent.
fn unlink(nodes: &mut Slab<Entry>, index: usize) {
    let entry = &mut nodes[index];
    let (parent, previous, next) = (entry.parent.take(), entry.previous.take(), entry.next.take());
    match (previous, parent) {
        (Some(previous), _) => nodes[previous].next = next,
        (None, Some(parent)) => nodes[parent].first_child = next,
        (None, None) => {}
    }
    if let Some(next) = next {
        nodes[next].previous = previous;
    }
}
