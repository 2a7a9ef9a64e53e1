//! A hundred that take one from a shared number: without a lock, with one, and one after the other.

use super::{
    run::{Run, series},
    scale::Scale,
};
use crate::{
    child,
    data::{Better, Finding, Holds, Kind, Picture, Point, Scale as Lengths, Section, Unit},
    draw::figures::figure,
    model::Model,
};

const WAYS: [(&str, &str); 3] = [
    ("count-unlocked", "no lock"),
    ("count-locked", "a lock where it matters"),
    ("count-joined", "each joined at once"),
];

/// How many steps it takes.
pub fn steps(scale: &Scale) -> usize {
    scale.lesson_reps * WAYS.len()
}

/// Takes all samples: of all models at the same time, since nearly all of it is sleep.
pub fn measure(run: &mut Run) {
    let why = "Processes have no number in common to put a lock around.";
    run.limit("counting", why.to_owned());
    for rep in 0..run.scale.lesson_reps {
        for (x, (name, words)) in WAYS.into_iter().enumerate() {
            run.step(&format!("counting: {words}"));
            let possible = |model: &Model| (*model, name) != (Model::Process, "count-locked");
            let models: Vec<_> = Run::order(rep).filter(possible).collect();
            let child = |model: &Model| {
                vec![
                    "lesson".to_owned(),
                    name.to_owned(),
                    model.word(),
                    format!("--count={}", run.scale.counters),
                    format!("--millis={}", run.scale.critical.as_secs_f64() * 1e3),
                ]
            };
            let answers = child::run_together(models.iter().map(child).collect());
            for (model, answer) in models.into_iter().zip(answers) {
                match answer {
                    Ok(figures) => run.add("counting", model.name(), x as f64, rep, &figures),
                    Err(why) => {
                        run.limit("counting", format!("{words} of {}: {why}", model.name()));
                    }
                }
            }
        }
    }
}

/// Makes the picture.
pub fn section(run: &Run) -> Section {
    let left = |model, x| run.median("counting", "left", model, x);
    let seconds = |model, x| run.median("counting", "seconds", model, x);
    let (count, critical) = (run.scale.counters, run.scale.critical.as_secs_f64());
    let memory = [Model::Async, Model::Green, Model::Thread];
    let all = |x: f64, right: &dyn Fn(f64) -> bool| {
        let one = |&model: &Model| Some(right(left(model, x)?));
        memory.iter().map(one).try_fold(true, |all, it| Some(all && it?))
    };
    let lost = all(0.0, &|left| left > 0.0);
    let kept = all(1.0, &|left| left == 0.0);
    let words = |model, x| left(model, x).map_or("?".to_owned(), |it| format!("{it:.0}"));
    let time = |model, x| seconds(model, x).map_or("?".to_owned(), |it| figure(it, Unit::Seconds));
    let slower = seconds(Model::Thread, 2.0).zip(seconds(Model::Thread, 1.0));
    Section {
        id: "counting".to_owned(),
        title: "Sharing: a number that all change".to_owned(),
        text: format!(
            "{count} workers read a number that begins at {count}, sleep {} ms, and write what they read \
             less one. With a lock, and when each is joined at once, they first sleep six times as long, as \
             one with other work to do. Courses do it with waits of half a second, \
             and wait for six minutes at the end.",
            critical * 1e3
        ),
        pictures: vec![Picture {
            id: "counting".to_owned(),
            title: format!("{count} that take one from a number"),
            says: format!(
                "Without a lock {} of {count} are left, also with tasks of one thread; with one, none, after \
                 {}; and joining each at once makes that {}.",
                words(Model::Async, 0.0),
                time(Model::Async, 1.0),
                time(Model::Async, 2.0),
            ),
            kind: Kind::Bars,
            measure: "time on the wall, and what is left of the number".to_owned(),
            unit: Unit::Seconds,
            scale: Lengths::Log,
            better: Better::Lower,
            x: None,
            series: series(|model| {
                let point = |(x, (_, words)): (usize, (&str, &str))| {
                    let x = x as f64;
                    let left = left(model, x).map(|it| format!("{it:.0} left"));
                    Point::of(run.summary("counting", "seconds", model.name(), x))
                        .group(words)
                        .note(left)
                };
                WAYS.into_iter().enumerate().map(point).collect()
            }),
        }],
        findings: vec![
            Finding {
                claim: "Coroutines need no locks, since only one runs at a time.".to_owned(),
                holds: match lost {
                    Some(true) => Holds::Partly,
                    Some(false) => Holds::Yes,
                    None => Holds::Unknown,
                },
                says: format!(
                    "Between two waits nobody interferes. Across a wait everybody may: {} of {count} are left \
                     of tasks, {} of green threads, {} of threads. Who waits in the middle of a change needs a lock.",
                    words(Model::Async, 0.0),
                    words(Model::Green, 0.0),
                    words(Model::Thread, 0.0),
                ),
            },
            Finding {
                claim: "A lock makes only the critical part one after the other; joining at once makes \
                        everything so."
                    .to_owned(),
                holds: Holds::when(
                    slower.zip(kept).map(|((joined, locked), kept)| kept && joined > 2.0 * locked),
                ),
                says: format!(
                    "Threads take {} with a lock and {} when each is joined at once; tasks {} and {}.",
                    time(Model::Thread, 1.0),
                    time(Model::Thread, 2.0),
                    time(Model::Async, 1.0),
                    time(Model::Async, 2.0),
                ),
            },
            Finding {
                claim: "Processes share nothing: each changes a copy.".to_owned(),
                holds: Holds::when(left(Model::Process, 0.0).map(|it| it == count as f64)),
                says: format!("{} of {count} are left.", words(Model::Process, 0.0)),
            },
        ],
        limits: run.limits_of("counting"),
    }
}
