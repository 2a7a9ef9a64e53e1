//! What the workers say in their pipes, and what follows from it. `R`: it serves. `Q`: it has done enough.
//! `D`: it accepts no more. `E` and a name: it will take nothing more out of that queue. `F` and a reason:
//! it can never serve.

use std::time::Instant;

use super::{
    Supervisor,
    control::Control,
    process::{Phase, Process},
};
use crate::launcher::{Event, sys};

impl Supervisor {
    pub(super) fn read_report(&mut self, pid: u32) {
        let Some(process) = self.process_mut(pid) else {
            return;
        };
        for line in process.report.lines() {
            match line.split_at_checked(1) {
                Some(("R", _)) => self.became_ready(pid),
                Some(("Q", _)) => self.note_recycling(pid),
                Some(("D", _)) => self.drains_unasked(pid),
                Some(("E", name)) => {
                    if let Some(process) = self.process_mut(pid) {
                        process.emptied.insert(name.to_owned());
                    }
                }
                Some(("F", reason)) => {
                    if let Some(process) = self.process_mut(pid) {
                        process.fatal = Some(reason.to_owned());
                    }
                }
                _ => {}
            }
        }
    }

    pub(super) fn process_mut(&mut self, pid: u32) -> Option<&mut Process> {
        self.processes.iter_mut().find(|process| process.id.pid == pid)
    }

    fn became_ready(&mut self, pid: u32) {
        let Some(process) = self.process_mut(pid) else {
            return;
        };
        if std::mem::take(&mut process.reopens) {
            sys::process::signal(pid as i32, libc::SIGUSR1);
        }
        if !matches!(process.phase, Phase::Booting { .. }) {
            return;
        }
        process.phase = Phase::Ready;
        process.ready_at = Some(Instant::now());
        let id = process.id;
        self.tell(Event::Ready(id));
        let ready = self.processes.iter().filter(|process| process.phase == Phase::Ready).count();
        let wanted = (0..self.target).filter(|slot| !self.slots[*slot].disabled).count();
        if !self.announced && ready >= wanted.min(self.settings.ready_when) {
            self.announced = true;
            self.tell(Event::AllReady);
            self.systemd.ready(&format!("{ready} workers"));
            if let Some(predecessor) = self.predecessor.take() {
                self.take_over_control();
                self.steer_again();
                predecessor.tell_ready();
            }
        }
    }

    /// Has connections come to the sockets of this launcher's workers, whatever another has done.
    pub(super) fn steer_again(&mut self) {
        let serving = self.serving();
        for endpoint in &self.endpoints {
            if let Err(error) = endpoint.steer_again(&serving) {
                let name = &endpoint.name;
                let text = format!("{name}: connections are not distributed anew: {error}");
                return self.tell(Event::Warning(text));
            }
        }
    }

    /// Puts its own control socket in the place of the predecessor's.
    fn take_over_control(&mut self) {
        match self.settings.control.as_deref().map(Control::open).transpose() {
            Ok(control) => self.control = control,
            Err(error) => self.tell(Event::Warning(error.to_string())),
        }
    }

    /// A worker was told by somebody else to end: another takes its slot at once.
    fn drains_unasked(&mut self, pid: u32) {
        let until = Instant::now() + self.settings.grace;
        let found = self.process_mut(pid);
        if let Some(process) = found.filter(|process| process.holds_slot()) {
            let was_booting = process.phase != Phase::Ready;
            process.phase = Phase::Draining { until };
            process.ordered = true;
            let id = process.id;
            self.tell(Event::Draining(id));
            if was_booting && self.replaces_now(pid) {
                self.fail_roll(format!("{id} was told to end"));
            }
        }
    }
}
