//! A number of permits, handed from those who give some back to those who wait, in their order.
//!
//! Under every lock, semaphore, bounded channel and queue. It knows nothing of guards: whoever took permits
//! gives them back.
//!
//! Invariant: the first who waits wants more than there is, except while `serve` is at it.

use std::{
    cell::Cell,
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
};

use super::counted::poll_counted;
use crate::wait_queue::{Grants, State, Turn, WaitQueue, What, Who};

#[derive(Debug)]
pub(crate) struct Permits {
    available: Cell<usize>,
    closed: Cell<bool>,
    /// Who has the only permit, as far as it is known; of no meaning while nobody has.
    holder: Cell<Who>,
    waiting: WaitQueue,
}

/// There are no permits to be had any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// Why permits cannot be had at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Closed,
    /// There are too few, or somebody waits for them.
    TooFew,
}

/// Something that has permits. What a future refers to, so that it need not refer to both.
pub(crate) trait HasPermits {
    fn permits(&self) -> &Permits;

    /// Somebody who waited has given up, or given back what was granted.
    #[inline]
    fn gave_up(&self) {}
}

impl Permits {
    /// How many there can be.
    pub(crate) const MOST: usize = (u32::MAX >> 3) as usize;

    pub(crate) const fn new(
        available: usize,
        what: &'static What,
        created: &'static Location<'static>,
    ) -> Self {
        Self {
            available: Cell::new(available),
            closed: Cell::new(false),
            holder: Cell::new(Who::NOBODY),
            waiting: WaitQueue::new(what, created),
        }
    }

    /// How many are there for the taking.
    #[inline]
    pub(crate) fn available(&self) -> usize {
        self.available.get()
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Takes permits if nobody waits who came before.
    #[inline]
    pub(crate) fn try_take(&self, number: u32) -> Result<(), Refused> {
        let available = self.available.get();
        if self.closed.get() {
            return Err(Refused::Closed);
        }
        if available < number as usize || !self.waiting.is_empty() {
            return Err(Refused::TooFew);
        }
        self.available.set(available - number as usize);
        Ok(())
    }

    /// Waits for permits.
    #[inline]
    pub(crate) fn take(&self, number: u32) -> Take<&Self> {
        Take::new(self, number)
    }

    /// Gives permits, to those who wait first of all.
    #[inline]
    pub(crate) fn give(&self, number: usize) {
        self.available.set(self.available.get() + number);
        if !self.waiting.is_empty() {
            self.serve();
        }
    }

    /// Takes away up to so many that are there, and tells how many.
    pub(crate) fn withdraw(&self, number: usize) -> usize {
        let available = self.available.get();
        let number = number.min(available);
        self.available.set(available - number);
        number
    }

    /// Lets nobody have a permit any more.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.waiting.tell_all();
    }

    /// Ends the wait of all who wait, as if it were closed.
    pub(crate) fn send_away(&self) {
        self.waiting.tell_all();
    }

    /// Notes who has the permit, for the report about who waits for whom.
    #[inline]
    pub(crate) fn set_holder(&self, holder: Who) {
        self.holder.set(holder);
        self.waiting.set_holder(holder);
    }

    /// Grants what there is to those who are first.
    #[cold]
    fn serve(&self) {
        while let Some(number) = self.waiting.first() {
            let Some(rest) = self.available.get().checked_sub(number as usize) else { break };
            self.available.set(rest);
            self.waiting.grant_first();
        }
    }
}

impl HasPermits for Permits {
    #[inline]
    fn permits(&self) -> &Permits {
        self
    }
}

impl<S: HasPermits + ?Sized> HasPermits for &S {
    #[inline]
    fn permits(&self) -> &Permits {
        (**self).permits()
    }

    #[inline]
    fn gave_up(&self) {
        (**self).gave_up();
    }
}

/// What grants its permits in the name of its owner.
#[derive(Debug)]
struct Granter<S>(S);

impl<S: HasPermits> Grants for Granter<S> {
    fn take_back(&self, state: State, number: u32) {
        match state {
            State::Granted => self.0.permits().give(number as usize),
            // Whoever stood behind it may want less.
            _ => self.0.permits().serve(),
        }
        self.0.gave_up();
    }
}

pin_project_lite::pin_project! {
    /// A wait for permits. Dropped after it was granted some, it passes them on.
    #[derive(Debug)]
    #[must_use = "a future does nothing unless awaited"]
    pub(crate) struct Take<S: HasPermits> {
        #[pin]
        turn: Turn<Granter<S>>,
    }
}

impl<S: HasPermits> Take<S> {
    #[inline]
    pub(crate) fn new(source: S, number: u32) -> Self {
        Self { turn: Turn::new(Granter(source), number) }
    }

    /// Whose permits these are.
    #[inline]
    pub(crate) fn source(&self) -> &S {
        &self.turn.grants().0
    }

    /// How many are wanted.
    #[inline]
    pub(crate) fn number(&self) -> u32 {
        self.turn.number()
    }

    /// Waits in line; the first poll found that it must.
    #[cold]
    fn poll_in_line(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<Result<(), Closed>> {
        let permits = self.source().permits();
        let waiter = self.as_ref().project_ref().turn.waiter();
        match waiter.poll(cx.waker()) {
            State::Idle => {
                // A stranger's waker may run anything when it is cloned, so it comes first.
                let waker = cx.waker().clone();
                match permits.try_take(waiter.number()) {
                    Ok(()) => return Poll::Ready(Ok(())),
                    Err(Refused::Closed) => return Poll::Ready(Err(Closed)),
                    Err(Refused::TooFew) => {}
                }
                permits.waiting.push(waiter, Some(waker));
                permits.waiting.set_holder(permits.holder.get());
                Poll::Pending
            }
            State::Waiting => Poll::Pending,
            State::Granted => {
                waiter.take();
                Poll::Ready(Ok(()))
            }
            State::Told => {
                waiter.take();
                Poll::Ready(Err(Closed))
            }
        }
    }
}

impl<S: HasPermits> Future for Take<S> {
    type Output = Result<(), Closed>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        poll_counted(cx, |cx| {
            if self.turn.state() == State::Idle {
                match self.source().permits().try_take(self.number()) {
                    Ok(()) => return Poll::Ready(Ok(())),
                    Err(Refused::Closed) => return Poll::Ready(Err(Closed)),
                    Err(Refused::TooFew) => {}
                }
            }
            self.as_mut().poll_in_line(cx)
        })
    }
}
