//! When a worker that has died is replaced, and when that is given up.

use std::time::{Duration, Instant};

/// What happens when workers die, from [`Restart::backoff`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use greenloop::launcher::{OnCrashLoop, Restart};
///
/// let restart = Restart::backoff(Duration::from_millis(100), Duration::from_secs(10))
///     .give_up_after(5, Duration::from_secs(30))
///     .on_crash_loop(OnCrashLoop::Exit);
/// # let _ = restart;
/// ```
#[derive(Clone, Debug)]
pub struct Restart {
    shortest: Duration,
    longest: Duration,
    stable: Duration,
    give_up: u32,
    within: Duration,
    pub(super) on_crash_loop: OnCrashLoop,
}

/// What is done when workers die again and again before they are ready, or one of them says that it
/// never will be ([`Worker::fatal`](super::Worker::fatal)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnCrashLoop {
    /// The other workers are drained, and the launcher ends with status 78.
    Exit,
    /// Nothing: they are started again and again, at the longest interval. One that has said it is
    /// no use is not.
    KeepTrying,
    /// Their slots stay empty until a rolling restart, and the other workers serve on. When there is
    /// none left the launcher ends with status 78.
    KeepOthers,
}

impl Default for Restart {
    fn default() -> Self {
        Self::backoff(Duration::from_millis(100), Duration::from_secs(10))
    }
}

impl Restart {
    /// Replaces a worker that died after `shortest`, twice that when its replacement dies as well, and
    /// so on up to `longest`. The times vary by a tenth, so that workers that died together do not
    /// start together for ever. By default 100 ms and 10 s.
    #[must_use]
    pub fn backoff(shortest: Duration, longest: Duration) -> Self {
        Self {
            shortest,
            longest: longest.max(shortest),
            stable: Duration::from_secs(10),
            give_up: 5,
            within: Duration::from_secs(30),
            on_crash_loop: OnCrashLoop::Exit,
        }
    }

    /// Sets for how long a worker must have been ready until its death counts as its first: 10 s by
    /// default.
    #[must_use]
    pub fn stable_after(mut self, time: Duration) -> Self {
        self.stable = time;
        self
    }

    /// Sets how many deaths before being ready, of whatever workers, within which time are a crash
    /// loop: 5 in 30 s by default.
    #[must_use]
    pub fn give_up_after(mut self, deaths: u32, within: Duration) -> Self {
        self.give_up = deaths.max(1);
        self.within = within;
        self
    }

    /// Sets what is done in a crash loop: [`OnCrashLoop::Exit`] by default.
    #[must_use]
    pub fn on_crash_loop(mut self, reaction: OnCrashLoop) -> Self {
        self.on_crash_loop = reaction;
        self
    }

    /// Whether a worker that was ready for so long has proved itself.
    pub(super) fn is_stable(&self, ready_for: Duration) -> bool {
        ready_for >= self.stable
    }

    /// How long to wait after so many deaths in a row, at least one. `jitter` is between 0 and 1.
    pub(super) fn pause(&self, deaths: u32, jitter: f64) -> Duration {
        let doublings = deaths.saturating_sub(1).min(31);
        let pause = self.shortest.saturating_mul(1 << doublings).min(self.longest);
        pause.mul_f64(1.0 + jitter / 10.0)
    }
}

/// The latest deaths before being ready.
#[derive(Debug, Default)]
pub(super) struct BootDeaths(Vec<Instant>);

impl BootDeaths {
    /// Notes one, and tells whether it makes a crash loop.
    pub(super) fn add(&mut self, now: Instant, restart: &Restart) -> bool {
        self.0.retain(|then| now.duration_since(*then) <= restart.within);
        self.0.push(now);
        self.0.len() >= restart.give_up as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_longest() {
        let restart = Restart::default();
        let pauses: Vec<_> = (1..=9).map(|deaths| restart.pause(deaths, 0.0).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(restart.pause(u32::MAX, 1.0), 11 * SECOND);
        assert_eq!(restart.pause(1, 1.0), Duration::from_millis(110));
    }

    #[test]
    fn only_deaths_close_together_are_a_crash_loop() {
        let restart = Restart::default().give_up_after(3, 10 * SECOND);
        let start = Instant::now();
        let mut deaths = BootDeaths::default();
        assert!(!deaths.add(start, &restart));
        assert!(!deaths.add(start + SECOND, &restart));
        assert!(!deaths.add(start + 12 * SECOND, &restart));
        assert!(!deaths.add(start + 13 * SECOND, &restart));
        assert!(deaths.add(start + 14 * SECOND, &restart));
    }
}
