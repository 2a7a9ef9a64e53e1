//! Replacing workers that serve: all of them one by one, or one that has done enough.
//!
//! The replacement is started first, and the old worker drains when it is ready, so there are never
//! fewer that serve than there should be, and never more than one beyond. The first replacement that does
//! not become ready ends it: those that were not replaced serve on.

use std::{
    collections::VecDeque,
    os::fd::AsRawFd as _,
    time::{Duration, Instant},
};

use super::{
    Outcome, Stopping, Supervisor,
    process::{Phase, Process},
};
use crate::launcher::{Event, Exit, sockets::Endpoint, sys::poll::is_readable};

/// After which time a worker that should be replaced, and could not, is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// The same for sockets that no worker serves.
const ADOPT_AGAIN: Duration = Duration::from_secs(1);

/// A replacement of workers that is going on.
#[derive(Debug)]
pub(super) struct Roll {
    kind: Kind,
    /// The slots that are still to be done.
    todo: VecDeque<usize>,
    of: usize,
    done: usize,
    /// The process that is to become ready.
    current: Option<u32>,
    /// Who asked for it at the control socket.
    client: Option<u64>,
    /// The slot whose sockets the replacement is to serve as well.
    adopts: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// All workers, to a new generation.
    All,
    /// One that has done enough.
    Recycling,
}

impl Supervisor {
    /// Begins a rolling restart, or notes that another one is to follow the one that is going on.
    pub(super) fn ask_roll(&mut self, client: Option<u64>) {
        if self.stopping != Stopping::No || self.upgrade.is_some() {
            return self.refuse_client(client, "the launcher is ending or being upgraded");
        }
        match &self.roll {
            Some(roll) if roll.kind == Kind::All => {
                if client.is_some() {
                    return self.refuse_client(client, "a rolling restart is going on");
                }
                // However often it was asked for: one more will have read what there is to be read.
                self.roll_again = true;
                return;
            }
            Some(_) => {
                if client.is_some() {
                    return self.refuse_client(client, "a worker is being replaced; try again");
                }
                self.roll_again = true;
                return;
            }
            None => {}
        }
        if let Some(hook) = &mut self.settings.on_reload {
            let reloaded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(hook));
            let reason = match reloaded {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("the hook panicked".into()),
            };
            if let Some(reason) = reason {
                let reason = format!("the configuration was not taken: {reason}");
                self.answer(client, Err(&reason));
                return self.tell(Event::RollFailed { done: 0, of: self.target, reason });
            }
        }
        self.resume();
        self.generation += 1;
        let generation = self.generation;
        let target = self.target;
        let given_up = self.serving().len() < target;
        for slot in &mut self.slots[..target] {
            // Those that were given up are to have workers of their own again.
            slot.adopted.retain(|adopted| *adopted >= target);
            slot.disabled = false;
            slot.deaths = 0;
            slot.not_before = None;
        }
        if given_up {
            self.steer_again();
        }
        let todo: VecDeque<_> = (0..self.target).collect();
        let of = todo.len();
        self.roll =
            Some(Roll { kind: Kind::All, todo, of, done: 0, current: None, client, adopts: None });
        self.tell(Event::RollStarted { generation });
        self.systemd.reloading();
    }

    /// A worker asks to be replaced.
    pub(super) fn note_recycling(&mut self, pid: u32) {
        if let Some(process) = self.processes.iter_mut().find(|process| process.id.pid == pid) {
            process.recycling = true;
        }
    }

    /// Starts the next replacement if the last one is ready. `Some` in the worker.
    pub(super) fn advance_roll(&mut self) -> Option<Outcome> {
        if self.roll.is_none() && self.roll_again {
            self.roll_again = false;
            self.ask_roll(None);
        }
        if self.roll.is_none() {
            self.begin_recycling();
        }
        loop {
            let roll = self.roll.as_mut()?;
            if let Some(pid) = roll.current {
                let replacement = self.processes.iter().find(|process| process.id.pid == pid);
                match replacement.map(|process| (process.id.slot, process.phase)) {
                    // Its death is taken in where it is reaped.
                    Some((_, Phase::Booting { .. } | Phase::Killed)) => return None,
                    // Its end was no death, because it had just been told to end.
                    None => {
                        self.fail_roll("the replacement was told to end".into());
                        continue;
                    }
                    Some((slot, _)) => {
                        roll.current = None;
                        roll.done += 1;
                        self.retire(slot, pid);
                        continue;
                    }
                }
            }
            let Some(slot) = roll.todo.pop_front() else {
                self.finish_roll();
                return None;
            };
            let recycling = roll.kind == Kind::Recycling;
            let generation = self.generation;
            let held = self
                .processes
                .iter()
                .find(|process| process.id.slot == slot && process.holds_slot());
            let outdated =
                held.is_some_and(|process| recycling || process.id.generation < generation);
            if slot >= self.target || !outdated {
                // There is none, or a new one: whoever is started is of this generation.
                roll.done += 1;
                continue;
            }
            if held.is_some_and(|process| process.phase != Phase::Ready) {
                // It would be replaced before it has served: start it anew instead.
                let pid = held.expect("just found").id.pid;
                roll.done += 1;
                self.drain(pid);
                continue;
            }
            match self.spawn(slot, true) {
                Ok(None) => {
                    let pid = self.processes.last().map(|process| process.id.pid);
                    if let Some(roll) = &mut self.roll {
                        roll.current = pid;
                    }
                }
                Ok(worker) => return worker,
                Err(error) => self.fail_roll(format!("cannot start worker {slot}: {error}")),
            }
        }
    }

    /// Has the workers of a slot drain that another was started for.
    fn retire(&mut self, slot: usize, successor: u32) {
        let old = self.processes.iter().filter(|process| {
            process.id.slot == slot && process.id.pid != successor && process.holds_slot()
        });
        let old: Vec<_> = old.map(|process| process.id.pid).collect();
        for pid in old {
            self.drain(pid);
        }
        if let Some(process) = self.processes.iter_mut().find(|p| p.id.pid == successor) {
            process.replaces = false;
        }
        self.limit_draining();
    }

    fn begin_recycling(&mut self) {
        if self.stopping != Stopping::No || self.upgrade.is_some() {
            return;
        }
        let due = self.processes.iter().find(|process| {
            process.recycling && process.phase == Phase::Ready && process.id.slot < self.target
        });
        let Some(id) = due.map(|process| process.id) else {
            return;
        };
        self.tell(Event::Recycling(id));
        self.roll = Some(Roll {
            kind: Kind::Recycling,
            todo: VecDeque::from([id.slot]),
            of: 1,
            done: 0,
            current: None,
            client: None,
            adopts: None,
        });
    }

    fn finish_roll(&mut self) {
        let Some(roll) = self.roll.take() else {
            return;
        };
        if roll.kind == Kind::All {
            let generation = self.generation;
            self.tell(Event::RollFinished { generation });
            self.systemd.ready(&format!("{} workers, generation {generation}", self.target));
            let answer =
                format!("{{\"ok\":true,\"generation\":{generation},\"replaced\":{}}}", roll.done);
            self.answer(roll.client, Ok(&answer));
        }
    }

    pub(super) fn fail_roll(&mut self, reason: String) {
        let Some(roll) = self.roll.take() else {
            return;
        };
        if let Some(stray) = roll.adopts {
            for slot in &mut self.slots {
                slot.adopted.retain(|adopted| *adopted != stray);
            }
            self.adopt_after = Some(Instant::now() + ADOPT_AGAIN);
        }
        // A worker that could not be replaced asks again after a while.
        if roll.kind == Kind::Recycling {
            for process in self.processes.iter_mut().filter(|process| process.recycling) {
                process.recycling = false;
                process.limits.age = Some(process.started.elapsed() + TRY_AGAIN);
            }
        } else {
            self.systemd.ready(&format!("the rolling restart failed: {reason}"));
        }
        let answer = format!("failed at {} of {}: {reason}", roll.done, roll.of);
        self.answer(roll.client, Err(&answer));
        self.tell(Event::RollFailed { done: roll.done, of: roll.of, reason });
    }

    /// A process has died: was it the one that was to become ready?
    pub(super) fn check_roll_death(&mut self, process: &Process, exit: Exit) {
        if self.replaces_now(process.id.pid) {
            let why = process.fatal.as_deref().map_or(String::new(), |why| format!(": {why}"));
            self.fail_roll(format!("{} {exit}{why}", process.id));
        }
    }

    /// Whether this process is the one that is to become ready.
    pub(super) fn replaces_now(&self, pid: u32) -> bool {
        self.roll.as_ref().is_some_and(|roll| roll.current == Some(pid))
    }

    /// Nothing is replaced any more.
    pub(super) fn cancel_roll(&mut self, why: &str) {
        self.roll_again = false;
        if let Some(roll) = &self.roll {
            let replacement = roll.current;
            self.fail_roll(why.to_owned());
            // The one that it was to replace serves on, and the slot has no place for two.
            replacement.into_iter().for_each(|pid| self.drain(pid));
        }
    }

    fn refuse_client(&mut self, client: Option<u64>, why: &str) {
        self.answer(client, Err(why));
        self.refuse(why.to_owned());
    }

    /// Serves connections that have come to the socket of a worker that there is no more: one worker is
    /// replaced by one that has that socket, too.
    pub(super) fn adopt_strays(&mut self) {
        let queues = self.endpoints.iter().filter(|endpoint| endpoint.takes_connections());
        let strays: Vec<_> = queues
            .flat_map(Endpoint::group)
            .filter(|(slot, queue)| !self.is_to_serve(*slot) && is_readable(queue.as_raw_fd()))
            .map(|(slot, _)| slot)
            .collect();
        let serving = self.serving();
        for stray in strays {
            if self.is_adopted(stray) || self.roll.is_some() || serving.is_empty() {
                continue;
            }
            let neighbour = serving[stray % serving.len()];
            self.slots[neighbour].adopted.push(stray);
            self.roll = Some(Roll {
                kind: Kind::Recycling,
                todo: VecDeque::from([neighbour]),
                of: 1,
                done: 0,
                current: None,
                client: None,
                adopts: Some(stray),
            });
        }
    }
}
