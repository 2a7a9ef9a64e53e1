//! How much memory one takes that waits, and how many of them there can be.

use std::fs;

use super::{
    run::{Run, series, times},
    scale::Scale,
};
use crate::{
    child,
    data::{Axis, Better, Finding, Holds, Kind, Picture, Point, Scale as Lengths, Section, Unit},
    draw::figures::{figure, thousands},
    model::Model,
    stats::Summary,
    system,
};

/// How many steps it takes.
pub fn steps(scale: &Scale) -> usize {
    scale.parked_reps * scale.parked.len()
}

/// Takes all samples.
pub fn measure(run: &mut Run) {
    for rep in 0..run.scale.parked_reps {
        for &count in run.scale.parked {
            run.step(&format!("{} that wait", thousands(count as f64)));
            for model in Run::order(rep) {
                let Some(possible) = possible(run, model, count) else { continue };
                let answer = child::run(&[
                    "one".to_owned(),
                    "parked".to_owned(),
                    model.word(),
                    format!("--count={possible}"),
                ]);
                let whom = format!("{} {}", thousands(possible as f64), model.name());
                match answer {
                    Ok(figures) => {
                        run.add("memory", model.name(), possible as f64, rep, &figures);
                    }
                    Err(why) => run.limit("memory", format!("{whom} cannot be had: {why}")),
                }
            }
        }
    }
}

/// How many of `count` the machine lets us have; nothing when a smaller number says as much.
fn possible(run: &mut Run, model: Model, count: usize) -> Option<usize> {
    let (limit, why) = match model {
        Model::Async => return Some(count),
        Model::Green => match green_limit() {
            Some(limit) => limit,
            None => return Some(count),
        },
        Model::Thread => thread_limit()?,
        Model::Process => process_limit(run.scale.most_processes)?,
    };
    if count <= limit {
        return Some(count);
    }
    // Where it ends is known from the system's settings, and is the same in each repetition.
    let stop = limit / 1_000 * 1_000;
    let whom = model.name();
    let wanted = thousands(count as f64);
    run.limit("memory", format!("There are no {wanted} {whom}: {why}."));
    let smaller = run.scale.parked.iter().filter(|&&it| it < count).max().copied().unwrap_or(0);
    (stop > smaller).then_some(stop)
}

/// Where green threads end: each has a guard, which is a mapping of its own before Linux 6.13.
fn green_limit() -> Option<(usize, String)> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let mut parts = release.split(['.', '-']).map_while(|part| part.trim().parse::<u32>().ok());
    if (parts.next()?, parts.next()?) >= (6, 13) {
        return None;
    }
    let mappings = setting("vm/max_map_count")?;
    let why = format!("each takes two mappings, and the kernel has {mappings} (vm.max_map_count)");
    Some((mappings.saturating_sub(OWN_MAPPINGS) / 2, why))
}

/// Where threads end, and by which setting.
fn thread_limit() -> Option<(usize, String)> {
    let mappings = setting("vm/max_map_count")?;
    let own = mappings.saturating_sub(OWN_MAPPINGS) / THREAD_MAPPINGS;
    let why = format!(
        "each takes {THREAD_MAPPINGS} mappings, for its stack, the one that its signals have, and the guards \
         of both, and a process may have {} (vm.max_map_count)",
        thousands(mappings as f64)
    );
    [Some((own, why)), machine_limit()].into_iter().flatten().min_by_key(|(limit, _)| *limit)
}

/// How many threads and processes the machine has room for, and by which setting.
fn machine_limit() -> Option<(usize, String)> {
    let setting = |name: &str, why: &str| {
        let limit = setting(&name.replace('.', "/"))?;
        Some((limit, format!("{why} ({name} = {})", thousands(limit as f64))))
    };
    let user = system::process_limit().map(|limit| {
        (limit as usize, format!("the user has no more (ulimit -u = {})", thousands(limit as f64)))
    });
    let limits = [
        setting("kernel.pid_max", "each takes an id, and the kernel has no more"),
        setting("kernel.threads-max", "the kernel has no more"),
        group_limit(),
        user,
    ];
    let (limit, why) = limits.into_iter().flatten().min_by_key(|(limit, _)| *limit)?;
    // The others on this machine need some, too.
    let limit = limit.saturating_sub(in_use().unwrap_or(0) + SPARE);
    Some((limit, format!("{why}, and others here need some, too")))
}

/// Where processes end: by the same settings, and before they get in the way of the machine.
fn process_limit(most: usize) -> Option<(usize, String)> {
    let (limit, why) = machine_limit()?;
    if limit < most {
        return Some((limit, why));
    }
    let why = format!(
        "this program stops at {}, since a fork of each takes the machine's time",
        thousands(most as f64)
    );
    Some((most, why))
}

/// The limit of the group that the program runs in, as containers have it.
fn group_limit() -> Option<(usize, String)> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let limit = fs::read_to_string(format!("/sys/fs/cgroup{path}/pids.max")).ok()?;
    let limit: usize = limit.trim().parse().ok()?;
    Some((limit, format!("its group has no more (pids.max = {limit})")))
}

/// How many threads there are on the whole machine.
fn in_use() -> Option<usize> {
    let load = fs::read_to_string("/proc/loadavg").ok()?;
    load.split_whitespace().nth(3)?.split_once('/')?.1.parse().ok()
}

fn setting(name: &str) -> Option<usize> {
    fs::read_to_string(format!("/proc/sys/{name}")).ok()?.trim().parse().ok()
}

/// Makes the pictures.
pub fn section(run: &Run) -> Section {
    let counts = |model: Model| {
        let of = run.samples.iter().filter(move |it| {
            it.experiment == "memory" && it.series == model.name() && it.metric == "resident"
        });
        let mut counts: Vec<f64> = of.map(|it| it.x).collect();
        counts.sort_by(f64::total_cmp);
        counts.dedup();
        counts
    };
    // What all can be compared at.
    let common = counts(Model::Async)
        .into_iter()
        .rfind(|x| Model::ALL.iter().all(|&model| counts(model).contains(x)));
    let at = common.unwrap_or(run.scale.parked[0] as f64);
    let metrics = [
        ("resident", "resident memory of its own"),
        ("kernel", "the kernel's, for its stack and page tables"),
        ("reserved", "reserved addresses"),
    ];
    let real = |model| {
        Some(
            run.median("memory", "resident", model, at)?
                + run.median("memory", "kernel", model, at)?,
        )
    };
    let words = |model| real(model).map_or("?".to_owned(), |it| figure(it, Unit::Bytes));
    let against = |one, other| Some(real(one)? / real(other)?);
    let most = |model| counts(model).into_iter().next_back();
    let total = |model: Model, x: f64| {
        let sum: Vec<f64> = ["resident", "kernel"]
            .iter()
            .filter_map(|metric| Some(run.summary("memory", metric, model.name(), x)?.median))
            .collect();
        Summary::of((sum.len() == 2).then(|| sum.iter().sum::<f64>() * x))
    };
    let ends = Model::ALL.map(|model| {
        let most = most(model).map_or("none".to_owned(), thousands);
        format!("{most} {}", model.name())
    });
    Section {
        id: "memory".to_owned(),
        title: "What one takes while it waits".to_owned(),
        text: "Each waits with 64 bytes of state of its own. Resident is what is there in pages. The \
               kernel's part (a stack per thread, page tables per process) is counted for the whole \
               machine, so others who come and go are in it. Reserved addresses cost nothing until they \
               are touched: a green thread reserves 256 KiB for its stack, a thread of Rust 2 MiB."
            .to_owned(),
        pictures: vec![
            Picture {
                id: "memory".to_owned(),
                title: format!("The memory of one, of {} that wait", thousands(at)),
                says: format!(
                    "A thread that waits takes {} as much memory as a task ({} against {}), and a green \
                     thread {}: its stack takes a page as soon as it is touched.",
                    times(against(Model::Thread, Model::Async)),
                    words(Model::Thread),
                    words(Model::Async),
                    times(against(Model::Green, Model::Async)),
                ),
                kind: Kind::Bars,
                measure: "bytes of one".to_owned(),
                unit: Unit::Bytes,
                scale: Lengths::Log,
                better: Better::Lower,
                x: None,
                series: series(|model| {
                    metrics
                        .iter()
                        .map(|(metric, words)| {
                            let summary = run.summary("memory", metric, model.name(), at);
                            // A logarithm needs something to stand on.
                            let point = match summary {
                                Some(summary) if summary.median < 1.0 => {
                                    Point { y: Some(0.0), count: summary.count, ..Point::default() }
                                }
                                summary => Point::of(summary),
                            };
                            point.group(*words)
                        })
                        .collect()
                }),
            },
            Picture {
                id: "memory-total".to_owned(),
                title: "The memory of all that wait".to_owned(),
                says: format!("There were as many as {}.", listed(&ends)),
                kind: Kind::Lines,
                measure: "resident memory, the kernel's included".to_owned(),
                unit: Unit::Bytes,
                scale: Lengths::Log,
                better: Better::Lower,
                x: Some(Axis {
                    label: "how many wait".to_owned(),
                    unit: Unit::Count,
                    scale: Lengths::Log,
                }),
                series: series(|model| {
                    let xs = counts(model).into_iter();
                    xs.filter_map(|x| Some(Point::of(Some(total(model, x)?)).at(x))).collect()
                }),
            },
        ],
        findings: vec![Finding {
            claim: "A processor carries ten thousand coroutines without trouble; so many threads use \
                    up the machine."
                .to_owned(),
            holds: match most(Model::Thread).zip(against(Model::Thread, Model::Async)) {
                None => Holds::Unknown,
                Some((threads, _)) if threads < 10_000.0 => Holds::Yes,
                Some((_, ratio)) if ratio > 10.0 => Holds::Partly,
                Some(_) => Holds::No,
            },
            says: format!(
                "This machine had {}. Threads that only wait cost memory and ids, not time.",
                listed(&ends)
            ),
        }],
        limits: run.limits_of("memory"),
    }
}

fn listed(words: &[String]) -> String {
    match words {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        words => words.join(""),
    }
}

/// What is left to the others on this machine.
const SPARE: usize = 2_000;
/// The mappings of a thread of `std`, and those that the program has anyway.
const THREAD_MAPPINGS: usize = 4;
const OWN_MAPPINGS: usize = 200;
