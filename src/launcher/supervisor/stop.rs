//! Ending workers, and with the last of them the launcher.

use std::{
    collections::BTreeSet,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use super::{
    Outcome, SIGNALS, Stopping, Supervisor,
    process::{Phase, Process},
};
use crate::launcher::{
    Event,
    scoreboard::State,
    sys::{
        self,
        signals::{self, Action},
    },
};

/// How long the destructors of a worker may take that is told to end at once.
const FAST: Duration = Duration::from_secs(2);

/// The same for one whose grace is over.
const CUT: Duration = Duration::from_millis(500);

impl Supervisor {
    /// `SIGTERM`: lets the workers finish. A second one does not.
    pub(super) fn stop_gracefully(&mut self) {
        match self.stopping {
            Stopping::No => {
                self.tell(Event::Stopping);
                if !self.handed_over {
                    self.systemd.stopping();
                }
                self.cancel_roll("the launcher is ending");
                let delay = self.settings.drain_delay;
                if delay.is_zero() || self.handed_over {
                    self.begin_stop();
                } else {
                    self.stopping = Stopping::After(Instant::now() + delay);
                }
            }
            _ => self.stop_fast(self.status),
        }
    }

    /// Tells the workers to drop what they do.
    pub(super) fn stop_fast(&mut self, status: u8) {
        if self.stopping == Stopping::Fast {
            return;
        }
        self.cancel_roll("the launcher is ending");
        self.stopping = Stopping::Fast;
        self.status = status;
        self.board.stopping.store(1, Relaxed);
        self.tell(Event::StoppingFast);
        let now = Instant::now();
        for process in &mut self.processes {
            end_at_once(process, now + FAST);
        }
    }

    /// Tells the workers to drain, now that all is said.
    pub(super) fn begin_stop(&mut self) {
        if self.is_stopping() {
            return;
        }
        self.cancel_roll("the launcher is ending");
        self.stopping = Stopping::Gracefully;
        // With a successor there is somebody else to take what is in the queues.
        if !self.handed_over {
            self.board.stopping.store(1, Relaxed);
        }
        let pids: Vec<_> = self.processes.iter().map(|process| process.id.pid).collect();
        for pid in pids {
            self.drain(pid);
        }
    }

    pub(super) fn advance_stop(&mut self, now: Instant) {
        if matches!(self.stopping, Stopping::After(then) if then <= now) {
            self.begin_stop();
        }
        if self.stopping == Stopping::Gracefully && self.has_sockets_alone() {
            self.refuse_connections();
        }
    }

    /// Whether no predecessor and no successor serves the same sockets.
    fn has_sockets_alone(&self) -> bool {
        !self.handed_over && self.predecessor.is_none()
    }

    /// Closes the queues that the workers have emptied. Whoever connects from now on would wait for them
    /// to finish with the others, and then be cut: it should go elsewhere at once.
    fn refuse_connections(&mut self) {
        for endpoint in &mut self.endpoints {
            let name = &endpoint.name;
            let own = endpoint.is_group().then(|| endpoint.len());
            let mut left = BTreeSet::new();
            for process in self.processes.iter().filter(|process| !process.emptied.contains(name)) {
                let slot = process.id.slot;
                let adopted = self.slots[slot].adopted.iter().copied();
                let sockets = adopted.chain([slot]).map(|slot| own.map_or(0, |count| slot % count));
                left.extend(sockets);
            }
            endpoint.refuse_except(&left);
        }
    }

    /// Tells a worker to accept no more, and to end when it has finished.
    pub(super) fn drain(&mut self, pid: u32) {
        let Some(process) = self.processes.iter_mut().find(|process| process.id.pid == pid) else {
            return;
        };
        if !process.holds_slot() {
            return;
        }
        process.ordered = true;
        process.phase = Phase::Draining { until: Instant::now() + self.settings.grace };
        let id = process.id;
        // The others see at once that it takes no more.
        self.board.entry(process.place).set_state(State::Draining);
        sys::process::signal(pid as i32, libc::SIGTERM);
        self.tell(Event::Draining(id));
    }

    /// Cuts the oldest of those that drain when they are of too many generations.
    pub(super) fn limit_draining(&mut self) {
        let draining = |process: &&mut Process| matches!(process.phase, Phase::Draining { .. });
        let generations: BTreeSet<_> =
            self.processes.iter_mut().filter(draining).map(|p| p.id.generation).collect();
        let excess = generations.len().saturating_sub(self.settings.max_draining);
        let now = Instant::now();
        for generation in generations.into_iter().take(excess) {
            for process in self.processes.iter_mut().filter(draining) {
                if process.id.generation == generation {
                    process.phase = Phase::Draining { until: now };
                }
            }
        }
    }

    /// Does what is to be done to processes whose time is over.
    pub(super) fn enforce_deadlines(&mut self, now: Instant) {
        let mut events = Vec::new();
        for process in &mut self.processes {
            if process.deadline().is_none_or(|deadline| deadline > now) {
                continue;
            }
            match process.phase {
                Phase::Booting { .. } => {
                    events.push(Event::BootTimedOut(process.id));
                    kill(process);
                }
                Phase::Ready => process.recycling = true,
                Phase::Draining { .. } => {
                    events.push(Event::Overdue(process.id));
                    end_at_once(process, now + CUT);
                }
                Phase::Ending { .. } => kill(process),
                Phase::Killed => {}
            }
        }
        for event in events {
            self.tell(event);
        }
    }

    /// All workers are gone.
    pub(super) fn end(&mut self) -> Outcome {
        if self.has_sockets_alone() {
            for endpoint in &self.endpoints {
                endpoint.remove_file();
            }
            if let Some(control) = &self.control {
                control.remove_file();
            }
        }
        self.kill_successor();
        for signal in SIGNALS {
            // What comes from now on ends the process, as before `run`.
            let _ = signals::set(signal, Action::Default);
        }
        self.tell(Event::Stopped(self.status));
        Outcome::Ended(self.status)
    }
}

fn end_at_once(process: &mut Process, until: Instant) {
    if matches!(process.phase, Phase::Ending { .. } | Phase::Killed) {
        return;
    }
    process.ordered = true;
    process.phase = Phase::Ending { until };
    sys::process::signal(process.id.pid as i32, libc::SIGQUIT);
}

fn kill(process: &mut Process) {
    process.phase = Phase::Killed;
    sys::process::signal(process.id.pid as i32, libc::SIGKILL);
}
