//! What a task may do in one poll before it must let others run.

use std::task::{Context, Poll};

use super::Executor;

/// How many operations a task may do in one poll before it must let others run. The figure is tokio's
/// (`tokio::task::coop`), where it has proved itself.
pub(super) const BUDGET: u32 = 128;

impl Executor {
    /// Whether the running task may do another operation; if not, wakes it again so that the
    /// caller can return `Pending`.
    pub(crate) fn poll_budget(&self, cx: &Context<'_>) -> Poll<()> {
        if self.budget.get() == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Counts an operation that did not have to wait.
    pub(crate) fn spend_budget(&self) {
        self.budget.set(self.budget.get().saturating_sub(1));
    }

    /// Runs `poll` with a full budget, and leaves the old one as it was.
    pub(crate) fn with_fresh_budget<R>(&self, poll: impl FnOnce() -> R) -> R {
        let before = self.budget.replace(BUDGET);
        let result = poll();
        self.budget.set(before);
        result
    }
}
