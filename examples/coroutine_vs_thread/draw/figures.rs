//! Figures in words: three digits that matter, and the unit that fits.

use crate::data::{Point, Unit};

/// Writes a figure with its unit.
pub fn figure(value: f64, unit: Unit) -> String {
    let steps: &[(f64, &str)] = match unit {
        Unit::Nanoseconds => &[(1.0, "ns"), (1e3, "µs"), (1e6, "ms"), (1e9, "s")],
        Unit::Microseconds => &[(1.0, "µs"), (1e3, "ms"), (1e6, "s")],
        Unit::Milliseconds => &[(1.0, "ms"), (1e3, "s")],
        Unit::Seconds => &[(1e-3, "ms"), (1.0, "s")],
        Unit::Bytes => &[(1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB")],
        Unit::PerSecond => return format!("{}/s", thousands(value)),
        Unit::Times => return format!("{} ×", digits(value)),
        Unit::Count => return thousands(value),
    };
    if value == 0.0 {
        return "0".to_owned();
    }
    // What would be rounded up to the next step belongs there.
    let fits = |&&(size, _): &&(f64, &str)| value.abs() >= size * 0.9995;
    let (size, name) = steps.iter().rev().find(fits).unwrap_or(&steps[0]);
    format!("{} {name}", digits(value / size))
}

/// Writes the mark of an axis: as short as it can be.
pub fn mark(value: f64, unit: Unit) -> String {
    let text = figure(value, unit);
    let Some((number, rest)) = text.split_once(' ') else {
        return text.trim_end_matches("/s").to_owned();
    };
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    };
    format!("{number} {rest}")
}

/// Writes a whole number with commas; a small one with what comes after the point.
pub fn thousands(value: f64) -> String {
    if value.abs() < 100.0 && value.fract() != 0.0 {
        return digits(value);
    }
    let number = format!("{:.0}", value.abs());
    let mut text = String::from(if value < 0.0 { "-" } else { "" });
    for (index, digit) in number.chars().enumerate() {
        if index > 0 && (number.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A point in words: about what it is, how far the quartiles are apart, and what else there is to say.
pub fn words(point: &Point, unit: Unit) -> String {
    let Some(value) = point.y else { return "–".to_owned() };
    let mut text = figure(value, unit);
    if let (Some(low), Some(high), true) = (point.low, point.high, point.count > 1) {
        let spread = (high - low) / 2.0 / value.abs().max(f64::MIN_POSITIVE) * 100.0;
        text += &format!(" ±{spread:.0}%");
    }
    if point.noisy {
        text = format!("≈ {text}");
    }
    match &point.note {
        Some(note) => format!("{text}, {note}"),
        None => text,
    }
}

/// Three digits that matter.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size < 0.0995 => format!("{value:.3}"),
        size if size < 9.995 => format!("{value:.2}"),
        size if size < 99.95 => format!("{value:.1}"),
        _ => thousands(value.round()),
    }
}
