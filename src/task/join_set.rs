//! Tasks that are waited for as they end.

use std::{
    fmt,
    future::poll_fn,
    panic::resume_unwind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use slab::Slab;

use super::{AbortHandle, Builder, Id, JoinError, JoinHandle, spawn, spawn_blocking};
use crate::{
    event_loop,
    wake_set::{Listener, Member, WakeQueue},
};

/// Tasks of one output, which are waited for in the order in which they end.
///
/// Dropping the set aborts what is left in it; [`detach_all`](Self::detach_all) lets it run on. Each
/// task costs the same, however many there are. The set is a stream of the outputs, too, which
/// ends when the set is empty.
///
/// It takes tasks of every kind: green threads by `spawn_green`, and whatever has a [`JoinHandle`] by
/// [`insert`](Self::insert).
///
/// # Examples
///
/// ```
/// use greenloop::task::JoinSet;
///
/// greenloop::run(async {
///     let mut set = JoinSet::new();
///     for n in 0..10 {
///         set.spawn(async move { n * n });
///     }
///     let mut sum = 0;
///     while let Some(square) = set.join_next().await {
///         sum += square.unwrap();
///     }
///     assert_eq!(sum, 285);
/// });
/// ```
pub struct JoinSet<T> {
    entries: Slab<Entry<T>>,
    wakes: WakeQueue,
}

struct Entry<T> {
    handle: JoinHandle<T>,
    member: Arc<Member>,
}

impl<T> JoinSet<T> {
    /// Makes a set without tasks.
    #[must_use]
    pub fn new() -> Self {
        Self { entries: Slab::new(), wakes: WakeQueue::new() }
    }

    /// Returns how many tasks are in the set: those whose outputs were not taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether the set has no tasks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes over a task that was spawned elsewhere, of whatever kind.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::task::{self, JoinSet};
    ///
    /// greenloop::run(async {
    ///     let mut set = JoinSet::new();
    ///     set.insert(task::Builder::new().name("seven").spawn(async { 7 }));
    ///     assert_eq!(set.join_next().await.unwrap().unwrap(), 7);
    /// });
    /// ```
    #[doc(alias = "add")]
    pub fn insert(&mut self, mut handle: JoinHandle<T>) -> AbortHandle {
        let abort = handle.abort_handle();
        let vacant = self.entries.vacant_entry();
        let member = self.wakes.member(vacant.key());
        // From its end on it stands in the queue, so outputs come in the order of the ends. What has
        // ended already, or cannot be asked here, is looked at by the next `join_next`.
        let waker = member.waker();
        if !handle.listen(&waker) {
            waker.wake();
        }
        vacant.insert(Entry { handle, member });
        abort
    }

    /// Waits until a task has ended, takes it out, and gives its output; `None` if the set is empty.
    ///
    /// # Errors
    ///
    /// The inner result is the task's: it was aborted, or it panicked.
    ///
    /// # Panics
    ///
    /// When polled by anything but the tasks of the loop that the set's tasks are on.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes no output.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// As [`join_next`](Self::join_next), with the id of the task.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes no output.
    pub async fn join_next_with_id(&mut self) -> Option<(Id, Result<T, JoinError>)> {
        poll_fn(|cx| self.poll_join_next_with_id(cx)).await
    }

    /// Takes the output of a task that has ended; `None` if there is none.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.try_join_next_with_id().map(|(_, output)| output)
    }

    /// As [`try_join_next`](Self::try_join_next), with the id of the task.
    pub fn try_join_next_with_id(&mut self) -> Option<(Id, Result<T, JoinError>)> {
        (0..self.wakes.woken()).find_map(|_| self.take_woken())
    }

    /// Polls for a task that has ended, as [`join_next`](Self::join_next) waits for one.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        self.poll_join_next_with_id(cx).map(|next| next.map(|(_, output)| output))
    }

    /// Polls for a task that has ended, as [`join_next_with_id`](Self::join_next_with_id) waits.
    pub fn poll_join_next_with_id(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(Id, Result<T, JoinError>)>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        let has_budget = |core: &event_loop::Core| core.executor.poll_budget(cx);
        if event_loop::with(has_budget).is_some_and(|polled| polled.is_pending()) {
            return Poll::Pending;
        }
        if let Some(next) = self.try_join_next_with_id().or_else(|| self.take_orphan()) {
            event_loop::with(|core| core.executor.spend_budget());
            return Poll::Ready(Some(next));
        }
        self.wakes.listen(cx.waker());
        Poll::Pending
    }

    /// Takes the task that was woken first, if it has ended.
    fn take_woken(&mut self) -> Option<(Id, Result<T, JoinError>)> {
        let woken = self.wakes.pop()?;
        // Another task may stand at the place of one that was taken out by other means.
        let entry = self.entries.get_mut(woken.index).filter(|e| e.member.begins(woken))?;
        let waker = entry.member.waker();
        let Poll::Ready(output) = entry.handle.poll_freshly(&mut Context::from_waker(&waker))
        else {
            return None;
        };
        let id = entry.handle.id();
        self.entries.remove(woken.index);
        Some((id, output))
    }

    /// Takes a task whose loop this thread is not running: either that has ended, and perhaps told
    /// nobody, or the caller is where it should not be, as the panic of the handle says.
    fn take_orphan(&mut self) -> Option<(Id, Result<T, JoinError>)> {
        let (index, entry) = self.entries.iter_mut().next().filter(|(_, e)| !e.handle.is_here())?;
        let Poll::Ready(output) =
            entry.handle.poll_freshly(&mut Context::from_waker(Waker::noop()))
        else {
            return None;
        };
        let id = entry.handle.id();
        self.entries.remove(index);
        Some((id, output))
    }

    /// Aborts all tasks of the set. They stay in it until their outputs are taken, which
    /// say that they were aborted, unless they had ended before.
    pub fn abort_all(&mut self) {
        for (_, entry) in &self.entries {
            entry.handle.abort();
        }
    }

    /// Takes all tasks out and lets them run on, as if their handles were dropped.
    pub fn detach_all(&mut self) {
        self.entries.drain().for_each(drop);
    }

    /// Aborts all tasks and waits until their destructors have run; the set is empty then.
    ///
    /// Outputs are dropped; panics are reported as those of tasks that nobody waits for.
    ///
    /// # Cancel safety
    ///
    /// The tasks have been aborted by the first poll. Those whose end was not waited for are still in
    /// the set.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        poll_fn(|cx| {
            // The loop drops the outputs of handles that are dropped, and reports panics.
            while self.take_ended().is_some() {}
            if self.is_empty() {
                return Poll::Ready(());
            }
            self.wakes.listen(cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// Takes out a task that has ended, with its output. No foreign code runs.
    pub(super) fn take_ended(&mut self) -> Option<JoinHandle<T>> {
        (0..self.wakes.woken()).find_map(|_| {
            let woken = self.wakes.pop()?;
            // Another task may stand at the place of one that was taken out by other means.
            let entry = self.entries.get_mut(woken.index).filter(|e| e.member.begins(woken))?;
            let has_ended = !entry.handle.listen(&entry.member.waker());
            has_ended.then(|| self.entries.remove(woken.index).handle)
        })
    }

    /// What hears of the ends of tasks.
    pub(super) fn listener(&self) -> Listener {
        self.wakes.listener()
    }

    /// The means to abort the tasks one by one.
    pub(super) fn abort_handles(&self) -> Vec<AbortHandle> {
        self.entries.iter().map(|(_, entry)| entry.handle.abort_handle()).collect()
    }

    /// Waits for all tasks, and gives their outputs in the order in which they ended.
    ///
    /// # Panics
    ///
    /// When a task panicked, with its panic, and when one was aborted; the others are aborted then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the set, and so aborts its tasks.
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(output) = self.join_next().await {
            match output.map_err(JoinError::try_into_panic) {
                Ok(output) => outputs.push(output),
                Err(Ok(payload)) => resume_unwind(payload),
                Err(Err(error)) => panic!("{error}, whose output JoinSet::join_all waits for"),
            }
        }
        outputs
    }
}

impl<T: 'static> JoinSet<T> {
    /// Spawns a task into the set; see [`spawn`](super::spawn()).
    ///
    /// # Panics
    ///
    /// Outside of a loop.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(spawn(future))
    }

    /// Spawns a task with a name into the set; see [`Builder`].
    ///
    /// # Panics
    ///
    /// Outside of a loop.
    #[doc(alias = "build_task")]
    #[track_caller]
    pub fn spawn_named<F>(&mut self, name: impl Into<Arc<str>>, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(Builder::new().name(name).spawn(future))
    }

    /// Runs a closure that blocks on a thread, as a task of the set; see
    /// [`spawn_blocking`](super::spawn_blocking()).
    ///
    /// # Panics
    ///
    /// Outside of a loop.
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, closure: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.insert(spawn_blocking(closure))
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T> Stream for JoinSet<T> {
    type Item = Result<T, JoinError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_join_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), None)
    }
}

impl<F> Extend<F> for JoinSet<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    /// Spawns all of the futures.
    #[track_caller]
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        for future in futures {
            self.spawn(future);
        }
    }
}

impl<F> FromIterator<F> for JoinSet<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    /// Spawns all of the futures.
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        set.extend(futures);
        set
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("tasks", &self.len()).finish()
    }
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync + Unpin>() {}
    is_send_and_sync::<JoinSet<*const ()>>();
};
