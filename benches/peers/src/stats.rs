//! Medians and quartiles.

/// What repetitions of one measurement look like together.
#[derive(Clone, Copy)]
pub struct Summary {
    /// A quarter of the figures are smaller.
    pub low: f64,
    /// The middle figure.
    pub median: f64,
    /// A quarter of the figures are larger.
    pub high: f64,
    /// How many figures there are.
    pub count: usize,
}

impl Summary {
    /// Summarises `figures`; nothing when there are none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        if figures.is_empty() {
            return None;
        }
        let at = |part: f64| {
            let position = part * (figures.len() - 1) as f64;
            let (below, above) = (position.floor(), position.ceil());
            let weight = position - below;
            figures[below as usize] * (1.0 - weight) + figures[above as usize] * weight
        };
        Some(Summary { low: at(0.25), median: at(0.5), high: at(0.75), count: figures.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn between_two_figures_the_quartile_is_in_proportion() {
        let summary = Summary::of([4.0, 1.0, 2.0, 8.0]).expect("there are figures");
        assert_eq!((summary.low, summary.median, summary.high), (1.75, 3.0, 5.0));
        let alone = Summary::of([7.0]).expect("there is a figure");
        assert_eq!((alone.low, alone.median, alone.high), (7.0, 7.0, 7.0));
        assert!(Summary::of([]).is_none());
    }
}
