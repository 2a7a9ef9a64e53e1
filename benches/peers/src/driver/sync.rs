//! Measurements of channels and locks, one fresh process each.

use super::bench::{self, Column, Samples};
use super::child::{self, Answers};
use super::{Run, progress};
use crate::machine;
use crate::report::Chapter;
use crate::sync::{self, Kit, SyncBench};

/// Takes all wanted measurements and prints one table.
pub fn compare(run: &mut Run<'_>) {
    let plan = run.plan;
    let wanted = |kit: &&Kit| plan.only.is_empty() || plan.only.iter().any(|name| name == kit.name);
    let kits: Vec<&Kit> = sync::KITS.iter().filter(wanted).collect();
    let all = SyncBench::ALL.iter().copied();
    let benches: Vec<SyncBench> = all.filter(|bench| plan.wants(bench.name())).collect();
    if benches.is_empty() || kits.is_empty() {
        return;
    }
    for kit in &kits {
        let version = format!("{} ({})", machine::versions(kit.krates), kit.about);
        println!("kit       {}: {version}", kit.name);
        run.results.compared(&format!("{}, channels and locks", kit.name), version);
    }
    println!();
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
                match measure(kit, *bench, run.processors.server) {
                    Ok(answers) => {
                        for (metric, value) in &answers {
                            let experiment = format!("sync/{}", bench.name());
                            run.results.sample(&experiment, metric, kit.name, rep, *value);
                        }
                        samples[place].push((rep, answers));
                    }
                    Err(reason) => {
                        failures.push(format!("{} failed in {}: {reason}", kit.name, bench.name()));
                    }
                }
            }
        }
    }
    let names: Vec<_> = kits.iter().map(|kit| kit.name).collect();
    let columns = benches.iter().zip(&results).flat_map(|(bench, samples)| {
        let column = |about| Column { bench: bench.name(), about, samples };
        bench.figures().iter().map(column)
    });
    let columns: Vec<_> = columns.collect();
    bench::print(
        "## Sync: CPU time of the whole process per operation, bytes per task",
        &names,
        &columns,
    );
    failures.sort();
    failures.dedup();
    failures.iter().for_each(|failure| println!("{failure}\n"));
    run.results.chapter(Chapter::Sync, &bench::rankings(&names, &columns), failures);
}

fn measure(kit: &Kit, bench: SyncBench, cpu: usize) -> Result<Answers, String> {
    let words = ["measure-sync", kit.name, bench.name()].map(str::to_owned);
    child::run(&[&words[..], &[format!("--cpu={cpu}")]].concat())
}
