//! How many workers there are to be.

use std::thread::available_parallelism;

use super::scoreboard::SLOTS;

/// How many worker processes a [`Launcher`](super::Launcher) starts. A number is one, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Workers {
    /// What `GREENLOOP_WORKERS` says in the environment, else `WEB_CONCURRENCY`, else one for each
    /// processor that this process may use ([`available_parallelism`]: affinity and cgroup quotas
    /// count).
    #[default]
    Auto,
    /// So many, at most 256. None at all means [`Inline`](Self::Inline).
    Count(usize),
    /// None: the closure runs in this process, for debugging, profiling and tests. Nothing is
    /// forked, and nobody restarts it.
    Inline,
}

impl Workers {
    /// The same as [`Workers::Inline`].
    #[must_use]
    pub fn inline() -> Self {
        Self::Inline
    }

    /// How many; `None` to run inline. An error is a text to show.
    pub(super) fn count(self) -> Result<Option<usize>, String> {
        self.count_with(|name| std::env::var(name).ok())
    }

    fn count_with(
        self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<usize>, String> {
        let count = match self {
            Self::Inline => 0,
            Self::Count(count) => count,
            Self::Auto => match from_environment(variable)? {
                Some(count) => count,
                // A system that cannot tell has one at least.
                None => available_parallelism().map_or(1, usize::from).min(SLOTS),
            },
        };
        if count > SLOTS {
            return Err(format!("{count} workers are more than the {SLOTS} that there can be"));
        }
        Ok((count > 0).then_some(count))
    }
}

impl From<usize> for Workers {
    fn from(count: usize) -> Self {
        Self::Count(count)
    }
}

fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<usize>, String> {
    for name in ["GREENLOOP_WORKERS", "WEB_CONCURRENCY"] {
        if let Some(value) = variable(name).filter(|value| !value.trim().is_empty()) {
            let count = value.trim().parse();
            let count = count.map_err(|_| format!("{name}={value:?} is no number of workers"))?;
            return Ok(Some(count));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(variables: &[(&str, &str)]) -> Result<Option<usize>, String> {
        Workers::Auto.count_with(|name| {
            variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_goes_before_the_machine() {
        assert_eq!(auto(&[("WEB_CONCURRENCY", "3")]), Ok(Some(3)));
        assert_eq!(auto(&[("WEB_CONCURRENCY", "3"), ("GREENLOOP_WORKERS", "5")]), Ok(Some(5)));
        assert_eq!(auto(&[("GREENLOOP_WORKERS", ""), ("WEB_CONCURRENCY", "2")]), Ok(Some(2)));
        assert_eq!(auto(&[("GREENLOOP_WORKERS", "0")]), Ok(None));
        assert!(auto(&[]).unwrap().unwrap() >= 1);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        assert!(auto(&[("GREENLOOP_WORKERS", "many")]).unwrap_err().contains("GREENLOOP_WORKERS"));
        assert!(auto(&[("WEB_CONCURRENCY", "-1")]).unwrap_err().contains("WEB_CONCURRENCY"));
        assert!(Workers::Count(100_000).count().unwrap_err().contains("256"));
    }

    #[test]
    fn none_is_inline() {
        assert_eq!(Workers::from(0).count(), Ok(None));
        assert_eq!(Workers::inline().count(), Ok(None));
        assert_eq!(Workers::from(4).count(), Ok(Some(4)));
    }
}
