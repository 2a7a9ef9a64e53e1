//! What a server has done.

use std::{fmt, io, sync::Arc, time::Duration};

/// What a server has done so far; from [`Server::statistics`](crate::net::Server::statistics).
///
/// `accepted` is the sum of the others: each connection is active, or has ended in one of the four ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Connections that were accepted.
    pub accepted: u64,
    /// Those whose handler runs.
    pub active: u64,
    /// Those whose handler has ended well.
    pub served: u64,
    /// Those whose handler has given an error, or that got none for lack of memory.
    pub failed: u64,
    /// Those whose handler has panicked.
    pub panicked: u64,
    /// Those whose handler was aborted.
    pub cut: u64,
}

/// How a server has ended. Cloning it is cheap.
///
/// Its `Display` is a line for people.
#[derive(Clone)]
pub struct Report(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) statistics: Statistics,
    pub(super) drained: u64,
    pub(super) cut: Vec<Cut>,
    pub(super) took: Duration,
    pub(super) error: Option<io::Error>,
}

impl Report {
    /// Returns how many of the connections that were open when the shutdown began have ended by themselves,
    /// well or not. Those that waited in the listener's queue then and were still taken are among them.
    #[must_use]
    pub fn drained(&self) -> u64 {
        self.0.drained
    }

    /// Returns the connections that were still open when the time was over, and were aborted.
    #[must_use]
    pub fn cut(&self) -> &[Cut] {
        &self.0.cut
    }

    /// Returns how long it took from the moment at which the server accepted no more to its end.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.0.took
    }

    /// Returns the error of the listener for which the server ended; `None` when it was told to.
    #[must_use]
    pub fn error(&self) -> Option<&io::Error> {
        self.0.error.as_ref()
    }

    /// Returns what the server has done in all its life.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.0.statistics
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { statistics, drained, cut, took, error } = &*self.0;
        if let Some(error) = error {
            write!(f, "the listener has failed: {error}; ")?;
        }
        write!(f, "{drained} drained and {} cut in {took:.1?}", cut.len())?;
        for (index, cut) in cut.iter().enumerate() {
            write!(f, "{}{cut}", if index == 0 { " (" } else { ", " })?;
        }
        if !cut.is_empty() {
            write!(f, ")")?;
        }
        let Statistics { accepted, failed, panicked, .. } = statistics;
        write!(f, "; {accepted} accepted in all, {failed} failed, {panicked} panicked")
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("statistics", &self.0.statistics)
            .field("drained", &self.0.drained)
            .field("cut", &self.0.cut)
            .field("took", &self.0.took)
            .field("error", &self.0.error)
            .finish()
    }
}

/// A connection that was broken off.
#[derive(Clone, Debug)]
pub struct Cut {
    pub(super) peer: String,
    pub(super) age: Duration,
    pub(super) resists: bool,
}

impl Cut {
    /// Returns where the connection comes from, as its address prints itself.
    #[must_use]
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Returns how long the connection was served.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.age
    }

    /// Returns whether the handler goes on although it was aborted, which only a green thread can do that
    /// catches the panic by which it shall end.
    #[must_use]
    pub fn resists(&self) -> bool {
        self.resists
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {:.1?}", self.peer, self.age)?;
        if self.resists { write!(f, ", and it goes on") } else { Ok(()) }
    }
}
