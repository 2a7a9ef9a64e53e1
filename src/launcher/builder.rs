//! Saying what to launch.

use std::{fmt, fs::File, io, path::PathBuf, process::ExitCode, time::Duration};

use super::{
    Accept, Event, Pin, Recycle, Restart, SpawnMode, Worker, Workers,
    names::Names,
    scoreboard::Scoreboard,
    seat::{self, Body, Seat},
    sockets::{Binding, Endpoint},
    supervisor::{Outcome, Supervisor, exec, inherit, tell_sockets},
    sys::{
        self,
        signals::{self, Action},
    },
    worker::Equipment,
};
use crate::event_loop;

/// Starts workers and looks after them. See the [module](super).
#[doc(alias = "fork")]
#[doc(alias = "ProcessPoolExecutor")]
#[must_use = "a launcher does nothing until `run`"]
pub struct Launcher {
    pub(super) settings: Settings,
}

/// What the supervisor goes by.
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) workers: Workers,
    pub(super) bindings: Vec<Binding>,
    pub(super) accept: Accept,
    pub(super) pin: Pin,
    pub(super) spawn_mode: SpawnMode,
    pub(super) boot_timeout: Duration,
    pub(super) grace: Duration,
    pub(super) drain_delay: Duration,
    pub(super) watchdog: Option<Duration>,
    pub(super) upgrade_timeout: Duration,
    pub(super) restart: Restart,
    pub(super) recycle: Recycle,
    pub(super) max_draining: usize,
    pub(super) names: Names,
    pub(super) control: Option<PathBuf>,
    pub(super) manual_ready: bool,
    pub(super) ready_when: usize,
    pub(super) on_event: Option<EventHook>,
    pub(super) on_reload: Option<Hook>,
    pub(super) on_reopen: Option<Hook>,
    /// The file of the scoreboard, where another process has made it to look on.
    pub(super) board: Option<File>,
}

type EventHook = Box<dyn FnMut(&Event)>;
/// For `on_reload` and `on_reopen`.
pub(super) type Hook = Box<dyn FnMut() -> io::Result<()>>;

impl Default for Launcher {
    fn default() -> Self {
        Self::new()
    }
}

impl Launcher {
    /// Starts with the settings that each method names as its default.
    pub fn new() -> Self {
        let name = std::env::args_os().next().map(PathBuf::from);
        let name = name.as_deref().and_then(|path| path.file_name());
        Self {
            settings: Settings {
                name: name.map_or("greenloop".into(), |name| name.to_string_lossy().into_owned()),
                workers: Workers::Auto,
                bindings: Vec::new(),
                accept: Accept::Balanced,
                pin: Pin::Off,
                spawn_mode: SpawnMode::Fork,
                boot_timeout: Duration::from_secs(60),
                grace: Duration::from_secs(30),
                drain_delay: Duration::ZERO,
                watchdog: Some(Duration::from_secs(30)),
                upgrade_timeout: Duration::from_secs(60),
                restart: Restart::default(),
                recycle: Recycle::default(),
                max_draining: 2,
                names: Names::default(),
                control: None,
                manual_ready: false,
                ready_when: usize::MAX,
                on_event: None,
                on_reload: None,
                on_reopen: None,
                board: None,
            },
        }
    }

    /// Names the processes in `ps` and `top`, and the lines of the log; the name of the program's file by
    /// default.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Sets how many workers there are: [`Workers::Auto`] by default. A number is one, too.
    pub fn workers(mut self, workers: impl Into<Workers>) -> Self {
        self.settings.workers = workers.into();
        self
    }

    /// Listens on an address (`HOST:PORT`; `unix:PATH`, where a path that begins with `@` is a name in the
    /// abstract space; or `udp:HOST:PORT` for datagrams), which workers find under a name: letters, digits, `_`, `-` and `.`.
    ///
    /// A socket of that name that systemd (`FileDescriptorName=`) or a predecessor has handed over is used
    /// instead.
    pub fn bind(mut self, name: impl Into<String>, address: impl Into<String>) -> Self {
        self.settings.bindings.push(Binding { name: name.into(), address: address.into() });
        self
    }

    /// Sets how workers share the sockets: [`Accept::Balanced`] by default.
    pub fn accept(mut self, accept: Accept) -> Self {
        self.settings.accept = accept;
        self
    }

    /// Sets on which processors workers run: [`Pin::Off`] by default.
    pub fn pin(mut self, pin: Pin) -> Self {
        self.settings.pin = pin;
        self
    }

    /// Sets how worker processes are made: [`SpawnMode::Fork`] by default.
    pub fn spawn_mode(mut self, mode: SpawnMode) -> Self {
        self.settings.spawn_mode = mode;
        self
    }

    /// Sets within which time a worker must be ready: 60 s by default.
    pub fn boot_timeout(mut self, time: Duration) -> Self {
        self.settings.boot_timeout = time;
        self
    }

    /// Sets how long a worker may finish what it has begun, when it is to end: 30 s by default. Then its
    /// tasks are dropped.
    pub fn grace(mut self, time: Duration) -> Self {
        self.settings.grace = time;
        self
    }

    /// Sets how long the workers serve on after `SIGTERM`, until load balancers have noticed: not at all by
    /// default.
    pub fn drain_delay(mut self, time: Duration) -> Self {
        self.settings.drain_delay = time;
        self
    }

    /// Sets for how long the loop of a worker may not turn until the worker is killed and replaced: 30 s by
    /// default; `None` for ever. It says nothing about how long a request may take, only about code
    /// that keeps the thread. An idle worker is not woken for it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use greenloop::launcher::Launcher;
    /// let strict = Launcher::new().watchdog(Duration::from_secs(5));
    /// let without = Launcher::new().watchdog(None);
    /// ```
    #[doc(alias = "periodic_monitoring_thread")]
    #[doc(alias = "EventLoopBlocked")]
    pub fn watchdog(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.settings.watchdog = time.into().filter(|time| !time.is_zero());
        self
    }

    /// Sets within which time the successor must be ready in an upgrade: 60 s by default.
    pub fn upgrade_timeout(mut self, time: Duration) -> Self {
        self.settings.upgrade_timeout = time;
        self
    }

    /// Sets what happens when workers die.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.settings.restart = restart;
        self
    }

    /// Sets when a worker is replaced though nothing is wrong with it: never by default.
    pub fn recycle(mut self, recycle: Recycle) -> Self {
        self.settings.recycle = recycle;
        self
    }

    /// Sets how many generations of workers may drain at a time: 2 by default. The oldest is cut when there
    /// are more, so that many restarts with long connections do not fill the memory.
    pub fn max_draining(mut self, generations: usize) -> Self {
        self.settings.max_draining = generations.max(1);
        self
    }

    /// Names a counter in memory that the workers share; see [`Worker::counter`].
    ///
    /// # Panics
    ///
    /// From the 25th on.
    pub fn counter(mut self, name: impl Into<String>) -> Self {
        self.settings.names.add_counter(name.into());
        self
    }

    /// Names a gauge in memory that the workers share: a number that goes up and down, and whose sum over
    /// the living workers is what counts; see [`Worker::gauge`].
    ///
    /// # Panics
    ///
    /// From the 9th on.
    pub fn gauge(mut self, name: impl Into<String>) -> Self {
        self.settings.names.add_gauge(name.into());
        self
    }

    /// Names a histogram in memory that the workers share: how values (times, sizes) are distributed, over
    /// all workers there ever were; see [`Worker::histogram`].
    ///
    /// A value falls into the bucket of the first bound that is not below it, or beyond all of them. The
    /// bounds are in whatever unit the program records;
    /// [`Histogram::exponential_bounds`](super::Histogram::exponential_bounds) makes some.
    ///
    /// # Panics
    ///
    /// From the 17th on. When there are no bounds or more than 32, or they do not ascend.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::launcher::{Histogram, Launcher};
    /// let launcher = Launcher::new()
    ///     .histogram("answer_bytes", [100, 1_000, 10_000, 100_000])
    ///     .histogram("latency_us", Histogram::exponential_bounds(100, 2.0, 16));
    /// ```
    pub fn histogram(
        mut self,
        name: impl Into<String>,
        bounds: impl IntoIterator<Item = u64>,
    ) -> Self {
        self.settings.names.add_histogram(name.into(), bounds.into_iter().collect());
        self
    }

    /// Takes commands at a Unix socket, which only the owner of the process can open. A line each: `status`,
    /// `prometheus`, `roll`, `scale N`, `pause`, `resume`, `reopen`, `dump`, `upgrade`, `stop`. The answer is a line of JSON (or the text
    /// for Prometheus), for `roll` and `upgrade` when they are done; then the connection is closed.
    #[doc(alias = "BackdoorServer")]
    pub fn control(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.control = Some(path.into());
        self
    }

    /// Leaves it to the program to call [`Worker::ready`].
    pub fn manual_ready(mut self) -> Self {
        self.settings.manual_ready = true;
        self
    }

    /// Sets how many workers must be ready until the launcher says that it is, to the service manager or to
    /// the predecessor in an upgrade: all of them by default. At least one.
    pub fn ready_when(mut self, workers: usize) -> Self {
        self.settings.ready_when = workers.max(1);
        self
    }

    /// Has a closure told of what happens, in the supervisor, in place of a line each on standard error. A
    /// panic of it is caught; while it blocks, nobody looks after the workers.
    pub fn on_event(mut self, hook: impl FnMut(&Event) + 'static) -> Self {
        self.settings.on_event = Some(Box::new(hook));
        self
    }

    /// Calls a closure in the supervisor before a rolling restart, to read the configuration for instance,
    /// which the new workers then find in their memory. Its error cancels the restart.
    pub fn on_reload(mut self, hook: impl FnMut() -> io::Result<()> + 'static) -> Self {
        self.settings.on_reload = Some(Box::new(hook));
        self
    }

    /// Calls a closure on `SIGUSR1`, in the supervisor and in each worker, to open log files anew that were
    /// moved away. In a worker it runs between two tasks, so it must not take long. An error in the
    /// supervisor is a [warning](Event::Warning), in a worker a line on standard error.
    ///
    /// ```
    /// # use greenloop::launcher::Launcher;
    /// use std::{cell::RefCell, fs::{File, OpenOptions}, io};
    ///
    /// thread_local!(static LOG: RefCell<Option<File>> = const { RefCell::new(None) });
    ///
    /// fn open_log() -> io::Result<()> {
    ///     let file = OpenOptions::new().append(true).create(true).open("/var/log/api.log")?;
    ///     LOG.set(Some(file));
    ///     Ok(())
    /// }
    ///
    /// let launcher = Launcher::new().on_reopen(open_log);
    /// # let _ = launcher;
    /// ```
    pub fn on_reopen(mut self, hook: impl FnMut() -> io::Result<()> + 'static) -> Self {
        self.settings.on_reopen = Some(Box::new(hook));
        self
    }

    /// Starts the workers, each of which runs the closure's future in an event loop of its own, and looks
    /// after them until it is told to stop. The result is for `main` to return.
    ///
    /// It returns in the process that called it only: a worker's process ends with the closure. If the
    /// closure's future returns an error, the worker ends with status 1 (or 78, see [`Worker::fatal`]), and
    /// is replaced.
    ///
    /// # Errors
    ///
    /// When the settings make no sense; when a socket cannot be opened, with its name; and when this process
    /// has other threads and is to be forked, with their names.
    ///
    /// # Panics
    ///
    /// When this thread is running an event loop.
    pub fn run<F, R>(self, closure: F) -> io::Result<ExitCode>
    where
        F: FnOnce(Worker) -> R + 'static,
        R: Future<Output = io::Result<()>> + 'static,
    {
        self.run_to_status(closure).map(ExitCode::from)
    }

    pub(super) fn run_to_status<F, R>(self, closure: F) -> io::Result<u8>
    where
        F: FnOnce(Worker) -> R + 'static,
        R: Future<Output = io::Result<()>> + 'static,
    {
        self.launch(Box::new(|worker| Box::pin(closure(worker))))
    }

    /// As [`run`](Self::run), with a closure that runs as a green thread, on a stack of 8 MiB.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// When this thread is running an event loop.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use greenloop::{green::Wait, launcher::Launcher};
    /// # fn main() -> std::io::Result<std::process::ExitCode> {
    /// Launcher::new().bind("echo", "127.0.0.1:8080").run_green(|worker| {
    ///     let listener = worker.listener("echo")?;
    ///     while let Some((_stream, peer)) = listener.accept().wait()? {
    ///         worker.spawn_green(move || println!("{peer}"));
    ///     }
    ///     worker.drained().wait();
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[cfg(feature = "green")]
    #[cfg_attr(docsrs, doc(cfg(feature = "green")))]
    pub fn run_green<F>(self, closure: F) -> io::Result<ExitCode>
    where
        F: FnOnce(Worker) -> io::Result<()> + 'static,
    {
        /// As `main`'s on Linux.
        const STACK: usize = 8 << 20;
        self.run(|worker| async move {
            let thread = crate::green::Builder::new().stack_size(STACK).spawn(|| closure(worker));
            match thread.await {
                Ok(result) => result,
                Err(error) => match error.try_into_panic() {
                    Ok(payload) => std::panic::resume_unwind(payload),
                    Err(error) => Err(io::Error::other(error)),
                },
            }
        })
    }

    fn launch(self, body: Body) -> io::Result<u8> {
        assert!(
            !event_loop::is_running(),
            "Launcher::run makes an event loop in each worker: call it from main, outside of a loop"
        );
        let mut settings = self.settings;
        settings.check()?;
        if let Some((seat, equipment)) = exec::as_worker(&mut settings)? {
            end_process(seat::run(seat, equipment, body));
        }
        let count = settings.workers.count().map_err(invalid)?;
        let Some(count) = count else {
            return settings.run_inline(body);
        };
        if settings.spawn_mode == SpawnMode::Fork {
            let others = sys::threads::others()?;
            if !others.is_empty() {
                return Err(io::Error::other(Supervisor::has_threads(&others)));
            }
        }
        match Supervisor::new(settings, count)?.run()? {
            Outcome::Worker(seat, equipment) => end_process(seat::run(seat, equipment, body)),
            Outcome::Ended(status) => Ok(status),
        }
    }
}

/// Ends a worker's process, without going back to code that is the supervisor's.
fn end_process(status: i32) -> ! {
    std::process::exit(status)
}

pub(super) fn invalid(problem: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem.into())
}

impl Settings {
    fn check(&self) -> io::Result<()> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        for (place, binding) in self.bindings.iter().enumerate() {
            let name = &binding.name;
            if name.is_empty() || !name.chars().all(is_plain) {
                return Err(invalid(format!(
                    "{name:?} cannot be the name of a socket: letters, digits, _, - and . can"
                )));
            }
            if self.bindings[..place].iter().any(|other| other.name == *name) {
                return Err(invalid(format!("two sockets are named {name:?}")));
            }
        }
        self.names.check()
    }

    /// Opens the sockets, or takes over what was handed over.
    pub(super) fn open_sockets(
        &self,
        inherited: &mut inherit::Inherited,
        workers: usize,
    ) -> io::Result<Vec<Endpoint>> {
        let open = |binding: &Binding| {
            let sockets = inherited.take(&binding.name);
            let owned = inherited.owns(&binding.name);
            Endpoint::open(binding, sockets, owned, self.accept, workers).map_err(|error| {
                let Binding { name, address } = binding;
                io::Error::new(
                    error.kind(),
                    format!("cannot listen on {address} ({name}): {error}"),
                )
            })
        };
        self.bindings.iter().map(open).collect()
    }

    fn run_inline(mut self, body: Body) -> io::Result<u8> {
        let mut inherited = inherit::Inherited::from_environment();
        let endpoints = self.open_sockets(&mut inherited, 1)?;
        drop(inherited);
        tell_sockets(&mut self, &endpoints);
        let board: &'static Scoreboard = sys::memory::share_with_children()?;
        self.names.write_to(board);
        let place = board.hand_out(0, 1).expect("the scoreboard is empty");
        board.supervisor.store(std::process::id(), std::sync::atomic::Ordering::Relaxed);
        let mut sockets = Vec::new();
        for endpoint in &endpoints {
            let socket = endpoint.of_slot(0).map(|socket| socket.try_clone_to_owned());
            sockets.push((endpoint.name.clone(), socket.transpose()?.into_iter().collect()));
        }
        let equipment = Equipment {
            board,
            place,
            sockets,
            report: None,
            shared: false,
            manual_ready: self.manual_ready,
            limits: Recycle::default().limits(0.5),
            names: self.names.clone(),
            on_reopen: self.on_reopen.take(),
        };
        let status = seat::run(Seat::Alone, equipment, body);
        for signal in [libc::SIGTERM, libc::SIGQUIT, libc::SIGINT, libc::SIGUSR1] {
            let _ = signals::set(signal, Action::Default);
        }
        endpoints.iter().for_each(Endpoint::remove_file);
        Ok(u8::try_from(status).unwrap_or(1))
    }
}

impl fmt::Debug for Launcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launcher")
            .field("name", &self.settings.name)
            .field("workers", &self.settings.workers)
            .field("bindings", &self.settings.bindings)
            .finish_non_exhaustive()
    }
}
