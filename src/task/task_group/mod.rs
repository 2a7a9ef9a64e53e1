//! Tasks that nobody outlives: all of them have ended when their group has.
//!
//! `mod.rs` has the group as its users see it, `driver.rs` what waits for the children and ends them,
//! `child.rs` the handle of one, `failure.rs` what went wrong.

mod child;
mod driver;
mod failure;

use std::{
    fmt,
    future::poll_fn,
    panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind},
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::Poll,
};

pub(crate) use self::{
    child::Slot,
    driver::{Driver, Policy},
};
pub use self::{
    child::{Child, ChildError, Ready},
    failure::{Failure, GroupError, Outcome},
};
use super::{JoinHandle, spawn_with};
use crate::executor::{Id, SpawnOptions};

/// Tasks that belong together, and end together.
///
/// [`TaskGroup::scope`] runs a body, and waits for it and for all tasks that it, and they, have spawned into
/// the group. The first of them that fails, by an `Err` or by a panic, ends the others and the body;
/// when all have ended, destructors included, the scope gives all that went wrong. So no task is forgotten,
/// no error is lost, and nothing goes on behind the back of whoever called.
///
/// [`TaskGroup::supervise`] runs tasks that have nothing to do with each other, as a server's
/// connections: each failure goes to a hook, and the others go on.
///
/// The value of this type is what the body gets to spawn with; its clones are the same group, for children
/// that spawn in turn. `E` is the type of the children's errors. In green threads see `run` and
/// `run_supervised`.
///
/// # Examples
///
/// ```
/// use greenloop::task::TaskGroup;
///
/// async fn bake(flour: &str) -> Result<String, String> {
///     if flour.is_empty() { Err("no flour".to_owned()) } else { Ok(format!("{flour} bread")) }
/// }
///
/// greenloop::run(async {
///     let baked = TaskGroup::scope(|group| async move {
///         let rye = group.spawn(bake("rye"));
///         let wheat = group.spawn(bake("wheat"));
///         Ok((rye.await.unwrap(), wheat.await.unwrap()))
///     });
///     assert_eq!(baked.await.unwrap(), ("rye bread".to_owned(), "wheat bread".to_owned()));
///
///     let failed = TaskGroup::scope(|group| async move {
///         group.spawn(async { std::future::pending::<Result<(), String>>().await });
///         group.spawn(bake(""));
///         Ok(())
///     });
///     let errors = failed.await.unwrap_err();
///     assert_eq!(errors.into_first().unwrap().into_error().unwrap(), "no flour");
/// });
/// ```
#[doc(alias = "nursery")]
#[doc(alias = "asyncio.TaskGroup")]
pub struct TaskGroup<E> {
    shared: Rc<driver::Shared<E>>,
}

impl<E: 'static> TaskGroup<E> {
    /// Runs a body that spawns tasks into a group, and waits until all of them have ended.
    ///
    /// When one fails, or the body does, the others are aborted, the body's future is dropped, and all
    /// are waited for. A task that is aborted by itself is no failure, and the rest goes on. While only the
    /// tasks run, after the end of the body, they may still spawn.
    ///
    /// Nothing limits how long an aborted task takes: an async task's future is dropped at once, a
    /// green thread unwinds in its next turn.
    ///
    /// # Errors
    ///
    /// All that went wrong, in the order in which it did: errors and panics of tasks, and the error of the
    /// body. Without any, it was [cancelled](Self::cancel) before the body had its value.
    ///
    /// # Panics
    ///
    /// With the panic of the body, when all tasks have ended. When polled outside of a loop.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the body's and aborts all tasks. Those that are async have ended then,
    /// unless one of them is what drops it; green threads end in their next turn.
    pub async fn scope<B, F>(body: B) -> Result<<F::Output as Outcome<E>>::Value, GroupError<E>>
    where
        B: FnOnce(Self) -> F,
        F: Future<Output: Outcome<E>>,
    {
        scope(Policy::FailTogether, body).await
    }

    /// Runs a body that spawns tasks into a group, and waits until all of them have ended; each failure of
    /// a task goes to `hook`, and the others go on.
    ///
    /// An error of the body ends all, as in [`scope`](Self::scope).
    ///
    /// # Errors
    ///
    /// The error of the body. Without any, it was [cancelled](Self::cancel) before the body had its
    /// value.
    ///
    /// # Panics
    ///
    /// With the panic of the body, when all tasks have ended. A panic of the hook stops nobody. When polled
    /// outside of a loop.
    ///
    /// # Cancel safety
    ///
    /// As for [`scope`](Self::scope).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{cell::Cell, rc::Rc};
    ///
    /// use greenloop::task::TaskGroup;
    ///
    /// greenloop::run(async {
    ///     let failed = Rc::new(Cell::new(0));
    ///     let counted = Rc::clone(&failed);
    ///     let served = TaskGroup::supervise(
    ///         move |failure| {
    ///             eprintln!("{failure}");
    ///             counted.set(counted.get() + 1);
    ///         },
    ///         |group| async move {
    ///             for number in 0..10 {
    ///                 group.spawn(async move {
    ///                     if number % 5 == 0 { Err("rude client") } else { Ok(()) }
    ///                 });
    ///             }
    ///         },
    ///     );
    ///     served.await.unwrap();
    ///     assert_eq!(failed.get(), 2);
    /// });
    /// ```
    #[doc(alias = "supervisor")]
    pub async fn supervise<B, F>(
        hook: impl Fn(Failure<E>) + 'static,
        body: B,
    ) -> Result<<F::Output as Outcome<E>>::Value, GroupError<E>>
    where
        B: FnOnce(Self) -> F,
        F: Future<Output: Outcome<E>>,
    {
        scope(Policy::Supervise(Box::new(hook)), body).await
    }

    /// Spawns a task into the group. It gives nothing, or a `Result`, whose `Err` is a failure.
    ///
    /// Into a group that is ending, or has ended, nothing is spawned: the future is dropped, and the handle
    /// says that it was cancelled.
    ///
    /// # Panics
    ///
    /// Outside of a loop.
    #[doc(alias = "create_task")]
    #[doc(alias = "start_soon")]
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Child<<F::Output as Outcome<E>>::Value>
    where
        F: Future<Output: Outcome<E>> + 'static,
    {
        self.spawn_task(None, future, Location::caller())
    }

    /// As [`spawn`](Self::spawn), for a task with a name.
    ///
    /// # Panics
    ///
    /// Outside of a loop.
    #[track_caller]
    pub fn spawn_named<F>(
        &self,
        name: impl Into<Arc<str>>,
        future: F,
    ) -> Child<<F::Output as Outcome<E>>::Value>
    where
        F: Future<Output: Outcome<E>> + 'static,
    {
        self.spawn_task(Some(name.into()), future, Location::caller())
    }

    fn spawn_task<F>(
        &self,
        name: Option<Arc<str>>,
        future: F,
        location: &'static Location<'static>,
    ) -> Child<<F::Output as Outcome<E>>::Value>
    where
        F: Future<Output: Outcome<E>> + 'static,
    {
        let slot = Slot::new();
        let end = Slot::end(&slot);
        let options = SpawnOptions { id: None, name: name.clone(), location };
        let run = async move {
            let given = end.give(future.await.into_result());
            given.map_err(|error| Failure::of_task(name, error))
        };
        self.adopt(slot, || spawn_with(run, options))
    }

    /// Spawns a task that says when it is ready, and waits for that: with a port that is bound, say. The
    /// task itself goes on in the group.
    ///
    /// The handle gives what the task has said, or an error if it ended before, or dropped the
    /// [`Ready`].
    ///
    /// # Panics
    ///
    /// Outside of a loop.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{io, net::SocketAddr};
    ///
    /// use greenloop::{net::TcpListener, task::{Ready, TaskGroup}};
    ///
    /// async fn serve(ready: Ready<SocketAddr>) -> io::Result<()> {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     ready.send(listener.local_addr()?);
    ///     loop {
    ///         let (_stream, _peer) = listener.accept().await?;
    ///     }
    /// }
    ///
    /// greenloop::run(async {
    ///     let result = TaskGroup::<io::Error>::scope(|group| async move {
    ///         let address = group.start(serve).await?;
    ///         assert_ne!(address.port(), 0);
    ///         group.cancel();
    ///         Ok(())
    ///     });
    ///     result.await.unwrap();
    /// });
    /// ```
    #[doc(alias = "nursery.start")]
    #[track_caller]
    pub fn start<V, C, F>(&self, task: C) -> Child<V>
    where
        C: FnOnce(Ready<V>) -> F,
        F: Future<Output: Outcome<E>> + 'static,
    {
        let slot = Slot::new();
        let future = task(Ready::new(&slot));
        let run = async move {
            let given = future.await.into_result();
            given.map(drop).map_err(|error| Failure::of_task(None, error))
        };
        self.adopt(slot, || spawn_with(run, SpawnOptions::plain()))
    }

    /// Makes a task a child that is spawned by a function, unless the group is ending.
    pub(crate) fn adopt<V>(
        &self,
        slot: Rc<Slot<V>>,
        spawn: impl FnOnce() -> JoinHandle<Result<(), Failure<E>>>,
    ) -> Child<V> {
        if self.is_ending() {
            drop(spawn);
            slot.refuse();
            return Child::new(slot, Id::reserve(), None);
        }
        let handle = spawn();
        let abort = handle.abort_handle();
        self.shared.insert(handle);
        Child::new(slot, abort.id(), Some(abort))
    }

    /// Ends the group: aborts its tasks and drops its body, as soon as the task that waits for it runs.
    ///
    /// That is no failure. A body that has come to its end keeps its value. Does nothing the second time.
    ///
    /// # Examples
    ///
    /// A limit on the time that waits for what it ends:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use greenloop::task::{self, TaskGroup};
    ///
    /// greenloop::run(async {
    ///     let result = TaskGroup::<()>::scope(|group| async move {
    ///         group.spawn(std::future::pending::<()>());
    ///         task::call_later(Duration::from_millis(2), move || group.cancel());
    ///         std::future::pending::<()>().await
    ///     });
    ///     assert!(result.await.unwrap_err().is_cancelled());
    /// });
    /// ```
    #[doc(alias = "abort_all")]
    pub fn cancel(&self) {
        self.shared.end();
    }

    /// Returns whether the group takes no more tasks: one has failed, it was cancelled, or it has ended.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.shared.is_ending()
    }

    /// Returns how many tasks of the group have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Returns whether all tasks of the group have ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Runs a body as the first of a group.
async fn scope<E, B, F>(
    policy: Policy<E>,
    body: B,
) -> Result<<F::Output as Outcome<E>>::Value, GroupError<E>>
where
    E: 'static,
    B: FnOnce(TaskGroup<E>) -> F,
    F: Future<Output: Outcome<E>>,
{
    // Declared first, so that it goes last, after the body's future.
    let driver = Driver::new(policy);
    let mut body = pin!(Some(body(driver.group())));
    let (mut value, mut panic) = (None, None);
    poll_fn(|cx| {
        if let Some(running) = body.as_mut().as_pin_mut() {
            match catch_unwind(AssertUnwindSafe(|| running.poll(cx))) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(outcome)) => {
                    body.set(None);
                    match outcome.into_result() {
                        Ok(output) => value = Some(output),
                        Err(error) => driver.body_failed(error),
                    }
                }
                Err(payload) => {
                    panic = Some(payload);
                    driver.group().cancel();
                }
            }
        }
        if driver.poll_ending(cx).is_ready() {
            body.set(None);
            driver.abort_all();
        }
        if body.is_some() { Poll::Pending } else { driver.poll_ended(cx) }
    })
    .await;
    if let Some(payload) = panic {
        resume_unwind(payload);
    }
    driver.finish(value)
}

impl<E> Clone for TaskGroup<E> {
    fn clone(&self) -> Self {
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<E> fmt::Debug for TaskGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup")
            .field("tasks", &self.shared.len())
            .field("is_ending", &self.shared.is_ending())
            .finish()
    }
}
