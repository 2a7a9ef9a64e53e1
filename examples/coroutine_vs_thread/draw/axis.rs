//! From figures to lengths, and the marks on the way.

use crate::data::{Scale, Unit};

/// An axis from one length to another. It may run backwards, as upwards on a screen.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    scale: Scale,
    /// The figures at both ends.
    low: f64,
    high: f64,
    /// The lengths at both ends.
    from: f64,
    to: f64,
}

impl Axis {
    /// An axis on which all of `figures` have a place. A linear one begins at zero.
    pub fn over(figures: impl IntoIterator<Item = f64>, scale: Scale, from: f64, to: f64) -> Self {
        let usable = |it: &f64| it.is_finite() && (scale == Scale::Linear || *it > 0.0);
        let figures: Vec<f64> = figures.into_iter().filter(usable).collect();
        let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
        let most = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = match (figures.is_empty(), scale) {
            (true, Scale::Linear) => (0.0, 1.0),
            (true, Scale::Log) => (1.0, 10.0),
            (false, Scale::Linear) => (0.0, if most > 0.0 { most * 1.05 } else { 1.0 }),
            (false, Scale::Log) => log_ends(least, most),
        };
        Self { scale, low, high, from, to }
    }

    /// An axis that ends with the first and the last of the figures.
    pub fn along(figures: &[f64], scale: Scale, from: f64, to: f64) -> Self {
        let low = figures.iter().copied().fold(f64::INFINITY, f64::min);
        let high = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let usable = low < high && (scale == Scale::Linear || low > 0.0);
        if !usable {
            return Self::over(figures.iter().copied(), scale, from, to);
        }
        Self { scale, low, high, from, to }
    }

    /// The place of a figure. What is too small for a logarithm stands at the beginning.
    pub fn at(&self, figure: f64) -> f64 {
        let part = match self.scale {
            Scale::Linear => (figure - self.low) / (self.high - self.low),
            Scale::Log if figure <= self.low => 0.0,
            Scale::Log => (figure / self.low).ln() / (self.high / self.low).ln(),
        };
        self.from + part.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// At most so many figures to put a mark at, all of them round.
    pub fn marks(&self, most: usize, unit: Unit) -> Vec<f64> {
        match self.scale {
            Scale::Linear => self.linear_marks(most, unit),
            Scale::Log => self.log_marks(most),
        }
    }

    fn linear_marks(&self, most: usize, unit: Unit) -> Vec<f64> {
        let rough = (self.high - self.low) / most.max(1) as f64;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|it| it * power).into_iter().find(|it| *it >= rough);
        let mut step = step.unwrap_or(power * 10.0);
        if unit == Unit::Count {
            step = step.max(1.0);
        }
        let first = (self.low / step).ceil() as i64;
        (first..).map(|it| it as f64 * step).take_while(|it| *it <= self.high * 1.000_1).collect()
    }

    fn log_marks(&self, most: usize) -> Vec<f64> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let inside = |it: &f64| *it >= self.low * 0.999 && *it <= self.high * 1.001;
        let with = |parts: &[f64]| -> Vec<f64> {
            let powers = (first..=last).map(|power| 10_f64.powi(power));
            powers
                .flat_map(|power| parts.iter().map(move |part| part * power))
                .filter(inside)
                .collect()
        };
        let fine = with(&[1.0, 2.0, 5.0]);
        if fine.len() <= most {
            return fine;
        }
        let whole = with(&[1.0]);
        let every = whole.len().div_ceil(most.max(1)).max(1);
        whole.into_iter().step_by(every).collect()
    }
}

/// The ends of a logarithmic axis: round ones, and a little more than what is between.
fn log_ends(least: f64, most: f64) -> (f64, f64) {
    let round = |figure: f64, up: bool| {
        let power = 10_f64.powf(figure.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|it| it * power);
        match up {
            true => steps.into_iter().find(|it| *it >= figure * 0.999),
            false => steps.into_iter().rev().find(|it| *it <= figure * 1.001),
        }
        .unwrap_or(figure)
    };
    let (low, high) = (round(least * 0.8, false), round(most * 1.1, true));
    if high / low < 4.0 { (low / 2.0, high * 2.0) } else { (low, high) }
}
