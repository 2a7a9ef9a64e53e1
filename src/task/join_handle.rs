//! Waiting for a task.

use std::{
    cell::Cell,
    fmt,
    pin::Pin,
    ptr,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::AbortHandle;
use crate::{
    event_loop,
    executor::{Id, JoinError, TaskKey},
};

/// Waits for a task and gives its output.
///
/// A future of `Result<T, JoinError>`: the error says whether the task was aborted or panicked.
/// Dropping the handle *detaches* the task: it runs on, and its output is dropped when it ends (a
/// panic is reported, see [`on_unobserved_panic`]).
///
/// A handle is plain data and may be sent to other threads; there it can only abort and be
/// dropped. The loop may end before the handle: then it gives an error.
///
/// # Panics
///
/// When polled after it gave its output, and when polled by anything but the tasks of the loop
/// that its task is on.
///
/// # Cancel safety
///
/// It may be polled by reference and given up at any time: the output stays in the task.
///
/// # Examples
///
/// ```
/// greenloop::run(async {
///     let task = greenloop::spawn(async { 1 + 1 });
///     assert_eq!(task.await.unwrap(), 2);
///
///     let task = greenloop::spawn(async { panic!("oh") });
///     assert!(task.await.unwrap_err().is_panic());
/// });
/// ```
///
/// [`on_unobserved_panic`]: crate::event_loop::Builder::on_unobserved_panic
#[doc(alias = "Greenlet")]
#[doc(alias = "Task")]
pub struct JoinHandle<T> {
    key: TaskKey<T>,
}

impl<T> JoinHandle<T> {
    pub(crate) fn new(key: TaskKey<T>) -> Self {
        Self { key }
    }

    /// Ends the task: its future is dropped, with all that it holds.
    ///
    /// On the loop's thread that has happened when this returns, unless the task is the one that is
    /// running, or a destructor run by an abort has called this: then it happens as soon as
    /// the poll, or the destructor, is over. From other threads the loop is asked to do it. A task
    /// that has ended is left alone, and one that finishes in the poll that is running keeps
    /// its output.
    ///
    /// A green thread that has started has a stack, which only it can clear: for it
    /// this is a request. It unwinds when the loop comes to it, at the place where it waits or at
    /// its next wait, and if it catches that, at the one after. One that returns without another
    /// wait has its output. [`abort_and_wait`](Self::abort_and_wait) waits until it is gone.
    #[doc(alias = "kill")]
    #[doc(alias = "cancel")]
    #[doc(alias = "cancelling")]
    #[doc(alias = "uncancel")]
    #[doc(alias = "GreenletExit")]
    #[doc(alias = "killone")]
    pub fn abort(&self) {
        self.abort_handle().abort();
    }

    /// Ends the task and waits until its destructors have run.
    ///
    /// # Errors
    ///
    /// [`JoinError::is_cancelled`], or the panic of a destructor. `Ok` is the output of a task that
    /// had ended before.
    ///
    /// # Cancel safety
    ///
    /// The task is aborted with the first poll. Dropped before that, the future detaches the task; dropped
    /// later, nobody learns when it is gone.
    #[doc(alias = "kill")]
    pub async fn abort_and_wait(self) -> Result<T, JoinError> {
        self.abort();
        self.await
    }

    /// Returns whether the task has ended.
    ///
    /// # Panics
    ///
    /// On a thread that does not run the task's loop, while that loop is alive.
    #[doc(alias = "ready")]
    #[doc(alias = "dead")]
    #[doc(alias = "done")]
    #[doc(alias = "is_alive")]
    #[must_use]
    #[track_caller]
    pub fn is_finished(&self) -> bool {
        self.abort_handle().is_finished()
    }

    /// Returns the id of the task.
    #[doc(alias = "minimal_ident")]
    #[doc(alias = "ident")]
    #[must_use]
    pub fn id(&self) -> Id {
        self.key.id()
    }

    /// Returns the name that the task was given by [`Builder::name`](super::Builder::name); on the
    /// thread that runs its loop, and `None` elsewhere.
    #[doc(alias = "get_name")]
    #[doc(alias = "getName")]
    #[must_use]
    pub fn name(&self) -> Option<Arc<str>> {
        let key = self.key;
        event_loop::with_loop(key.loop_id(), |core| core.executor.name(key.untyped())).flatten()
    }

    /// Looks at the output of the task without taking it; `None` if it has none (yet, or any more).
    ///
    /// # Panics
    ///
    /// On a thread that does not run the task's loop, while that loop is alive.
    ///
    /// # Examples
    ///
    /// ```
    /// greenloop::run(async {
    ///     let mut task = greenloop::spawn(async { 7 });
    ///     assert!(task.peek(|_| ()).is_none());
    ///     greenloop::yield_now().await;
    ///     assert_eq!(task.peek(|output| *output.as_ref().unwrap()), Some(7));
    ///     assert_eq!(task.await.unwrap(), 7);
    /// });
    /// ```
    #[doc(alias = "value")]
    #[doc(alias = "successful")]
    #[doc(alias = "exception")]
    #[doc(alias = "result")]
    #[doc(alias = "exc_info")]
    #[track_caller]
    pub fn peek<R>(&self, look: impl FnOnce(&Result<T, JoinError>) -> R) -> Option<R> {
        let key = self.key;
        match event_loop::with_loop(key.loop_id(), |core| core.executor.peek(key, look)) {
            Some(looked) => looked,
            None => {
                assert!(
                    !event_loop::is_alive(key.loop_id()),
                    "the JoinHandle of task {} was looked at outside of its event loop",
                    key.id(),
                );
                None
            }
        }
    }

    /// Has `f` called with the output when the task has ended, however it ends.
    ///
    /// The loop calls it before anybody who waits for the task goes on, not on the task's stack;
    /// several are called in the order in which they were given. If the task has ended already,
    /// the loop calls it soon, and before the output is taken. A panic of `f` is reported and stops
    /// nobody.
    ///
    /// # Panics
    ///
    /// On a thread that does not run the task's loop; when the output was taken already.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{cell::Cell, rc::Rc};
    ///
    /// greenloop::run(async {
    ///     let seen = Rc::new(Cell::new(0));
    ///     let task = greenloop::spawn(async { 7 });
    ///     task.on_done({
    ///         let seen = Rc::clone(&seen);
    ///         move |output| seen.set(*output.as_ref().unwrap())
    ///     });
    ///     task.await.unwrap();
    ///     assert_eq!(seen.get(), 7);
    /// });
    /// ```
    #[doc(alias = "link")]
    #[doc(alias = "rawlink")]
    #[doc(alias = "add_done_callback")]
    #[doc(alias("remove_done_callback", "link_value", "link_exception", "unlink", "has_links"))]
    #[track_caller]
    pub fn on_done(&self, f: impl FnOnce(&Result<T, JoinError>) + 'static)
    where
        T: 'static,
    {
        let key = self.key;
        assert!(!key.is_spent(), "on_done of a task whose output was taken");
        let linked = event_loop::with_loop(key.loop_id(), |core| {
            if !core.executor.link(key, f) {
                // It has ended: the loop calls it, not we.
                let key = key.untyped();
                event_loop::post(key.loop_id(), move || {
                    event_loop::with_loop(key.loop_id(), |core| core.executor.call_late_links(key));
                });
            }
        });
        assert!(linked.is_some(), "on_done of task {} {}", key.id(), event_loop::NEEDS_LOOP);
    }

    /// Returns a handle that can abort the task, and does not detach it when dropped.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(self.key.untyped())
    }

    /// Whether this thread is running the task's loop.
    pub(super) fn is_here(&self) -> bool {
        event_loop::with_loop(self.key.loop_id(), |_| ()).is_some()
    }

    /// Polls with a full budget, for who watches over the budget of many polls.
    pub(super) fn poll_freshly(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        event_loop::with_fresh_budget(|| Pin::new(&mut *self).poll(cx))
    }

    /// Leaves a waker for the end of the task; `false` if it has ended, or is not on a loop that this
    /// thread is running.
    pub(super) fn listen(&mut self, waker: &Waker) -> bool {
        let key = self.key.untyped();
        let is_alive = |core: &event_loop::Core| !core.executor.is_finished(key);
        // A poll of one that is alive takes no output.
        event_loop::with_loop(key.loop_id(), is_alive) == Some(true)
            && self.poll_freshly(&mut Context::from_waker(waker)).is_pending()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let key = self.key;
        let polled = event_loop::with_loop(key.loop_id(), |core| {
            if core.executor.poll_budget(cx).is_pending() {
                return Some(Poll::Pending);
            }
            let polled = core.executor.poll_join(key, cx);
            if matches!(polled, Some(Poll::Ready(_))) {
                core.executor.spend_budget();
            }
            if polled.is_none() && core.executor.is_closing() {
                return Some(Poll::Ready(Err(JoinError::cancelled(key.id(), None))));
            }
            polled
        });
        match polled {
            Some(Some(Poll::Ready(output))) => {
                self.key.spend();
                Poll::Ready(output)
            }
            Some(Some(Poll::Pending)) => Poll::Pending,
            Some(None) => {
                panic!("the JoinHandle of task {} was polled after it was done", key.id())
            }
            None => without_loop(key),
        }
    }
}

/// A handle was polled where its loop is not running.
#[cold]
fn without_loop<T>(key: TaskKey<T>) -> Poll<Result<T, JoinError>> {
    assert!(
        !event_loop::is_alive(key.loop_id()),
        "the JoinHandle of task {} was polled outside of its event loop: await it in a task of \
         that loop, or spawn through greenloop::Handle for a handle that works anywhere",
        key.id(),
    );
    Poll::Ready(Err(JoinError::cancelled(key.id(), None)))
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if !self.key.is_spent() {
            self.detach();
        }
    }
}

impl<T> JoinHandle<T> {
    /// Says that nobody will ask for the output.
    #[inline(never)]
    fn detach(&self) {
        let key = self.key.untyped();
        let aborts = ABORTING.get().is_some_and(|(address, size)| {
            ptr::eq(address, ptr::from_ref(self).cast()) && size == size_of::<Self>()
        });
        event_loop::run_or_post(key.loop_id(), move |core| {
            if aborts {
                core.executor.abort(key);
            }
            core.executor.detach(key);
        });
    }
}

std::thread_local! {
    /// Address and size of a future that is being dropped in order to cancel it.
    static ABORTING: Cell<Option<(*const (), usize)>> = const { Cell::new(None) };
}

/// Drops a future, and if it is a `JoinHandle` itself (not something that holds one), aborts its
/// task. So `try_join_all`, which takes both, cancels both.
pub(super) fn drop_aborting<F>(future: Pin<Box<F>>) {
    /// Restores what was there before, also after a destructor's panic.
    struct Restore(Option<(*const (), usize)>);

    impl Drop for Restore {
        fn drop(&mut self) {
            ABORTING.set(self.0);
        }
    }

    let address = ptr::from_ref(&*future).cast();
    let _restore = Restore(ABORTING.replace(Some((address, size_of::<F>()))));
    drop(future);
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).finish()
    }
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<JoinHandle<*const ()>>();
};
