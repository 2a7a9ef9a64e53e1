//! When a worker is replaced because it has done enough.

use std::time::Duration;

/// When a worker is replaced though nothing is wrong with it: a remedy for memory that grows. From
/// [`Recycle::accepts`] and the like.
///
/// A replacement is started first, and the old worker drains when it is ready; one worker at a time.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use greenloop::launcher::Recycle;
///
/// let recycle = Recycle::accepts(100_000).or_age(Duration::from_secs(86_400)).jitter(0.2);
/// # let _ = recycle;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Recycle {
    accepts: Option<u64>,
    requests: Option<u64>,
    age: Option<Duration>,
    rss: Option<u64>,
    jitter: Option<f64>,
}

impl Recycle {
    /// After so many connections.
    #[must_use]
    pub fn accepts(count: u64) -> Self {
        Self::default().or_accepts(count)
    }

    /// After so many calls of [`Worker::count_request`](super::Worker::count_request).
    #[must_use]
    pub fn requests(count: u64) -> Self {
        Self::default().or_requests(count)
    }

    /// After so long.
    #[must_use]
    pub fn age(age: Duration) -> Self {
        Self::default().or_age(age)
    }

    /// When it occupies so many bytes of memory. The supervisor looks every five seconds.
    #[doc(alias = "MemoryUsageThresholdExceeded")]
    #[must_use]
    pub fn rss(bytes: u64) -> Self {
        Self::default().or_rss(bytes)
    }

    /// Or after so many connections.
    #[must_use]
    pub fn or_accepts(mut self, count: u64) -> Self {
        self.accepts = Some(count.max(1));
        self
    }

    /// Or after so many calls of [`Worker::count_request`](super::Worker::count_request).
    #[must_use]
    pub fn or_requests(mut self, count: u64) -> Self {
        self.requests = Some(count.max(1));
        self
    }

    /// Or after so long.
    #[must_use]
    pub fn or_age(mut self, age: Duration) -> Self {
        self.age = Some(age);
        self
    }

    /// Or when it occupies so many bytes of memory.
    #[must_use]
    pub fn or_rss(mut self, bytes: u64) -> Self {
        self.rss = Some(bytes);
        self
    }

    /// Sets by which share of each limit workers differ, so that those that started together are not
    /// all replaced together: 0.1 (a tenth more or less) by default.
    #[must_use]
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = Some(if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) });
        self
    }

    /// The limits of one worker. `random` is between 0 and 1.
    pub(super) fn limits(&self, random: f64) -> Limits {
        let factor = 1.0 + self.jitter.unwrap_or(0.1) * (2.0 * random - 1.0);
        let vary = |limit: u64| ((limit as f64 * factor) as u64).max(1);
        Limits {
            accepts: self.accepts.map_or(u64::MAX, vary),
            requests: self.requests.map_or(u64::MAX, vary),
            age: self.age.map(|age| age.mul_f64(factor)),
            rss: self.rss.map_or(u64::MAX, vary),
        }
    }
}

/// What one worker may do before it is replaced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    pub(super) accepts: u64,
    pub(super) requests: u64,
    pub(super) age: Option<Duration>,
    pub(super) rss: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_vary_by_the_jitter() {
        let recycle = Recycle::accepts(100).or_age(Duration::from_secs(10));
        assert_eq!(recycle.limits(0.5).accepts, 100);
        assert_eq!(recycle.limits(0.0).accepts, 90);
        assert_eq!(recycle.limits(1.0).age, Some(Duration::from_secs(11)));
        assert_eq!(recycle.limits(1.0).rss, u64::MAX);
        assert_eq!(recycle.clone().jitter(0.0).limits(1.0).accepts, 100);
        assert_eq!(recycle.clone().jitter(1.0).limits(0.0).accepts, 1);
        assert_eq!(recycle.jitter(f64::NAN).limits(1.0).accepts, 100);
    }
}
