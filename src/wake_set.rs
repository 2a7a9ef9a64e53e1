#![allow(unsafe_code, reason = "implements the raw vtable behind std::task::Waker")]
//! Which of many futures were woken, so that only those are polled.
//!
//! One task polls the futures, each with a waker of its own. A wake puts the future's member into a queue
//! and wakes the task; the task takes members from the queue, in the order of the wakes, and polls their
//! futures. It knows neither the futures nor where they are kept: a member carries an index that means
//! something to its owner. A [`WakeSet`] is for a fixed number of futures, a [`WakeQueue`] for those that
//! come and go.
//!
//! Invariant: a member stands in the queue once while its flag is set, and not at all otherwise.

use std::{
    collections::VecDeque,
    mem::ManuallyDrop,
    ptr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{RawWaker, RawWakerVTable, Waker},
};

/// The woken ones among a fixed number of futures that one task polls.
#[derive(Debug)]
pub(crate) struct WakeSet {
    queue: WakeQueue,
    wakers: Vec<Waker>,
}

impl WakeSet {
    /// A set of so many members, all of them to be polled at first.
    pub(crate) fn new(len: usize) -> Self {
        let queue = WakeQueue::new();
        let wakers: Vec<_> = (0..len).map(|index| queue.member(index).waker()).collect();
        wakers.iter().for_each(Waker::wake_by_ref);
        Self { queue, wakers }
    }

    /// Takes the members that were woken since the last call; later ones wake `parent`.
    pub(crate) fn take(&self, parent: &Waker) -> Vec<usize> {
        let woken = (0..self.queue.woken()).map_while(|_| self.queue.pop());
        let woken = woken.map(|member| member.index()).collect();
        self.queue.listen(parent);
        woken
    }

    /// The waker to poll a member with.
    pub(crate) fn waker(&self, index: usize) -> &Waker {
        &self.wakers[index]
    }
}

/// The woken ones among the futures that one task polls, which come and go.
#[derive(Debug, Default)]
pub(crate) struct WakeQueue {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The woken members, first come, first served.
    woken: VecDeque<Arc<Member>>,
    /// The task that polls the futures, if it has not been woken since it last looked.
    parent: Option<Waker>,
    /// The queue is gone: whoever is woken now has nobody to tell.
    closed: bool,
}

/// One future's place in a queue; its waker.
#[derive(Debug)]
pub(crate) struct Member {
    /// What the owner of the queue knows the future by.
    index: usize,
    /// In the queue. Set by a wake, cleared when taken from the queue, before the poll.
    is_woken: AtomicBool,
    shared: Arc<Shared>,
}

impl WakeQueue {
    /// A queue without members.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A new member, which nobody has woken yet.
    pub(crate) fn member(&self, index: usize) -> Arc<Member> {
        Arc::new(Member {
            index,
            is_woken: AtomicBool::new(false),
            shared: Arc::clone(&self.shared),
        })
    }

    /// Takes the member that was woken first.
    pub(crate) fn pop(&self) -> Option<Arc<Member>> {
        let first = self.shared.lock().woken.pop_front()?;
        // A swap: it reads what the last wake wrote, so the poll sees what was done before that.
        first.is_woken.swap(false, Ordering::AcqRel);
        Some(first)
    }

    /// Has the next wake of a member wake `parent`; at once, if there are woken ones already.
    pub(crate) fn listen(&self, parent: &Waker) {
        self.shared.listen(parent);
    }

    /// What hears of wakes without the queue.
    pub(crate) fn listener(&self) -> Listener {
        Listener { shared: Arc::clone(&self.shared) }
    }

    /// How many members are in the queue. Whoever polls them takes only so many at a time: one that
    /// wakes itself comes back at once.
    pub(crate) fn woken(&self) -> usize {
        self.shared.lock().woken.len()
    }
}

impl Drop for WakeQueue {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        // From here on no wake makes a cycle of the queue and its members.
        state.closed = true;
        let (woken, parent) = (std::mem::take(&mut state.woken), state.parent.take());
        drop(state);
        drop((woken, parent));
    }
}

/// Hears of the wakes of members, for who cannot borrow what they are members of.
#[derive(Debug)]
pub(crate) struct Listener {
    shared: Arc<Shared>,
}

impl Listener {
    /// As [`WakeQueue::listen`].
    pub(crate) fn listen(&self, parent: &Waker) {
        self.shared.listen(parent);
    }

    /// Wakes the parent, as a member would.
    pub(crate) fn wake(&self) {
        let parent = self.shared.lock().parent.take();
        if let Some(parent) = parent {
            parent.wake();
        }
    }
}

impl Shared {
    fn listen(&self, parent: &Waker) {
        let mut state = self.lock();
        let mut old = None;
        if !state.parent.as_ref().is_some_and(|old| old.will_wake(parent)) {
            drop(state);
            // A stranger's waker may run anything when it is cloned or dropped: not under the lock.
            let parent = parent.clone();
            state = self.lock();
            old = state.parent.replace(parent);
        }
        let is_late = !state.woken.is_empty();
        drop(state);
        drop(old);
        if is_late {
            parent.wake_by_ref();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// The waker to poll the member's future with.
    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        let data = Arc::into_raw(Arc::clone(self)).cast();
        // SAFETY: the functions of `VTABLE` keep the contract of `RawWaker`, and the waker has the
        // reference that was just counted.
        unsafe { Waker::from_raw(RawWaker::new(data, &VTABLE)) }
    }

    fn wake(self: Arc<Self>) {
        if self.is_woken.swap(true, Ordering::AcqRel) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        if state.closed {
            drop(state);
            return;
        }
        state.woken.push_back(self);
        let parent = state.parent.take();
        drop(state);
        if let Some(parent) = parent {
            parent.wake();
        }
    }

    /// The member that a waker is of, if it is of one.
    fn of(waker: &Waker) -> Option<&Self> {
        // SAFETY: a waker with this table has a member for its data, which it keeps alive.
        ptr::eq(waker.vtable(), &VTABLE).then(|| unsafe { &*waker.data().cast::<Self>() })
    }
}

/// What a waker of a member wakes in the end: the data of the waker of the task that polls the queue,
/// and the queue; of any other waker, its own. Null if nobody polls the queue at the moment.
pub(crate) fn behind(waker: &Waker) -> (*const (), Option<*const ()>) {
    let Some(member) = Member::of(waker) else { return (waker.data(), None) };
    let queue = Arc::as_ptr(&member.shared).cast();
    let state = member.shared.lock();
    let parent = state.parent.as_ref().map_or(ptr::null(), |parent| behind(parent).0);
    (parent, Some(queue))
}

/// A static, so that its address tells the wakers of members from all others.
static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: called by `Waker` with the data that `Member::waker` gave it, for a reference of it.
    unsafe { Arc::increment_strong_count(data.cast::<Member>()) };
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: as in `clone`; the waker is consumed, and with it its reference.
    unsafe { Arc::from_raw(data.cast::<Member>()) }.wake();
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: as in `clone`; the waker keeps its reference.
    let member = ManuallyDrop::new(unsafe { Arc::from_raw(data.cast::<Member>()) });
    Arc::clone(&member).wake();
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: as in `clone`; the waker gives up its reference.
    drop(unsafe { Arc::from_raw(data.cast::<Member>()) });
}

const _: () = {
    // What is behind a raw waker must be so by itself.
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Member>();
};
