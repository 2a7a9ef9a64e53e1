//! What waits for the children of a group, and ends them.
//!
//! The driver is polled by the task that the group belongs to, between the polls of the body. It takes in
//! children that have ended, which are forgotten at once but for their failures.
//!
//! Invariant: no borrow of the shared state is held while a child is aborted, a hook called, or a waker
//! cloned: all of that may spawn into the group.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use super::{Failure, GroupError, TaskGroup};
use crate::{
    event_loop,
    executor::contain,
    task::{JoinHandle, JoinSet},
    wake_set::Listener,
};

/// What a failure does to the others.
pub(crate) enum Policy<E> {
    /// It ends them.
    FailTogether,
    /// Nothing; the hook is told.
    Supervise(Box<dyn Fn(Failure<E>)>),
}

/// What the clones of a group share.
pub(super) struct Shared<E> {
    children: RefCell<JoinSet<Result<(), Failure<E>>>>,
    /// Wakes the task that the group belongs to.
    parent: Listener,
    /// No more children are taken.
    ending: Cell<bool>,
    failures: RefCell<Vec<Failure<E>>>,
}

impl<E> Shared<E> {
    pub(super) fn insert(&self, child: JoinHandle<Result<(), Failure<E>>>) {
        self.children.borrow_mut().insert(child);
    }

    pub(super) fn len(&self) -> usize {
        self.children.borrow().len()
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.get()
    }

    pub(super) fn end(&self) {
        if !self.ending.replace(true) {
            self.parent.wake();
        }
    }
}

/// The group's owner: the scope. Dropping it ends the group without waiting.
pub(crate) struct Driver<E> {
    shared: Rc<Shared<E>>,
    policy: Policy<E>,
    /// The children have been aborted.
    aborted: Cell<bool>,
}

impl<E: 'static> Driver<E> {
    pub(crate) fn new(policy: Policy<E>) -> Self {
        let children = JoinSet::new();
        let shared = Shared {
            parent: children.listener(),
            children: RefCell::new(children),
            ending: Cell::new(false),
            failures: RefCell::default(),
        };
        Self { shared: Rc::new(shared), policy, aborted: Cell::new(false) }
    }

    pub(crate) fn group(&self) -> TaskGroup<E> {
        TaskGroup { shared: Rc::clone(&self.shared) }
    }

    /// The body has failed, which ends the others whatever the policy.
    pub(crate) fn body_failed(&self, error: E) {
        self.shared.failures.borrow_mut().push(Failure::of_body(error));
        self.shared.end();
    }

    /// Ready when the group is to end. Takes in the children that have ended.
    pub(crate) fn poll_ending(&self, cx: &Context<'_>) -> Poll<()> {
        self.take_in();
        self.shared.parent.listen(cx.waker());
        if self.shared.is_ending() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ready when all children have ended; then no more are taken.
    pub(crate) fn poll_ended(&self, cx: &Context<'_>) -> Poll<()> {
        self.take_in();
        if self.shared.is_ending() {
            // Also if this is the first that is known of a failure.
            self.abort_all();
            self.take_in();
        }
        if self.shared.len() > 0 {
            self.shared.parent.listen(cx.waker());
            return Poll::Pending;
        }
        self.shared.ending.set(true);
        Poll::Ready(())
    }

    /// Aborts the children, each once.
    pub(crate) fn abort_all(&self) {
        self.shared.ending.set(true);
        if self.aborted.replace(true) {
            return;
        }
        let children = self.shared.children.borrow().abort_handles();
        for child in children {
            child.abort();
        }
    }

    /// Takes in the children that have ended.
    fn take_in(&self) {
        loop {
            // A task's own values are dropped when its output is taken: not under the borrow.
            let Some(mut ended) = self.shared.children.borrow_mut().take_ended() else { break };
            let output = ended.poll_freshly(&mut Context::from_waker(Waker::noop()));
            let failure = match output {
                Poll::Ready(Ok(Ok(()))) | Poll::Pending => continue,
                Poll::Ready(Ok(Err(failure))) => failure,
                // It was aborted: by us, or by somebody who had a reason.
                Poll::Ready(Err(error)) if error.is_cancelled() => continue,
                Poll::Ready(Err(panic)) => Failure::panicked(panic),
            };
            match &self.policy {
                Policy::FailTogether => {
                    self.shared.failures.borrow_mut().push(failure);
                    self.shared.ending.set(true);
                }
                Policy::Supervise(hook) => contain(|| hook(failure)),
            }
        }
    }

    /// What came of the group, whose children have all ended, and of its body.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, GroupError<E>> {
        let failures = self.shared.failures.take();
        match value {
            Some(value) if failures.is_empty() => Ok(value),
            _ => Err(GroupError::new(failures)),
        }
    }
}

impl<E> Drop for Driver<E> {
    /// Ends what is left, when the scope was left before its end: nobody will see what went wrong.
    fn drop(&mut self) {
        self.shared.ending.set(true);
        let children = self.shared.children.take();
        drop(children);
        for failure in self.shared.failures.take() {
            event_loop::with(|core| failure.panic().map(|panic| core.executor.report_lost(panic)));
        }
    }
}
