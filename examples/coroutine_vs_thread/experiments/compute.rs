//! Computing: what taking turns costs, and what cores bring.

use super::{
    run::{Run, series},
    scale::Scale,
};
use crate::{
    child,
    cli::Lesson,
    data::{Axis, Better, Finding, Holds, Kind, Picture, Point, Scale as Lengths, Section, Unit},
    draw::figures::thousands,
    model::Model,
    stats::Summary,
    system,
};

/// After how many steps the other one runs.
const EVERY: [usize; 5] = [1, 10, 100, 1_000, 10_000];

/// How many workers there are, at most.
const MOST_WORKERS: usize = 8;

/// How many steps it takes.
pub fn steps(scale: &Scale) -> usize {
    scale.compute_reps * (EVERY.len() + 1 + cores())
}

fn cores() -> usize {
    system::processors().map_or(1, |it| it.len()).min(MOST_WORKERS)
}

/// Takes all samples.
pub fn measure(run: &mut Run) {
    for rep in 0..run.scale.compute_reps {
        // The last one is no turn at all: what the others are compared with.
        for every in EVERY.into_iter().chain([run.scale.turns as usize / 2]) {
            run.step("computing in turns");
            for model in Run::order(rep).filter(|&model| model != Model::Process) {
                // A thread's turn takes so long that fewer must do.
                let steps = match (model, every) {
                    (Model::Thread, 1) => run.scale.turns / 100,
                    (Model::Thread, 10) => run.scale.turns / 10,
                    _ => run.scale.turns,
                };
                let cpu = Some(run.server_cpus[0]);
                ask(run, Lesson::ComputeInTurns, model, every, steps, rep, cpu);
            }
        }
        for workers in 1..=cores() {
            run.step("computing on several cores");
            for model in Run::order(rep) {
                ask(run, Lesson::Compute, model, workers, run.scale.compute, rep, None);
            }
        }
    }
}

fn ask(
    run: &mut Run,
    lesson: Lesson,
    model: Model,
    count: usize,
    steps: u64,
    rep: usize,
    cpu: Option<usize>,
) {
    let (name, experiment) = match lesson {
        Lesson::ComputeInTurns => ("compute-in-turns", "cpu/turns"),
        _ => ("compute", "cpu/cores"),
    };
    let mut arguments = vec![
        "lesson".to_owned(),
        name.to_owned(),
        model.word(),
        format!("--count={count}"),
        format!("--steps={steps}"),
    ];
    arguments.extend(cpu.map(|cpu| format!("--cpu={cpu}")));
    match child::run(&arguments) {
        Ok(mut figures) => {
            let seconds = figures["seconds"].as_f64().unwrap_or(f64::NAN);
            figures["per_step_ns"] = (seconds * 1e9 / steps as f64).into();
            run.add(experiment, model.name(), count as f64, rep, &figures);
        }
        Err(why) => run.limit("cpu", format!("computing by {}: {why}", model.name())),
    }
}

/// The ratios, within the repetitions, of a figure at `x` to that of the first model at `base`.
fn ratios(run: &Run, experiment: &str, model: Model, x: f64, base: f64) -> Option<Summary> {
    let of = |model: Model, x: f64| {
        run.samples.iter().filter(move |it| {
            it.experiment == experiment
                && it.series == model.name()
                && it.metric == "per_step_ns"
                && it.x == x
        })
    };
    let ratios = of(model, x).filter_map(|it| {
        let base = of(Model::Async, base).find(|base| base.repetition == it.repetition)?;
        Some(it.value / base.value)
    });
    Summary::of(ratios)
}

/// Makes the pictures.
pub fn section(run: &Run) -> Section {
    let none = (run.scale.turns / 2) as f64;
    let slower =
        |model, every: usize| Some(ratios(run, "cpu/turns", model, every as f64, none)?.median);
    let cores = cores();
    let speed = |model, workers: usize| {
        let summary = ratios(run, "cpu/cores", model, workers as f64, 1.0)?;
        Some(Summary {
            low: 1.0 / summary.high,
            median: 1.0 / summary.median,
            high: 1.0 / summary.low,
            ..summary
        })
    };
    let speed_of = |model| speed(model, cores).map(|it| it.median);
    let words = |ratio: Option<f64>| ratio.map_or("?".to_owned(), |it| format!("{it:.2}"));
    let whole = |ratio: Option<f64>| {
        ratio.map_or("?".to_owned(), |it| thousands(if it < 100.0 { it } else { it.round() }))
    };
    // Several workers on one core, or on cores that others use, are no finding about workers.
    let free = cores > 1 && run.is_alone("cpu");
    let brings = |ratio: Option<f64>| ratio.filter(|_| free).map(|it| it > 1.4);
    let unless = if free { "" } else { " There were no free cores to find out." };
    Section {
        id: "cpu".to_owned(),
        title: "Computing: nothing to wait for".to_owned(),
        text: "A chain of multiplications. First two workers on one processor do half of it each and let \
               the other one run after so many steps; the time is compared with the one that it takes without \
               a turn. Then one to all cores share it, without any turn."
            .to_owned(),
        pictures: vec![
            Picture {
                id: "cpu-turns".to_owned(),
                title: "What taking turns costs a computation".to_owned(),
                says: format!(
                    "With a turn after every step, computing takes {} times as long in tasks, {} in green \
                     threads and {} in threads; after 10,000 steps, nobody notices.",
                    whole(slower(Model::Async, 1)),
                    whole(slower(Model::Green, 1)),
                    whole(slower(Model::Thread, 1)),
                ),
                kind: Kind::Lines,
                measure: "times as long as without turns".to_owned(),
                unit: Unit::Times,
                scale: Lengths::Log,
                better: Better::Lower,
                x: Some(Axis {
                    label: "steps between two turns (one takes about a nanosecond)".to_owned(),
                    unit: Unit::Count,
                    scale: Lengths::Log,
                }),
                series: series(|model| {
                    EVERY
                        .iter()
                        .filter_map(|&every| {
                            let summary = ratios(run, "cpu/turns", model, every as f64, none)?;
                            Some(Point::of(Some(summary)).at(every as f64))
                        })
                        .collect()
                }),
            },
            Picture {
                id: "cpu-cores".to_owned(),
                title: "What cores bring a computation".to_owned(),
                says: format!(
                    "On {cores} cores, {cores} tasks compute {} times as fast as one, threads {} times and \
                     processes {} times.",
                    words(speed_of(Model::Async)),
                    words(speed_of(Model::Thread)),
                    words(speed_of(Model::Process)),
                ),
                kind: Kind::Lines,
                measure: "times as fast as one task".to_owned(),
                unit: Unit::Times,
                scale: Lengths::Linear,
                better: Better::Higher,
                x: Some(Axis {
                    label: "workers".to_owned(),
                    unit: Unit::Count,
                    scale: Lengths::Linear,
                }),
                series: series(|model| {
                    let xs = 1..=cores;
                    let point = |x: usize| {
                        let point = Point::of(Some(speed(model, x)?)).at(x as f64);
                        Some(run.on_the_wall("cpu", point))
                    };
                    xs.filter_map(point).collect()
                }),
            },
        ],
        findings: vec![
            Finding {
                claim: "Coroutines make a computation slower: the turns come on top.".to_owned(),
                holds: Holds::when(slower(Model::Async, 1).map(|it| it > 1.5)),
                says: format!(
                    "{} times the time with a turn after every step of a nanosecond (Python's greenlet: 4.8, \
                     as its steps are slow). {} times after a thousand steps.",
                    whole(slower(Model::Async, 1)),
                    words(slower(Model::Async, 1_000)),
                ),
            },
            Finding {
                claim: "Coroutines use one core.".to_owned(),
                holds: Holds::when(brings(speed_of(Model::Async)).map(|it| !it)),
                says: format!("{cores} tasks are {} times as fast as one.{unless}", words(speed_of(Model::Async))),
            },
            Finding {
                claim: "Threads use one core as well, because of the interpreter's lock.".to_owned(),
                holds: Holds::when(brings(speed_of(Model::Thread)).map(|it| !it)),
                says: format!(
                    "That is Python's lock (GIL). Rust has none: {cores} threads are {} times as fast.{unless}",
                    words(speed_of(Model::Thread))
                ),
            },
            Finding {
                claim: "Processes use all cores; so one takes several, each with its coroutines.".to_owned(),
                holds: Holds::when(brings(speed_of(Model::Process))),
                says: format!("{cores} processes are {} times as fast.{unless}", words(speed_of(Model::Process))),
            },
        ],
        limits: run.limits_of("cpu"),
    }
}
