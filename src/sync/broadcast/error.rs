//! How sending and receiving fails.

use std::fmt;

/// The error of sending when nobody receives, with what was to be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody receives")
    }
}

impl<T> std::error::Error for SendError<T> {}

/// Why a wait for a message gives none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// All senders are gone, and everything was received.
    Closed,
    /// So many messages were missed.
    Lagged(u64),
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("nobody will send"),
            Self::Lagged(missed) => Lagged(*missed).fmt(f),
        }
    }
}

impl std::error::Error for RecvError {}

/// Why there is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// None was sent yet.
    Empty,
    /// All senders are gone, and everything was received.
    Closed,
    /// So many messages were missed.
    Lagged(u64),
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there is no message"),
            Self::Closed => f.write_str("nobody will send"),
            Self::Lagged(missed) => Lagged(*missed).fmt(f),
        }
    }
}

impl std::error::Error for TryRecvError {}

/// How many messages a stream has missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lagged(pub u64);

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} messages were missed", self.0)
    }
}

impl std::error::Error for Lagged {}
