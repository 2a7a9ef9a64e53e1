//! A moment that comes once, and that any number of futures wait for.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use slab::Slab;

/// Something that has not happened, or has.
#[derive(Debug, Default)]
pub(super) struct Moment {
    here: Cell<bool>,
    /// How often those who wait were woken: a place is good for one such round.
    rounds: Cell<u64>,
    waiting: RefCell<Slab<Waker>>,
}

impl Moment {
    pub(super) fn is_here(&self) -> bool {
        self.here.get()
    }

    /// It has come: all who wait are woken.
    pub(super) fn come(&self) {
        self.here.set(true);
        self.wake();
    }

    /// Has all who wait look again.
    pub(super) fn wake(&self) {
        self.rounds.set(self.rounds.get() + 1);
        let waiting = self.waiting.take();
        for (_, waker) in waiting {
            waker.wake();
        }
    }
}

/// Waits for a moment.
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub(super) struct Until {
    moment: Rc<Moment>,
    /// The round, and the place in it.
    place: Option<(u64, usize)>,
}

impl Until {
    pub(super) fn new(moment: &Rc<Moment>) -> Self {
        Self { moment: Rc::clone(moment), place: None }
    }

    /// Leaves a waker, in place of the last one.
    pub(super) fn register(&mut self, cx: &Context<'_>) {
        self.withdraw();
        // A stranger's waker may run anything when it is cloned: not under the borrow.
        let waker = cx.waker().clone();
        let place = self.moment.waiting.borrow_mut().insert(waker);
        self.place = Some((self.moment.rounds.get(), place));
    }

    fn withdraw(&mut self) {
        if let Some((round, place)) = self.place.take() {
            if round == self.moment.rounds.get() {
                let waker = self.moment.waiting.borrow_mut().try_remove(place);
                drop(waker);
            }
        }
    }
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.moment.is_here() {
            return Poll::Ready(());
        }
        self.register(cx);
        Poll::Pending
    }
}

impl Drop for Until {
    fn drop(&mut self) {
        self.withdraw();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_woken_takes_nothing_from_who_came_later() {
        let moment = Rc::<Moment>::default();
        let mut cx = Context::from_waker(Waker::noop());
        let mut first = Until::new(&moment);
        assert!(Pin::new(&mut first).poll(&mut cx).is_pending());
        moment.wake();
        let mut second = Until::new(&moment);
        assert!(Pin::new(&mut second).poll(&mut cx).is_pending());
        drop(first);
        assert_eq!(moment.waiting.borrow().len(), 1);
        drop(second);
        assert_eq!(moment.waiting.borrow().len(), 0);
    }

    #[test]
    fn it_stays_when_it_has_come() {
        let moment = Rc::<Moment>::default();
        moment.come();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut Until::new(&moment)).poll(&mut cx).is_ready());
        assert!(Pin::new(&mut Until::new(&moment)).poll(&mut cx).is_ready());
    }
}
