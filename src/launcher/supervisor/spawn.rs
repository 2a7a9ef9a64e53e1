//! Starting workers.

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use super::{
    Outcome, Supervisor, exec,
    process::{Phase, Process, Report, Watched},
};
use crate::launcher::{
    Event, Id, Pin, SpawnMode,
    log::say,
    seat::Seat,
    sys::{
        self,
        fork::{ForkError, Forked},
    },
    worker::Equipment,
};

/// After which time it is tried again where a process could not be made.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

impl Supervisor {
    /// Starts workers in the slots that have none and should. `Some` in the worker.
    pub(super) fn fill_slots(&mut self, now: Instant) -> Option<Outcome> {
        for slot in 0..self.target {
            let state = &self.slots[slot];
            let due = !state.disabled && state.not_before.is_none_or(|then| then <= now);
            let held = |process: &Process| process.id.slot == slot && process.keeps_slot();
            if !due || self.processes.iter().any(held) {
                continue;
            }
            match self.spawn(slot, false) {
                Ok(None) => {}
                Ok(worker) => return worker,
                Err(error) => {
                    self.tell(Event::CannotSpawn { slot, reason: error.to_string() });
                    self.slots[slot].not_before = Some(Instant::now() + PAUSE);
                }
            }
        }
        None
    }

    /// Starts a worker. `Some` in the worker.
    pub(super) fn spawn(&mut self, slot: usize, replaces: bool) -> io::Result<Option<Outcome>> {
        let (ours, workers) = UnixStream::pair()?;
        let report = Report::new(ours)?;
        let Some(place) = self.board.hand_out(slot, self.generation) else {
            return Err(io::Error::other("there are too many workers, those that drain included"));
        };
        // What stands in the buffer would be printed by the copy as well.
        let _ = io::stdout().flush();
        let random = random();
        let pid = match self.start_process(slot, place, &workers, random) {
            Ok(Forked::Parent(pid)) => pid as u32,
            Ok(Forked::Child) => {
                drop(report);
                return match self.become_worker(slot, place, workers, random) {
                    Ok(worker) => Ok(Some(worker)),
                    Err(error) => {
                        say(&format!("greenloop: worker {slot}: {error}"));
                        sys::fork::exit_at_once(1)
                    }
                };
            }
            Err(error) => {
                self.board.bury(place);
                return Err(error);
            }
        };
        self.board.entry(place).pid.store(pid, Relaxed);
        let now = Instant::now();
        let id = Id { slot, generation: self.generation, pid };
        self.slots[slot].not_before = None;
        self.processes.push(Process {
            id,
            place,
            descriptor: sys::process::descriptor(pid as i32),
            report,
            phase: Phase::Booting { until: now + self.settings.boot_timeout },
            started: now,
            ready_at: None,
            ordered: false,
            replaces,
            fatal: None,
            limits: self.settings.recycle.limits(random),
            recycling: false,
            reopens: false,
            emptied: BTreeSet::new(),
            watch: Watched::default(),
        });
        self.tell(Event::Spawned(id));
        Ok(None)
    }

    fn start_process(
        &self,
        slot: usize,
        place: usize,
        report: &UnixStream,
        random: f64,
    ) -> io::Result<Forked> {
        if self.settings.spawn_mode != SpawnMode::Exec {
            match sys::fork::fork() {
                Ok(forked) => return Ok(forked),
                Err(ForkError::System(error)) => return Err(error),
                Err(ForkError::Threads(others)) => {
                    if self.settings.spawn_mode == SpawnMode::Fork {
                        return Err(io::Error::other(Self::has_threads(&others)));
                    }
                }
            }
        }
        let board = self.board_file.as_ref().expect("made for these modes");
        let mut sockets = Vec::new();
        for endpoint in &self.endpoints {
            for slot in self.served_by(slot) {
                sockets.extend(endpoint.of_slot(slot).map(|fd| (endpoint.name.as_str(), fd)));
                if !endpoint.is_group() {
                    break;
                }
            }
        }
        let seat = exec::Ticket {
            place,
            supervisor: std::process::id(),
            shared: self.shares_sockets(),
            processor: self.processor(slot),
            random,
        };
        let program = self.program.as_deref().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "the program's file is not known")
        })?;
        let pid = exec::start(program, &seat, board.as_fd(), report.as_fd(), &sockets)?;
        Ok(Forked::Parent(pid))
    }

    /// The slots whose sockets the worker of a slot serves.
    fn served_by(&self, slot: usize) -> impl Iterator<Item = usize> {
        std::iter::once(slot).chain(self.slots[slot].adopted.iter().copied())
    }

    /// In the copy: takes from the supervisor's state what the worker needs. The rest is dropped.
    fn become_worker(
        &mut self,
        slot: usize,
        place: usize,
        report: UnixStream,
        random: f64,
    ) -> io::Result<Outcome> {
        let mut sockets = Vec::new();
        for endpoint in &self.endpoints {
            let mut own: Vec<OwnedFd> = Vec::new();
            for slot in self.served_by(slot) {
                if let Some(socket) = endpoint.of_slot(slot) {
                    own.push(socket.try_clone_to_owned()?);
                }
                if !endpoint.is_group() {
                    break;
                }
            }
            sockets.push((endpoint.name.clone(), own));
        }
        if let Some(processor) = self.processor(slot) {
            sys::cpu::pin(processor)?;
        }
        sys::title::set(&self.settings.name, &format!("worker {slot}"));
        let supervisor = self.board.supervisor.load(Relaxed) as i32;
        let seat = Seat::Below { supervisor, grace: self.settings.grace };
        let equipment = Equipment {
            board: self.board,
            place,
            sockets,
            report: Some(report),
            shared: self.shares_sockets(),
            manual_ready: self.settings.manual_ready,
            limits: self.settings.recycle.limits(random),
            names: self.settings.names.clone(),
            on_reopen: self.settings.on_reopen.take(),
        };
        Ok(Outcome::Worker(seat, equipment))
    }

    /// The processor that the worker of a slot runs on, if it is bound to one.
    fn processor(&self, slot: usize) -> Option<usize> {
        let bound = self.settings.pin == Pin::Cores && slot < self.processors.len();
        bound.then(|| self.processors[slot])
    }

    /// Says so where workers cannot be bound to processors.
    pub(super) fn check_pinning(&mut self) {
        if self.settings.pin == Pin::Off {
            return;
        }
        let processors = self.processors.len();
        let quota = std::thread::available_parallelism().map_or(processors, usize::from);
        let why = if self.target > processors {
            format!("there are {processors} of them for {} workers", self.target)
        } else if quota < processors {
            format!("the quota of the group is {quota} of {processors}")
        } else {
            return;
        };
        self.settings.pin = Pin::Off;
        self.tell(Event::Warning(format!("workers are not bound to processors: {why}")));
    }
}

/// A number between 0 and 1, for what should differ from worker to worker.
pub(super) fn random() -> f64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    let number = RandomState::new().build_hasher().finish();
    (number >> 11) as f64 / (1_u64 << 53) as f64
}
