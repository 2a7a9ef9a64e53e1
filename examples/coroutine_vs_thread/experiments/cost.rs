//! What one costs: to create, to switch to, to talk to, to hand a lock to.

use super::{
    run::{Run, series, times},
    scale::Scale,
};
use crate::{
    child,
    cli::Cost,
    data::{Better, Finding, Holds, Kind, Picture, Point, Scale as Lengths, Section, Unit},
    draw::figures::figure,
    model::Model,
};

const COSTS: [(Cost, &str, &str); 5] = [
    (Cost::Create, "create", "start one, and join it"),
    (Cost::Pair, "pair", "a turn, of two"),
    (Cost::Ring, "ring", "a turn, of a thousand"),
    (Cost::Channel, "channel", "a message and its answer"),
    (Cost::Lock, "lock", "a lock handed over"),
];

/// How many steps it takes.
pub fn steps(scale: &Scale) -> usize {
    scale.cost_reps * COSTS.len()
}

/// Takes all samples.
pub fn measure(run: &mut Run) {
    for rep in 0..run.scale.cost_reps {
        for (cost, name, words) in COSTS {
            run.step(words);
            for model in Run::order(rep) {
                if (cost, model) == (Cost::Lock, Model::Process) {
                    let why =
                        "Processes share no memory to have a lock in; they take turns by a pipe.";
                    run.limit("cost", why.to_owned());
                    continue;
                }
                let answer = child::run(&[
                    "one".to_owned(),
                    name.to_owned(),
                    model.word(),
                    format!("--count={}", run.scale.operations(cost, model)),
                    format!("--cpu={}", run.server_cpus[0]),
                ]);
                match answer {
                    Ok(figures) => run.add("cost", model.name(), cost as u8 as f64, rep, &figures),
                    Err(why) => run.limit("cost", format!("{} of {}: {why}", words, model.name())),
                }
            }
        }
    }
}

/// Makes the picture.
pub fn section(run: &Run) -> Section {
    let ns = |model, cost: Cost| run.median("cost", "ns", model, cost as u8 as f64);
    let words =
        |model, cost| ns(model, cost).map_or("?".to_owned(), |it| figure(it, Unit::Nanoseconds));
    let ratio = |one, other, cost: Cost| run.ratio("cost", "ns", [one, other], cost as u8 as f64);
    let create = ratio(Model::Thread, Model::Async, Cost::Create);
    let pair = ratio(Model::Thread, Model::Async, Cost::Pair);
    let claims = [Cost::Create, Cost::Pair, Cost::Ring, Cost::Channel, Cost::Lock];
    let all_cheaper: Option<bool> = claims
        .iter()
        .map(|&cost| Some(ratio(Model::Thread, Model::Async, cost)? > 2.0))
        .try_fold(true, |all, it| Some(all && it?));
    let ring = ns(Model::Thread, Cost::Ring).zip(ns(Model::Thread, Cost::Pair));
    let more = ring.map(|(ring, pair)| ring / pair);
    let more_coroutine = ns(Model::Async, Cost::Ring)
        .zip(ns(Model::Async, Cost::Pair))
        .map(|(ring, pair)| ring / pair);
    Section {
        id: "cost".to_owned(),
        title: "What one costs".to_owned(),
        text: format!(
            "CPU time of the whole process, its work in the kernel included, on one processor, where \
             a thread that waits for another costs the least. Created in batches of {}. Coroutines take \
             turns by yielding to their loop; threads by unparking each other; processes by a byte in \
             a pipe. The channels hold one message: greenloop's, std's, and a pair of Unix sockets.",
            crate::one::BATCH
        ),
        pictures: vec![Picture {
            id: "cost".to_owned(),
            title: "The cost of one".to_owned(),
            says: format!(
                "To start and join an OS thread takes the CPU {} as long as a task ({} against {}), \
                 and to switch to it {}.",
                times(create),
                words(Model::Thread, Cost::Create),
                words(Model::Async, Cost::Create),
                times(pair),
            ),
            kind: Kind::Bars,
            measure: "CPU time of one operation".to_owned(),
            unit: Unit::Nanoseconds,
            scale: Lengths::Log,
            better: Better::Lower,
            x: None,
            series: series(|model| {
                COSTS
                    .iter()
                    .map(|&(cost, _, words)| {
                        let x = cost as u8 as f64;
                        Point::of(run.summary("cost", "ns", model.name(), x)).group(words)
                    })
                    .collect()
            }),
        }],
        findings: vec![
            Finding {
                claim: "Switching coroutines is a matter of the program and not of the system, so it is \
                        far cheaper than switching threads."
                    .to_owned(),
                holds: Holds::when(all_cheaper),
                says: format!(
                    "A turn costs {} as a task, {} as a green thread, {} as a thread and {} as a process.",
                    words(Model::Async, Cost::Pair),
                    words(Model::Green, Cost::Pair),
                    words(Model::Thread, Cost::Pair),
                    words(Model::Process, Cost::Pair),
                ),
            },
            Finding {
                claim: "The more threads there are, the greater is the advantage of coroutines.".to_owned(),
                holds: Holds::when(more.zip(more_coroutine).map(|(one, other)| one > other)),
                says: match more.zip(more_coroutine) {
                    Some((threads, tasks)) => format!(
                        "Of a thousand, a turn costs {threads:.2} times what it costs of two with threads, \
                         and {tasks:.2} times with tasks: caches are what matters to both."
                    ),
                    None => "It was not measured.".to_owned(),
                },
            },
        ],
        limits: run.limits_of("cost"),
    }
}
