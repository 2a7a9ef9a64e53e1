#![allow(
    unsafe_code,
    reason = "children borrow from the stack of the green thread that waits for them"
)]
//! Green threads that borrow from the one that starts them.

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::poll_fn,
    marker::PhantomData,
    panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind},
    pin::pin,
    rc::Rc,
    task::{Poll, Waker},
    thread,
};

use super::{
    stacks,
    thread::{GreenThread, Record},
    wait::{Interruptible, Wait, reason_to_end, shall_end, unwind, wait_in},
};
use crate::{
    event_loop,
    executor::{SpawnOptions, Unwinding},
    task::{AbortHandle, JoinError, JoinHandle, spawn_with},
};

/// Calls `f` with a scope in which green threads can be spawned that borrow what lives outside of
/// it; all of them have ended when this returns. As [`std::thread::scope`].
///
/// They are waited for also when `f` panics; then the panic goes on. When the green thread that calls
/// this is killed, or the time of a [`timeout`](super::timeout()) around it is over, they are aborted
/// and waited for; then it unwinds.
///
/// # Panics
///
/// With the panic of `f`; when a child panicked whose handle was not waited for; outside of a green
/// thread; in a future that is being polled; and while a panic unwinds the green thread.
///
/// # Examples
///
/// ```
/// use greenloop::green;
///
/// green::run(|| {
///     let words = ["eat", "play"];
///     let mut lengths = [0, 0];
///     green::scope(|scope| {
///         for (word, length) in words.iter().zip(&mut lengths) {
///             scope.spawn(|| *length = word.len());
///         }
///     });
///     assert_eq!(lengths, [3, 4]);
/// });
/// ```
///
/// What lives inside of the closure ends before the children do, so they cannot borrow it:
///
/// ```compile_fail,E0373
/// greenloop::green::scope(|scope| {
///     let word = String::from("eat");
///     scope.spawn(|| word.len());
/// });
/// ```
///
/// ```compile_fail,E0597
/// greenloop::green::scope(|scope| {
///     let word = String::from("eat");
///     let word = &word;
///     scope.spawn(move || word.len());
/// });
/// ```
///
/// Nor does a handle, or what a child borrows, get out of it:
///
/// ```compile_fail
/// let handle = greenloop::green::scope(|scope| scope.spawn(|| 7));
/// ```
///
/// ```compile_fail,E0505
/// let word = String::from("eat");
/// greenloop::green::scope(|scope| {
///     scope.spawn(|| word.len());
///     drop(word);
/// });
/// ```
#[track_caller]
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let polling = Record::with(Record::is_polling);
    assert!(polling.is_some(), "greenloop::green::scope works in green threads only");
    assert!(polling == Some(false), "green::scope would have to wait in a future that is polled");
    assert!(!thread::panicking(), "green::scope would have to wait while a panic unwinds");
    let scope = Scope {
        shared: Rc::new(Shared::default()),
        children: RefCell::new(Vec::new()),
        scope: PhantomData,
        env: PhantomData,
    };
    // From here to the end of the wait no coroutine can carry this stack off to elsewhere.
    let outer_extent = Record::with(|record| record.begin_extent(&scope));
    let result = catch_unwind(AssertUnwindSafe(|| f(&scope)));
    let cut_short = scope.wait_for_children();
    Record::with(|record| record.end_extent(outer_extent.unwrap_or_default()));
    let result = match result {
        // The children were not let finish, so the caller must not go on as if they had.
        Ok(value) if cut_short => match Record::with(reason_to_end).flatten() {
            Some(reason) => unwind(reason),
            None => Ok(value),
        },
        result => result,
    };
    match result {
        Err(payload) => resume_unwind(payload),
        Ok(_) if scope.shared.panicked.get() => panic!("a scoped green thread panicked"),
        Ok(value) => value,
    }
}

/// What [`scope`] gives to its closure.
pub struct Scope<'scope, 'env: 'scope> {
    shared: Rc<Shared>,
    children: RefCell<Vec<AbortHandle>>,
    // Both invariant, as in std: neither lifetime may be shortened or stretched.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

/// What the scope and its children share.
#[derive(Default)]
struct Shared {
    running: Cell<usize>,
    /// A child panicked whose handle was not waited for.
    panicked: Cell<bool>,
    parent: RefCell<Option<Waker>>,
    /// The children are being aborted, so there must be no others.
    ending: Cell<bool>,
}

impl<'scope> Scope<'scope, '_> {
    /// Spawns a green thread that may borrow what lives outside of the scope, and the scope itself.
    ///
    /// # Panics
    ///
    /// When there is no memory for a stack.
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + 'scope,
        T: 'scope,
    {
        let location = Location::caller();
        let stack = match stacks::pool().reserve(stacks::DEFAULT_SIZE) {
            Ok(stack) => stack,
            Err(error) => panic!("there is no stack for a green thread: {error}"),
        };
        let shared = &self.shared;
        shared.running.set(shared.running.get() + 1);
        let packet = Rc::new(Packet { output: RefCell::new(None), shared: Rc::clone(shared) });
        let child = Child { f, packet: Rc::clone(&packet), _claim: Claim(Rc::clone(shared)) };
        let run: Box<dyn FnOnce() + 'scope> = Box::new(move || child.run());
        // SAFETY: all that `run` captures is gone when its `Claim` is dropped, which counts down
        // `running`, and `scope` does not return before that is zero. It waits on its own stack,
        // where nothing can make it return or unwind earlier; and a green thread that is never
        // resumed again keeps its stack for ever, and with it what is borrowed here.
        let run: Box<dyn FnOnce() + 'static> = unsafe { std::mem::transmute(run) };
        let options = SpawnOptions { id: None, name: None, location };
        let task = spawn_with(GreenThread::new(run, stack), options);
        if shared.ending.get() {
            task.abort();
        } else {
            self.keep(task.abort_handle());
        }
        ScopedJoinHandle { task, packet, scope: PhantomData }
    }

    /// Keeps the means to abort a child, and no longer those of children that have ended.
    fn keep(&self, child: AbortHandle) {
        let mut children = self.children.borrow_mut();
        if children.len() == children.capacity() {
            children.retain(|child| !child.is_finished());
            if children.len() > children.capacity() / 2 {
                let more = children.capacity();
                children.reserve(more);
            }
        }
        children.push(child);
    }

    /// Aborts all children, and those to come.
    fn abort_children(&self) {
        self.shared.ending.set(true);
        let children = std::mem::take(&mut *self.children.borrow_mut());
        for child in children {
            child.abort();
        }
    }

    /// Waits whatever happens: a wish to end is passed on to the children. Returns whether it was.
    fn wait_for_children(&self) -> bool {
        let mut passed_on = false;
        let all_ended = poll_fn(|cx| {
            if self.shared.running.get() == 0 {
                return Poll::Ready(());
            }
            let old = self.shared.parent.replace(Some(cx.waker().clone()));
            drop(old);
            if shall_end() && !passed_on {
                passed_on = true;
                self.abort_children();
                if self.shared.running.get() == 0 {
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        });
        let mut all_ended = pin!(all_ended);
        Record::with(|record| wait_in(record, all_ended.as_mut(), Interruptible::No));
        passed_on
    }
}

/// A child that has not started. The fields are dropped in this order: the claim goes last.
struct Child<F, T> {
    f: F,
    packet: Rc<Packet<T>>,
    _claim: Claim,
}

impl<F: FnOnce() -> T, T> Child<F, T> {
    fn run(self) {
        // The other way round: the claim, bound first, is dropped last, also by a panic.
        let _claim = self._claim;
        let packet = self.packet;
        match catch_unwind(AssertUnwindSafe(self.f)) {
            Err(payload) if payload.is::<Unwinding>() => resume_unwind(payload),
            result => {
                if result.is_err() {
                    // The loop does not see it.
                    event_loop::with(|core| core.executor.count_panic());
                }
                *packet.output.borrow_mut() = Some(result);
            }
        }
    }
}

/// A child's claim on what it borrows.
struct Claim(Rc<Shared>);

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get() - 1);
        if self.0.running.get() == 0 {
            let parent = self.0.parent.take();
            if let Some(parent) = parent {
                parent.wake();
            }
        }
    }
}

/// Carries a child's output to its handle.
struct Packet<T> {
    output: RefCell<Option<std::thread::Result<T>>>,
    shared: Rc<Shared>,
}

impl<T> Drop for Packet<T> {
    fn drop(&mut self) {
        if matches!(self.output.get_mut(), Some(Err(_))) {
            // Nobody waited for it: the scope must not hide the panic.
            self.shared.panicked.set(true);
        }
    }
}

/// Waits for a green thread of a [`Scope`].
pub struct ScopedJoinHandle<'scope, T> {
    task: JoinHandle<()>,
    packet: Rc<Packet<T>>,
    scope: PhantomData<&'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits until the green thread has ended, and gives its output.
    ///
    /// # Errors
    ///
    /// What it panicked with, or that it was aborted.
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[track_caller]
    pub fn join(self) -> Result<T, JoinError> {
        let id = self.task.id();
        self.task.wait()?;
        match self.packet.output.take() {
            Some(Ok(value)) => Ok(value),
            Some(Err(payload)) => Err(JoinError::panicked(id, None, payload)),
            None => Err(JoinError::cancelled(id, None)),
        }
    }

    /// Asks the green thread to end, as [`JoinHandle::abort`] does.
    #[doc(alias = "kill")]
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Returns whether the green thread has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("running", &self.shared.running.get()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle").field("task", &self.task).finish_non_exhaustive()
    }
}
