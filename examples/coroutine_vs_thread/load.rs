//! The clients of an echo server: a process of its own, on a processor of its own, on greenloop.
//!
//! It opens the connections, one task each, and compares every byte that comes back. For every line on its
//! standard input it works for one slice of time and prints what that has cost the server; in between it
//! is silent, so that the clients of other servers may work.
//!
//! A latency goes from the moment when a client begins to send until it has the whole answer. Clients
//! without think time send the next message at once, so many of them are a queue that is always full, and
//! their latency is its length.

use std::{
    cell::{Cell, RefCell},
    io,
    net::Ipv4Addr,
    rc::Rc,
    time::{Duration, Instant},
};

use greenloop::net::TcpStream;
use hdrhistogram::Histogram;
use serde_json::json;

use crate::{cli::LoadPart, memory, system};

/// Opens the connections, and works when told to.
pub fn generate(part: &LoadPart) -> io::Result<()> {
    system::die_with_parent(600);
    system::raise_file_limit()?;
    system::bind(&[part.cpu])?;
    let before = memory::of_all(&part.servers).map(|it| it.resident);
    greenloop::run(async {
        let mut clients = Vec::with_capacity(part.connections);
        for number in 0..part.connections {
            clients.push(Rc::new(Client::connect(part.port, number).await?));
        }
        let after = memory::of_all(&part.servers).map(|it| it.resident);
        let each = before.and_then(|before| Ok((after? - before) / part.connections as f64)).ok();
        println!("{}", json!({ "memory": each }));
        loop {
            let line = greenloop::spawn_blocking(|| io::stdin().lines().next());
            match line.await?.transpose()? {
                Some(_) => println!("{}", slice(part, &clients).await?),
                None => return Ok(()),
            }
        }
    })
}

/// One connection.
struct Client {
    stream: TcpStream,
    number: usize,
    /// How many messages it has sent, which makes each a different one.
    sent: Cell<u64>,
}

/// What the clients of one slice share.
struct Slice {
    think: Duration,
    running: Cell<bool>,
    measuring: Cell<bool>,
    latencies: RefCell<Histogram<u64>>,
}

/// Lets all clients work for a while, and gives what it has cost.
async fn slice(part: &LoadPart, clients: &[Rc<Client>]) -> io::Result<serde_json::Value> {
    let shared = Rc::new(Slice {
        think: Duration::from_millis(part.think),
        running: Cell::new(true),
        measuring: Cell::new(false),
        latencies: RefCell::new(Histogram::new_with_max(MINUTE, 3).expect("it fits")),
    });
    let tasks: Vec<_> = clients
        .iter()
        .map(|client| greenloop::spawn(Rc::clone(client).talk(Rc::clone(&shared))))
        .collect();
    greenloop::sleep(Duration::from_millis(part.lead_in)).await;

    let used =
        || -> Option<Duration> { part.servers.iter().map(|&pid| system::time_of(pid)).sum() };
    let (start, server, own) = (Instant::now(), used(), system::own_time());
    shared.measuring.set(true);
    greenloop::sleep(Duration::from_millis(part.slice)).await;
    // On a machine that is busy with others it may take longer until there is something to see.
    while shared.latencies.borrow().len() < part.least && start.elapsed() < PATIENCE {
        greenloop::sleep(Duration::from_millis(part.slice)).await;
    }
    shared.measuring.set(false);
    let (wall, server_after, own_after) = (start.elapsed(), used(), system::own_time());

    shared.running.set(false);
    for ended in greenloop::join_all(tasks).await {
        ended??;
    }
    let latencies = shared.latencies.borrow();
    let messages = latencies.len();
    let server = server.zip(server_after).map(|(before, after)| after - before);
    Ok(json!({
        "messages": messages,
        "per_second": messages as f64 / wall.as_secs_f64(),
        "cpu_us": server.filter(|_| messages > 0)
            .map(|time| time.as_secs_f64() * 1e6 / messages as f64),
        "busy": server.map(|time| time.as_secs_f64() / wall.as_secs_f64()),
        "load_busy": (own_after - own).as_secs_f64() / wall.as_secs_f64(),
        "p50_us": percentile(&latencies, 0.5, part.beyond),
        "p99_us": percentile(&latencies, 0.99, part.beyond),
        "p999_us": percentile(&latencies, 0.999, part.beyond),
    }))
}

impl Client {
    /// Connects and exchanges a message, so that the server is known to have accepted.
    async fn connect(port: u16, number: usize) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        let client = Self { stream, number, sent: Cell::new(0) };
        client.exchange().await?;
        Ok(client)
    }

    async fn talk(self: Rc<Self>, shared: Rc<Slice>) -> io::Result<()> {
        let mut random = Random::new(self.number as u64 + 1);
        // They do not all begin at once.
        let mut think = shared.think.mul_f64(random.part());
        while shared.running.get() {
            if !shared.think.is_zero() {
                greenloop::sleep(think).await;
                // From half to one and a half times the average.
                think = shared.think.mul_f64(0.5 + random.part());
            }
            let start = Instant::now();
            let measured = shared.measuring.get();
            self.exchange().await?;
            // Neither what was begun before the time nor what has ended after it.
            if measured && shared.measuring.get() {
                let nanos = start.elapsed().as_nanos() as u64;
                shared.latencies.borrow_mut().saturating_record(nanos);
            }
        }
        Ok(())
    }

    /// Sends a message of 64 bytes and waits for it.
    async fn exchange(&self) -> io::Result<()> {
        let sent = self.sent.replace(self.sent.get() + 1);
        let mut message = [b'.'; SIZE];
        message[..8].copy_from_slice(&(self.number as u64).to_le_bytes().map(|byte| byte | 0x80));
        message[8..16].copy_from_slice(&sent.to_le_bytes());
        self.stream.write_all(&message).await?;
        let mut echo = [0; SIZE];
        self.stream.read_exact(&mut echo).await?;
        if echo == message { Ok(()) } else { Err(io::Error::other("other bytes came back")) }
    }
}

/// The latency that a part of all messages did not exceed, in microseconds; nothing when there are
/// fewer than `least` messages beyond it, and it is a matter of luck.
fn percentile(latencies: &Histogram<u64>, part: f64, least: f64) -> Option<f64> {
    let beyond = latencies.len() as f64 * (1.0 - part);
    // Rounding must not decide.
    (beyond > least - 0.001).then(|| latencies.value_at_quantile(part) as f64 / 1e3)
}

/// After this a slice ends also without messages.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longer than any answer takes, in nanoseconds.
const MINUTE: u64 = 60_000_000_000;

/// The bytes of a message.
pub const SIZE: usize = 64;

/// Numbers that look random, and are the same in every run.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number from 0 to 1.
    fn part(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}
