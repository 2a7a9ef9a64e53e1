//! What all children of the driver have in common.
//!
//! They are this same binary. They answer with `name=value` lines on standard output; one
//! that fails is described by the last line of its standard error. It is killed when its
//! owner here goes away.

use std::collections::HashMap;
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio};

/// The `name=value` lines of a child.
pub type Answers = HashMap<String, f64>;

/// A child that stays alive and is talked to.
pub struct Child {
    process: Process,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Child {
    /// Starts this binary with `arguments`, under `wrapper` if there is one.
    pub fn start(wrapper: &[String], arguments: &[String]) -> Result<Self, String> {
        let mut command = this_binary(wrapper)?;
        command.args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().map_err(|error| error.to_string())?;
        let stdin = process.stdin.take();
        let stdout = BufReader::new(process.stdout.take().expect("the output is piped"));
        Ok(Child { process, stdin, stdout })
    }

    /// Says a word to the child.
    pub fn tell(&mut self, word: &str) -> Result<(), String> {
        let stdin = self.stdin.as_mut().ok_or("it is not listened to any more")?;
        // A child that has died cannot hear; what it died of is found by reading.
        let _ = writeln!(stdin, "{word}");
        Ok(())
    }

    /// Reads what the child answers, up to and with the line called `last`.
    pub fn answers_until(&mut self, last: &str) -> Result<Answers, String> {
        let mut answers = Answers::new();
        let mut line = String::new();
        while !answers.contains_key(last) {
            line.clear();
            if self.stdout.read_line(&mut line).map_err(|error| error.to_string())? == 0 {
                return Err(self.last_words());
            }
            answers.extend(answer(&line));
        }
        Ok(answers)
    }

    /// Waits until the child ends by itself.
    pub fn wait(&mut self) -> Result<(), String> {
        self.process.wait().map(drop).map_err(|error| error.to_string())
    }

    fn last_words(&mut self) -> String {
        let mut words = String::new();
        if let Some(mut stderr) = self.process.stderr.take() {
            // What can be read of it is good enough.
            let _ = stderr.read_to_string(&mut words);
        }
        let status = self.process.wait();
        last_line(&words).unwrap_or_else(|| status.map_or("gone".into(), |it| it.to_string()))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Errors mean that it is gone, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a child that needs no more than its arguments, and returns all it says.
pub fn run(arguments: &[String]) -> Result<Answers, String> {
    let mut command = this_binary(&[])?;
    let output = command.args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(last_line(&words).unwrap_or_else(|| output.status.to_string()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(answer).collect())
}

/// Says why a tool cannot be used; nothing when it can.
pub fn missing(tool: &str) -> Option<String> {
    match Command::new(tool).arg("--version").stdout(Stdio::null()).status() {
        Ok(status) if status.success() => None,
        Ok(status) => Some(format!("{tool} does not work ({status})")),
        Err(error) => Some(format!("{tool} cannot be started ({error})")),
    }
}

fn this_binary(wrapper: &[String]) -> Result<Command, String> {
    let this = env::current_exe().map_err(|error| error.to_string())?;
    let mut command = match wrapper {
        [] => Command::new(this),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(this);
            command
        }
    };
    // A backtrace would hide the message, which is the last line of a failure.
    command.env("RUST_BACKTRACE", "0");
    Ok(command)
}

fn answer(line: &str) -> Option<(String, f64)> {
    let (name, value) = line.trim().split_once('=')?;
    Some((name.to_owned(), value.parse().ok()?))
}

/// The line of an error message that says most: not the hint about backtraces.
fn last_line(words: &str) -> Option<String> {
    let says_something = |line: &&str| !line.trim().is_empty() && !line.starts_with("note: ");
    words.lines().rfind(says_something).map(str::to_owned)
}
