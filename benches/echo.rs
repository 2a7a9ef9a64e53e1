//! What a message costs that goes to a server over loopback and comes back, with client and server
//! in one loop.
//!
//! ```text
//! cargo bench --bench echo
//! ```
//!
//! Each figure is the time of one round trip; with several connections, divided by their number.

mod machine;

use std::{
    io,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput};
use greenloop::{
    EventLoop,
    net::{TcpListener, TcpStream},
    spawn,
    task::JoinHandle,
};

fn main() {
    machine::print();
    let mut criterion = Criterion::default().configure_from_args();
    round_trips(&mut criterion);
    criterion.final_summary();
}

fn round_trips(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("echo");
    for (connections, size) in [(1, 64), (50, 64), (1, 16 * 1024)] {
        let mut event_loop = EventLoop::new().expect("there are descriptors for a loop");
        let mut streams = event_loop.run(connect(connections)).expect("loopback works");
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new(format!("{connections} x"), size), |bencher| {
            bencher.iter_custom(|messages| {
                let each = messages.div_ceil(connections);
                let time = event_loop.run(exchange(&mut streams, each, size)).expect("it echoes");
                time.mul_f64(messages as f64 / (each * connections) as f64)
            });
        });
    }
}

/// Clients of a server whose tasks are on this loop.
async fn connect(connections: u64) -> io::Result<Vec<TcpStream>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut streams = Vec::new();
    for _ in 0..connections {
        let client = TcpStream::connect(listener.local_addr()?).await?;
        client.set_nodelay(true)?;
        streams.push(client);
        let (server, _) = listener.accept().await?;
        spawn(echo(server));
    }
    Ok(streams)
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}

/// Sends each client's messages, one after the other; every byte must come back.
async fn exchange(streams: &mut Vec<TcpStream>, each: u64, size: usize) -> io::Result<Duration> {
    let start = Instant::now();
    let clients: Vec<JoinHandle<io::Result<TcpStream>>> = (0..)
        .zip(streams.drain(..))
        .map(|(number, stream)| {
            spawn(async move {
                let message = vec![number; size];
                let mut answer = vec![0; size];
                for _ in 0..each {
                    stream.write_all(&message).await?;
                    answer.fill(!number);
                    stream.read_exact(&mut answer).await?;
                    assert!(answer == message, "other bytes came back");
                }
                Ok(stream)
            })
        })
        .collect();
    for client in clients {
        streams.push(client.await??);
    }
    Ok(start.elapsed())
}
