#![allow(unsafe_code, reason = "keeps the life cycle of the tasks whose memory it hands out")]
//! Tasks: spawning, waking, polling, joining, aborting; and nothing about sockets or time.
//!
//! An `Executor` belongs to one event loop and one thread. It keeps every task in a table, from
//! its spawn until it is finished *and* its output was taken or its handle dropped; a task is
//! named by its place there and an id that is never used twice, so a stale name finds nothing.
//! Tasks that were woken stand in the run queue. Wakes from other threads arrive through the
//! `Injector`.
//!
//! Everything that may run a user's code (futures, destructors, wakers) runs with no borrow held.
//!
//! The files: `header.rs` a task's flags and counts, `cell.rs` its future or output, `waker.rs`
//! the wake on this thread, `foreign.rs`, `injector.rs` and `mail.rs` the wake from others,
//! `join_error.rs` how a task fails, `ending.rs` the end of all, `asking.rs` the end of a task with
//! a stack; `inspect.rs` what other layers may look at; `links.rs`, `locals.rs`, `budget.rs`,
//! `task_key.rs`, `run_queue.rs`, `blocks.rs` and `id.rs` what they say.

mod asking;
mod blocks;
mod budget;
mod cell;
mod ending;
mod foreign;
mod header;
mod id;
mod injector;
mod inspect;
mod join_error;
mod links;
mod locals;
mod mail;
#[cfg(all(test, greenloop_loom))]
mod models;
mod primitives;
mod run_queue;
mod task_key;
mod waker;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    marker::PhantomData,
    num::NonZeroU64,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    ptr::NonNull,
    sync::Arc as StdArc,
    task::{Context, Poll, Waker},
};

use slab::Slab;

pub(crate) use self::{
    asking::Killed,
    header::Payload,
    injector::{Doorbell, Injector, Job},
    task_key::TaskKey,
    waker::Entered,
};
pub use self::{id::Id, join_error::JoinError};
/// Shares the injector; loom's while it models the executor.
pub(crate) type InjectorArc<T> = primitives::Arc<T>;
use self::{
    blocks::Blocks,
    budget::BUDGET,
    header::{ABORTED, ASKS, DETACHED, DONE, Header, NO_JOINER, OUTPUT, QUEUED, RETIRED, RUNNING},
    id::Ids,
    run_queue::RunQueue,
    task_key::SPENT,
};

/// A task's place in the table.
struct Entry {
    task: NonNull<Header>,
    id: Id,
}

/// What is called with the error of a panicked task that nobody can collect any more.
pub(crate) type Report = Box<dyn Fn(&JoinError)>;

/// What is said about a task when it is spawned.
#[derive(Debug)]
pub(crate) struct SpawnOptions {
    /// An id that was reserved before; usually none was.
    pub(crate) id: Option<Id>,
    pub(crate) name: Option<StdArc<str>>,
    /// Where the user's code asked for it.
    pub(crate) location: &'static Location<'static>,
}

impl SpawnOptions {
    /// A task like most: without a name, and spawned by the caller of the caller.
    #[track_caller]
    pub(crate) fn plain() -> Self {
        Self { id: None, name: None, location: Location::caller() }
    }
}

/// The tasks of one event loop.
pub(crate) struct Executor {
    loop_id: NonZeroU64,
    injector: InjectorArc<Injector>,
    queue: RunQueue,
    table: RefCell<Slab<Entry>>,
    /// The wakers of those who wait for a task; see `Header::joiner`.
    joiners: RefCell<Slab<Waker>>,
    blocks: Blocks,
    /// The task whose code is running.
    current: Cell<Option<NonNull<Header>>>,
    /// What the current task may still do in this poll.
    budget: Cell<u32>,
    ids: Ids,
    /// Aborts asked for by destructors that an abort runs.
    aborts: RefCell<VecDeque<TaskKey<()>>>,
    /// An abort is going on further down this stack.
    aborting: Cell<bool>,
    /// The loop is ending: a new task is cancelled at once.
    closing: Cell<bool>,
    report: Report,
    /// The task whose end the loop waits for, and whether it has come.
    root: Cell<Option<NonNull<Header>>>,
    root_done: Cell<bool>,
    polls: Cell<u64>,
    foreign_wakes: Cell<u64>,
}

impl Executor {
    pub(crate) fn new(loop_id: NonZeroU64, doorbell: Box<dyn Doorbell>, report: Report) -> Self {
        Self {
            loop_id,
            injector: InjectorArc::new(Injector::new(doorbell)),
            queue: RunQueue::default(),
            table: RefCell::new(Slab::new()),
            joiners: RefCell::new(Slab::new()),
            blocks: Blocks::new(),
            current: Cell::new(None),
            budget: Cell::new(BUDGET),
            ids: Ids::default(),
            aborts: RefCell::new(VecDeque::new()),
            aborting: Cell::new(false),
            closing: Cell::new(false),
            report,
            root: Cell::new(None),
            root_done: Cell::new(false),
            polls: Cell::new(0),
            foreign_wakes: Cell::new(0),
        }
    }

    /// The way in for other threads.
    pub(crate) fn injector(&self) -> &InjectorArc<Injector> {
        &self.injector
    }

    /// Makes this executor's tasks local on this thread while the guard lives.
    pub(crate) fn enter(&self) -> Entered<'_> {
        Entered::new(&self.injector, &self.queue)
    }

    // --- the life of a task, from the outside -------------------------------------------------

    /// Puts a future into the run queue as a new task.
    pub(crate) fn spawn<F>(&self, future: F, options: SpawnOptions) -> TaskKey<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        // SAFETY: the future and its output borrow nothing.
        unsafe { self.spawn_borrowing(future, options) }
    }

    /// As `spawn`, for a future that may borrow.
    ///
    /// # Safety
    ///
    /// Before anything ends that the future or its output borrows, the caller sees to it that the
    /// task is finished and its output taken.
    pub(crate) unsafe fn spawn_borrowing<F: Future>(
        &self,
        future: F,
        options: SpawnOptions,
    ) -> TaskKey<F::Output> {
        let SpawnOptions { id, name, location } = options;
        let injector = NonNull::from(&*self.injector);
        let task = cell::allocate(&self.blocks, future, injector, location);
        // SAFETY: just made.
        let header = unsafe { task.as_ref() };
        if name.is_some() {
            header.with_cold(|cold| cold.name = name);
        }
        let id = id.unwrap_or_else(|| self.ids.next());
        let slot = self.table.borrow_mut().insert(Entry { task, id });
        let slot = u32::try_from(slot).expect("tasks for 2^32 places do not fit into memory");
        debug_assert!(slot != SPENT);
        header.slot.set(slot);
        self.queue.push(header);
        TaskKey { loop_id: self.loop_id, id, slot, output: PhantomData }
    }

    /// Polls for the output of a task; `None` if it was taken already.
    #[inline]
    pub(crate) fn poll_join<T>(
        &self,
        key: TaskKey<T>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<T, JoinError>>> {
        let task = self.find(key)?;
        // SAFETY: in the table.
        let header = unsafe { task.as_ref() };
        if (!header.has(OUTPUT) || header.has(RUNNING)) && !self.ends_meanwhile(header, cx) {
            return Some(Poll::Pending);
        }
        self.call_links(task);
        // SAFETY: the flag is set, and the key was made for the output's type.
        let output = unsafe { cell::take_output(task) };
        self.retire(task);
        Some(Poll::Ready(output))
    }

    /// Leaves the waker for the end of a task; `true` if the task has its output all the same, because
    /// it ended when a stranger's waker was cloned, which may run anything.
    #[inline(never)]
    fn ends_meanwhile(&self, header: &Header, cx: &Context<'_>) -> bool {
        if header.has(OUTPUT) {
            // One of its links, which look at the output, polls for it.
            cx.waker().wake_by_ref();
            return false;
        }
        debug_assert!(!header.has(DONE), "a finished task in the table has its output");
        if self.is_joined_by(header, cx.waker()) {
            return false;
        }
        let waker = cx.waker().clone();
        if header.has(OUTPUT) {
            return true;
        }
        let old = self.put_joiner(header, waker);
        drop(old);
        false
    }

    /// Whether the task, when it has ended, wakes the same one as `waker`.
    fn is_joined_by(&self, header: &Header, waker: &Waker) -> bool {
        let slot = header.joiner.get();
        slot != NO_JOINER && self.joiners.borrow()[slot as usize].will_wake(waker)
    }

    /// Leaves a waker for the end of the task, and gives back the one that was there before.
    fn put_joiner(&self, header: &Header, waker: Waker) -> Option<Waker> {
        let mut joiners = self.joiners.borrow_mut();
        if header.joiner.get() != NO_JOINER {
            return Some(std::mem::replace(&mut joiners[header.joiner.get() as usize], waker));
        }
        let slot = joiners.insert(waker);
        header.joiner.set(u32::try_from(slot).expect("no more joiners than tasks"));
        None
    }

    fn take_joiner(&self, header: &Header) -> Option<Waker> {
        let slot = header.joiner.replace(NO_JOINER);
        (slot != NO_JOINER).then(|| self.joiners.borrow_mut().remove(slot as usize))
    }

    /// Says that nobody will ask for the task's output.
    pub(crate) fn detach(&self, key: TaskKey<()>) {
        let Some(task) = self.find(key) else { return };
        // SAFETY: in the table.
        let header = unsafe { task.as_ref() };
        header.set(DETACHED);
        let joiner = self.take_joiner(header);
        if header.has(DONE) && !header.has(RUNNING) {
            self.discard_output(task);
            self.retire(task);
        }
        drop(joiner);
    }

    /// Whether the task has ended; also true when its output was taken.
    pub(crate) fn is_finished(&self, key: TaskKey<()>) -> bool {
        // SAFETY: in the table.
        self.find(key).is_none_or(|task| unsafe { task.as_ref() }.has(DONE))
    }

    /// The name of a task that is still in the table.
    pub(crate) fn name(&self, key: TaskKey<()>) -> Option<StdArc<str>> {
        // SAFETY: in the table.
        self.find(key).and_then(|task| unsafe { task.as_ref() }.name())
    }

    /// Drops the future of a task at once, or, if it is being polled, as soon as the poll is over.
    ///
    /// Aborts that the destructors ask for are done one after the other before this returns,
    /// however deep they are nested.
    pub(crate) fn abort(&self, key: TaskKey<()>) {
        let Some(task) = self.find(key) else { return };
        // SAFETY: in the table.
        let header = unsafe { task.as_ref() };
        if header.has(DONE) {
            return;
        }
        if header.has(RUNNING | ASKS) {
            header.set(ABORTED);
            if header.has(ASKS) {
                waker::schedule(&self.queue, header);
            }
            return;
        }
        if self.aborting.get() {
            self.aborts.borrow_mut().push_back(key);
            return;
        }
        self.aborting.set(true);
        self.cancel(task);
        loop {
            let next = self.aborts.borrow_mut().pop_front();
            let Some(key) = next else { break };
            if let Some(task) = self.find(key) {
                // SAFETY: in the table.
                if !unsafe { task.as_ref() }.has(DONE | RUNNING | ASKS) {
                    self.cancel(task);
                }
            }
        }
        self.aborting.set(false);
    }

    /// The task's memory, if the key is this loop's and the task still in the table.
    #[inline]
    fn find<T>(&self, key: TaskKey<T>) -> Option<NonNull<Header>> {
        if key.loop_id != self.loop_id {
            return None;
        }
        let table = self.table.borrow();
        table.get(key.slot as usize).filter(|entry| entry.id == key.id).map(|entry| entry.task)
    }

    // --- the life of a task, from the inside --------------------------------------------------

    /// Polls the first task of the run queue; `false` if the queue is empty.
    pub(crate) fn poll_next(&self) -> bool {
        let Some(task) = self.queue.pop() else {
            return false;
        };
        // SAFETY: a task in the queue is in the table, or retired with the queue as its keeper.
        let header = unsafe { task.as_ref() };
        if header.has(DONE) {
            if header.has(RETIRED) {
                self.free(task);
            }
            return true;
        }
        if header.has(RUNNING) {
            // A green thread is aborting it, and waits in one of its destructors.
            return true;
        }
        if self.closing.get() && !header.has(ASKS) {
            // Spawned by a destructor while the loop ends.
            self.cancel(task);
            return true;
        }
        self.polls.set(self.polls.get() + 1);
        header.set(RUNNING);
        let outer = self.current.replace(Some(task));
        self.budget.set(BUDGET);
        let waker = waker::borrowed(task);
        let mut cx = Context::from_waker(&waker);
        // SAFETY: the task is alive and not done, and not polled further up (`RUNNING`).
        let polled = unsafe { (header.vtable.poll)(task, &mut cx) };
        self.current.set(outer);
        header.clear(RUNNING);
        match polled {
            Poll::Pending if header.has(ABORTED) && !header.has(ASKS) => self.cancel(task),
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.finish(task),
            Poll::Ready(Err(payload)) => self.fail(task, payload),
        }
        true
    }

    /// Drops the future of a task that is not being polled.
    fn cancel(&self, task: NonNull<Header>) {
        // SAFETY: in the table, since it is not done.
        let header = unsafe { task.as_ref() };
        debug_assert!(!header.has(DONE | RUNNING));
        header.set(RUNNING);
        let outer = self.current.replace(Some(task));
        // SAFETY: the task is not done, so it has its future.
        let dropped = unsafe { (header.vtable.drop_future)(task) };
        self.current.set(outer);
        header.clear(RUNNING);
        match dropped {
            Ok(()) => {
                let error = JoinError::cancelled(self.id_of(header), header.name());
                // SAFETY: the future is gone.
                unsafe { (header.vtable.store_error)(task, error) };
                self.finish(task);
            }
            Err(payload) => self.fail(task, payload),
        }
    }

    /// Ends a task whose future is gone and left a panic.
    fn fail(&self, task: NonNull<Header>, payload: Payload) {
        // SAFETY: in the table until it is done.
        let header = unsafe { task.as_ref() };
        let (id, name) = (self.id_of(header), header.name());
        let error = if payload.is::<Killed>() {
            JoinError::cancelled(id, name)
        } else {
            JoinError::panicked(id, name, payload)
        };
        // SAFETY: the future is gone.
        unsafe { (header.vtable.store_error)(task, error) };
        self.finish(task);
    }

    /// Ends a task whose output is stored.
    #[inline]
    fn finish(&self, task: NonNull<Header>) {
        // SAFETY: in the table until it is done.
        let header = unsafe { task.as_ref() };
        header.set(DONE | OUTPUT);
        if self.root.get() == Some(task) {
            self.root_done.set(true);
        }
        self.call_links(task);
        if header.has(DETACHED) {
            self.discard_output(task);
            self.retire(task);
        } else if let Some(joiner) = self.take_joiner(header) {
            wake(joiner);
        }
    }

    /// Drops the output of a task that nobody will take; a panic is reported, since nobody can
    /// find it in the handle any more.
    fn discard_output(&self, task: NonNull<Header>) {
        // SAFETY: the callers found it in the table.
        let header = unsafe { task.as_ref() };
        if !header.has(OUTPUT) {
            return;
        }
        self.call_links(task);
        // SAFETY: the flag is set.
        if let Some(error) = unsafe { (header.vtable.error)(task) } {
            // SAFETY: nobody takes the output in the meantime: its handle is gone.
            let error = unsafe { error.as_ref() };
            if error.is_panic() {
                self.report(error);
            }
        }
        header.clear(OUTPUT);
        let outer = self.current.replace(Some(task));
        // SAFETY: the output is there, and nobody finds it from here on.
        let dropped = unsafe { (header.vtable.drop_output)(task) };
        self.current.set(outer);
        if let Err(payload) = dropped {
            self.report(&JoinError::panicked(self.id_of(header), header.name(), payload));
        }
    }

    /// Tells the hook; what it does wrong is its own loss.
    fn report(&self, error: &JoinError) {
        contain(|| (self.report)(error));
    }

    /// Takes a finished task out of the table.
    #[inline]
    fn retire(&self, task: NonNull<Header>) {
        // SAFETY: in the table.
        let header = unsafe { task.as_ref() };
        debug_assert!(header.has(DONE) && !header.has(OUTPUT));
        self.table.borrow_mut().remove(header.slot.get() as usize);
        if let Some(cold) = header.take_cold() {
            // With the task's own values, whose destructors are foreign code.
            contain(|| drop(cold));
        }
        if header.has(QUEUED) {
            header.set(RETIRED);
        } else {
            self.free(task);
        }
    }

    /// Gives up the table's reference.
    #[inline]
    fn free(&self, task: NonNull<Header>) {
        // SAFETY: out of the table and out of the run queue, future, output and cold part gone.
        if unsafe { foreign::release(task) } {
            // SAFETY: the task is alive up to the next line.
            let vtable = unsafe { task.as_ref() }.vtable;
            #[cfg(greenloop_loom)]
            // SAFETY: loom wants its atomics dropped; nobody reads them again.
            unsafe {
                std::ptr::drop_in_place(task.as_ptr());
            }
            // SAFETY: it was the last reference.
            unsafe { self.blocks.recycle(task.cast(), vtable.layout, vtable.class) };
        }
    }

    fn id_of(&self, header: &Header) -> Id {
        self.table.borrow()[header.slot.get() as usize].id
    }

    // --- what the loop asks -------------------------------------------------------------------

    /// Makes a task the one whose end `root_done` tells.
    pub(crate) fn set_root(&self, root: Option<TaskKey<()>>) {
        self.root_done.set(root.is_some_and(|key| self.is_finished(key)));
        self.root.set(root.and_then(|key| self.find(key)));
    }

    pub(crate) fn root_done(&self) -> bool {
        self.root_done.get()
    }

    /// Takes the output of a finished task.
    pub(crate) fn take_output<T>(&self, key: TaskKey<T>) -> Option<Result<T, JoinError>> {
        match self.poll_join(key, &mut Context::from_waker(Waker::noop())) {
            Some(Poll::Ready(output)) => Some(output),
            Some(Poll::Pending) | None => None,
        }
    }

    /// Whether any task is ready to be polled.
    pub(crate) fn has_ready(&self) -> bool {
        self.queue.len() > 0
    }

    /// How many tasks have not ended.
    pub(crate) fn alive(&self) -> usize {
        // SAFETY: in the table.
        let done = |entry: &Entry| unsafe { entry.task.as_ref() }.has(DONE);
        self.table.borrow().iter().filter(|(_, entry)| !done(entry)).count()
    }

    pub(crate) fn polls(&self) -> u64 {
        self.polls.get()
    }

    pub(crate) fn foreign_wakes(&self) -> u64 {
        self.foreign_wakes.get()
    }

    /// Whether the loop is ending.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// The id of the task whose code is running.
    pub(crate) fn current(&self) -> Option<Id> {
        // SAFETY: the running task is alive.
        self.current.get().map(|task| self.id_of(unsafe { task.as_ref() }))
    }
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor").field("loop_id", &self.loop_id).finish_non_exhaustive()
    }
}

/// Wakes a waker that may be a stranger's: its panic is contained, since it says nothing about
/// whoever happened to call it.
pub(crate) fn wake(waker: Waker) {
    contain(|| waker.wake());
}

/// Calls foreign code whose panic is its own loss. The panic hook has told of it.
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        forget_payload(payload);
    }
}

/// Drops what a panic carried; if that panics too, what the second one carried is leaked.
fn forget_payload(payload: Payload) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}
