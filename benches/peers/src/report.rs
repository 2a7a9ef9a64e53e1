//! The results as a report: the data that greenloop's example `coroutine_vs_thread` draws with `--draw`.
//!
//! The format is described in `examples/coroutine_vs_thread/schema.json`. Here it is only written.

use crate::json::quote;
use crate::machine;
use crate::runtimes::Runtime;
use crate::stats::Summary;
use std::fmt::Display;
use std::io;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A report in the making.
pub struct Report {
    start: Instant,
    date: String,
    machine: Vec<(String, String)>,
    versions: Vec<(String, String)>,
    parameters: Vec<(String, String)>,
    pictures: Vec<Picture>,
    warnings: Vec<String>,
    /// What could not be measured, and why.
    pub limits: Vec<String>,
}

/// One picture: a bar per runtime.
pub struct Picture {
    /// In which chapter it stands: `echo` or `micro`.
    pub section: &'static str,
    /// What it is called.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// What the figures are.
    pub measure: String,
    /// Their unit: `us`, `ns` or `B`.
    pub unit: &'static str,
    /// Whose figure the ratios are to.
    pub base: &'static str,
    /// What is known of each runtime.
    pub bars: Vec<Bar>,
}

/// The figure of one runtime.
pub struct Bar {
    /// Whose it is.
    pub name: &'static str,
    /// None where it could not be measured.
    pub figure: Option<Summary>,
    /// How many times the base's it is: the median of the ratios within the turns.
    pub ratio: Option<f64>,
}

impl Report {
    /// Begins a report.
    pub fn begin(runtimes: &[&Runtime], reps: usize) -> Self {
        let [machine, versions] = machine::facts(runtimes);
        Report {
            start: Instant::now(),
            date: today(),
            machine,
            versions,
            parameters: vec![("repetitions".to_owned(), reps.to_string())],
            pictures: Vec::new(),
            warnings: machine::load().filter(|load| *load > 0.5).map(busy).into_iter().collect(),
            limits: Vec::new(),
        }
    }

    /// Adds a picture.
    pub fn add(&mut self, picture: Picture) {
        self.pictures.push(picture);
    }

    /// Writes the report to `path`.
    pub fn write(&self, path: &str) -> io::Result<()> {
        let chapters = [
            ("echo", "Echo servers", "CPU time of the server's process, bound to one processor."),
            (
                "micro",
                "Inside one process",
                "CPU time of the whole process, bound to one processor.",
            ),
        ];
        let sections = chapters.into_iter().filter_map(|(id, title, text)| {
            let pictures: Vec<_> = self.pictures.iter().filter(|it| it.section == id).collect();
            let limits = self.limits.iter().map(|it| quote(it));
            (!pictures.is_empty()).then(|| {
                object([
                    ("id", quote(id)),
                    ("title", quote(title)),
                    ("text", quote(text)),
                    ("pictures", array(pictures.into_iter().map(Picture::json))),
                    ("findings", array::<String>([])),
                    ("limits", array(limits)),
                ])
            })
        });
        let facts = |facts: &[(String, String)]| {
            array(
                facts
                    .iter()
                    .map(|(name, value)| object([("name", quote(name)), ("value", quote(value))])),
            )
        };
        let report = object([
            ("schema", quote("greenloop-report/1")),
            ("title", quote("greenloop beside other runtimes")),
            (
                "about",
                quote("The same servers and the same operations on each runtime, in one run."),
            ),
            ("started", quote(&self.date)),
            ("seconds", self.start.elapsed().as_secs_f64().to_string()),
            ("machine", facts(&self.machine)),
            ("versions", facts(&self.versions)),
            ("parameters", facts(&self.parameters)),
            ("warnings", array(self.warnings.iter().map(|it| quote(it)))),
            ("sections", array(sections)),
            ("samples", array::<String>([])),
        ]);
        std::fs::write(path, report + "\n")
    }
}

impl Picture {
    /// One sentence: who is first, and where greenloop stands.
    fn says(&self) -> String {
        // By the ratios, which a machine that changes its speed does not bend.
        let known = || self.bars.iter().filter_map(|bar| Some((bar.name, bar.ratio?)));
        let best = known().min_by(|one, other| one.1.total_cmp(&other.1));
        let ours = known().find(|(name, _)| *name == "greenloop");
        let base = self.base;
        match (best, ours) {
            (Some((best, least)), Some((_, ours))) if best != "greenloop" => format!(
                "{best} takes the least, and greenloop {:.2} times as much; the ratios are to {base}.",
                ours / least
            ),
            (Some((best, least)), _) => {
                let next = known().filter(|(name, _)| *name != best);
                match next.min_by(|one, other| one.1.total_cmp(&other.1)) {
                    Some((next, more)) => format!(
                        "{best} takes the least, and {next}, the next one, {:.2} times as much; the ratios \
                         are to {base}.",
                        more / least
                    ),
                    None => format!("Only {best} was measured."),
                }
            }
            (None, _) => "It was not measured.".to_owned(),
        }
    }

    fn json(&self) -> String {
        let medians = || self.bars.iter().filter_map(|bar| Some(bar.figure?.median));
        let (least, most) = (medians().fold(f64::MAX, f64::min), medians().fold(0.0, f64::max));
        let series = self.bars.iter().map(|Bar { name, figure: summary, ratio }| {
            let note = ratio.map_or("null".to_owned(), |ratio| quote(&format!("{ratio:.2} ×")));
            let figure = |of: fn(&Summary) -> f64| {
                summary.as_ref().map_or("null".to_owned(), |it| of(it).to_string())
            };
            // The quartiles, further apart than that, say little.
            let noisy = summary.as_ref().is_some_and(|it| it.high - it.low > 0.4 * it.median);
            let point = object([
                ("group", quote(&self.measure)),
                ("x", "null".to_owned()),
                ("y", figure(|it| it.median)),
                ("low", figure(|it| it.low)),
                ("high", figure(|it| it.high)),
                ("count", summary.as_ref().map_or(0, |it| it.count).to_string()),
                ("noisy", noisy.to_string()),
                ("note", note),
            ]);
            object([
                ("name", quote(name)),
                ("colour", colour(name).to_string()),
                ("points", array([point])),
            ])
        });
        object([
            ("id", quote(&self.id)),
            ("title", quote(&self.title)),
            ("says", quote(&self.says())),
            ("kind", quote("bars")),
            ("measure", quote(&self.measure)),
            ("unit", quote(self.unit)),
            // What is a hundred times as large as another would hide it.
            ("scale", quote(if most > 20.0 * least { "log" } else { "linear" })),
            ("better", quote("lower")),
            ("x", "null".to_owned()),
            ("series", array(series)),
        ])
    }
}

fn busy(load: f64) -> String {
    format!(
        "Others used the machine: {load:.1} wanted to run when it began. Read the ratios, and the quartiles."
    )
}

/// The date in UTC.
fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
    // Count from a first of March, so that the leap day is the last of its year.
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    format!("{}-{month:02}-{day:02}", era * 400 + year + u64::from(month <= 2))
}

/// Ours stand out; what is written by hand and what the system has are grey.
fn colour(name: &str) -> usize {
    match name {
        "greenloop" => 0,
        "greenloop-green" => 1,
        "threads" => 2,
        "go" | "may" => 3,
        "asyncio" | "uvloop" | "gevent" => 4,
        "raw" => 7,
        _ => 5,
    }
}

fn object<const N: usize>(fields: [(&str, String); N]) -> String {
    let fields = fields.map(|(name, value)| format!("{}: {value}", quote(name)));
    format!("{{{}}}", fields.join(", "))
}

fn array<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|it| it.to_string()).collect();
    format!("[{}]", items.join(",\n"))
}
