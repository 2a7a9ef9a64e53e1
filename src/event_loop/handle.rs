//! The way to a loop from other threads.

use std::{fmt, num::NonZeroU64, panic::Location};

use super::{Core, current, fork, remote::RemoteTask};
use crate::executor::{Injector, InjectorArc, Job, SpawnOptions};

pub use super::remote::RemoteJoinHandle;

/// Refers to an event loop, from any thread and also after its end.
///
/// # Examples
///
/// ```
/// greenloop::run(async {
///     let handle = greenloop::Handle::current();
///     let answer = std::thread::spawn(move || handle.spawn(async { 6 * 7 })).join().unwrap();
///     assert_eq!(answer.await.unwrap(), 42);
/// });
/// ```
#[derive(Clone)]
pub struct Handle {
    id: NonZeroU64,
    injector: InjectorArc<Injector>,
    /// The process of the loop, as `fork.rs` counts them.
    process: u32,
}

impl Handle {
    pub(super) fn new(core: &Core) -> Self {
        let injector = core.executor.injector().clone();
        Self { id: core.id(), injector, process: core.process() }
    }

    /// Returns the handle of the loop that this thread is running.
    ///
    /// # Panics
    ///
    /// When it is running none; see [`try_current`](Self::try_current).
    #[doc(alias = "get_loop")]
    #[doc(alias = "get_running_loop")]
    #[doc(alias = "get_event_loop")]
    #[doc(alias = "get_hub")]
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        match Self::try_current() {
            Some(handle) => handle,
            None => panic!("Handle::current() {}", super::NEEDS_LOOP),
        }
    }

    /// Returns the handle of the loop that this thread is running, if it is running one.
    #[doc(alias = "is_running")]
    #[must_use]
    pub fn try_current() -> Option<Self> {
        current::with(Self::new)
    }

    /// Spawns a future on the loop, from any thread.
    ///
    /// The returned handle may be awaited on any runtime, or joined by a thread. If the loop has
    /// ended, or ends before the future does, the future is dropped and the handle gives an error; so it
    /// does in a forked child, where its parent's loop does not run.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut event_loop = greenloop::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let thread = std::thread::spawn(move || {
    ///     let answer = handle.spawn(async { 6 * 7 }).join().unwrap();
    ///     handle.stop();
    ///     answer
    /// });
    /// event_loop.run_forever();
    /// assert_eq!(thread.join().unwrap(), 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "run_coroutine_threadsafe")]
    #[doc(alias = "call_soon_threadsafe")]
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> RemoteJoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_with(move || future)
    }

    /// Calls a closure on the loop's thread, and spawns the future that it returns, which may hold
    /// what cannot leave that thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    ///
    /// greenloop::run(async {
    ///     let handle = greenloop::Handle::current();
    ///     let thread = std::thread::spawn(move || {
    ///         handle.spawn_with(|| {
    ///             let local = Rc::new(5);
    ///             async move { *local }
    ///         })
    ///     });
    ///     assert_eq!(thread.join().unwrap().await.unwrap(), 5);
    /// });
    /// ```
    #[track_caller]
    pub fn spawn_with<C, F>(&self, closure: C) -> RemoteJoinHandle<F::Output>
    where
        C: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let location = Location::caller();
        let (task, handle) = RemoteTask::new();
        let id = task.id();
        let job = move || {
            let options = SpawnOptions { id: Some(id), name: None, location };
            current::with(|core| {
                let key = core.executor.spawn(task.run(closure), options);
                core.executor.detach(key.untyped());
            });
        };
        // On the loop's own thread as well: what was posted first is spawned first. A refused job
        // is dropped, and tells the handle.
        let _ = self.post(Box::new(job));
        handle
    }

    /// Makes [`EventLoop::run_forever`](super::EventLoop::run_forever) return, now or, if it is
    /// not running, as soon as it is called. Does nothing to `run`, which ends with its future.
    #[doc(alias = "loop.stop")]
    pub fn stop(&self) {
        let id = self.id;
        let _ = self.post(Box::new(move || {
            current::with_loop(id, Core::stop);
        }));
    }

    pub(crate) fn loop_id(&self) -> NonZeroU64 {
        self.id
    }

    /// Has the loop do a job, or gives it back if that will never happen.
    pub(super) fn post(&self, job: Job) -> Result<(), Job> {
        if fork::generation_unchecked() != self.process {
            // The loop is the parent's; what this child has of it never turns again.
            return Err(job);
        }
        self.injector.post(job)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("loop", &self.id).finish()
    }
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Handle>();
};
