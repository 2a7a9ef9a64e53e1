#![allow(unsafe_code, reason = "gives a stack back when nothing on it is alive")]
//! The bare switch: a function that can stop in the middle and go on later, without any loop.

use std::{
    cell::Cell,
    fmt,
    mem::ManuallyDrop,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    rc::Rc,
    thread,
};

use corosensei::CoroutineResult;

use super::{
    stacks::{DEFAULT_SIZE, Pool, Stack, pool},
    thread::{MOST_ON_STACK, Record},
};

/// A function on a stack of its own that hands out values in the middle and takes others in: a
/// generator, or greenlet's `switch` in its asymmetric form.
///
/// The function gets a [`Yielder`] and the first value. [`resume`](Self::resume) runs it until it
/// [yields](Yielder::yield_value) or returns. It needs no loop, and does not know of one.
///
/// Dropping one that is suspended unwinds its stack, so that its destructors run; if the function
/// catches that and yields again, it is unwound again.
///
/// # Examples
///
/// ```
/// use greenloop::green::{Coroutine, Resumed};
///
/// let mut adder = Coroutine::new(|yielder, mut number: u32| {
///     let mut sum = 0;
///     while number != 0 {
///         sum += number;
///         number = yielder.yield_value(sum);
///     }
///     "done"
/// });
/// assert_eq!(adder.resume(2), Resumed::Yielded(2));
/// assert_eq!(adder.resume(3), Resumed::Yielded(5));
/// assert_eq!(adder.resume(0), Resumed::Returned("done"));
/// assert!(adder.is_done());
/// ```
///
/// It stays on its thread, since what is on its stack may have to:
///
/// ```compile_fail,E0277
/// let coroutine = greenloop::green::Coroutine::new(|_: greenloop::green::Yielder<(), ()>, ()| ());
/// std::thread::spawn(move || drop(coroutine));
/// ```
///
/// Nor does what it yields through get out of it:
///
/// ```compile_fail
/// use greenloop::green::{Coroutine, Yielder};
///
/// let mut kept = None;
/// let mut coroutine = Coroutine::new(|yielder: Yielder<'_, (), ()>, ()| yielder);
/// kept = Some(coroutine.resume(()));
/// ```
#[doc(alias = "greenlet")]
#[doc(alias = "generator")]
pub struct Coroutine<In: 'static, Yield: 'static, Out: 'static> {
    /// Taken out by the drop only.
    inner: ManuallyDrop<corosensei::Coroutine<In, Yield, Out, Stack>>,
    pool: Rc<Pool>,
}

/// What a [`Coroutine`] yields through.
pub struct Yielder<'a, In, Yield> {
    inner: &'a corosensei::Yielder<In, Yield>,
    /// The lowest address of the coroutine's stack.
    stack_start: usize,
    /// In bytes.
    stack_size: usize,
    /// The thread was panicking when the function was resumed last, so a panic need not be its own.
    resumed_panicking: Cell<bool>,
}

/// What [`Coroutine::resume`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed<Yield, Out> {
    /// The function has stopped in the middle.
    Yielded(Yield),
    /// The function has returned.
    Returned(Out),
}

impl<In: 'static, Yield: 'static, Out: 'static> Coroutine<In, Yield, Out> {
    /// Makes a coroutine, which does not run yet, with a stack of 240 KiB.
    ///
    /// # Panics
    ///
    /// When there is no memory for a stack.
    #[must_use]
    pub fn new<F>(f: F) -> Self
    where
        F: FnOnce(Yielder<'_, In, Yield>, In) -> Out + 'static,
    {
        Self::with_stack_size(DEFAULT_SIZE, f)
    }

    /// Makes a coroutine whose stack holds at least so many bytes.
    ///
    /// # Panics
    ///
    /// When there is no memory for a stack.
    #[must_use]
    pub fn with_stack_size<F>(bytes: usize, f: F) -> Self
    where
        F: FnOnce(Yielder<'_, In, Yield>, In) -> Out + 'static,
    {
        let (stack, pool) = match pool().reserve(bytes) {
            Ok(reservation) => reservation.take(),
            Err(error) => panic!("there is no stack for a coroutine: {error}"),
        };
        let inner = if size_of::<F>() > MOST_ON_STACK {
            let f = Box::new(f);
            Self::inner(stack, move |yielder: Yielder<'_, In, Yield>, first| f(yielder, first))
        } else {
            Self::inner(stack, f)
        };
        Self { inner: ManuallyDrop::new(inner), pool }
    }

    fn inner<F>(stack: Stack, f: F) -> corosensei::Coroutine<In, Yield, Out, Stack>
    where
        F: FnOnce(Yielder<'_, In, Yield>, In) -> Out + 'static,
    {
        let Range { start: stack_start, end } = stack.addresses();
        corosensei::Coroutine::with_stack(stack, move |yielder, first| {
            let resumed_panicking = Cell::new(thread::panicking());
            let stack_size = end - stack_start;
            f(Yielder { inner: yielder, stack_start, stack_size, resumed_panicking }, first)
        })
    }

    /// Runs the function until it yields or returns. The first value is its argument, later ones
    /// are what its `yield_value` gives.
    ///
    /// # Panics
    ///
    /// When the function panics, with its panic; when it has returned or panicked before; and when
    /// it resumes itself.
    #[doc(alias = "switch")]
    #[doc(alias = "send")]
    #[track_caller]
    pub fn resume(&mut self, value: In) -> Resumed<Yield, Out> {
        assert!(!self.is_done(), "a coroutine was resumed after its end");
        match self.inner.resume(value) {
            CoroutineResult::Yield(value) => Resumed::Yielded(value),
            CoroutineResult::Return(value) => Resumed::Returned(value),
        }
    }

    /// Returns whether the function has returned or panicked.
    #[must_use]
    #[doc(alias = "dead")]
    pub fn is_done(&self) -> bool {
        self.inner.done()
    }
}

impl<Yield: 'static> Coroutine<(), Yield, ()> {
    /// Gives the values that the function yields, one after the other.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::green::Coroutine;
    ///
    /// let squares = Coroutine::new(|yielder, ()| {
    ///     for n in 1.. {
    ///         yielder.yield_value(n * n);
    ///     }
    /// });
    /// let first: Vec<u32> = squares.values().take(3).collect();
    /// assert_eq!(first, [1, 4, 9]);
    /// ```
    pub fn values(self) -> Values<Yield> {
        Values(self)
    }
}

/// The iterator of [`Coroutine::values`].
pub struct Values<Yield: 'static>(Coroutine<(), Yield, ()>);

impl<Yield: 'static> Iterator for Values<Yield> {
    type Item = Yield;

    fn next(&mut self) -> Option<Yield> {
        if self.0.is_done() {
            return None;
        }
        match self.0.resume(()) {
            Resumed::Yielded(value) => Some(value),
            Resumed::Returned(()) => None,
        }
    }
}

impl<In, Yield, Out> Drop for Coroutine<In, Yield, Out> {
    fn drop(&mut self) {
        // SAFETY: taken once, here.
        let mut inner = unsafe { ManuallyDrop::take(&mut self.inner) };
        if cfg!(panic = "abort") && inner.started() && !inner.done() {
            // It cannot unwind, and its stack must not be used again.
            std::mem::forget(inner);
            return;
        }
        // A destructor's panic on that stack was told by the panic hook; this is a destructor too.
        let unwound = catch_unwind(AssertUnwindSafe(|| inner.force_unwind()));
        if unwound.is_err() && !inner.done() {
            // The panic came from what a function that never ran had captured; that is gone.
            // SAFETY: so nothing on the stack is alive.
            unsafe { inner.force_reset() };
        }
        // SAFETY: it was not started, or has returned, or is unwound.
        unsafe { self.pool.put(inner.into_stack()) };
    }
}

impl<In, Yield> Yielder<'_, In, Yield> {
    /// Stops the function, hands `value` to whoever resumed it, and gives the value that it is
    /// resumed with.
    ///
    /// # Panics
    ///
    /// In a destructor that a panic of the function runs, and in a [`timeout`](super::timeout()), a
    /// [`scope`](super::scope()) or a future that is [waited](super::Wait::wait) for, if the function
    /// began it: these belong to the green thread, and the function may go on in another one. And in
    /// a green thread of a scope, which may borrow this, but is not what can be resumed.
    #[doc(alias = "suspend")]
    #[track_caller]
    pub fn yield_value(&self, value: Yield) -> In {
        // These run with every switch, and must cost next to nothing.
        let begun = Record::innermost_extent_here();
        if !self.is_on_stack(ptr::from_ref(&begun).addr()) {
            panic!("a coroutine yields elsewhere than on its own stack");
        }
        if self.is_on_stack(begun) {
            panic!(
                "a coroutine yields inside of a wait, a timeout or a scope that it began itself"
            );
        }
        if thread::panicking() && !self.resumed_panicking.get() {
            panic!("a destructor yields while a panic unwinds its coroutine");
        }
        let unwinding = Unwinding(&self.resumed_panicking);
        let value = self.inner.suspend(value);
        std::mem::forget(unwinding);
        self.resumed_panicking.set(thread::panicking());
        value
    }

    /// Whether the address is one of the coroutine's stack.
    #[inline]
    fn is_on_stack(&self, address: usize) -> bool {
        // One comparison: what is below the stack is far above its size.
        address.wrapping_sub(self.stack_start) < self.stack_size
    }
}

/// Notes that a function was resumed in order to unwind.
struct Unwinding<'a>(&'a Cell<bool>);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

impl<In, Yield> fmt::Debug for Yielder<'_, In, Yield> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder").finish_non_exhaustive()
    }
}

impl<In, Yield, Out> fmt::Debug for Coroutine<In, Yield, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coroutine").field("done", &self.is_done()).finish_non_exhaustive()
    }
}

impl<Yield> fmt::Debug for Values<Yield> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Values").field(&self.0).finish()
    }
}
