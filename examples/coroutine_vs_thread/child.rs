//! The children of the driver: this same binary, with a part to play.
//!
//! They answer in lines of JSON. One that fails is described by the last line that it wrote to
//! standard error, and one whose owner goes away is killed.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio},
    thread,
};

use serde_json::Value;

use crate::system;

/// A child that stays and is talked to.
#[derive(Debug)]
pub struct Child {
    process: Process,
    stdin: ChildStdin,
    /// Whether it is asked to end rather than killed.
    soft: bool,
    stdout: BufReader<ChildStdout>,
}

impl Child {
    /// Starts this binary with these arguments.
    pub fn start(arguments: &[String]) -> io::Result<Self> {
        let mut process = command(arguments)?.stdin(Stdio::piped()).spawn()?;
        let stdin = process.stdin.take().expect("it is piped");
        let stdout = BufReader::new(process.stdout.take().expect("it is piped"));
        Ok(Self { process, stdin, soft: false, stdout })
    }

    /// Has it asked to end, rather than killed: one with children of its own ends these first, and what they
    /// have used is counted.
    pub fn end_softly(&mut self) {
        self.soft = true;
    }

    /// Asks it to go on.
    pub fn go_on(&mut self) {
        // One that has died cannot hear; what it died of is found by reading.
        let _ = writeln!(self.stdin, "go on");
    }

    /// Waits for its next answer.
    pub fn answer(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            return Err(self.last_words());
        }
        Ok(serde_json::from_str(&line)?)
    }

    fn last_words(&mut self) -> io::Error {
        let mut words = String::new();
        if let Some(mut stderr) = self.process.stderr.take() {
            // What can be read of it is good enough.
            let _ = stderr.read_to_string(&mut words);
        }
        let status = self.process.wait().map_or("gone".to_owned(), |status| status.to_string());
        io::Error::other(last_line(&words).unwrap_or(status))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Errors mean that it is gone, which is what is wanted.
        let _ = match self.soft {
            true => system::interrupt(self.process.id()),
            false => self.process.kill(),
        };
        let _ = self.process.wait();
    }
}

/// Runs a child to its end, and gives its one answer.
pub fn run(arguments: &[String]) -> io::Result<Value> {
    let output = command(arguments)?.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let status = output.status.to_string();
        return Err(io::Error::other(last_line(&words).unwrap_or(status)));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Runs several children at the same time, and gives the answer of each.
pub fn run_together(children: Vec<Vec<String>>) -> Vec<io::Result<Value>> {
    thread::scope(|scope| {
        // A child dies with the thread that has started it, which waits for it here.
        let threads: Vec<_> =
            children.iter().map(|arguments| scope.spawn(|| run(arguments))).collect();
        let answer = |it: thread::ScopedJoinHandle<'_, _>| it.join().expect("nothing panics there");
        threads.into_iter().map(answer).collect()
    })
}

fn command(arguments: &[String]) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    // It would hide the message.
    command.env("RUST_BACKTRACE", "0");
    Ok(command)
}

/// The line that says most: not the hint about backtraces.
fn last_line(words: &str) -> Option<String> {
    let says_something = |line: &&str| !line.trim().is_empty() && !line.starts_with("note: ");
    words.lines().rfind(says_something).map(str::to_owned)
}
