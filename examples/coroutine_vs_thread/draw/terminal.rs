//! The report as a table of at most 100 columns.

use super::figures::{figure, mark, words};
use crate::data::{Holds, Kind, Picture, Point, Report, Unit};

/// The width of a terminal that one may hope for.
const WIDTH: usize = 100;

/// Writes all figures, and what they say.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |words: &str| {
        text += words;
        text.push('\n');
    };
    line(&format!("{}, {}, {:.0} s", report.title, report.started, report.seconds));
    for fact in report.machine.iter().chain(&report.versions) {
        line(&cut(&format!("  {:<24} {}", fact.name, fact.value), WIDTH));
    }
    for warning in &report.warnings {
        wrapped("  ! ", warning).iter().for_each(|it| line(it));
    }
    for section in &report.sections {
        line("");
        line(&cut(&format!("== {}", section.title), WIDTH));
        for picture in &section.pictures {
            line("");
            line(&cut(&format!("{}: {}", picture.title, picture.measure), WIDTH));
            for row in rows(picture) {
                line(row.trim_end());
            }
        }
        line("");
        for finding in &section.findings {
            let mark = match finding.holds {
                Holds::Yes => "yes    ",
                Holds::Partly => "partly ",
                Holds::No => "NO     ",
                Holds::Unknown => "?      ",
            };
            let words = format!("{} {}", finding.claim, finding.says);
            wrapped(mark, &words).iter().for_each(|it| line(it));
        }
        for limit in &section.limits {
            wrapped("limit  ", limit).iter().for_each(|it| line(it));
        }
    }
    line("");
    line("±: half of what the quartiles are apart.  ≈: noise, which says little.");
    text
}

/// The rows of a picture's table.
fn rows(picture: &Picture) -> Vec<String> {
    match picture.kind {
        Kind::Spans => {
            let end = |points: &[Point]| points.iter().filter_map(|it| it.y).reduce(f64::max);
            let row = |(name, end): (&str, Option<f64>)| {
                let end = end.map_or("–".to_owned(), |it| figure(it, picture.unit));
                format!("  {name:<32} {end:>12}")
            };
            let series = picture.series.iter();
            series.map(|it| row((&it.name, end(&it.points)))).collect()
        }
        Kind::Tracks => {
            let latest = |points: &[Point]| points.iter().filter_map(|it| it.y).reduce(f64::max);
            let row = |series: &crate::data::Series| {
                let latest =
                    latest(&series.points).map_or("–".to_owned(), |it| figure(it, picture.unit));
                format!("  {:<32} at most {latest:>12}", series.name)
            };
            picture.series.iter().map(row).collect()
        }
        Kind::Bars | Kind::Lines | Kind::Grid => {
            let cells = matrix(picture);
            if width(&cells) <= WIDTH {
                aligned(&cells)
            } else {
                aligned_or_listed(&turned(&cells))
            }
        }
    }
}

/// A row per group or place, a column per series, both with their names.
pub(super) fn matrix(picture: &Picture) -> Vec<Vec<String>> {
    let unit = picture.x.as_ref().map_or(Unit::Count, |it| it.unit);
    let key = |point: &Point| match (&point.group, point.x) {
        (Some(group), _) => group.clone(),
        (None, Some(x)) => mark(x, unit),
        (None, None) => String::new(),
    };
    let mut keys: Vec<(f64, String)> = Vec::new();
    for point in picture.series.iter().flat_map(|series| &series.points) {
        let entry = (point.x.unwrap_or(0.0), key(point));
        if !keys.contains(&entry) {
            keys.push(entry);
        }
    }
    keys.sort_by(|one, other| one.0.total_cmp(&other.0));
    let x = picture.x.as_ref().map_or("", |it| it.label.split(" (").next().unwrap_or(""));
    let names = picture.series.iter().map(|it| it.name.clone());
    let mut cells = vec![[x.to_owned()].into_iter().chain(names).collect::<Vec<_>>()];
    for (_, wanted) in keys {
        let figures = picture.series.iter().map(|series| {
            let point = series.points.iter().find(|point| key(point) == wanted);
            point.map_or("–".to_owned(), |point| words(point, picture.unit))
        });
        cells.push([wanted.clone()].into_iter().chain(figures).collect());
    }
    cells
}

fn turned(cells: &[Vec<String>]) -> Vec<Vec<String>> {
    (0..cells[0].len()).map(|at| cells.iter().map(|row| row[at].clone()).collect()).collect()
}

fn widths(cells: &[Vec<String>]) -> Vec<usize> {
    let width = |at: usize| cells.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    (0..cells[0].len()).map(width).collect()
}

fn width(cells: &[Vec<String>]) -> usize {
    widths(cells).iter().map(|it| it + 2).sum()
}

fn aligned(cells: &[Vec<String>]) -> Vec<String> {
    let widths = widths(cells);
    let row = |row: &Vec<String>| {
        let mut line = String::new();
        for (at, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            line += &match at {
                0 => format!("  {cell:<width$}"),
                _ => format!("  {cell:>width$}"),
            };
        }
        line
    };
    cells.iter().map(row).collect()
}

/// A table if it fits, and else a line per figure.
fn aligned_or_listed(cells: &[Vec<String>]) -> Vec<String> {
    if width(cells) <= WIDTH {
        return aligned(cells);
    }
    let mut lines = Vec::new();
    for row in &cells[1..] {
        for (name, cell) in cells[0].iter().zip(row).skip(1) {
            lines.push(cut(&format!("  {:<24} {name:<44} {cell:>18}", row[0]), WIDTH));
        }
    }
    lines
}

fn cut(text: &str, width: usize) -> String {
    match text.chars().count() > width {
        true => text.chars().take(width - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// The words in lines of the right width, after a mark that the first line has.
fn wrapped(mark: &str, words: &str) -> Vec<String> {
    let indent = " ".repeat(mark.chars().count());
    let mut lines = vec![mark.to_owned()];
    for word in words.split_whitespace() {
        let line = lines.last_mut().expect("there is one at least");
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("{indent}{word}"));
        } else {
            if line.chars().count() > indent.len() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
