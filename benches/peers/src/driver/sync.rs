//! Measurements of channels and locks, one fresh process each.
//!
//! The ratio is to the best peer of the row, so greenloop below 1.00 beats them all. Ratios are taken within
//! a repetition; their median counts.

use super::child::{self, Answers};
use super::{Processors, progress};
use crate::cli::Plan;
use crate::json::Records;
use crate::machine;
use crate::stats::Summary;
use crate::sync::{self, Kit, SyncBench};
use crate::table::{Table, figure};

/// What the repetitions of one bench on one kit have found.
type Samples = Vec<(usize, Answers)>;

/// Takes all wanted measurements and prints one table.
pub fn compare(plan: &Plan, processors: Processors, records: &mut Records) {
    let wanted = |kit: &&Kit| plan.only.is_empty() || plan.only.iter().any(|name| name == kit.name);
    let kits: Vec<&Kit> = sync::KITS.iter().filter(wanted).collect();
    let all = SyncBench::ALL.iter().copied();
    let benches: Vec<SyncBench> = all.filter(|bench| plan.wants(bench.name())).collect();
    if benches.is_empty() || kits.is_empty() {
        return;
    }
    machine::print_versions("kit", kits.iter().map(|kit| (kit.name, kit.krates, kit.about)));
    let mut results = vec![vec![Samples::new(); kits.len()]; benches.len()];
    let mut failures = Vec::new();
    for rep in 0..plan.reps {
        progress(&format!("sync, repetition {} of {}", rep + 1, plan.reps));
        for (bench, samples) in benches.iter().zip(&mut results) {
            for place in (0..kits.len()).map(|place| (place + rep) % kits.len()) {
                let kit = kits[place];
                if !(kit.has)(*bench) {
                    continue;
                }
                match measure(kit, *bench, processors.server) {
                    Ok(answers) => {
                        record(records, *bench, kit.name, rep, &answers);
                        samples[place].push((rep, answers));
                    }
                    Err(reason) => failures.push((bench.name(), kit.name, reason)),
                }
            }
        }
    }
    print(&kits, &benches, &results);
    failures.sort();
    failures.dedup();
    for (bench, kit, reason) in failures {
        println!("{kit} failed in {bench}: {reason}\n");
    }
}

fn measure(kit: &Kit, bench: SyncBench, cpu: usize) -> Result<Answers, String> {
    let words = ["measure-sync", kit.name, bench.name()].map(str::to_owned);
    child::run(&[&words[..], &[format!("--cpu={cpu}")]].concat())
}

fn record(records: &mut Records, bench: SyncBench, kit: &str, rep: usize, answers: &Answers) {
    let names = [
        ("part", "sync".into()),
        ("bench", bench.name().into()),
        ("kit", kit.into()),
        ("rep", (rep as f64).into()),
    ];
    let figures = bench.figures().iter().map(|&(key, _)| (key, answers[key].into()));
    records.add(names.into_iter().chain(figures));
}

fn print(kits: &[&Kit], benches: &[SyncBench], results: &[Vec<Samples>]) {
    println!("## Sync: CPU time of the whole process per operation, bytes per task\n");
    println!(
        "Medians; in brackets the ratio to the best peer, a dash where there is no such thing. The last"
    );
    println!("column is the widest distance of a quartile from the median of one kit.\n");
    let names = kits.iter().map(|kit| kit.name);
    let mut table = Table::new(["bench"].into_iter().chain(names).chain(["spread"]));
    for (bench, samples) in benches.iter().zip(results) {
        for &(key, words) in bench.figures() {
            table.row(row(kits, samples, key, words));
        }
    }
    table.print();
}

/// One row of the table: the figure `key` of every kit.
fn row(kits: &[&Kit], samples: &[Samples], key: &str, words: &str) -> Vec<String> {
    let summary = |samples: &Samples| Summary::of(samples.iter().map(|(_, answers)| answers[key]));
    let best = kits
        .iter()
        .zip(samples)
        .filter(|(kit, _)| kit.name != "greenloop")
        .filter_map(|(_, samples)| summary(samples).map(|summary| (summary.median, samples)))
        .min_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, samples)| samples);
    let mut row = vec![words.to_owned()];
    let mut spread: f64 = 0.0;
    for samples in samples {
        let Some(cell) = summary(samples) else {
            row.push("-".to_owned());
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

/// The median of the ratios to `base` within the repetitions that both have.
fn ratio(samples: &Samples, base: &Samples, key: &str) -> Option<f64> {
    let ratios = samples.iter().filter_map(|(rep, answers)| {
        let (_, base) = base.iter().find(|(base_rep, _)| base_rep == rep)?;
        Some(answers[key] / base[key])
    });
    Summary::of(ratios).map(|summary| summary.median)
}
