#![allow(unsafe_code, reason = "hands the context of a poll to the stack that it resumes")]
//! A green thread: a future whose poll resumes a coroutine.
//!
//! The loop knows nothing of it: it polls a task. The poll hands its `Context` to the coroutine and
//! switches to its stack; there `wait.rs` polls futures with it, and switches back when one is
//! pending. What `wait` needs is in a [`Record`] on the coroutine's own stack, and a thread-local
//! points to the record of the green thread that is running.
//!
//! Invariant: the thread-local is the innermost running green thread's record, and null while none
//! runs; the record's `context` is valid exactly while its green thread runs.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    ptr,
    rc::Rc,
    task::{Context, Poll},
};

use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::stacks::{Pool, Reservation, Stack};
use crate::{
    event_loop,
    executor::{Payload, StackEnd},
};

/// A pointer to the `Context` of the poll that resumes the coroutine, its lifetime erased.
type Input = *mut ();
/// Where a stack is used last before it is left.
type Place = *const u8;
type Inner<T> = Coroutine<Input, Place, Result<T, Payload>, Stack>;

/// What the code on a green thread's stack knows of it.
pub(super) struct Record {
    yielder: *const Yielder<Input, Place>,
    /// Null while it is lent to a future that `wait` polls.
    context: Cell<Input>,
    /// Where the innermost of those calls is that point to this record: a `wait` that polls, a
    /// limit, a `scope`. A `Coroutine` that began one must end it before it yields.
    innermost_extent: Cell<usize>,
    /// How often the wish that it ends has been raised.
    pub(super) raised: Cell<u32>,
    /// The innermost limit around the running code.
    pub(super) innermost_limit: Cell<*const super::limit::Frame<'static>>,
}

thread_local! {
    static CURRENT: Cell<*const Record> = const { Cell::new(ptr::null()) };
}

impl Record {
    fn new(yielder: *const Yielder<Input, Place>, context: Input) -> Self {
        Self {
            yielder,
            context: Cell::new(context),
            innermost_extent: Cell::new(0),
            raised: Cell::new(0),
            innermost_limit: Cell::new(ptr::null()),
        }
    }

    /// Calls `f` with the record of the running green thread.
    pub(super) fn with<R>(f: impl FnOnce(&Self) -> R) -> Option<R> {
        let record = CURRENT.get();
        // SAFETY: the record is on the stack of the green thread that is running this.
        (!record.is_null()).then(|| f(unsafe { &*record }))
    }

    /// The address of the innermost `wait` that polls, limit or `scope` of the running green
    /// thread; zero if there is none.
    #[inline]
    pub(super) fn innermost_extent_here() -> usize {
        let record = CURRENT.get();
        if record.is_null() {
            return 0;
        }
        // SAFETY: the record is on the stack of the green thread that is running this.
        unsafe { &*record }.innermost_extent.get()
    }

    /// Notes that a `wait` that polls, a limit or a `scope` begins, which has `place` on the
    /// stack that runs it. Gives what `end_extent` takes.
    pub(super) fn begin_extent<T>(&self, place: &T) -> usize {
        self.innermost_extent.replace(ptr::from_ref(place).addr())
    }

    /// Notes that what began last has ended.
    pub(super) fn end_extent(&self, outer: usize) {
        self.innermost_extent.set(outer);
    }

    /// Whether a future is being polled by `wait`.
    pub(super) fn is_polling(&self) -> bool {
        self.context.get().is_null()
    }

    /// Calls `f` with the context of the poll that this green thread is running in.
    pub(super) fn with_context<R>(&self, f: impl FnOnce(&mut Context<'_>) -> R) -> R {
        let context = self.context.replace(ptr::null_mut()).cast::<Context<'_>>();
        assert!(!context.is_null(), "`wait` keeps one poll from running inside another");
        let restore = Restore(self, context.cast());
        // SAFETY: `poll` stored this pointer from its own `&mut Context` and cannot return before
        // this stack yields, so the context is alive; it was taken out, so nobody shares it.
        let result = f(unsafe { &mut *context });
        drop(restore);
        result
    }

    /// Wakes the task that this green thread is.
    #[inline]
    pub(super) fn wake(&self) {
        let context = self.context.get().cast::<Context<'_>>();
        // SAFETY: null, or alive as in `with_context`; nobody has it exclusively, since it is here.
        let context = unsafe { context.as_ref() };
        context.expect("not while a future is polled").waker().wake_by_ref();
    }

    /// Lets the loop go on, until this green thread is polled again.
    pub(super) fn suspend(&self) {
        // SAFETY: the yielder is on this stack, below everything that runs on it.
        let yielder = unsafe { &*self.yielder };
        let here = 0;
        let context = yielder.suspend(&raw const here);
        self.context.set(context);
    }
}

/// Puts the context back, also when a poll panics.
struct Restore<'a>(&'a Record, Input);

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.0.context.set(self.1);
    }
}

/// The future of a green thread.
#[repr(C)]
pub(super) struct GreenThread<F, T> {
    /// First, for `ask_current` to find it at the beginning of the task.
    stack_end: StackEnd,
    state: State<F, T>,
}

enum State<F, T> {
    Unstarted(F, Reservation),
    Running { coroutine: Inner<T>, record: *const Record, pool: Rc<Pool> },
    Done,
}

// The coroutine's stack does not move with the future.
impl<F, T> Unpin for GreenThread<F, T> {}

impl<F, T> GreenThread<F, T> {
    pub(super) fn new(f: F, stack: Reservation) -> Self {
        Self { stack_end: StackEnd::unknown(), state: State::Unstarted(f, stack) }
    }
}

impl<F, T> Future for GreenThread<F, T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if matches!(self.state, State::Unstarted(..)) {
            if let State::Unstarted(f, reservation) =
                std::mem::replace(&mut self.state, State::Done)
            {
                let (coroutine, pool) = start(f, reservation, &self.stack_end);
                self.state = State::Running { coroutine, record: ptr::null(), pool };
            }
        }
        let this = &mut *self;
        let State::Running { coroutine, record, .. } = &mut this.state else {
            panic!("a green thread was polled after its end");
        };
        let outer = CURRENT.replace(*record);
        let resumed = coroutine.resume(ptr::from_mut(cx).cast());
        *record = CURRENT.replace(outer);
        let result = match resumed {
            CoroutineResult::Return(result) => result,
            CoroutineResult::Yield(place) => {
                this.stack_end.note(place);
                return Poll::Pending;
            }
        };
        if let State::Running { coroutine, pool, .. } =
            std::mem::replace(&mut self.state, State::Done)
        {
            // SAFETY: the coroutine has returned, so nothing on its stack is alive.
            unsafe { pool.put(coroutine.into_stack()) };
        }
        match result {
            Ok(value) => Poll::Ready(value),
            Err(payload) => resume_unwind(payload),
        }
    }
}

/// Makes the coroutine of a green thread that runs for the first time.
fn start<F, T>(f: F, reservation: Reservation, end: &StackEnd) -> (Inner<T>, Rc<Pool>)
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    // From here on an abort must not drop the future: the stack has to unwind.
    // SAFETY: a green thread begins with its mark. The futures of this crate that await one, and so may begin
    // with it, are never pending after it has ended.
    event_loop::with(|core| unsafe { core.executor.ask_current(end) });
    let (stack, pool) = reservation.take();
    let coroutine = if size_of::<F>() > MOST_ON_STACK {
        coroutine(stack, Box::new(f))
    } else {
        coroutine(stack, f)
    };
    (coroutine, pool)
}

/// How large a function may be that is handed to a coroutine on its stack. corosensei takes 1024
/// bytes, with what is added to it here.
pub(super) const MOST_ON_STACK: usize = 512;

fn coroutine<F, T>(stack: Stack, f: F) -> Inner<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    Inner::with_stack(stack, move |yielder, context| {
        let record = Record::new(yielder, context);
        CURRENT.set(&record);
        catch_unwind(AssertUnwindSafe(f))
    })
}

impl<F, T> Drop for GreenThread<F, T> {
    /// A green thread that did not come to its end is leaked with its stack: whatever is on it may
    /// be referred to from elsewhere. The executor gives it every chance to unwind before.
    fn drop(&mut self) {
        if let State::Running { coroutine, .. } = std::mem::replace(&mut self.state, State::Done) {
            std::mem::forget(coroutine);
        }
    }
}
