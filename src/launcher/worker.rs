//! What a worker knows of itself and asks of its supervisor.

use std::{
    cell::{Cell, RefCell},
    fmt,
    io::{self, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    rc::Rc,
    sync::atomic::Ordering::Relaxed,
    task::Poll,
};

use super::{
    Statistics,
    builder::Hook,
    figures::{Counter, Gauge},
    gate::Gate,
    histogram::Histogram,
    kind::{Kind, Unix},
    listener::{LAST_ACCEPTS, Listener},
    moment::{Moment, Until},
    names::{Figures, Names},
    recycle::Limits,
    scoreboard::{Entry, Scoreboard, State},
    statistics,
    sys::clock,
    tracked::{Counted, Tracked},
};
use crate::{
    net::UdpSocket,
    task::{self, JoinHandle},
};

/// One of the processes that serve, as its own code sees it; what the closure of
/// [`Launcher::run`](super::Launcher::run) is given.
///
/// It is a handle: clones are the same worker.
#[derive(Clone)]
pub struct Worker {
    inner: Rc<Inner>,
}

/// How much of a reason the supervisor listens to.
const LONGEST_REASON: usize = 1000;

/// What a worker process is given to begin with.
pub(super) struct Equipment {
    pub(super) board: &'static Scoreboard,
    pub(super) place: usize,
    pub(super) sockets: Vec<(String, Vec<OwnedFd>)>,
    /// To the supervisor, if there is one.
    pub(super) report: Option<UnixStream>,
    /// Whether other workers have the same sockets.
    pub(super) shared: bool,
    pub(super) manual_ready: bool,
    pub(super) limits: Limits,
    /// Those of the program's own figures.
    pub(super) names: Names,
    /// Opens its log files anew.
    pub(super) on_reopen: Option<Hook>,
}

/// The state that the handles share.
pub(super) struct Inner {
    equipment: Equipment,
    /// The program's own.
    figures: Figures,
    ready: Cell<bool>,
    /// Comes when it is to accept no more.
    drain: Rc<Moment>,
    /// How many connections it still takes out of a queue then.
    last_accepts: Cell<u32>,
    /// Woken when none of the tasks and green threads are left that are waited for.
    pub(super) idle: Rc<Moment>,
    recycling: Cell<bool>,
    /// What `fatal` was told.
    fatal: RefCell<Option<String>>,
}

impl Worker {
    pub(super) fn new(equipment: Equipment) -> io::Result<Self> {
        let Equipment { names, board, place, .. } = &equipment;
        let figures = Figures::new(names.clone(), board, *place)?;
        Ok(Self {
            inner: Rc::new(Inner {
                equipment,
                figures,
                ready: Cell::new(false),
                drain: Rc::default(),
                last_accepts: Cell::new(LAST_ACCEPTS),
                idle: Rc::default(),
                recycling: Cell::new(false),
                fatal: RefCell::new(None),
            }),
        })
    }

    /// Which of the workers it is: from 0 on. Its replacement has the same.
    #[must_use]
    pub fn slot(&self) -> usize {
        self.inner.entry().slot.load(Relaxed) as usize
    }

    /// How many rolling restarts there were before it was started, counted from 1.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.inner.entry().generation.load(Relaxed)
    }

    /// The number of its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        std::process::id()
    }

    /// Gives the TCP socket that the launcher has bound under a name.
    ///
    /// # Errors
    ///
    /// When there is none of that name, or it is no TCP socket; when the system has no descriptors left.
    pub fn listener(&self, name: &str) -> io::Result<Listener> {
        self.open(name, false)
    }

    /// Gives the Unix socket that the launcher has bound under a name.
    ///
    /// # Errors
    ///
    /// When there is none of that name, or it is no Unix socket; when the system has no descriptors left.
    pub fn unix_listener(&self, name: &str) -> io::Result<Listener<Unix>> {
        self.open(name, true)
    }

    fn named(&self, name: &str) -> io::Result<&[OwnedFd]> {
        let named = self.inner.equipment.sockets.iter().find(|(own, _)| own == name);
        named.map(|(_, sockets)| &sockets[..]).ok_or_else(|| {
            let problem = format!("the launcher has bound no socket under the name {name:?}");
            io::Error::new(io::ErrorKind::NotFound, problem)
        })
    }

    fn open<K: Kind>(&self, name: &str, unix: bool) -> io::Result<Listener<K>> {
        let copies = self.named(name)?.iter().map(|socket| socket.as_fd().try_clone_to_owned());
        let copies: Vec<_> = copies.collect::<io::Result<_>>()?;
        for copy in &copies {
            let socket = socket2::SockRef::from(copy);
            let is_unix = socket.domain()? == socket2::Domain::UNIX;
            if is_unix != unix || socket.r#type()? != socket2::Type::STREAM {
                let kind = if unix { "Unix" } else { "TCP" };
                let problem = format!("the socket {name:?} is no {kind} socket");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
            }
        }
        Ok(Listener::new(Rc::clone(&self.inner), name, copies))
    }

    /// Gives the socket for datagrams that the launcher has bound under a name (`udp:HOST:PORT`). It is this
    /// worker's own, in a group on the same port among which the kernel distributes datagrams by their
    /// sender, or with [`Accept::ByCpu`](super::Accept::ByCpu) by the processor on which they arrive; what
    /// waits in it when the worker dies or is replaced is its replacement's.
    ///
    /// Taking it tells the launcher that the worker is ready, unless
    /// [`Launcher::manual_ready`](super::Launcher::manual_ready) is set. There is nothing to accept that
    /// would end when the worker is to: see [`draining`](Self::draining).
    ///
    /// # Errors
    ///
    /// When there is none of that name, or it is no socket for datagrams; when the system has no descriptors
    /// left; outside of the worker's loop.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(worker: greenloop::launcher::Worker) -> std::io::Result<()> {
    /// // With .bind("time", "udp:0.0.0.0:37")
    /// let socket = worker.udp_socket("time")?;
    /// let mut buffer = [0; 1500];
    /// loop {
    ///     greenloop::select! {
    ///         received = socket.recv_from(&mut buffer) => {
    ///             let (count, peer) = received?;
    ///             socket.send_to(&buffer[..count], peer).await?;
    ///         }
    ///         _ = worker.draining() => return Ok(()),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn udp_socket(&self, name: &str) -> io::Result<UdpSocket> {
        let is_meant = |socket: &&OwnedFd| {
            let kind = socket2::SockRef::from(*socket).r#type();
            kind.is_ok_and(|kind| kind == socket2::Type::DGRAM)
        };
        let Some(socket) = self.named(name)?.first().filter(is_meant) else {
            let problem = format!("the socket {name:?} is none for datagrams");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        };
        let socket = UdpSocket::from_std(socket.try_clone()?.into())?;
        if !self.inner.equipment.manual_ready {
            self.ready();
        }
        Ok(socket)
    }

    /// Tells the launcher that this worker serves. It does so by itself at the first
    /// [`accept`](Listener::accept), unless [`Launcher::manual_ready`](super::Launcher::manual_ready)
    /// is set.
    pub fn ready(&self) {
        self.inner.tell_ready();
    }

    /// Waits until this worker is to accept no more, which is when idle connections should be closed.
    /// From then on [`Listener::accept`] gives what is left in the queue, and then `None`.
    ///
    /// # Cancel safety
    ///
    /// Dropping it forgets nothing: the moment stays.
    pub async fn draining(&self) {
        self.inner.draining().await;
    }

    /// Whether this worker is to accept no more: then an answer should say that it is the last one on
    /// its connection.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.inner.is_draining()
    }

    /// Spawns a task that [`drained`](Self::drained) waits for; otherwise as
    /// [`greenloop::spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        task::spawn(Counted { future, tracked: self.track() })
    }

    /// Spawns a green thread that [`drained`](Self::drained) waits for; otherwise as
    /// [`greenloop::green::spawn`](crate::green::spawn).
    #[cfg(feature = "green")]
    #[cfg_attr(docsrs, doc(cfg(feature = "green")))]
    #[track_caller]
    pub fn spawn_green<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let tracked = self.track();
        let green = super::tracked::CountedGreen::new(&self.inner);
        crate::green::spawn(move || {
            let _held = (tracked, green);
            f()
        })
    }

    /// Has [`drained`](Self::drained) wait until the guard is dropped, for work that is spawned by other
    /// means.
    #[must_use = "it counts until it is dropped"]
    pub fn track(&self) -> Tracked {
        Tracked::new(Rc::clone(&self.inner))
    }

    /// Waits until none of the tasks and green threads are left that were spawned through this worker.
    ///
    /// # Cancel safety
    ///
    /// Dropping it forgets nothing.
    pub async fn drained(&self) {
        let mut idle = Until::new(&self.inner.idle);
        std::future::poll_fn(|cx| {
            if self.inner.entry().tracked.load(Relaxed) == 0 {
                return Poll::Ready(());
            }
            idle.register(cx);
            Poll::Pending
        })
        .await;
    }

    /// Gives one of the counters that [`Launcher::counter`](super::Launcher::counter) has named, in
    /// memory that all workers share.
    ///
    /// # Panics
    ///
    /// When the launcher knows no counter of that name.
    #[must_use]
    #[track_caller]
    pub fn counter(&self, name: &str) -> Counter {
        let Some(counter) = self.inner.figures.counter(name) else {
            panic!(
                "the launcher has no counter {name:?}: name it with Launcher::counter before run"
            );
        };
        counter
    }

    /// Gives one of the gauges that [`Launcher::gauge`](super::Launcher::gauge) has named, in memory that
    /// all workers share. It begins at 0, and is forgotten when the worker ends.
    ///
    /// # Panics
    ///
    /// When the launcher knows no gauge of that name.
    #[must_use]
    #[track_caller]
    pub fn gauge(&self, name: &str) -> Gauge {
        let Some(gauge) = self.inner.figures.gauge(name) else {
            panic!("the launcher has no gauge {name:?}: name it with Launcher::gauge before run");
        };
        gauge
    }

    /// Gives one of the histograms that [`Launcher::histogram`](super::Launcher::histogram) has named, in
    /// memory that all workers share.
    ///
    /// # Panics
    ///
    /// When the launcher knows no histogram of that name.
    #[must_use]
    #[track_caller]
    pub fn histogram(&self, name: &str) -> Histogram {
        let Some(histogram) = self.inner.figures.histogram(name) else {
            panic!(
                "the launcher has no histogram {name:?}: name it with Launcher::histogram before \
                 run"
            );
        };
        histogram
    }

    /// Counts one request, for the figures and for [`Recycle::requests`](super::Recycle::requests).
    pub fn count_request(&self) {
        let requests = self.inner.entry().sums.requests.fetch_add(1, Relaxed) + 1;
        if requests >= self.inner.equipment.limits.requests {
            self.request_recycle();
        }
    }

    /// The figures of all workers, as they are at this moment. Their sums include the workers that
    /// are gone, so they never go down.
    #[must_use]
    pub fn cluster_stats(&self) -> Statistics {
        let Inner { equipment, figures, .. } = &*self.inner;
        statistics::gather_from(equipment.board, figures.board, figures.names())
    }

    /// Asks to be replaced: the launcher starts another worker, and has this one drain when that is
    /// ready. Only the first call does anything.
    pub fn request_recycle(&self) {
        if !self.inner.recycling.replace(true) {
            self.inner.report("Q\n");
        }
    }

    /// Says that this worker can never serve, and that it is no use to start it again: a configuration
    /// that cannot be right, say. Return the error; the process ends with status 78.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn configuration() -> Result<(), String> { Ok(()) }
    /// # fn example(worker: greenloop::launcher::Worker) -> std::io::Result<()> {
    /// configuration().map_err(|error| worker.fatal(error))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn fatal(&self, reason: impl Into<String>) -> io::Error {
        let mut reason = reason.into().replace('\n', " ");
        while reason.len() > LONGEST_REASON {
            reason.pop();
        }
        self.inner.report(&format!("F{reason}\n"));
        *self.inner.fatal.borrow_mut() = Some(reason.clone());
        io::Error::other(reason)
    }

    /// What `fatal` was told.
    pub(super) fn fatal_reason(&self) -> Option<String> {
        self.inner.fatal.borrow().clone()
    }

    /// It is to accept no more.
    pub(super) fn begin_draining(&self) {
        self.inner.entry().note_draining();
        self.inner.entry().set_state(State::Draining);
        if self.inner.equipment.board.stopping.load(Relaxed) != 0 {
            self.inner.last_accepts.set(u32::MAX);
        }
        self.inner.report("D\n");
        self.inner.drain.come();
    }

    /// The pipe to the supervisor, which ends with it.
    pub(super) fn lifeline(&self) -> io::Result<Option<UnixStream>> {
        let pipe = self.inner.equipment.report.as_ref().map(UnixStream::try_clone).transpose()?;
        if let Some(pipe) = &pipe {
            pipe.set_nonblocking(true)?;
        }
        Ok(pipe)
    }

    /// The supervisor is gone, so nobody else serves this worker's sockets for long.
    pub(super) fn begin_last_draining(&self) {
        self.inner.last_accepts.set(u32::MAX);
        self.begin_draining();
    }
}

impl Inner {
    pub(super) fn entry(&self) -> &'static Entry {
        self.equipment.board.entry(self.equipment.place)
    }

    pub(super) fn gate(&self) -> Gate {
        let Equipment { board, place, shared, .. } = self.equipment;
        Gate { board, place, shared }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.drain.is_here()
    }

    pub(super) fn draining(&self) -> Until {
        Until::new(&self.drain)
    }

    /// Whether it takes one more connection out of a queue, though it is to accept no more.
    pub(super) fn may_accept_another(&self) -> bool {
        let left = self.last_accepts.get();
        self.last_accepts.set(left.saturating_sub(1));
        left > 0
    }

    /// A connection was accepted and counted.
    pub(super) fn accepted(&self) {
        let entry = self.entry();
        if entry.sums.accepted.load(Relaxed) >= self.equipment.limits.accepts
            && !self.recycling.replace(true)
        {
            self.report("Q\n");
        }
    }

    /// It waits for a connection.
    pub(super) fn accepts_first(&self) {
        if !self.ready.get() && !self.equipment.manual_ready {
            self.tell_ready();
        }
    }

    fn tell_ready(&self) {
        if !self.ready.replace(true) {
            let entry = self.entry();
            // What it took to get ready has kept nobody waiting.
            entry.busy_since.store(clock::now(), Relaxed);
            entry.longest_turn.store(0, Relaxed);
            if !self.is_draining() {
                entry.set_state(State::Ready);
            }
            self.report("R\n");
        }
    }

    /// It will take nothing more out of the queue of a socket.
    pub(super) fn has_emptied(&self, name: &str) {
        self.report(&format!("E{name}\n"));
    }

    /// A line for the supervisor. If it is gone this worker will be told otherwise.
    fn report(&self, line: &str) {
        if let Some(mut supervisor) = self.equipment.report.as_ref() {
            let _ = supervisor.write_all(line.as_bytes());
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("slot", &self.slot())
            .field("generation", &self.generation())
            .field("draining", &self.is_draining())
            .finish_non_exhaustive()
    }
}
