//! The orders in which items leave a queue.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, VecDeque},
};

/// Items, and which of them is next.
pub(super) trait Order<T> {
    const EMPTY: Self;

    fn push(&mut self, item: T);
    fn pop(&mut self) -> Option<T>;
    /// The one that is next.
    fn first(&self) -> Option<&T>;
    fn len(&self) -> usize;
}

/// First in, first out.
pub(super) type Fifo<T> = VecDeque<T>;

impl<T> Order<T> for Fifo<T> {
    const EMPTY: Self = Self::new();

    fn push(&mut self, item: T) {
        self.push_back(item);
    }

    fn pop(&mut self) -> Option<T> {
        self.pop_front()
    }

    fn first(&self) -> Option<&T> {
        self.front()
    }

    fn len(&self) -> usize {
        self.len()
    }
}

/// Last in, first out.
pub(super) type Lifo<T> = Vec<T>;

impl<T> Order<T> for Lifo<T> {
    const EMPTY: Self = Self::new();

    fn push(&mut self, item: T) {
        self.push(item);
    }

    fn pop(&mut self) -> Option<T> {
        self.pop()
    }

    fn first(&self) -> Option<&T> {
        self.last()
    }

    fn len(&self) -> usize {
        self.len()
    }
}

/// The smallest first, and of equal ones the first.
pub(super) struct Smallest<T> {
    items: BinaryHeap<Ranked<T>>,
    /// How many items there have been.
    numbers: u64,
}

impl<T: Ord> Order<T> for Smallest<T> {
    const EMPTY: Self = Self { items: BinaryHeap::new(), numbers: 0 };

    fn push(&mut self, item: T) {
        self.items.push(Ranked { item, number: self.numbers });
        self.numbers += 1;
    }

    fn pop(&mut self) -> Option<T> {
        self.items.pop().map(|ranked| ranked.item)
    }

    fn first(&self) -> Option<&T> {
        self.items.peek().map(|ranked| &ranked.item)
    }

    fn len(&self) -> usize {
        self.items.len()
    }
}

struct Ranked<T> {
    item: T,
    number: u64,
}

impl<T: Ord> Ord for Ranked<T> {
    /// The heap gives the greatest first, so everything is reversed.
    fn cmp(&self, other: &Self) -> Ordering {
        other.item.cmp(&self.item).then(other.number.cmp(&self.number))
    }
}

impl<T: Ord> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Ord> Eq for Ranked<T> {}
