//! The process that starts the workers and looks after them, and does nothing else.
//!
//! It has one thread and no event loop, so that it can be forked at any time: it sleeps in `poll(2)` until
//! a signal, a worker's report, the end of a process, a command or a deadline comes. What is to be done
//! follows from the state of the processes and slots, which is looked over after each of those
//! (`advance`); events only change that state.
//!
//! `spawn.rs` starts workers, `reports.rs` hears what they say, `deaths.rs` takes in their ends, `roll.rs`
//! replaces those that serve, `scale.rs` changes how many there are, `surplus.rs` ends those that are too
//! many, `stop.rs` all of them, `watch.rs` looks whether their loops turn, `dump.rs` says how they are,
//! `control.rs` takes commands, `upgrade.rs` hands over to a new program; `systemd.rs` tells the service
//! manager.

mod control;
mod deaths;
mod dump;
pub(super) mod exec;
pub(super) mod inherit;
mod process;
mod reports;
mod roll;
mod scale;
mod spawn;
mod stop;
mod surplus;
mod systemd;
mod upgrade;
mod watch;

use std::{
    fs::File,
    io,
    os::{fd::AsFd as _, unix::net::UnixStream},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::Ordering::Relaxed,
    time::Instant,
};

use self::{
    control::Control,
    process::Process,
    roll::Roll,
    surplus::Leftover,
    systemd::Systemd,
    upgrade::{Predecessor, Upgrade},
};
use super::{
    Accept, Event, SpawnMode,
    builder::Settings,
    log::say,
    restart::BootDeaths,
    scoreboard::{SLOTS, Scoreboard},
    seat::Seat,
    sockets::Endpoint,
    sys::{
        self, memory,
        poll::Poll,
        signals::{self, Action},
    },
    worker::Equipment,
};

/// How a supervisor's run ended.
pub(super) enum Outcome {
    /// This process is a worker now.
    Worker(Seat, Equipment),
    /// It was the supervisor, and ends with this status.
    Ended(u8),
}

/// The supervisor.
pub(super) struct Supervisor {
    settings: Settings,
    board: &'static Scoreboard,
    /// The file of the scoreboard, where workers are executed.
    board_file: Option<File>,
    endpoints: Vec<Endpoint>,
    signals: UnixStream,
    /// How many workers there are to be.
    target: usize,
    /// How many rolling restarts there were, counted from 1.
    generation: u32,
    slots: Vec<Slot>,
    processes: Vec<Process>,
    boot_deaths: BootDeaths,
    stopping: Stopping,
    /// There are to be no workers for now.
    paused: bool,
    /// The status to end with.
    status: u8,
    /// All workers were ready once.
    announced: bool,
    roll: Option<Roll>,
    /// A rolling restart was asked for during another.
    roll_again: bool,
    /// When sockets that no worker serves are looked at again, after that could not be changed.
    adopt_after: Option<Instant>,
    control: Option<Control>,
    systemd: Systemd,
    predecessor: Option<Predecessor>,
    upgrade: Option<Upgrade>,
    /// The successor has taken over.
    handed_over: bool,
    next_watch: Option<Instant>,
    /// When the datagrams are looked at that a worker reads before it is to end.
    next_look: Option<Instant>,
    oom_kills: Option<u64>,
    /// The processors that this process may use.
    processors: Vec<usize>,
    /// The program's file, as it was called when it started.
    program: Option<std::path::PathBuf>,
}

/// One of the places for a worker.
#[derive(Clone, Debug, Default)]
struct Slot {
    /// How many workers of this slot died in a row.
    deaths: u32,
    /// When the next may be started.
    not_before: Option<Instant>,
    /// It stays empty until a rolling restart.
    disabled: bool,
    /// Slots above the number of workers whose sockets this one serves, too.
    adopted: Vec<usize>,
    /// What is done about its datagrams when it is to have no worker.
    leftover: Leftover,
}

/// Whether the launcher is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopping {
    No,
    /// When the workers are told.
    After(Instant),
    Gracefully,
    Fast,
}

/// What can wake the supervisor.
#[derive(Clone, Copy, Debug)]
enum Wake {
    Signals,
    /// The report of the process with this number.
    Report(u32),
    /// The end of some process.
    End,
    /// Somebody connects to the control socket.
    Connect,
    /// A client of the control socket.
    Client(u64),
    Successor,
    /// Something has come to a socket that no worker serves.
    Stray,
}

/// What the supervisor acts on.
const SIGNALS: [i32; 10] = [
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGHUP,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGWINCH,
    libc::SIGCHLD,
];

impl Supervisor {
    pub(super) fn new(mut settings: Settings, count: usize) -> io::Result<Self> {
        // Before the first descriptor is opened, so that the numbers that were passed are those.
        let predecessor = Predecessor::from_environment();
        let mut inherited = inherit::Inherited::from_environment();
        let endpoints = settings.open_sockets(&mut inherited, count)?;
        drop(inherited);
        let systemd = Systemd::from_environment();
        let (board, board_file): (&'static Scoreboard, _) = match settings.spawn_mode {
            _ if settings.board.is_some() => {
                let file = settings.board.take();
                (memory::open_file(file.as_ref().expect("just seen"))?, file)
            }
            SpawnMode::Fork => (memory::share_with_children()?, None),
            SpawnMode::Exec | SpawnMode::ForkOrExec => {
                let (board, file) = memory::share_by_file()?;
                (board, Some(file))
            }
        };
        board.supervisor.store(std::process::id(), Relaxed);
        settings.names.write_to(board);
        let signals = signals::pipe()?;
        // Until this one takes over, orders go to the predecessor.
        let path = settings.control.as_deref().filter(|_| predecessor.is_none());
        let control = path.map(Control::open).transpose()?;
        for signal in SIGNALS {
            signals::set(signal, Action::Tell)?;
        }
        sys::title::set(&settings.name, "master");
        Ok(Self {
            board,
            board_file,
            endpoints,
            signals,
            target: count,
            generation: 1,
            slots: vec![Slot::default(); SLOTS],
            processes: Vec::new(),
            boot_deaths: BootDeaths::default(),
            stopping: Stopping::No,
            paused: false,
            status: 0,
            announced: false,
            roll: None,
            roll_again: false,
            adopt_after: None,
            control,
            systemd,
            predecessor,
            upgrade: None,
            handed_over: false,
            next_watch: None,
            next_look: None,
            oom_kills: watch::oom_kills(),
            processors: sys::cpu::allowed().unwrap_or_default(),
            program: std::env::current_exe().ok(),
            settings,
        })
    }

    /// The text for a process that cannot be forked because of these threads.
    pub(super) fn has_threads(others: &[String]) -> String {
        format!(
            "cannot fork workers, because this process has other threads, whose locks would stay \
             locked in a worker: {}. Start threads in the closure of Launcher::run, which runs in \
             the workers, or execute the program for each worker, with \
             Launcher::spawn_mode(SpawnMode::Exec)",
            others.join(", ")
        )
    }

    /// Runs until all is over, or until this process is a worker.
    pub(super) fn run(mut self) -> io::Result<Outcome> {
        tell_sockets(&mut self.settings, &self.endpoints);
        self.check_pinning();
        let mut poll = Poll::new();
        loop {
            if let Some(outcome) = self.advance(Instant::now())? {
                return Ok(outcome);
            }
            self.wait_for(&mut poll);
            let timeout =
                self.next_deadline().map(|at| at.saturating_duration_since(Instant::now()));
            for wake in poll.wait(timeout) {
                self.take_in(wake);
            }
            self.reap();
        }
    }

    /// Does what is due. `Some` when the run is over for this process.
    fn advance(&mut self, now: Instant) -> io::Result<Option<Outcome>> {
        self.enforce_deadlines(now);
        self.watch(now);
        self.advance_stop(now);
        self.advance_upgrade(now);
        self.adopt_after = self.adopt_after.filter(|then| *then > now);
        // Those that are to have workers are looked at below, and no others.
        self.next_look = None;
        if self.keeps_workers() {
            if let Some(worker) = self.advance_roll() {
                return Ok(Some(worker));
            }
            if let Some(worker) = self.fill_slots(now) {
                return Ok(Some(worker));
            }
            if let Some(worker) = self.finish_surplus(now) {
                return Ok(Some(worker));
            }
        }
        if let Some(control) = &mut self.control {
            control.expire(now);
        }
        let healthy = || self.paused || watch::is_healthy(self.board, self.settings.watchdog);
        self.systemd.feed(now, healthy);
        let over = self.processes.is_empty() && self.is_stopping();
        Ok(over.then(|| self.end()))
    }

    /// Collects what can wake the supervisor.
    fn wait_for(&self, poll: &mut Poll<Wake>) {
        poll.clear();
        poll.readable(self.signals.as_fd(), Wake::Signals);
        for process in &self.processes {
            if !process.report.ended {
                poll.readable(process.report.pipe.as_fd(), Wake::Report(process.id.pid));
            }
            if let Some(descriptor) = &process.descriptor {
                poll.readable(descriptor.as_fd(), Wake::End);
            }
        }
        if let Some(control) = &self.control {
            control.wait_for(poll);
        }
        if let Some(upgrade) = &self.upgrade {
            upgrade.wait_for(poll);
        }
        if self.keeps_workers() {
            for endpoint in &self.endpoints {
                for (slot, socket) in endpoint.group().filter(|(slot, _)| !self.is_to_serve(*slot))
                {
                    let counts = if endpoint.takes_connections() {
                        self.roll.is_none() && self.adopt_after.is_none() && !self.is_adopted(slot)
                    } else {
                        self.lacks_reader(slot) && self.next_look.is_none()
                    };
                    if counts {
                        poll.readable(socket, Wake::Stray);
                    }
                }
            }
        }
    }

    /// When there is something to do even if nothing happens.
    fn next_deadline(&self) -> Option<Instant> {
        let processes = self.processes.iter().filter_map(Process::deadline);
        let slots = (0..self.target).filter(|_| self.keeps_workers());
        let slots = slots.filter_map(|slot| {
            let empty = !self.processes.iter().any(|p| p.id.slot == slot && p.keeps_slot());
            let slot = &self.slots[slot];
            (empty && !slot.disabled).then_some(slot.not_before).flatten()
        });
        let stopping = match self.stopping {
            Stopping::After(then) => Some(then),
            _ => None,
        };
        let others = [
            stopping,
            self.next_watch,
            self.next_look,
            self.adopt_after,
            self.upgrade.as_ref().map(Upgrade::deadline),
            self.control.as_ref().and_then(Control::deadline),
            self.systemd.deadline(),
        ];
        processes.chain(slots).chain(others.into_iter().flatten()).min()
    }

    fn take_in(&mut self, wake: Wake) {
        match wake {
            Wake::Signals => {
                for signal in signals::take(&self.signals).unwrap_or_default() {
                    self.act_on(signal);
                }
            }
            Wake::Report(pid) => self.read_report(pid),
            // All children are looked at after each wake.
            Wake::End => {}
            Wake::Connect => {
                if let Some(control) = &mut self.control {
                    control.accept();
                }
            }
            Wake::Client(client) => self.serve_client(client),
            Wake::Successor => self.read_successor(),
            Wake::Stray => self.adopt_strays(),
        }
    }

    fn act_on(&mut self, signal: i32) {
        match signal {
            libc::SIGTERM => self.stop_gracefully(),
            libc::SIGINT => self.stop_fast(130),
            libc::SIGQUIT => self.stop_fast(131),
            libc::SIGHUP => self.ask_roll(None),
            libc::SIGUSR1 => {
                self.reopen();
                self.dump();
            }
            libc::SIGWINCH => self.pause_by_signal(),
            libc::SIGUSR2 => self.start_upgrade(None),
            libc::SIGTTIN => self.scale(self.target + 1).unwrap_or_else(|why| self.refuse(why)),
            libc::SIGTTOU => self.scale(self.target - 1).unwrap_or_else(|why| self.refuse(why)),
            // All children are looked at after each wake.
            _ => {}
        }
    }

    /// Tells the hook, or standard error.
    fn tell(&mut self, event: Event) {
        tell(&mut self.settings, &event);
    }

    fn refuse(&mut self, why: String) {
        self.tell(Event::Refused(why));
    }

    /// Whether its slots are to have workers.
    fn keeps_workers(&self) -> bool {
        self.stopping == Stopping::No && !self.paused
    }

    fn is_stopping(&self) -> bool {
        matches!(self.stopping, Stopping::Gracefully | Stopping::Fast)
    }

    /// Whether a slot is to have a worker.
    fn is_to_serve(&self, slot: usize) -> bool {
        slot < self.target && !self.slots[slot].disabled
    }

    /// The slots that are to have workers.
    fn serving(&self) -> Vec<usize> {
        (0..self.target).filter(|slot| self.is_to_serve(*slot)).collect()
    }

    /// Whether the sockets of a slot that there is no worker for are served by another.
    fn is_adopted(&self, slot: usize) -> bool {
        self.slots.iter().any(|other| other.adopted.contains(&slot))
    }

    fn shares_sockets(&self) -> bool {
        self.settings.accept == Accept::Balanced
    }
}

/// Tells where the launcher listens.
pub(super) fn tell_sockets(settings: &mut Settings, endpoints: &[Endpoint]) {
    for endpoint in endpoints {
        let (name, address) = (endpoint.name.clone(), endpoint.address());
        tell(settings, &Event::Listening { name, address, inherited: endpoint.inherited });
    }
}

/// Tells the hook, or standard error.
fn tell(settings: &mut Settings, event: &Event) {
    match &mut settings.on_event {
        Some(hook) => {
            // The supervisor outlives the mistakes of its hook.
            let _ = catch_unwind(AssertUnwindSafe(|| hook(event)));
        }
        None => say(&format!("{}: {event}", settings.name)),
    }
}
