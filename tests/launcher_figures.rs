//! The program's own figures: whatever becomes of the workers, no sum goes down, and all readers see the
//! same.
#![cfg(all(feature = "launcher", target_os = "linux"))]
#![allow(unsafe_code, reason = "the support module sends signals")]

use std::{
    collections::BTreeMap,
    fs, io,
    path::PathBuf,
    process::{ExitCode, Stdio},
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

#[path = "launcher_support/mod.rs"]
mod launcher_support;
use launcher_support::*;

use greenloop::launcher::{Histogram, Launcher, SpawnMode};

fn main() -> ExitCode {
    launcher_support::main(
        named![server, changing, twice],
        named![
            a_histogram_outlives_its_workers,
            a_histogram_is_shared_with_workers_that_were_executed,
            a_histogram_works_without_workers,
            a_dump_has_the_histograms,
            a_program_that_was_replaced_does_not_add_to_others_figures,
            a_name_that_was_given_twice_is_an_error,
            panics_are_counted_and_outlive_their_worker,
        ],
    )
}

const BOUNDS: [u64; 4] = [1, 10, 100, 1000];

fn measured(launcher: Launcher) -> Launcher {
    let exec = std::env::var("EXEC").is_ok();
    let launcher = launcher.spawn_mode(if exec { SpawnMode::Exec } else { SpawnMode::Fork });
    launcher
        .histogram("idle", [5])
        .histogram("size", Histogram::exponential_bounds(1, 10.0, BOUNDS.len()))
}

fn server() -> io::Result<ExitCode> {
    let launcher = match std::env::var("CONTROL") {
        Ok(path) => launcher().control(path),
        Err(_) => launcher(),
    };
    measured(launcher.counter("jobs")).run(serve)
}

/// Another program from the moment at which there is a certain file.
fn changing() -> io::Result<ExitCode> {
    let launcher = launcher().control(std::env::var("CONTROL").unwrap());
    if fs::exists(std::env::var("CHANGED").unwrap())? {
        measured(launcher.counter("new").counter("jobs")).run(serve)
    } else {
        measured(launcher.counter("jobs")).run(serve)
    }
}

fn twice() -> io::Result<ExitCode> {
    launcher().histogram("size", [1]).histogram("size", [2]).run(serve)
}

/// What Prometheus would read: the value of each series.
fn series(text: &str) -> BTreeMap<String, f64> {
    let mut types = BTreeMap::new();
    let mut all = BTreeMap::new();
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("# TYPE ") {
            let (name, kind) = line.split_once(' ').unwrap();
            assert!(types.insert(name, kind).is_none(), "{name} has two types");
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let is_part = |name: &str, end| {
                name.strip_suffix(end).is_some_and(|name| types.get(name) == Some(&"histogram"))
            };
            let has_type = types.contains_key(name)
                || ["_bucket", "_sum", "_count"].iter().any(|end| is_part(name, end));
            assert!(has_type, "{name} has no type");
            let twice = all.insert(series.to_owned(), value.parse().unwrap());
            assert!(twice.is_none(), "{series} is there twice");
        }
    }
    all
}

/// The counts up to each bound of "size", and the sum; that they fit each other is checked.
fn distribution(text: &str) -> ([u64; BOUNDS.len() + 1], u64) {
    let all = series(text);
    let value =
        |series: &str| *all.get(series).unwrap_or_else(|| panic!("{series}: {text}")) as u64;
    let bounds = BOUNDS.map(|bound| bound.to_string());
    let mut bounds = bounds.iter().map(String::as_str).chain(["+Inf"]);
    let counts = std::array::from_fn(|_| {
        let bound = bounds.next().unwrap();
        value(&format!("greenloop_histogram_bucket{{name=\"size\",le=\"{bound}\"}}"))
    });
    assert!(counts.is_sorted(), "{text}");
    assert_eq!(counts[BOUNDS.len()], value("greenloop_histogram_count{name=\"size\"}"));
    assert_eq!(value("greenloop_histogram_count{name=\"idle\"}"), 0);
    (counts, value("greenloop_histogram_sum{name=\"size\"}"))
}

fn naive(values: &[u64]) -> ([u64; BOUNDS.len() + 1], u64) {
    let up_to = |bound| values.iter().filter(|value| **value <= bound).count() as u64;
    let counts = std::array::from_fn(|place| up_to(*BOUNDS.get(place).unwrap_or(&u64::MAX)));
    (counts, values.iter().sum())
}

/// Workers record, one is killed, all are replaced, and record again.
fn outlives_its_workers(exec: bool) {
    let path = scratch("control");
    let path = path.to_str().unwrap();
    let mut start = program("server").env("CONTROL", path);
    if exec {
        start = start.env("EXEC", 1);
    }
    let launched = start.start();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    let mut clients = [(); 2].map(|()| Client::connect(address).unwrap());
    wait_until("they are at different workers", || {
        clients[1] = Client::connect(address).unwrap();
        let slots = [0, 1].map(|place: usize| clients[place].ask("slot").unwrap());
        slots[0] != slots[1]
    });
    let mut values = Vec::new();
    for value in [0, 1, 2, 10, 11, 100, 1000, 1001, 5_000_000] {
        let client = &mut clients[values.len() % 2];
        values.push(value);
        let own = client.ask(&format!("record {value}")).unwrap();
        assert_eq!(own, values.len().div_ceil(2).to_string());
    }
    assert_eq!(distribution(&command(path, "prometheus")), naive(&values));

    let victim = clients[0].ask("pid").unwrap().parse().unwrap();
    kill(victim, libc::SIGKILL);
    launched.wait_line("SIGKILL");
    assert_eq!(distribution(&command(path, "prometheus")), naive(&values));
    launched.wait_lines(") is ready", 3);
    drop(clients);
    assert!(command(path, "roll").contains("\"replaced\":2"));
    launched.wait_lines("has ended", 2);
    assert_eq!(distribution(&command(path, "prometheus")), naive(&values));

    values.push(7);
    assert_eq!(ask(address, "record 7").unwrap(), "1");
    assert_eq!(distribution(&command(path, "prometheus")), naive(&values));
    let status = command(path, "status");
    let expected = "\"size\":{\"count\":10,\"sum\":5002132,\"bounds\":[1, 10, 100, 1000],\
                    \"counts\":[2, 3, 2, 1, 2]}";
    assert!(status.contains(expected), "{status}");
    launched.stop();
}

fn a_histogram_outlives_its_workers() {
    outlives_its_workers(false);
}

fn a_histogram_is_shared_with_workers_that_were_executed() {
    outlives_its_workers(true);
}

fn a_histogram_works_without_workers() {
    let launched = program("server").env("WORKERS", 0).start();
    let mut client = Client::connect(launched.address()).unwrap();
    assert_eq!(client.ask("record 50").unwrap(), "1");
    let figures = client.ask("stats").unwrap();
    assert!(figures.contains("\"size\":{\"count\":1,\"sum\":50,"), "{figures}");
    drop(client);
    launched.stop();
}

fn a_dump_has_the_histograms() {
    let start = program("server").with(|command| {
        command.stderr(Stdio::piped());
    });
    let mut launched = start.start();
    let mut stderr = launched.stderr();
    launched.wait_line("the workers are ready");
    assert_eq!(ask(launched.address(), "record 50").unwrap(), "1");
    launched.signal(libc::SIGUSR1);
    // Whatever is said after the signal was acted on after it.
    launched.signal(libc::SIGHUP);
    launched.wait_line("rolling restart to");
    launched.wait_line("has finished");
    launched.stop();
    let mut text = String::new();
    io::Read::read_to_string(&mut stderr, &mut text).unwrap();
    assert!(text.contains("\"size\":{\"count\":1,\"sum\":50,"), "{text}");
}

fn a_program_that_was_replaced_does_not_add_to_others_figures() {
    let (path, changed) = (scratch("control"), scratch("changed"));
    let path = path.to_str().unwrap();
    let start = program("changing").env("EXEC", 1).env("WORKERS", 1);
    let start = start.env("CONTROL", path).env("CHANGED", changed.display());
    let start = start.with(|command| {
        command.stderr(Stdio::piped());
    });
    let mut launched = start.start();
    let mut stderr = launched.stderr();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    assert_eq!(ask(address, "count").unwrap(), "1");
    assert_eq!(ask(address, "record 3").unwrap(), "1");
    fs::write(&changed, "").unwrap();
    assert!(command(path, "roll").contains("\"replaced\":1"));
    launched.wait_line("has ended");
    // The new program counts, but nobody takes its "new" for the old one's "jobs".
    assert_eq!(ask(address, "count").unwrap(), "1");
    assert_eq!(ask(address, "count").unwrap(), "2");
    assert_eq!(ask(address, "record 3").unwrap(), "1");
    let status = command(path, "status");
    assert!(status.contains("\"counters\":{\"jobs\":1}"), "{status}");
    assert!(status.contains("\"size\":{\"count\":1,"), "{status}");
    // What it does otherwise is seen.
    assert!(status.contains("\"accepted\":5,\"requests\":5"), "{status}");

    // Its own supervisor has its figures.
    assert!(command(path, "upgrade").contains("\"ok\":true"));
    wait_until("the successor answers", || command(path, "status").contains("\"new\":0"));
    wait_until("the predecessor has ended", || launched.processes().len() == 2);
    assert_eq!(ask(address, "count").unwrap(), "1");
    assert!(command(path, "status").contains("\"counters\":{\"new\":0,\"jobs\":1}"));
    assert_eq!(command(path, "stop"), "{\"ok\":true}");
    launched.ended();
    let mut text = String::new();
    io::Read::read_to_string(&mut stderr, &mut text).unwrap();
    assert_eq!(text.matches("not seen until an upgrade").count(), 1, "{text}");
    fs::remove_file(changed).unwrap();
}

fn a_name_that_was_given_twice_is_an_error() {
    let (status, lines) = program("twice").start().ended();
    assert_eq!(status.code(), Some(3));
    assert_eq!(lines, ["error: two histograms are named \"size\""]);
}

fn panics_are_counted_and_outlive_their_worker() {
    let path = scratch("control");
    let path = path.to_str().unwrap();
    let launched = program("server").env("WORKERS", 1).env("CONTROL", path).start();
    launched.wait_line("the workers are ready");
    let address = launched.address();
    for _ in 0..2 {
        assert!(ask(address, "panic").is_err());
    }
    // The loop has slept since.
    let mut client = Client::connect(address).unwrap();
    let pid = client.ask("pid").unwrap().parse().unwrap();
    let panicked = || series(&command(path, "prometheus"))["greenloop_panicked_total"];
    wait_until("the loop has told", || panicked() == 2.0);
    kill(pid, libc::SIGKILL);
    launched.wait_lines(") is ready", 2);
    assert_eq!(panicked(), 2.0);
    launched.stop();
}

/// A path in the folder for temporary files that nobody else uses.
fn scratch(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, SeqCst);
    std::env::temp_dir().join(format!("greenloop-f-{}-{count}-{name}", std::process::id()))
}
