//! The report for people: pictures, a page, a table. All of it comes from the data alone.

mod axis;
mod bars;
mod canvas;
pub mod figures;
pub mod html;
mod lines;
pub mod markdown;
mod panels;
pub mod terminal;

use canvas::Canvas;

use crate::data::{Kind, Picture};

/// The width of a picture on a desktop, and of one on a phone: text does not shrink.
pub const WIDE: f64 = 760.0;
pub const NARROW: f64 = 350.0;

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
    }
}
