//! The command line.
//!
//! It turns words into a [`Command`] and knows nothing about what the commands do. The last
//! four commands are what the driver starts as children; they are not in the help.

use crate::load::LoadPart;
use crate::micro::MeasurePart;
use crate::sync::SyncPart;
use crate::{echo::ServePart, load::Traffic};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// What `--help` prints.
pub const HELP: &str = "\
Compares greenloop with other runtimes in one run.

USAGE: peers [COMMAND] [OPTIONS]

COMMANDS
  all           echo, micro and sync (the default)
  echo          server CPU time per message, for every server and scenario
  micro         CPU time per spawn, yield, wake, sleep and bare switch; bytes per parked task
  sync          CPU time per message, lock and notification; bytes per waiting task
  syscalls      system calls per echoed message (needs strace)
  instructions  user-space instructions per echoed message (needs valgrind)

OPTIONS
  --only NAME,NAME    only these runtimes (`raw` is one of them)
  --bench NAME,NAME   only these scenarios or benches
  --reps N            repetitions of each measurement, interleaved over the runtimes
  --quick             few repetitions: for a look, not for a claim
  --slice MS          how long a server is measured at a time (echo)
  --lead-in MS        how long it works before, each time (echo)
  --idle              also echo beside 10,000 idle connections
  --buffer BYTES      the read buffer of each connection, the same for every server
  --out DIR           where the page, the pictures and the figures go; target/peers by default
  --json FILE         write the figures, every single one, to FILE as well
  --markdown FILE     put pictures and tables into this document, between its marks, and the pictures
                      into the folder of its name";

/// One run of this binary.
pub enum Command {
    /// Print the help.
    Help,
    /// Compare the runtimes: what a user starts.
    Compare(Plan),
    /// Child: be an echo server.
    Serve(ServePart),
    /// Child: be the load generator.
    Load(LoadPart),
    /// Child: take one measurement inside this process.
    Measure(MeasurePart),
    /// Child: take one measurement of channels and locks inside this process.
    MeasureSync(SyncPart),
}

/// What a user asked to compare.
pub struct Plan {
    /// Which comparisons.
    pub parts: BTreeSet<Part>,
    /// Names of runtimes; empty means all.
    pub only: Vec<String>,
    /// Names of scenarios and benches; empty means all.
    pub benches: Vec<String>,
    /// Repetitions of each measurement.
    pub reps: usize,
    /// How long a server is measured at a time, and how long it works before; milliseconds.
    pub slice: u64,
    pub lead_in: u64,
    /// Also the scenario with ten thousand idle connections.
    pub idle: bool,
    /// The read buffer of each connection of each server.
    pub buffer: usize,
    /// Where to write the report.
    pub out: PathBuf,
    /// Where to write its data as well.
    pub json: Option<PathBuf>,
    /// The document that it is put into.
    pub markdown: Option<PathBuf>,
}

impl Plan {
    /// Tells whether the scenario or bench `name` was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.benches.is_empty() || self.benches.iter().any(|bench| bench == name)
    }
}

/// One kind of comparison.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Server CPU time per echoed message.
    Echo,
    /// Operations inside one process.
    Micro,
    /// Channels and locks.
    Sync,
    /// System calls per echoed message.
    Syscalls,
    /// Instructions per echoed message.
    Instructions,
}

/// Reads the command line without the program's name.
pub fn parse(words: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut words = Words::read(words)?;
    if words.flag("help") || words.flag("h") {
        return Ok(Command::Help);
    }
    let command = match words.next_plain().as_deref() {
        None | Some("all") => compare(&mut words, &[Part::Echo, Part::Micro, Part::Sync])?,
        Some("echo") => compare(&mut words, &[Part::Echo])?,
        Some("micro") => compare(&mut words, &[Part::Micro])?,
        Some("sync") => compare(&mut words, &[Part::Sync])?,
        Some("syscalls") => compare(&mut words, &[Part::Syscalls])?,
        Some("instructions") => compare(&mut words, &[Part::Instructions])?,
        Some("serve") => Command::Serve(ServePart {
            runtime: words.next_plain().ok_or("serve: which runtime?")?,
            buffer: words.required("buffer")?,
            cpu: words.required("cpu")?,
        }),
        Some("load") => Command::Load(load(&mut words)?),
        Some("measure") => Command::Measure(MeasurePart {
            runtime: words.next_plain().ok_or("measure: which runtime?")?,
            bench: words.next_plain().ok_or("measure: which bench?")?,
            cpu: words.required("cpu")?,
        }),
        Some("measure-sync") => Command::MeasureSync(SyncPart {
            kit: words.next_plain().ok_or("measure-sync: which kit?")?,
            bench: words.next_plain().ok_or("measure-sync: which bench?")?,
            cpu: words.required("cpu")?,
        }),
        Some("help") => Command::Help,
        Some(other) => return Err(format!("no command is called `{other}`")),
    };
    words.nothing_left()?;
    Ok(command)
}

fn compare(words: &mut Words, parts: &[Part]) -> Result<Command, String> {
    let usual = if words.flag("quick") { 3 } else { 12 };
    Ok(Command::Compare(Plan {
        parts: parts.iter().copied().collect(),
        only: words.list("only"),
        benches: words.list("bench"),
        reps: words.optional("reps")?.unwrap_or(usual).max(1),
        slice: words.optional("slice")?.unwrap_or(200).max(1),
        lead_in: words.optional("lead-in")?.unwrap_or(100),
        idle: words.flag("idle"),
        buffer: words.optional("buffer")?.unwrap_or(4096).max(1),
        out: words.value("out").unwrap_or("target/peers".to_owned()).into(),
        json: words.value("json").map(PathBuf::from),
        markdown: words.value("markdown").map(PathBuf::from),
    }))
}

fn load(words: &mut Words) -> Result<LoadPart, String> {
    let messages: Option<u64> = words.optional("messages")?;
    let pause: Option<u64> = words.optional("pause-us")?;
    let millis = |millis: Option<u64>| Duration::from_millis(millis.unwrap_or(0));
    Ok(LoadPart {
        port: words.required("port")?,
        server: words.required("server")?,
        cpu: words.required("cpu")?,
        traffic: Traffic {
            connections: words.required("connections")?,
            size: words.required("size")?,
            in_flight: words.required("in-flight")?,
            idle: words.optional("idle-connections")?.unwrap_or(0),
            short: words.flag("short"),
        },
        lead_in: millis(words.optional("lead-in-ms")?),
        slice: millis(words.optional("slice-ms")?),
        messages,
        pause: Duration::from_micros(pause.unwrap_or(0)),
    })
}

/// The words of the command line, taken out one by one; what is left over is an error.
struct Words {
    plain: Vec<String>,
    options: Vec<(String, Option<String>)>,
}

impl Words {
    fn read(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut plain = Vec::new();
        let mut options = Vec::new();
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            if let Some(name) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) {
                match name.split_once('=') {
                    Some((name, value)) => options.push((name.into(), Some(value.into()))),
                    None if FLAGS.contains(&name) => options.push((name.into(), None)),
                    None => options.push((name.into(), words.next())),
                }
            } else {
                plain.push(word);
            }
        }
        Ok(Words { plain, options })
    }

    fn next_plain(&mut self) -> Option<String> {
        (!self.plain.is_empty()).then(|| self.plain.remove(0))
    }

    fn flag(&mut self, name: &str) -> bool {
        let before = self.options.len();
        self.options.retain(|(option, _)| option != name);
        self.options.len() < before
    }

    fn value(&mut self, name: &str) -> Option<String> {
        let at = self.options.iter().position(|(option, _)| option == name)?;
        self.options.remove(at).1
    }

    fn list(&mut self, name: &str) -> Vec<String> {
        let value = self.value(name).unwrap_or_default();
        value.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    fn optional<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, String> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        value.parse().map(Some).map_err(|_| format!("--{name} does not take `{value}`"))
    }

    fn required<T: FromStr>(&mut self, name: &str) -> Result<T, String> {
        self.optional(name)?.ok_or_else(|| format!("--{name} is missing"))
    }

    fn nothing_left(self) -> Result<(), String> {
        if let Some(word) = self.plain.first() {
            return Err(format!("what is `{word}`?"));
        }
        match self.options.first() {
            Some((name, _)) => Err(format!("no option is called `--{name}`")),
            None => Ok(()),
        }
    }
}

/// Options without a value.
const FLAGS: &[&str] = &["help", "h", "quick", "idle", "short"];
