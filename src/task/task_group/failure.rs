//! What went wrong in a group.

use std::{any::Any, convert::Infallible, error::Error, fmt, sync::Arc};

use crate::{
    executor::{Id, JoinError},
    task::try_id,
};

/// What a task of a group may give: nothing, or a `Result`; or it never ends by itself.
pub trait Outcome<E>: sealed::Sealed {
    /// What the task gives when it succeeds.
    type Value;

    /// The value or the error.
    #[doc(hidden)]
    fn into_result(self) -> Result<Self::Value, E>;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for () {}
    impl<T, E> Sealed for Result<T, E> {}
    impl Sealed for super::Never {}
}

/// The type `!` of what does not return, which stable Rust does not let one name.
type Never = <fn() -> ! as Returns>::Output;

#[doc(hidden)]
pub trait Returns {
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

impl<E> Outcome<E> for Never {
    type Value = Infallible;

    fn into_result(self) -> Result<Infallible, E> {
        self
    }
}

impl<E> Outcome<E> for () {
    type Value = ();

    fn into_result(self) -> Result<(), E> {
        Ok(())
    }
}

impl<T, E> Outcome<E> for Result<T, E> {
    type Value = T;

    fn into_result(self) -> Self {
        self
    }
}

/// All that went wrong in a [`TaskGroup`](super::TaskGroup), in the order in which it did.
///
/// Its `Display` tells each. As with any error it can be that of a task of another group, and keeps its
/// structure there.
///
/// # Examples
///
/// ```
/// use greenloop::task::TaskGroup;
///
/// greenloop::run(async {
///     let result = TaskGroup::scope(|group| async move {
///         group.spawn_named("baker", async { Err::<(), _>("no flour") });
///         greenloop::yield_now().await;
///         Err::<(), _>("no bread")
///     });
///     let error = result.await.unwrap_err();
///     let baker = &error.failures()[1];
///     assert_eq!((baker.name(), baker.error()), (Some("baker"), Some(&"no flour")));
///     assert_eq!(error.failures()[0].id(), None);
///     assert!(error.to_string().starts_with("2 failures: no bread; task "));
/// });
/// ```
#[doc(alias = "ExceptionGroup")]
pub struct GroupError<E> {
    failures: Vec<Failure<E>>,
}

impl<E> GroupError<E> {
    pub(super) fn new(failures: Vec<Failure<E>>) -> Self {
        Self { failures }
    }

    /// Returns all failures, the first one first.
    #[must_use]
    pub fn failures(&self) -> &[Failure<E>] {
        &self.failures
    }

    /// Returns the failure that ended the others; `None` if the group was cancelled without any.
    #[must_use]
    pub fn first(&self) -> Option<&Failure<E>> {
        self.failures.first()
    }

    /// As [`first`](Self::first), by value.
    #[must_use]
    pub fn into_first(self) -> Option<Failure<E>> {
        self.failures.into_iter().next()
    }

    /// Returns whether nothing went wrong: the group was
    /// [cancelled](super::TaskGroup::cancel).
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.failures.is_empty()
    }
}

impl<E> IntoIterator for GroupError<E> {
    type Item = Failure<E>;
    type IntoIter = std::vec::IntoIter<Failure<E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.failures.into_iter()
    }
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.failures[..] {
            [] => return f.write_str("the task group was cancelled"),
            [only] => return only.fmt(f),
            all => write!(f, "{} failures: ", all.len())?,
        }
        for (number, failure) in self.failures.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}{failure}")?;
        }
        Ok(())
    }
}

impl<E: fmt::Debug> fmt::Debug for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GroupError").field(&self.failures).finish()
    }
}

impl<E: Error + 'static> Error for GroupError<E> {
    /// The first failure's error, or panic.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.first().and_then(Error::source)
    }
}

/// One thing that went wrong in a group: a task, or the body, gave an error, or a task panicked.
pub struct Failure<E> {
    /// `None` for the body.
    task: Option<(Id, Option<Arc<str>>)>,
    cause: Cause<E>,
}

enum Cause<E> {
    Error(E),
    Panic(JoinError),
}

impl<E> Failure<E> {
    pub(super) fn of_body(error: E) -> Self {
        Self { task: None, cause: Cause::Error(error) }
    }

    /// A failure of the running task.
    pub(crate) fn of_task(name: Option<Arc<str>>, error: E) -> Self {
        Self { task: try_id().map(|id| (id, name)), cause: Cause::Error(error) }
    }

    pub(super) fn panicked(panic: JoinError) -> Self {
        let task = Some((panic.id(), panic.name().map(Arc::from)));
        Self { task, cause: Cause::Panic(panic) }
    }

    /// Returns the id of the task; `None` if it was the body that failed.
    #[must_use]
    pub fn id(&self) -> Option<Id> {
        self.task.as_ref().map(|(id, _)| *id)
    }

    /// Returns the name of the task, if it was given one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.task.as_ref().and_then(|(_, name)| name.as_deref())
    }

    /// Returns the error; `None` if it was a panic.
    #[must_use]
    pub fn error(&self) -> Option<&E> {
        match &self.cause {
            Cause::Error(error) => Some(error),
            Cause::Panic(_) => None,
        }
    }

    /// Returns the error.
    ///
    /// # Errors
    ///
    /// The failure itself, if it was a panic.
    pub fn into_error(self) -> Result<E, Self> {
        match self.cause {
            Cause::Error(error) => Ok(error),
            cause @ Cause::Panic(_) => Err(Self { task: self.task, cause }),
        }
    }

    /// Returns whether the task panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.panic().is_some()
    }

    /// Returns the panic, if it was one.
    #[must_use]
    pub fn panic(&self) -> Option<&JoinError> {
        match &self.cause {
            Cause::Panic(panic) => Some(panic),
            Cause::Error(_) => None,
        }
    }

    /// Returns what the panic carried, fit for [`std::panic::resume_unwind`].
    ///
    /// # Errors
    ///
    /// The failure itself, if it was no panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, Self> {
        match self.cause {
            Cause::Panic(panic) => match panic.try_into_panic() {
                Ok(payload) => Ok(payload),
                Err(panic) => Err(Self { task: self.task, cause: Cause::Panic(panic) }),
            },
            cause @ Cause::Error(_) => Err(Self { task: self.task, cause }),
        }
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.cause, &self.task) {
            (Cause::Panic(panic), _) => panic.fmt(f),
            (Cause::Error(error), None) => error.fmt(f),
            (Cause::Error(error), Some((id, None))) => write!(f, "task {id}: {error}"),
            (Cause::Error(error), Some((id, Some(name)))) => {
                write!(f, "task {id} {name:?}: {error}")
            }
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut failure = f.debug_struct("Failure");
        if let Some((id, name)) = &self.task {
            failure.field("id", id).field("name", name);
        }
        match &self.cause {
            Cause::Error(error) => failure.field("error", error).finish(),
            Cause::Panic(panic) => failure.field("panic", panic).finish(),
        }
    }
}

impl<E: Error + 'static> Error for Failure<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Error(error) => Some(error),
            Cause::Panic(panic) => Some(panic),
        }
    }
}
