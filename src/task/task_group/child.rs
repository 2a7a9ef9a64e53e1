//! The handle of a group's task.

use std::{
    cell::Cell,
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use crate::{
    executor::{Id, wake},
    task::AbortHandle,
};

/// Waits for a task of a [`TaskGroup`](super::TaskGroup), and gives its value.
///
/// A future of `Result<T, ChildError>`. What went wrong with the task, if something did, the group's scope
/// tells. Dropping the handle does nothing to the task.
///
/// # Panics
///
/// When polled after it gave its output.
///
/// # Cancel safety
///
/// It may be polled by reference and given up at any time: the value stays where it is.
pub struct Child<T> {
    slot: Rc<Slot<T>>,
    id: Id,
    /// `None` if it was never spawned.
    task: Option<AbortHandle>,
}

impl<T> Child<T> {
    pub(super) fn new(slot: Rc<Slot<T>>, id: Id, task: Option<AbortHandle>) -> Self {
        Self { slot, id, task }
    }

    /// Returns the id of the task.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// Ends the task, as [`JoinHandle::abort`](crate::task::JoinHandle::abort) does. For its group that
    /// is no failure.
    #[doc(alias = "cancel")]
    #[doc(alias = "kill")]
    pub fn abort(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }

    /// Returns a handle that can abort the task; `None` if it was never spawned, since the group was
    /// ending.
    #[must_use]
    pub fn abort_handle(&self) -> Option<AbortHandle> {
        self.task
    }

    /// Returns whether the task has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_none_or(|task| task.is_finished())
    }
}

impl<T> Future for Child<T> {
    type Output = Result<T, ChildError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.slot.poll(cx);
        polled.map(|value| value.map_err(|cause| ChildError { id: self.id, cause }))
    }
}

impl<T> fmt::Debug for Child<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("id", &self.id).finish()
    }
}

/// A task of a group has no value.
///
/// Why, is found in the error of the group.
#[derive(Clone, Debug)]
pub struct ChildError {
    id: Id,
    cause: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Cancelled,
    Failed,
}

impl ChildError {
    /// Returns the id of the task.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// Returns whether the task was aborted, by itself or with its group, or never spawned since the
    /// group was ending. Otherwise it failed.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cause == Cause::Cancelled
    }
}

impl fmt::Display for ChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.cause {
            Cause::Cancelled => "was cancelled",
            Cause::Failed => "failed, as the error of its group says",
        };
        write!(f, "task {} {what}", self.id)
    }
}

impl std::error::Error for ChildError {}

impl From<ChildError> for std::io::Error {
    fn from(error: ChildError) -> Self {
        let kind = match error.cause {
            Cause::Cancelled => std::io::ErrorKind::Interrupted,
            Cause::Failed => std::io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Where a task leaves its value for its handle.
pub(crate) struct Slot<T> {
    state: Cell<State<T>>,
    waiter: Cell<Option<Waker>>,
}

enum State<T> {
    Empty,
    Full(Result<T, Cause>),
    Taken,
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self { state: Cell::new(State::Empty), waiter: Cell::new(None) })
    }

    /// The task's end of it.
    pub(crate) fn end(this: &Rc<Self>) -> SlotEnd<T> {
        SlotEnd { slot: Some(Rc::clone(this)) }
    }

    /// Says that there will be no value, since there is no task.
    pub(super) fn refuse(&self) {
        self.fill(Err(Cause::Cancelled));
    }

    fn fill(&self, value: Result<T, Cause>) {
        let before = self.state.replace(State::Full(value));
        if !matches!(before, State::Empty) {
            // What came first counts: the task has said that it is ready, say.
            drop(self.state.replace(before));
            return;
        }
        if let Some(waiter) = self.waiter.take() {
            wake(waiter);
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Result<T, Cause>> {
        match self.state.replace(State::Taken) {
            State::Full(value) => return Poll::Ready(value),
            State::Empty => self.state.set(State::Empty),
            State::Taken => panic!("the handle of a group's task was polled after it was done"),
        }
        let old = self.waiter.take();
        let same = old.as_ref().is_some_and(|old| old.will_wake(cx.waker()));
        self.waiter.set(old);
        if !same {
            // A stranger's waker may run anything when it is cloned, also the task that fills this.
            let waker = cx.waker().clone();
            if let State::Full(_) = self.look() {
                return self.poll(cx);
            }
            drop(self.waiter.replace(Some(waker)));
        }
        Poll::Pending
    }

    /// The state, as a look that leaves it as it is: the value is not there to be used.
    fn look(&self) -> State<()> {
        let state = self.state.replace(State::Taken);
        let seen = match &state {
            State::Empty => State::Empty,
            State::Full(_) => State::Full(Ok(())),
            State::Taken => State::Taken,
        };
        self.state.set(state);
        seen
    }
}

/// The task's end of a slot. Dropped without a value, it says so.
pub(crate) struct SlotEnd<T> {
    slot: Option<Rc<Slot<T>>>,
}

impl<T> SlotEnd<T> {
    /// Leaves the task's value for the handle, and gives the rest.
    pub(crate) fn give<E>(mut self, result: Result<T, E>) -> Result<(), E> {
        let (value, rest) = match result {
            Ok(value) => (Ok(value), Ok(())),
            Err(error) => (Err(Cause::Failed), Err(error)),
        };
        if let Some(slot) = self.slot.take() {
            slot.fill(value);
        }
        rest
    }
}

impl<T> SlotEnd<T> {
    /// Says that the task was aborted, although it unwinds.
    #[cfg(feature = "green")]
    pub(crate) fn cancelled(mut self) {
        if let Some(slot) = self.slot.take() {
            slot.fill(Err(Cause::Cancelled));
        }
    }
}

impl<T> Drop for SlotEnd<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            let panics = std::thread::panicking();
            slot.fill(Err(if panics { Cause::Failed } else { Cause::Cancelled }));
        }
    }
}

/// Tells whoever [started](super::TaskGroup::start) a task that it is ready.
///
/// Dropped without a word, it says that the task has failed.
#[must_use = "who has started the task waits for it"]
pub struct Ready<T> {
    slot: Rc<Slot<T>>,
}

impl<T> Ready<T> {
    pub(crate) fn new(slot: &Rc<Slot<T>>) -> Self {
        Self { slot: Rc::clone(slot) }
    }

    /// Says that the task is ready, and hands over a value.
    #[doc(alias = "started")]
    pub fn send(self, value: T) {
        self.slot.fill(Ok(value));
    }
}

impl<T> Drop for Ready<T> {
    fn drop(&mut self) {
        // Whether its task failed, was ended or forgot about it: nobody will be ready any more.
        self.slot.fill(Err(Cause::Failed));
    }
}

impl<T> fmt::Debug for Ready<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}
