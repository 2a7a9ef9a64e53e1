//! Measurements inside one process: what a spawn, a yield, a wake, a timer and a task cost.
//!
//! The benches are written once, over the trait [`Runtime`]; each runtime only says how it
//! starts, spawns, yields and sleeps (`peer/`). Every measurement is taken in a process of
//! its own, inside a spawned task, and counts the CPU time of the whole process. A bench
//! checks its own result and panics when it is wrong.

mod parked;
pub mod peer;
pub mod ping_pong;
mod remote_wake;
mod spawn;
pub mod switch;
mod timers;
mod yields;

use crate::data::Unit;
use crate::{cpu, runtimes};
use std::future::Future;
use std::io;
use std::str::FromStr;
use std::time::Duration;

/// What a runtime must be able to do to be measured.
pub trait Runtime: 'static {
    /// What `spawn` returns.
    type Handle<T: 'static>: 'static;

    /// Runs a future to its end on this thread.
    fn block_on<F: Future<Output: 'static> + 'static>(future: F) -> F::Output;

    /// Starts a task on this thread; its future need not be `Send`.
    fn spawn<F: Future<Output: 'static> + 'static>(future: F) -> Self::Handle<F::Output>;

    /// Waits for a task and returns its output.
    fn join<T: 'static>(handle: Self::Handle<T>) -> impl Future<Output = T> + 'static;

    /// Lets a task run without its handle.
    fn detach<T: 'static>(handle: Self::Handle<T>);

    /// Lets the other tasks run once.
    fn yield_now() -> impl Future<Output = ()> + 'static;

    /// Waits until `duration` has passed.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static;
}

/// What the driver asks this process to measure.
pub struct MeasurePart {
    /// The name of the runtime.
    pub runtime: String,
    /// The name of the bench.
    pub bench: String,
    /// The processor to run on.
    pub cpu: usize,
}

/// One bench, whichever the runtime.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bench {
    /// Spawn tasks in batches of 1,000 and wait for them.
    SpawnJoin,
    /// The same, but each yields once.
    SpawnYieldJoin,
    /// Two tasks yield to each other.
    YieldTwo,
    /// A thousand tasks yield.
    YieldThousand,
    /// Two tasks wake each other.
    PingPong,
    /// Create, poll once and drop a sleep of a minute.
    SleepDrop,
    /// The same while 10,000 other sleeps are pending.
    SleepDropCrowded,
    /// Very many tasks that sleep up to a second each.
    Sleeps,
    /// Very many tasks that wait for ever.
    Parked,
    /// Another thread wakes a task and is woken by it.
    RemoteWake,
    /// Resume a bare coroutine, which yields at once.
    Switch,
}

impl Bench {
    /// All benches, in the order of the tables.
    pub const ALL: &[Bench] = &[
        Bench::SpawnJoin,
        Bench::SpawnYieldJoin,
        Bench::YieldTwo,
        Bench::YieldThousand,
        Bench::PingPong,
        Bench::SleepDrop,
        Bench::SleepDropCrowded,
        Bench::Sleeps,
        Bench::Parked,
        Bench::RemoteWake,
        Bench::Switch,
    ];

    /// Its name on the command line and in the raw figures.
    pub fn name(self) -> &'static str {
        match self {
            Bench::SpawnJoin => "spawn-join",
            Bench::SpawnYieldJoin => "spawn-yield-join",
            Bench::YieldTwo => "yield-2",
            Bench::YieldThousand => "yield-1000",
            Bench::PingPong => "ping-pong",
            Bench::SleepDrop => "sleep-drop",
            Bench::SleepDropCrowded => "sleep-drop-10k",
            Bench::Sleeps => "sleeps",
            Bench::Parked => "parked",
            Bench::RemoteWake => "remote-wake",
            Bench::Switch => "switch",
        }
    }

    /// Whether one measurement takes long, so that fewer repetitions must do.
    pub fn is_long(self) -> bool {
        matches!(self, Bench::Sleeps | Bench::Parked)
    }

    /// Whether all kinds of tasks have what it needs: no bare wakers, no sleeps that are given up.
    pub fn is_common(self) -> bool {
        use Bench::{RemoteWake, SleepDrop, SleepDropCrowded, Switch};
        !matches!(self, SleepDrop | SleepDropCrowded | RemoteWake | Switch)
    }

    /// What its figures are.
    pub fn figures(self) -> &'static [About] {
        match self {
            Bench::SpawnJoin => {
                const { &[About::ns("spawn + join", "spawn and join, in batches of 1,000")] }
            }
            Bench::SpawnYieldJoin => {
                const {
                    &[About::ns(
                        "spawn, yield + join",
                        "spawn, yield once and join, in batches of 1,000",
                    )]
                }
            }
            Bench::YieldTwo => const { &[About::ns("yield, 2", "yield, two tasks")] },
            Bench::YieldThousand => {
                const { &[About::ns("yield, 1,000", "yield, a thousand tasks")] }
            }
            Bench::PingPong => const { &[About::ns("ping-pong", "ping-pong, a round trip")] },
            Bench::SleepDrop => {
                const { &[About::ns("sleep, drop", "create, poll and drop a sleep")] }
            }
            Bench::SleepDropCrowded => {
                const { &[About::ns("the same of 10k", "create, poll and drop a sleep, beside 10,000")] }
            }
            Bench::Sleeps => {
                const { &[About::ns("sleeps", "a sleep of 1 to 1,000 ms in its own task")] }
            }
            Bench::Parked => &[
                About {
                    key: "malloc_bytes",
                    short: "parked, malloc",
                    words: "parked task, 64 bytes of state: what malloc counts",
                    unit: Unit::Bytes,
                },
                About {
                    key: "resident_bytes",
                    short: "parked",
                    words: "parked task, 64 bytes of state: resident",
                    unit: Unit::Bytes,
                },
            ],
            Bench::RemoteWake => {
                const { &[About::ns("remote wake", "wake from another thread, a round trip")] }
            }
            Bench::Switch => {
                const { &[About::ns("bare switch", "switch to a bare coroutine and back")] }
            }
        }
    }
}

/// What a figure is.
pub struct About {
    /// Its key in the raw figures.
    pub key: &'static str,
    /// Its name in a narrow column.
    pub short: &'static str,
    /// Its name where there is room.
    pub words: &'static str,
    /// Its unit.
    pub unit: Unit,
}

impl About {
    /// A cost in nanoseconds.
    pub const fn ns(short: &'static str, words: &'static str) -> Self {
        About { key: "ns", short, words, unit: Unit::Nanoseconds }
    }
}

impl FromStr for Bench {
    type Err = io::Error;

    fn from_str(name: &str) -> io::Result<Self> {
        let found = Bench::ALL.iter().find(|bench| bench.name() == name);
        found.copied().ok_or_else(|| io::Error::other(format!("no bench is called `{name}`")))
    }
}

/// The figures of one measurement, in the order of [`Bench::figures`].
type Figures = Vec<f64>;

/// Takes the measurement that `part` names and prints it as `name=value` lines.
pub fn measure(part: &MeasurePart) -> io::Result<()> {
    cpu::die_with_parent(LIFETIME_SECONDS);
    cpu::pin(part.cpu)?;
    let runtime = runtimes::find(&part.runtime)?;
    let bench: Bench = part.bench.parse()?;
    let micro = runtime.micro.as_ref().filter(|it| (it.has)(bench));
    let micro = micro.ok_or_else(|| io::Error::other("this runtime has no such thing"))?;
    (micro.run)(bench);
    Ok(())
}

/// What can be measured of a runtime inside one process, and how.
pub struct Micro {
    /// Whether the runtime has what the bench needs.
    pub has: fn(Bench) -> bool,
    /// Takes one measurement, prints it and ends the process.
    pub run: fn(Bench),
}

impl Micro {
    /// All benches of tasks, on a runtime whose tasks are futures that need not be `Send`.
    pub const fn all<R: Runtime>() -> Self {
        Micro { has: |bench| bench != Bench::Switch, run: run::<R> }
    }
}

/// Takes one measurement on the runtime `R` and prints it.
///
/// The figures are printed from inside the task, and the process ends there: how a runtime
/// tears down a million tasks is not what is measured.
fn run<R: Runtime>(bench: Bench) {
    R::block_on(async move {
        let task = R::spawn(async move {
            let figures = match bench {
                Bench::SpawnJoin => vec![spawn::spawn_join::<R>(300).await],
                Bench::SpawnYieldJoin => vec![spawn::spawn_yield_join::<R>(300).await],
                Bench::YieldTwo => vec![yields::yields::<R>(2, 250_000).await],
                Bench::YieldThousand => vec![yields::yields::<R>(1_000, 500).await],
                Bench::PingPong => vec![ping_pong::ping_pong::<R>(300_000).await],
                Bench::SleepDrop => vec![timers::drop_early::<R>(0, 200_000).await],
                Bench::SleepDropCrowded => {
                    vec![timers::drop_early::<R>(10_000, 200_000).await]
                }
                Bench::Sleeps => vec![timers::sleeps::<R>(1_000_000).await],
                Bench::Parked => parked::parked::<R>(1_000_000).await,
                Bench::RemoteWake => vec![remote_wake::round_trips::<R>(20_000).await],
                Bench::Switch => unreachable!("it is not asked for"),
            };
            print(bench, &figures);
            std::process::exit(0);
        });
        R::join(task).await
    });
}

/// Prints the figures; one that is not a number is not known.
fn print(bench: Bench, figures: &Figures) {
    for (about, figure) in bench.figures().iter().zip(figures).filter(|it| it.1.is_finite()) {
        println!("{}={figure}", about.key);
    }
}

/// CPU nanoseconds per operation since `start` was read from [`cpu::own_time`].
fn per_operation(start: u64, operations: usize) -> f64 {
    (cpu::own_time() - start) as f64 / operations as f64
}

/// The process ends after so long, whatever happens.
const LIFETIME_SECONDS: u32 = 120;
