//! A launcher as part of a test: in a process of its own, with a handle on it.

use std::{
    collections::BTreeMap,
    env, fmt,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    marker::PhantomData,
    net::SocketAddr,
    os::{fd::AsRawFd as _, unix::net::UnixStream},
    path::PathBuf,
    process,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use super::{
    Event, Exit, Launcher, SpawnMode, Statistics, Worker, WorkerState,
    builder::invalid,
    names::Names,
    scoreboard::Scoreboard,
    statistics,
    supervisor::exec,
    sys::{
        self, environment, memory,
        process::{reap, signal},
        sockets::take_inherited,
    },
};

/// Whose launcher this process is: the process of the test, and the path of the control socket.
const VARIABLE: &str = "GREENLOOP_TEST_LAUNCHER";

/// How long a launcher may take to end when its handle is dropped.
const END: Duration = Duration::from_secs(5);

/// How often something is looked at that nobody tells of.
const LOOK: Duration = Duration::from_millis(2);

impl Launcher {
    /// Starts the launcher from within a test, in a process of its own, and returns when all workers are
    /// ready.
    ///
    /// The process executes the test program anew, with the arguments that have it run this test alone, and
    /// when it comes here it is the supervisor; its workers do the same. So what stands in the test before
    /// this call happens in each of them, a test can start one launcher only, and all of it must be
    /// in the `#[test]` function itself or in what it calls on its own thread. Workers are
    /// [executed](SpawnMode::Exec), as the test harness has threads.
    ///
    /// # Errors
    ///
    /// When the process cannot be started, or has ended before all its workers were ready: it says why on
    /// standard error.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::{io, io::Read as _, net::TcpStream};
    ///
    /// use greenloop::launcher::Launcher;
    ///
    /// #[test]
    /// fn a_killed_worker_is_replaced() -> io::Result<()> {
    ///     let launcher = Launcher::new().workers(2).bind("hello", "127.0.0.1:0");
    ///     let server = launcher.spawn_for_test(|worker| async move {
    ///         let listener = worker.listener("hello")?;
    ///         while let Some((stream, _)) = listener.accept().await? {
    ///             stream.write_all(b"hello").await?;
    ///         }
    ///         Ok(())
    ///     })?;
    ///     let killed = server.kill(0)?;
    ///     server.wait_until(|now| now.workers.iter().all(|worker| worker.pid != killed))?;
    ///     let mut answer = String::new();
    ///     TcpStream::connect(server.address("hello"))?.read_to_string(&mut answer)?;
    ///     assert_eq!(answer, "hello");
    ///     server.stop()?;
    ///     Ok(())
    /// }
    /// ```
    pub fn spawn_for_test<F, R>(self, closure: F) -> io::Result<TestLauncher>
    where
        F: FnOnce(Worker) -> R + 'static,
        R: Future<Output = io::Result<()>> + 'static,
    {
        if exec::is_worker() {
            self.run(closure)?;
            unreachable!("a worker's process ends in `run`");
        }
        if let Some(parent) = environment::take(VARIABLE) {
            let status = match self.below_a_test(&parent).and_then(|own| own.run_to_status(closure))
            {
                Ok(status) => status.into(),
                Err(error) => {
                    eprintln!("greenloop: the launcher of a test: {error}");
                    1
                }
            };
            process::exit(status);
        }
        TestLauncher::start(self)
    }

    /// What the process of the launcher does differently because of the test.
    fn below_a_test(mut self, parent: &str) -> io::Result<Self> {
        let missing = || invalid(format!("{VARIABLE}={parent:?}"));
        let (pid, control) = parent.split_once(',').ok_or_else(missing)?;
        sys::process::signal_at_parents_death(libc::SIGTERM)?;
        if pid.parse() != Ok(sys::process::parent()) {
            return Err(io::Error::other("the test has ended"));
        }
        let mut tell = UnixStream::from(take_inherited(3).ok_or_else(missing)?);
        self.settings.board = Some(File::from(take_inherited(4).ok_or_else(missing)?));
        self.settings.control = Some(PathBuf::from(control));
        if self.settings.spawn_mode == SpawnMode::Fork {
            self.settings.spawn_mode = SpawnMode::ForkOrExec;
        }
        let mut hook = self.settings.on_event.take();
        self.settings.on_event = Some(Box::new(move |event| {
            // Should the test be gone, this process is about to be told.
            let _ = match event {
                Event::Listening { name, address, .. } => writeln!(tell, "{name} {address}"),
                Event::AllReady => writeln!(tell),
                _ => Ok(()),
            };
            if let Some(hook) = &mut hook {
                hook(event);
            }
        }));
        Ok(self)
    }
}

/// A launcher that a test has started, by [`Launcher::spawn_for_test`]. Dropping it ends all its processes.
pub struct TestLauncher {
    pid: u32,
    /// It was reaped.
    ended: bool,
    control: PathBuf,
    board: &'static Scoreboard,
    names: Names,
    addresses: BTreeMap<String, String>,
    /// The launcher ends when the thread does that has started it.
    own_thread: PhantomData<*const ()>,
}

impl TestLauncher {
    fn start(launcher: Launcher) -> io::Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let settings = launcher.settings;
        let thread = thread::current();
        let test = thread.name().filter(|name| *name != "main").ok_or_else(|| {
            invalid("Launcher::spawn_for_test must be called on the thread of a test")
        })?;
        let control = settings.control.unwrap_or_else(|| {
            let (own, count) = (process::id(), COUNT.fetch_add(1, Relaxed));
            env::temp_dir().join(format!("greenloop-test-{own}-{count}"))
        });
        let (board, file) = memory::share_by_file()?;
        let (ours, theirs) = UnixStream::pair()?;
        let parent = format!("{},{}", process::id(), control.display());
        let flags = [test, "--exact", "--include-ignored", "--nocapture", "--quiet"];
        let program = exec::program_with(
            &env::current_exe()?,
            env::args_os().take(1).chain(flags.map(Into::into)),
            &[(VARIABLE, parent)],
        )?;
        let program = program.descriptors_from_3(&[theirs.as_raw_fd(), file.as_raw_fd()]);
        let mut own = Self {
            pid: program.start()? as u32,
            ended: false,
            control,
            board,
            names: settings.names,
            addresses: BTreeMap::new(),
            own_thread: PhantomData,
        };
        drop((theirs, program));
        for line in BufReader::new(ours).lines() {
            let line = line?;
            match line.split_once(' ') {
                Some((name, address)) => own.addresses.insert(name.into(), address.into()),
                None => return Ok(own),
            };
        }
        let exit = own.wait()?;
        Err(io::Error::other(format!("the launcher {exit} before its workers were ready")))
    }

    /// The supervisor's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The address that was bound under a name, with the port that it has got.
    ///
    /// # Panics
    ///
    /// When there is none of that name, or it is that of a Unix socket.
    #[must_use]
    #[track_caller]
    pub fn address(&self, name: &str) -> SocketAddr {
        match self.addresses.get(name).map(|address| address.parse()) {
            Some(Ok(address)) => address,
            _ => panic!("the launcher has bound no port under the name {name:?}"),
        }
    }

    /// Replaces all workers, and returns when that is done.
    ///
    /// # Errors
    ///
    /// When a replacement did not become ready.
    pub fn roll(&self) -> io::Result<()> {
        self.order("roll").map(drop)
    }

    /// Changes the number of workers, and returns when so many are ready, and no others.
    ///
    /// # Errors
    ///
    /// When there cannot be so many, or the launcher has ended.
    pub fn scale(&self, workers: usize) -> io::Result<()> {
        self.order(&format!("scale {workers}"))?;
        self.wait_until(|now| {
            let ready = now.workers.iter().filter(|worker| worker.state == WorkerState::Ready);
            ready.count() == workers && now.workers.len() == workers
        })
    }

    /// Kills the worker of a slot that is ready, and gives the number that its process had.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn kill(&self, slot: usize) -> io::Result<u32> {
        let statistics = self.stats();
        let victim = statistics
            .workers
            .iter()
            .find(|worker| worker.slot == slot && worker.state == WorkerState::Ready);
        let pid = victim.ok_or(io::ErrorKind::NotFound)?.pid;
        signal(pid as i32, libc::SIGKILL);
        Ok(pid)
    }

    /// The figures of all workers, as they are at this moment.
    #[must_use]
    pub fn stats(&self) -> Statistics {
        statistics::gather(self.board, &self.names)
    }

    /// Waits until the figures are as they should be.
    ///
    /// # Errors
    ///
    /// When the launcher has ended.
    pub fn wait_until(&self, mut is_so: impl FnMut(&Statistics) -> bool) -> io::Result<()> {
        while !is_so(&self.stats()) {
            if sys::process::has_ended(self.pid as i32) {
                return Err(io::Error::other("the launcher has ended"));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Ends the launcher as `SIGTERM` does, waits for that, and tells how it ended.
    ///
    /// # Errors
    ///
    /// When the launcher had ended before.
    pub fn stop(mut self) -> io::Result<Exit> {
        self.order("stop")?;
        self.wait()
    }

    /// Says a word at the control socket; gives the answer.
    fn order(&self, word: &str) -> io::Result<String> {
        let mut socket = UnixStream::connect(&self.control)?;
        writeln!(socket, "{word}")?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        match answer.strip_prefix("{\"ok\":false,\"error\":") {
            Some(why) => Err(io::Error::other(why.trim_end().trim_end_matches('}').to_owned())),
            None => Ok(answer),
        }
    }

    fn wait(&mut self) -> io::Result<Exit> {
        loop {
            if let Some(ended) = reap(self.pid as i32)? {
                self.ended = true;
                return Ok(Exit::new(ended, || false));
            }
            thread::sleep(LOOK);
        }
    }
}

impl fmt::Debug for TestLauncher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestLauncher")
            .field("pid", &self.pid)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl Drop for TestLauncher {
    fn drop(&mut self) {
        let start = Instant::now();
        if !self.ended {
            signal(self.pid as i32, libc::SIGQUIT);
        }
        while !self.ended && start.elapsed() < END {
            self.ended = !matches!(reap(self.pid as i32), Ok(None));
            thread::sleep(LOOK);
        }
        if !self.ended {
            signal(self.pid as i32, libc::SIGKILL);
            sys::process::wait(self.pid as i32);
        }
        // Left behind by one that was killed.
        let _ = fs::remove_file(&self.control);
    }
}
