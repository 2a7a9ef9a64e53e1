//! The load generator: a process of its own, on a processor of its own.
//!
//! It opens connections, keeps a fixed number of messages in flight on each, and checks every
//! byte that comes back. The driver says when: for every line `go` on standard input it works
//! for one slice of time, reads the server's CPU clock at both ends of it, lets all messages
//! come home, and reports the figures as `name=value` lines. In between it is silent, so
//! that the generators of other servers may work. It knows the server only as a port and a
//! process id.

mod connection;
mod pattern;

use crate::epoll::{CLOSED, Epoll, READ, WRITE};
use crate::{cpu, memory};
use connection::{Connection, Progress};
use pattern::{PERIOD, Pattern};
use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What the driver asks this process to do.
pub struct LoadPart {
    /// Where the server listens.
    pub port: u16,
    /// The server's process.
    pub server: i32,
    /// The processor to run on.
    pub cpu: usize,
    /// What the connections do.
    pub traffic: Traffic,
    /// How long to send in each slice before measuring.
    pub lead_in: Duration,
    /// How long to measure in each slice.
    pub slice: Duration,
    /// Send exactly so many messages instead, at once, and end.
    pub messages: Option<u64>,
    /// How long to pause after answers, so that the server falls asleep.
    pub pause: Duration,
}

/// The shape of the load.
#[derive(Clone, Copy)]
pub struct Traffic {
    /// Connections that are busy at the same time.
    pub connections: usize,
    /// Bytes of a message.
    pub size: usize,
    /// Messages each connection has under way at any time.
    pub in_flight: u64,
    /// Further connections that say nothing after their first message.
    pub idle: usize,
    /// Every connection carries one message, is closed by both sides and replaced.
    pub short: bool,
}

/// Opens the connections, then sends when told to, and prints what it cost.
pub fn generate(part: &LoadPart) -> io::Result<()> {
    cpu::die_with_parent(LIFETIME_SECONDS);
    cpu::pin(part.cpu)?;
    cpu::raise_file_limit()?;
    if part.traffic.size == 0 || part.traffic.size > PERIOD {
        return Err(io::Error::other(format!("a message has 1 to {PERIOD} bytes")));
    }
    let pattern = Pattern::new();
    let idle = open_idle(part, &pattern)?;
    let mut load = Load::open(part, pattern)?;
    if let Some(messages) = part.messages {
        load.limit = messages;
        load.begin_all()?;
        load.run_until(|load| load.done == messages)?;
        println!("messages={}", load.done);
        return Ok(());
    }
    println!("ready=1");
    for line in io::stdin().lines() {
        if line? == "go" {
            load.slice(part)?;
            println!("ready=1");
        }
    }
    drop(idle);
    Ok(())
}

/// Opens the idle connections and prints how much memory the server took for them.
fn open_idle(part: &LoadPart, pattern: &Pattern) -> io::Result<Vec<Connection>> {
    let before = memory::resident_bytes(part.server)?;
    let mut idle = Vec::with_capacity(part.traffic.idle);
    for seed in 0..part.traffic.idle {
        idle.push(Connection::open_and_try(part.port, seed, part.traffic.size, pattern)?);
    }
    if !idle.is_empty() {
        let after = memory::resident_bytes(part.server)?;
        println!("idle_bytes={}", (after as f64 - before as f64) / idle.len() as f64);
    }
    Ok(idle)
}

/// The busy connections.
struct Load {
    epoll: Epoll,
    /// An empty place waits for its next short connection.
    connections: Vec<Option<Connection>>,
    pattern: Pattern,
    /// What is received goes here, whichever connection it comes from.
    buffer: Vec<u8>,
    traffic: Traffic,
    port: u16,
    pause: Duration,
    /// Messages, or short connections, that have come to their end.
    done: u64,
    /// How many were begun, and how many may be in all.
    begun: u64,
    limit: u64,
}

impl Load {
    /// Opens all connections but the short ones, and sends nothing more than it takes to know
    /// that the server has accepted them.
    fn open(part: &LoadPart, pattern: Pattern) -> io::Result<Self> {
        let traffic = part.traffic;
        let mut load = Load {
            epoll: Epoll::new(1024)?,
            connections: (0..traffic.connections).map(|_| None).collect(),
            pattern,
            buffer: vec![0; 64 * 1024],
            traffic,
            port: part.port,
            pause: part.pause,
            done: 0,
            begun: 0,
            limit: 0,
        };
        if !traffic.short {
            for token in 0..traffic.connections {
                let tried =
                    Connection::open_and_try(part.port, token, traffic.size, &load.pattern)?;
                load.place(token, tried)?;
            }
        }
        Ok(load)
    }

    /// Sends for one slice of time, and prints what it cost the server.
    fn slice(&mut self, part: &LoadPart) -> io::Result<()> {
        self.limit = u64::MAX;
        self.begin_all()?;
        let start = Instant::now();
        self.run_until(|_| start.elapsed() >= part.lead_in)?;

        let waited_before = cpu::kept_waiting(part.server);
        let clock = cpu::ProcessClock::of(part.server)?;
        let (first, start, cpu_before) = (self.done, Instant::now(), clock.read()?);
        self.run_until(|_| start.elapsed() >= part.slice)?;
        let (cpu_after, wall) = (clock.read()?, start.elapsed());
        let waited_after = cpu::kept_waiting(part.server);
        println!("messages={}", self.done - first);
        println!("cpu_ns={}", cpu_after - cpu_before);
        println!("wall_ns={}", wall.as_nanos());
        if let (Some(before), Some(after)) = (waited_before, waited_after) {
            println!("waited_ns={}", after - before);
        }

        self.limit = self.begun;
        self.run_until(|load| load.done == load.begun)
    }

    /// Lets every connection begin as much as it may have in flight.
    fn begin_all(&mut self) -> io::Result<()> {
        for token in 0..self.connections.len() {
            self.begin(token, if self.traffic.short { 1 } else { self.traffic.in_flight })?;
        }
        Ok(())
    }

    /// Lets a connection begin `messages` more, as far as the limit allows.
    fn begin(&mut self, token: usize, messages: u64) -> io::Result<()> {
        let messages = messages.min(self.limit - self.begun);
        if messages == 0 {
            return Ok(());
        }
        self.begun += messages;
        if self.connections[token].is_none() {
            self.place(token, Connection::open(self.port, token)?)?;
        }
        let connection = self.connections[token].as_mut().expect("the place was just filled");
        connection.send(messages, self.traffic.size, &self.pattern)
    }

    fn place(&mut self, token: usize, connection: Connection) -> io::Result<()> {
        self.epoll.add(connection.stream(), READ | WRITE, token)?;
        self.connections[token] = Some(connection);
        Ok(())
    }

    /// Handles events until `enough` says so; it is asked after every batch of events.
    fn run_until(&mut self, enough: impl Fn(&Load) -> bool) -> io::Result<()> {
        while !enough(self) {
            let count = self.epoll.wait(Some(PATIENCE))?;
            if count == 0 {
                return Err(io::Error::other("the server has stopped answering"));
            }
            if !self.pause.is_zero() {
                sleep(self.pause);
            }
            for index in 0..count {
                let (token, events) = self.epoll.event(index);
                self.handle(token, events)?;
            }
        }
        Ok(())
    }

    fn handle(&mut self, token: usize, events: u32) -> io::Result<()> {
        let Some(connection) = &mut self.connections[token] else { return Ok(()) };
        let closed = events & CLOSED != 0;
        match connection.advance(self.traffic.size, closed, &self.pattern, &mut self.buffer)? {
            Progress::Completed(0) => Ok(()),
            Progress::Completed(_) if self.traffic.short => connection.finish_sending(),
            Progress::Completed(messages) => {
                self.done += messages;
                self.begin(token, messages)
            }
            Progress::Closed if self.traffic.short => {
                self.done += 1;
                self.connections[token] = None;
                self.begin(token, 1)
            }
            Progress::Closed => Err(io::Error::other("the server has closed a connection")),
        }
    }
}

/// How long the server may be silent while messages are under way.
const PATIENCE: Duration = Duration::from_secs(20);
/// The process ends after so long, whatever happens.
const LIFETIME_SECONDS: u32 = 600;
