//! Values of which every task has its own.

use std::{any::Any, fmt, rc::Rc};

use crate::event_loop;

/// A value of which every task has its own, made when the task first asks for it; threading's
/// `local`, for async tasks and green threads alike.
///
/// Make one by [`task_local!`](crate::task_local). A task's value is dropped when the task is.
/// Tasks that a task spawns begin without one; see [`ContextVar`](super::ContextVar) for values that are
/// inherited.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
///
/// greenloop::task_local! {
///     static COUNT: Cell<u32> = Cell::new(0);
/// }
///
/// greenloop::run(async {
///     let count = || async {
///         COUNT.with(|count| count.set(count.get() + 1));
///         COUNT.with(Cell::get)
///     };
///     let tasks = [greenloop::spawn(count()), greenloop::spawn(count())];
///     for task in tasks {
///         assert_eq!(task.await.unwrap(), 1);
///     }
/// });
/// ```
#[doc(alias = "threading.local")]
#[doc(alias = "gevent.local")]
#[doc(alias = "LocalKey")]
pub struct Local<T: 'static> {
    init: fn() -> T,
    /// Its address is the value's name, so it must have one of its own.
    _place: u8,
}

impl<T: 'static> Local<T> {
    /// A local whose values are made by `init`. It must be a `static`: use
    /// [`task_local!`](crate::task_local).
    #[doc(hidden)]
    #[must_use]
    pub const fn new(init: fn() -> T) -> Self {
        Self { init, _place: 0 }
    }

    /// Calls `f` with the running task's value.
    ///
    /// # Panics
    ///
    /// Outside of a task; see [`try_with`](Self::try_with).
    #[track_caller]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match self.try_with(f) {
            Some(result) => result,
            None => panic!("a task local {}", event_loop::NEEDS_LOOP),
        }
    }

    /// Calls `f` with the running task's value, or gives `None` outside of a task.
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Option<R> {
        let value = self.find().or_else(|| self.put(Rc::new((self.init)())))?;
        Some(f(&value))
    }

    /// Gives the running task another value.
    ///
    /// # Panics
    ///
    /// Outside of a task.
    #[track_caller]
    pub fn set(&'static self, value: T) {
        assert!(self.put(Rc::new(value)).is_some(), "a task local {}", event_loop::NEEDS_LOOP);
    }

    /// Returns a copy of the running task's value.
    ///
    /// # Panics
    ///
    /// Outside of a task.
    #[must_use]
    #[track_caller]
    pub fn get(&'static self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    fn name(&'static self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn find(&'static self) -> Option<Rc<T>> {
        let value = event_loop::with(|core| core.executor.local(self.name())).flatten()?;
        Some(value.downcast().expect("one address has one type"))
    }

    fn put(&'static self, value: Rc<T>) -> Option<Rc<T>> {
        let any: Rc<dyn Any> = Rc::<T>::clone(&value);
        let put = event_loop::with(|core| core.executor.set_local(self.name(), any))?;
        // The old value is dropped here, where nothing is borrowed.
        put.is_ok().then_some(value)
    }
}

impl<T: 'static> fmt::Debug for Local<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").finish_non_exhaustive()
    }
}

/// Declares [locals](crate::task::Local) of tasks, as `thread_local!` does for threads.
#[macro_export]
macro_rules! task_local {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $init:expr);+ $(;)?) => {$(
        $(#[$attribute])*
        $visibility static $name: $crate::task::Local<$type> =
            $crate::task::Local::new(|| $init);
    )+};
}
