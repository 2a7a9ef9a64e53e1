//! Bars that lie: one per series in each group, with the figure at its end.

use super::{
    axis::Axis,
    canvas::{Anchor, Canvas, width_of},
    figures::{figure, mark, words},
};
use crate::data::{Picture, Point, Scale, Series};

const ROW: f64 = 22.0;
const HEADING: f64 = 26.0;
const GAP: f64 = 10.0;
const FOOT: f64 = 44.0;

/// Draws the picture.
pub fn draw(picture: &Picture, width: f64) -> Canvas {
    let groups = groups(picture);
    let rows = groups.len() * picture.series.len();
    // A single group needs no name: that of the figures says it.
    let heading = if groups.len() > 1 { HEADING } else { 4.0 };
    let height = rows as f64 * ROW + groups.len() as f64 * (heading + GAP) + FOOT;
    let mut canvas = Canvas::new(width, height);
    let names = picture.series.iter().map(|series| width_of(&series.name)).fold(0.0, f64::max);
    let left = names + 10.0;
    // The longest figure must have room behind the longest bar.
    let points = || picture.series.iter().flat_map(|series| &series.points);
    let labels = points().map(|point| width_of(&label(point, picture))).fold(0.0, f64::max);
    let right = (width - labels - 12.0).max(left + 60.0);
    let figures = points().flat_map(|point| [point.y, point.high]).flatten();
    let axis = Axis::over(figures, picture.scale, left, right);

    let bottom = height - FOOT;
    let marks = axis.marks(((right - left) / 52.0) as usize, picture.unit);
    for figure in marks {
        let x = axis.at(figure);
        canvas.line([x, 4.0], [x, bottom], "grid");
        canvas.text([x, bottom + 16.0], Anchor::Middle, "muted", &mark(figure, picture.unit));
    }
    let scale = if picture.scale == Scale::Log { ", logarithmic" } else { "" };
    let note = format!("{}{scale}", picture.measure);
    // Where there is little room, the marks say it alone.
    let note = if width_of(&note) * 0.86 < width { note } else { picture.measure.clone() };
    let half = (width_of(&note) * 0.43).min(width / 2.0);
    let middle = ((left + right) / 2.0).clamp(half, width - half);
    canvas.text([middle, bottom + 34.0], Anchor::Middle, "muted", &note);

    let mut y = 0.0;
    for group in &groups {
        if groups.len() > 1 {
            canvas.text([0.0, y + 18.0], Anchor::Start, "strong", group);
        }
        y += heading;
        for series in &picture.series {
            row(&mut canvas, picture, series, group, &axis, y);
            y += ROW;
        }
        y += GAP;
    }
    canvas
}

fn row(canvas: &mut Canvas, picture: &Picture, series: &Series, group: &str, axis: &Axis, y: f64) {
    let (start, base) = (axis.at(0.0), y + 15.0);
    canvas.text([start - 8.0, base], Anchor::End, "", &series.name);
    let point = series.points.iter().find(|point| point.group.as_deref() == Some(group));
    let Some((point, value)) = point.and_then(|point| Some((point, point.y?))) else {
        canvas.text([start + 6.0, base], Anchor::Start, "muted", "not measured");
        return;
    };
    let end = axis.at(value).max(start + 1.5);
    let noisy = if point.noisy { " noisy" } else { "" };
    let class = format!("f{}{noisy}", series.colour % 8);
    let says = format!("{}, {group}: {}", series.name, words(point, picture.unit));
    canvas.bar([start, y + 3.0], [end - start, ROW - 6.0], &class, &says);
    let mut after = end;
    if let (Some(low), Some(high), true) = (point.low, point.high, point.count > 1) {
        let (low, high) = (axis.at(low), axis.at(high));
        // A spread that is no wider than the line would only be dirt.
        if high - low > 2.0 {
            canvas.line([low, y + ROW / 2.0], [high, y + ROW / 2.0], "whisker");
            after = after.max(high);
        }
    }
    canvas.text([after + 6.0, base], Anchor::Start, "", &label(point, picture));
}

fn label(point: &Point, picture: &Picture) -> String {
    let Some(value) = point.y else { return "not measured".to_owned() };
    let about = if point.noisy { "≈ " } else { "" };
    let note = point.note.as_ref().map_or(String::new(), |note| format!(", {note}"));
    format!("{about}{}{note}", figure(value, picture.unit))
}

/// The names of the groups, in their order. One of which nothing is known would only take room.
fn groups(picture: &Picture) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    let known = picture.series.iter().flat_map(|it| &it.points).filter(|it| it.y.is_some());
    for group in known.filter_map(|it| it.group.as_ref()) {
        if !groups.contains(group) {
            groups.push(group.clone());
        }
    }
    groups
}
