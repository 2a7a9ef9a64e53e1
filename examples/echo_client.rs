//! An echo client: many connections, each of which sends a message, waits for it to come back and
//! compares every byte, again and again.
//!
//! ```text
//! cargo run --release --example echo_client [ADDRESS] [--clients N] [--messages M] [--size BYTES]
//! ```
//!
//! Start `echo_server` first; ADDRESS is 127.0.0.1:8080 unless given. It prints the throughput and
//! how long the messages took, and fails if a byte is wrong or missing.

use std::{io, time::Duration, time::Instant};

use greenloop::{net::TcpStream, task::try_join_all};

fn main() -> io::Result<()> {
    let Some((address, clients, messages, size)) = arguments() else {
        eprintln!("usage: echo_client [ADDRESS] [--clients N] [--messages M] [--size BYTES]");
        std::process::exit(2);
    };
    greenloop::run(async {
        let streams = try_join_all((0..clients).map(|_| TcpStream::connect(&address))).await?;
        println!("{clients} clients, each with its own port; {messages} messages of {size} bytes");
        let start = Instant::now();
        let mut times = Vec::with_capacity(clients * messages);
        let talk = |stream| greenloop::spawn(talk(stream, messages, size));
        for client in greenloop::join_all(streams.into_iter().map(talk)).await {
            times.append(&mut client??);
        }
        let rate = times.len() as f64 / start.elapsed().as_secs_f64();
        println!("{rate:.0} messages/s, {:.1} MB/s each way", rate * size as f64 / 1e6);
        times.sort_unstable();
        for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
            let rank = (times.len() as f64 * share).ceil() as usize;
            println!("{name:>6} {:.1?}", times[rank - 1]);
        }
        Ok(())
    })
}

/// Sends a client's messages, and gives how long each took to come back.
async fn talk(stream: TcpStream, messages: usize, size: usize) -> io::Result<Vec<Duration>> {
    stream.set_nodelay(true)?;
    let mut random = u64::from(stream.local_addr()?.port()); // each client sends other bytes
    let (mut message, mut echo) = (vec![0; size], vec![0; size]);
    let mut times = Vec::with_capacity(messages);
    for _ in 0..messages {
        message.fill_with(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 56) as u8
        });
        let start = Instant::now();
        // Side by side, because the answer to a long message begins before its end is sent.
        greenloop::try_join!(stream.write_all(&message), stream.read_exact(&mut echo))?;
        times.push(start.elapsed());
        if echo != message {
            return Err(io::Error::other("other bytes came back than were sent"));
        }
    }
    Ok(times)
}

/// The address, the number of clients and of messages, and the size of a message.
fn arguments() -> Option<(String, usize, usize, usize)> {
    let mut address = None;
    let [mut clients, mut messages, mut size] = [50, 1000, 64];
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next()?.parse().ok().filter(|&number| number > 0);
        match argument.as_str() {
            "--clients" => clients = number()?,
            "--messages" => messages = number()?,
            "--size" => size = number()?,
            _ if argument.starts_with('-') || address.is_some() => return None,
            _ => address = Some(argument),
        }
    }
    Some((address.unwrap_or("127.0.0.1:8080".into()), clients, messages, size))
}
