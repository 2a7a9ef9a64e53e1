//! How many workers there are to be: more, fewer, or none for now.

use super::{Slot, Stopping, Supervisor, surplus::Leftover};
use crate::launcher::{Event, scoreboard::SLOTS};

impl Supervisor {
    /// Sets how many workers there are to be.
    pub(super) fn scale(&mut self, workers: usize) -> Result<(), String> {
        if self.stopping != Stopping::No || self.upgrade.is_some() {
            return Err("the launcher is ending or being upgraded".into());
        }
        if workers == 0 {
            return Err("one worker is the least".into());
        }
        if workers > SLOTS {
            return Err(format!("{workers} workers are more than the {SLOTS} that there can be"));
        }
        // Slots that are added begin anew.
        let serves = |slot: &usize| *slot >= self.target || self.is_to_serve(*slot);
        let serving: Vec<_> = (0..workers).filter(serves).collect();
        for endpoint in &mut self.endpoints {
            let changed = endpoint.extend(workers).and_then(|()| endpoint.steer(&serving));
            if let Err(error) = changed {
                return Err(format!("{}: {error}", endpoint.name));
            }
        }
        for slot in &mut self.slots[workers.min(self.target)..] {
            *slot = Slot::default();
        }
        self.target = workers;
        self.resume();
        for slot in &mut self.slots {
            slot.adopted.retain(|adopted| *adopted >= workers);
            slot.leftover = Leftover::default();
        }
        self.tell(Event::Scaled(workers));
        // Those beyond this number are told to end as soon as they have nothing more to read.
        Ok(())
    }

    /// Has all workers drain, and starts none until it is told to go on. What comes meanwhile waits in the
    /// queues of the sockets.
    pub(super) fn pause(&mut self) -> Result<(), String> {
        if self.stopping != Stopping::No || self.upgrade.is_some() {
            return Err("the launcher is ending or being upgraded".into());
        }
        if !self.paused {
            self.cancel_roll("the launcher is pausing");
            self.paused = true;
            self.tell(Event::Paused);
            let pids: Vec<_> = self.processes.iter().map(|process| process.id.pid).collect();
            for pid in pids {
                self.drain(pid);
            }
        }
        Ok(())
    }

    /// Starts workers again.
    pub(super) fn resume(&mut self) {
        if std::mem::take(&mut self.paused) {
            self.tell(Event::Resumed);
        }
    }

    /// `SIGWINCH`. From a terminal it says that a window has another size, and nothing more.
    pub(super) fn pause_by_signal(&mut self) {
        if std::fs::File::open("/dev/tty").is_err() {
            self.pause().unwrap_or_else(|why| self.refuse(why));
        }
    }
}
