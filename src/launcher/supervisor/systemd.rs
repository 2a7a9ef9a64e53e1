//! Telling the service manager, in the words of `sd_notify(3)`: a datagram each.

use std::{
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
    time::{Duration, Instant},
};

use crate::launcher::sys::{clock, environment};

/// The service manager, if it listens.
#[derive(Debug, Default)]
pub(super) struct Systemd {
    /// As it was given in the environment.
    name: Option<String>,
    to: Option<(UnixDatagram, SocketAddr)>,
    /// How often it wants a sign of life.
    interval: Option<Duration>,
    next: Option<Instant>,
}

impl Systemd {
    /// Reads `NOTIFY_SOCKET` and `WATCHDOG_USEC`, and takes them out of the environment.
    pub(super) fn from_environment() -> Self {
        let name = environment::take("NOTIFY_SOCKET");
        let to = name.as_deref().and_then(address).and_then(|address| {
            let socket = UnixDatagram::unbound().ok()?;
            // A service manager that does not read must not stop the launcher.
            socket.set_nonblocking(true).ok()?;
            Some((socket, address))
        });
        let meant = environment::take("WATCHDOG_PID")
            .is_none_or(|pid| pid.parse() == Ok(std::process::id()));
        let interval = environment::take("WATCHDOG_USEC")
            .and_then(|time| time.parse().ok())
            .filter(|time| *time > 0 && meant && to.is_some())
            .map(|time| Duration::from_micros(time) / 2);
        Self { name, to, interval, next: interval.map(|_| Instant::now()) }
    }

    /// What a successor is to find in its environment.
    pub(super) fn variable(&self) -> Option<(&'static str, &str)> {
        self.name.as_deref().map(|name| ("NOTIFY_SOCKET", name))
    }

    /// All workers serve, also again after `reloading`.
    pub(super) fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}\nMAINPID={}", one_line(status), std::process::id()));
    }

    pub(super) fn reloading(&self) {
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", clock::now() / 1000));
    }

    pub(super) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Another process is the service from now on.
    pub(super) fn main_process(&self, pid: u32) {
        self.send(&format!("MAINPID={pid}"));
    }

    /// Gives a sign of life, if it is time to and the service is healthy.
    pub(super) fn feed(&mut self, now: Instant, is_healthy: impl FnOnce() -> bool) {
        if let (Some(interval), Some(next)) = (self.interval, self.next) {
            if next <= now {
                self.next = Some(now + interval);
                if is_healthy() {
                    self.send("WATCHDOG=1");
                }
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next
    }

    fn send(&self, message: &str) {
        if let Some((socket, address)) = &self.to {
            let _ = socket.send_to_addr(message.as_bytes(), address);
        }
    }
}

fn address(name: &str) -> Option<SocketAddr> {
    match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name).ok(),
        None if name.starts_with('/') => SocketAddr::from_pathname(name).ok(),
        None => None,
    }
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}
