//! One handler that blocks: who notices, and how `spawn_blocking` mends it.

use std::{collections::BTreeSet, io};

use serde_json::{Value, json};

use super::{run::Run, scale::Scale};
use crate::{
    child::{self, Child},
    data::{
        Axis, Better, Finding, Holds, Kind, Picture, Point, Scale as Lengths, Section, Series, Unit,
    },
    model::Model,
};

/// The servers: who serves, whether `spawn_blocking` does what blocks, and a name.
const SERVERS: [(Model, bool, &str); 6] = [
    (Model::Async, false, "async tasks"),
    (Model::Async, true, "async tasks, spawn_blocking"),
    (Model::Green, false, "green threads"),
    (Model::Green, true, "green threads, spawn_blocking"),
    (Model::Thread, false, "OS threads"),
    (Model::Process, false, "processes"),
];
const CLIENTS: usize = 10;
/// Between two messages of a client, in milliseconds.
const EVERY: u64 = 4;
/// An answer that is late by this part of the time for which the handler blocks has been held up by it.
const LATE: f64 = 0.4;

/// How many steps it takes.
pub fn steps(scale: &Scale) -> usize {
    scale.blocking_reps * SERVERS.len()
}

/// Takes all samples.
pub fn measure(run: &mut Run) {
    for rep in 0..run.scale.blocking_reps {
        for place in 0..SERVERS.len() {
            let (model, pool, name) = SERVERS[(place + rep) % SERVERS.len()];
            run.step("a handler that blocks");
            let answers = match ask(run, model, pool) {
                Ok(answers) => answers,
                Err(why) => {
                    run.limit("blocking", format!("{name}: {why}"));
                    continue;
                }
            };
            let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
            let answers: Vec<(u64, f64, f64)> = answers
                .iter()
                .map(|it| (it[0].as_u64().unwrap_or(0), number(&it[1]), number(&it[2])))
                .collect();
            let late = LATE * run.scale.blocked.as_secs_f64() * 1e3;
            let latest = answers.iter().map(|it| it.2).fold(0.0, f64::max);
            let held_up: BTreeSet<_> =
                answers.iter().filter(|it| it.2 > late).map(|it| it.0).collect();
            let figures = json!({
                "latest": latest, "held_up": held_up.len(), "answers": answers.len(),
            });
            run.add("blocking", name, 0.0, rep, &figures);
            if rep == 0 {
                for (bin, late) in tallest(&answers, run.length()) {
                    run.add("blocking/answers", name, bin, 0, &json!({ "late": late }));
                }
            }
        }
    }
}

/// The latest answer to what was sent in each step of time.
fn tallest(answers: &[(u64, f64, f64)], length: f64) -> Vec<(f64, f64)> {
    let step = EVERY as f64;
    (0..(length / step) as usize)
        .filter_map(|bin| {
            let start = bin as f64 * step;
            let sent = answers.iter().filter(|it| it.1 >= start && it.1 < start + step);
            sent.map(|it| it.2).reduce(f64::max).map(|late| (start, late))
        })
        .collect()
}

impl Run {
    /// How long the clients send, in milliseconds.
    fn length(&self) -> f64 {
        self.scale.blocked.as_secs_f64() * 1e3 * 2.5
    }

    /// When the message that blocks is sent, in milliseconds.
    fn block_at(&self) -> f64 {
        self.scale.blocked.as_secs_f64() * 1e3 * 0.75
    }
}

fn ask(run: &Run, model: Model, pool: bool) -> io::Result<Vec<Value>> {
    let mut arguments = vec![
        "serve".to_owned(),
        model.word(),
        format!("--workers={}", run.workers()),
        format!("--blocks={}", run.scale.blocked.as_millis()),
    ];
    if pool {
        arguments.push("--pool".to_owned());
    }
    let mut server = Child::start(&arguments)?;
    let address = server.answer()?;
    if model == Model::Process {
        server.end_softly();
    }
    let answer = child::run(&[
        "pings".to_owned(),
        format!("--port={}", address["port"]),
        format!("--cpu={}", run.load_cpu),
        format!("--clients={CLIENTS}"),
        format!("--every={EVERY}"),
        format!("--block-at={:.0}", run.block_at()),
        format!("--length={:.0}", run.length()),
    ])?;
    Ok(answer["answers"].as_array().cloned().unwrap_or_default())
}

/// Makes the picture.
pub fn section(run: &Run) -> Section {
    let latest = |name: &str| Some(run.summary("blocking", "latest", name, 0.0)?.median);
    let held_up = |name: &str| Some(run.summary("blocking", "held_up", name, 0.0)?.median);
    let ms = |name| latest(name).map_or("?".to_owned(), |it| format!("{it:.1} ms"));
    let clients = |name| held_up(name).map_or("?".to_owned(), |it| format!("{it:.0}"));
    let blocked = run.scale.blocked.as_secs_f64() * 1e3;
    let [tasks, mended, green, green_mended, threads, processes] = SERVERS.map(|it| it.2);
    let stops = |name| latest(name).map(|it| it > blocked * 0.5);
    let both = |one: Option<bool>, other: Option<bool>| Some(one? && other?);
    Section {
        id: "blocking".to_owned(),
        title: "Blocking: one handler that does not wait its turn".to_owned(),
        text: format!(
            "{CLIENTS} clients send every {EVERY} ms, whether the last answer has come or not. Then one more asks \
             for work that blocks its thread for {blocked:.0} ms. Each column is the latest answer to what was \
             sent at that time."
        ),
        pictures: vec![Picture {
            id: "blocking".to_owned(),
            title: "What the others notice of a handler that blocks".to_owned(),
            says: format!(
                "A task that blocks for {blocked:.0} ms makes {} of {CLIENTS} other clients wait, up to {}; left to \
                 spawn_blocking, {}. Threads hold up {}, and {} processes {}.",
                clients(tasks),
                ms(tasks),
                clients(mended),
                clients(threads),
                run.workers(),
                clients(processes),
            ),
            kind: Kind::Tracks,
            measure: "how late the answers are".to_owned(),
            unit: Unit::Milliseconds,
            scale: Lengths::Linear,
            better: Better::Lower,
            x: Some(Axis {
                label: "sent at".to_owned(),
                unit: Unit::Milliseconds,
                scale: Lengths::Linear,
            }),
            series: SERVERS
                .iter()
                .map(|&(model, _, name)| {
                    let of = run
                        .samples
                        .iter()
                        .filter(|it| it.experiment == "blocking/answers" && it.series == name);
                    let point =
                        |x, y| Point { x: Some(x), y: Some(y), count: 1, ..Point::default() };
                    Series {
                        name: name.to_owned(),
                        colour: model as usize,
                        points: of.map(|it| point(it.x, it.value)).collect(),
                    }
                })
                .collect(),
        }],
        findings: vec![
            Finding {
                claim: "A coroutine that blocks blocks the whole thread.".to_owned(),
                holds: Holds::when(both(stops(tasks), stops(green))),
                says: format!(
                    "The others wait for up to {} with tasks and {} with green threads, {} with threads.",
                    ms(tasks),
                    ms(green),
                    ms(threads)
                ),
            },
            Finding {
                claim: "Left to spawn_blocking, it is no harm.".to_owned(),
                holds: Holds::when(both(
                    stops(mended).map(|it| !it),
                    stops(green_mended).map(|it| !it),
                )),
                says: format!(
                    "With it the others wait for at most {} and {}.",
                    ms(mended),
                    ms(green_mended)
                ),
            },
        ],
        limits: run.limits_of("blocking"),
    }
}
