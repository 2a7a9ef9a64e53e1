//! Values that tasks inherit.
//!
//! A task's context is a short list of values by the addresses of their names, shared with the tasks that
//! inherited it until one of them changes its own. It stands among the task's locals.

use std::{any::Any, cell::Cell, fmt, marker::PhantomData, rc::Rc};

use super::with_context::{WithContext, changed};
use crate::{
    event_loop::{self, Core},
    executor::TaskKey,
};

/// A value that a task hands on to the tasks that it spawns, of both kinds; Python's `ContextVar`.
///
/// For what belongs to a piece of work rather than to a function: the number of a request, a user, a
/// language. Make one by [`context_var`](crate::context_var). A task has the values that its
/// spawner had at the moment of the spawn; what either of them sets later is its own. Outside of tasks the
/// thread has a context, which those tasks share that nobody has given another. Nothing goes to other
/// threads, nor to the closures of [`spawn_blocking`](crate::spawn_blocking).
///
/// See [`Local`](super::Local) for values that are not inherited.
///
/// # Examples
///
/// ```
/// greenloop::context_var! {
///     static REQUEST: u32 = 0;
/// }
///
/// async fn log(line: &str) -> String {
///     format!("[{}] {line}", REQUEST.get())
/// }
///
/// greenloop::run(async {
///     let requests = (1..3).map(|number| {
///         greenloop::spawn(REQUEST.scope(number, async {
///             greenloop::spawn(log("hello")).await.unwrap()
///         }))
///     });
///     let lines = greenloop::join_all(requests).await;
///     assert_eq!(lines[0].as_ref().unwrap(), "[1] hello");
///     assert_eq!(lines[1].as_ref().unwrap(), "[2] hello");
///     assert_eq!(REQUEST.get(), 0);
/// });
/// ```
#[doc(alias = "contextvars")]
pub struct ContextVar<T: 'static> {
    default: fn() -> T,
    /// Its address is the value's name, so it must have one of its own.
    _place: u8,
}

impl<T: 'static> ContextVar<T> {
    /// A variable whose value is `default` where none is set. It must be a `static`: use
    /// [`context_var`](crate::context_var).
    #[doc(hidden)]
    #[must_use]
    pub const fn new(default: fn() -> T) -> Self {
        Self { default, _place: 0 }
    }

    /// Calls `f` with the value that the running task has, or else with the default.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        let values = values_here();
        let value = values.iter().flat_map(|values| values.iter()).find(|(n, _)| *n == self.name());
        match value.map(|(_, value)| Rc::clone(value)) {
            Some(value) => f(downcast::<T>(value).as_ref()),
            None => f(&(self.default)()),
        }
    }

    /// Returns a copy of the value that the running task has, or else the default.
    #[must_use]
    pub fn get(&'static self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    /// Sets the value for the rest of the running task, or of the [`scope`](Self::scope) that it is in.
    /// Returns what [`reset`](Self::reset) needs to bring back the one before.
    ///
    /// # Examples
    ///
    /// ```
    /// greenloop::context_var! {
    ///     static LANGUAGE: &'static str = "C";
    /// }
    ///
    /// greenloop::run(async {
    ///     let before = LANGUAGE.set("de");
    ///     assert_eq!(LANGUAGE.get(), "de");
    ///     LANGUAGE.reset(before);
    ///     assert_eq!(LANGUAGE.get(), "C");
    /// });
    /// ```
    pub fn set(&'static self, value: T) -> ContextToken<T> {
        let before = self.put(Some(Rc::new(value)));
        ContextToken { before, value: PhantomData }
    }

    /// Brings back the value that was there before a [`set`](Self::set).
    pub fn reset(&'static self, token: ContextToken<T>) {
        drop(self.put(token.before));
    }

    /// Runs a future under a value, which ends with the future; its destructor runs under the value,
    /// too.
    ///
    /// # Cancel safety
    ///
    /// That of the future.
    pub fn scope<F: IntoFuture>(&'static self, value: T, future: F) -> WithContext<F::IntoFuture> {
        WithContext::new(self.change(value), future.into_future())
    }

    /// Calls a closure under a value, which ends with the closure. In a green thread it may wait.
    ///
    /// # Examples
    ///
    #[cfg_attr(feature = "green", doc = "```")]
    #[cfg_attr(not(feature = "green"), doc = "```ignore")]
    /// use greenloop::green;
    ///
    /// greenloop::context_var! {
    ///     static REQUEST: u32 = 0;
    /// }
    ///
    /// green::run(|| {
    ///     REQUEST.sync_scope(7, || {
    ///         green::yield_now();
    ///         assert_eq!(REQUEST.get(), 7);
    ///     });
    ///     assert_eq!(REQUEST.get(), 0);
    /// });
    /// ```
    pub fn sync_scope<R>(&'static self, value: T, f: impl FnOnce() -> R) -> R {
        changed(&mut self.change(value), f)
    }

    fn name(&'static self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    pub(super) fn change(&'static self, value: T) -> Change {
        Change::Value { name: self.name(), value: Some(Rc::new(value)) }
    }

    /// Gives the running task another value, and returns the one that it had; `None` is the default.
    fn put(&'static self, mut value: Option<Rc<dyn Any>>) -> Option<Rc<dyn Any>> {
        swap_value(self.name(), &mut value);
        value
    }
}

/// What a [`ContextVar`] was before it was set.
#[doc(alias = "Token")]
#[must_use = "without it the value before cannot be brought back; `let _ =` if it need not be"]
pub struct ContextToken<T> {
    before: Option<Rc<dyn Any>>,
    value: PhantomData<fn() -> T>,
}

/// All values of a task's context at one moment; Python's `copy_context`.
///
/// For what runs later, or elsewhere on this thread, in the name of the task: a callback, a task that is
/// spawned by another.
///
/// # Examples
///
/// ```
/// use greenloop::task::Context;
///
/// greenloop::context_var! {
///     static REQUEST: u32 = 0;
/// }
///
/// greenloop::run(async {
///     let context = REQUEST.sync_scope(7, Context::current);
///     assert_eq!(REQUEST.get(), 0);
///     assert_eq!(context.enter(|| REQUEST.get()), 7);
///     assert_eq!(context.scope(async { REQUEST.get() }).await, 7);
/// });
/// ```
#[doc(alias = "copy_context")]
#[doc(alias = "get_context")]
#[derive(Clone, Default)]
pub struct Context {
    values: Option<Values>,
}

/// By the names of the variables. Short, so that a look-up is a walk.
type Values = Rc<Vec<(usize, Rc<dyn Any>)>>;

impl Context {
    /// Returns the context of the running task; outside of a task, that of the thread.
    #[must_use]
    pub fn current() -> Self {
        Self { values: values_here() }
    }

    /// Calls a closure in this context. What it sets is forgotten when it returns.
    #[doc(alias = "run")]
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        changed(&mut self.change(), f)
    }

    /// Runs a future in this context. What it sets is forgotten at its end.
    ///
    /// # Cancel safety
    ///
    /// That of the future.
    pub fn scope<F: IntoFuture>(&self, future: F) -> WithContext<F::IntoFuture> {
        WithContext::new(self.change(), future.into_future())
    }

    fn change(&self) -> Change {
        Change::Everything(self.values.clone())
    }
}

/// What is different in a scope. While the scope's code runs, it is what the task had before.
pub(super) enum Change {
    Value {
        name: usize,
        /// `None` is the default.
        value: Option<Rc<dyn Any>>,
    },
    Everything(Option<Values>),
}

impl Change {
    /// Changes places with what the running task has.
    pub(super) fn swap(&mut self) {
        match self {
            Self::Value { name, value } => swap_value(*name, value),
            Self::Everything(values) => *values = exchange(values.take()),
        }
    }
}

/// What a task, or a thread outside of its tasks, has for a context.
type Kept = Cell<Option<Values>>;

thread_local! {
    static OUTSIDE: Kept = const { Cell::new(None) };
}

/// The name of a context among the locals of a task.
fn name() -> usize {
    static PLACE: u8 = 0;
    std::ptr::from_ref(&PLACE).addr()
}

/// What the running task has under that name, if it has anything of its own.
fn kept_by_task(core: &Core) -> Option<Rc<Kept>> {
    core.executor.local_if_any(name()).map(downcast)
}

fn look_at(kept: &Kept) -> Option<Values> {
    let values = kept.take();
    kept.set(values.clone());
    values
}

/// The values of the running task, or else of the thread.
fn values_here() -> Option<Values> {
    match event_loop::with(kept_by_task).flatten() {
        Some(kept) => look_at(&kept),
        // Not when the thread is about to end.
        None => OUTSIDE.try_with(look_at).ok().flatten(),
    }
}

/// Gives the running task, or else the thread, other values, and returns those that it had.
fn exchange(values: Option<Values>) -> Option<Values> {
    if let Some(kept) = event_loop::with(kept_by_task).flatten() {
        return kept.replace(values);
    }
    let own: Rc<dyn Any> = Rc::new(Kept::new(values));
    let refused = match event_loop::with(|core| core.executor.set_local(name(), Rc::clone(&own))) {
        // Up to now it had those of the thread.
        Some(Ok(_)) => return values_outside(),
        Some(Err(_)) | None => downcast::<Kept>(own).take(),
    };
    OUTSIDE.try_with(|kept| kept.replace(refused)).ok().flatten()
}

fn values_outside() -> Option<Values> {
    OUTSIDE.try_with(look_at).ok().flatten()
}

/// Lets a value change places with the one that is there now.
fn swap_value(name: usize, value: &mut Option<Rc<dyn Any>>) {
    // Taken out, so that the list is shared only if another task has it.
    let mut values = exchange(None).unwrap_or_default();
    let list = Rc::make_mut(&mut values);
    let place = list.iter().position(|(other, _)| *other == name);
    *value = match (place, value.take()) {
        (Some(place), Some(new)) => Some(std::mem::replace(&mut list[place].1, new)),
        (Some(place), None) => Some(list.swap_remove(place).1),
        (None, Some(new)) => {
            list.push((name, new));
            None
        }
        (None, None) => None,
    };
    exchange(Some(values));
}

/// Gives a task that was just spawned the context of the running one.
#[inline]
pub(super) fn inherit<T>(core: &Core, heir: TaskKey<T>) {
    // Like its spawner it has that of the thread.
    if !core.executor.runs_without_values() {
        inherit_values(core, heir.untyped());
    }
}

#[inline(never)]
fn inherit_values(core: &Core, heir: TaskKey<()>) {
    let values = match kept_by_task(core) {
        Some(kept) => look_at(&kept),
        None if core.executor.current().is_none() => values_outside(),
        None => return,
    };
    if values.is_some() {
        core.executor.set_local_of(heir, name(), Rc::new(Kept::new(values)));
    }
}

fn downcast<T: 'static>(value: Rc<dyn Any>) -> Rc<T> {
    value.downcast().expect("one address has one type")
}

impl<T: 'static> fmt::Debug for ContextVar<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextVar").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ContextToken<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextToken").finish_non_exhaustive()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.values.as_ref().map_or(0, |values| values.len());
        f.debug_struct("Context").field("values", &values).finish()
    }
}

/// Declares [variables](crate::task::ContextVar) that tasks inherit, each with its default.
#[doc(alias = "spawn_tree_locals")]
#[macro_export]
macro_rules! context_var {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $default:expr);+ $(;)?) => {$(
        $(#[$attribute])*
        $visibility static $name: $crate::task::ContextVar<$type> =
            $crate::task::ContextVar::new(|| $default);
    )+};
}
