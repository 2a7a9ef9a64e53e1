//! Handing over to the program as it is on the disk now.
//!
//! The successor is a child that executes the program's file. It finds the sockets as a service of systemd
//! would (`LISTEN_FDS`), so any program that knows that can be one, and a further socket after them on which
//! it says that its workers are ready. A successor that does not, or ends before, changes nothing.

use std::{
    io::{Read as _, Write as _},
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use super::{Stopping, Supervisor, Wake, exec, inherit::OWNED};
use crate::launcher::{
    Event,
    sys::{
        environment,
        poll::Poll,
        process::{self, Ended},
        sockets::take_inherited,
    },
};

/// The number of the socket to the predecessor.
const VARIABLE: &str = "GREENLOOP_UPGRADE_FD";

/// What is said on it, with the version of what it means.
const READY: &[u8] = b"READY 1\n";

/// How long a successor may take to end that has nothing more to say.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A successor that is not ready yet, or has just become so.
#[derive(Debug)]
pub(super) struct Upgrade {
    pid: u32,
    pipe: UnixStream,
    heard: Vec<u8>,
    /// It has said all that it will say.
    silent: bool,
    until: Instant,
    client: Option<u64>,
}

impl Upgrade {
    pub(super) fn wait_for(&self, poll: &mut Poll<Wake>) {
        if !self.silent {
            poll.readable(self.pipe.as_fd(), Wake::Successor);
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.until
    }
}

/// The supervisor that has started this one.
#[derive(Debug)]
pub(super) struct Predecessor(UnixStream);

impl Predecessor {
    pub(super) fn from_environment() -> Option<Self> {
        let number = environment::take(VARIABLE)?.parse().ok()?;
        // Whoever inherits the variables from a successor is none.
        if std::env::var("LISTEN_PID").ok()?.parse() != Ok(std::process::id()) {
            return None;
        }
        take_inherited(number).map(|socket| Self(socket.into()))
    }

    pub(super) fn tell_ready(mut self) {
        let _ = self.0.write_all(READY);
    }
}

impl Supervisor {
    /// Starts the successor.
    pub(super) fn start_upgrade(&mut self, client: Option<u64>) {
        let why_not = if self.stopping != Stopping::No {
            Some("the launcher is ending")
        } else if std::process::id() == 1 {
            // Its end, after the successor has taken over, would be that of all processes.
            Some("the first process of a container cannot be upgraded: replace the container")
        } else if self.upgrade.is_some() {
            Some("an upgrade is going on")
        } else if self.predecessor.is_some() {
            Some("this launcher has not taken over from its predecessor yet")
        } else {
            None
        };
        if let Some(why) = why_not {
            self.answer(client, Err(why));
            return self.refuse(why.to_owned());
        }
        self.cancel_roll("the program is being upgraded");
        match self.start_successor() {
            Ok((pid, pipe)) => {
                let until = Instant::now() + self.settings.upgrade_timeout;
                let heard = Vec::new();
                self.upgrade = Some(Upgrade { pid, pipe, heard, silent: false, until, client });
                self.tell(Event::UpgradeStarted { pid });
            }
            Err(error) => {
                self.steer_again();
                self.answer(client, Err(&error.to_string()));
                self.tell(Event::UpgradeFailed(error.to_string()));
            }
        }
    }

    fn start_successor(&self) -> std::io::Result<(u32, UnixStream)> {
        let program = self.program.as_deref().ok_or(std::io::ErrorKind::NotFound)?;
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut descriptors = Vec::new();
        let mut names = Vec::new();
        for endpoint in &self.endpoints {
            endpoint.keep_to(&self.serving())?;
            for descriptor in endpoint.descriptors() {
                descriptors.push(descriptor);
                names.push(endpoint.name.as_str());
            }
        }
        let owned = self.endpoints.iter().filter(|endpoint| endpoint.owned);
        let owned: Vec<_> = owned.map(|endpoint| endpoint.name.as_str()).collect();
        let count = descriptors.len();
        descriptors.push(theirs.as_raw_fd());
        let mut variables = vec![
            ("LISTEN_FDS", count.to_string()),
            ("LISTEN_FDNAMES", names.join(":")),
            (OWNED, owned.join(":")),
            (VARIABLE, (3 + count).to_string()),
        ];
        variables.extend(self.systemd.variable().map(|(name, value)| (name, value.to_owned())));
        let program = exec::program_with(program, std::env::args_os(), &variables)?;
        let program = program.pid_variable("LISTEN_PID").descriptors_from_3(&descriptors);
        Ok((program.start()? as u32, ours))
    }

    /// Hears what the successor says.
    pub(super) fn read_successor(&mut self) {
        let Some(upgrade) = &mut self.upgrade else {
            return;
        };
        let mut chunk = [0; 64];
        match upgrade.pipe.read(&mut chunk) {
            Ok(0) => upgrade.silent = true,
            Ok(count) => upgrade.heard.extend(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
            Err(_) => upgrade.silent = true,
        }
        if upgrade.heard.starts_with(READY) {
            let (pid, client) = (upgrade.pid, upgrade.client);
            self.upgrade = None;
            self.handed_over = true;
            // Before the successor's own word, the manager takes messages from the main process only.
            self.systemd.main_process(pid);
            self.answer(client, Ok(&format!("{{\"ok\":true,\"pid\":{pid}}}")));
            self.tell(Event::UpgradeFinished { pid });
            self.stop_gracefully();
        } else if upgrade.silent {
            // It is about to end, and its status will say why. Or it lives on, and cannot be what was
            // meant.
            upgrade.until = upgrade.until.min(Instant::now() + LAST_WORDS);
        }
    }

    /// Gives up a successor that is not ready in time.
    pub(super) fn advance_upgrade(&mut self, now: Instant) {
        match &self.upgrade {
            Some(upgrade) if upgrade.until <= now && upgrade.silent => {
                self.fail_upgrade("the successor has closed its end without having been ready");
            }
            Some(upgrade) if upgrade.until <= now => {
                self.fail_upgrade("the successor was not ready in time");
            }
            _ => {}
        }
    }

    /// Takes in the end of the successor.
    pub(super) fn reap_successor(&mut self) {
        let Some(upgrade) = &self.upgrade else {
            return;
        };
        let Ok(Some(ended)) = process::reap(upgrade.pid as i32) else {
            return;
        };
        // What it said last may be that it has taken over.
        self.read_successor();
        let how = match ended {
            Ended::Code(127) => "the program's file cannot be executed".to_owned(),
            Ended::Code(code) => format!("the successor ended with status {code}"),
            Ended::Signal { signal, .. } => format!("the successor died of signal {signal}"),
        };
        self.end_upgrade(&how);
    }

    fn fail_upgrade(&mut self, why: &str) {
        self.kill_successor();
        self.end_upgrade(why);
    }

    /// Kills a successor that is not ready. Its workers end with it.
    pub(super) fn kill_successor(&self) {
        if let Some(upgrade) = &self.upgrade {
            process::signal(upgrade.pid as i32, libc::SIGKILL);
            // It cannot take long.
            process::wait(upgrade.pid as i32);
        }
    }

    fn end_upgrade(&mut self, why: &str) {
        if let Some(upgrade) = self.upgrade.take() {
            self.steer_again();
            self.answer(upgrade.client, Err(why));
            self.tell(Event::UpgradeFailed(why.to_owned()));
        }
    }
}
