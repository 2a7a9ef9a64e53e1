//! Echo: the server's CPU time per message.
//!
//! All servers of a scenario are up at the same time, each with its load generator, and work
//! in turns for one slice each. The ratio is to the hand-written epoll server (the first
//! in the table, where that one was left out) in the same turn, and the median of these
//! ratios is printed: a machine that becomes slower or faster does not bend it. The servers
//! are started afresh several times, as one process may be luckier than the next.

use super::child::Answers;
use super::server::Pair;
use super::{Run, progress};
use crate::data::Unit;
use crate::load::Traffic;
use crate::report::{Bar, Chapter, OURS, Ranking};
use crate::runtimes::Runtime;
use crate::stats::Summary;
use crate::table::{Table, figure};

/// One shape of load.
pub struct Scenario {
    /// Its name on the command line and in the raw figures.
    pub name: &'static str,
    about: &'static str,
    traffic: Traffic,
    one_processor: bool,
}

/// A few busy connections with small messages: what the other scenarios vary.
const PLAIN: Traffic = Traffic { connections: 50, size: 64, in_flight: 1, idle: 0, short: false };

/// All scenarios, in the order of the tables.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "1x64",
        about: "1 connection, 64 B",
        traffic: Traffic { connections: 1, ..PLAIN },
        one_processor: false,
    },
    Scenario {
        name: "1x64-shared",
        about: "1 connection, 64 B, server and load generator on one processor",
        traffic: Traffic { connections: 1, ..PLAIN },
        one_processor: true,
    },
    Scenario { name: "50x64", about: "50 connections, 64 B", traffic: PLAIN, one_processor: false },
    Scenario {
        name: "1000x64",
        about: "1,000 connections, 64 B",
        traffic: Traffic { connections: 1_000, ..PLAIN },
        one_processor: false,
    },
    Scenario {
        name: "50x16k",
        about: "50 connections, 16 KiB",
        traffic: Traffic { size: 16 * 1024, ..PLAIN },
        one_processor: false,
    },
    Scenario {
        name: "50x64-pipelined",
        about: "50 connections, 64 B, 16 in flight on each",
        traffic: Traffic { in_flight: 16, ..PLAIN },
        one_processor: false,
    },
    Scenario {
        name: "short",
        about: "short connections, 50 at a time: connect, one message of 64 B, close",
        traffic: Traffic { short: true, ..PLAIN },
        one_processor: false,
    },
    Scenario {
        name: "idle",
        about: "50 connections, 64 B, beside 10,000 idle ones",
        traffic: Traffic { idle: 10_000, ..PLAIN },
        one_processor: false,
    },
];

/// Measures all wanted scenarios and prints their tables.
pub fn compare(run: &mut Run<'_>) {
    let scenarios: Vec<&Scenario> = SCENARIOS
        .iter()
        .filter(|it| run.plan.wants(it.name))
        .filter(|it| it.traffic.idle == 0 || run.plan.idle || !run.plan.benches.is_empty())
        .collect();
    if scenarios.is_empty() || run.runtimes.is_empty() {
        return;
    }
    let mut results: Vec<Vec<Cell>> =
        scenarios.iter().map(|_| run.runtimes.iter().map(|_| Cell::default()).collect()).collect();
    for start in 0..STARTS {
        for (scenario, cells) in scenarios.iter().zip(&mut results) {
            progress(&format!("echo {}, start {} of {STARTS}", scenario.name, start + 1));
            take_turns(run, scenario, start, cells);
        }
    }
    println!("## Echo: CPU time of the server per message, buffers of {} bytes\n", run.plan.buffer);
    let (mut rankings, mut limits) = (Vec::new(), run.skipped.clone());
    for (scenario, cells) in scenarios.iter().zip(&results) {
        print(run, scenario, cells);
        let ours = run.runtimes.iter().position(|runtime| runtime.name == OURS);
        let bar = |(runtime, cell): (&&'static Runtime, &Cell)| Bar {
            name: runtime.name,
            figure: cell.cost(),
            ratio: ours.and_then(|ours| cell.ratio(&cells[ours])),
        };
        let bars = run.runtimes.iter().zip(cells).map(bar).collect();
        let unit = if scenario.traffic.short { "connection" } else { "message" };
        rankings.push(Ranking {
            id: format!("echo-{}", scenario.name),
            title: format!("Echo: {}", scenario.about),
            short: scenario.name.to_owned(),
            measure: format!("CPU time of the server per {unit}"),
            unit: Unit::Microseconds,
            bars,
        });
        let failed = run.runtimes.iter().zip(cells).filter_map(|(runtime, cell)| {
            let reason = cell.failed.as_ref()?;
            Some(format!("{} failed in {}: {reason}", runtime.name, scenario.name))
        });
        limits.extend(failed);
    }
    if scenarios.len() > 1 {
        summarise(run, &scenarios, &results);
    }
    run.results.chapter(Chapter::Echo, &rankings, limits);
}

/// Starts all servers and lets them work in turns.
fn take_turns(run: &mut Run<'_>, scenario: &Scenario, start: usize, cells: &mut [Cell]) {
    let mut pairs: Vec<Option<Pair>> = Vec::new();
    for (runtime, cell) in run.runtimes.iter().zip(&mut *cells) {
        match Pair::start(run, runtime, scenario.traffic, scenario.one_processor) {
            Ok(pair) => pairs.push(Some(pair)),
            Err(reason) => {
                cell.failed = Some(reason);
                pairs.push(None);
            }
        }
    }
    for turn in start * run.plan.reps..(start + 1) * run.plan.reps {
        for (place, runtime) in run.order(turn) {
            let Some(pair) = &mut pairs[place] else { continue };
            match pair.slice() {
                Ok(answers) => {
                    record(run, scenario, runtime, turn, &answers);
                    cells[place].samples.push((turn, answers));
                }
                Err(reason) => {
                    cells[place].failed = Some(reason);
                    pairs[place] = None;
                }
            }
        }
    }
}

/// What is known of one server in one scenario.
#[derive(Default)]
struct Cell {
    /// One for each turn that did not fail.
    samples: Vec<(usize, Answers)>,
    failed: Option<String>,
}

impl Cell {
    /// Microseconds of CPU time per message.
    fn cost(&self) -> Option<Summary> {
        Summary::of(self.samples.iter().map(|(_, answers)| cost(answers)))
    }

    /// The cost as a multiple of what `base` cost in the same turn.
    fn ratio(&self, base: &Cell) -> Option<Summary> {
        Summary::of(self.samples.iter().filter_map(|(turn, answers)| {
            let (_, base) = base.samples.iter().find(|(base_turn, _)| base_turn == turn)?;
            Some(cost(answers) / cost(base))
        }))
    }

    fn median(&self, value: impl Fn(&Answers) -> f64) -> f64 {
        let summary = Summary::of(self.samples.iter().map(|(_, answers)| value(answers)));
        summary.map_or(f64::NAN, |summary| summary.median)
    }
}

/// Microseconds of CPU time per message.
fn cost(answers: &Answers) -> f64 {
    answers["cpu_ns"] / answers["messages"] / 1e3
}

fn record(
    run: &mut Run<'_>,
    scenario: &Scenario,
    runtime: &Runtime,
    turn: usize,
    answers: &Answers,
) {
    let experiment = format!("echo/{}", scenario.name);
    for (metric, value) in answers {
        run.results.sample(&experiment, metric, runtime.name, turn, *value);
    }
}

fn print(run: &Run<'_>, scenario: &Scenario, cells: &[Cell]) {
    println!("### {}: {}\n", scenario.name, scenario.about);
    let unit = if scenario.traffic.short { "connection" } else { "message" };
    let mut headings = vec![
        "server".to_owned(),
        format!("CPU us / {unit}"),
        "quartiles".to_owned(),
        format!("ratio to {}", run.runtimes[0].name),
        "quartiles".to_owned(),
        format!("{unit}s / s"),
        "server busy".to_owned(),
        "kept waiting".to_owned(),
    ];
    if scenario.traffic.idle > 0 {
        headings.push("bytes / idle connection".to_owned());
    }
    let mut table = Table::new(headings);
    for (runtime, cell) in run.runtimes.iter().zip(cells) {
        let Some(cost) = cell.cost() else {
            table.row([runtime.name, "failed"]);
            continue;
        };
        let ratio = cell.ratio(&cells[0]);
        let rate = cell.median(|it| it["messages"] / it["wall_ns"] * 1e9);
        let busy = cell.median(|it| it["cpu_ns"] / it["wall_ns"] * 100.0);
        let waited = cell.median(|it| match it.get("waited_ns") {
            Some(waited) => waited / it["wall_ns"] * 100.0,
            None => f64::NAN,
        });
        let mut row = vec![
            runtime.name.to_owned(),
            figure(cost.median),
            format!("{}..{}", figure(cost.low), figure(cost.high)),
            ratio.map_or("-".to_owned(), |ratio| format!("{:.2}", ratio.median)),
            ratio.map_or("-".to_owned(), |ratio| format!("{:.2}..{:.2}", ratio.low, ratio.high)),
            figure(rate),
            format!("{busy:.0} %"),
            if waited.is_nan() { "-".to_owned() } else { format!("{waited:.0} %") },
        ];
        if scenario.traffic.idle > 0 {
            row.push(figure(cell.median(|it| it["idle_bytes"])));
        }
        table.row(row);
    }
    table.print();
    for (runtime, cell) in run.runtimes.iter().zip(cells) {
        if let Some(reason) = &cell.failed {
            println!("{} failed: {reason}\n", runtime.name);
        }
    }
}

/// All scenarios in one table: the median and the ratio.
fn summarise(run: &Run<'_>, scenarios: &[&Scenario], results: &[Vec<Cell>]) {
    println!("### All: CPU us / message, and the ratio to {}\n", run.runtimes[0].name);
    let names = scenarios.iter().map(|scenario| scenario.name);
    let mut table = Table::new(["server"].into_iter().chain(names));
    for (place, runtime) in run.runtimes.iter().enumerate() {
        let cells = results.iter().map(|cells| {
            match (cells[place].cost(), cells[place].ratio(&cells[0])) {
                (Some(cost), Some(ratio)) => {
                    format!("{} ({:.2})", figure(cost.median), ratio.median)
                }
                (Some(cost), None) => figure(cost.median),
                (None, _) => "failed".to_owned(),
            }
        });
        table.row([runtime.name.to_owned()].into_iter().chain(cells));
    }
    table.print();
}

/// How many times the servers are started afresh.
const STARTS: usize = 3;
