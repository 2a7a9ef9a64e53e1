//! How putting and getting fails.

use std::fmt;

/// The error of a queue that is shut down, with what was to be put.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "QueueShutDown")]
pub struct ShutDown<T = ()>(pub T);

impl<T> fmt::Debug for ShutDown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutDown").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for ShutDown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHUT_DOWN)
    }
}

impl<T> std::error::Error for ShutDown<T> {}

/// Why an item could not be put at once, or in time; with the item.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PutError<T> {
    /// The queue is full, or somebody waits for room in it.
    #[doc(alias = "QueueFull")]
    Full(T),
    /// The queue is shut down.
    ShutDown(T),
}

impl<T> PutError<T> {
    /// What was to be put.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(item) | Self::ShutDown(item) => item,
        }
    }
}

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::ShutDown(_) => "ShutDown(..)",
        })
    }
}

impl<T> fmt::Display for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the queue is full",
            Self::ShutDown(_) => SHUT_DOWN,
        })
    }
}

impl<T> std::error::Error for PutError<T> {}

impl<T> From<ShutDown<T>> for PutError<T> {
    fn from(error: ShutDown<T>) -> Self {
        Self::ShutDown(error.0)
    }
}

/// Why there is no item at once, or in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetError {
    /// The queue is empty, or what is in it belongs to those who wait.
    #[doc(alias = "QueueEmpty")]
    Empty,
    /// The queue is shut down, and nothing is left in it.
    ShutDown,
}

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the queue is empty",
            Self::ShutDown => SHUT_DOWN,
        })
    }
}

impl std::error::Error for GetError {}

impl From<ShutDown> for GetError {
    fn from(_: ShutDown) -> Self {
        Self::ShutDown
    }
}

/// The error of saying of more items that they are done than there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyDone(pub(super) ());

impl fmt::Display for TooManyDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task_done was called more often than items were put")
    }
}

impl std::error::Error for TooManyDone {}

const SHUT_DOWN: &str = "the queue is shut down";
