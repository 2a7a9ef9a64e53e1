//! Measurements inside one process, one fresh process each.
//!
//! The ratio is to the best peer of the row, so greenloop below 1.00 beats them all, and a
//! peer at 1.00 is the one to beat. Ratios are taken within a repetition; their median counts.

use super::child::{self, Answers};
use super::{Run, progress};
use crate::micro::Bench;
use crate::report::{Bar, Picture};
use crate::runtimes::Runtime;
use crate::stats::Summary;
use crate::table::{Table, figure};

/// Takes all wanted measurements and prints one table.
pub fn compare(run: &mut Run<'_>) {
    run.runtimes.retain(|runtime| runtime.micro.is_some());
    let benches: Vec<Bench> =
        Bench::ALL.iter().copied().filter(|bench| run.plan.wants(bench.name())).collect();
    if benches.is_empty() || run.runtimes.is_empty() {
        return;
    }
    let mut results: Vec<Vec<Samples>> =
        benches.iter().map(|_| vec![Samples::new(); run.runtimes.len()]).collect();
    let mut failures = Vec::new();
    for rep in 0..run.plan.reps {
        progress(&format!("micro, repetition {} of {}", rep + 1, run.plan.reps));
        for (bench, samples) in benches.iter().zip(&mut results) {
            if bench.is_long() && rep % LONG_EVERY != 0 {
                continue;
            }
            for (place, runtime) in run.order(rep) {
                match measure(run, runtime, *bench) {
                    Ok(answers) => {
                        record(run, *bench, runtime.name, rep, &answers);
                        samples[place].push((rep, answers));
                    }
                    Err(reason) => failures.push((bench.name(), runtime.name, reason)),
                }
            }
        }
    }
    print(run, &benches, &results);
    failures.sort();
    failures.dedup();
    for (bench, runtime, reason) in failures {
        println!("{runtime} failed in {bench}: {reason}\n");
    }
}

/// What the repetitions of one bench on one runtime have found.
type Samples = Vec<(usize, Answers)>;

fn measure(run: &Run<'_>, runtime: &Runtime, bench: Bench) -> Result<Answers, String> {
    child::run(&[
        "measure".to_owned(),
        runtime.name.to_owned(),
        bench.name().to_owned(),
        format!("--cpu={}", run.processors.server),
    ])
}

fn record(run: &mut Run<'_>, bench: Bench, runtime: &str, rep: usize, answers: &Answers) {
    let names = [
        ("part", "micro".into()),
        ("bench", bench.name().into()),
        ("runtime", runtime.into()),
        ("rep", (rep as f64).into()),
    ];
    let figures = bench.figures().iter().map(|&(key, _)| (key, answers[key].into()));
    run.records.add(names.into_iter().chain(figures));
}

fn print(run: &mut Run<'_>, benches: &[Bench], results: &[Vec<Samples>]) {
    println!("## Micro: CPU time of the whole process per operation, bytes per task\n");
    println!("Medians; in brackets the ratio to the best peer. The last column is the widest");
    println!("distance of a quartile from the median of one runtime.\n");
    let names = run.runtimes.iter().map(|runtime| runtime.name);
    let mut table = Table::new(["bench"].into_iter().chain(names).chain(["spread"]));
    for (bench, samples) in benches.iter().zip(results) {
        for &(key, words) in bench.figures() {
            table.row(row(run, samples, key, words));
        }
    }
    table.print();
    for (bench, samples) in benches.iter().zip(results) {
        for &(key, words) in bench.figures() {
            let bars = run.runtimes.iter().zip(samples);
            let base = &samples[0];
            let bars = bars.map(|(runtime, samples)| Bar {
                name: runtime.name,
                figure: summary(samples, key),
                ratio: ratio(samples, base, key),
            });
            let bars = bars.collect();
            let bytes = key.ends_with("bytes");
            run.report.add(Picture {
                section: "micro",
                id: format!("{}-{key}", bench.name()),
                title: words.split(" (").next().unwrap_or(words).to_owned(),
                measure: if bytes { "bytes of one" } else { "CPU time of one" }.to_owned(),
                unit: if bytes { "B" } else { "ns" },
                base: run.runtimes[0].name,
                bars,
            });
        }
    }
}

/// One row of the table: the figure `key` of every runtime.
fn row(run: &Run<'_>, samples: &[Samples], key: &str, words: &str) -> Vec<String> {
    let cells: Vec<Option<Summary>> = samples.iter().map(|samples| summary(samples, key)).collect();
    let best = run
        .runtimes
        .iter()
        .zip(cells.iter().zip(samples))
        .filter(|(runtime, _)| runtime.name != "greenloop")
        .filter_map(|(_, (cell, samples))| cell.map(|cell| (cell.median, samples)))
        .min_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, samples)| samples);
    let mut row = vec![words.to_owned()];
    let mut spread: f64 = 0.0;
    for (cell, samples) in cells.iter().zip(samples) {
        let Some(cell) = cell else {
            row.push("failed".to_owned());
            continue;
        };
        let ratio = best.and_then(|best| ratio(samples, best, key));
        let ratio = ratio.map_or(String::new(), |ratio| format!(" ({ratio:.2})"));
        row.push(figure(cell.median) + &ratio);
        spread = spread.max((cell.high / cell.median - 1.0).max(1.0 - cell.low / cell.median));
    }
    row.push(format!("{:.0} %", spread * 100.0));
    row
}

fn summary(samples: &Samples, key: &str) -> Option<Summary> {
    Summary::of(samples.iter().map(|(_, answers)| answers[key]))
}

/// The median of the ratios to `base` within the repetitions that both have.
fn ratio(samples: &Samples, base: &Samples, key: &str) -> Option<f64> {
    let ratios = samples.iter().filter_map(|(rep, answers)| {
        let (_, base) = base.iter().find(|(base_rep, _)| base_rep == rep)?;
        Some(answers[key] / base[key])
    });
    Summary::of(ratios).map(|summary| summary.median)
}

/// Benches that take long are repeated only every so many times.
const LONG_EVERY: usize = 5;
