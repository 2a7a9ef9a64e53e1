//! The command line: what a user may ask for, and the parts that the driver gives to its children.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::Model;

/// Compares async tasks, green threads, OS threads and processes on this machine.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// What a child is to do; users give none.
    #[command(subcommand)]
    pub role: Option<Role>,
    /// What a user asks for.
    #[command(flatten)]
    pub plan: Plan,
}

/// What a user asks for.
#[derive(Args, Debug)]
pub struct Plan {
    /// Few repetitions and short ones: for a look, not for a claim
    #[arg(long)]
    pub quick: bool,
    /// Only these: cost, memory, sleeps, counting, cpu, echo, blocking
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub only: Vec<String>,
    /// Where the report goes
    #[arg(long, value_name = "DIR", default_value = "target/coroutine_vs_thread")]
    pub out: PathBuf,
    /// Where the raw figures go as well
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Put pictures and tables into this document, between its marks, and the pictures into the folder of
    /// its name
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Measure nothing, and draw the report of this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["quick", "only", "json"])]
    pub draw: Option<PathBuf>,
    /// So little of everything that it says nothing: for the tests of this program.
    #[arg(long, hide = true)]
    pub tiny: bool,
}

/// The parts of the children.
#[derive(Debug, Subcommand)]
#[command(hide = true, disable_help_subcommand = true)]
pub enum Role {
    /// Takes one measurement inside this process.
    #[command(hide = true)]
    One(OnePart),
    /// Does one of the experiments that are taught.
    #[command(hide = true)]
    Lesson(LessonPart),
    /// Is an echo server.
    #[command(hide = true)]
    Serve(ServePart),
    /// Is the clients of an echo server.
    #[command(hide = true)]
    Load(LoadPart),
    /// Is clients that send at fixed times.
    #[command(hide = true)]
    Pings(PingsPart),
}

/// One measurement of what one task, thread or process costs.
#[derive(Args, Debug)]
pub struct OnePart {
    /// What is measured.
    pub cost: Cost,
    /// Of which model.
    pub model: Model,
    /// How often it is done, or how many there are.
    #[arg(long)]
    pub count: usize,
    /// The processor to run on; any when there is none.
    #[arg(long)]
    pub cpu: Option<usize>,
}

/// What is measured of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Cost {
    /// Start one that does nothing, and wait for its end.
    Create,
    /// Two that take turns.
    Pair,
    /// A thousand that take turns.
    Ring,
    /// A message to another one and its answer.
    Channel,
    /// A lock that goes from one to the other.
    Lock,
    /// The memory of one that waits.
    Parked,
}

/// One of the experiments by which coroutines and threads are taught.
#[derive(Args, Debug)]
pub struct LessonPart {
    /// Which one.
    pub lesson: Lesson,
    /// By which model.
    pub model: Model,
    /// How many.
    #[arg(long, default_value_t = 1)]
    pub count: usize,
    /// How long one sleeps, in milliseconds.
    #[arg(long, default_value_t = 0.0)]
    pub millis: f64,
    /// How much there is to compute, in steps.
    #[arg(long, default_value_t = 0)]
    pub steps: u64,
    /// The processor to run on; any when there is none.
    #[arg(long)]
    pub cpu: Option<usize>,
}

/// The experiments by which coroutines and threads are taught.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lesson {
    /// Sleeps one after the other.
    SleepsInTurn,
    /// Sleeps side by side.
    SleepsTogether,
    /// Decrements of a shared number, unprotected.
    CountUnlocked,
    /// The same under a lock.
    CountLocked,
    /// The same, each joined as soon as it is started.
    CountJoined,
    /// A computation, cut into as many parts as there are workers.
    Compute,
    /// The same by two that take turns at every step.
    ComputeInTurns,
}

/// An echo server.
#[derive(Args, Debug)]
pub struct ServePart {
    /// Who serves a connection.
    pub model: Model,
    /// The processors to run on.
    #[arg(long, value_delimiter = ',')]
    pub cpus: Vec<usize>,
    /// How many worker processes there are; for processes only.
    #[arg(long, default_value_t = 2)]
    pub workers: usize,
    /// How long a message that asks for it blocks, in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub blocks: u64,
    /// Whether blocking is left to `spawn_blocking`.
    #[arg(long)]
    pub pool: bool,
}

/// The clients of an echo server.
#[derive(Args, Debug)]
pub struct LoadPart {
    /// Where the server listens.
    #[arg(long)]
    pub port: u16,
    /// The server's processes.
    #[arg(long, value_delimiter = ',')]
    pub servers: Vec<i32>,
    /// The processor to run on.
    #[arg(long)]
    pub cpu: usize,
    /// How many connections there are.
    #[arg(long)]
    pub connections: usize,
    /// How long a client thinks between an answer and its next message, on average, in milliseconds.
    #[arg(long)]
    pub think: u64,
    /// How long to send before measuring, in milliseconds.
    #[arg(long)]
    pub lead_in: u64,
    /// How long to measure, in milliseconds.
    #[arg(long)]
    pub slice: u64,
    /// How many messages there must be at least: a slice is longer if need be.
    #[arg(long, default_value_t = 1)]
    pub least: u64,
    /// How many messages must lie beyond a percentile for it to count.
    #[arg(long, default_value_t = 5.0)]
    pub beyond: f64,
}

/// Clients that send at fixed times.
#[derive(Args, Debug)]
pub struct PingsPart {
    /// Where the server listens.
    #[arg(long)]
    pub port: u16,
    /// The processor to run on.
    #[arg(long)]
    pub cpu: usize,
    /// How many clients there are.
    #[arg(long)]
    pub clients: usize,
    /// The time between two messages of a client, in milliseconds.
    #[arg(long)]
    pub every: u64,
    /// When the message that blocks is sent, in milliseconds.
    #[arg(long)]
    pub block_at: u64,
    /// How long to send, in milliseconds.
    #[arg(long)]
    pub length: u64,
}
