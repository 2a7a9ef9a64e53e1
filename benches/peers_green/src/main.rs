//! Compares greenloop's green threads with may, Go, gevent and threads, in one run.
//!
//! One binary plays every part that is written in Rust: the driver that a user starts, and the
//! children it starts itself, one for each measurement. README.md explains the method.

mod bench;
mod cpu;
mod external;
mod machine;
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
    /// Its version, and what is special about it here.
    about: String,
    /// How its measurements are started; the bench's name is added.
    command: Vec<String>,
}

/// A peer that this binary measures: its name, its crate, what is special about it, and how.
type InRust = (&'static str, &'static str, &'static str, fn(Bench) -> Option<f64>);

/// The peers that are written in Rust.
const IN_RUST: [InRust; 4] = [
    ("greenloop", "greenloop", "stacks of 240 KiB, reserved", peers::greenloop::measure),
    ("corosensei", "corosensei", "the bare switch only", peers::corosensei::measure),
    ("may", "may", "one worker, its own size of stacks", peers::may::measure),
    ("threads", "", "of the system, by std", peers::system::measure),
];

/// A measurement that takes longer is stuck.
const LIFETIME_SECONDS: u32 = 120;

const USAGE: &str = "\
Compares green threads in one run.

USAGE: greenloop-peers-green [OPTIONS]

  --reps N            repetitions of each measurement, interleaved over the peers; 15 by default
  --only NAME,NAME    only these of greenloop, corosensei, may, threads, go, gevent
  --bench NAME,NAME   only these of yield-2, yield-1000, spawn-join, spawn-yield-join, switch, parked";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["measure", peer, bench] => measure(peer, bench),
        ["--help" | "-h" | "help"] => {
            println!("{USAGE}");
            Ok(())
        }
        words => options(words).and_then(|plan| compare(&plan)),
    };
    if let Err(error) = result {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// What a user wants to be compared.
struct Plan {
    reps: usize,
    /// Names of peers; none means all.
    only: Vec<String>,
    benches: Vec<Bench>,
}

fn options(words: &[&str]) -> io::Result<Plan> {
    let mut plan = Plan { reps: 15, only: Vec::new(), benches: Bench::ALL.to_vec() };
    for pair in words.chunks(2) {
        match *pair {
            ["--reps", value] => {
                plan.reps = value.parse::<usize>().map_err(io::Error::other)?.max(1)
            }
            ["--only", value] => plan.only = value.split(',').map(str::to_owned).collect(),
            ["--bench", value] => {
                plan.benches = value.split(',').map(find_bench).collect::<io::Result<_>>()?;
            }
            _ => return Err(io::Error::other(format!("what is `{}`?\n\n{USAGE}", pair[0]))),
        }
    }
    Ok(plan)
}

fn find_bench(name: &str) -> io::Result<Bench> {
    let found = Bench::ALL.into_iter().find(|bench| bench.names().0 == name);
    found.ok_or_else(|| io::Error::other(format!("no bench is called `{name}`\n\n{USAGE}")))
}

/// Child: takes one measurement and prints it.
fn measure(peer: &str, bench: &str) -> io::Result<()> {
    cpu::end_after(LIFETIME_SECONDS);
    let found = IN_RUST.iter().find(|(name, ..)| *name == peer);
    let (.., measure) = found.ok_or_else(|| io::Error::other("no peer is called so"))?;
    match measure(find_bench(bench)?) {
        Some(figure) => println!("figure={figure}"),
        None => println!("nothing"),
    }
    // What is parked need not be taken down.
    std::process::exit(0);
}

fn compare(plan: &Plan) -> io::Result<()> {
    let external = External::new()?;
    let (mut peers, mut skipped) = (Vec::new(), Vec::new());
    let this = std::env::current_exe()?.to_string_lossy().into_owned();
    for (name, krate, about, _) in IN_RUST {
        let about = format!("{} ({about})", machine::version(krate).unwrap_or_default());
        let command = vec![this.clone(), "measure".to_owned(), name.to_owned()];
        peers.push(Peer { name, about, command });
    }
    for (name, found) in [("go", external.go()), ("gevent", external.gevent())] {
        match found {
            Ok((about, command)) => peers.push(Peer { name, about, command }),
            Err(reason) => skipped.push((name, reason)),
        }
    }
    let names: Vec<_> =
        peers.iter().map(|it| it.name).chain(skipped.iter().map(|it| it.0)).collect();
    if let Some(stranger) = plan.only.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(io::Error::other(format!("no peer is called `{stranger}`\n\n{USAGE}")));
    }
    let wanted = |name: &str| plan.only.is_empty() || plan.only.iter().any(|only| only == name);
    peers.retain(|peer| wanted(peer.name));

    machine::print(cpu::pin()?);
    for peer in &peers {
        println!("peer      {} {}", peer.name, peer.about.trim_start());
    }
    for (name, reason) in skipped.iter().filter(|(name, _)| wanted(name)) {
        println!("skipped   {name}: {reason}");
    }

    let mut figures = vec![vec![Vec::new(); peers.len()]; plan.benches.len()];
    for rep in 0..plan.reps {
        eprintln!("  repetition {} of {}", rep + 1, plan.reps);
        for (row, bench) in figures.iter_mut().zip(&plan.benches) {
            for column in (0..peers.len()).map(|place| (place + rep) % peers.len()) {
                let figure = run(&peers[column], *bench).unwrap_or_else(|error| {
                    println!("failed    {}, {}: {error}", peers[column].name, bench.names().0);
                    None
                });
                row[column].push(figure);
            }
        }
    }
    let names: Vec<_> = peers.iter().map(|peer| peer.name).collect();
    println!("\nCPU time per operation, medians of {} interleaved repetitions;", plan.reps);
    println!("in brackets: how many times greenloop's, by the median of the ratios\n");
    table::print(&names, &plan.benches, &figures);
    Ok(())
}

/// Takes one measurement in a process of its own; nothing if the peer has no such thing.
fn run(peer: &Peer, bench: Bench) -> io::Result<Option<f64>> {
    let mut command = Command::new(&peer.command[0]);
    let output = command.args(&peer.command[1..]).arg(bench.names().0).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figure = text.lines().find_map(|line| line.strip_prefix("figure=")?.parse().ok());
    if figure.is_none() && text.trim() != "nothing" {
        let error = String::from_utf8_lossy(&output.stderr);
        let last = error.lines().last().unwrap_or_default();
        return Err(io::Error::other(format!("{} {last}", output.status)));
    }
    Ok(figure)
}
