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
//! The files: `header.rs` a task's flags and counts, `cell.rs` its future or output, `site.rs` and
//! `cold.rs` what stands outside of it because many tasks share it or few have it, `waker.rs`
//! the wake on this thread, `foreign.rs`, `injector.rs` and `mail.rs` the wake from others,
//! `abort.rs`, `finish.rs` and `join.rs` a task's end, `join_error.rs` how it fails, `asking.rs` the
//! end of one with a stack, `ending.rs` the end of all; `inspect.rs` what other layers may look at; `table.rs`, `run_queue.rs`, `links.rs`,
//! `locals.rs`, `budget.rs`, `prefetch.rs`, `task_key.rs`, `blocks.rs` and `id.rs` what they say.

mod abort;
mod asking;
mod blocks;
mod budget;
mod cell;
mod cold;
mod ending;
mod finish;
mod foreign;
mod header;
mod id;
mod injector;
mod inspect;
mod join;
mod join_error;
mod links;
mod locals;
mod mail;
#[cfg(all(test, greenloop_loom))]
mod models;
mod prefetch;
mod primitives;
mod run_queue;
mod site;
mod table;
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

#[cfg(all(
    not(greenloop_loom),
    any(feature = "green", all(feature = "launcher", target_os = "linux"))
))]
pub(crate) use self::asking::Brief;
#[cfg(not(greenloop_loom))]
pub(crate) use self::inspect::Sight;
pub(crate) use self::{
    asking::Unwinding,
    header::Payload,
    injector::{Doorbell, Injector, Job},
    prefetch::StackEnd,
    task_key::TaskKey,
    waker::Entered,
};
pub use self::{id::Id, join_error::JoinError};
/// Shares the injector; loom's while it models the executor.
pub(crate) type InjectorArc<T> = primitives::Arc<T>;
use self::{
    blocks::Blocks,
    budget::BUDGET,
    cold::Colds,
    header::{ABORTED, ASKS, DONE, Header, RETIRED, ROOT, RUNNING},
    id::Ids,
    run_queue::RunQueue,
    site::Sites,
    table::Table,
};

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
    table: Table,
    /// The wakers of those who wait for a task; see `Header::joiner`.
    joiners: RefCell<Slab<Waker>>,
    blocks: Blocks,
    sites: Sites,
    colds: Colds,
    /// The task whose code is running.
    current: Cell<Option<NonNull<Header>>>,
    /// What the current task may still do in this poll.
    budget: Cell<u32>,
    ids: Ids,
    /// Aborts asked for by destructors that an abort runs.
    aborts: RefCell<VecDeque<TaskKey<()>>>,
    /// An abort is going on further down this stack; `asking.rs` keeps that true when a green thread
    /// leaves the stack.
    aborting: Cell<bool>,
    /// The loop is ending: a new task is cancelled at once.
    closing: Cell<bool>,
    report: Report,
    /// The task whose end the loop waits for has ended.
    root_done: Cell<bool>,
    /// How many tasks have not ended. A launcher's worker tells that in every turn.
    alive: Cell<usize>,
    /// How many have ended by a panic.
    panicked: Cell<u64>,
    polls: Cell<u64>,
    foreign_wakes: Cell<u64>,
}

impl Executor {
    pub(crate) fn new(loop_id: NonZeroU64, doorbell: Box<dyn Doorbell>, report: Report) -> Self {
        Self {
            loop_id,
            injector: InjectorArc::new(Injector::new(doorbell)),
            queue: RunQueue::default(),
            table: Table::default(),
            joiners: RefCell::new(Slab::new()),
            blocks: Blocks::new(),
            sites: Sites::new(),
            colds: Colds::default(),
            current: Cell::new(None),
            budget: Cell::new(BUDGET),
            ids: Ids::default(),
            aborts: RefCell::new(VecDeque::new()),
            aborting: Cell::new(false),
            closing: Cell::new(false),
            report,
            root_done: Cell::new(false),
            alive: Cell::new(0),
            panicked: Cell::new(0),
            polls: Cell::new(0),
            foreign_wakes: Cell::new(0),
        }
    }

    pub(crate) fn loop_id(&self) -> NonZeroU64 {
        self.loop_id
    }

    /// The way in for other threads.
    pub(crate) fn injector(&self) -> &InjectorArc<Injector> {
        &self.injector
    }

    /// Makes this executor's tasks local on this thread while the guard lives.
    pub(crate) fn enter(&self) -> Entered<'_> {
        Entered::new(&self.injector, &self.queue)
    }

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
        let site = self.sites.find(&self.injector, cell::vtable_of::<F>(), location);
        let task = cell::allocate(&self.blocks, future, site);
        // SAFETY: just made.
        let header = unsafe { task.as_ref() };
        let id = id.unwrap_or_else(|| self.ids.next());
        let slot = self.table.insert(task, id);
        header.slot.set(slot);
        self.alive.set(self.alive.get() + 1);
        if name.is_some() {
            self.colds.with(header, |cold| cold.name = name);
        }
        self.queue.push(header);
        TaskKey { loop_id: self.loop_id, id, slot, output: PhantomData }
    }

    /// Whether the task has ended; also true when its output was taken.
    pub(crate) fn is_finished(&self, key: TaskKey<()>) -> bool {
        // SAFETY: in the table.
        self.find(key).is_none_or(|task| unsafe { task.as_ref() }.has(DONE))
    }

    /// The name of a task that is still in the table.
    pub(crate) fn name(&self, key: TaskKey<()>) -> Option<StdArc<str>> {
        // SAFETY: in the table.
        self.find(key).and_then(|task| self.colds.name(unsafe { task.as_ref() }))
    }

    /// The task's memory, if the key is this loop's and the task still in the table.
    #[inline]
    fn find<T>(&self, key: TaskKey<T>) -> Option<NonNull<Header>> {
        if key.loop_id != self.loop_id {
            return None;
        }
        self.table.find(key.slot, key.id)
    }

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
        if header.has(RUNNING | ABORTED) && self.is_not_to_be_polled(task) {
            return true;
        }
        if self.closing.get() && (!header.has(ASKS) || cfg!(panic = "abort")) {
            if !header.has(ASKS) {
                // Spawned by a destructor while the loop ends.
                self.cancel(task);
            }
            return true;
        }
        self.polls.set(self.polls.get() + 1);
        header.set(RUNNING);
        let outer = self.current.replace(Some(task));
        self.budget.set(BUDGET);
        if let Some((next, second)) = self.queue.upcoming() {
            prefetch::task(second);
            prefetch::stack(next);
        }
        let waker = waker::borrowed(task);
        let mut cx = Context::from_waker(&waker);
        // SAFETY: the task is alive and not done, and not polled further up (`RUNNING`).
        let polled = unsafe { (header.vtable().poll)(task, &mut cx) };
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

    /// Whether a task of the run queue must not be polled, because it is ending.
    #[cold]
    fn is_not_to_be_polled(&self, task: NonNull<Header>) -> bool {
        // SAFETY: the caller found it alive.
        let header = unsafe { task.as_ref() };
        if header.has(RUNNING) {
            // A green thread is aborting it, and waits in one of its destructors.
            return true;
        }
        if header.has(ASKS) {
            return false;
        }
        // The root.
        self.cancel(task);
        true
    }

    fn id_of(&self, header: &Header) -> Id {
        self.table.id(header.slot.get())
    }

    /// Makes a task the one whose end `root_done` tells.
    pub(crate) fn set_root(&self, root: TaskKey<()>) {
        self.root_done.set(self.is_finished(root));
        if let Some(task) = self.find(root) {
            // SAFETY: in the table.
            unsafe { task.as_ref() }.set(ROOT);
        }
    }

    pub(crate) fn root_done(&self) -> bool {
        self.root_done.get()
    }

    /// Whether any task is ready to be polled.
    pub(crate) fn has_ready(&self) -> bool {
        self.queue.len() > 0
    }

    /// How many tasks have not ended.
    pub(crate) fn alive(&self) -> usize {
        self.alive.get()
    }

    pub(crate) fn panicked(&self) -> u64 {
        self.panicked.get()
    }

    pub(crate) fn count_panic(&self) {
        self.panicked.set(self.panicked.get() + 1);
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
