//! A set of green threads that are waited for, or ended, together.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{Builder, JoinHandle, wait::Wait};
use crate::{task::AbortHandle, time};

/// Green threads that belong together; gevent's `Group`.
///
/// A green thread is a member from its spawn until it has ended. Cloning a group gives the same group;
/// dropping it leaves its members alone.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use greenloop::green::{self, Group};
///
/// green::run(|| {
///     let group = Group::new();
///     for n in 0..3 {
///         group.spawn(move || green::sleep(Duration::from_millis(n)));
///     }
///     assert_eq!(group.len(), 3);
///     group.join();
///     assert!(group.is_empty());
/// });
/// ```
#[derive(Clone, Default)]
pub struct Group {
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// `None` until the member's task is spawned.
    members: RefCell<BTreeMap<u64, Option<AbortHandle>>>,
    next: Cell<u64>,
    /// Who waits until there are no members.
    waiting: RefCell<Vec<Waker>>,
}

/// Makes the task that owns it a member; it leaves when this is dropped.
pub(super) struct Membership {
    shared: Rc<Shared>,
    number: u64,
}

impl Group {
    /// Makes a group without members.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Spawns a green thread as a member; see [`green::spawn`](super::spawn()).
    ///
    /// # Panics
    ///
    /// Outside of a loop, and when there is no memory for a stack.
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let membership = self.enter();
        let number = membership.number;
        let handle = Builder::new().spawn(move || {
            let _membership = membership;
            f()
        });
        self.set_handle(number, handle.abort_handle());
        handle
    }

    pub(super) fn enter(&self) -> Membership {
        let number = self.shared.next.get();
        self.shared.next.set(number + 1);
        self.shared.members.borrow_mut().insert(number, None);
        Membership { shared: Rc::clone(&self.shared), number }
    }

    pub(super) fn set_handle(&self, number: u64, handle: AbortHandle) {
        if let Some(member) = self.shared.members.borrow_mut().get_mut(&number) {
            *member = Some(handle);
        }
    }

    /// Returns how many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.members.borrow().len()
    }

    /// Returns whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until there are no members.
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[track_caller]
    pub fn join(&self) {
        self.wait_until_empty().wait();
    }

    /// Waits until there are no members, at most for `duration`; returns whether there are none.
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[track_caller]
    pub fn join_timeout(&self, duration: Duration) -> bool {
        time::timeout(duration, self.wait_until_empty()).wait().is_ok()
    }

    /// Aborts the members, also those that they spawn meanwhile, and waits until there are none.
    ///
    /// Called by a member, it leaves that one out, and does not wait for it.
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[doc(alias = "kill")]
    #[doc(alias = "killall")]
    #[track_caller]
    pub fn abort_all(&self) {
        let own = crate::task::try_id();
        loop {
            let others: Vec<_> = {
                let members = self.shared.members.borrow();
                members.values().flatten().filter(|m| Some(m.id()) != own).copied().collect()
            };
            if others.is_empty() {
                return;
            }
            for other in others {
                other.abort();
            }
            super::yield_now();
        }
    }

    /// Asks all members to end.
    pub(super) fn abort_without_waiting(&self) {
        let members: Vec<_> = self.shared.members.borrow().values().flatten().copied().collect();
        for member in members {
            member.abort();
        }
    }

    /// Waits until there are no members, in async code.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn wait_until_empty(&self) {
        poll_fn(|cx| self.poll_empty(cx)).await;
    }

    fn poll_empty(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_empty() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let mut waiting = self.shared.waiting.borrow_mut();
        if !waiting.iter().any(|other| other.will_wake(&waker)) {
            waiting.push(waker);
        }
        Poll::Pending
    }
}

impl Membership {
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.shared.members.borrow_mut().remove(&self.number);
        if self.shared.members.borrow().is_empty() {
            for waker in self.shared.waiting.take() {
                waker.wake();
            }
        }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("members", &self.len()).finish()
    }
}
