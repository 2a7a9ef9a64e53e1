//! In which of several ways a launcher does what it does.

/// How workers share the listening sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accept {
    /// All accept from one socket, and those that have more connections than others stand aside. No
    /// connection waits for a particular worker, so none is lost with one.
    #[default]
    Balanced,
    /// Each has a socket of its own, in a group on the same port (`SO_REUSEPORT`) among which the kernel
    /// distributes connections at random. For very many short connections. The sockets are the
    /// supervisor's: those in the queue of a worker that dies wait for its replacement.
    PerWorker,
    /// As `PerWorker`, but a connection goes to the worker whose number is that of the processor on which
    /// it arrived; only sensible with [`Pin::Cores`] and as many workers as processors.
    ByCpu,
}

/// On which processors workers run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pin {
    /// On all that the supervisor may use.
    #[default]
    Off,
    /// Each on one of them. Not done, with a warning, if there are more workers than processors.
    Cores,
}

/// How worker processes are made.
#[doc(alias = "set_start_method")]
#[doc(alias = "get_start_method")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpawnMode {
    /// As copies of the supervisor, which may have no other thread then.
    #[default]
    Fork,
    /// By executing the program anew, with the same arguments: its `main` runs until it comes to
    /// [`Launcher::run`](super::Launcher::run) again, and becomes a worker there. The supervisor may have threads.
    ///
    /// Where the program's file was replaced, that is the new program. If it has other counters, gauges or
    /// histograms, nobody sees what its workers add to those until an upgrade.
    Exec,
    /// As copies while that is possible, and by executing the program otherwise.
    ForkOrExec,
}
