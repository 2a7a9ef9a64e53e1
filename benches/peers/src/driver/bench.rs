//! What the benches of tasks and those of channels have in common: samples, their table, their pictures.
//!
//! The ratios are to greenloop, within a repetition, and their median counts: who is below 1.00 takes less than
//! greenloop. Where its tasks were not measured, they are to its green threads.

use super::child::Answers;
use crate::data::Unit;
use crate::micro::About;
use crate::report::{Bar, OURS, Ranking};
use crate::stats::Summary;
use crate::table::{Table, figure};

/// What the repetitions of one bench on one runtime have found.
pub type Samples = Vec<(usize, Answers)>;

/// One figure of all that were measured.
pub struct Column<'a> {
    /// The name of the bench.
    pub bench: &'static str,
    /// What the figure is.
    pub about: &'static About,
    /// What was found, in the order of the names.
    pub samples: &'a [Samples],
}

impl Column<'_> {
    fn summary(&self, place: usize) -> Option<Summary> {
        let figures = self.samples[place].iter().filter_map(|(_, it)| it.get(self.about.key));
        Summary::of(figures.copied())
    }

    /// How many times what greenloop takes, in the repetitions that both have.
    fn ratio(&self, place: usize, names: &[&'static str]) -> Option<Summary> {
        let is_ours =
            |&place: &usize| names[place].starts_with(OURS) && !self.samples[place].is_empty();
        let ours = (0..names.len()).find(is_ours)?;
        Summary::of(self.samples[place].iter().filter_map(|(rep, answers)| {
            let (_, ours) = self.samples[ours].iter().find(|(other, _)| other == rep)?;
            Some(answers.get(self.about.key)? / ours.get(self.about.key)?)
        }))
    }
}

/// Prints a row per runtime, or whatever else the names are of.
pub fn print(heading: &str, names: &[&'static str], columns: &[Column<'_>]) {
    println!("{heading}\n");
    println!(
        "Medians, in nanoseconds or bytes; in brackets how many times what greenloop takes (its green"
    );
    println!(
        "threads, where its tasks were not measured), which is the median of the ratios within the"
    );
    println!("repetitions. A dash: there is no such thing.\n");
    let headings = columns.iter().map(|column| column.about.short);
    let mut table = Table::new([""].into_iter().chain(headings));
    for (place, name) in names.iter().enumerate() {
        let cell = |column: &Column<'_>| {
            let Some(median) = column.summary(place).map(|it| it.median) else {
                return "-".to_owned();
            };
            let ratio = column.ratio(place, names).map(|it| format!(" ({:.2})", it.median));
            figure(median) + &ratio.unwrap_or_default()
        };
        table.row([(*name).to_owned()].into_iter().chain(columns.iter().map(cell)));
    }
    let spread = |column: &Column<'_>| {
        let summaries = (0..names.len()).filter_map(|place| column.summary(place));
        let widest = summaries.map(|it| (it.high - it.low) / 2.0 / it.median).fold(0.0, f64::max);
        format!("±{:.0} %", widest * 100.0)
    };
    table.row(["widest spread".to_owned()].into_iter().chain(columns.iter().map(spread)));
    table.print();
}

/// The same for the report.
pub fn rankings(names: &[&'static str], columns: &[Column<'_>]) -> Vec<Ranking> {
    let ranking = |column: &Column<'_>| {
        let bytes = column.about.unit == Unit::Bytes;
        let bar = |(place, name): (usize, &&'static str)| Bar {
            name,
            figure: column.summary(place),
            ratio: column.ratio(place, names),
        };
        Ranking {
            id: match bytes {
                true => format!("{}-{}", column.bench, column.about.key.trim_end_matches("_bytes")),
                false => column.bench.to_owned(),
            },
            title: capital(column.about.words),
            short: column.about.short.to_owned(),
            measure: if bytes { "bytes of one" } else { "CPU time of one" }.to_owned(),
            unit: column.about.unit,
            // What has no such thing is not in the picture.
            bars: names.iter().enumerate().map(bar).filter(|bar| bar.figure.is_some()).collect(),
        }
    };
    columns.iter().map(ranking).collect()
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or(String::new(), |first| first.to_uppercase().chain(rest).collect())
}
