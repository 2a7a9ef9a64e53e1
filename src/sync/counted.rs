//! The price of an operation, which everything here pays that can be done at once.

use std::task::{Context, Poll};

use crate::event_loop;

/// Polls an operation that spends from the running task's budget when it succeeds; pending, with a wake,
/// when nothing is left of that. Outside of a loop there is no budget.
#[inline]
pub(crate) fn poll_counted<R>(
    cx: &mut Context<'_>,
    operation: impl FnOnce(&mut Context<'_>) -> Poll<R>,
) -> Poll<R> {
    if event_loop::with(|core| core.executor.poll_budget(cx)) == Some(Poll::Pending) {
        return Poll::Pending;
    }
    let polled = operation(cx);
    if polled.is_ready() {
        event_loop::with(|core| core.executor.spend_budget());
    }
    polled
}
