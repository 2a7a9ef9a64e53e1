//! Medians and quartiles, and when they say nothing.

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
