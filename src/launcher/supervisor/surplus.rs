//! Ending the workers that there are to be no more, without losing the datagrams that have come to them.
//!
//! Connections in the queue of a socket that nobody serves are accepted by a neighbour (`roll.rs`). Datagrams
//! are read by whoever has the socket as its only one. So a worker is told to end when it has read what has
//! come to it; and where it has died before, its slot gets another one for as long as there is something to
//! read. Nothing new comes meanwhile, since the group is steered away first.

use std::time::{Duration, Instant};

use super::{Outcome, Supervisor, process::Phase, spawn::PAUSE};
use crate::launcher::{Event, sockets::Endpoint};

/// How often it is looked whether all is read, of which nobody is told.
const LOOK: Duration = Duration::from_millis(10);

/// What is done about the datagrams of a slot that is to have no worker.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leftover {
    /// Until when its worker may read them.
    until: Option<Instant>,
    /// A worker was started for them, which is not done twice.
    tried: bool,
}

impl Supervisor {
    /// Has the workers beyond their number end that have read what came to them, and starts some where there
    /// is something to read. `Some` in a worker.
    pub(super) fn finish_surplus(&mut self, now: Instant) -> Option<Outcome> {
        let surplus = self.processes.iter().filter(|p| p.id.slot >= self.target && p.holds_slot());
        let surplus: Vec<_> = surplus.map(|process| (process.id, process.phase)).collect();
        for (id, phase) in surplus {
            if !self.still_reads(id.slot, phase, now) {
                self.drain(id.pid);
            }
        }
        let sockets = self.endpoints.iter().map(Endpoint::len).max().unwrap_or(0);
        for slot in self.target..sockets.min(self.slots.len()) {
            if !self.lacks_reader(slot) || !self.has_datagrams(slot) {
                continue;
            }
            let state = &mut self.slots[slot];
            if let Some(then) = state.not_before.filter(|then| *then > now) {
                self.look_at(then);
                continue;
            }
            // It has as much time as the one before had.
            let before =
                std::mem::replace(&mut state.leftover, Leftover { until: None, tried: true });
            if before.tried {
                state.disabled = true;
                let text = format!("datagrams for worker {slot}, which is no more, are not read");
                self.tell(Event::Warning(text));
                continue;
            }
            match self.spawn(slot, false) {
                Ok(None) => {}
                Ok(worker) => return worker,
                Err(error) => {
                    self.tell(Event::CannotSpawn { slot, reason: error.to_string() });
                    let state = &mut self.slots[slot];
                    state.leftover.tried = false;
                    state.not_before = Some(now + PAUSE);
                    self.look_at(now + PAUSE);
                }
            }
        }
        None
    }

    /// Whether a worker beyond their number has something to read, and time for that.
    fn still_reads(&mut self, slot: usize, phase: Phase, now: Instant) -> bool {
        let has_datagrams = self.has_datagrams(slot);
        let leftover = &mut self.slots[slot].leftover;
        if phase != Phase::Ready {
            return leftover.tried;
        }
        if !has_datagrams {
            *leftover = Leftover::default();
            return false;
        }
        let until = *leftover.until.get_or_insert(now + self.settings.grace);
        if until > now {
            self.look_at(now + LOOK);
        }
        until > now
    }

    /// Whether nobody would read what came to a slot beyond the number of workers, and nothing is known
    /// against starting somebody.
    pub(super) fn lacks_reader(&self, slot: usize) -> bool {
        // Before this launcher takes over, its predecessor's workers read.
        self.predecessor.is_none()
            && self.slots.get(slot).is_some_and(|state| !state.disabled)
            && !self.processes.iter().any(|process| process.id.slot == slot)
    }

    fn has_datagrams(&self, slot: usize) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.has_datagrams(slot))
    }

    fn look_at(&mut self, then: Instant) {
        self.next_look = Some(self.next_look.map_or(then, |other| other.min(then)));
    }
}
