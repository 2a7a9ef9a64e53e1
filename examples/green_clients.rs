//! Many clients at once, in plain code: each says hello, waits for the echo and compares every
//! byte, again and again, in a green thread of its own.
//!
//! ```text
//! cargo run --release --example green_clients [ADDRESS] [--clients N] [--seconds S | --messages M]
//! ```
//!
//! Start `echo_server` or `echo_green` first; ADDRESS is 127.0.0.1:8080 unless given. There are 500
//! clients, and after 5 seconds, or M messages each, it ends by itself and prints how many messages
//! the least and the most served client had: a fair server lets them differ by little.

use std::{collections::BTreeSet, io, io::Read, io::Write, time::Duration, time::Instant};

use greenloop::green::{self, net::TcpStream};

fn main() -> io::Result<()> {
    let Some((address, clients, messages, time)) = arguments() else {
        let limits = "[--seconds S | --messages M]";
        eprintln!("usage: green_clients [ADDRESS] [--clients N] {limits}");
        std::process::exit(2);
    };
    green::run(move || {
        let connect = |_| TcpStream::connect(&address);
        let streams = (0..clients).map(connect).collect::<io::Result<Vec<_>>>()?;
        let port = |stream: &TcpStream| Ok(stream.local_addr()?.port());
        let ports = streams.iter().map(port).collect::<io::Result<BTreeSet<_>>>()?;
        println!("{clients} clients on {} ports", ports.len());
        let start = Instant::now();
        let talk = |stream| green::spawn(move || talk(stream, messages, time));
        let ended = green::join_all(streams.into_iter().map(talk));
        let seconds = start.elapsed().as_secs_f64();
        let mut counts = ended.into_iter().map(|count| count?).collect::<io::Result<Vec<u64>>>()?;
        counts.sort_unstable();
        println!("{:.0} messages/s", counts.iter().sum::<u64>() as f64 / seconds);
        println!("per client: min {}, max {}", counts[0], counts[clients - 1]);
        Ok(())
    })
}

/// Sends a client's messages until the time is over, and gives how many there were.
fn talk(mut stream: TcpStream, messages: u64, time: Duration) -> io::Result<u64> {
    stream.set_nodelay(true)?;
    let port = stream.local_addr()?.port(); // each client sends other bytes
    let start = Instant::now();
    let mut count = 0;
    while count < messages && start.elapsed() < time {
        let message = format!("{port} says hello {count}");
        stream.write_all(message.as_bytes())?;
        let mut echo = vec![0; message.len()];
        stream.read_exact(&mut echo)?;
        if echo != message.as_bytes() {
            return Err(io::Error::other("other bytes came back than were sent"));
        }
        count += 1;
    }
    Ok(count)
}

/// The address, the number of clients and of messages of each, and the time.
fn arguments() -> Option<(String, usize, u64, Duration)> {
    let mut address = None;
    let (mut clients, mut messages, mut time) = (500, u64::MAX, Duration::from_secs(5));
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next()?.parse().ok().filter(|&number| number > 0);
        match argument.as_str() {
            "--clients" => clients = number()? as usize,
            "--seconds" => (messages, time) = (u64::MAX, Duration::from_secs(number()?)),
            "--messages" => (messages, time) = (number()?, Duration::MAX),
            _ if argument.starts_with('-') || address.is_some() => return None,
            _ => address = Some(argument),
        }
    }
    Some((address.unwrap_or("127.0.0.1:8080".into()), clients, messages, time))
}
