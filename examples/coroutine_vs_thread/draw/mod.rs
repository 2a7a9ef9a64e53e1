//! The report for people: pictures, a page, a table. All of it comes from the data alone.

mod axis;
mod bars;
mod canvas;
pub mod figures;
mod grid;
pub mod html;
mod lines;
pub mod markdown;
mod panels;
pub mod terminal;

use std::{fs, io, path::Path};

use canvas::Canvas;

use crate::data::{Kind, Picture, Report};

/// The width of a picture on a desktop, and of one on a phone: text does not shrink.
pub const WIDE: f64 = 760.0;
pub const NARROW: f64 = 350.0;

/// Where a report goes.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The folder of the page, the pictures and the data.
    pub out: &'a Path,
    /// A file for the data alone.
    pub json: Option<&'a Path>,
    /// A document to put pictures and tables into.
    pub markdown: Option<&'a Path>,
}

/// Finds out whether a report with this title can go there: better before minutes of measuring than after.
pub fn check(title: &str, places: Places<'_>) -> io::Result<()> {
    let Places { out, json, markdown } = places;
    fs::create_dir_all(out).map_err(|it| named(it, out))?;
    if let Some(path) = json {
        // It may be there already, and is not touched yet.
        let file = fs::OpenOptions::new().append(true).create(true).open(path);
        file.map_err(|it| named(it, path))?;
    }
    if let Some(path) = markdown {
        let document = fs::read_to_string(path).map_err(|it| named(it, path))?;
        markdown::check(&document, title).map_err(|it| named(it, path))?;
    }
    Ok(())
}

/// Writes the page, the pictures and the data, and puts them into the document.
pub fn write(report: &Report, places: Places<'_>) -> io::Result<()> {
    let Places { out, json, markdown } = places;
    let write = |path: &Path, text: &str| fs::write(path, text).map_err(|it| named(it, path));
    fs::create_dir_all(out).map_err(|it| named(it, out))?;
    let data = report.to_json();
    write(&out.join("report.html"), &html::page(report, &data))?;
    for picture in report.sections.iter().flat_map(|section| &section.pictures) {
        write(&out.join(format!("{}.svg", picture.id)), &file(picture))?;
    }
    if let Some(path) = json {
        write(path, &data)?;
    }
    if let Some(path) = markdown {
        put_into(path, report)?;
    }
    write(&out.join("report.json"), &data)
}

/// Puts the report into the document `path`, and the pictures that it shows into the folder of its name beside it.
fn put_into(path: &Path, report: &Report) -> io::Result<()> {
    let write = |path: &Path, text: &str| fs::write(path, text).map_err(|it| named(it, path));
    let folder = path.with_extension("");
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let document = fs::read_to_string(path).map_err(|it| named(it, path))?;
    let document = markdown::put_into(&document, report, &name).map_err(|it| named(it, path))?;
    fs::create_dir_all(&folder).map_err(|it| named(it, &folder))?;
    for picture in report.sections.iter().flat_map(|section| &section.pictures) {
        let picture_file = format!("{}.svg", picture.id);
        if document.contains(&format!("]({name}/{picture_file})")) {
            write(&folder.join(picture_file), &file(picture))?;
        }
    }
    write(path, &document)
}

/// An error that says which file it is about.
pub fn named(error: io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The picture as a part of a page.
pub fn inline(picture: &Picture, width: f64) -> String {
    drawn(picture, width).inline(&picture.title)
}

/// The picture as a file of its own, with its title.
pub fn file(picture: &Picture) -> String {
    drawn(picture, WIDE).file(&picture.title)
}

fn drawn(picture: &Picture, width: f64) -> Canvas {
    match picture.kind {
        Kind::Bars => bars::draw(picture, width),
        Kind::Lines => lines::draw(picture, width),
        Kind::Tracks => panels::tracks(picture, width),
        Kind::Spans => panels::spans(picture, width),
        Kind::Grid => grid::draw(picture, width),
    }
}
