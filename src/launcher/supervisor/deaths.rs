//! Taking in the ends of processes: what was ordered, what was a death, and what follows from it.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use super::{Supervisor, process::Process, spawn::random, watch};
use crate::launcher::{
    Event, Exit, OnCrashLoop, Tally,
    seat::STATUS_FATAL,
    sys::process::{self, Ended},
};

impl Supervisor {
    /// Takes in the ends of all child processes that have ended.
    pub(super) fn reap(&mut self) {
        let mut place = 0;
        while place < self.processes.len() {
            let pid = self.processes[place].id.pid;
            match process::reap(pid as i32) {
                Ok(None) => place += 1,
                Ok(Some(ended)) => self.take_end(place, ended),
                // Somebody else has reaped it, so nobody knows how it ended.
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {
                    self.take_end(place, Ended::Code(0));
                }
                Err(_) => place += 1,
            }
        }
        self.reap_successor();
        // The first process of a container inherits those whose parents have ended.
        if std::process::id() == 1 {
            while let Some(pid) = process::any_ended() {
                if self.processes.iter().any(|process| process.id.pid == pid as u32)
                    || !matches!(process::reap(pid), Ok(Some(_)))
                {
                    break;
                }
            }
        }
    }

    fn take_end(&mut self, place: usize, ended: Ended) {
        // What it said last may say why.
        self.read_report(self.processes[place].id.pid);
        let process = self.processes.swap_remove(place);
        let tally = Tally::of(self.board.entry(process.place));
        self.board.bury(process.place);
        if process.ordered {
            return self.tell(Event::Ended(process.id, tally));
        }
        let exit = Exit::new(ended, || self.was_out_of_memory());
        let replaced_after = self.replace_after_death(&process, exit);
        self.tell(Event::Died {
            worker: process.id,
            exit,
            was_ready: process.ready_at.is_some(),
            reason: process.fatal.clone(),
            replaced_after,
            tally,
        });
        self.check_roll_death(&process, exit);
        self.check_crash_loop(&process, exit);
    }

    /// Decides when the slot of a worker that died gets another one.
    fn replace_after_death(&mut self, process: &Process, exit: Exit) -> Option<Duration> {
        let slot = process.id.slot;
        if process.replaces && process.ready_at.is_none() {
            // The one that it was to replace still serves, or its slot is empty and due.
            return None;
        }
        if slot >= self.target || self.stopping != super::Stopping::No {
            return None;
        }
        if is_fatal(process, exit) {
            return None;
        }
        let now = Instant::now();
        let stable = self.settings.restart.is_stable(process.ready_for(now));
        let state = &mut self.slots[slot];
        state.deaths = if stable { 1 } else { state.deaths.saturating_add(1) };
        self.board.restarts[slot].fetch_add(1, Relaxed);
        if self.processes.iter().any(|other| other.id.slot == slot && other.holds_slot()) {
            // One whose loop had hung was replaced before it was gone.
            return None;
        }
        let pause = self.settings.restart.pause(state.deaths, random());
        state.not_before = Some(now + pause);
        Some(pause)
    }

    fn check_crash_loop(&mut self, process: &Process, exit: Exit) {
        if process.replaces || self.stopping != super::Stopping::No {
            return;
        }
        let fatal = is_fatal(process, exit);
        if process.ready_at.is_some() && !fatal {
            return;
        }
        let looping = fatal || self.boot_deaths.add(Instant::now(), &self.settings.restart);
        let reaction = self.settings.restart.on_crash_loop;
        if fatal || (looping && reaction == OnCrashLoop::KeepOthers) {
            self.slots[process.id.slot].disabled = true;
        }
        if !looping {
            return;
        }
        let none_left = (0..self.target).all(|slot| self.slots[slot].disabled);
        let gives_up = reaction == OnCrashLoop::Exit || none_left;
        if !gives_up && self.predecessor.is_none() && self.serving().len() < self.target {
            // The others get what would come to a slot that stays empty.
            self.steer_again();
        }
        self.tell(Event::CrashLoop { gives_up });
        if gives_up {
            self.status = STATUS_FATAL as u8;
            self.begin_stop();
        }
    }

    /// Whether the system has killed something for lack of memory since the last time.
    fn was_out_of_memory(&mut self) -> bool {
        let now = watch::oom_kills();
        let before = std::mem::replace(&mut self.oom_kills, now);
        matches!((before, now), (Some(before), Some(now)) if now > before)
    }
}

/// Whether it is no use to start this worker again.
fn is_fatal(process: &Process, exit: Exit) -> bool {
    process.fatal.is_some() || exit == Exit::Code(STATUS_FATAL)
}
