//! The report as a part of a document: pictures, sentences and tables between two marks that are there.

use std::io;

use super::{figures::words, terminal::matrix};
use crate::data::{Fact, Holds, Kind, Picture, Report, Section};

/// Puts the report into `document`, between the marks that have its title. Where there are none, each section
/// goes between marks of its own, so that they can be measured one by one. The pictures are in `folder`,
/// as seen from the document.
pub fn put_into(document: &str, report: &Report, folder: &str) -> io::Result<String> {
    let missing = |name: &str| {
        let (begin, end) = marks(name);
        io::Error::other(format!("there are no lines {begin:?} and {end:?}"))
    };
    let sections = || report.sections.iter().map(|it| section(it, folder));
    let whole = [head(report)].into_iter().chain(sections()).collect::<Vec<_>>().join("\n\n");
    if let Some(document) = replaced(document, &report.title, &whole) {
        return Ok(document);
    }
    let mut document = document.to_owned();
    for (part, text) in report.sections.iter().zip(sections()) {
        let name = format!("{}: {}", report.title, part.id);
        let text = format!("{text}\n\n{}", head(report));
        document = replaced(&document, &name, &text).ok_or_else(|| missing(&name))?;
    }
    match report.sections.is_empty() {
        true => Err(missing(&report.title)),
        false => Ok(document),
    }
}

/// Whether there are any marks for a report with this title.
pub fn check(document: &str, title: &str) -> io::Result<()> {
    let begin = format!("<!-- begin: {title}");
    match document.contains(&begin) {
        true => Ok(()),
        false => Err(io::Error::other(format!("no line begins with {begin:?}"))),
    }
}

fn marks(name: &str) -> (String, String) {
    (format!("<!-- begin: {name} -->\n"), format!("<!-- end: {name} -->"))
}

fn replaced(document: &str, name: &str, text: &str) -> Option<String> {
    let (begin, end) = marks(name);
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{text}\n\n{end}{after}"))
}

/// Where and how it was measured, and what a reader must know.
fn head(report: &Report) -> String {
    let facts = |facts: &[Fact]| {
        let facts = facts.iter().map(|it| format!("{} {}", it.name, it.value));
        facts.collect::<Vec<_>>().join("; ")
    };
    let mut parts = vec![format!(
        "Measured {} in {:.0} s. {}. {}. {}.",
        report.started,
        report.seconds,
        capital(&facts(&report.machine)),
        capital(&facts(&report.versions)),
        capital(&facts(&report.parameters)),
    )];
    parts.extend(report.warnings.iter().map(|it| format!("> {it}")));
    parts.join("\n\n")
}

fn section(section: &Section, folder: &str) -> String {
    let mut parts = vec![format!("### {}", section.title), section.text.clone()];
    // What a grid compares has a table for all of it, instead of a picture and a table each.
    if section.pictures.iter().any(|it| it.kind == Kind::Grid) {
        let is_bars = |it: &&Picture| it.kind == Kind::Bars;
        let (bars, others): (Vec<_>, Vec<_>) = section.pictures.iter().partition(is_bars);
        parts.extend(others.into_iter().map(|it| drawn(it, folder)));
        parts.push(common_table(&bars));
    } else {
        parts.extend(section.pictures.iter().map(|it| picture(it, folder)));
    }
    let finding = |it: &crate::data::Finding| {
        let holds = match it.holds {
            Holds::Yes => "holds",
            Holds::Partly => "holds partly",
            Holds::No => "**does not hold**",
            Holds::Unknown => "not measured",
        };
        format!("- *{}* {}: {}", it.claim, capital(holds), it.says)
    };
    let limit = |it: &String| format!("- Not to be had: {it}");
    let list = section.findings.iter().map(finding).chain(section.limits.iter().map(limit));
    let list: Vec<String> = list.collect();
    if !list.is_empty() {
        parts.push(list.join("\n"));
    }
    parts.join("\n\n")
}

/// A picture with its sentence.
fn drawn(picture: &Picture, folder: &str) -> String {
    format!("![{}]({folder}/{}.svg)\n\n{}", picture.title, picture.id, picture.says)
}

/// The same with its figures.
fn picture(picture: &Picture, folder: &str) -> String {
    let image = drawn(picture, folder);
    if matches!(picture.kind, Kind::Tracks | Kind::Spans) {
        return image;
    }
    // A row per series: there are more of them than a page is wide.
    let cells = matrix(picture);
    let rows = (0..cells[0].len()).map(|at| cells.iter().map(|row| row[at].clone()).collect());
    format!("{image}\n\n{}:\n\n{}", capital(&picture.measure), table(rows.collect()))
}

/// A row per series with the figure that each of the pictures has of it.
fn common_table(pictures: &[&Picture]) -> String {
    let mut names: Vec<&String> = Vec::new();
    for series in pictures.iter().flat_map(|it| &it.series) {
        if !names.contains(&&series.name) {
            names.push(&series.name);
        }
    }
    let heads = [String::new()].into_iter().chain(pictures.iter().map(|it| it.title.clone()));
    let row = |name: &&String| {
        let figures = pictures.iter().map(|picture| {
            let series = picture.series.iter().find(|series| series.name == **name);
            let point = series.and_then(|series| series.points.first());
            point.map_or("–".to_owned(), |point| words(point, picture.unit))
        });
        [(*name).clone()].into_iter().chain(figures).collect()
    };
    table([heads.collect()].into_iter().chain(names.iter().map(row)).collect())
}

/// A table in Markdown, from its rows; the first one is the headings.
fn table(rows: Vec<Vec<String>>) -> String {
    let rule = format!("|---|{}", "--:|".repeat(rows[0].len() - 1));
    let mut lines: Vec<_> = rows.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
    lines.insert(1, rule);
    lines.join("\n")
}

fn capital(text: &str) -> String {
    // A word in bold type stays as it is.
    let mut rest = text.chars();
    rest.next().map_or(String::new(), |first| first.to_uppercase().chain(rest).collect())
}
