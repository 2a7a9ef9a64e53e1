//! Medians, quartiles, percentiles, and when they say nothing.

use hdrhistogram::Histogram;

/// What repetitions of one measurement look like together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// A quarter of the figures are smaller.
    pub low: f64,
    /// The middle figure.
    pub median: f64,
    /// A quarter of the figures are larger.
    pub high: f64,
    /// How many there are.
    pub count: usize,
}

/// Quartiles further apart than this part of the median are noise: which of two such figures is the
/// smaller one is then a matter of luck.
const NOISE: f64 = 0.4;

impl Summary {
    /// Summarises figures; nothing when there are none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let last = figures.len().checked_sub(1)?;
        let at = |part: f64| {
            let position = part * last as f64;
            let (below, above) = (position.floor(), position.ceil());
            let weight = position - below;
            figures[below as usize] * (1.0 - weight) + figures[above as usize] * weight
        };
        Some(Self { low: at(0.25), median: at(0.5), high: at(0.75), count: figures.len() })
    }

    /// Whether the figures differ too much among themselves to mean something.
    pub fn is_noisy(&self) -> bool {
        self.high - self.low > NOISE * self.median.abs()
    }
}

/// The latency that a part of all messages did not exceed, in microseconds; nothing when there are
/// fewer than `least` messages beyond it, and it is a matter of luck.
pub fn percentile(latencies: &Histogram<u64>, part: f64, least: f64) -> Option<f64> {
    let beyond = latencies.len() as f64 * (1.0 - part);
    // Rounding must not decide.
    (beyond > least - 0.001).then(|| latencies.value_at_quantile(part) as f64 / 1e3)
}
