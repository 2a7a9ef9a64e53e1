//! The room of a pool: a permit for each green thread that may run in it.

use std::{panic::Location, rc::Rc};

use crate::{sync::Permits as Core, wait_queue::What};

static WHAT: What = What::queue("Pool");

/// The permits that are left, and who waits for one.
#[derive(Debug)]
pub(super) struct Permits(Core);

/// A permit; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit(Rc<Permits>);

impl Permits {
    #[track_caller]
    pub(super) fn new(count: usize) -> Rc<Self> {
        Rc::new(Self(Core::new(count, &WHAT, Location::caller())))
    }

    pub(super) fn left(&self) -> usize {
        self.0.available()
    }

    /// Takes a permit if one is left, and nobody waits for it.
    pub(super) fn try_acquire(self: &Rc<Self>) -> Option<Permit> {
        self.0.try_take(1).ok().map(|()| Permit(Rc::clone(self)))
    }

    /// Waits for a permit. Dropped after it was granted one, the future hands that on.
    pub(super) fn acquire(self: &Rc<Self>) -> impl Future<Output = Permit> + use<> {
        let permits = Rc::clone(self);
        async move {
            // Nobody closes them.
            let _ = permits.0.take(1).await;
            Permit(permits)
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.0.give(1);
    }
}
