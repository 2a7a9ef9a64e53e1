//! Groups of tasks, with a block of code for a body.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind},
    pin::pin,
    sync::Arc,
    thread,
};

use super::{
    Builder,
    limit::limited,
    thread::Record,
    wait::{Interruptible, reason_to_end, shall_end, unwind, wait_in},
};
use crate::{
    executor::Unwinding,
    task::{
        Child, Driver, Failure, GroupError, JoinHandle, Outcome, Policy, Ready, Slot, TaskGroup,
    },
};

impl<E: 'static> TaskGroup<E> {
    /// Calls a body that spawns tasks into a group, and waits until all of them have ended; as
    /// [`scope`](Self::scope), in a green thread.
    ///
    /// When a task fails, the body ends at the place where it waits, or at its next wait. When the green
    /// thread that calls this is killed, or over its time, the tasks are aborted and waited for;
    /// then it unwinds.
    ///
    /// # Errors
    ///
    /// As for [`scope`](Self::scope).
    ///
    /// # Panics
    ///
    /// With the panic of the body, when all tasks have ended; outside of a green thread; in a future that is
    /// being polled; and while a panic unwinds the green thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::{green::{self, Wait}, task::TaskGroup};
    ///
    /// green::run(|| {
    ///     let result = TaskGroup::run(|group| {
    ///         let six = group.spawn_green(|| Ok(6));
    ///         let seven = group.spawn(async { Ok::<_, String>(7) });
    ///         Ok(six.wait().unwrap() * seven.wait().unwrap())
    ///     });
    ///     assert_eq!(result.unwrap(), 42);
    ///
    ///     let result = TaskGroup::run(|group| {
    ///         group.spawn_green(|| Err::<(), _>("no flour"));
    ///         std::future::pending::<()>().wait();
    ///         Ok(())
    ///     });
    ///     assert_eq!(result.unwrap_err().first().unwrap().error(), Some(&"no flour"));
    /// });
    /// ```
    #[track_caller]
    pub fn run<R: Outcome<E>>(body: impl FnOnce(&Self) -> R) -> Result<R::Value, GroupError<E>> {
        run(Policy::FailTogether, body)
    }

    /// As [`run`](Self::run), with the policy of [`supervise`](Self::supervise): each failure of a task goes
    /// to `hook`, and the others go on.
    ///
    /// # Errors
    ///
    /// As for [`supervise`](Self::supervise).
    ///
    /// # Panics
    ///
    /// As for [`run`](Self::run).
    #[track_caller]
    pub fn run_supervised<R: Outcome<E>>(
        hook: impl Fn(Failure<E>) + 'static,
        body: impl FnOnce(&Self) -> R,
    ) -> Result<R::Value, GroupError<E>> {
        run(Policy::Supervise(Box::new(hook)), body)
    }

    /// Spawns a green thread into the group; the rest is as for [`spawn`](Self::spawn).
    ///
    /// # Panics
    ///
    /// Outside of a loop, and when there is no memory for a stack.
    #[track_caller]
    pub fn spawn_green<F, R>(&self, f: F) -> Child<R::Value>
    where
        F: FnOnce() -> R + 'static,
        R: Outcome<E>,
        R::Value: 'static,
    {
        self.spawn_thread(None, f, Location::caller())
    }

    /// As [`spawn_green`](Self::spawn_green), for a green thread with a name.
    ///
    /// # Panics
    ///
    /// Outside of a loop, and when there is no memory for a stack.
    #[track_caller]
    pub fn spawn_green_named<F, R>(&self, name: impl Into<Arc<str>>, f: F) -> Child<R::Value>
    where
        F: FnOnce() -> R + 'static,
        R: Outcome<E>,
        R::Value: 'static,
    {
        self.spawn_thread(Some(name.into()), f, Location::caller())
    }

    fn spawn_thread<F, R>(
        &self,
        name: Option<Arc<str>>,
        f: F,
        location: &'static Location<'static>,
    ) -> Child<R::Value>
    where
        F: FnOnce() -> R + 'static,
        R: Outcome<E>,
        R::Value: 'static,
    {
        let slot = Slot::new();
        let end = Slot::end(&slot);
        let named = name.clone();
        let run = move || match catch_unwind(AssertUnwindSafe(f)) {
            Ok(outcome) => {
                let given = end.give(outcome.into_result());
                given.map_err(|error| Failure::of_task(named, error))
            }
            Err(payload) => {
                if matches!(payload.downcast_ref(), Some(Unwinding::Task)) {
                    end.cancelled();
                }
                resume_unwind(payload)
            }
        };
        self.adopt(slot, || spawn_at(name, run, location))
    }

    /// Starts a green thread that says when it is ready; as [`start`](Self::start).
    ///
    /// # Panics
    ///
    /// Outside of a loop, and when there is no memory for a stack.
    #[track_caller]
    pub fn start_green<V, F, R>(&self, f: F) -> Child<V>
    where
        F: FnOnce(Ready<V>) -> R + 'static,
        R: Outcome<E>,
        V: 'static,
    {
        let slot = Slot::new();
        let ready = Ready::new(&slot);
        let run = move || {
            let given = f(ready).into_result();
            given.map(drop).map_err(|error| Failure::of_task(None, error))
        };
        let location = Location::caller();
        self.adopt(slot, || spawn_at(None, run, location))
    }
}

fn spawn_at<F, T>(
    name: Option<Arc<str>>,
    f: F,
    location: &'static Location<'static>,
) -> JoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    let mut builder = Builder::new();
    if let Some(name) = name {
        builder = builder.name(name);
    }
    builder.spawn_at(f, location)
}

#[track_caller]
fn run<E: 'static, R: Outcome<E>>(
    policy: Policy<E>,
    body: impl FnOnce(&TaskGroup<E>) -> R,
) -> Result<R::Value, GroupError<E>> {
    let polling = Record::with(Record::is_polling);
    assert!(
        polling.is_some(),
        "TaskGroup::run works in green threads only: use scope in async code"
    );
    assert!(polling == Some(false), "TaskGroup::run would have to wait in a future that is polled");
    assert!(!thread::panicking(), "TaskGroup::run would have to wait while a panic unwinds");
    let driver = Driver::new(policy);
    let group = driver.group();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let ending = pin!(poll_fn(|cx| driver.poll_ending(cx)));
        Record::with(|record| limited(record, ending, || body(&group)))
    }));
    let mut value = None;
    match result.map(|result| result.and_then(Result::ok).map(Outcome::into_result)) {
        Ok(Some(Ok(output))) => value = Some(output),
        Ok(Some(Err(error))) => driver.body_failed(error),
        // A failure has cut it short.
        Ok(None) => {}
        Err(payload) => {
            driver.abort_all();
            wait_for_children(&driver);
            resume_unwind(payload);
        }
    }
    if wait_for_children(&driver) {
        // The tasks were not let finish, so the caller must not go on as if they had.
        if let Some(reason) = Record::with(reason_to_end).flatten() {
            unwind(reason);
        }
    }
    driver.finish(value)
}

/// Waits whatever happens: a wish to end is passed on to the children. Returns whether it was.
fn wait_for_children<E: 'static>(driver: &Driver<E>) -> bool {
    let mut passed_on = false;
    let ended = poll_fn(|cx| {
        if shall_end() && !passed_on {
            passed_on = true;
            driver.abort_all();
        }
        driver.poll_ended(cx)
    });
    let mut ended = pin!(ended);
    Record::with(|record| wait_in(record, ended.as_mut(), Interruptible::No));
    passed_on
}
