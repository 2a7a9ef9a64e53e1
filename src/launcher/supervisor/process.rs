//! A worker process, as the supervisor keeps it.

use std::{
    collections::BTreeSet,
    io::{self, Read as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    time::{Duration, Instant},
};

use crate::launcher::{event::Id, recycle::Limits};

/// One of the supervisor's child processes that was not reaped yet.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) id: Id,
    /// Its place on the scoreboard.
    pub(super) place: usize,
    /// Becomes readable when it ends.
    pub(super) descriptor: Option<OwnedFd>,
    pub(super) report: Report,
    pub(super) phase: Phase,
    pub(super) started: Instant,
    pub(super) ready_at: Option<Instant>,
    /// It was told to end, so its end is no death.
    pub(super) ordered: bool,
    /// It is to take over the slot of one that still serves.
    pub(super) replaces: bool,
    /// What it says why it cannot serve.
    pub(super) fatal: Option<String>,
    pub(super) limits: Limits,
    /// It was noted to be replaced.
    pub(super) recycling: bool,
    /// It is to open its log files anew when it is ready.
    pub(super) reopens: bool,
    /// The names of the sockets from whose queues it will take nothing more.
    pub(super) emptied: BTreeSet<String>,
    pub(super) watch: Watched,
}

/// In which part of its life a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not ready yet, until when it must be.
    Booting {
        until: Instant,
    },
    Ready,
    /// Told to end, until when it must.
    Draining {
        until: Instant,
    },
    /// Told to end at once, and killed then.
    Ending {
        until: Instant,
    },
    /// Killed.
    Killed,
}

/// What the watchdog remembers of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watched {
    /// The processor time that it had used at the last look, in ticks.
    pub(super) ticks: Option<u64>,
    /// When it was last seen to be stopped, by the scoreboard's clock.
    pub(super) stopped: u64,
    /// How often it was excused because it got no processor.
    pub(super) excused: u8,
    pub(super) told_stuck: bool,
}

impl Process {
    /// Whether it holds its slot: it serves, or is going to.
    pub(super) fn holds_slot(&self) -> bool {
        matches!(self.phase, Phase::Booting { .. } | Phase::Ready)
    }

    /// Whether its slot must not get another worker: it holds it, or was killed because it did not become
    /// ready, and its death decides when the slot gets another one.
    pub(super) fn keeps_slot(&self) -> bool {
        let failed = matches!(self.phase, Phase::Killed) && self.ready_at.is_none();
        self.holds_slot() || (failed && !self.replaces)
    }

    /// When the supervisor must look after it next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Booting { until } | Phase::Draining { until } | Phase::Ending { until } => {
                Some(until)
            }
            Phase::Ready => match (self.limits.age, self.recycling) {
                (Some(age), false) => self.started.checked_add(age),
                _ => None,
            },
            Phase::Killed => None,
        }
    }

    /// For how long it has served.
    pub(super) fn ready_for(&self, now: Instant) -> Duration {
        self.ready_at.map_or(Duration::ZERO, |then| now.saturating_duration_since(then))
    }
}

/// What a worker has told in its pipe and was not read yet.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) pipe: UnixStream,
    buffer: Vec<u8>,
    pub(super) ended: bool,
}

/// The longest line that is kept.
const LONGEST: usize = 4096;

impl Report {
    pub(super) fn new(pipe: UnixStream) -> io::Result<Self> {
        pipe.set_nonblocking(true)?;
        Ok(Self { pipe, buffer: Vec::new(), ended: false })
    }

    /// The complete lines that have come.
    pub(super) fn lines(&mut self) -> Vec<String> {
        let mut chunk = [0; 1024];
        loop {
            match self.pipe.read(&mut chunk) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(count) => self.buffer.extend(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.ended = true;
                    break;
                }
            }
            if self.buffer.len() > LONGEST {
                break;
            }
        }
        let mut lines = Vec::new();
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            lines.push(String::from_utf8_lossy(&line[..end]).into_owned());
        }
        if self.buffer.len() > LONGEST {
            self.buffer.clear();
        }
        lines
    }
}
