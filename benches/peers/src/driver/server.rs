//! An echo server and the load generator that belongs to it, as the driver sees them.

use super::Run;
use super::child::{self, Answers, Child};
use crate::cpu;
use crate::load::Traffic;
use crate::runtimes::Runtime;

/// An echo server that runs until this is dropped.
pub struct Server {
    child: Child,
    pid: i32,
    port: u16,
}

impl Server {
    /// Starts the server of `runtime` under `wrapper` (strace, say), and waits until it listens.
    pub fn start(
        runtime: &Runtime,
        buffer: usize,
        cpu: usize,
        wrapper: &[String],
    ) -> Result<Self, String> {
        let mut child = Child::start(
            wrapper,
            &[
                "serve".to_owned(),
                runtime.name.to_owned(),
                format!("--buffer={buffer}"),
                format!("--cpu={cpu}"),
            ],
        )?;
        let answers = child.answers_until("port")?;
        Ok(Server { child, pid: answers["pid"] as i32, port: answers["port"] as u16 })
    }

    /// Ends the server softly and waits, so that what it runs under can write its report.
    pub fn end(mut self) -> Result<(), String> {
        cpu::terminate(self.pid).map_err(|error| error.to_string())?;
        self.child.wait()
    }

    /// Sends exactly `messages` messages of 64 bytes.
    ///
    /// One connection pauses before each, so that the message finds the server asleep.
    pub fn send(&self, cpu: usize, connections: usize, messages: u64) -> Result<(), String> {
        let traffic = Traffic { connections, size: 64, in_flight: 1, idle: 0, short: false };
        let mut arguments = self.load_arguments(cpu, traffic);
        arguments.push(format!("--messages={messages}"));
        if connections == 1 {
            arguments.push("--pause-us=300".to_owned());
        }
        child::run(&arguments).map(drop)
    }

    fn load_arguments(&self, cpu: usize, traffic: Traffic) -> Vec<String> {
        let mut arguments = vec![
            "load".to_owned(),
            format!("--port={}", self.port),
            format!("--server={}", self.pid),
            format!("--cpu={cpu}"),
            format!("--connections={}", traffic.connections),
            format!("--size={}", traffic.size),
            format!("--in-flight={}", traffic.in_flight),
            format!("--idle-connections={}", traffic.idle),
        ];
        if traffic.short {
            arguments.push("--short".to_owned());
        }
        arguments
    }
}

/// A server and its load generator, both silent until there is a slice to measure.
pub struct Pair {
    generator: Child,
    /// What the generator said before the first slice.
    first: Answers,
    _server: Server,
}

impl Pair {
    /// Starts both and opens the connections.
    pub fn start(
        run: &Run<'_>,
        runtime: &Runtime,
        traffic: Traffic,
        one_processor: bool,
    ) -> Result<Self, String> {
        let processors = run.processors;
        let server = Server::start(runtime, run.plan.buffer, processors.server, &[])?;
        let load_on = if one_processor { processors.server } else { processors.load };
        let mut arguments = server.load_arguments(load_on, traffic);
        arguments.push(format!("--lead-in-ms={}", run.plan.lead_in));
        arguments.push(format!("--slice-ms={}", run.plan.slice));
        let mut generator = Child::start(&[], &arguments)?;
        let first = generator.answers_until("ready")?;
        Ok(Pair { generator, first, _server: server })
    }

    /// Measures one slice of time.
    pub fn slice(&mut self) -> Result<Answers, String> {
        self.generator.tell("go")?;
        let mut answers = self.generator.answers_until("ready")?;
        answers.remove("ready");
        if let Some(&bytes) = self.first.get("idle_bytes") {
            answers.insert("idle_bytes".to_owned(), bytes);
        }
        if answers.get("messages").is_some_and(|&messages| messages > 0.0) {
            Ok(answers)
        } else {
            Err("no message came back in the measured time".to_owned())
        }
    }
}
