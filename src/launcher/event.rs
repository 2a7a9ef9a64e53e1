//! What a supervisor tells of.

use std::{fmt, time::Duration};

use super::{Tally, sys::process::Ended};

/// Something that has happened to a launcher, for [`Launcher::on_event`](super::Launcher::on_event).
///
/// As text it is a line for a log.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The launcher listens on a socket. The address is the real one, also where port 0 was asked for.
    Listening {
        /// The name that it was bound under.
        name: String,
        /// Where.
        address: String,
        /// It was not opened, but handed over by systemd or a predecessor.
        inherited: bool,
    },
    /// A worker process was started.
    Spawned(Id),
    /// A worker serves.
    Ready(Id),
    /// Every worker of the first generation serves, or as many as
    /// [`ready_when`](super::Launcher::ready_when) asks for.
    AllReady,
    /// A worker was told to accept no more and to end.
    Draining(Id),
    /// A worker that was told to end has ended, by itself or because it was killed, and this became of its
    /// work.
    Ended(Id, Tally),
    /// A worker ended that nobody had told to.
    Died {
        /// Which one.
        worker: Id,
        /// How.
        exit: Exit,
        /// Whether it had been ready.
        was_ready: bool,
        /// What it said about the reason, by [`Worker::fatal`](super::Worker::fatal).
        reason: Option<String>,
        /// After which time it is replaced; `None` if that is not because of this death.
        replaced_after: Option<Duration>,
        /// What became of its work.
        tally: Tally,
    },
    /// A worker was not ready in time, and is killed.
    BootTimedOut(Id),
    /// A worker had not ended in time, and is killed.
    Overdue(Id),
    /// A worker's loop has not turned for so long, and it is killed.
    Hung(Id, Duration),
    /// A worker's loop does not turn because the worker waits in the kernel, uninterruptibly.
    Stuck(Id),
    /// Workers died again and again before they were ready.
    CrashLoop {
        /// What is done about it.
        gives_up: bool,
    },
    /// A worker has done enough and is replaced.
    Recycling(Id),
    /// A rolling restart has begun.
    RollStarted {
        /// The generation that the new workers have.
        generation: u32,
    },
    /// A rolling restart has replaced all workers.
    RollFinished {
        /// The generation that they have.
        generation: u32,
    },
    /// A replacement did not become ready; those that were not replaced yet serve on.
    RollFailed {
        /// How many had been replaced.
        done: usize,
        /// Of how many.
        of: usize,
        /// Why.
        reason: String,
    },
    /// There are to be so many workers from now on.
    Scaled(usize),
    /// All workers are told to drain, and there are none until the launcher is told to go on.
    Paused,
    /// There are workers again.
    Resumed,
    /// What was asked for was not done.
    Refused(String),
    /// No worker could be started.
    CannotSpawn {
        /// The slot that stays empty for now.
        slot: usize,
        /// Why.
        reason: String,
    },
    /// Workers are told to drain, and the launcher ends when they have.
    Stopping,
    /// Workers are told to cancel what they do.
    StoppingFast,
    /// A successor was started from the program's file.
    UpgradeStarted {
        /// Its process.
        pid: u32,
    },
    /// The successor serves, and this launcher drains its workers and ends.
    UpgradeFinished {
        /// Its process.
        pid: u32,
    },
    /// The successor did not get to serve; this launcher goes on.
    UpgradeFailed(String),
    /// Something that the administrator should know.
    Warning(String),
    /// The launcher ends, with this status.
    Stopped(u8),
}

/// Which worker process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Id {
    /// Which of the workers: from 0 on. Its replacement has the same.
    pub slot: usize,
    /// How many rolling restarts there were before it was started, counted from 1.
    pub generation: u32,
    /// The number of its process.
    pub pid: u32,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// With a status.
    Code(i32),
    /// By a signal.
    Signal {
        /// Its number.
        signal: i32,
        /// Whether the system has written a core file.
        core_dumped: bool,
        /// Whether the system was out of memory, and that is why (`oom_kill` of the cgroup has grown).
        out_of_memory: bool,
    },
}

impl Exit {
    pub(super) fn new(ended: Ended, oom_killed: impl FnOnce() -> bool) -> Self {
        match ended {
            Ended::Code(code) => Self::Code(code),
            Ended::Signal { signal, core_dumped } => {
                let out_of_memory = signal == libc::SIGKILL && oom_killed();
                Self::Signal { signal, core_dumped, out_of_memory }
            }
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} (pid {}, generation {})", self.slot, self.pid, self.generation)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "ended with status {code}"),
            Self::Signal { signal, core_dumped, out_of_memory } => {
                match signal_name(signal) {
                    Some(name) => write!(f, "was killed by {name} (signal {signal})")?,
                    None => write!(f, "was killed by signal {signal}")?,
                }
                if core_dumped {
                    f.write_str(", core dumped")?;
                }
                if out_of_memory {
                    f.write_str(": the system was out of memory")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { name, address, inherited: false } => {
                write!(f, "{name}: listening on {address}")
            }
            Self::Listening { name, address, inherited: true } => {
                write!(f, "{name}: was handed the socket on {address}")
            }
            Self::Spawned(worker) => write!(f, "{worker} was started"),
            Self::Ready(worker) => write!(f, "{worker} is ready"),
            Self::AllReady => f.write_str("the workers are ready"),
            Self::Draining(worker) => write!(f, "{worker} drains"),
            Self::Ended(worker, tally) => {
                write!(f, "{worker} has ended")?;
                write_tally(f, tally)
            }
            Self::Died { worker, exit, was_ready, reason, replaced_after, tally } => {
                write!(f, "{worker} {exit}")?;
                if !was_ready {
                    f.write_str(" before it was ready")?;
                }
                if let Some(reason) = reason {
                    write!(f, ": {reason}")?;
                }
                if let Some(after) = replaced_after {
                    write!(f, "; it is replaced after {} ms", after.as_millis())?;
                }
                write_tally(f, tally)
            }
            Self::BootTimedOut(worker) => write!(f, "{worker} was not ready in time; it is killed"),
            Self::Overdue(worker) => write!(f, "{worker} did not end in time; it is killed"),
            Self::Hung(worker, time) => {
                write!(f, "the loop of {worker} has not turned for {} ms", time.as_millis())?;
                f.write_str("; it is killed")
            }
            Self::Stuck(worker) => write!(f, "{worker} waits in the kernel, uninterruptibly"),
            Self::CrashLoop { gives_up: true } => {
                f.write_str("workers die again and again before they are ready; giving up")
            }
            Self::CrashLoop { gives_up: false } => {
                f.write_str("workers die again and again before they are ready")
            }
            Self::Recycling(worker) => write!(f, "{worker} has done enough and is replaced"),
            Self::RollStarted { generation } => {
                write!(f, "rolling restart to generation {generation}")
            }
            Self::RollFinished { generation } => {
                write!(f, "rolling restart to generation {generation} has finished")
            }
            Self::RollFailed { done, of, reason } => {
                write!(f, "rolling restart failed at {done} of {of}: {reason}")
            }
            Self::Scaled(workers) => write!(f, "{workers} workers from now on"),
            Self::Paused => f.write_str("pausing: the workers drain"),
            Self::Resumed => f.write_str("going on"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::CannotSpawn { slot, reason } => write!(f, "cannot start worker {slot}: {reason}"),
            Self::Stopping => f.write_str("stopping: the workers drain"),
            Self::StoppingFast => f.write_str("stopping at once"),
            Self::UpgradeStarted { pid } => write!(f, "upgrade: started pid {pid}"),
            Self::UpgradeFinished { pid } => write!(f, "upgrade: pid {pid} has taken over"),
            Self::UpgradeFailed(why) => write!(f, "upgrade failed, going on: {why}"),
            Self::Warning(text) => write!(f, "warning: {text}"),
            Self::Stopped(status) => write!(f, "stopped, status {status}"),
        }
    }
}

/// Nothing of one that had nothing to do.
fn write_tally(f: &mut fmt::Formatter<'_>, tally: &Tally) -> fmt::Result {
    if *tally == Tally::default() { Ok(()) } else { write!(f, "; {tally}") }
}

fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGSYS => "SIGSYS",
        _ => return None,
    })
}
