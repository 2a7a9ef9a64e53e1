//! The driver: starts children, repeats, and prints what they found.
//!
//! It measures nothing itself: every figure comes from a child process. Repetitions are
//! interleaved over the runtimes, in an order that shifts, so that what else happens on the
//! machine hits all of them alike.

mod bench;
mod child;
mod echo;
mod instructions;
mod micro;
mod server;
mod sync;
mod syscalls;

use crate::cli::{Part, Plan};
use crate::draw::{self, Places};
use crate::micro::Bench;
use crate::report::{self, Results};
use crate::runtimes::{self, Runtime};
use crate::sync::{KITS, SyncBench};
use crate::{cpu, machine, machine::Steal};
use server::Server;
use std::io;

/// Compares the runtimes as `plan` says, and prints tables.
pub fn compare(plan: &Plan) -> io::Result<()> {
    check_names(plan)?;
    let places =
        Places { out: &plan.out, json: plan.json.as_deref(), markdown: plan.markdown.as_deref() };
    draw::check(report::TITLE, places)?;
    let processors = Processors::choose()?;
    let mut skipped = Vec::new();
    let runtimes = startable(plan, processors, &mut skipped);
    machine::print(&runtimes);
    if processors.server == processors.load {
        println!("note      only one processor: servers and load generator share it\n");
    }
    for (name, reason) in &skipped {
        println!("skipped   {name}: {reason}\n");
    }
    let skipped = skipped.iter().map(|(name, reason)| format!("{name} was skipped: {reason}"));
    let skipped = skipped.collect();
    let before = Steal::so_far();
    let mut results = Results::begin(plan.reps);
    results.runtimes(&runtimes);
    if processors.server == processors.load {
        results.warn("There is one core only: servers and clients share it.".to_owned());
    }
    let mut run = Run { plan, processors, runtimes: Vec::new(), skipped, results };
    for &part in &plan.parts {
        run.runtimes = runtimes.iter().copied().filter(|runtime| is_in(part, runtime)).collect();
        match part {
            Part::Echo => echo::compare(&mut run),
            Part::Micro => micro::compare(&mut run),
            Part::Sync => sync::compare(&mut run),
            Part::Syscalls => syscalls::compare(&mut run),
            Part::Instructions => instructions::compare(&mut run),
        }
    }
    let stolen = before.zip(Steal::so_far()).map(|(before, after)| after.print_since(&before));
    if stolen.is_some_and(|it| it > 3.0) {
        run.results.warn("The hypervisor gave much of the time to other machines.".to_owned());
    }
    let report = run.results.finish();
    draw::write(&report, places)?;
    println!("pictures  {}", plan.out.join("report.html").display());
    Ok(())
}

/// What all comparisons of one run share.
struct Run<'a> {
    plan: &'a Plan,
    processors: Processors,
    /// The runtimes that were asked for and can start here, as far as they have what is compared.
    runtimes: Vec<&'static Runtime>,
    /// The others, with the reason.
    skipped: Vec<String>,
    results: Results,
}

impl Run<'_> {
    /// The runtimes in the order of repetition `rep`, each with its place in the tables.
    fn order(&self, rep: usize) -> Vec<(usize, &'static Runtime)> {
        let mut order: Vec<_> = self.runtimes.iter().copied().enumerate().collect();
        let shift = rep % order.len().max(1);
        order.rotate_left(shift);
        order
    }
}

/// Where the two sides run.
#[derive(Clone, Copy)]
struct Processors {
    server: usize,
    load: usize,
}

impl Processors {
    /// Two different ones if the machine has them.
    fn choose() -> io::Result<Self> {
        let allowed = cpu::allowed()?;
        match (allowed.first(), allowed.last()) {
            (Some(&server), Some(&load)) => Ok(Processors { server, load }),
            _ => Err(io::Error::other("no processor may be used")),
        }
    }
}

/// Whether the runtime has what is compared; channels and locks have a list of their own.
fn is_in(part: Part, runtime: &Runtime) -> bool {
    match part {
        Part::Echo | Part::Syscalls | Part::Instructions => runtime.echo.is_some(),
        Part::Micro => runtime.micro.is_some(),
        Part::Sync => false,
    }
}

/// Starts every wanted runtime once. One that cannot start is named and left out.
fn startable(
    plan: &Plan,
    processors: Processors,
    skipped: &mut Vec<(&'static str, String)>,
) -> Vec<&'static Runtime> {
    let asked_for = |name| plan.only.is_empty() || plan.only.iter().any(|only| only == name);
    let wanted = |runtime: &&Runtime| {
        asked_for(runtime.name) && plan.parts.iter().any(|part| is_in(*part, runtime))
    };
    for name in runtimes::left_out() {
        if asked_for(name) {
            skipped.push((name, "this program was built without it".to_owned()));
        }
    }
    let mut runtimes = Vec::new();
    for runtime in runtimes::ALL.iter().filter(wanted) {
        let server = || Server::start(runtime, plan.buffer, processors.server, &[]);
        match runtime.echo.map(|_| server()).transpose() {
            Ok(_) => runtimes.push(runtime),
            Err(reason) => skipped.push((runtime.name, reason)),
        }
    }
    runtimes
}

/// A misspelt name is an error, not an empty table.
fn check_names(plan: &Plan) -> io::Result<()> {
    for name in &plan.only {
        let is_known = |known: &str| known == name;
        if !KITS.iter().any(|kit| is_known(kit.name)) && !runtimes::left_out().any(is_known) {
            runtimes::find(name)?;
        }
    }
    for name in &plan.benches {
        let is_bench = Bench::ALL.iter().any(|bench| bench.name() == name)
            || SyncBench::ALL.iter().any(|bench| bench.name() == name);
        if !is_bench && !echo::SCENARIOS.iter().any(|scenario| scenario.name == name) {
            return Err(io::Error::other(format!("no scenario or bench is called `{name}`")));
        }
    }
    Ok(())
}

/// Shows what is going on, where it does not end up in a file with the tables.
fn progress(what: &str) {
    eprintln!("  {what}");
}
