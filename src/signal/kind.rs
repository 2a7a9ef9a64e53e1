//! Which signal.

use std::{ffi::c_int, fmt};

use signal_hook::low_level::signal_name;

/// A kind of signal.
///
/// # Examples
///
/// ```
/// use greenloop::signal::SignalKind;
///
/// let terminate = SignalKind::terminate();
/// assert_eq!(SignalKind::from_raw(terminate.as_raw_value()), terminate);
/// assert_eq!(format!("{terminate:?}"), "SIGTERM");
/// ```
#[doc(alias = "Signals")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalKind(c_int);

/// A constructor for each of the signals that programs send to each other.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $signal:ident;)*) => {
        impl SignalKind {
            $(
                $(#[$doc])*
                #[must_use]
                pub const fn $name() -> Self {
                    Self(libc::$signal)
                }
            )*
        }
    };
}

kinds! {
    /// `SIGALRM`: a timer of the system has run out.
    #[doc(alias = "SIGALRM")]
    alarm = SIGALRM;
    /// `SIGCHLD`: a child process has ended, or was stopped.
    #[doc(alias = "SIGCHLD")]
    child = SIGCHLD;
    /// `SIGHUP`: the terminal is gone; servers take it as the request to read their settings again.
    #[doc(alias = "SIGHUP")]
    hangup = SIGHUP;
    /// `SIGINT`: Ctrl-C in a terminal.
    #[doc(alias = "KeyboardInterrupt")]
    #[doc(alias = "SIGINT")]
    interrupt = SIGINT;
    /// `SIGIO`: input or output is possible.
    #[doc(alias = "SIGIO")]
    io = SIGIO;
    /// `SIGKILL`: the end, without a word. It can be sent only.
    #[doc(alias = "SIGKILL")]
    kill = SIGKILL;
    /// `SIGPIPE`: something was written to a pipe or socket whose other end is closed. Rust programs
    /// ignore it.
    #[doc(alias = "SIGPIPE")]
    pipe = SIGPIPE;
    /// `SIGQUIT`: Ctrl-\ in a terminal; the process leaves a core dump.
    #[doc(alias = "SIGQUIT")]
    quit = SIGQUIT;
    /// `SIGCONT`: a process that was stopped goes on.
    #[doc(alias = "SIGCONT")]
    resume = SIGCONT;
    /// `SIGSTOP`: the process is stopped until it is resumed. It can be sent only.
    #[doc(alias = "SIGSTOP")]
    stop = SIGSTOP;
    /// `SIGTERM`: the polite request to end.
    #[doc(alias = "SIGTERM")]
    terminate = SIGTERM;
    /// `SIGUSR1`: whatever the program says that it means.
    #[doc(alias = "SIGUSR1")]
    user_defined1 = SIGUSR1;
    /// `SIGUSR2`: whatever the program says that it means.
    #[doc(alias = "SIGUSR2")]
    user_defined2 = SIGUSR2;
    /// `SIGWINCH`: the terminal has another size.
    #[doc(alias = "SIGWINCH")]
    window_change = SIGWINCH;
}

impl SignalKind {
    /// Takes a number of the system's, such as that of a real-time signal. Whether there is such a
    /// signal is found out where it is used.
    #[doc(alias(
        "SIGABRT",
        "SIGBUS",
        "SIGCLD",
        "SIGFPE",
        "SIGILL",
        "SIGIOT",
        "SIGPOLL",
        "SIGPROF",
        "SIGPWR",
        "SIGRTMAX",
        "SIGRTMIN",
        "SIGSEGV",
        "SIGSTKFLT",
        "SIGSYS",
        "SIGTRAP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGVTALRM",
        "SIGXCPU",
        "SIGXFSZ"
    ))]
    #[must_use]
    pub const fn from_raw(number: c_int) -> Self {
        Self(number)
    }

    /// Returns the system's number.
    #[must_use]
    pub const fn as_raw_value(&self) -> c_int {
        self.0
    }
}

impl From<c_int> for SignalKind {
    fn from(number: c_int) -> Self {
        Self(number)
    }
}

impl From<SignalKind> for c_int {
    fn from(kind: SignalKind) -> Self {
        kind.0
    }
}

impl fmt::Debug for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match signal_name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}
