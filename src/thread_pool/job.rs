//! A job, from its submission to its result.
//!
//! It passes through these stages, each at most once: queued, running (or cancelled instead), telling
//! (its callbacks are called), done. The closure, the callbacks and the wakers are called and dropped
//! outside of the lock.

use std::{
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use super::spending;
use crate::{
    blocking::{Refused, Threads},
    event_loop::{self, report_to_stderr},
    executor::{Id, JoinError, contain, wake},
};

type Outcome<T> = Result<T, JoinError>;
type Closure<T> = Box<dyn FnOnce() -> T + Send>;
type Callback<T> = Box<dyn FnOnce(&Outcome<T>) + Send>;

/// Puts a closure in line, and gives the handle for its result.
pub(super) fn submit<F, T>(threads: &Arc<Threads>, closure: F) -> JobHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let handle = JobHandle { job: Job::new(Stage::Queued(Box::new(closure))) };
    let queued = Queued(Arc::clone(&handle.job));
    let refused = threads.submit(Box::new(move || queued.0.run()));
    match refused {
        Err(Refused::NoThread(error)) => {
            let why = Box::new(format!("no thread can be started for the pool: {error}"));
            let outcome = Err(JoinError::panicked(handle.id(), None, why));
            JobHandle { job: Job::with_id(handle.id(), Stage::Done(Some(outcome))) }
        }
        Ok(()) | Err(Refused::Closed) => handle,
    }
}

/// What the line and the handle share.
struct Job<T> {
    id: Id,
    state: Mutex<State<T>>,
    done: Condvar,
}

struct State<T> {
    stage: Stage<T>,
    /// It has an outcome, which may be out of here for the moment.
    finished: bool,
    callbacks: Vec<Callback<T>>,
    /// Whom to wake when it is done.
    waiter: Option<Waker>,
    /// The handle is gone.
    detached: bool,
}

enum Stage<T> {
    Queued(Closure<T>),
    Running,
    /// Somebody has the outcome in hand and shows it to the callbacks.
    Telling,
    /// `None` once it was taken.
    Done(Option<Outcome<T>>),
}

/// A job in line. Dropping it without having run it cancels the job.
struct Queued<T>(Arc<Job<T>>);

impl<T> Drop for Queued<T> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl<T> Job<T> {
    fn new(stage: Stage<T>) -> Arc<Self> {
        Self::with_id(Id::reserve(), stage)
    }

    fn with_id(id: Id, stage: Stage<T>) -> Arc<Self> {
        let finished = matches!(stage, Stage::Done(_));
        let state = State { stage, finished, callbacks: Vec::new(), waiter: None, detached: false };
        Arc::new(Self { id, state: Mutex::new(state), done: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the closure, unless the job was cancelled.
    fn run(&self) {
        let Some(closure) = self.begin(Stage::Running) else { return };
        let outcome = catch_unwind(AssertUnwindSafe(closure))
            .map_err(|payload| JoinError::panicked(self.id, None, payload));
        self.tell(outcome);
    }

    /// Drops the closure, if the job has not begun.
    fn cancel(&self) -> bool {
        let Some(closure) = self.begin(Stage::Telling) else { return false };
        contain(|| drop(closure));
        self.tell(Err(JoinError::cancelled(self.id, None)));
        true
    }

    /// Takes the closure from the queued stage.
    fn begin(&self, next: Stage<T>) -> Option<Closure<T>> {
        let mut state = self.lock();
        match mem::replace(&mut state.stage, next) {
            Stage::Queued(closure) => Some(closure),
            other => {
                state.stage = other;
                None
            }
        }
    }

    /// Shows the outcome to the callbacks, and leaves it for the handle.
    fn tell(&self, outcome: Outcome<T>) {
        let mut state = self.lock();
        state.finished = true;
        state.stage = Stage::Telling;
        while !state.callbacks.is_empty() {
            let callbacks = mem::take(&mut state.callbacks);
            drop(state);
            for callback in callbacks {
                // Its panic is its own loss; the panic hook has told of it.
                contain(|| callback(&outcome));
            }
            state = self.lock();
        }
        if state.detached {
            drop(state);
            return forget(outcome);
        }
        state.stage = Stage::Done(Some(outcome));
        let waiter = state.waiter.take();
        self.done.notify_all();
        drop(state);
        if let Some(waiter) = waiter {
            wake(waiter);
        }
    }

    fn was_taken(&self) -> ! {
        panic!("the output of job {} was taken already", self.id)
    }
}

/// Drops what nobody will ask for, and tells of a panic.
fn forget<T>(outcome: Outcome<T>) {
    match outcome {
        Err(error) if error.is_panic() => report_to_stderr(&error),
        outcome => contain(|| drop(outcome)),
    }
}

/// Waits for a job of a [`ThreadPool`](super::ThreadPool) and gives its output.
///
/// A future of `Result<T, JoinError>`, on any thread and runtime. The error says whether the job was
/// cancelled or panicked. Dropping the handle lets the job run all the same; a panic that nobody can
/// find out from it any more is printed on standard error.
///
/// # Panics
///
/// When polled after it gave its output.
///
/// # Cancel safety
///
/// It may be polled by reference and given up at any time: the output stays in the job.
#[doc(alias = "concurrent.futures.Future")]
#[doc(alias = "AsyncResult")]
#[doc(alias = "ThreadResult")]
pub struct JobHandle<T> {
    job: Arc<Job<T>>,
}

impl<T> JobHandle<T> {
    /// Cancels the job if it has not begun, and tells whether it is cancelled.
    ///
    /// The closure is dropped, and the handle gives an error that
    /// [`is_cancelled`](JoinError::is_cancelled). A job that runs is left alone: nothing can end a
    /// thread.
    #[doc(alias = "cancel")]
    #[doc(alias = "kill")]
    pub fn abort(&self) -> bool {
        if self.job.cancel() {
            return true;
        }
        match &self.job.lock().stage {
            Stage::Done(Some(outcome)) => outcome.as_ref().is_err_and(JoinError::is_cancelled),
            _ => false,
        }
    }

    /// Returns whether the job has ended: has returned or panicked, or was cancelled.
    #[doc(alias = "done")]
    #[doc(alias = "ready")]
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.job.lock().finished
    }

    /// Returns whether a thread is doing the job.
    #[doc(alias = "running")]
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.job.lock().stage, Stage::Running)
    }

    /// Returns the id of the job; no other job or task of this process has it.
    #[must_use]
    pub fn id(&self) -> Id {
        self.job.id
    }

    /// Has `f` called with the output when the job has ended, however it ends.
    ///
    /// The thread that did the job calls it, or the one that cancelled it; if the job has ended already,
    /// the caller of this does, now. Several are called in the order in which they were given, and before
    /// anybody who waits for the job goes on. A panic of `f` is its own loss.
    ///
    /// # Panics
    ///
    /// When the output was taken already.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// use greenloop::thread_pool::ThreadPool;
    ///
    /// let pool = ThreadPool::new(1);
    /// let (sender, receiver) = mpsc::channel();
    /// let job = pool.submit(|| 7);
    /// job.on_done(move |output| sender.send(*output.as_ref().unwrap()).unwrap());
    /// assert_eq!(receiver.recv(), Ok(7));
    /// ```
    #[doc(alias = "add_done_callback")]
    #[doc(alias = "link")]
    #[track_caller]
    pub fn on_done(&self, f: impl FnOnce(&Result<T, JoinError>) + Send + 'static) {
        let mut state = self.job.lock();
        let outcome = match &mut state.stage {
            Stage::Done(outcome) => outcome.take(),
            Stage::Queued(_) | Stage::Running | Stage::Telling => {
                state.callbacks.push(Box::new(f));
                return;
            }
        };
        let Some(outcome) = outcome else {
            drop(state);
            self.job.was_taken();
        };
        state.stage = Stage::Telling;
        state.callbacks.push(Box::new(f));
        drop(state);
        self.job.tell(outcome);
    }

    /// Blocks the calling thread until the job has ended.
    ///
    /// # Errors
    ///
    /// When the job panicked or was cancelled.
    ///
    /// # Panics
    ///
    /// On a thread that runs an event loop, which it would block: await the handle there, or wait for it.
    #[doc(alias = "result")]
    #[doc(alias = "exception")]
    #[track_caller]
    pub fn join(self) -> Result<T, JoinError> {
        assert!(
            !event_loop::is_running(),
            "JobHandle::join would block the event loop of this thread: await the handle, \
             or wait() for it in a green thread",
        );
        let mut state = self.job.lock();
        loop {
            match &mut state.stage {
                Stage::Done(outcome) => match outcome.take() {
                    Some(outcome) => return outcome,
                    None => {
                        drop(state);
                        self.job.was_taken();
                    }
                },
                Stage::Queued(_) | Stage::Running | Stage::Telling => {
                    state = self.job.done.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

impl<T> Future for JobHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        spending(cx, |cx| self.poll_outcome(cx))
    }
}

impl<T> JobHandle<T> {
    fn poll_outcome(&self, cx: &Context<'_>) -> Poll<Outcome<T>> {
        let waker = cx.waker().clone();
        let mut state = self.job.lock();
        match &mut state.stage {
            Stage::Done(outcome) => match outcome.take() {
                Some(outcome) => Poll::Ready(outcome),
                None => {
                    drop(state);
                    self.job.was_taken();
                }
            },
            Stage::Queued(_) | Stage::Running | Stage::Telling => {
                let old = state.waiter.replace(waker);
                drop(state);
                drop(old);
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for JobHandle<T> {
    fn drop(&mut self) {
        let mut state = self.job.lock();
        state.detached = true;
        let waiter = state.waiter.take();
        let outcome = match &mut state.stage {
            Stage::Done(outcome) => outcome.take(),
            Stage::Queued(_) | Stage::Running | Stage::Telling => None,
        };
        drop(state);
        drop(waiter);
        if let Some(outcome) = outcome {
            forget(outcome);
        }
    }
}

impl<T> fmt::Debug for JobHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.job.lock().stage {
            Stage::Queued(_) => "waiting",
            Stage::Running => "running",
            Stage::Telling | Stage::Done(_) => "finished",
        };
        f.debug_struct("JobHandle").field("id", &self.id()).field("stage", &stage).finish()
    }
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<JobHandle<std::cell::Cell<u8>>>();
};
