//! Panels one above the other, on the same time axis: who was late when, and who slept when.

use super::{
    axis::Axis,
    canvas::{Anchor, Canvas, width_of},
    figures::{figure, mark},
};
use crate::data::{Picture, Scale, Unit};

const NAME: f64 = 24.0;
const TRACK: f64 = 46.0;
const STRIPE: f64 = 9.0;
const GAP: f64 = 12.0;
const FOOT: f64 = 44.0;

/// Draws columns that rise from zero, a panel per series.
pub fn tracks(picture: &Picture, width: f64) -> Canvas {
    let panel = NAME + TRACK + GAP;
    let height = panel * picture.series.len() as f64 + FOOT;
    let mut canvas = Canvas::new(width, height);
    let points = || picture.series.iter().flat_map(|series| &series.points);
    let most = points().filter_map(|point| point.y).fold(0.0, f64::max);
    let xs: Vec<f64> = points().filter_map(|point| point.x).collect();
    let x_axis = Axis::along(&xs, Scale::Linear, 2.0, width - 2.0);
    time_axis(&mut canvas, picture, &x_axis, height - FOOT);

    for (number, series) in picture.series.iter().enumerate() {
        let top = panel * number as f64;
        let (floor, colour) = (top + NAME + TRACK, series.colour % 8);
        let y_axis = Axis::over([most], Scale::Linear, floor, top + NAME);
        canvas.text([2.0, top + 16.0], Anchor::Start, &format!("strong f{colour}"), &series.name);
        let latest = series.points.iter().filter_map(|point| point.y).reduce(f64::max);
        let says = match latest {
            Some(latest) => format!("at most {}", figure(latest, picture.unit)),
            None => "not measured".to_owned(),
        };
        canvas.text([width - 2.0, top + 16.0], Anchor::End, "muted", &says);
        canvas.line([2.0, floor], [width - 2.0, floor], "axis");
        let mut area = Vec::new();
        for (x, y) in series.points.iter().filter_map(|point| point.x.zip(point.y)) {
            area.push([x_axis.at(x), y_axis.at(y)]);
        }
        if let (Some(first), Some(last)) = (area.first().copied(), area.last().copied()) {
            let area: Vec<_> =
                [[first[0], floor]].into_iter().chain(area).chain([[last[0], floor]]).collect();
            canvas.path(&area, true, &format!("f{colour}"));
        }
    }
    canvas
}

/// Draws a stripe from one time to another in each group, a panel per series.
pub fn spans(picture: &Picture, width: f64) -> Canvas {
    let rows = |series: &crate::data::Series| series.points.len() as f64;
    let height: f64 = picture.series.iter().map(|it| NAME + rows(it) * STRIPE + GAP).sum();
    let mut canvas = Canvas::new(width, height + FOOT);
    let points = || picture.series.iter().flat_map(|series| &series.points);
    let ends = points().flat_map(|point| [point.x, point.y]).flatten();
    let axis = Axis::over(ends, Scale::Linear, 2.0, width - 2.0);
    time_axis(&mut canvas, picture, &axis, height);

    let mut top = 0.0;
    for series in &picture.series {
        let colour = series.colour % 8;
        canvas.text([2.0, top + 16.0], Anchor::Start, "strong", &series.name);
        let end = series.points.iter().filter_map(|point| point.y).reduce(f64::max);
        let says = end.map_or("not measured".to_owned(), |end| figure(end, picture.unit));
        canvas.text([width - 2.0, top + 16.0], Anchor::End, "muted", &says);
        top += NAME;
        for point in &series.points {
            let Some((from, to)) = point.x.zip(point.y) else { continue };
            let (from, to) = (axis.at(from), axis.at(to));
            let whose = point.group.as_deref().unwrap_or("");
            canvas.bar(
                [from, top],
                [(to - from).max(1.0), STRIPE - 2.0],
                &format!("f{colour}"),
                whose,
            );
            top += STRIPE;
        }
        top += GAP;
    }
    canvas
}

fn time_axis(canvas: &mut Canvas, picture: &Picture, axis: &Axis, bottom: f64) {
    let unit = picture.x.as_ref().map_or(Unit::Count, |it| it.unit);
    let width = canvas.width;
    for figure in axis.marks((width / 80.0) as usize, unit) {
        let (x, text) = (axis.at(figure), mark(figure, unit));
        canvas.line([x, 4.0], [x, bottom], "grid");
        // The first and the last stay inside.
        let half = width_of(&text) / 2.0;
        let (anchor, at) = match x {
            x if x < half => (Anchor::Start, 0.0),
            x if x > width - half => (Anchor::End, width),
            _ => (Anchor::Middle, x),
        };
        canvas.text([at, bottom + 16.0], anchor, "muted", &text);
    }
    if let Some(x) = &picture.x {
        let note = format!("{}; {}", x.label, picture.measure);
        canvas.text([width / 2.0, bottom + 35.0], Anchor::Middle, "muted", &note);
    }
}
