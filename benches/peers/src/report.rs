//! The results as a report: what greenloop's example `coroutine_vs_thread` has for its own figures, drawn by
//! the same code.
//!
//! A chapter has a picture that compares everything with greenloop, and a picture for each of its figures.

use crate::data::{
    Better, Fact, Finding, Holds, Kind, Picture, Point, Report, SCHEMA, Sample, Scale, Section,
    Series, Unit,
};
use crate::machine;
use crate::runtimes::Runtime;
use crate::stats::Summary;
use std::time::Instant;

/// A report in the making.
pub struct Results {
    start: Instant,
    report: Report,
}

/// What a chapter is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Chapter {
    /// Echo servers.
    Echo,
    /// Tasks and timers.
    Micro,
    /// Channels and locks.
    Sync,
    /// The system calls of echo servers.
    Syscalls,
}

/// One figure of all that have it.
pub struct Ranking {
    /// What it is called on the command line; pictures are named after it.
    pub id: String,
    /// A heading, and a short one for a table.
    pub title: String,
    /// As short as it can be: the heading of a column.
    pub short: String,
    /// What the figures are.
    pub measure: String,
    /// Their unit.
    pub unit: Unit,
    /// What is known of each.
    pub bars: Vec<Bar>,
}

/// The figure of one runtime.
pub struct Bar {
    /// Whose it is.
    pub name: &'static str,
    /// None where it could not be measured.
    pub figure: Option<Summary>,
    /// How many times greenloop's it is: the ratios within the turns.
    pub ratio: Option<Summary>,
}

impl Results {
    /// Begins a report.
    pub fn begin(reps: usize) -> Self {
        let parameters = vec![
            Fact::new("repetitions", reps.to_string()),
            Fact::new("figures", "medians of interleaved repetitions; ratios within a turn"),
        ];
        let report = Report {
            schema: SCHEMA.to_owned(),
            title: TITLE.to_owned(),
            about: "The same servers and the same operations on each runtime, in one run."
                .to_owned(),
            started: machine::now(),
            seconds: 0.0,
            machine: machine::facts(),
            versions: vec![
                Fact::new("compiler", env!("PEERS_RUSTC")),
                Fact::new("profile", "opt-level 3, thin LTO, one codegen unit"),
            ],
            parameters,
            warnings: machine::load().filter(|load| *load > 0.5).map(busy).into_iter().collect(),
            sections: Vec::new(),
            samples: Vec::new(),
        };
        Results { start: Instant::now(), report }
    }

    /// Names what is compared, with its version.
    pub fn compared(&mut self, name: &str, version: String) {
        if !self.report.versions.iter().any(|it| it.name == name) {
            self.report.versions.push(Fact::new(name, version));
        }
    }

    /// Names the runtimes that are compared.
    pub fn runtimes(&mut self, runtimes: &[&Runtime]) {
        for runtime in runtimes {
            let version = format!("{} ({})", machine::version_of(runtime), runtime.about);
            self.compared(runtime.name, version.trim().to_owned());
        }
    }

    /// Says what a reader must know before believing a figure.
    pub fn warn(&mut self, warning: String) {
        self.report.warnings.push(warning);
    }

    /// Keeps one measurement as it was taken.
    pub fn sample(&mut self, experiment: &str, metric: &str, series: &str, rep: usize, value: f64) {
        self.report.samples.push(Sample {
            experiment: experiment.to_owned(),
            metric: metric.to_owned(),
            series: series.to_owned(),
            x: 0.0,
            repetition: rep,
            value,
        });
    }

    /// Adds a chapter, of what could be measured and of what could not.
    pub fn chapter(&mut self, chapter: Chapter, rankings: &[Ranking], limits: Vec<String>) {
        let overview = (rankings.len() > 1).then(|| chapter.overview(rankings)).flatten();
        let pictures = overview.into_iter().chain(rankings.iter().map(Ranking::picture));
        self.report.sections.push(Section {
            id: chapter.id().to_owned(),
            title: chapter.title().to_owned(),
            text: chapter.text().to_owned(),
            pictures: pictures.collect(),
            findings: finding(rankings).into_iter().collect(),
            limits,
        });
    }

    /// The whole report.
    pub fn finish(mut self) -> Report {
        self.report.seconds = self.start.elapsed().as_secs_f64();
        self.report
    }
}

impl Chapter {
    fn id(self) -> &'static str {
        match self {
            Chapter::Echo => "echo",
            Chapter::Micro => "micro",
            Chapter::Sync => "sync",
            Chapter::Syscalls => "syscalls",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Chapter::Echo => "Echo servers",
            Chapter::Micro => "Tasks and timers",
            Chapter::Sync => "Channels and locks",
            Chapter::Syscalls => "System calls",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Chapter::Echo => {
                "CPU time of the server's process per message, its work in the kernel and its helper threads \
                 included, bound to one processor; the clients have another one. `raw` is epoll by hand, \
                 with one recv and one send per message: what nothing that is built on epoll can undercut."
            }
            Chapter::Micro => {
                "CPU time of the whole process per operation, bound to one processor; the memory of what \
                 waits, with 64 bytes of state. The bare switch is that of a coroutine without a scheduler, \
                 held against greenloop's own."
            }
            Chapter::Sync => {
                "Between tasks of one thread, with the channels and locks that are at home on each runtime: \
                 CPU time of the whole process per operation; the memory of what waits."
            }
            Chapter::Syscalls => {
                "System calls of the server per echoed message, counted by strace. What the kernel does for a \
                 request that io_uring submits is no call: few calls are not always little work."
            }
        }
    }

    /// All in one picture: how many times greenloop's figure each has.
    fn overview(self, rankings: &[Ranking]) -> Option<Picture> {
        // Without ours there is nothing to hold the others against.
        let with_ours: Vec<_> = rankings.iter().filter(|it| it.ours().is_some()).collect();
        let mut names: Vec<&'static str> = Vec::new();
        for bar in with_ours.iter().flat_map(|it| &it.bars) {
            if !names.contains(&bar.name) {
                names.push(bar.name);
            }
        }
        let series = names.into_iter().map(|name| {
            let point = |ranking: &&Ranking| {
                let bar = ranking.bars.iter().find(|bar| bar.name == name);
                Point::of(bar.and_then(|bar| bar.ratio)).group(&ranking.short)
            };
            let points = with_ours.iter().map(point).collect();
            Series { name: name.to_owned(), colour: colour(name), points }
        });
        Some(Picture {
            id: format!("peers-{}", self.id()),
            title: format!("{}: how many times what greenloop takes", self.title()),
            says: finding(rankings)?.says,
            kind: Kind::Grid,
            measure: "times what greenloop takes".to_owned(),
            unit: Unit::Times,
            scale: Scale::Log,
            better: Better::Neither,
            x: None,
            series: series.collect(),
        })
    }
}

impl Ranking {
    /// A bar for each, the least on top.
    fn picture(&self) -> Picture {
        let mut bars: Vec<&Bar> = self.bars.iter().collect();
        let order = |bar: &&Bar| bar.figure.map_or(f64::INFINITY, |it| it.median);
        bars.sort_by(|one, other| order(one).total_cmp(&order(other)));
        let medians = || self.bars.iter().filter_map(|bar| Some(bar.figure?.median));
        let (least, most) = (medians().fold(f64::MAX, f64::min), medians().fold(0.0, f64::max));
        let series = bars.into_iter().map(|bar| {
            let note = bar.ratio.map(|it| format!("{:.2} ×", it.median));
            Series {
                name: bar.name.to_owned(),
                colour: colour(bar.name),
                points: vec![Point::of(bar.figure).group(&self.measure).note(note)],
            }
        });
        Picture {
            id: format!("peers-{}", self.id),
            title: self.title.clone(),
            says: self.says(),
            kind: Kind::Bars,
            measure: self.measure.clone(),
            unit: self.unit,
            // What is a hundred times as large as another would hide it.
            scale: if most > 20.0 * least { Scale::Log } else { Scale::Linear },
            better: Better::Lower,
            x: None,
            series: series.collect(),
        }
    }

    /// One sentence: who is first, and where greenloop stands.
    fn says(&self) -> String {
        let ours = self.ours().map_or(OURS, |bar| bar.name);
        match (self.best(), self.standing()) {
            (None, _) => "It was not measured.".to_owned(),
            (Some(best), None) => format!("{} takes the least.", best.name),
            (Some(_), Some(Standing::Ahead(next, times))) => {
                format!(
                    "{ours} takes the least, and {next}, the next one, {times:.2} times as much."
                )
            }
            (Some(_), Some(Standing::Alone)) => format!("Only {ours} was measured."),
            (Some(_), Some(Standing::Level(best, times))) => {
                format!("{ours} and {best} ({times:.2} times as much) are not told apart.")
            }
            (Some(_), Some(Standing::Behind(best, times))) => {
                format!("{best} takes {times:.2} times what {ours} takes: less.")
            }
        }
    }

    fn best(&self) -> Option<&Bar> {
        let known = self.bars.iter().filter(|bar| bar.figure.is_some());
        let order = |bar: &&Bar| bar.figure.map_or(f64::INFINITY, |it| it.median);
        known.min_by(|one, other| order(one).total_cmp(&order(other)))
    }

    /// Whom the others are held against: the first one of greenloop's own that was measured.
    fn ours(&self) -> Option<&Bar> {
        self.bars.iter().find(|bar| bar.name.starts_with(OURS) && bar.ratio.is_some())
    }

    /// Where greenloop stands among runtimes; what is written by hand is none.
    fn standing(&self) -> Option<Standing> {
        self.ours()?;
        let peers = self.bars.iter().filter(|bar| !bar.name.starts_with(OURS) && bar.name != "raw");
        let known = peers.filter_map(|bar| Some((bar.name, bar.ratio?)));
        let best = known.min_by(|one, other| one.1.median.total_cmp(&other.1.median));
        Some(match best {
            None => Standing::Alone,
            Some((name, ratio)) if ratio.low > SAME => Standing::Ahead(name, ratio.median),
            Some((name, ratio)) if ratio.high < 1.0 / SAME => Standing::Behind(name, ratio.median),
            Some((name, ratio)) => Standing::Level(name, ratio.median),
        })
    }
}

/// Where greenloop stands, by the quartiles of the ratios to it: whose figure is the best of its peers, and
/// how many times greenloop's it is.
enum Standing {
    /// There is no peer.
    Alone,
    /// It takes less than all of them.
    Ahead(&'static str, f64),
    /// It and the best one are not told apart.
    Level(&'static str, f64),
    /// One of them takes less.
    Behind(&'static str, f64),
}

/// In how many of all figures greenloop is ahead of its peers, and where it is not.
fn finding(rankings: &[Ranking]) -> Option<Finding> {
    let standings = rankings.iter().filter_map(|it| Some((it, it.standing()?)));
    let (mut all, mut ahead, mut level, mut behind) = (0, 0, Vec::new(), Vec::new());
    for (ranking, standing) in standings {
        all += 1;
        let words = |name: &str, times: f64| format!("{} ({name}, {times:.2} ×)", ranking.short);
        match standing {
            Standing::Ahead(..) | Standing::Alone => ahead += 1,
            Standing::Level(name, times) => level.push(words(name, times)),
            Standing::Behind(name, times) => behind.push(words(name, times)),
        }
    }
    if all == 0 {
        return None;
    }
    let mut says = format!("greenloop takes less than every peer in {ahead} of {all}");
    if !level.is_empty() {
        says += &format!("; it is not told apart from the best one in {}", level.join(", "));
    }
    if !behind.is_empty() {
        says += &format!("; a peer takes less in {}", behind.join(", "));
    }
    Some(Finding {
        claim: "No peer takes less than greenloop.".to_owned(),
        holds: match (behind.len(), ahead) {
            (0, _) => Holds::Yes,
            (behind, _) if behind < all => Holds::Partly,
            _ => Holds::No,
        },
        says: says + ".",
    })
}

fn busy(load: f64) -> String {
    format!(
        "Others used the machine: {load:.1} wanted to run when it began. Read the ratios, and the quartiles."
    )
}

/// Ours stand out; what is written by hand and what the system has are grey.
fn colour(name: &str) -> usize {
    match name {
        OURS => 0,
        "greenloop-green" => 1,
        "threads" => 2,
        "go" | "may" | "corosensei" => 3,
        "asyncio" | "uvloop" | "gevent" => 4,
        "raw" => 7,
        _ => 5,
    }
}

/// What it is called.
pub const TITLE: &str = "greenloop beside other runtimes";

/// A ratio that is closer to one tells nobody apart, however small its spread is.
const SAME: f64 = 1.01;

/// Whose figure all others are compared with; what begins like it is greenloop's as well.
pub const OURS: &str = "greenloop";
