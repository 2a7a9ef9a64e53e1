//! Ten that sleep half a second: one after the other, and side by side.

use serde_json::{Value, json};

use super::{
    run::{Run, series},
    scale::Scale,
};
use crate::{
    child,
    data::{
        Axis, Better, Finding, Holds, Kind, Picture, Point, Scale as Lengths, Section, Series, Unit,
    },
    draw::figures::figure,
    model::Model,
};

const WAYS: [(&str, &str); 2] =
    [("sleeps-in-turn", "one after the other"), ("sleeps-together", "side by side")];
const SLEEPERS: usize = 10;

/// How many steps it takes.
pub fn steps(scale: &Scale) -> usize {
    scale.lesson_reps * WAYS.len()
}

/// Takes all samples: of all models at the same time, since who sleeps needs no processor.
pub fn measure(run: &mut Run) {
    for rep in 0..run.scale.lesson_reps {
        for (x, (name, words)) in WAYS.into_iter().enumerate() {
            run.step(&format!("ten sleeps {words}"));
            let models: Vec<_> = Run::order(rep).collect();
            let child = |model: &Model| {
                vec![
                    "lesson".to_owned(),
                    name.to_owned(),
                    model.word(),
                    format!("--count={SLEEPERS}"),
                    format!("--millis={}", run.scale.nap.as_secs_f64() * 1e3),
                ]
            };
            let answers = child::run_together(models.iter().map(child).collect());
            for (model, answer) in models.into_iter().zip(answers) {
                match answer {
                    Ok(answer) => add(run, model, (name, x as f64), rep, &answer),
                    Err(why) => run.limit("sleeps", format!("{words} of {}: {why}", model.name())),
                }
            }
        }
    }
}

/// Keeps how long all of them took, and who has slept when.
fn add(run: &mut Run, model: Model, (name, x): (&str, f64), rep: usize, answer: &Value) {
    run.add("sleeps", model.name(), x, rep, answer);
    for span in answer["spans"].as_array().into_iter().flatten() {
        let figures = json!({ "from": span[1], "to": span[2] });
        let who = span[0].as_u64().unwrap_or(0) as f64;
        run.add(&format!("sleeps/{name}"), model.name(), who, rep, &figures);
    }
}

/// Makes the pictures.
pub fn section(run: &Run) -> Section {
    let seconds = |model, x| run.median("sleeps", "seconds", model, x);
    let nap = run.scale.nap.as_secs_f64();
    let shown = |x: f64| {
        let all: Option<Vec<f64>> = Model::ALL.iter().map(|&model| seconds(model, x)).collect();
        let all = all?;
        let least = all.iter().copied().fold(f64::MAX, f64::min);
        let most = all.iter().copied().fold(0.0, f64::max);
        Some((least, most))
    };
    let range = |x| match shown(x) {
        Some((least, most)) => {
            let words = [least, most].map(|it| figure(it, Unit::Seconds));
            format!("{} to {}", words[0], words[1])
        }
        None => "an unknown time".to_owned(),
    };
    let together = shown(1.0).map(|(_, most)| most < nap * 2.0);
    let in_turn = shown(0.0).map(|(least, _)| least >= nap * SLEEPERS as f64);
    let spans = WAYS.into_iter().map(|(name, words)| Series {
        name: words.to_owned(),
        colour: 0,
        points: (0..SLEEPERS)
            .filter_map(|who| {
                let experiment = format!("sleeps/{name}");
                let at = |metric| run.median(&experiment, metric, Model::Async, who as f64);
                let point = Point { x: at("from"), y: at("to"), count: 1, ..Point::default() };
                point.y.map(|_| point.group(format!("{}", who + 1)))
            })
            .collect(),
    });
    let says = format!(
        "Ten sleeps of {} take {} one after the other and {} side by side, whoever sleeps.",
        figure(nap, Unit::Seconds),
        range(0.0),
        range(1.0)
    );
    Section {
        id: "sleeps".to_owned(),
        title: "Waiting: ten sleeps".to_owned(),
        text: "The first experiment of every course on coroutines. Each is started and joined before the \
               next is started; then all are started before the first is joined. The models do it at the \
               same time, since who sleeps needs no processor."
            .to_owned(),
        pictures: vec![
            Picture {
                id: "sleeps".to_owned(),
                title: "Ten tasks that sleep".to_owned(),
                says: "One after the other, the waiting adds up; side by side, it is all the same waiting: on \
                       one thread."
                    .to_owned(),
                kind: Kind::Spans,
                measure: "who sleeps when".to_owned(),
                unit: Unit::Seconds,
                scale: Lengths::Linear,
                better: Better::Neither,
                x: Some(Axis {
                    label: "time".to_owned(),
                    unit: Unit::Seconds,
                    scale: Lengths::Linear,
                }),
                series: spans.collect(),
            },
            Picture {
                id: "sleeps-all".to_owned(),
                title: "Ten sleeps, by all models".to_owned(),
                says: says.clone(),
                kind: Kind::Bars,
                measure: "time on the wall".to_owned(),
                unit: Unit::Seconds,
                scale: Lengths::Linear,
                better: Better::Lower,
                x: None,
                series: series(|model| {
                    let point = |(x, (_, words)): (usize, (&str, &str))| {
                        let summary = run.summary("sleeps", "seconds", model.name(), x as f64);
                        Point::of(summary).group(words)
                    };
                    WAYS.into_iter().enumerate().map(point).collect()
                }),
            },
        ],
        findings: vec![Finding {
            claim: "Where programs wait, coroutines on one thread are as good as threads.".to_owned(),
            holds: Holds::when(together.zip(in_turn).map(|(one, other)| one && other)),
            says,
        }],
        limits: run.limits_of("sleeps"),
    }
}
