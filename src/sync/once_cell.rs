//! A value that is made once, by whoever needs it first.

use std::{cell, convert::Infallible, fmt, panic::Location};

use super::permits::Permits;
use crate::wait_queue::{What, Who};

static WHAT: What = What::queue("OnceCell");

/// A value that is made when it is first needed, while others who need it wait.
///
/// If making it fails, panics, or is dropped half-way, the next who waits makes it.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc};
///
/// use greenloop::{join_all, spawn, sync::OnceCell, yield_now};
///
/// greenloop::run(async {
///     let connected = Rc::new(Cell::new(0));
///     let connection = Rc::new(OnceCell::new());
///     let user = |_| {
///         let (connection, connected) = (Rc::clone(&connection), Rc::clone(&connected));
///         spawn(async move {
///             *connection
///                 .get_or_init(async || {
///                     yield_now().await;
///                     connected.set(connected.get() + 1);
///                     "connection"
///                 })
///                 .await
///         })
///     };
///     for result in join_all((0..3).map(user)).await {
///         assert_eq!(result.unwrap(), "connection");
///     }
///     assert_eq!(connected.get(), 1);
/// });
/// ```
#[doc(alias = "SetOnce")]
pub struct OnceCell<T> {
    value: cell::OnceCell<T>,
    /// One, for whoever makes the value; closed when it is there.
    permits: Permits,
}

impl<T> OnceCell<T> {
    /// Makes an empty cell.
    #[must_use]
    #[track_caller]
    pub const fn new() -> Self {
        Self { value: cell::OnceCell::new(), permits: Permits::new(1, &WHAT, Location::caller()) }
    }

    /// The value, if it is there.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, if it is there, to change.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Whether the value is there.
    #[must_use]
    pub fn is_initialized(&self) -> bool {
        self.get().is_some()
    }

    /// Puts a value into an empty cell that nobody is filling.
    ///
    /// # Errors
    ///
    /// Otherwise, with the value.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::sync::OnceCell;
    /// let cell = OnceCell::new();
    /// cell.set(1).unwrap();
    /// assert_eq!(cell.set(2).unwrap_err().into_inner(), 2);
    /// assert_eq!(cell.get(), Some(&1));
    /// ```
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        if self.is_initialized() {
            return Err(SetError::AlreadyInitializedError(value));
        }
        if self.permits.try_take(1).is_err() {
            return Err(SetError::InitializingError(value));
        }
        self.fill(value);
        Ok(())
    }

    /// Takes the value out of the cell.
    #[must_use]
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Takes the value out, and leaves the cell empty.
    #[track_caller]
    pub fn take(&mut self) -> Option<T> {
        std::mem::take(self).into_inner()
    }

    /// The value; if it is not there, waits for whoever is making it, or makes it.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it makes the value, the cell stays empty, and the next who waits makes it.
    pub async fn get_or_init(&self, init: impl AsyncFnOnce() -> T) -> &T {
        match self.get_or_try_init(async || Ok::<T, Infallible>(init().await)).await {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// As [`get_or_init`](Self::get_or_init), for what may fail.
    ///
    /// # Errors
    ///
    /// That of `init`. The cell stays empty, and the next who waits makes the value.
    ///
    /// # Cancel safety
    ///
    /// As for `get_or_init`.
    pub async fn get_or_try_init<E>(
        &self,
        init: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<&T, E> {
        loop {
            if let Some(value) = self.get() {
                return Ok(value);
            }
            // When it is closed the value is there.
            if self.permits.take(1).await.is_ok() {
                let _turn = Turn(&self.permits);
                self.permits.set_holder(Who::running().await);
                let value = init().await?;
                return Ok(self.fill(value));
            }
        }
    }

    /// Puts the value in; for whoever has the permit.
    fn fill(&self, value: T) -> &T {
        let value = self.value.get_or_init(|| value);
        self.permits.close();
        value
    }
}

/// The permit of whoever makes the value.
struct Turn<'a>(&'a Permits);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.give(1);
    }
}

impl<T> Default for OnceCell<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        let cell = Self::new();
        cell.fill(value);
        cell
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceCell").field(&self.get()).finish()
    }
}

/// Why a value could not be put into a [`OnceCell`], with the value.
#[derive(Debug, PartialEq, Eq)]
pub enum SetError<T> {
    /// There is one already.
    AlreadyInitializedError(T),
    /// Somebody is making one.
    InitializingError(T),
}

impl<T> SetError<T> {
    /// The value.
    pub fn into_inner(self) -> T {
        match self {
            Self::AlreadyInitializedError(value) | Self::InitializingError(value) => value,
        }
    }
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyInitializedError(_) => "the cell has a value",
            Self::InitializingError(_) => "the value of the cell is being made",
        })
    }
}

impl<T: fmt::Debug> std::error::Error for SetError<T> {}
