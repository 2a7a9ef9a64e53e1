//! A field per series and group, shaded by how far its ratio is from one: who is ahead where.

use super::{
    canvas::{Anchor, Canvas, width_of},
    figures::words,
};
use crate::data::{Picture, Point, Series, Unit};

const ROW: f64 = 24.0;
const FOOT: f64 = 30.0;
/// Between two blocks.
const GAP: f64 = 14.0;
/// What a figure needs at least.
const LEAST_COLUMN: f64 = 31.0;
/// Ratios that are closer to one than this are not shaded.
const SAME: f64 = 1.03;
/// A ratio that is so large, or so small, has the deepest shade.
const DEEPEST: f64 = 3.0;

/// Draws the picture: side by side, as many columns as have room for their figures, and the rest below.
pub fn draw(picture: &Picture, width: f64) -> Canvas {
    let groups = groups(picture);
    let small = width < 500.0;
    let names = picture.series.iter().map(|series| width_of(&series.name)).fold(0.0, f64::max);
    let left = if small { names * 0.86 } else { names } + 8.0;
    let beside = ((width - left) / LEAST_COLUMN).floor().max(1.0) as usize;
    let blocks = groups.len().div_ceil(beside).max(1);
    let blocks: Vec<_> = groups.chunks(groups.len().div_ceil(blocks).max(1)).collect();
    let blocks: Vec<Block> = blocks.into_iter().map(|it| Block::of(it, left, width)).collect();

    let rows = ROW * picture.series.len() as f64;
    let height = blocks.iter().map(|block| block.head + rows + GAP).sum::<f64>() - GAP + FOOT;
    let mut canvas = Canvas::new(width, height);
    let mut top = 0.0;
    for block in &blocks {
        block.draw(&mut canvas, picture, top);
        top += block.head + rows + GAP;
    }
    let note = match small {
        true => "green: takes less; orange: takes more".to_owned(),
        false => format!("{}; green: takes less, orange: takes more", picture.measure),
    };
    canvas.text([0.0, height - 8.0], Anchor::Start, "muted", &note);
    canvas
}

/// Some of the columns, with all of the rows.
struct Block<'a> {
    groups: &'a [String],
    /// Where the first column begins, and how wide each is.
    left: f64,
    column: f64,
    /// The room for the headings, which lie on a slant unless they fit.
    head: f64,
    level: bool,
    /// On a phone every pixel counts, and the figures are small.
    small: bool,
}

impl<'a> Block<'a> {
    fn of(groups: &'a [String], left: f64, width: f64) -> Self {
        let longest = groups.iter().map(|group| width_of(group)).fold(0.0, f64::max);
        let column = |right: f64| ((width - left - right) / groups.len().max(1) as f64).min(84.0);
        let level = longest + 10.0 < column(0.0);
        // Those on a slant lie half as wide as they are long, and the last ones need room for that.
        let beyond = |(place, group): (usize, &String)| {
            let behind = (groups.len() - place) as f64 - 0.5;
            width_of(group) * 0.5 + 4.0 - behind * column(0.0)
        };
        let right = groups.iter().enumerate().map(beyond).fold(0.0, f64::max);
        let free = width - left - column(0.0) * groups.len() as f64;
        let right = if level { 0.0 } else { (right - free).max(0.0) };
        let head = if level { 26.0 } else { longest * 0.82 + 14.0 };
        Self { groups, left, column: column(right), head, level, small: width < 500.0 }
    }

    fn draw(&self, canvas: &mut Canvas, picture: &Picture, top: f64) {
        let top = top + self.head;
        for (place, group) in self.groups.iter().enumerate() {
            let x = self.left + self.column * (place as f64 + 0.5);
            match self.level {
                true => canvas.text([x, top - 9.0], Anchor::Middle, "muted", group),
                false => canvas.text_upwards([x + 4.0, top - 8.0], "muted", group),
            }
        }
        for (row, series) in picture.series.iter().enumerate() {
            let y = top + ROW * row as f64;
            // Ours are what all others are held against.
            let ours = match series.colour {
                0 | 1 => format!("strong f{}", series.colour),
                _ => String::new(),
            };
            let class = format!("{ours}{}", self.size());
            canvas.text([0.0, y + 16.5], Anchor::Start, &class, &series.name);
            for (place, group) in self.groups.iter().enumerate() {
                self.field(canvas, series, group, [self.left + self.column * place as f64, y]);
            }
        }
    }

    fn field(&self, canvas: &mut Canvas, series: &Series, group: &String, [x, y]: [f64; 2]) {
        let point = series.points.iter().find(|it| it.group.as_ref() == Some(group));
        let says = point.map_or("not measured".to_owned(), |it| words(it, Unit::Times));
        let says = format!("{}, {group}: {says}", series.name);
        let ratio = point.and_then(|point| point.y);
        let (class, shade) = shade(ratio);
        let size = [self.column - 2.0, ROW - 2.0];
        canvas.field([x + 1.0, y + 1.0], size, class, shade, &says);
        let class = match ratio {
            None => "muted",
            Some(ratio) if ratio < 1.0 / SAME => "strong",
            Some(_) => "",
        };
        let class = format!("{class}{}", self.size());
        let middle = [x + self.column / 2.0, y + 16.5];
        canvas.text(middle, Anchor::Middle, &class, &label(point, self.column));
    }

    fn size(&self) -> &'static str {
        if self.small { " small" } else { "" }
    }
}

/// As many digits as the column has room for.
fn label(point: Option<&Point>, column: f64) -> String {
    let Some((point, ratio)) = point.and_then(|point| Some((point, point.y?))) else {
        return "–".to_owned();
    };
    let text = match ratio {
        ratio if ratio < 9.95 => format!("{ratio:.2}"),
        ratio if ratio < 99.5 => format!("{ratio:.1}"),
        ratio => format!("{ratio:.0}"),
    };
    if point.noisy && column > 50.0 { format!("≈{text}") } else { text }
}

/// The class of a field, and how deep its shade is.
fn shade(ratio: Option<f64>) -> (&'static str, f64) {
    let Some(ratio) = ratio.filter(|it| *it > 0.0) else { return ("blank", 1.0) };
    let distance = ratio.max(1.0 / ratio);
    if distance < SAME {
        return ("blank", 1.0);
    }
    let depth = (distance.ln() / DEEPEST.ln()).min(1.0);
    (if ratio < 1.0 { "less" } else { "more" }, 0.12 + 0.5 * depth)
}

fn groups(picture: &Picture) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for group in picture.series.iter().flat_map(|it| &it.points).filter_map(|it| it.group.as_ref())
    {
        if !groups.contains(group) {
            groups.push(group.clone());
        }
    }
    groups
}
