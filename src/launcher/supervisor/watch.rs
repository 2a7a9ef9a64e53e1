//! Looking whether the loops of the workers turn, and how much memory they occupy.

use std::{
    fs,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use super::{Supervisor, process::Phase};
use crate::launcher::{
    Event,
    scoreboard::{Scoreboard, State},
    sys::{self, clock, memory, signals},
};

/// How often memory is looked at, where it has a limit.
const MEMORY: Duration = Duration::from_secs(5);

/// How long a worker may take to print what it runs and to abort before it is killed. Its slot has another one
/// meanwhile. Writing a large core file takes seconds.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// How often a worker is excused that is not given a processor.
const EXCUSES: u8 = 4;

/// What the system says of a process.
struct Condition {
    /// One letter: R runs or wants to, S sleeps, D waits in the kernel, T is stopped.
    state: char,
    /// Processor time, in ticks.
    ticks: u64,
}

impl Supervisor {
    /// Looks at the workers, if it is time to.
    pub(super) fn watch(&mut self, now: Instant) {
        let limited = self.settings.recycle.limits(0.5).rss != u64::MAX;
        let interval = match (self.settings.watchdog, limited) {
            (Some(watchdog), true) => MEMORY.min(watchdog / 4),
            (Some(watchdog), false) => watchdog / 4,
            (None, true) => MEMORY,
            (None, false) => return,
        };
        if self.next_watch.is_some_and(|then| then > now) {
            return;
        }
        self.next_watch = Some(now + interval.max(Duration::from_millis(10)));
        let mut events = Vec::new();
        for process in &mut self.processes {
            if process.phase != Phase::Ready {
                continue;
            }
            if limited
                && !process.recycling
                && memory::resident(process.id.pid) >= process.limits.rss
            {
                process.recycling = true;
            }
            let Some(watchdog) = self.settings.watchdog else {
                continue;
            };
            let entry = self.board.entry(process.place);
            let time = clock::now();
            let since = entry.busy_since.load(Relaxed).max(process.watch.stopped);
            let busy = match entry.busy_since.load(Relaxed) {
                0 => Duration::ZERO,
                _ => Duration::from_nanos(time.saturating_sub(since)),
            };
            if busy < watchdog / 2 {
                process.watch.ticks = None;
                process.watch.excused = 0;
                process.watch.told_stuck = false;
                if entry.busy_since.load(Relaxed) == 0 {
                    continue;
                }
            }
            let Some(condition) = condition(process.id.pid) else {
                continue;
            };
            let ticks = process.watch.ticks.replace(condition.ticks);
            match condition.state {
                // Somebody has stopped it, and may let it go on; the time does not count.
                'T' | 't' => process.watch.stopped = time,
                // Nothing ends it before the kernel lets go of it.
                'D' if busy >= watchdog => {
                    let told = std::mem::replace(&mut process.watch.told_stuck, true);
                    events.extend((!told).then_some(Event::Stuck(process.id)));
                }
                'R' if busy >= watchdog
                    && ticks == Some(condition.ticks)
                    && process.watch.excused < EXCUSES =>
                {
                    process.watch.excused += 1;
                }
                _ if busy >= watchdog => {
                    events.push(Event::Hung(process.id, busy));
                    process.phase = Phase::Ending { until: now + LAST_WORDS };
                    sys::process::signal(process.id.pid as i32, signals::abort_signal());
                }
                _ => {}
            }
        }
        for event in events {
            self.tell(event);
        }
    }
}

/// Whether any worker serves.
pub(super) fn is_healthy(board: &Scoreboard, watchdog: Option<Duration>) -> bool {
    let now = clock::now();
    let limit = watchdog.map_or(u64::MAX, |time| time.as_nanos() as u64);
    board.workers().any(|(_, entry)| entry.state() != State::Booting && entry.busy_for(now) < limit)
}

fn condition(pid: u32) -> Option<Condition> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain anything.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // The 14th and 15th field of the file; the state is the third.
    let mut times = fields.skip(10).map(str::parse::<u64>);
    let ticks = times.next()?.ok()? + times.next()?.ok()?;
    Some(Condition { state, ticks })
}

/// How often the system has killed a process of this one's group for lack of memory.
pub(super) fn oom_kills() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = oom_file(&groups, |path| fs::exists(path).is_ok_and(|exists| exists))?;
    oom_count(&fs::read_to_string(path).ok()?)
}

/// The file that counts the kills, of the first of the groups that has one. Both versions of cgroups may be
/// there, and only one of them looks after memory.
fn oom_file(groups: &str, exists: impl Fn(&str) -> bool) -> Option<String> {
    groups.lines().find_map(|line| {
        let (kind, group) = line.split_once(':')?.1.split_once(':')?;
        match kind {
            "" => Some(format!("/sys/fs/cgroup{group}/memory.events")),
            "memory" => Some(format!("/sys/fs/cgroup/memory{group}/memory.oom_control")),
            _ => None,
        }
        .filter(|path| exists(path))
    })
}

/// The number in that file, which has a line for it in both versions.
fn oom_count(text: &str) -> Option<u64> {
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
    count.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_runs() {
        let condition = condition(std::process::id()).unwrap();
        assert!("RS".contains(condition.state), "{}", condition.state);
    }

    #[test]
    fn kills_are_counted_in_the_group_of_either_version() {
        let first = "9:name=systemd:/\n4:memory:/api:1\n1:cpu:/\n0::/api.scope\n";
        let second = "0::/system.slice/api.service\n";
        let file_of = |groups, has: &str| oom_file(groups, |path| path.starts_with(has));
        let old = "/sys/fs/cgroup/memory/api:1/memory.oom_control";
        assert_eq!(file_of(first, "/sys/fs/cgroup/memory/").as_deref(), Some(old));
        let new = "/sys/fs/cgroup/system.slice/api.service/memory.events";
        assert_eq!(file_of(second, "/sys/fs/cgroup/").as_deref(), Some(new));
        // The second version looks after memory, though the first is mounted.
        let mixed = "/sys/fs/cgroup/api.scope/memory.events";
        assert_eq!(file_of(first, "/sys/fs/cgroup/api.scope").as_deref(), Some(mixed));
        assert_eq!(file_of(first, "/nowhere"), None);
        assert_eq!(file_of("nonsense\n", "/"), None);

        assert_eq!(oom_count("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"), Some(7));
        assert_eq!(
            oom_count("low 0\nhigh 3\nmax 9\noom 2\noom_kill 1\noom_group_kill 4\n"),
            Some(1)
        );
        assert_eq!(oom_count("oom_kill_disable 0\nunder_oom 0\n"), None);
    }
}
