//! Many clients at the same time: how many, how fast, and what came of it.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    clients,
    random::Random,
    server::{Sample, Server},
};

/// Clients that are busy at the same time, not counting the members of a crowd.
const CLIENTS: u64 = 24;
/// The largest crowd.
const CROWD: u64 = 300;
/// New connections per minute. A port stays taken for a minute after its connection, and there are
/// some 28,000 of them.
const RATE: u32 = 18_000;
/// After this a client counts as stuck.
const STUCK: Duration = Duration::from_secs(30);

pub(crate) fn description() -> String {
    format!("{CLIENTS} clients, crowds of up to {CROWD}, {RATE} connections a minute")
}

pub(crate) struct Storm {
    address: SocketAddr,
    /// When the next connection is due.
    next: Mutex<Instant>,
    /// The time between two.
    pace: Duration,
    connections: AtomicU64,
    broken_off: AtomicU64,
    bytes_verified: AtomicU64,
    /// The first thing that went wrong.
    failure: Mutex<Option<io::Error>>,
}

impl Storm {
    /// For a run of this length in all, of which this storm is a part.
    pub(crate) fn new(address: SocketAddr, run: Duration) -> Self {
        Self {
            address,
            pace: run.min(Duration::from_secs(60)) / RATE,
            next: Mutex::new(Instant::now()),
            connections: AtomicU64::new(0),
            broken_off: AtomicU64::new(0),
            bytes_verified: AtomicU64::new(0),
            failure: Mutex::new(None),
        }
    }

    /// Lets all clients loose, and gives the most that the server took.
    pub(crate) fn rage(&self, length: Duration, seed: u64, server: &Server) -> io::Result<Sample> {
        let end = Instant::now() + length;
        thread::scope(|scope| {
            // Each storm has the largest crowd once, so that their peaks can be compared.
            scope.spawn(move || self.note(clients::crowd(self, &mut Random::new(seed), CROWD)));
            for client in 0..CLIENTS {
                scope.spawn(move || {
                    let mut random = Random::new(seed << 32 | client);
                    while Instant::now() < end {
                        self.note(self.visit(&mut random));
                    }
                });
            }
            let mut peak = server.sample()?;
            while Instant::now() < end {
                thread::sleep(Duration::from_millis(20));
                let sample = server.sample()?;
                peak.descriptors = peak.descriptors.max(sample.descriptors);
                peak.memory_kib = peak.memory_kib.max(sample.memory_kib);
            }
            Ok(peak)
        })
    }

    /// What a client does, and how often in a hundred.
    fn visit(&self, random: &mut Random) -> io::Result<()> {
        match random.below(100) {
            0..20 => clients::talk(self, random),
            20..30 => clients::pour(self, random),
            30..40 => clients::dawdle(self, random),
            40..60 => clients::vanish(self, random),
            60..85 => clients::break_off(self, random),
            85..99 => clients::say_without_listening(self, random),
            _ => {
                let size = 1 + random.below(CROWD);
                clients::crowd(self, random, size)
            }
        }
    }

    /// Connects, but not before it is due.
    pub(crate) fn connect(&self) -> io::Result<TcpStream> {
        self.wait_for(1);
        let stream = TcpStream::connect(self.address)?;
        limit(&stream)?;
        Ok(stream)
    }

    /// Connects so many as fast as possible; those who come later wait the longer.
    pub(crate) fn connect_crowd(&self, count: u64) -> io::Result<Vec<TcpStream>> {
        self.wait_for(count);
        let streams = (0..count).map(|_| TcpStream::connect(self.address));
        let streams = streams.collect::<io::Result<Vec<_>>>()?;
        streams.iter().try_for_each(limit)?;
        Ok(streams)
    }

    fn wait_for(&self, count: u64) {
        self.connections.fetch_add(count, Relaxed);
        let due = {
            let mut next = lock(&self.next);
            let due = (*next).max(Instant::now());
            *next = due + self.pace * count as u32;
            due
        };
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }

    /// Counts a connection that was broken off on purpose.
    pub(crate) fn count_broken_off(&self) {
        self.broken_off.fetch_add(1, Relaxed);
    }

    /// Asserts that the same bytes came back.
    pub(crate) fn verify(&self, sent: &[u8], received: &[u8]) -> io::Result<()> {
        self.bytes_verified.fetch_add(sent.len() as u64, Relaxed);
        if sent == received {
            return Ok(());
        }
        let (sent, received) = (sent.len(), received.len());
        Err(io::Error::other(format!("wrong bytes: {received} came back of {sent}")))
    }

    fn note(&self, result: io::Result<()>) {
        if let Err(error) = result {
            lock(&self.failure).get_or_insert(error);
        }
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Relaxed)
    }

    pub(crate) fn broken_off(&self) -> u64 {
        self.broken_off.load(Relaxed)
    }

    pub(crate) fn bytes_verified(&self) -> u64 {
        self.bytes_verified.load(Relaxed)
    }

    pub(crate) fn into_failure(self) -> Option<io::Error> {
        self.failure.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

fn limit(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(STUCK))?;
    stream.set_write_timeout(Some(STUCK))?;
    stream.set_nodelay(true)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
