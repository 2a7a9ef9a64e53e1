//! A number of permits, handed from those who give one back to those who wait, in their order.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// The permits that are left, and who waits for one.
#[derive(Debug)]
pub(super) struct Permits {
    left: Cell<usize>,
    waiting: RefCell<VecDeque<Rc<Waiter>>>,
}

#[derive(Debug)]
struct Waiter {
    granted: Cell<bool>,
    waker: RefCell<Waker>,
}

/// A permit; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit(Rc<Permits>);

impl Permits {
    pub(super) fn new(count: usize) -> Rc<Self> {
        Rc::new(Self { left: Cell::new(count), waiting: RefCell::default() })
    }

    pub(super) fn left(&self) -> usize {
        self.left.get()
    }

    /// Takes a permit if one is left, and nobody waits for it.
    pub(super) fn try_acquire(self: &Rc<Self>) -> Option<Permit> {
        let left = self.left.get().checked_sub(1)?;
        self.left.set(left);
        Some(Permit(Rc::clone(self)))
    }

    /// Waits for a permit.
    pub(super) fn acquire(self: &Rc<Self>) -> Acquire {
        Acquire { permits: Rc::clone(self), waiter: None }
    }

    /// Hands a permit to the first who waits, or keeps it.
    fn release(&self) {
        let first = self.waiting.borrow_mut().pop_front();
        match first {
            Some(waiter) => {
                waiter.granted.set(true);
                let waker = waiter.waker.borrow().clone();
                waker.wake();
            }
            None => self.left.set(self.left.get() + 1),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// The future of `Permits::acquire`. Dropped after it was granted a permit, it hands that on.
#[derive(Debug)]
pub(super) struct Acquire {
    permits: Rc<Permits>,
    waiter: Option<Rc<Waiter>>,
}

impl Future for Acquire {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        if let Some(waiter) = &self.waiter {
            if !waiter.granted.get() {
                let waker = cx.waker().clone();
                let old = waiter.waker.replace(waker);
                drop(old);
                return Poll::Pending;
            }
            self.waiter = None;
            return Poll::Ready(Permit(Rc::clone(&self.permits)));
        }
        if let Some(permit) = self.permits.try_acquire() {
            return Poll::Ready(permit);
        }
        let waker = RefCell::new(cx.waker().clone());
        let waiter = Rc::new(Waiter { granted: Cell::new(false), waker });
        self.permits.waiting.borrow_mut().push_back(Rc::clone(&waiter));
        self.waiter = Some(waiter);
        Poll::Pending
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter.take() else { return };
        if waiter.granted.get() {
            self.permits.release();
        } else {
            self.permits.waiting.borrow_mut().retain(|other| !Rc::ptr_eq(other, &waiter));
        }
    }
}
