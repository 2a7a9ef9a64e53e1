//! How values are distributed, in memory that all workers share: the handle that a worker records with,
//! and what is read of it.
//!
//! A value is counted in the first bucket whose bound is not below it. To record one is two additions,
//! each complete in itself, so a worker may be killed at any moment: then the sum may lack the value that
//! was just counted. How many values there were is not kept, but is the sum of the buckets.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::scoreboard::{BOUNDS, Buckets};

/// Counts values by their size, in all workers together; from
/// [`Worker::histogram`](super::Worker::histogram).
///
/// # Examples
///
/// ```no_run
/// # use std::{io, process::ExitCode, time::Instant};
/// use greenloop::launcher::{Histogram, Launcher};
///
/// # fn main() -> io::Result<ExitCode> {
/// Launcher::new()
///     .bind("http", "127.0.0.1:8080")
///     .histogram("latency_us", Histogram::exponential_bounds(100, 2.0, 16))
///     .run(|worker| async move {
///         let latency = worker.histogram("latency_us");
///         let listener = worker.listener("http")?;
///         while let Some((stream, _peer)) = listener.accept().await? {
///             worker.spawn(async move {
///                 let start = Instant::now();
///                 let _ = stream.write_all(b"hello\n").await;
///                 latency.record(start.elapsed().as_micros() as u64);
///             });
///         }
///         worker.drained().await;
///         Ok(())
///     })
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Histogram {
    /// Followed by `u64::MAX` where there are fewer than there can be.
    pub(super) bounds: &'static [AtomicU64; BOUNDS],
    pub(super) own: &'static Buckets,
}

impl Histogram {
    /// Counts a value, in the unit of the bounds.
    pub fn record(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| bound.load(Relaxed) < value);
        self.own.counts[bucket].fetch_add(1, Relaxed);
        self.own.sum.fetch_add(value, Relaxed);
    }

    /// How many values this worker has recorded.
    /// [`Worker::cluster_stats`](super::Worker::cluster_stats) has the histogram over all.
    #[must_use]
    pub fn own(&self) -> u64 {
        self.own.counts.iter().fold(0, |sum, count| sum.wrapping_add(count.load(Relaxed)))
    }

    /// Gives bounds for [`Launcher::histogram`](super::Launcher::histogram), each of them `factor` times
    /// the one before: `(100, 2.0, 16)` goes from 100 to 3,276,800, which are microseconds from a tenth of
    /// a millisecond to three seconds. They are rounded, and one more than the one before at least. The
    /// first that would not fit into a `u64` is `u64::MAX`, and the last: then there are fewer than `count`.
    ///
    /// # Panics
    ///
    /// When `first` is 0, or `factor` is not above 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::launcher::Histogram;
    ///
    /// assert_eq!(Histogram::exponential_bounds(1, 10.0, 4), [1, 10, 100, 1000]);
    /// assert_eq!(Histogram::exponential_bounds(1, 1.5, 6), [1, 2, 3, 4, 5, 8]);
    /// assert_eq!(Histogram::exponential_bounds(1 << 62, 2.0, 6), [1 << 62, 1 << 63, u64::MAX]);
    /// ```
    #[doc(alias = "exponential_buckets")]
    #[must_use]
    pub fn exponential_bounds(first: u64, factor: f64, count: usize) -> Vec<u64> {
        assert!(first > 0, "no factor makes more of 0");
        assert!(factor > 1.0, "bounds ascend with a factor above 1, and {factor} is not");
        let mut exact = first as f64;
        let bounds = std::iter::successors(Some(first), |last| {
            exact *= factor;
            // A number beyond is as large as one can be, and there it ends.
            last.checked_add(1).map(|least| (exact.round() as u64).max(least))
        });
        bounds.take(count).collect()
    }
}

/// A [`Histogram`] over all workers there ever were, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistogramStatistics {
    /// Its name.
    pub name: String,
    /// The largest value of each bucket but the last one, which has none.
    pub bounds: Vec<u64>,
    /// How many values each bucket has: one more than there are bounds.
    pub counts: Vec<u64>,
    /// The sum of all values, which wraps around at 2^64.
    pub sum: u64,
}

impl HistogramStatistics {
    /// How many values were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// Estimates the value that a part `q` of all values do not exceed: 0.5 is the median. `None` while there
    /// are none.
    ///
    /// The bucket is the right one; within it the values are taken to be spread evenly, from the bound below
    /// (0 for the first) to its own. Where it is the last, which has no bound, the answer is the highest
    /// bound: so much, or more. That is how `histogram_quantile` of Prometheus estimates, too.
    ///
    /// # Panics
    ///
    /// When `q` is not from 0 to 1.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        assert!((0.0..=1.0).contains(&q), "a part of all is from 0 to 1, and {q} is not");
        let rank = q * self.count() as f64;
        let (mut below, mut lower) = (0_u64, 0);
        for (&upper, &count) in self.bounds.iter().zip(&self.counts) {
            let reached = below.wrapping_add(count);
            if count > 0 && reached as f64 >= rank {
                let part = (rank - below as f64) / count as f64;
                return Some(lower as f64 + (upper as f64 - lower as f64) * part);
            }
            (below, lower) = (reached, upper);
        }
        (self.count() > 0).then_some(lower as f64)
    }

    /// For each bucket its bound, and how many values do not exceed that; `None` for no bound.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        bounds.zip(self.counts.iter().scan(0_u64, |sum, count| {
            *sum = sum.wrapping_add(*count);
            Some(*sum)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launcher::{
        names::{Figures, Names},
        scoreboard::Scoreboard,
        statistics,
        sys::memory,
    };

    /// A scoreboard with two workers, and the histogram that each of them has.
    fn two_workers(bounds: &[u64]) -> (&'static Scoreboard, Names, [Histogram; 2]) {
        let board: &Scoreboard = memory::share_with_children().unwrap();
        let mut names = Names::default();
        names.add_histogram("other".into(), [7].into());
        names.add_histogram("size".into(), bounds.into());
        names.write_to(board);
        let histograms = [0, 1].map(|slot| {
            let place = board.hand_out(slot, 1).unwrap();
            Figures::new(names.clone(), board, place).unwrap().histogram("size").unwrap()
        });
        (board, names, histograms)
    }

    fn read(board: &Scoreboard, names: &Names) -> HistogramStatistics {
        let all = statistics::gather(board, names).histograms;
        assert_eq!((all[0].name.as_str(), all[0].count()), ("other", 0));
        all.into_iter().nth(1).unwrap()
    }

    #[test]
    fn a_value_is_counted_where_a_naive_count_has_it() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..200 {
            let many = 1 + random() as usize % BOUNDS;
            let mut bounds: Vec<_> = (0..many).map(|_| random() >> (random() % 64)).collect();
            bounds.sort_unstable();
            bounds.dedup();
            let (board, names, histograms) = two_workers(&bounds);
            let values = (0..200).map(|_| match random() % 4 {
                // At a bound, and just beyond.
                0 => bounds[random() as usize % bounds.len()],
                1 => bounds[random() as usize % bounds.len()].saturating_add(1),
                _ => random() >> (random() % 64),
            });
            let mut values: Vec<_> = values.chain([0, u64::MAX]).collect();
            for (number, value) in values.iter().enumerate() {
                histograms[number % 2].record(*value);
            }
            // One of the two is gone.
            board.bury(usize::from(random() % 2 == 0));

            let read = read(board, &names);
            assert_eq!(read.bounds, bounds);
            assert_eq!(read.count(), values.len() as u64);
            let sum = values.iter().fold(0_u64, |sum, value| sum.wrapping_add(*value));
            assert_eq!(read.sum, sum);
            for (bound, count) in read.cumulative() {
                let bound = bound.unwrap_or(u64::MAX);
                let naive = values.iter().filter(|value| **value <= bound).count();
                assert_eq!(count, naive as u64, "{bound} of {bounds:?}");
            }
            values.sort_unstable();
            for q in [0.001, 0.5, 0.99, 1.0] {
                let exact = values[((q * values.len() as f64).ceil() as usize).max(1) - 1];
                let above = bounds.partition_point(|bound| *bound < exact);
                let lower = if above == 0 { 0 } else { bounds[above - 1] };
                let upper = bounds.get(above).or(bounds.last()).unwrap();
                let estimate = read.quantile(q).unwrap();
                assert!(
                    (lower as f64..=*upper as f64).contains(&estimate),
                    "{estimate} is not from {lower} to {upper}"
                );
            }
        }
    }

    #[test]
    fn nothing_is_lost_or_kept_when_a_worker_is_buried() {
        let (board, names, [first, second]) = two_workers(&[10, 20]);
        first.record(5);
        second.record(30);
        assert_eq!(first.own(), 1);
        let before = read(board, &names);
        assert_eq!((&before.counts[..], before.sum), (&[1, 0, 1][..], 35));
        board.bury(0);
        assert_eq!(read(board, &names), before);
        // Whoever comes to its place begins at nothing.
        assert_eq!(board.hand_out(0, 2), Some(0));
        assert_eq!(first.own(), 0);
        assert_eq!(read(board, &names), before);
    }

    #[test]
    fn a_quantile_is_between_the_bounds_of_its_bucket() {
        let (board, names, [histogram, _]) = two_workers(&[100, 200, 400]);
        assert_eq!(read(board, &names).quantile(0.5), None);
        (0..4).for_each(|_| histogram.record(150));
        (0..4).for_each(|_| histogram.record(300));
        let read_once = read(board, &names);
        let estimates = [0.0, 0.25, 0.5, 0.75, 1.0].map(|q| read_once.quantile(q).unwrap());
        assert_eq!(estimates, [100.0, 150.0, 200.0, 300.0, 400.0]);
        (0..8).for_each(|_| histogram.record(1_000_000));
        assert_eq!(read(board, &names).quantile(0.9), Some(400.0), "so much, or more");
    }

    #[test]
    fn exponential_bounds_ascend_whatever_they_are() {
        assert_eq!(Histogram::exponential_bounds(100, 2.0, 5), [100, 200, 400, 800, 1600]);
        for factor in [1.000_000_1, 1.3, 7.5, 1e300, f64::INFINITY] {
            for first in [1, 3, u64::MAX - 2, u64::MAX] {
                let bounds = Histogram::exponential_bounds(first, factor, BOUNDS);
                assert_eq!(bounds[0], first);
                assert!(bounds.is_sorted_by(|a, b| a < b), "{bounds:?}");
            }
        }
    }
}
