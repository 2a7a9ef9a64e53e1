//! The report as data: what `report.json` holds, and all that the pictures are drawn from.
//!
//! `schema.json` beside this file describes every field. A picture carries its own figures, unit and
//! sentence, so whoever writes such a file gets the same report: `--draw FILE`.

use std::io;

use serde::{Deserialize, Serialize};

use crate::stats::Summary;

/// The version of the format.
pub const SCHEMA: &str = "greenloop-report/1";

/// A whole report.
#[derive(Debug, Deserialize, Serialize)]
pub struct Report {
    pub schema: String,
    pub title: String,
    pub about: String,
    pub started: String,
    pub seconds: f64,
    pub machine: Vec<Fact>,
    pub versions: Vec<Fact>,
    pub parameters: Vec<Fact>,
    /// What a reader must know before believing a figure.
    pub warnings: Vec<String>,
    pub sections: Vec<Section>,
    pub samples: Vec<Sample>,
}

/// Something to know, with its name.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Fact {
    pub name: String,
    pub value: String,
}

impl Fact {
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: value.into() }
    }
}

/// What belongs together.
#[derive(Debug, Deserialize, Serialize)]
pub struct Section {
    pub id: String,
    pub title: String,
    /// How it was measured.
    pub text: String,
    pub pictures: Vec<Picture>,
    pub findings: Vec<Finding>,
    /// What could not be measured, and why.
    pub limits: Vec<String>,
}

/// Something that is taught about coroutines and threads, held against the figures.
#[derive(Debug, Deserialize, Serialize)]
pub struct Finding {
    pub claim: String,
    pub holds: Holds,
    pub says: String,
}

/// Whether the figures agree with a claim.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Holds {
    Yes,
    Partly,
    No,
    /// The figures are missing.
    Unknown,
}

impl Holds {
    /// `Yes` or `No`, and `Unknown` without an answer.
    pub fn when(answer: Option<bool>) -> Self {
        match answer {
            Some(true) => Holds::Yes,
            Some(false) => Holds::No,
            None => Holds::Unknown,
        }
    }
}

/// One picture and its figures.
#[derive(Debug, Deserialize, Serialize)]
pub struct Picture {
    pub id: String,
    pub title: String,
    /// One sentence: what there is to see.
    pub says: String,
    pub kind: Kind,
    /// What the figures are, and in which unit.
    pub measure: String,
    pub unit: Unit,
    pub scale: Scale,
    pub better: Better,
    /// What is along the horizontal axis, unless that is the figures'.
    pub x: Option<Axis>,
    pub series: Vec<Series>,
}

/// How a picture is drawn.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A bar per series in each group.
    Bars,
    /// A line per series over `x`.
    Lines,
    /// A panel per series, with a column from zero to `y` at each `x`.
    Tracks,
    /// A panel per series, with a stripe from `x` to `y` in each group.
    Spans,
    /// A row per series with a field per group, shaded by how far `y` is from one.
    Grid,
}

/// A unit that figures are written in; larger and smaller ones are chosen by the figure.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Unit {
    #[serde(rename = "ns")]
    Nanoseconds,
    #[serde(rename = "us")]
    Microseconds,
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "B")]
    Bytes,
    #[serde(rename = "1/s")]
    PerSecond,
    #[serde(rename = "x")]
    Times,
    #[serde(rename = "")]
    Count,
}

/// How figures become lengths.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    Linear,
    Log,
}

/// Which figures one would rather have.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    Lower,
    Higher,
    Neither,
}

/// A horizontal axis.
#[derive(Debug, Deserialize, Serialize)]
pub struct Axis {
    pub label: String,
    pub unit: Unit,
    pub scale: Scale,
}

/// The figures of one of those who are compared.
#[derive(Debug, Deserialize, Serialize)]
pub struct Series {
    pub name: String,
    /// Which of the colours is its own: the same one in all pictures.
    pub colour: usize,
    pub points: Vec<Point>,
}

/// One figure.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Point {
    pub group: Option<String>,
    pub x: Option<f64>,
    /// The median of the repetitions.
    pub y: Option<f64>,
    /// The quartiles.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// How many repetitions there were.
    pub count: usize,
    /// Whether they differ too much to mean something.
    pub noisy: bool,
    /// What else there is to say, in a word or two.
    pub note: Option<String>,
}

impl Point {
    /// A figure from repetitions; one that is missing when there are none.
    pub fn of(summary: Option<Summary>) -> Self {
        let Some(summary) = summary else { return Self::default() };
        Self {
            y: Some(summary.median),
            low: Some(summary.low),
            high: Some(summary.high),
            count: summary.count,
            noisy: summary.is_noisy(),
            ..Self::default()
        }
    }

    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    pub fn at(mut self, x: f64) -> Self {
        self.x = Some(x);
        self
    }

    pub fn note(mut self, note: Option<String>) -> Self {
        self.note = note;
        self
    }
}

/// A single measurement, as it was taken.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Sample {
    pub experiment: String,
    pub metric: String,
    pub series: String,
    /// What was varied: how many there were, say.
    pub x: f64,
    pub repetition: usize,
    pub value: f64,
}

impl Report {
    /// Reads a report from its JSON.
    pub fn parse(text: &str) -> io::Result<Self> {
        let report: Self = serde_json::from_str(text)?;
        if report.schema != SCHEMA {
            let message = format!("the schema is {:?} and not {SCHEMA:?}", report.schema);
            return Err(io::Error::other(message));
        }
        Ok(report)
    }

    /// Writes the report as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("it is made of text and finite numbers") + "\n"
    }
}
