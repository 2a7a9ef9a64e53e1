//! The report as a part of a document: pictures, sentences and tables between two marks that are there.

use std::io;

use super::terminal::matrix;
use crate::data::{Fact, Holds, Kind, Picture, Report, Section};

/// Puts the report into `document`, between the marks that have its title. The pictures are in `folder`,
/// as seen from the document.
pub fn put_into(document: &str, report: &Report, folder: &str) -> io::Result<String> {
    let begin = format!("<!-- begin: {} -->\n", report.title);
    let end = format!("<!-- end: {} -->", report.title);
    let missing = || io::Error::other(format!("there are no lines {begin:?} and {end:?}"));
    let (before, rest) = document.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    Ok(format!("{before}{begin}\n{}\n{end}{after}", text(report, folder)))
}

fn text(report: &Report, folder: &str) -> String {
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
    parts.extend(report.sections.iter().map(|it| section(it, folder)));
    parts.join("\n\n")
}

fn section(section: &Section, folder: &str) -> String {
    let mut parts = vec![format!("### {}", section.title), section.text.clone()];
    parts.extend(section.pictures.iter().map(|it| picture(it, folder)));
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

fn picture(picture: &Picture, folder: &str) -> String {
    let image = format!("![{}]({folder}/{}.svg)\n\n{}", picture.title, picture.id, picture.says);
    if matches!(picture.kind, Kind::Tracks | Kind::Spans) {
        return image;
    }
    // A row per series: there are more of them than a page is wide.
    let cells = matrix(picture);
    let row = |at: usize| {
        let row: Vec<_> = cells.iter().map(|row| row[at].as_str()).collect();
        format!("| {} |", row.join(" | "))
    };
    let rule = format!("|---|{}", "--:|".repeat(cells.len() - 1));
    let rows = (1..cells[0].len()).map(row);
    let table: Vec<_> = [row(0), rule].into_iter().chain(rows).collect();
    format!("{image}\n\n{}: \n\n{}", capital(&picture.measure), table.join("\n"))
        .replace(": \n", ":\n")
}

fn capital(text: &str) -> String {
    // A word in bold type stays as it is.
    let mut rest = text.chars();
    rest.next().map_or(String::new(), |first| first.to_uppercase().chain(rest).collect())
}
