//! What `SIGUSR1` asks for: figures, what workers run that hang, and log files opened anew.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use super::{Supervisor, process::Phase};
use crate::launcher::{
    Event,
    log::say,
    statistics,
    sys::{self, signals},
};

/// A loop that has not turned for so long is looked at more closely in a dump.
const STUCK: Duration = Duration::from_secs(1);

impl Supervisor {
    /// Prints the figures, and has workers whose loop does not turn print what they run.
    pub(super) fn dump(&mut self) {
        let statistics = statistics::gather(self.board, &self.settings.names);
        say(&format!("{}: {}", self.settings.name, statistics.to_json()));
        let now = sys::clock::now();
        let busy = self.processes.iter().filter(|process| {
            let busy = self.board.entry(process.place).busy_for(now);
            process.phase == Phase::Ready && Duration::from_nanos(busy) > STUCK
        });
        for process in busy {
            sys::process::signal(process.id.pid as i32, signals::dump_signal());
        }
    }

    /// Has the program's hook open its log files anew, here and in each worker. Those that are not ready yet
    /// are told when they are: before, the signal could find no handler.
    pub(super) fn reopen(&mut self) {
        let Some(hook) = &mut self.settings.on_reopen else {
            return;
        };
        let problem = match catch_unwind(AssertUnwindSafe(hook)) {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the hook panicked".into()),
        };
        for process in &mut self.processes {
            if process.ready_at.is_some() {
                sys::process::signal(process.id.pid as i32, libc::SIGUSR1);
            } else {
                process.reopens = true;
            }
        }
        if let Some(problem) = problem {
            self.tell(Event::Warning(format!("the log was not opened anew: {problem}")));
        }
    }
}
