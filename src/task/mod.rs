//! Tasks: futures that run side by side on the loop's thread.
//!
//! [`spawn`] starts one and gives a [`JoinHandle`]; [`join_all`], [`try_join_all`] and the macros
//! [`join!`](crate::join), [`try_join!`](crate::try_join) and [`select!`](crate::select) wait for
//! several.
//!
//! A [`TaskGroup`] is for tasks that nobody shall outlive, a [`JoinSet`] for those whose outputs are taken
//! as they come. [`all`] tells who is there, and what each of them waits for.

mod abort_handle;
mod as_completed;
mod builder;
mod call_later;
mod cancellation_token;
mod cancellation_tree;
mod context;
mod deadline;
mod join_all;
mod join_all_settled;
mod join_handle;
#[doc(hidden)]
pub mod join_macros;
mod join_set;
mod local;
#[doc(hidden)]
pub mod select_macro;
mod shield;
mod spawn_blocking;
mod task_group;
mod wait;
mod with_context;
mod yield_now;

pub use self::{
    abort_handle::AbortHandle,
    as_completed::{AsCompleted, as_completed},
    builder::Builder,
    call_later::{TimerHandle, call_at, call_later, call_soon},
    cancellation_token::{CancellationToken, Cancelled, DropGuard, RunUntilCancelled},
    context::{Context, ContextToken, ContextVar},
    deadline::{Deadline, DeadlineScope, Passed},
    join_all::{JoinAll, TryJoinAll, join_all, try_join_all},
    join_all_settled::{JoinAllSettled, join_all_settled},
    join_handle::JoinHandle,
    join_set::JoinSet,
    local::Local,
    shield::{Shield, shield},
    spawn_blocking::spawn_blocking,
    task_group::{Child, ChildError, Failure, GroupError, Outcome, Ready, TaskGroup},
    wait::{Until, WaitFor, wait},
    with_context::WithContext,
    yield_now::{YieldNow, yield_now},
};
#[cfg(feature = "green")]
pub(crate) use self::{
    deadline::without_deadlines,
    task_group::{Driver, Policy, Slot},
};
pub use crate::{
    event_loop::census::{TaskInfo, TaskKind, TaskName, TaskState, WaitsFor},
    executor::{Id, JoinError},
};
use crate::{
    event_loop::{self, census},
    executor::SpawnOptions,
};

/// Starts a future as a task of its own on the loop that this thread is running.
///
/// The task goes to the end of the queue of those that are ready; it is not polled before this
/// returns. It need not be `Send`: it stays on this thread. It ends when the future does, when it
/// is [aborted](JoinHandle::abort), when it panics, or with its loop.
///
/// # Panics
///
/// Outside of a loop.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
///
/// greenloop::run(async {
///     let shared = Rc::new(20);
///     let task = greenloop::spawn({
///         let shared = Rc::clone(&shared);
///         async move { *shared + 1 }
///     });
///     assert_eq!(task.await.unwrap(), 21);
/// });
/// ```
#[doc(alias = "create_task")]
#[doc(alias = "ensure_future")]
#[doc(alias = "spawn_local")]
#[doc(alias = "gevent.spawn")]
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    spawn_with(future, SpawnOptions::plain())
}

#[track_caller]
pub(crate) fn spawn_with<F>(future: F, options: SpawnOptions) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let spawned = event_loop::with(|core| {
        let key = core.executor.spawn(future, options);
        context::inherit(core, key);
        key
    });
    match spawned {
        Some(key) => JoinHandle::new(key),
        None => panic!("greenloop::spawn {}", event_loop::NEEDS_LOOP),
    }
}

/// Returns the id of the task that is running.
///
/// # Panics
///
/// Outside of a task; see [`try_id`].
///
/// # Examples
///
/// ```
/// greenloop::run(async {
///     let task = greenloop::spawn(async { greenloop::task::id() });
///     let id = task.id();
///     assert_eq!(task.await.unwrap(), id);
/// });
/// ```
#[doc(alias = "get_ident")]
#[doc(alias = "get_native_id")]
#[must_use]
#[track_caller]
pub fn id() -> Id {
    match try_id() {
        Some(id) => id,
        None => panic!("greenloop::task::id() {}", event_loop::NEEDS_LOOP),
    }
}

/// Returns the id of the task that is running, or `None` outside of a loop.
///
/// # Examples
///
/// ```
/// greenloop::run(async {
///     let task = greenloop::spawn(async { greenloop::task::try_id() });
///     let id = task.id();
///     assert_eq!(task.await.unwrap(), Some(id));
/// });
/// ```
#[must_use]
pub fn try_id() -> Option<Id> {
    event_loop::with(|core| core.executor.current()).flatten()
}

/// Returns what is known of the task that is running.
///
/// # Panics
///
/// Outside of a task; see [`try_current`].
///
/// # Examples
///
/// ```
/// use greenloop::task::{self, TaskKind};
///
/// greenloop::run(async {
///     let task = task::Builder::new().name("baker").spawn(async { task::current() });
///     let baker = task.await.unwrap();
///     assert_eq!((baker.name(), baker.kind()), (Some("baker"), TaskKind::Async));
///     println!("{baker}");
/// });
/// ```
#[doc(alias = "current_task")]
#[doc(alias = "getcurrent")]
#[doc(alias = "current_thread")]
#[must_use]
#[track_caller]
pub fn current() -> TaskInfo {
    match try_current() {
        Some(current) => current,
        None => panic!("greenloop::task::current() {}", event_loop::NEEDS_LOOP),
    }
}

/// Returns what is known of the task that is running, or `None` outside of a task.
#[must_use]
pub fn try_current() -> Option<TaskInfo> {
    event_loop::with(census::running).flatten()
}

/// Returns what is known of each task, of both kinds, that this thread's loop has and that has not
/// ended, in the order of their spawns. Outside of a loop there are none.
///
/// It looks through everything that tasks wait at, and is meant for people: a page for whoever looks after
/// the program, a line when it is stuck.
///
/// # Examples
///
/// ```
/// use greenloop::task::{self, TaskState, WaitsFor};
///
/// greenloop::run(async {
///     let sleeper = greenloop::spawn(greenloop::sleep(std::time::Duration::from_secs(60)));
///     greenloop::yield_now().await;
///     let all = task::all();
///     assert_eq!((all[0].state(), all[1].state()), (TaskState::Running, TaskState::Waiting));
///     assert!(matches!(all[1].waits_for(), [WaitsFor::Time(Some(_))]));
/// #   drop(sleeper);
/// });
/// ```
#[doc(alias = "all_tasks")]
#[doc(alias = "enumerate")]
#[doc(alias = "format_run_info")]
#[doc(alias = "print_run_info")]
#[doc(alias = "GreenletTree")]
#[must_use]
pub fn all() -> Vec<TaskInfo> {
    event_loop::with(census::everyone).unwrap_or_default()
}

impl TaskInfo {
    /// Returns a handle that can abort the task; the root ends in its next turn, and `run` panics then.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(self.key())
    }
}
