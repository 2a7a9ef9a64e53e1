#![allow(unsafe_code, reason = "implements the raw vtable behind std::task::Waker")]
//! Which of many futures were woken, so that only those are polled.
//!
//! One task polls the futures, each with a waker of its own. A wake puts the future's member into a queue
//! and wakes the task; the task takes members from the queue, in the order of the wakes, and polls their
//! futures. It knows neither the futures nor where they are kept: a member carries an index that means
//! something to its owner. A [`WakeSet`] is for a fixed number of futures, a [`WakeQueue`] for those that
//! come and go.
//!
//! Invariant: while a member's flag is set, it stands in the queue, once, or its owner has just taken it
//! from there.

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
    shared: Arc<Shared>,
    wakers: Vec<Waker>,
}

impl WakeSet {
    /// A set of so many members, all of them to be polled at first.
    pub(crate) fn new(len: usize) -> Self {
        let members = (0..len).map(|index| Woken { index, ticket: 0 });
        let shared = Arc::<Shared>::default();
        shared.lock().woken.extend(members.clone());
        let waker = |woken| Member::new(woken, true, &shared).into_waker();
        Self { wakers: members.map(waker).collect(), shared }
    }

    /// Takes the members that were woken since the last call; later ones wake `parent`.
    pub(crate) fn take(&self, parent: &Waker) -> Vec<usize> {
        self.shared.listen(parent);
        let woken = std::mem::take(&mut self.shared.lock().woken);
        let began = |Woken { index, .. }| {
            Member::of(&self.wakers[index]).expect("these are all of members").begin();
            index
        };
        woken.into_iter().map(began).collect()
    }

    /// The waker to poll a member with.
    pub(crate) fn waker(&self, index: usize) -> &Waker {
        &self.wakers[index]
    }
}

impl Drop for WakeSet {
    fn drop(&mut self) {
        self.shared.forget_parent();
    }
}

/// The woken ones among the futures that one task polls, which come and go.
#[derive(Debug, Default)]
pub(crate) struct WakeQueue {
    shared: Arc<Shared>,
    /// Never used twice, so a member that was woken is not taken for the next one in its place.
    next_ticket: u64,
}

impl WakeQueue {
    /// A queue without members.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A new member, which nobody has woken yet.
    pub(crate) fn member(&mut self, index: usize) -> Arc<Member> {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        Member::new(Woken { index, ticket }, false, &self.shared)
    }

    /// Takes the member that was woken first.
    pub(crate) fn pop(&self) -> Option<Woken> {
        self.shared.lock().woken.pop_front()
    }

    /// Has the next wake of a member wake `parent`; at once, if there are woken ones already.
    pub(crate) fn listen(&self, parent: &Waker) {
        self.shared.listen_late(parent);
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
        self.shared.forget_parent();
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
        self.shared.listen_late(parent);
    }

    /// Wakes the parent, as a member would.
    pub(crate) fn wake(&self) {
        let parent = self.shared.lock().parent.take();
        if let Some(parent) = parent {
            parent.wake();
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The woken members, first come, first served.
    woken: VecDeque<Woken>,
    /// The task that polls the futures, if it has not been woken since it last looked.
    parent: Option<Waker>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the next wake of a member wake `parent`.
    fn listen(&self, parent: &Waker) {
        if self.lock().parent.as_ref().is_some_and(|old| old.will_wake(parent)) {
            return;
        }
        // A stranger's waker may run anything when it is cloned or dropped: not under the lock.
        let parent = parent.clone();
        let old = self.lock().parent.replace(parent);
        drop(old);
    }

    /// As `listen`, after members were taken; those who were woken meanwhile wake it at once.
    fn listen_late(&self, parent: &Waker) {
        self.listen(parent);
        if !self.lock().woken.is_empty() {
            parent.wake_by_ref();
        }
    }

    /// Wakes nobody any more.
    fn forget_parent(&self) {
        let parent = self.lock().parent.take();
        drop(parent);
    }
}

/// A member that was woken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Woken {
    /// What its owner knows it by.
    pub(crate) index: usize,
    ticket: u64,
}

/// One future's place in a queue; its waker.
#[derive(Debug)]
pub(crate) struct Member {
    own: Woken,
    /// In the queue. Set by a wake, cleared by `begin`.
    is_woken: AtomicBool,
    shared: Arc<Shared>,
}

impl Member {
    fn new(own: Woken, is_woken: bool, shared: &Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { own, is_woken: AtomicBool::new(is_woken), shared: Arc::clone(shared) })
    }

    /// Whether it is this one that was taken from the queue, and not one before it with the same
    /// index. If so it can be woken again from here on: its future is to be polled.
    pub(crate) fn begins(&self, woken: Woken) -> bool {
        let is_own = self.own.ticket == woken.ticket;
        if is_own {
            self.begin();
        }
        is_own
    }

    /// It was taken from the queue, and its future is about to be polled.
    fn begin(&self) {
        // A swap: it reads what the last wake wrote, so the poll sees what was done before that.
        self.is_woken.swap(false, Ordering::AcqRel);
    }

    /// The waker to poll the member's future with.
    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Arc::clone(self).into_waker()
    }

    fn into_waker(self: Arc<Self>) -> Waker {
        let data = Arc::into_raw(self).cast();
        // SAFETY: the functions of `VTABLE` keep the contract of `RawWaker`, and the waker has the
        // reference that was given up here.
        unsafe { Waker::from_raw(RawWaker::new(data, &VTABLE)) }
    }

    pub(crate) fn wake(&self) {
        if self.is_woken.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut state = self.shared.lock();
        state.woken.push_back(self.own);
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
    member.wake();
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
