//! Which of many futures were woken, so that only those are polled.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Wake, Waker},
};

/// The woken ones among a set of futures that one task polls.
#[derive(Debug)]
pub(crate) struct WakeSet {
    shared: Arc<Shared>,
    members: Vec<Waker>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The woken members, first come, first served.
    woken: Vec<usize>,
    /// Per member: whether it is among them.
    is_woken: Vec<bool>,
    /// The task that polls the set, if it has not been woken yet.
    parent: Option<Waker>,
}

#[derive(Debug)]
struct Member {
    index: usize,
    shared: Arc<Shared>,
}

impl WakeSet {
    /// A set of so many members, all of them to be polled at first.
    pub(crate) fn new(len: usize) -> Self {
        let state = State { woken: (0..len).collect(), is_woken: vec![true; len], parent: None };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        let member = |index| Waker::from(Arc::new(Member { index, shared: Arc::clone(&shared) }));
        Self { members: (0..len).map(member).collect(), shared: Arc::clone(&shared) }
    }

    /// Takes the members that were woken since the last call; later ones wake `parent`.
    pub(crate) fn take(&self, parent: &Waker) -> Vec<usize> {
        let parent = parent.clone();
        let mut state = self.shared.lock();
        let old = state.parent.replace(parent);
        let woken = std::mem::take(&mut state.woken);
        for index in &woken {
            state.is_woken[*index] = false;
        }
        drop(state);
        drop(old);
        woken
    }

    /// The waker to poll a member with.
    pub(crate) fn waker(&self, index: usize) -> &Waker {
        &self.members[index]
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Member {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.shared.lock();
        if std::mem::replace(&mut state.is_woken[self.index], true) {
            return;
        }
        state.woken.push(self.index);
        let parent = state.parent.take();
        drop(state);
        if let Some(parent) = parent {
            parent.wake();
        }
    }
}
