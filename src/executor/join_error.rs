//! Why a task has no output: it was aborted, or it panicked.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use super::{header::Payload, id::Id};

/// The error of a task that ended without an output.
///
/// Its `Display` says which task, and what the panic said.
///
/// # Examples
///
/// ```
/// greenloop::run(async {
///     let task = greenloop::spawn(async { panic!("no bread") });
///     let error = task.await.unwrap_err();
///     assert!(error.is_panic());
///     assert_eq!(error.to_string(), format!("task {} panicked: no bread", error.id()));
/// });
/// ```
#[doc(alias = "CancelledError")]
pub struct JoinError(Box<Inner>);

struct Inner {
    id: Id,
    name: Option<Arc<str>>,
    cause: Cause,
}

enum Cause {
    Cancelled,
    /// The lock makes the error `Sync`, as error types should be.
    Panicked(Mutex<Payload>),
}

impl JoinError {
    pub(crate) fn cancelled(id: Id, name: Option<Arc<str>>) -> Self {
        Self(Box::new(Inner { id, name, cause: Cause::Cancelled }))
    }

    pub(crate) fn panicked(id: Id, name: Option<Arc<str>>, payload: Payload) -> Self {
        Self(Box::new(Inner { id, name, cause: Cause::Panicked(Mutex::new(payload)) }))
    }

    /// Returns whether the task was aborted, or ended with its loop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0.cause, Cause::Cancelled)
    }

    /// Returns whether the task panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.0.cause, Cause::Panicked(_))
    }

    /// Returns what the panic carried, fit for [`std::panic::resume_unwind`].
    ///
    /// # Panics
    ///
    /// When the task was cancelled instead; see [`try_into_panic`](Self::try_into_panic).
    #[must_use]
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn std::any::Any + Send + 'static> {
        match self.try_into_panic() {
            Ok(payload) => payload,
            Err(error) => panic!("into_panic of an error that is no panic: {error}"),
        }
    }

    /// Returns what the panic carried.
    ///
    /// # Errors
    ///
    /// The error itself, when the task was cancelled instead.
    pub fn try_into_panic(self) -> Result<Box<dyn std::any::Any + Send + 'static>, Self> {
        let Inner { id, name, cause } = *self.0;
        match cause {
            Cause::Panicked(payload) => {
                Ok(payload.into_inner().unwrap_or_else(PoisonError::into_inner))
            }
            Cause::Cancelled => Err(Self::cancelled(id, name)),
        }
    }

    /// Returns the id of the task.
    #[must_use]
    pub fn id(&self) -> Id {
        self.0.id
    }

    /// Returns the name of the task, if it was given one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.0.id)?;
        if let Some(name) = &self.0.name {
            write!(f, " {name:?}")?;
        }
        match &self.0.cause {
            Cause::Cancelled => write!(f, " was cancelled"),
            Cause::Panicked(payload) => {
                let payload = payload.lock().unwrap_or_else(PoisonError::into_inner);
                write!(f, " panicked")?;
                match message(&**payload) {
                    Some(message) => write!(f, ": {message}"),
                    None => write!(f, " with a value that is no text"),
                }
            }
        }
    }
}

/// The text of a panic, if it carries one.
fn message(payload: &(dyn std::any::Any + Send)) -> Option<&str> {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> Self {
        let kind = if error.is_cancelled() {
            std::io::ErrorKind::Interrupted
        } else {
            std::io::ErrorKind::Other
        };
        Self::new(kind, error)
    }
}
