//! The process that starts the workers and looks after them, and does nothing else.
//!
//! It has one thread and no event loop, so that it can be forked at any time: it sleeps in `poll(2)` until
//! a signal, a worker's report, the end of a process, a command or a deadline comes. What is to be done
//! follows from the state of the processes and slots, which is looked over after each of those
//! (`advance`); events only change that state.
//!
//! `spawn.rs` starts workers, `deaths.rs` takes in their ends, `roll.rs` replaces those that serve,
//! `stop.rs` ends them, `watch.rs` looks whether their loops turn, `control.rs` takes commands,
//! `upgrade.rs` hands over to a new program; `systemd.rs` tells the service manager.

mod control;
mod deaths;
pub(super) mod exec;
pub(super) mod inherit;
mod process;
mod roll;
mod spawn;
mod stop;
mod systemd;
mod upgrade;
mod watch;

use std::{
    fs::File,
    io,
    os::{fd::AsFd as _, unix::net::UnixStream},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use self::{
    control::Control,
    process::{Phase, Process},
    roll::Roll,
    systemd::Systemd,
    upgrade::{Predecessor, Upgrade},
};
use super::{
    Accept, Event, SpawnMode,
    builder::Settings,
    restart::BootDeaths,
    scoreboard::{SLOTS, Scoreboard},
    seat::{Seat, say},
    sockets::Endpoint,
    statistics,
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
    /// A connection has come to a socket that no worker serves.
    Stray,
}

/// What the supervisor acts on.
const SIGNALS: [i32; 9] = [
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGHUP,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGCHLD,
];

impl Supervisor {
    pub(super) fn new(settings: Settings, count: usize) -> io::Result<Self> {
        // Before the first descriptor is opened, so that the numbers that were passed are those.
        let predecessor = Predecessor::from_environment();
        let mut inherited = inherit::Inherited::from_environment();
        let endpoints = settings.open_sockets(&mut inherited, count)?;
        drop(inherited);
        let systemd = Systemd::from_environment();
        let (board, board_file): (&'static Scoreboard, _) = match settings.spawn_mode {
            SpawnMode::Fork => (memory::share_with_children()?, None),
            SpawnMode::Exec | SpawnMode::ForkOrExec => {
                let (board, file) = memory::share_by_file()?;
                (board, Some(file))
            }
        };
        board.supervisor.store(std::process::id(), Relaxed);
        let signals = signals::pipe()?;
        let control = settings.control.as_deref().map(Control::open).transpose()?;
        for signal in SIGNALS {
            signals::set(signal, Action::Tell)?;
        }
        sys::process::set_name(&format!("{}: master", settings.name));
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
            for wake in poll.wait(timeout)? {
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
        if self.stopping == Stopping::No {
            if let Some(worker) = self.advance_roll() {
                return Ok(Some(worker));
            }
            if let Some(worker) = self.fill_slots(now) {
                return Ok(Some(worker));
            }
        }
        if let Some(control) = &mut self.control {
            control.expire(now);
        }
        self.systemd.feed(now, || watch::is_healthy(self.board, self.settings.watchdog));
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
        if self.stopping == Stopping::No && self.roll.is_none() && self.adopt_after.is_none() {
            for (place, socket) in self
                .endpoints
                .iter()
                .flat_map(|endpoint| endpoint.orphans(self.target).iter().enumerate())
            {
                if !self.is_adopted(self.target + place) {
                    poll.readable(socket.as_fd(), Wake::Stray);
                }
            }
        }
    }

    /// When there is something to do even if nothing happens.
    fn next_deadline(&self) -> Option<Instant> {
        let processes = self.processes.iter().filter_map(Process::deadline);
        let slots = (0..self.target).filter(|_| self.stopping == Stopping::No);
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
            libc::SIGUSR1 => self.dump(),
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

    fn read_report(&mut self, pid: u32) {
        let Some(process) = self.processes.iter_mut().find(|process| process.id.pid == pid) else {
            return;
        };
        for line in process.report.lines() {
            match line.split_at_checked(1) {
                Some(("R", _)) => self.became_ready(pid),
                Some(("Q", _)) => self.note_recycling(pid),
                Some(("D", _)) => self.drains_unasked(pid),
                Some(("F", reason)) => {
                    let process = self.processes.iter_mut().find(|process| process.id.pid == pid);
                    if let Some(process) = process {
                        process.fatal = Some(reason.to_owned());
                    }
                }
                _ => {}
            }
        }
    }

    fn became_ready(&mut self, pid: u32) {
        let Some(process) = self.processes.iter_mut().find(|process| process.id.pid == pid) else {
            return;
        };
        if !matches!(process.phase, Phase::Booting { .. }) {
            return;
        }
        process.phase = Phase::Ready;
        process.ready_at = Some(Instant::now());
        let id = process.id;
        self.tell(Event::Ready(id));
        let ready = self.processes.iter().filter(|process| process.phase == Phase::Ready).count();
        let wanted = (0..self.target).filter(|slot| !self.slots[*slot].disabled).count();
        if !self.announced && ready >= wanted {
            self.announced = true;
            self.tell(Event::AllReady);
            self.systemd.ready(&format!("{wanted} workers"));
            if let Some(predecessor) = self.predecessor.take() {
                predecessor.tell_ready();
            }
        }
    }

    /// A worker was told by somebody else to end: another takes its slot at once.
    fn drains_unasked(&mut self, pid: u32) {
        let until = Instant::now() + self.settings.grace;
        let found = self.processes.iter_mut().find(|process| process.id.pid == pid);
        if let Some(process) = found.filter(|process| process.holds_slot()) {
            process.phase = Phase::Draining { until };
            process.ordered = true;
            let id = process.id;
            self.tell(Event::Draining(id));
        }
    }

    /// Sets how many workers there are to be.
    fn scale(&mut self, workers: usize) -> Result<(), String> {
        if self.stopping != Stopping::No || self.upgrade.is_some() {
            return Err("the launcher is ending or being upgraded".into());
        }
        if workers == 0 {
            return Err("one worker is the least".into());
        }
        if workers > SLOTS {
            return Err(format!("{workers} workers are more than the {SLOTS} that there can be"));
        }
        for endpoint in &mut self.endpoints {
            let changed = endpoint.extend(workers).and_then(|()| endpoint.steer(workers));
            if let Err(error) = changed {
                return Err(format!("{}: {error}", endpoint.name));
            }
        }
        self.target = workers;
        for slot in &mut self.slots[workers..] {
            *slot = Slot::default();
        }
        for slot in &mut self.slots {
            slot.adopted.retain(|adopted| *adopted >= workers);
        }
        self.tell(Event::Scaled(workers));
        let surplus: Vec<_> = self
            .processes
            .iter()
            .filter(|process| process.id.slot >= workers && process.holds_slot())
            .map(|process| process.id.pid)
            .collect();
        for pid in surplus {
            self.drain(pid);
        }
        Ok(())
    }

    /// Prints the figures, and has workers whose loop does not turn print where they are.
    fn dump(&mut self) {
        let statistics = statistics::gather(self.board, &self.settings.counters);
        say(&format!("{}: {}", self.settings.name, statistics.to_json()));
        let now = sys::clock::now();
        let busy = self.processes.iter().filter(|process| {
            let busy = self.board.entry(process.place).busy_for(now);
            process.phase == Phase::Ready && Duration::from_nanos(busy) > STUCK
        });
        for process in busy {
            sys::process::signal(process.id.pid as i32, signals::dump_signal());
        }
    }

    fn is_stopping(&self) -> bool {
        matches!(self.stopping, Stopping::Gracefully | Stopping::Fast)
    }

    /// Whether the sockets of a slot that there is no worker for are served by another.
    fn is_adopted(&self, slot: usize) -> bool {
        self.slots.iter().any(|other| other.adopted.contains(&slot))
    }

    fn shares_sockets(&self) -> bool {
        self.settings.accept == Accept::Balanced
    }
}

/// A loop that has not turned for so long is looked at more closely in a dump.
const STUCK: Duration = Duration::from_secs(1);

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
