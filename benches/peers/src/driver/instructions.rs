//! User-space instructions per echoed message, as callgrind counts them.
//!
//! They do not depend on how busy the machine is, so they show small differences between two
//! versions. The server runs twice, and the difference counts. The kernel's instructions,
//! which are most of an echo, are not in them; io_uring is unknown to valgrind. With one
//! connection every message finds the server asleep, with fifty it is under full load.

use super::child::missing;
use super::server::Server;
use super::{Run, progress};
use crate::runtimes::Runtime;
use crate::table::{Table, figure};
use std::thread::sleep;
use std::time::Duration;
use std::{env, fs, process};

/// Counts for every runtime that does not need io_uring, and prints a table.
pub fn compare(run: &mut Run<'_>) {
    println!("## User-space instructions per message (valgrind --tool=callgrind)\n");
    if let Some(reason) = missing("valgrind") {
        println!("skipped: {reason}\n");
        return;
    }
    let headings = CONNECTIONS.map(|connections| format!("connections: {connections}"));
    let mut table = Table::new(["server".to_owned()].into_iter().chain(headings));
    let mut failures = Vec::new();
    for runtime in run.runtimes.clone() {
        if runtime.io_uring {
            println!("skipped: {}, valgrind does not know io_uring\n", runtime.name);
            continue;
        }
        let mut row = vec![runtime.name.to_owned()];
        for connections in CONNECTIONS {
            progress(&format!("instructions {connections}, {}", runtime.name));
            match difference(run, runtime, connections) {
                Ok(instructions) => {
                    row.push(figure(instructions));
                    let experiment = format!("instructions/{connections}");
                    run.results.sample(&experiment, "per_message", runtime.name, 0, instructions);
                }
                Err(reason) => {
                    row.push("failed".to_owned());
                    failures.push((runtime.name, reason));
                }
            }
        }
        table.row(row);
    }
    table.print();
    for (name, reason) in failures {
        println!("{name} failed: {reason}\n");
    }
}

fn difference(run: &Run<'_>, runtime: &Runtime, connections: usize) -> Result<f64, String> {
    let few = count(run, runtime, connections, FEW)?;
    let many = count(run, runtime, connections, MANY)?;
    Ok((many - few) / (MANY - FEW) as f64)
}

fn count(
    run: &Run<'_>,
    runtime: &Runtime,
    connections: usize,
    messages: u64,
) -> Result<f64, String> {
    let path = env::temp_dir().join(format!("greenloop-peers-{}.callgrind", process::id()));
    let wrapper = [
        "valgrind".to_owned(),
        "-q".to_owned(),
        "--tool=callgrind".to_owned(),
        format!("--callgrind-out-file={}", path.display()),
    ];
    let server = Server::start(runtime, run.plan.buffer, run.processors.server, &wrapper)?;
    server.send(run.processors.load, connections, messages)?;
    // Lets the server see the end of all connections, in both runs alike.
    sleep(Duration::from_millis(200));
    server.end()?;
    let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    // The file lies in the temporary directory: a leftover harms nobody.
    let _ = fs::remove_file(&path);
    let totals = text.lines().find_map(|line| line.strip_prefix("totals:"));
    let totals = totals.and_then(|totals| totals.trim().parse().ok());
    totals.ok_or_else(|| "callgrind wrote no totals".to_owned())
}

const CONNECTIONS: [usize; 2] = [1, 50];
const FEW: u64 = 1_000;
const MANY: u64 = 6_000;
