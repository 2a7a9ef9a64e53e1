//! Sockets that systemd or a predecessor has opened, by the protocol of `sd_listen_fds(3)`.

use std::os::fd::OwnedFd;

use crate::launcher::sys::{environment, sockets::take_inherited};

/// The first number of those that are passed.
const FIRST: i32 = 3;

/// The names of the sockets that are the predecessor's own, and become ours.
pub(super) const OWNED: &str = "GREENLOOP_UPGRADE_OWNED";

/// Descriptors that were handed over, with their names. Those that nobody takes are closed.
#[derive(Debug, Default)]
pub(in crate::launcher) struct Inherited {
    sockets: Vec<(String, OwnedFd)>,
    owned: Vec<String>,
}

impl Inherited {
    /// Takes what `LISTEN_FDS` speaks of, if it is meant for this process, and removes the variables.
    pub(in crate::launcher) fn from_environment() -> Self {
        let process = environment::take("LISTEN_PID");
        let count = environment::take("LISTEN_FDS");
        let names = environment::take("LISTEN_FDNAMES");
        let owned = environment::take(OWNED).unwrap_or_default();
        let meant = process.is_some_and(|pid| pid.trim().parse() == Ok(std::process::id()));
        let count = count.and_then(|count| count.trim().parse::<usize>().ok());
        let Some(count) = count.filter(|_| meant) else {
            return Self::default();
        };
        let mut names = names.as_deref().map(|names| names.split(':')).into_iter().flatten();
        let mut sockets = Vec::new();
        for number in FIRST..FIRST.saturating_add(i32::try_from(count.min(4096)).unwrap_or(0)) {
            let name = names.next().unwrap_or("unknown").to_owned();
            if let Some(socket) = take_inherited(number) {
                sockets.push((name, socket));
            }
        }
        Self { sockets, owned: owned.split(':').map(str::to_owned).collect() }
    }

    /// Whether the sockets of a name are ours alone.
    pub(in crate::launcher) fn owns(&self, name: &str) -> bool {
        self.owned.iter().any(|own| own == name)
    }

    /// Those of a name, in their order.
    pub(in crate::launcher) fn take(&mut self, name: &str) -> Vec<OwnedFd> {
        let (own, others) =
            std::mem::take(&mut self.sockets).into_iter().partition(|(other, _)| other == name);
        self.sockets = others;
        let own: Vec<(String, OwnedFd)> = own;
        own.into_iter().map(|(_, socket)| socket).collect()
    }
}
