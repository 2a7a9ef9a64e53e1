//! The price of operations that ask no descriptor: they too must let others run at times.

use std::task::{Context, Poll};

use crate::event_loop;

/// Whether the running task may do another operation; if not, it is woken again. Always, where
/// nothing is counted, because no loop is running.
pub(super) fn poll_proceed(cx: &Context<'_>) -> Poll<()> {
    event_loop::with(|core| core.executor.poll_budget(cx)).unwrap_or(Poll::Ready(()))
}

/// Counts an operation that succeeded.
pub(super) fn spend() {
    event_loop::with(|core| core.executor.spend_budget());
}
