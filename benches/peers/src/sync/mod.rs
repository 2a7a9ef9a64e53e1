//! What locks, channels and the like cost between tasks of one thread.
//!
//! The benches are written once (`benches.rs`), over closures that a kit brings: a runtime with the
//! channels and locks that are at home on it (`kit/`). Every measurement is taken in a process of its own,
//! inside a spawned task, and counts the CPU time of the whole process.

mod benches;
mod kit;

use crate::cpu;
use crate::data::Unit;
use crate::micro::About;
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
    #[cfg(feature = "tokio")]
    kit::tokio::KIT,
    #[cfg(feature = "smol")]
    kit::smol::KIT,
    #[cfg(feature = "monoio")]
    kit::monoio::KIT,
    #[cfg(feature = "glommio")]
    kit::glommio::KIT,
    #[cfg(feature = "may")]
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

    /// What its figures are.
    pub fn figures(self) -> &'static [About] {
        match self {
            SyncBench::MpscPingPong => {
                const { &[About::ns("mpsc, and back", "a message and its answer, by mpsc")] }
            }
            SyncBench::MpscStream => {
                const { &[About::ns("mpsc, one way", "messages through an mpsc of 64")] }
            }
            SyncBench::OneshotSpawn => {
                const { &[About::ns("oneshot", "a oneshot of a task that is spawned for it")] }
            }
            SyncBench::Lock => const { &[About::ns("lock", "lock and unlock, alone")] },
            SyncBench::Semaphore => {
                const { &[About::ns("semaphore", "acquire and release, alone")] }
            }
            SyncBench::Notify => const { &[About::ns("notify", "a wake-up by notify")] },
            SyncBench::WaitingForSemaphore => &[
                About {
                    key: "malloc_bytes",
                    short: "waits, malloc",
                    words: "task that waits for a semaphore: what malloc counts",
                    unit: Unit::Bytes,
                },
                About {
                    key: "resident_bytes",
                    short: "waits",
                    words: "task that waits for a semaphore: resident",
                    unit: Unit::Bytes,
                },
            ],
            SyncBench::WaitingForOneshot => &[
                About {
                    key: "malloc_bytes",
                    short: "awaits, malloc",
                    words: "task that waits for its oneshot: what malloc counts",
                    unit: Unit::Bytes,
                },
                About {
                    key: "resident_bytes",
                    short: "awaits",
                    words: "task that waits for its oneshot: resident",
                    unit: Unit::Bytes,
                },
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
    for (about, figure) in bench.figures().iter().zip(figures) {
        println!("{}={figure}", about.key);
    }
    std::process::exit(0);
}

/// The process ends after so long, whatever happens.
const LIFETIME_SECONDS: u32 = 120;
