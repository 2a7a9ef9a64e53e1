//! Compares greenloop's green threads with may, Go, gevent and threads, in one run.
//!
//! One binary plays every part that is written in Rust: the driver that a user starts, and the
//! children it starts itself, one for each measurement. README.md explains the method.

mod bench;
mod cpu;
mod external;
mod peers;
mod table;

use bench::Bench;
use external::External;
use std::io;
use std::process::{Command, ExitCode};

/// One peer.
struct Peer {
    /// What it is called on the command line and in the table.
    name: &'static str,
    /// How its measurements are started; the bench's name is added.
    command: Result<Vec<String>, String>,
}

/// The peers that are measured by this binary, with how they do it.
const IN_RUST: [(&str, fn(Bench) -> Option<f64>); 4] = [
    ("greenloop", peers::greenloop::measure),
    ("corosensei", peers::corosensei::measure),
    ("may", peers::may::measure),
    ("threads", peers::system::measure),
];

/// A measurement that takes longer is stuck.
const LIFETIME_SECONDS: u32 = 120;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["measure", peer, bench] => measure(peer, bench),
        words => options(words).and_then(|(reps, only)| compare(reps, &only)),
    };
    if let Err(error) = result {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The repetitions, and the peers that are wanted; none means all.
fn options(words: &[&str]) -> io::Result<(usize, Vec<String>)> {
    let (mut reps, mut only) = (15, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next();
        match (*word, value) {
            ("--reps", Some(value)) => reps = value.parse().map_err(io::Error::other)?,
            ("--only", Some(value)) => only = value.split(',').map(str::to_owned).collect(),
            _ => return Err(io::Error::other("usage: peers-green [--reps N] [--only NAME,NAME]")),
        }
    }
    Ok((reps.max(1), only))
}

/// Child: takes one measurement and prints it.
fn measure(peer: &str, bench: &str) -> io::Result<()> {
    cpu::end_after(LIFETIME_SECONDS);
    let found = IN_RUST.iter().find(|(name, _)| *name == peer);
    let (_, measure) = found.ok_or_else(|| io::Error::other("no peer is called so"))?;
    let bench = Bench::ALL.into_iter().find(|it| it.names().0 == bench);
    match measure(bench.ok_or_else(|| io::Error::other("no bench is called so"))?) {
        Some(figure) => println!("figure={figure}"),
        None => println!("nothing"),
    }
    // What is parked need not be taken down.
    std::process::exit(0);
}

fn compare(reps: usize, only: &[String]) -> io::Result<()> {
    let external = External::new()?;
    let this = std::env::current_exe()?.to_string_lossy().into_owned();
    let in_rust = IN_RUST.map(|(name, _)| Peer {
        name,
        command: Ok(vec![this.clone(), "measure".to_owned(), name.to_owned()]),
    });
    let mut peers = Vec::from(in_rust);
    peers.push(Peer { name: "Go", command: external.go() });
    peers.push(Peer { name: "gevent", command: external.gevent() });
    peers.retain(|peer| only.is_empty() || only.iter().any(|name| name == peer.name));
    table::print_machine(cpu::pin()?);
    for peer in &peers {
        if let Err(reason) = &peer.command {
            println!("skipped   {}: {reason}", peer.name);
        }
    }
    peers.retain(|peer| peer.command.is_ok());

    let mut figures = vec![vec![Vec::new(); peers.len()]; Bench::ALL.len()];
    for rep in 0..reps {
        eprintln!("  repetition {} of {reps}", rep + 1);
        for (row, bench) in figures.iter_mut().zip(Bench::ALL) {
            for column in (0..peers.len()).map(|place| (place + rep) % peers.len()) {
                row[column].extend(run(&peers[column], bench)?);
            }
        }
    }
    let names: Vec<_> = peers.iter().map(|peer| peer.name).collect();
    println!("\nCPU time per operation, medians of {reps} interleaved repetitions\n");
    table::print(&names, &figures);
    Ok(())
}

/// Takes one measurement in a process of its own; nothing if the peer has no such thing.
fn run(peer: &Peer, bench: Bench) -> io::Result<Option<f64>> {
    let words = peer.command.as_ref().expect("peers without a command were left out");
    let output = Command::new(&words[0]).args(&words[1..]).arg(bench.names().0).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figure = text.lines().find_map(|line| line.strip_prefix("figure=")?.parse().ok());
    if figure.is_none() && text.trim() != "nothing" {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("{}, {}: {error}", peer.name, bench.names().0)));
    }
    Ok(figure)
}
