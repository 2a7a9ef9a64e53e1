//! What locks, channels and the like cost between tasks of one thread.
//!
//! The benches are written once (`benches.rs`), over closures that a kit brings: a runtime with the
//! channels and locks that are at home on it (`kit/`). Every measurement is taken in a process of its own,
//! inside a spawned task, and counts the CPU time of the whole process.

mod benches;
mod kit;

use crate::cpu;
use std::io;
use std::str::FromStr;

/// A runtime with its channels and locks.
pub struct Kit {
    /// What it is called on the command line and in the table.
    pub name: &'static str,
    /// What is used of it, in a few words.
    pub about: &'static str,
    /// The crates whose versions are printed.
    pub krates: &'static [&'static str],
    /// Whether the kit has what the bench needs.
    pub has: fn(SyncBench) -> bool,
    /// Takes one measurement inside this process, and prints it.
    pub measure: fn(SyncBench),
}

/// All kits, in the order of the table.
pub const KITS: &[Kit] = &[
    #[cfg(feature = "greenloop")]
    kit::greenloop::KIT,
    kit::tokio::KIT,
    kit::smol::KIT,
    kit::monoio::KIT,
    kit::glommio::KIT,
    kit::may::KIT,
];

/// Finds a kit by its name.
pub fn find(name: &str) -> io::Result<&'static Kit> {
    let found = KITS.iter().find(|kit| kit.name == name);
    found.ok_or_else(|| io::Error::other(format!("nothing with channels is called `{name}`")))
}

/// What the driver asks this process to measure.
pub struct SyncPart {
    /// The name of the kit.
    pub kit: String,
    /// The name of the bench.
    pub bench: String,
    /// The processor to run on.
    pub cpu: usize,
}

/// One bench, whichever the kit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SyncBench {
    /// A message there and back, through two channels.
    MpscPingPong,
    /// Messages one way, through a channel that holds 64.
    MpscStream,
    /// A value of a task that is spawned for it.
    OneshotSpawn,
    /// Lock and unlock.
    Lock,
    /// Acquire and release.
    Semaphore,
    /// Two tasks notify each other.
    Notify,
    /// Very many tasks that wait for one semaphore.
    WaitingForSemaphore,
    /// Very many tasks that wait for a value each.
    WaitingForOneshot,
}

impl SyncBench {
    /// All benches, in the order of the table.
    pub const ALL: &[SyncBench] = &[
        SyncBench::MpscPingPong,
        SyncBench::MpscStream,
        SyncBench::OneshotSpawn,
        SyncBench::Lock,
        SyncBench::Semaphore,
        SyncBench::Notify,
        SyncBench::WaitingForSemaphore,
        SyncBench::WaitingForOneshot,
    ];

    /// Its name on the command line and in the raw figures.
    pub fn name(self) -> &'static str {
        match self {
            SyncBench::MpscPingPong => "mpsc-ping-pong",
            SyncBench::MpscStream => "mpsc-stream",
            SyncBench::OneshotSpawn => "oneshot-spawn",
            SyncBench::Lock => "lock",
            SyncBench::Semaphore => "semaphore",
            SyncBench::Notify => "notify",
            SyncBench::WaitingForSemaphore => "waiting-semaphore",
            SyncBench::WaitingForOneshot => "waiting-oneshot",
        }
    }

    /// What its figures are: a key of the raw figures and words for the table.
    pub fn figures(self) -> &'static [(&'static str, &'static str)] {
        match self {
            SyncBench::MpscPingPong => &[("ns", "mpsc, there and back (ns)")],
            SyncBench::MpscStream => &[("ns", "mpsc of 64, one way (ns)")],
            SyncBench::OneshotSpawn => &[("ns", "oneshot through a spawned task (ns)")],
            SyncBench::Lock => &[("ns", "lock and unlock, alone (ns)")],
            SyncBench::Semaphore => &[("ns", "acquire and release, alone (ns)")],
            SyncBench::Notify => &[("ns", "wake-up by notify (ns)")],
            SyncBench::WaitingForSemaphore => &[
                ("malloc_bytes", "task that waits for a semaphore (malloc B)"),
                ("resident_bytes", "task that waits for a semaphore (resident B)"),
            ],
            SyncBench::WaitingForOneshot => &[
                ("malloc_bytes", "task that waits for its oneshot (malloc B)"),
                ("resident_bytes", "task that waits for its oneshot (resident B)"),
            ],
        }
    }
}

impl FromStr for SyncBench {
    type Err = io::Error;

    fn from_str(name: &str) -> io::Result<Self> {
        let found = SyncBench::ALL.iter().find(|bench| bench.name() == name);
        found.copied().ok_or_else(|| io::Error::other(format!("no bench is called `{name}`")))
    }
}

/// The figures of one measurement, in the order of [`SyncBench::figures`].
type Figures = Vec<f64>;

/// Takes the measurement that `part` names and prints it as `name=value` lines.
pub fn measure(part: &SyncPart) -> io::Result<()> {
    cpu::die_with_parent(LIFETIME_SECONDS);
    cpu::pin(part.cpu)?;
    (find(&part.kit)?.measure)(part.bench.parse()?);
    Ok(())
}

/// Prints the figures and ends the process: taking down what waits is not measured.
fn finish(bench: SyncBench, figures: &Figures) -> ! {
    for ((key, _), figure) in bench.figures().iter().zip(figures) {
        println!("{key}={figure}");
    }
    std::process::exit(0);
}

/// The process ends after so long, whatever happens.
const LIFETIME_SECONDS: u32 = 120;
