//! What the launcher costs, and how evenly its workers share connections. See the README.

mod process;
mod servers;

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use greenloop::launcher::Accept;
use process::Server;

/// Connections of the load, and the bytes of a message.
const CONNECTIONS: usize = 50;
const SIZE: usize = 64;

/// How many workers share, in `balance`.
const WORKERS: usize = 4;

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let number = |place: usize, otherwise: u64| {
        arguments.get(place).map_or(Ok(otherwise), |text| text.parse()).map_err(io::Error::other)
    };
    match arguments.first().map(String::as_str) {
        Some("serve") => servers::serve(&arguments[1]),
        Some("who") => servers::who(workers_of(&arguments[1]), mode(&arguments[1])),
        Some("load") => load(arguments[1].parse().map_err(io::Error::other)?, number(2, 1)?),
        Some("cost") => cost(number(1, 2)?, number(2, 7)?),
        Some("balance") => balance(number(1, 5)?),
        None | Some("all") => {
            cost(2, 7)?;
            println!();
            balance(3)
        }
        _ => {
            eprintln!("usage: all | cost [SECONDS] [ROUNDS] | balance [TRIALS]");
            Ok(ExitCode::from(2))
        }
    }
}

fn mode(name: &str) -> Accept {
    match name {
        "PerWorker" => Accept::PerWorker,
        "ByCpu" => Accept::ByCpu,
        _ => Accept::Balanced,
    }
}

/// Compares the servers, in turns.
fn cost(seconds: u64, rounds: u64) -> io::Result<ExitCode> {
    let mut figures = vec![(Vec::new(), Vec::new()); servers::ALL.len()];
    // The first round is for the machine to get warm.
    for round in 0..=rounds {
        for place in 0..servers::ALL.len() {
            // A different one is first in each round.
            let place = (place + round as usize) % servers::ALL.len();
            let server = Server::start(&["serve", servers::ALL[place]])?;
            let before = server.processor_time();
            let load = std::process::Command::new(std::env::current_exe()?)
                .args(["load", &server.address.to_string(), &seconds.to_string()])
                .output()?;
            let spent = server.processor_time() - before;
            let text = String::from_utf8_lossy(&load.stdout);
            let messages: f64 = text.trim().parse().map_err(io::Error::other)?;
            if round == 0 {
                continue;
            }
            figures[place].0.push(messages / seconds as f64);
            figures[place].1.push(spent as f64 / messages / 1000.0);
        }
    }
    println!("{CONNECTIONS} connections, {SIZE} B, {rounds} rounds of {seconds} s\n");
    println!("| server | messages/s (range) | processor time per message, us (range) |");
    println!("|---|---|---|");
    for (name, (rates, costs)) in servers::ALL.iter().zip(&mut figures) {
        println!("| {name} | {} | {} |", summary(rates, 0), summary(costs, 2));
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(figures: &mut [f64], digits: usize) -> String {
    figures.sort_by(f64::total_cmp);
    let (least, most) = (figures[0], figures[figures.len() - 1]);
    let median = figures[figures.len() / 2];
    format!("{median:.digits$} ({least:.digits$} to {most:.digits$})")
}

/// The load generator: one loop, a task for each connection, one message in flight on each.
fn load(address: SocketAddr, seconds: u64) -> io::Result<ExitCode> {
    let messages = greenloop::run(async move {
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut tasks = Vec::new();
        for _ in 0..CONNECTIONS {
            let stream = greenloop::net::TcpStream::connect(address).await?;
            tasks.push(greenloop::spawn(async move {
                stream.set_nodelay(true)?;
                let mut buffer = [0; SIZE];
                let mut count = 0_u64;
                while Instant::now() < end {
                    stream.write_all(&buffer).await?;
                    stream.read_exact(&mut buffer).await?;
                    count += 1;
                }
                io::Result::Ok(count)
            }));
        }
        let mut messages = 0;
        for task in tasks {
            messages += task.await.map_err(io::Error::other)??;
        }
        io::Result::Ok(messages)
    })?;
    println!("{messages}");
    Ok(ExitCode::SUCCESS)
}

/// Counts who gets how many connections, in each mode.
fn balance(trials: u64) -> io::Result<ExitCode> {
    println!("fewest/most connections that a worker got, {trials} trials\n");
    println!(
        "| mode | workers | 1,000 short, one at a time | 1,000 short, 8 at a time | 64 long | 1,000 long |"
    );
    println!("|---|---|---|---|---|---|");
    for mode in ["Balanced", "PerWorker", "ByCpu"] {
        let workers = workers_of(mode);
        let mut row = format!("| `{mode}` | {workers} |");
        for (count, at_once, stay) in
            [(1000, 1, false), (1000, 8, false), (64, 1, true), (1000, 1, true)]
        {
            let mut cells = Vec::new();
            for _ in 0..trials {
                let server = Server::start(&["who", mode])?;
                let counts = connect(server.address, workers, count, at_once, stay)?;
                assert_eq!(counts.iter().sum::<usize>(), count, "each is counted once");
                let (least, most) = (counts.iter().min(), counts.iter().max());
                cells.push(format!("{}/{}", least.unwrap_or(&0), most.unwrap_or(&0)));
            }
            row += &format!(" {} |", cells.join(", "));
        }
        println!("{row}");
    }
    Ok(ExitCode::SUCCESS)
}

/// One for each processor where the processor decides, and else four, which is more than there may be.
fn workers_of(mode: &str) -> usize {
    if mode == "ByCpu" { thread::available_parallelism().map_or(1, usize::from) } else { WORKERS }
}

/// Opens connections and counts, for each worker, those that it has accepted. They come from all
/// processors in turn, which is what `ByCpu` goes by.
fn connect(
    address: SocketAddr,
    workers: usize,
    count: usize,
    at_once: usize,
    stay: bool,
) -> io::Result<Vec<usize>> {
    let processors = process::processors();
    let client = move |own: usize| -> io::Result<(Vec<usize>, Vec<TcpStream>)> {
        let (mut counts, mut open) = (vec![0; workers], Vec::new());
        for number in 0..count / at_once {
            process::run_on(processors[(own + number) % processors.len()]);
            let mut stream = TcpStream::connect(address)?;
            let mut slot = [0];
            stream.read_exact(&mut slot)?;
            counts[usize::from(slot[0])] += 1;
            if stay {
                open.push(stream);
            } else {
                let _ = stream.write_all(&[0]);
            }
        }
        Ok((counts, open))
    };
    let threads: Vec<_> = (0..at_once)
        .map(|own| {
            let client = client.clone();
            thread::spawn(move || client(own))
        })
        .collect();
    let mut sums = vec![0; workers];
    let mut open = Vec::new();
    for thread in threads {
        let (counts, streams) = thread.join().expect("a client does not panic")?;
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        open.extend(streams);
    }
    Ok(sums)
}
