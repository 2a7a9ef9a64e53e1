//! The page: all pictures in one file that needs nothing else, not even a script.

use std::fmt::Write;

use super::{
    NARROW, WIDE,
    canvas::{COLOURS, SHAPES, escaped},
    figures::{mark, words},
    inline,
};
use crate::data::{Fact, Finding, Holds, Kind, Picture, Point, Report, Section, Unit};

/// Makes the page. `json` is the report's data, which the page carries with it.
pub fn page(report: &Report, json: &str) -> String {
    let (title, about) = (escaped(&report.title), escaped(&report.about));
    let warnings: String = report
        .warnings
        .iter()
        .map(|it| format!("<p class=\"warning\">{}</p>\n", escaped(it)))
        .collect();
    let contents: String = report
        .sections
        .iter()
        .map(|it| format!("<li><a href=\"#{}\">{}</a></li>\n", it.id, escaped(&it.title)))
        .collect();
    let verdict = verdict(report);
    let contents = match verdict.is_empty() {
        true => contents,
        false => contents + "<li><a href=\"#found\">What is said, and what was found</a></li>\n",
    };
    let sections: String = report.sections.iter().map(section).collect();
    let processor = fact(&report.machine, "processor");
    let cores = fact(&report.machine, "cores");
    let seconds = report.seconds;
    // Inside of a script element only this could end it.
    let json = json.replace("</", "<\\/");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <style>{COLOURS}{SHAPES}{PAGE}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<h1>{title}</h1>\n<p class=\"about\">{about}</p>\n\
         <p class=\"where\">{processor}; {cores}. {started}, in {seconds:.0} s.</p>\n</header>\n\
         {warnings}<nav><ol>\n{contents}</ol></nav>\n{sections}{verdict}\
         <section id=\"machine\">\n<h2>Where and how</h2>\n{machine}{versions}{parameters}\
         <p>A figure is the median of its repetitions, which were interleaved over all who are compared. \
         Thin lines and bands go from quartile to quartile. What stands behind ± is half of that, in per cent. \
         Where the quartiles are further apart than 40 % of the median, the bar is pale, the dot hollow and \
         the figure has a ≈: noise, which says little.</p>\n\
         <p>Every single measurement is in <code>report.json</code> beside this file, and in the source of \
         this page, in the element <code>data</code>.</p>\n</section>\n</main>\n\
         <script type=\"application/json\" id=\"data\">\n{json}</script>\n</body>\n</html>\n",
        started = escaped(&report.started),
        machine = facts("Machine", &report.machine),
        versions = facts("Versions", &report.versions),
        parameters = facts("Parameters", &report.parameters),
    )
}

/// What is taught, and whether it is so here: the report in short.
fn verdict(report: &Report) -> String {
    let all = report.sections.iter().flat_map(|it| &it.findings);
    let rows: String = all.map(finding).collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<section id=\"found\">\n<h2>What is said, and what was found</h2>\n<ul class=\"findings\">\n{rows}</ul>\n</section>\n"
    )
}

fn finding(finding: &Finding) -> String {
    let (class, word) = match finding.holds {
        Holds::Yes => ("good", "holds"),
        Holds::Partly => ("half", "partly"),
        Holds::No => ("bad", "does not hold"),
        Holds::Unknown => ("none", "not measured"),
    };
    let (claim, says) = (escaped(&finding.claim), escaped(&finding.says));
    format!(
        "<li><span class=\"badge {class}\">{word}</span><div><b>{claim}</b><br>{says}</div></li>\n"
    )
}

fn section(section: &Section) -> String {
    let pictures: String = section.pictures.iter().map(figure).collect();
    let limits: String =
        section.limits.iter().map(|it| format!("<li>{}</li>\n", escaped(it))).collect();
    let limits = match limits.is_empty() {
        true => limits,
        false => format!("<div class=\"limits\"><b>Not to be had</b><ul>\n{limits}</ul></div>\n"),
    };
    let (id, title, text) = (&section.id, escaped(&section.title), escaped(&section.text));
    format!(
        "<section id=\"{id}\">\n<h2>{title}</h2>\n<p>{text}</p>\n{pictures}{limits}</section>\n"
    )
}

fn figure(picture: &Picture) -> String {
    format!(
        "<figure id=\"picture-{id}\">\n<h3>{title}</h3>\n<div class=\"wide\">{wide}</div>\
         <div class=\"narrow\">{narrow}</div>\n<figcaption>{says}</figcaption>\n{table}</figure>\n",
        id = picture.id,
        title = escaped(&picture.title),
        wide = inline(picture, WIDE),
        narrow = inline(picture, NARROW),
        says = escaped(&picture.says),
        table = table(picture),
    )
}

/// The figures of a picture as a table, for who would rather read.
fn table(picture: &Picture) -> String {
    if matches!(picture.kind, Kind::Tracks | Kind::Spans) {
        return String::new();
    }
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
    let mut rows = String::new();
    for series in &picture.series {
        write!(rows, "<tr><th>{}</th>", escaped(&series.name)).expect("a String takes any text");
        for (_, wanted) in &keys {
            let point = series.points.iter().find(|point| key(point) == *wanted);
            let cell = point.map_or("–".to_owned(), |point| words(point, picture.unit));
            write!(rows, "<td>{}</td>", escaped(&cell)).expect("a String takes any text");
        }
        rows += "</tr>\n";
    }
    let heads: String = keys.iter().map(|(_, key)| format!("<th>{}</th>", escaped(key))).collect();
    format!(
        "<details><summary>The figures</summary><div class=\"scroll\"><table>\n\
         <tr><th></th>{heads}</tr>\n{rows}</table></div></details>\n"
    )
}

fn facts(title: &str, facts: &[Fact]) -> String {
    let rows: String = facts
        .iter()
        .map(|it| format!("<dt>{}</dt><dd>{}</dd>\n", escaped(&it.name), escaped(&it.value)))
        .collect();
    format!("<h3>{title}</h3>\n<dl>\n{rows}</dl>\n")
}

fn fact(facts: &[Fact], name: &str) -> String {
    let fact = facts.iter().find(|it| it.name == name);
    escaped(fact.map_or("unknown", |it| &it.value))
}

const PAGE: &str = "\
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--text);\
font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\
main{max-width:860px;margin:0 auto;padding:24px 20px 64px}\
h1{font-size:2.1rem;line-height:1.15;margin:.4em 0 .3em}h2{font-size:1.45rem;line-height:1.25;margin:2.6em 0 .5em}\
h3{font-size:1.05rem;margin:0 0 .8em}.about{font-size:1.15rem;margin:.2em 0}.where{color:var(--muted);margin:.4em 0 1.2em}\
a{color:var(--c0)}nav ol{columns:2;padding-left:1.4em;margin:1.2em 0}nav li{break-inside:avoid;padding:.15em 0}\
figure{margin:1.6em 0;padding:20px;border-radius:12px;background:var(--card);border:1px solid var(--grid)}\
figure .hollow{fill:var(--card)}figure svg{display:block;max-width:100%;height:auto}\
figcaption{margin-top:.9em;padding-top:.8em;border-top:1px solid var(--grid)}\
.narrow{display:none}.warning{border-left:4px solid var(--half);background:var(--card);padding:.6em .9em;margin:.5em 0;border-radius:4px}\
.findings{list-style:none;padding:0}.findings li{display:flex;gap:14px;padding:.7em 0;border-bottom:1px solid var(--grid)}\
.badge{flex:none;width:9.2em;height:1.9em;line-height:1.8em;text-align:center;font-size:.82rem;font-weight:600;border-radius:1em;border:1.5px solid}\
.good{color:var(--good)}.bad{color:var(--bad)}.half{color:var(--half)}.none{color:var(--muted)}\
.limits{font-size:.94rem;color:var(--muted)}.limits ul{margin:.3em 0;padding-left:1.3em}\
details{margin-top:.8em;font-size:.9rem}summary{cursor:pointer;color:var(--muted)}.scroll{overflow-x:auto}\
table{border-collapse:collapse;margin-top:.6em}th,td{padding:.25em .7em;text-align:right;white-space:nowrap;border-bottom:1px solid var(--grid)}\
th:first-child{text-align:left}dl{display:grid;grid-template-columns:minmax(7em,14em) 1fr;gap:.2em 1em;margin:0 0 1.6em}\
dt{color:var(--muted)}dd{margin:0;overflow-wrap:anywhere}code{font-size:.92em}\
@media(max-width:640px){main{padding:12px 12px 48px}h1{font-size:1.7rem}h2{margin-top:2em}.wide{display:none}.narrow{display:block}\
figure{padding:14px 12px;margin:1.2em -4px}nav ol{columns:1}.findings li{flex-direction:column;gap:6px}dl{grid-template-columns:1fr}dd{margin-bottom:.5em}}\
";
