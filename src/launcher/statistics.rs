//! The figures of all workers, as a structure, as JSON and for Prometheus.

use std::{fmt::Write as _, rc::Rc, sync::atomic::Ordering::Relaxed, time::Duration};

use super::{
    histogram::HistogramStatistics,
    names::Names,
    scoreboard::{BOUNDS, OWN, Scoreboard, State},
    sys::{clock, memory},
};

/// What the workers of a launcher do, at one moment; from
/// [`Worker::cluster_stats`](super::Worker::cluster_stats).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// The supervisor's process.
    pub supervisor: u32,
    /// Each worker process, those that drain included.
    pub workers: Vec<WorkerStatistics>,
    /// Connections that were accepted so far, also by workers that are gone.
    pub accepted: u64,
    /// Calls of [`Worker::count_request`](super::Worker::count_request) so far.
    pub requests: u64,
    /// Tasks that ended by a panic so far, green threads among them.
    pub panicked: u64,
    /// Connections that are open.
    pub active: u64,
    /// How often a worker was replaced because it had died.
    pub restarts: u64,
    /// The program's own counters, with their names.
    pub counters: Vec<(String, u64)>,
    /// The program's own gauges, with their names: the sums over the workers that there are.
    pub gauges: Vec<(String, i64)>,
    /// The program's own histograms.
    pub histograms: Vec<HistogramStatistics>,
}

/// What one worker does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStatistics {
    /// Which of the workers.
    pub slot: usize,
    /// How many rolling restarts there were before it was started, counted from 1.
    pub generation: u32,
    /// Its process.
    pub pid: u32,
    /// What it does.
    pub state: WorkerState,
    /// Since when it exists.
    pub age: Duration,
    /// Connections that it has accepted.
    pub accepted: u64,
    /// Calls of [`Worker::count_request`](super::Worker::count_request).
    pub requests: u64,
    /// Tasks of its loop that had ended by a panic when that last slept.
    pub panicked: u64,
    /// Connections that are open.
    pub active: u32,
    /// Tasks of its loop when that last slept, green threads included.
    pub tasks: u32,
    /// Green threads that were spawned by [`Worker::spawn_green`](super::Worker::spawn_green).
    pub green_threads: u32,
    /// For how long its loop has not been back at the kernel: zero while it sleeps there.
    pub busy: Duration,
    /// The longest time that its loop has kept others waiting: from one return from the kernel to the
    /// next call.
    pub longest_turn: Duration,
    /// How many bytes of memory it occupies.
    pub resident: u64,
}

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerState {
    /// It was started and is not ready.
    Booting,
    /// It serves.
    Ready,
    /// It accepts no more, and ends.
    Draining,
}

impl WorkerState {
    fn name(self) -> &'static str {
        match self {
            Self::Booting => "booting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

/// Reads the scoreboard.
pub(super) fn gather(board: &Scoreboard, names: &Names) -> Statistics {
    gather_from(board, board, names)
}

/// The same, with the program's own figures from another one.
pub(super) fn gather_from(board: &Scoreboard, figures: &Scoreboard, names: &Names) -> Statistics {
    let now = clock::now();
    let mut workers = Vec::new();
    for (_, entry) in board.workers() {
        let state = match entry.state() {
            State::Free => continue,
            State::Booting => WorkerState::Booting,
            State::Ready => WorkerState::Ready,
            State::Draining => WorkerState::Draining,
        };
        let pid = entry.pid.load(Relaxed);
        workers.push(WorkerStatistics {
            slot: entry.slot.load(Relaxed) as usize,
            generation: entry.generation.load(Relaxed),
            pid,
            state,
            age: Duration::from_nanos(now.saturating_sub(entry.started.load(Relaxed))),
            accepted: entry.sums.accepted.load(Relaxed),
            requests: entry.sums.requests.load(Relaxed),
            panicked: entry.sums.panicked.load(Relaxed),
            active: entry.active.load(Relaxed),
            tasks: entry.tasks.load(Relaxed),
            green_threads: entry.green_threads.load(Relaxed),
            busy: Duration::from_nanos(entry.busy_for(now)),
            // The turn that goes on may be it.
            longest_turn: Duration::from_nanos(
                entry.longest_turn.load(Relaxed).max(entry.busy_for(now)),
            ),
            resident: memory::resident(pid),
        });
    }
    workers.sort_by_key(|worker| (worker.slot, worker.generation));
    let totals = board.totals();
    Statistics {
        supervisor: board.supervisor.load(Relaxed),
        active: workers.iter().map(|worker| u64::from(worker.active)).sum(),
        workers,
        accepted: totals[0],
        requests: totals[1],
        panicked: totals[2],
        restarts: board.restarts.iter().map(|count| u64::from(count.load(Relaxed))).sum(),
        counters: counters(figures, names),
        gauges: gauges(figures, names),
        histograms: histograms(figures, names),
    }
}

fn counters(board: &Scoreboard, names: &Names) -> Vec<(String, u64)> {
    names.counters.iter().cloned().zip(board.totals().into_iter().skip(OWN)).collect()
}

fn gauges(board: &Scoreboard, names: &Names) -> Vec<(String, i64)> {
    let mut sums: Vec<_> = names.gauges.iter().map(|name| (name.clone(), 0_i64)).collect();
    for (_, entry) in board.workers() {
        for ((_, sum), own) in sums.iter_mut().zip(&entry.gauges) {
            *sum = sum.wrapping_add(own.load(Relaxed) as i64);
        }
    }
    sums
}

fn histograms(board: &Scoreboard, names: &Names) -> Vec<HistogramStatistics> {
    let read = |(number, (name, bounds)): (usize, &(String, Rc<[u64]>))| {
        let totals = board.histogram_totals(number);
        let (name, bounds) = (name.clone(), bounds.to_vec());
        let counts = totals[..=bounds.len()].to_vec();
        HistogramStatistics { name, bounds, counts, sum: totals[BOUNDS + 1] }
    };
    names.histograms.iter().enumerate().map(read).collect()
}

impl Statistics {
    /// The figures as one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let workers: Vec<_> = self
            .workers
            .iter()
            .map(|w| {
                format!(
                    "{{\"slot\":{},\"generation\":{},\"pid\":{},\"state\":\"{}\",\"age_ms\":{},\
                     \"accepted\":{},\"requests\":{},\"active\":{},\"panicked\":{},\"tasks\":{},\
                     \"green_threads\":{},\"busy_ms\":{},\"longest_turn_ms\":{},\"resident\":{}}}",
                    w.slot,
                    w.generation,
                    w.pid,
                    w.state.name(),
                    w.age.as_millis(),
                    w.accepted,
                    w.requests,
                    w.active,
                    w.panicked,
                    w.tasks,
                    w.green_threads,
                    w.busy.as_millis(),
                    w.longest_turn.as_millis(),
                    w.resident,
                )
            })
            .collect();
        let counters: Vec<_> =
            self.counters.iter().map(|(name, sum)| format!("{}:{sum}", quoted(name))).collect();
        let gauges: Vec<_> =
            self.gauges.iter().map(|(name, sum)| format!("{}:{sum}", quoted(name))).collect();
        let histograms: Vec<_> = self
            .histograms
            .iter()
            .map(|h| {
                format!(
                    "{}:{{\"count\":{},\"sum\":{},\"bounds\":{:?},\"counts\":{:?}}}",
                    quoted(&h.name),
                    h.count(),
                    h.sum,
                    h.bounds,
                    h.counts,
                )
            })
            .collect();
        format!(
            "{{\"supervisor\":{},\"accepted\":{},\"requests\":{},\"active\":{},\"restarts\":{},\
             \"panicked\":{},\"counters\":{{{}}},\"gauges\":{{{}}},\"histograms\":{{{}}},\"workers\":[{}]}}",
            self.supervisor,
            self.accepted,
            self.requests,
            self.active,
            self.restarts,
            self.panicked,
            counters.join(","),
            gauges.join(","),
            histograms.join(","),
            workers.join(","),
        )
    }

    /// The figures in the text format that Prometheus reads.
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        let mut text = String::new();
        let mut metric = |name: &str, kind: &str, help: &str, lines: &[(String, i128)]| {
            let _ =
                writeln!(text, "# HELP greenloop_{name} {help}\n# TYPE greenloop_{name} {kind}");
            for (labels, value) in lines {
                let _ = writeln!(text, "greenloop_{name}{labels} {value}");
            }
        };
        let one = |value: u64| [(String::new(), i128::from(value))];
        metric("accepted_total", "counter", "Connections accepted.", &one(self.accepted));
        metric("requests_total", "counter", "Requests counted.", &one(self.requests));
        metric("restarts_total", "counter", "Workers replaced after a death.", &one(self.restarts));
        metric("panicked_total", "counter", "Tasks ended by a panic.", &one(self.panicked));
        let per_worker = |value: fn(&WorkerStatistics) -> u64| -> Vec<_> {
            let label = |w: &WorkerStatistics| format!("{{slot=\"{}\",pid=\"{}\"}}", w.slot, w.pid);
            self.workers.iter().map(|w| (label(w), value(w).into())).collect()
        };
        metric("active", "gauge", "Connections open.", &per_worker(|w| w.active.into()));
        metric("tasks", "gauge", "Tasks of the loop.", &per_worker(|w| w.tasks.into()));
        metric(
            "green_threads",
            "gauge",
            "Green threads looked after.",
            &per_worker(|w| w.green_threads.into()),
        );
        metric("generation", "gauge", "Rolling restarts.", &per_worker(|w| w.generation.into()));
        metric(
            "ready",
            "gauge",
            "Whether the worker serves.",
            &per_worker(|w| u64::from(w.state == WorkerState::Ready)),
        );
        metric(
            "longest_turn_microseconds",
            "gauge",
            "The longest time that the loop has kept others waiting.",
            &per_worker(|w| w.longest_turn.as_micros().try_into().unwrap_or(u64::MAX)),
        );
        metric("resident_bytes", "gauge", "Memory occupied.", &per_worker(|w| w.resident));
        let label = |name: &str| format!("{{name={}}}", quoted(name));
        let counters: Vec<_> =
            self.counters.iter().map(|(name, sum)| (label(name), (*sum).into())).collect();
        let gauges: Vec<_> =
            self.gauges.iter().map(|(name, sum)| (label(name), (*sum).into())).collect();
        if !counters.is_empty() {
            metric("counter_total", "counter", "The program's own counters.", &counters);
        }
        if !gauges.is_empty() {
            metric("gauge", "gauge", "The program's own gauges.", &gauges);
        }
        let mut histograms = Vec::new();
        for histogram in &self.histograms {
            let name = quoted(&histogram.name);
            for (bound, count) in histogram.cumulative() {
                let bound = bound.map_or("+Inf".to_owned(), |bound| bound.to_string());
                let labels = format!("_bucket{{name={name},le=\"{bound}\"}}");
                histograms.push((labels, count.into()));
            }
            histograms.push((format!("_sum{{name={name}}}"), histogram.sum.into()));
            histograms.push((format!("_count{{name={name}}}"), histogram.count().into()));
        }
        if !histograms.is_empty() {
            metric("histogram", "histogram", "The program's own histograms.", &histograms);
        }
        text
    }
}

/// A text in JSON's quotes, which are Prometheus's as well.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            c if c < ' ' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launcher::names::Figures;

    fn example() -> Statistics {
        let board: &Scoreboard = memory::share_with_children().unwrap();
        let place = board.hand_out(2, 1).unwrap();
        let entry = board.entry(place);
        entry.set_state(State::Ready);
        entry.sums.accepted.store(7, Relaxed);
        entry.active.store(3, Relaxed);
        entry.sums.counters[0].store(11, Relaxed);
        board.restarts[2].store(1, Relaxed);
        entry.gauges[0].store((-5_i64) as u64, Relaxed);
        let mut names = Names::default();
        names.add_counter("jobs \"done\"".into());
        names.add_gauge("waiting".into());
        names.add_histogram("size".into(), [10, 20].into());
        names.write_to(board);
        let figures = Figures::new(names.clone(), board, place).unwrap();
        let size = figures.histogram("size").unwrap();
        [3, 10, 11, 500].into_iter().for_each(|value| size.record(value));
        gather(board, &names)
    }

    #[test]
    fn json_has_the_workers_and_the_sums() {
        let json = example().to_json();
        assert!(
            json.contains("\"accepted\":7,\"requests\":0,\"active\":3,\"restarts\":1"),
            "{json}"
        );
        assert!(json.contains("\"counters\":{\"jobs \\\"done\\\"\":11}"), "{json}");
        assert!(json.contains("\"gauges\":{\"waiting\":-5}"), "{json}");
        let histogram =
            "{\"size\":{\"count\":4,\"sum\":524,\"bounds\":[10, 20],\"counts\":[2, 1, 1]}}";
        assert!(json.contains(histogram), "{json}");
        assert!(json.contains("\"slot\":2") && json.contains("\"state\":\"ready\""), "{json}");
        assert_eq!(json.matches('{').count(), json.matches('}').count());
    }

    #[test]
    fn prometheus_gets_a_type_for_each_metric() {
        let text = example().to_prometheus();
        assert!(
            text.contains("# TYPE greenloop_accepted_total counter\ngreenloop_accepted_total 7\n")
        );
        assert!(text.contains("greenloop_active{slot=\"2\",pid=\"0\"} 3\n"), "{text}");
        assert!(text.contains("greenloop_gauge{name=\"waiting\"} -5\n"), "{text}");
        assert!(
            text.contains("greenloop_counter_total{name=\"jobs \\\"done\\\"\"} 11\n"),
            "{text}"
        );
        let histogram = "# TYPE greenloop_histogram histogram\n\
                         greenloop_histogram_bucket{name=\"size\",le=\"10\"} 2\n\
                         greenloop_histogram_bucket{name=\"size\",le=\"20\"} 3\n\
                         greenloop_histogram_bucket{name=\"size\",le=\"+Inf\"} 4\n\
                         greenloop_histogram_sum{name=\"size\"} 524\n\
                         greenloop_histogram_count{name=\"size\"} 4\n";
        assert!(text.contains(histogram), "{text}");
    }

    #[test]
    fn a_gauge_of_a_worker_that_is_gone_does_not_count() {
        let board: &Scoreboard = memory::share_with_children().unwrap();
        let mut names = Names::default();
        names.add_gauge("waiting".into());
        let places = [board.hand_out(0, 1).unwrap(), board.hand_out(1, 1).unwrap()];
        for place in places {
            board.entry(place).gauges[0].store(3, Relaxed);
        }
        assert_eq!(gather(board, &names).gauges, [("waiting".to_owned(), 6)]);
        board.bury(places[0]);
        assert_eq!(gather(board, &names).gauges, [("waiting".to_owned(), 3)]);
        let again = board.hand_out(0, 1).unwrap();
        assert_eq!(board.entry(again).gauges[0].load(Relaxed), 0);
    }

    #[test]
    fn quotes_hide_nothing() {
        assert_eq!(quoted("a\"b\\c\nd\u{1}"), r#""a\"b\\c\nd\u0001""#);
    }
}
