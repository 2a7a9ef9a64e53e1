//! Locks, events and channels for the tasks of one loop.
//!
//! They are used in both styles: `.await` in async code, and in a green thread
//! `green::Wait::wait` on the same future. Where tokio has the thing, its names
//! and its semantics are used, so that moving a program is a change of imports; where only asyncio
//! or gevent has it, theirs.
//!
//! | to | there is |
//! |---|---|
//! | have one at a time | [`Mutex`], and `green::ReentrantLock` |
//! | have many who read, or one who writes | [`RwLock`] |
//! | have so many at a time | [`Semaphore`], [`BoundedSemaphore`] |
//! | tell that something has happened | [`Event`], [`Notify`] |
//! | wait for a change of what is locked | [`Condition`] |
//! | wait for each other | [`Barrier`] |
//! | make something once | [`OnceCell`] |
//! | send one value | [`oneshot`] |
//! | send values to one receiver | [`mpsc`] |
//! | send every value to every receiver | [`broadcast`] |
//! | let others see the latest value | [`watch`] |
//!
//! # What they have in common
//!
//! **One thread.** They are not `Send`: tasks of one loop need no atomics to agree. What crosses threads is
//! left to the crates that are made for it, and which work here, since the wakers of tasks may be woken on
//! every thread: async-channel, flume, futures-channel, and `tokio::sync`.
//!
//! ```compile_fail,E0277
//! let (sender, receiver) = greenloop::sync::mpsc::unbounded_channel();
//! std::thread::spawn(move || sender.send("hello"));
//! ```
//!
//! **Fair.** Those who wait are served in the order in which they came, and whoever comes later
//! does not overtake them, not even when what they wait for has become free and they did not run yet.
//!
//! **Cancel safe.** A future that is dropped while it waits leaves no trace. One that was served
//! already, and is dropped before it could tell, passes on what it got: nothing is lost and nothing doubled.
//!
//! **Without a loop.** They may be made before there is a loop, moved from one to the next, and awaited on any
//! executor. On a loop, each operation that can be done at once spends from the task's
//! [budget](crate#how-it-behaves).

mod barrier;
mod bounded_semaphore;
pub mod broadcast;
mod condition;
mod counted;
mod event;
pub mod mpsc;
mod mutex;
mod notify;
mod once_cell;
pub mod oneshot;
mod permits;
mod rw_lock;
mod semaphore;
mod until;
pub mod watch;

pub use self::{
    barrier::{Barrier, BarrierWait, BarrierWaitResult, BrokenBarrier},
    bounded_semaphore::{BoundedSemaphore, ReleasedTooOften},
    condition::Condition,
    event::{Event, EventWait},
    mutex::{Lock, Mutex, MutexGuard, OwnedMutexGuard, TryLockError},
    notify::{Notified, Notify, OwnedNotified},
    once_cell::{OnceCell, SetError},
    rw_lock::{
        OwnedRwLockReadGuard, OwnedRwLockWriteGuard, Read, RwLock, RwLockReadGuard,
        RwLockWriteGuard, Write,
    },
    semaphore::{
        Acquire, AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit, TryAcquireError,
    },
};
pub(crate) use self::{
    permits::{Permits, Refused, Take},
    until::Until,
};
