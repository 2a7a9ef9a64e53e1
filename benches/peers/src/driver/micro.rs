//! Measurements inside one process, one fresh process each.

use super::bench::{self, Column, Samples};
use super::child::{self, Answers};
use super::{Run, progress};
use crate::micro::Bench;
use crate::report::Chapter;
use crate::runtimes::Runtime;

/// Takes all wanted measurements and prints one table.
pub fn compare(run: &mut Run<'_>) {
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
                if !runtime.micro.as_ref().is_some_and(|it| (it.has)(*bench)) {
                    continue;
                }
                match measure(run, runtime, *bench) {
                    Ok(answers) => {
                        for (metric, value) in &answers {
                            let experiment = format!("micro/{}", bench.name());
                            run.results.sample(&experiment, metric, runtime.name, rep, *value);
                        }
                        samples[place].push((rep, answers));
                    }
                    Err(reason) => {
                        failures.push(format!(
                            "{} failed in {}: {reason}",
                            runtime.name,
                            bench.name()
                        ));
                    }
                }
            }
        }
    }
    let names: Vec<_> = run.runtimes.iter().map(|runtime| runtime.name).collect();
    let columns = benches.iter().zip(&results).flat_map(|(bench, samples)| {
        let column = |about| Column { bench: bench.name(), about, samples };
        bench.figures().iter().map(column)
    });
    let columns: Vec<_> = columns.collect();
    bench::print(
        "## Micro: CPU time of the whole process per operation, bytes per task",
        &names,
        &columns,
    );
    failures.sort();
    failures.dedup();
    failures.iter().for_each(|failure| println!("{failure}\n"));
    let limits = run.skipped.iter().cloned().chain(failures).collect();
    run.results.chapter(Chapter::Micro, &bench::rankings(&names, &columns), limits);
}

fn measure(run: &Run<'_>, runtime: &Runtime, bench: Bench) -> Result<Answers, String> {
    child::run(&[
        "measure".to_owned(),
        runtime.name.to_owned(),
        bench.name().to_owned(),
        format!("--cpu={}", run.processors.server),
    ])
}

/// Benches that take long are repeated only every so many times.
const LONG_EVERY: usize = 4;
