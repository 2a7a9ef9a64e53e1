//! One run of the driver: where it measures, what it has found so far, and how far it is.

use std::io;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::scale::Scale;
use crate::{
    data::{Fact, Point, Sample, Series},
    model::Model,
    stats::Summary,
    system,
};

/// What all experiments share.
pub struct Run {
    /// How much of everything is done.
    pub scale: Scale,
    /// Where servers run: on all processors but one.
    pub server_cpus: Vec<usize>,
    /// Where their clients run: on the last one.
    pub load_cpu: usize,
    /// All that was measured.
    pub samples: Vec<Sample>,
    /// What could not be measured: of which experiment, and why.
    pub limits: Vec<(String, String)>,
    /// Which part of the machine others have used during each experiment.
    pub others: Vec<(&'static str, f64)>,
    /// How many descriptors a process may have.
    pub most_descriptors: usize,
    progress: ProgressBar,
}

impl Run {
    /// Begins a run of so many steps.
    pub fn new(scale: Scale, steps: usize) -> io::Result<Self> {
        let mut cpus = system::processors()?;
        let load_cpu = cpus.last().copied().unwrap_or(0);
        if cpus.len() > 1 {
            cpus.pop();
        }
        let style = "{bar:30} {percent:>3} %  {elapsed}, {eta} left  {msg}";
        let style = ProgressStyle::with_template(style).expect("the template is right");
        let progress = ProgressBar::new(steps as u64).with_style(style);
        Ok(Self {
            scale,
            server_cpus: cpus,
            load_cpu,
            samples: Vec::new(),
            limits: Vec::new(),
            others: Vec::new(),
            most_descriptors: system::raise_file_limit()? as usize,
            progress,
        })
    }

    /// Takes the progress bar away.
    pub fn finish(&self) {
        self.progress.finish_and_clear();
    }

    /// Says what is being measured, and that it is a step further than before.
    pub fn step(&self, what: &str) {
        self.progress.set_message(what.to_owned());
        self.progress.inc(1);
    }

    /// The models in the order of the repetition: each is first once.
    pub fn order(repetition: usize) -> impl Iterator<Item = Model> {
        (0..4).map(move |place| Model::ALL[(place + repetition) % 4])
    }

    /// Keeps the figures of one measurement; those that are null were not to be had.
    pub fn add(&mut self, experiment: &str, series: &str, x: f64, rep: usize, figures: &Value) {
        for (metric, value) in figures.as_object().into_iter().flatten() {
            if let Some(value) = value.as_f64() {
                self.samples.push(Sample {
                    experiment: experiment.to_owned(),
                    metric: metric.clone(),
                    series: series.to_owned(),
                    x,
                    repetition: rep,
                    value,
                });
            }
        }
    }

    /// Notes what could not be measured, once.
    pub fn limit(&mut self, experiment: &str, why: String) {
        let limit = (experiment.to_owned(), why);
        if !self.limits.contains(&limit) {
            self.limits.push(limit);
        }
    }

    /// What the repetitions of one figure look like.
    pub fn summary(&self, experiment: &str, metric: &str, series: &str, x: f64) -> Option<Summary> {
        let same = |it: &&Sample| {
            it.experiment == experiment && it.metric == metric && it.series == series && it.x == x
        };
        Summary::of(self.samples.iter().filter(same).map(|it| it.value))
    }

    /// The median of a model's figure.
    pub fn median(&self, experiment: &str, metric: &str, model: Model, x: f64) -> Option<f64> {
        Some(self.summary(experiment, metric, model.name(), x)?.median)
    }

    /// How many times the figure of `one` is that of `other`: the median of the ratios within the
    /// repetitions, which bear a machine that changes its speed from one to the next.
    pub fn ratio(
        &self,
        experiment: &str,
        metric: &str,
        [one, other]: [Model; 2],
        x: f64,
    ) -> Option<f64> {
        let of = |model: Model| {
            self.samples.iter().filter(move |it| {
                it.experiment == experiment
                    && it.metric == metric
                    && it.series == model.name()
                    && it.x == x
            })
        };
        let ratios = of(one).filter_map(|it| {
            let base = of(other).find(|base| base.repetition == it.repetition)?;
            (base.value != 0.0).then(|| it.value / base.value)
        });
        Some(Summary::of(ratios)?.median)
    }

    /// The lines of all models over `xs`; points that are missing are left out.
    pub fn lines(&self, experiment: &str, metric: &str, xs: &[f64]) -> Vec<Series> {
        series(|model| {
            xs.iter()
                .filter_map(|&x| {
                    self.summary(experiment, metric, model.name(), x).map(|it| (x, it))
                })
                .map(|(x, summary)| Point::of(Some(summary)).at(x))
                .collect()
        })
    }

    /// Whether others left the machine to an experiment, as far as the system tells.
    pub fn is_alone(&self, experiment: &str) -> bool {
        self.others.iter().all(|(name, part)| *name != experiment || *part < DISTURBED)
    }

    /// A figure that was taken from the clock on the wall: noise, when others used the machine.
    pub fn on_the_wall(&self, experiment: &str, point: Point) -> Point {
        let noisy = point.noisy || point.y.is_some() && !self.is_alone(experiment);
        Point { noisy, ..point }
    }

    /// What an experiment could not measure.
    pub fn limits_of(&self, experiment: &str) -> Vec<String> {
        let same = |(it, _): &&(String, String)| it == experiment;
        self.limits.iter().filter(same).map(|(_, why)| why.clone()).collect()
    }

    /// What was asked for, in words.
    pub fn parameters(&self) -> Vec<Fact> {
        let list =
            |cpus: &[usize]| cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        vec![
            Fact::new("scale", self.scale.name),
            Fact::new("servers on processor", list(&self.server_cpus)),
            Fact::new("clients on processor", self.load_cpu.to_string()),
            Fact::new("message", format!("{} bytes, TCP_NODELAY", crate::load::SIZE)),
            Fact::new("think time", format!("{} ms on average", self.scale.think.as_millis())),
            Fact::new("worker processes", self.workers().to_string()),
            Fact::new("figures", "medians of interleaved repetitions; lines to the quartiles"),
        ]
    }

    /// How many worker processes a server has: one per core, and at least two, so that they are
    /// several.
    pub fn workers(&self) -> usize {
        self.server_cpus.len().max(2)
    }
}

/// When others use more than this part of the machine, times on the wall mean little.
pub const DISTURBED: f64 = 0.1;

/// A series per model, with its colour.
pub fn series(points: impl Fn(Model) -> Vec<Point>) -> Vec<Series> {
    let one = |(colour, model): (usize, Model)| Series {
        name: model.name().to_owned(),
        colour,
        points: points(model),
    };
    Model::ALL.into_iter().enumerate().map(one).collect()
}

/// Calls a ratio what a person would: "3.4 times", "120 times".
pub fn times(ratio: Option<f64>) -> String {
    match ratio {
        Some(ratio) if ratio < 10.0 => format!("{ratio:.1} times"),
        Some(ratio) if ratio < 1_000.0 => format!("{ratio:.0} times"),
        Some(ratio) => format!("{} times", crate::draw::figures::thousands(ratio.round())),
        None => "an unknown number of times".to_owned(),
    }
}
