//! Threads that do jobs, one after the other.
//!
//! A thread is started when a job finds none idle, up to a limit; beyond that jobs wait in line. An idle
//! thread ends after a while. Nobody ever waits for a thread who does not ask for it: a job that never
//! returns keeps its own thread and nobody else.
//!
//! A forked child has none of its parent's threads, and starts its own.
//!
//! Invariant: while there are jobs in line there is a thread, and it will come to them.

use std::{
    borrow::Cow,
    cell::Cell,
    collections::VecDeque,
    io, mem, ptr,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use crate::{
    event_loop::{process_generation, set_idle_threads},
    executor::{contain, wake},
};

/// Something to do. Dropping it tells whoever waits for it that it will not be done.
type Job = Box<dyn FnOnce() + Send>;

/// What is said about threads when they are made.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The name of each, followed by its number if `numbered`.
    pub(crate) name: Cow<'static, str>,
    pub(crate) numbered: bool,
    /// How many there are at most.
    pub(crate) limit: usize,
    /// How long one without a job stays.
    pub(crate) keep_alive: Duration,
}

pub(crate) struct Threads {
    settings: Settings,
    /// Of the process that made it; see `event_loop/fork.rs`.
    process: u32,
    state: Mutex<State>,
    /// Tells the idle threads of jobs and of the end.
    work: Condvar,
    /// Tells those who block that the last thread has ended.
    all_ended: Condvar,
    /// No more jobs are taken. Set under the lock of `state`, and read without it in a forked child, in
    /// which that may be held for ever.
    closed: AtomicBool,
    /// Those of a forked child.
    next: OnceLock<Arc<Threads>>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    /// How many of them have no job coming, as counted in `IDLE`.
    resting: usize,
    /// How many were started in all.
    started: usize,
    /// Those who wait for the end of the last thread.
    waiting: Vec<Waker>,
}

/// Why a job was not taken.
#[derive(Debug)]
pub(crate) enum Refused {
    /// No more are.
    Closed,
    /// There is no thread, and none can be started.
    NoThread(io::Error),
}

thread_local! {
    /// The address of what this thread belongs to.
    static OWN: Cell<*const Threads> = const { Cell::new(ptr::null()) };
}

/// How many threads of this process have no job and none coming, in the lower half; above it the
/// process, as `event_loop/fork.rs` counts them.
static IDLE: AtomicU64 = AtomicU64::new(0);

fn pack(process: u32, resting: usize) -> u64 {
    u64::from(process) << 32 | resting as u64
}

fn unpack(packed: u64) -> (u32, usize) {
    ((packed >> 32) as u32, packed as u32 as usize)
}

/// How many threads do nothing unless they are asked to.
fn resting() -> usize {
    let (process, resting) = unpack(IDLE.load(Ordering::Acquire));
    if process == process_generation().unwrap_or_default() { resting } else { 0 }
}

impl Threads {
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        Self::with(settings, process_generation().unwrap_or_default(), false)
    }

    fn with(settings: Settings, process: u32, closed: bool) -> Arc<Self> {
        set_idle_threads(resting);
        Arc::new(Self {
            settings,
            process,
            state: Mutex::default(),
            work: Condvar::new(),
            all_ended: Condvar::new(),
            closed: AtomicBool::new(closed),
            next: OnceLock::new(),
        })
    }

    /// Those of this process. A forked child finds its parent's at the front of the chain and its own at
    /// the end.
    pub(crate) fn current(self: &Arc<Self>) -> &Arc<Self> {
        let process = process_generation().unwrap_or_default();
        let mut threads = self;
        while threads.process != process {
            threads = threads.next.get_or_init(|| {
                let closed = threads.closed.load(Ordering::Relaxed);
                Self::with(threads.settings.clone(), process, closed)
            });
        }
        threads
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Puts a job in line.
    pub(crate) fn submit(self: &Arc<Self>, job: Job) -> Result<(), Refused> {
        let mut state = self.lock();
        if self.is_closed() {
            drop(state);
            drop(job);
            return Err(Refused::Closed);
        }
        state.jobs.push_back(job);
        self.count_resting(&mut state);
        if state.idle >= state.jobs.len() {
            drop(state);
            self.work.notify_one();
            return Ok(());
        }
        if state.threads >= self.settings.limit {
            return Ok(()); // A thread will come to it.
        }
        state.threads += 1;
        let number = state.started;
        state.started += 1;
        drop(state);
        let mut name = self.settings.name.clone().into_owned();
        if self.settings.numbered {
            name = format!("{name}-{number}");
        }
        let own = Arc::clone(self);
        match thread::Builder::new().name(name).spawn(move || own.work()) {
            Ok(_) => Ok(()),
            Err(error) => {
                let mut state = self.lock();
                state.threads -= 1;
                if state.threads > 0 {
                    return Ok(());
                }
                let refused = mem::take(&mut state.jobs);
                self.count_resting(&mut state);
                self.tell_if_ended(state);
                drop(refused);
                Err(Refused::NoThread(error))
            }
        }
    }

    /// The life of a thread.
    fn work(self: Arc<Self>) {
        OWN.set(Arc::as_ptr(&self));
        let mut state = self.lock();
        loop {
            while let Some(job) = state.jobs.pop_front() {
                self.count_resting(&mut state);
                drop(state);
                // A closure's panic is caught inside; this one would be a destructor's.
                contain(job);
                state = self.lock();
            }
            if self.is_closed() {
                break;
            }
            state.idle += 1;
            self.count_resting(&mut state);
            let (woken, timeout) = self
                .work
                .wait_timeout_while(state, self.settings.keep_alive, |state| {
                    state.jobs.is_empty() && !self.is_closed()
                })
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            self.count_resting(&mut state);
            if timeout.timed_out() && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
        self.tell_if_ended(state);
    }

    /// Brings `IDLE` up to date with a change of the idle threads or of the jobs.
    fn count_resting(&self, state: &mut State) {
        let now = state.idle.saturating_sub(state.jobs.len());
        let before = mem::replace(&mut state.resting, now);
        if now == before {
            return;
        }
        let count = |packed| {
            let (process, resting) = unpack(packed);
            // What the parent counted does not exist in the child.
            let others = if process == self.process { resting.saturating_sub(before) } else { 0 };
            Some(pack(self.process, others + now))
        };
        let _ = IDLE.fetch_update(Ordering::AcqRel, Ordering::Acquire, count);
    }

    /// Tells those who wait for the end, if it has come.
    fn tell_if_ended(&self, mut state: MutexGuard<'_, State>) {
        if !self.is_closed() || state.threads > 0 {
            return;
        }
        let waiting = mem::take(&mut state.waiting);
        drop(state);
        self.all_ended.notify_all();
        waiting.into_iter().for_each(wake);
    }

    /// Takes no more jobs. Those in line are still done, and then the threads end.
    pub(crate) fn close(&self) {
        let state = self.lock();
        self.closed.store(true, Ordering::Relaxed);
        self.work.notify_all();
        self.tell_if_ended(state);
    }

    /// Drops the jobs that wait in line, and gives their number.
    pub(crate) fn drop_waiting_jobs(&self) -> usize {
        let mut state = self.lock();
        let jobs = mem::take(&mut state.jobs);
        self.count_resting(&mut state);
        drop(state);
        let count = jobs.len();
        // One by one, so that a destructor's panic takes none along.
        jobs.into_iter().for_each(|job| contain(|| drop(job)));
        count
    }

    /// Polls for the end of the last thread, after `close`.
    pub(crate) fn poll_ended(&self, cx: &Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        if self.is_closed() && state.threads == 0 {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|waiting| waiting.will_wake(&waker)) {
            state.waiting.push(waker);
        }
        Poll::Pending
    }

    /// Blocks until the last thread has ended, after `close`.
    pub(crate) fn wait_ended(&self) {
        let state = self.lock();
        let ended = self.all_ended.wait_while(state, |state| state.threads > 0);
        drop(ended.unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether the calling thread is one of them.
    pub(crate) fn is_own_thread(&self) -> bool {
        ptr::eq(OWN.get(), self)
    }

    /// How many threads there are, and how many jobs wait in line for them.
    pub(crate) fn count(&self) -> (usize, usize) {
        let state = self.lock();
        (state.threads, state.jobs.len())
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }
}
