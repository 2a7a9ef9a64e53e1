//! A limited number of green threads at a time.

use std::{fmt, rc::Rc, time::Duration};

use super::{
    Builder, Group, JoinHandle,
    imap::{Imap, ImapUnordered, Mapping, Order},
    permits::{Permit, Permits},
    stacks,
    thread::GreenThread,
    wait::Wait,
};
use crate::task::{self, JoinError};

/// At most so many green threads at a time; gevent's `Pool`.
///
/// Cloning a pool gives the same pool.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use greenloop::green::{self, Pool};
///
/// green::run(|| {
///     let pool = Pool::new(5);
///     let squares = pool.map(0..20, |n| {
///         green::sleep(Duration::from_millis(1));
///         n * n
///     });
///     assert_eq!(squares[19], 361);
/// });
/// ```
#[derive(Clone)]
pub struct Pool {
    group: Group,
    size: usize,
    permits: Rc<Permits>,
}

impl Pool {
    /// Makes a pool for at most `size` green threads at a time.
    ///
    /// # Panics
    ///
    /// When `size` is zero: nothing could ever run.
    #[must_use]
    #[track_caller]
    pub fn new(size: usize) -> Self {
        assert!(size > 0, "a pool of no green threads could never run anything");
        Self { group: Group::new(), size, permits: Permits::new(size) }
    }

    /// Waits until there is room, and spawns a green thread in it.
    ///
    /// A member that waits here for room in its own pool waits until another one has ended: if all
    /// of them do so, for ever.
    ///
    /// # Panics
    ///
    /// Outside of a green thread, and when there is no memory for a stack.
    #[doc(alias = "apply")]
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let permit = self.permits.acquire().wait();
        self.spawn_with(permit, f)
    }

    /// Spawns a green thread if there is room.
    ///
    /// # Errors
    ///
    /// [`PoolFull`] when there is none, with the closure.
    ///
    /// # Panics
    ///
    /// Outside of a loop, and when there is no memory for a stack.
    #[track_caller]
    pub fn try_spawn<F, T>(&self, f: F) -> Result<JoinHandle<T>, PoolFull<F>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        match self.permits.try_acquire() {
            Some(permit) => Ok(self.spawn_with(permit, f)),
            None => Err(PoolFull(f)),
        }
    }

    #[track_caller]
    fn spawn_with<F, T>(&self, permit: Permit, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let membership = self.group.enter();
        let number = membership.number();
        let handle = Builder::new().spawn(move || {
            let _member = (membership, permit);
            f()
        });
        self.group.set_handle(number, handle.abort_handle());
        handle
    }

    /// Calls `f` for each item, in green threads of the pool, and gives the results in the order of
    /// the items.
    ///
    /// # Panics
    ///
    /// Outside of a green thread, and with the first panic of `f` in the order of the items, when
    /// all have ended.
    #[doc(alias = "map_async")]
    #[doc(alias = "map_cb")]
    #[track_caller]
    pub fn map<I, F, R>(&self, items: I, f: F) -> Vec<R>
    where
        I: IntoIterator,
        I::Item: 'static,
        F: Fn(I::Item) -> R + 'static,
        R: 'static,
    {
        let f = Rc::new(f);
        let handles: Vec<_> = items
            .into_iter()
            .map(|item| {
                let f = Rc::clone(&f);
                self.spawn(move || f(item))
            })
            .collect();
        let results = task::join_all(handles).wait();
        results.into_iter().map(unwrap).collect()
    }

    /// Calls `f` for each item, in green threads of the pool, and gives the results as they come, in
    /// whatever order.
    ///
    /// Items are taken as there is room in the pool. A panic of `f` is an error at its place, and
    /// the others go on. Dropping the iterator aborts what is left.
    ///
    /// # Panics
    ///
    /// Outside of a loop, and when there is no memory for a stack; the iterator, outside of a green
    /// thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::green::{self, Pool};
    ///
    /// green::run(|| {
    ///     let pool = Pool::new(2);
    ///     let sum: u32 = pool.imap_unordered(1..=4, |n| n * 10).map(Result::unwrap).sum();
    ///     assert_eq!(sum, 100);
    /// });
    /// ```
    #[track_caller]
    pub fn imap_unordered<I, F, R>(&self, items: I, f: F) -> ImapUnordered<R>
    where
        I: IntoIterator + 'static,
        I::Item: 'static,
        F: Fn(I::Item) -> R + 'static,
        R: 'static,
    {
        ImapUnordered(self.map_lazily(items, f, Order::OfEnds))
    }

    /// Calls `f` for each item, in green threads of the pool, and gives the results in the order of the
    /// items, each as soon as it and those before it are there.
    ///
    /// Otherwise as [`imap_unordered`](Self::imap_unordered). What has come out of turn is kept until it
    /// is asked for.
    ///
    /// # Panics
    ///
    /// Outside of a loop, and when there is no memory for a stack; the iterator, outside of a green
    /// thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use greenloop::green::{self, Pool};
    ///
    /// green::run(|| {
    ///     let pool = Pool::new(2);
    ///     let slow_ones_first = pool.imap([20, 10, 0], |time| {
    ///         green::sleep(Duration::from_millis(time));
    ///         time
    ///     });
    ///     let times: Vec<u64> = slow_ones_first.map(Result::unwrap).collect();
    ///     assert_eq!(times, [20, 10, 0]);
    /// });
    /// ```
    #[track_caller]
    pub fn imap<I, F, R>(&self, items: I, f: F) -> Imap<R>
    where
        I: IntoIterator + 'static,
        I::Item: 'static,
        F: Fn(I::Item) -> R + 'static,
        R: 'static,
    {
        Imap(self.map_lazily(items, f, Order::OfItems))
    }

    #[track_caller]
    fn map_lazily<I, F, R>(&self, items: I, f: F, order: Order) -> Mapping<R>
    where
        I: IntoIterator + 'static,
        I::Item: 'static,
        F: Fn(I::Item) -> R + 'static,
        R: 'static,
    {
        let mapping = Mapping::new(order);
        let feeder = mapping.workers.spawn({
            let (pool, workers) = (self.clone(), mapping.workers.clone());
            // While it is there, more results may come.
            let places = mapping.places();
            let f = Rc::new(f);
            move || {
                for item in items {
                    let permit = pool.permits.acquire().wait();
                    let place = places.next();
                    let f = Rc::clone(&f);
                    let membership = workers.enter();
                    let number = membership.number();
                    let handle = pool.spawn_with(permit, move || f(item));
                    workers.set_handle(number, handle.abort_handle());
                    // It ends when the green thread does, and takes its result over.
                    drop(task::spawn(async move {
                        let result = handle.await;
                        drop(membership);
                        place.fill(result);
                    }));
                }
            }
        });
        let places = mapping.places();
        drop(task::spawn(async move {
            match feeder.await {
                // The items' own panic is their last result.
                Err(error) if error.is_panic() => places.next().fill(Err(error)),
                Ok(()) | Err(_) => {}
            }
        }));
        mapping
    }

    /// Calls `f` in a green thread of the pool as soon as there is room, and then `callback` with its
    /// result. Never waits. A panic of `f` is found in the handle, and `callback` not called.
    ///
    /// # Panics
    ///
    /// Outside of a loop.
    #[doc(alias = "apply_cb")]
    #[track_caller]
    pub fn apply_async<F, T, C>(&self, f: F, callback: C) -> JoinHandle<()>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
        C: FnOnce(T) + 'static,
    {
        let membership = self.group.enter();
        let number = membership.number();
        let acquire = self.permits.acquire();
        let handle = task::spawn(async move {
            let permit = acquire.await;
            let value = match stacks::pool().reserve(stacks::DEFAULT_SIZE) {
                Ok(stack) => GreenThread::new(f, stack).await,
                Err(error) => panic!("there is no stack for a green thread: {error}"),
            };
            drop((permit, membership));
            callback(value);
        });
        self.group.set_handle(number, handle.abort_handle());
        handle
    }

    /// Waits until nothing runs in the pool, nor waits for room in it.
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[track_caller]
    pub fn join(&self) {
        self.group.join();
    }

    /// As [`join`](Self::join), at most for `duration`; returns whether nothing runs.
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[track_caller]
    pub fn join_timeout(&self, duration: Duration) -> bool {
        self.group.join_timeout(duration)
    }

    /// Aborts what runs in the pool, and waits until nothing does; see [`Group::abort_all`].
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[doc(alias = "kill")]
    #[track_caller]
    pub fn abort_all(&self) {
        self.group.abort_all();
    }

    /// Returns for how many green threads there is room at once.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns for how many more there is room now.
    #[doc(alias = "full")]
    #[must_use]
    pub fn free_count(&self) -> usize {
        self.permits.left()
    }

    /// Returns how many run in the pool, or wait for room by [`apply_async`](Self::apply_async).
    #[must_use]
    pub fn len(&self) -> usize {
        self.group.len()
    }

    /// Returns whether nothing runs in the pool.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.group.is_empty()
    }
}

fn unwrap<R>(result: Result<R, JoinError>) -> R {
    match result.map_err(JoinError::try_into_panic) {
        Ok(value) => value,
        Err(Ok(payload)) => std::panic::resume_unwind(payload),
        Err(Err(error)) => panic!("a green thread of the pool was ended: {error}"),
    }
}

/// There was no room in a [`Pool`].
pub struct PoolFull<F>(
    /// What was to be run.
    pub F,
);

impl<F> fmt::Debug for PoolFull<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PoolFull")
    }
}

impl<F> fmt::Display for PoolFull<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no room in the pool")
    }
}

impl<F> std::error::Error for PoolFull<F> {}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("size", &self.size).field("members", &self.len()).finish()
    }
}
