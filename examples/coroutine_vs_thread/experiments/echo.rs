//! Echo servers, from one connection to thousands, with clients that think and clients that do not.

use std::io;

use serde_json::json;

use super::{
    run::{Run, series, times},
    scale::Scale,
};
use crate::{
    child::Child,
    data::{Axis, Better, Finding, Holds, Kind, Picture, Point, Scale as Lengths, Section, Unit},
    draw::figures::{figure, thousands},
    model::Model,
};

/// How many steps it takes.
pub fn steps(scale: &Scale) -> usize {
    2 * scale.connections.len() * scale.echo_reps
}

/// Takes all samples.
pub fn measure(run: &mut Run) {
    for thinking in [false, true] {
        for &connections in run.scale.connections {
            if !is_possible(run, connections) {
                let (wanted, limit) = (connections as f64, run.most_descriptors as f64);
                let (wanted, limit) = (thousands(wanted), thousands(limit));
                let why = format!("a process may have {limit} descriptors (ulimit -n)");
                run.limit("echo", format!("There are no {wanted} connections: {why}."));
                continue;
            }
            // All of them are there at the same time, and work one after the other.
            let mut pairs: Vec<(Model, Pair)> = Vec::new();
            for model in Model::ALL {
                match Pair::start(run, model, connections, thinking) {
                    Ok(pair) => pairs.push((model, pair)),
                    Err(why) => fail(run, model, connections, &why),
                }
            }
            for (model, pair) in &pairs {
                // It does not matter whether they will think: that makes two repetitions.
                let (memory, rep) = (json!({ "memory": pair.memory }), usize::from(thinking));
                run.add("echo/memory", model.name(), connections as f64, rep, &memory);
            }
            for rep in 0..run.scale.echo_reps {
                let words = if thinking { "echo, clients that think" } else { "echo" };
                run.step(&format!("{words}: {} connections", thousands(connections as f64)));
                for model in Run::order(rep) {
                    let Some(at) = pairs.iter().position(|(it, _)| *it == model) else { continue };
                    match pairs[at].1.slice() {
                        Ok(figures) => {
                            let name = experiment(thinking);
                            run.add(name, model.name(), connections as f64, rep, &figures);
                        }
                        Err(why) => {
                            fail(run, model, connections, &why);
                            pairs.remove(at);
                        }
                    }
                }
            }
        }
    }
}

/// Whether a process may have so many connections.
fn is_possible(run: &Run, connections: usize) -> bool {
    connections + OWN_DESCRIPTORS <= run.most_descriptors
}

/// What servers and clients have open beside their connections.
const OWN_DESCRIPTORS: usize = 50;

fn experiment(thinking: bool) -> &'static str {
    if thinking { "echo/thinking" } else { "echo/busy" }
}

fn fail(run: &mut Run, model: Model, connections: usize, why: &io::Error) {
    let connections = thousands(connections as f64);
    run.limit("echo", format!("{} with {connections} connections: {why}", model.name()));
}

/// A server and its clients.
struct Pair {
    clients: Child,
    /// What a connection takes of the server's memory.
    memory: Option<f64>,
    _server: Child,
}

impl Pair {
    fn start(run: &Run, model: Model, connections: usize, thinking: bool) -> io::Result<Self> {
        let list =
            |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let mut server = Child::start(&[
            "serve".to_owned(),
            model.word(),
            format!("--cpus={}", list(&run.server_cpus)),
            format!("--workers={}", run.workers()),
        ])?;
        let address = server.answer()?;
        if model == Model::Process {
            server.end_softly();
        }
        let pids = address["pids"].as_array().into_iter().flatten();
        let pids: Vec<_> = pids.map(ToString::to_string).collect();
        let think = if thinking { run.scale.think.as_millis() } else { 0 };
        let mut clients = Child::start(&[
            "load".to_owned(),
            format!("--port={}", address["port"]),
            format!("--servers={}", pids.join(",")),
            format!("--cpu={}", run.load_cpu),
            format!("--connections={connections}"),
            format!("--think={think}"),
            // With think time, everybody has spoken once before it counts.
            format!("--lead-in={}", think.max(50)),
            format!("--slice={}", run.scale.slice[usize::from(thinking)].as_millis()),
            format!("--least={}", run.scale.least),
            format!("--beyond={}", run.scale.beyond),
        ])?;
        let memory = clients.answer()?["memory"].as_f64();
        Ok(Self { clients, memory, _server: server })
    }

    fn slice(&mut self) -> io::Result<serde_json::Value> {
        self.clients.go_on();
        self.clients.answer()
    }
}

/// Makes the pictures.
pub fn section(run: &Run) -> Section {
    let xs = run.scale.connections.iter().filter(|&&it| it == 1 || is_possible(run, it));
    let xs: Vec<f64> = xs.map(|&it| it as f64).collect();
    let most = xs.iter().copied().fold(1.0, f64::max);
    // A page more or less says nothing about one connection.
    let enough: Vec<f64> = xs.iter().copied().filter(|it| *it >= most.min(100.0)).collect();
    let axis =
        || Some(Axis { label: "connections".to_owned(), unit: Unit::Count, scale: Lengths::Log });
    let picture =
        |id: &str, title: &str, says: String, thinking, metric, unit, scale, better| Picture {
            id: format!("echo-{id}"),
            title: title.to_owned(),
            says,
            kind: Kind::Lines,
            measure: measure_of(metric).to_owned(),
            unit,
            scale,
            better,
            x: axis(),
            series: {
                let (name, xs) = match metric {
                    "memory" => ("echo/memory", &enough),
                    _ => (experiment(thinking), &xs),
                };
                let mut series = run.lines(name, metric, xs);
                if !matches!(metric, "memory" | "cpu_us") {
                    for point in series.iter_mut().flat_map(|it| &mut it.points) {
                        *point = run.on_the_wall("echo", std::mem::take(point));
                    }
                }
                series
            },
        };
    let parts = [("p50_us", "half of all"), ("p99_us", "99 of 100"), ("p999_us", "999 of 1,000")];
    let latencies = |id: &str, title: String, says: String, thinking| Picture {
        id: format!("echo-{id}"),
        title,
        says,
        kind: Kind::Bars,
        measure: "so many answers come within".to_owned(),
        unit: Unit::Microseconds,
        scale: Lengths::Log,
        better: Better::Lower,
        x: None,
        series: series(|model| {
            let point = |(metric, words): &(&str, &str)| {
                let all = |metric| run.summary(experiment(thinking), metric, model.name(), most);
                // One that only the luckier repetitions have would look better than it is.
                let count = all("p50_us").map_or(0, |it| it.count);
                let summary = all(metric).filter(|it| it.count == count);
                run.on_the_wall("echo", Point::of(summary).group(*words))
            };
            parts.iter().map(point).collect()
        }),
    };
    let ratio = |thinking, metric, pair, x| run.ratio(experiment(thinking), metric, pair, x);
    let threads = [Model::Thread, Model::Async];
    let word = |thinking, metric, model, x, unit| {
        let name = if metric == "memory" { "echo/memory" } else { experiment(thinking) };
        let median = run.median(name, metric, model, x);
        median.map_or("?".to_owned(), |it| figure(it, unit))
    };
    let many = thousands(most);
    let busiest = run
        .samples
        .iter()
        .filter(|it| it.experiment == "echo/busy" && it.metric == "load_busy")
        .map(|it| it.value)
        .fold(0.0, f64::max);
    let mut limits = run.limits_of("echo");
    if busiest > 0.95 {
        limits.push(
            "The clients used up their processor, so the throughput of the fastest servers is theirs, and \
             the CPU time of a message says more."
                .to_owned(),
        );
    }
    let cpu = ratio(false, "cpu_us", threads, most);
    let cpu_green = ratio(false, "cpu_us", [Model::Green, Model::Async], most);
    let thinking = ratio(true, "cpu_us", threads, most);
    let memory = run.ratio("echo/memory", "memory", threads, most);
    let (few, few_cpu) = (xs[0], ratio(false, "cpu_us", threads, xs[0]));
    let micros = Unit::Microseconds;
    Section {
        id: "echo".to_owned(),
        title: "Serving: echo, from one connection to thousands".to_owned(),
        text: format!(
            "A task, a green thread or a thread per connection, or {} worker processes with a task per \
             connection, on processor {}; the clients on processor {}. All servers are up at the same time and \
             work in turns. Busy clients send the next message as soon as they have the answer, so their \
             latency is the length of the queue; the others think for {} ms on average.",
            run.workers(),
            run.server_cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
            run.load_cpu,
            run.scale.think.as_millis()
        ),
        pictures: vec![
            picture(
                "throughput",
                "Messages per second, busy clients",
                format!(
                    "With {many} busy connections, tasks echo {} messages a second, green threads {}, threads \
                     {} and processes {}.",
                    word(false, "per_second", Model::Async, most, Unit::Count),
                    word(false, "per_second", Model::Green, most, Unit::Count),
                    word(false, "per_second", Model::Thread, most, Unit::Count),
                    word(false, "per_second", Model::Process, most, Unit::Count),
                ),
                false,
                "per_second",
                Unit::PerSecond,
                Lengths::Linear,
                Better::Higher,
            ),
            picture(
                "cpu",
                "CPU time of a message, busy clients",
                format!(
                    "A thread per connection takes {} the CPU time of a task per connection with {many} busy \
                     connections, and {} with {}.",
                    times(cpu),
                    times(few_cpu),
                    if few == 1.0 { "one".to_owned() } else { thousands(few) },
                ),
                false,
                "cpu_us",
                micros,
                Lengths::Linear,
                Better::Lower,
            ),
            latencies(
                "latency",
                format!("How long {many} busy clients wait"),
                format!(
                    "Half of {many} busy clients have their answer within {} from tasks and {} from threads: the \
                     length of the queue, at the speed of the server.",
                    word(false, "p50_us", Model::Async, most, micros),
                    word(false, "p50_us", Model::Thread, most, micros),
                ),
                false,
            ),
            picture(
                "thinking-cpu",
                "CPU time of a message, clients that think",
                format!(
                    "With {many} connections that say something now and then, a message takes threads {} the \
                     CPU time that it takes tasks.",
                    times(thinking),
                ),
                true,
                "cpu_us",
                micros,
                Lengths::Linear,
                Better::Lower,
            ),
            picture(
                "thinking-p99",
                "The slowest hundredth of all answers, clients that think",
                format!(
                    "With {many} connections that think, 99 of 100 answers come within {} from tasks, {} from \
                     green threads and {} from threads.",
                    word(true, "p99_us", Model::Async, most, micros),
                    word(true, "p99_us", Model::Green, most, micros),
                    word(true, "p99_us", Model::Thread, most, micros),
                ),
                true,
                "p99_us",
                micros,
                Lengths::Log,
                Better::Lower,
            ),
            latencies(
                "thinking-latency",
                format!("How long {many} clients that think wait"),
                format!(
                    "Half of the answers to {many} clients that think come within {} from tasks, {} from green \
                     threads, {} from threads and {} from processes.",
                    word(true, "p50_us", Model::Async, most, micros),
                    word(true, "p50_us", Model::Green, most, micros),
                    word(true, "p50_us", Model::Thread, most, micros),
                    word(true, "p50_us", Model::Process, most, micros),
                ),
                true,
            ),
            picture(
                "memory",
                "The server's memory of a connection",
                format!(
                    "Each of {many} connections, with its buffer of 4 KiB, takes {} of a server of tasks, {} of \
                     one of green threads and {} of one of threads, beside what the kernel keeps.",
                    word(false, "memory", Model::Async, most, Unit::Bytes),
                    word(false, "memory", Model::Green, most, Unit::Bytes),
                    word(false, "memory", Model::Thread, most, Unit::Bytes),
                ),
                false,
                "memory",
                Unit::Bytes,
                Lengths::Log,
                Better::Lower,
            ),
        ],
        findings: vec![
            Finding {
                claim: "For many connections that mostly wait, coroutines are the better servers."
                    .to_owned(),
                holds: match thinking.zip(memory) {
                    Some((cpu, memory)) if cpu > 1.25 && memory > 1.5 => Holds::Yes,
                    Some((cpu, memory)) if cpu > 1.25 || memory > 1.5 => Holds::Partly,
                    Some(_) => Holds::No,
                    None => Holds::Unknown,
                },
                says: format!(
                    "With {many} connections, threads take {} the memory of tasks in the program alone, and for a \
                     message {} the CPU time when clients think, {} when all are busy.",
                    times(memory),
                    times(thinking),
                    times(cpu),
                ),
            },
            Finding {
                claim: "For a few connections it does not matter.".to_owned(),
                holds: Holds::when(few_cpu.map(|it| it < 1.5)),
                says: format!(
                    "With {} a message takes threads {} the CPU time of tasks.",
                    if few == 1.0 {
                        "one connection".to_owned()
                    } else {
                        format!("{few} connections")
                    },
                    times(few_cpu)
                ),
            },
            Finding {
                claim: "Code that reads like that of threads need not cost what threads cost."
                    .to_owned(),
                holds: Holds::when(cpu_green.zip(cpu).map(|(green, cpu)| green < cpu)),
                says: format!(
                    "Green threads run the very handler of the threads, and take {} the CPU time of tasks.",
                    times(cpu_green)
                ),
            },
        ],
        limits,
    }
}

fn measure_of(metric: &str) -> &'static str {
    match metric {
        "per_second" => "messages per second",
        "cpu_us" => "CPU time of the server for one message",
        "memory" => "resident memory of one connection",
        _ => "99 of 100 answers come within",
    }
}
