//! A line per series, with its quartiles as a band.

use super::{
    axis::Axis,
    canvas::{Anchor, Canvas, width_of},
    figures::{mark, words},
};
use crate::data::{Picture, Point, Scale, Series, Unit};

const TOP: f64 = 32.0;
const FOOT: f64 = 44.0;
const PLOT: f64 = 250.0;
/// Between the names at the ends of two lines.
const APART: f64 = 16.0;

/// Draws the picture.
pub fn draw(picture: &Picture, width: f64) -> Canvas {
    let names = picture.series.iter().map(|series| width_of(&series.name)).fold(0.0, f64::max);
    // They are written in bold.
    let names = names * 1.06;
    // Where there is room, each line has its name at its end.
    let beside = width > 500.0;
    let legend = if beside { vec![] } else { legend(&picture.series, width) };
    let top = TOP + legend.last().map_or(0.0, |(_, [_, y])| y + 17.0);
    let bottom = top + PLOT;
    let mut canvas = Canvas::new(width, bottom + FOOT);

    let points = || picture.series.iter().flat_map(|series| &series.points);
    // A quartile that is far out may leave the picture rather than make all the rest small.
    let most = points().filter_map(|point| point.y).fold(0.0, f64::max) * 1.5;
    let figures = points().flat_map(|point| [point.y, point.low, point.high]).flatten();
    let figures = figures.map(|it| it.min(most));
    let y_axis = Axis::over(figures, picture.scale, bottom, top);
    let y_marks = y_axis.marks(6, picture.unit);
    let left =
        y_marks.iter().map(|&it| width_of(&mark(it, picture.unit))).fold(0.0, f64::max) + 10.0;
    let right = if beside { width - names - 22.0 } else { width - 12.0 };
    let mut xs: Vec<f64> = points().filter_map(|point| point.x).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let x = picture.x.as_ref();
    let (x_scale, x_unit) = x.map_or((Scale::Linear, Unit::Count), |it| (it.scale, it.unit));
    let x_axis = Axis::along(&xs, x_scale, left + 8.0, right);

    for figure in y_marks {
        let y = y_axis.at(figure);
        canvas.line([left, y], [right, y], "grid");
        canvas.text([left - 8.0, y + 4.0], Anchor::End, "muted", &mark(figure, picture.unit));
    }
    let scale = if picture.scale == Scale::Log { ", logarithmic" } else { "" };
    let note = format!("{}{scale}", picture.measure);
    canvas.text([0.0, top - 18.0], Anchor::Start, "muted", &note);
    canvas.line([left, bottom], [right, bottom], "axis");
    // What was measured is marked, as far as there is room.
    let marks = if xs.len() <= 9 { xs } else { x_axis.marks(8, x_unit) };
    let mut free = f64::NEG_INFINITY;
    for figure in marks {
        let (at, text) = (x_axis.at(figure), mark(figure, x_unit));
        let half = width_of(&text) / 2.0;
        canvas.line([at, bottom], [at, bottom + 5.0], "axis");
        if at - half > free {
            let at = at.min(width - half);
            canvas.text([at, bottom + 19.0], Anchor::Middle, "muted", &text);
            free = at + half + 6.0;
        }
    }
    if let Some(x) = x {
        // Where there is little room, what stands in brackets is left out.
        let fits = width_of(&x.label) * 0.85 < width;
        let label = if fits { &x.label } else { x.label.split(" (").next().unwrap_or(&x.label) };
        let half = (width_of(label) * 0.43).min(width / 2.0);
        let middle = ((left + right) / 2.0).clamp(half, width - half);
        canvas.text([middle, bottom + 37.0], Anchor::Middle, "muted", label);
    }

    for series in &picture.series {
        curve(&mut canvas, picture, series, &x_axis, &y_axis);
    }
    for (index, [x, y]) in legend {
        let series = &picture.series[index];
        canvas.bar([x, y], [12.0, 12.0], &format!("f{}", series.colour % 8), "");
        canvas.text([x + 17.0, y + 11.0], Anchor::Start, "", &series.name);
    }
    if beside {
        names_at_ends(&mut canvas, picture, &x_axis, &y_axis, right + 12.0);
    }
    canvas
}

fn curve(canvas: &mut Canvas, picture: &Picture, series: &Series, x: &Axis, y: &Axis) {
    let colour = series.colour % 8;
    let place = |point: &Point, figure: Option<f64>| Some([x.at(point.x?), y.at(figure?)]);
    let points = &series.points;
    let through: Vec<_> = points.iter().filter_map(|point| place(point, point.y)).collect();
    let above = points.iter().filter_map(|point| place(point, point.high.or(point.y)));
    let below = points.iter().rev().filter_map(|point| place(point, point.low.or(point.y)));
    let band: Vec<_> = above.chain(below).collect();
    if through.len() > 1 {
        canvas.path(&band, true, &format!("band f{colour}"));
        canvas.path(&through, false, &format!("curve l{colour}"));
    }
    for point in points {
        let Some(at) = place(point, point.y) else { continue };
        let class = if point.noisy { format!("hollow l{colour}") } else { format!("f{colour}") };
        let unit = picture.x.as_ref().map_or(Unit::Count, |it| it.unit);
        let where_it_is = mark(point.x.unwrap_or(0.0), unit);
        let says = format!("{}, {where_it_is}: {}", series.name, words(point, picture.unit));
        canvas.dot(at, &class, &says);
    }
}

/// Writes the names beside the last points, moved apart where they would cover each other.
fn names_at_ends(canvas: &mut Canvas, picture: &Picture, x: &Axis, y: &Axis, at: f64) {
    let mut ends: Vec<(f64, f64, &Series)> = picture
        .series
        .iter()
        .filter_map(|series| {
            let last = series.points.iter().rev().find(|it| it.x.is_some() && it.y.is_some())?;
            Some((y.at(last.y?), x.at(last.x?), series))
        })
        .collect();
    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut places: Vec<f64> = ends.iter().map(|it| it.0).collect();
    // Two that are too close step back by half each; a few rounds bring all apart.
    for _ in 0..200 {
        for index in 1..places.len() {
            let missing = APART - (places[index] - places[index - 1]);
            if missing > 0.0 {
                places[index - 1] -= missing / 2.0;
                places[index] += missing / 2.0;
            }
        }
    }
    for ((end, last, series), place) in ends.into_iter().zip(places) {
        let place = place.clamp(10.0, canvas.height - FOOT);
        let colour = series.colour % 8;
        if last < at - 20.0 || (place - end).abs() > 3.0 {
            canvas.line([last + 6.0, end], [at - 3.0, place], "grid");
        }
        canvas.text([at, place + 4.0], Anchor::Start, &format!("strong f{colour}"), &series.name);
    }
}

/// The places of the names above the plot, in as many rows as they need.
fn legend(series: &[Series], width: f64) -> Vec<(usize, [f64; 2])> {
    let (mut x, mut y) = (0.0, 3.0);
    let mut places = Vec::new();
    for (index, series) in series.iter().enumerate() {
        let needed = width_of(&series.name) + 17.0;
        if x > 0.0 && x + needed > width {
            (x, y) = (0.0, y + 20.0);
        }
        places.push((index, [x, y]));
        x += needed + 14.0;
    }
    places
}
