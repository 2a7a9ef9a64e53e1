//! System calls per echoed message, as strace counts them.
//!
//! The server runs twice, for a smaller and for a larger number of messages; the difference
//! is free of what starting and ending costs. With one connection the load generator pauses
//! before every message, so that the server is asleep when it comes: the price of a lone
//! message. With fifty the traced server is so slow that nearly all are ready at a time: the
//! price of a message under full load, where the calls that wait are shared.

use super::child::missing;
use super::server::Server;
use super::{Run, progress};
use crate::data::Unit;
use crate::report::{Bar, Chapter, OURS, Ranking};
use crate::runtimes::Runtime;
use crate::stats::Summary;
use crate::table::Table;
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;
use std::{env, fs, process};

/// Counts for every runtime and prints the tables.
pub fn compare(run: &mut Run<'_>) {
    println!("## System calls per message (strace -c -f)\n");
    if let Some(reason) = missing("strace") {
        println!("skipped: {reason}\n");
        return;
    }
    let mut rankings = Vec::new();
    let mut failures = run.skipped.clone();
    for connections in CONNECTIONS {
        println!("### connections: {connections}, messages of 64 B\n");
        let mut table = Table::new(["server", "calls", "which"]).words_in(2);
        let mut totals = Vec::new();
        for runtime in run.runtimes.clone() {
            progress(&format!("syscalls {connections}, {}", runtime.name));
            match difference(run, runtime, connections) {
                Ok(calls) => {
                    let total: f64 = calls.iter().map(|(_, count)| count).sum();
                    totals.push((runtime.name, total));
                    let which: Vec<_> =
                        calls.iter().map(|(call, count)| format!("{call} {count:.2}")).collect();
                    table.row([runtime.name, &format!("{total:.2}"), &which.join(", ")]);
                    for (call, count) in calls {
                        let experiment = format!("syscalls/{connections}");
                        run.results.sample(&experiment, &call, runtime.name, 0, count);
                    }
                }
                Err(reason) => {
                    table.row([runtime.name, "failed", &reason]);
                    failures.push(format!("{} failed: {reason}", runtime.name));
                }
            }
        }
        table.print();
        rankings.push(ranking(connections, &totals));
    }
    run.results.chapter(Chapter::Syscalls, &rankings, failures);
}

fn ranking(connections: usize, totals: &[(&'static str, f64)]) -> Ranking {
    let ours = totals.iter().find(|(name, _)| *name == OURS).map(|(_, total)| *total);
    let bar = |&(name, total): &(&'static str, f64)| Bar {
        name,
        figure: Summary::of([total]),
        ratio: ours.and_then(|ours| Summary::of([total / ours])),
    };
    let (few, short) = match connections {
        1 => ("one that waits for its answer", "one connection".to_owned()),
        _ => ("under full load", format!("{connections} connections")),
    };
    Ranking {
        id: format!("syscalls-{connections}"),
        title: format!("System calls per message: {short}, {few}"),
        short,
        measure: "system calls per message".to_owned(),
        unit: Unit::Count,
        bars: totals.iter().map(bar).collect(),
    }
}

/// Calls per message, the most frequent first, without the rounding errors of both runs.
fn difference(
    run: &Run<'_>,
    runtime: &Runtime,
    connections: usize,
) -> Result<Vec<(String, f64)>, String> {
    let few = count(run, runtime, connections, FEW)?;
    let many = count(run, runtime, connections, MANY)?;
    let per_message = many.into_iter().map(|(call, count)| {
        let extra = count - few.get(&call).copied().unwrap_or(0.0);
        (call, extra / (MANY - FEW) as f64)
    });
    let mut calls: Vec<_> = per_message.filter(|(_, count)| *count >= 0.005).collect();
    calls.sort_by(|one, other| other.1.total_cmp(&one.1));
    Ok(calls)
}

fn count(
    run: &Run<'_>,
    runtime: &Runtime,
    connections: usize,
    messages: u64,
) -> Result<BTreeMap<String, f64>, String> {
    let path = env::temp_dir().join(format!("greenloop-peers-{}.strace", process::id()));
    let report = path.to_string_lossy().into_owned();
    let wrapper = ["strace", "-c", "-f", "-o", &report].map(str::to_owned);
    let server = Server::start(runtime, run.plan.buffer, run.processors.server, &wrapper)?;
    server.send(run.processors.load, connections, messages)?;
    // Lets the server see the end of all connections, in both runs alike.
    sleep(Duration::from_millis(200));
    server.end()?;
    let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    // The file lies in the temporary directory: a leftover harms nobody.
    let _ = fs::remove_file(&path);
    Ok(parse(&text))
}

/// Reads strace's table: the calls stand in the fourth column, the name in the last.
fn parse(report: &str) -> BTreeMap<String, f64> {
    let rows = report.lines().skip_while(|line| !line.starts_with("---")).skip(1);
    rows.take_while(|line| !line.starts_with("---"))
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            Some((fields.last()?.to_string(), fields.get(3)?.parse().ok()?))
        })
        .collect()
}

const CONNECTIONS: [usize; 2] = [1, 50];
const FEW: u64 = 1_000;
const MANY: u64 = 6_000;

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_column_of_errors_may_be_empty() {
        let report = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60,00    0,010000           1      2001           sendto
 40,00    0,000500           1      3000         7 recvfrom
------ ----------- ----------- --------- --------- ----------------
100.00    0.010500           1      5001         7 total
";
        let calls: Vec<_> = parse(report).into_iter().collect();
        assert_eq!(calls, [("recvfrom".to_owned(), 3000.0), ("sendto".to_owned(), 2001.0)]);
    }
}
