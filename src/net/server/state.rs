//! What a server and its handles share. The handles may be on any thread.
//!
//! Invariant: no waker is woken or dropped while the lock is held, since that may run foreign code.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use slab::Slab;

use super::report::{Report, Statistics};

/// What is known of a server.
#[derive(Default)]
pub(super) struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    statistics: Statistics,
    order: Option<Order>,
    /// The server's task.
    server: Option<Waker>,
    report: Option<Report>,
    /// Those who wait for the report.
    waiting: Slab<Waker>,
}

/// To accept no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// When what is still open is cut; `None` is never.
    pub(super) deadline: Option<Instant>,
}

impl Order {
    pub(super) fn within(grace: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(grace) }
    }
}

impl Shared {
    /// Tells the server to end. Of several deadlines the earliest counts.
    pub(super) fn order(&self, order: Order) {
        let mut state = self.lock();
        if state.report.is_some() {
            return;
        }
        let before = state.order;
        let deadline = match before.and_then(|order| order.deadline) {
            Some(before) => order.deadline.map_or(Some(before), |new| Some(new.min(before))),
            None => order.deadline,
        };
        state.order = Some(Order { deadline });
        let server = if state.order == before { None } else { state.server.take() };
        drop(state);
        if let Some(server) = server {
            server.wake();
        }
    }

    /// Asks, for the server's task, what it was told. It will be woken when that changes.
    pub(super) fn poll_order(&self, cx: &Context<'_>) -> Option<Order> {
        let mut state = self.lock();
        let is_known = state.server.as_ref().is_some_and(|old| old.will_wake(cx.waker()));
        if is_known {
            return state.order;
        }
        drop(state);
        let waker = cx.waker().clone();
        state = self.lock();
        let old = state.server.replace(waker);
        let order = state.order;
        drop(state);
        drop(old);
        order
    }

    pub(super) fn is_told_to_end(&self) -> bool {
        let state = self.lock();
        state.order.is_some() || state.report.is_some()
    }

    pub(super) fn statistics(&self) -> Statistics {
        self.lock().statistics
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut Statistics)) {
        count(&mut self.lock().statistics);
    }

    /// The server is over.
    pub(super) fn finish(&self, report: Report) {
        let mut state = self.lock();
        state.report = Some(report);
        let (server, waiting) = (state.server.take(), std::mem::take(&mut state.waiting));
        drop(state);
        drop(server);
        for (_, waker) in waiting {
            waker.wake();
        }
    }

    /// Asks for the report, and leaves a waker, in place of the last one.
    pub(super) fn poll_report(&self, cx: &Context<'_>, place: &mut Option<usize>) -> Poll<Report> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        if let Some(report) = &state.report {
            let report = report.clone();
            *place = None;
            drop(state);
            return Poll::Ready(report);
        }
        let old = match *place {
            Some(place) => Some(std::mem::replace(&mut state.waiting[place], waker)),
            None => {
                *place = Some(state.waiting.insert(waker));
                None
            }
        };
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// Takes back the waker.
    pub(super) fn wait_no_more(&self, place: usize) {
        let mut state = self.lock();
        // With the report they were all taken.
        let waker = if state.report.is_none() { Some(state.waiting.remove(place)) } else { None };
        drop(state);
        drop(waker);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
