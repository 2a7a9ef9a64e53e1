//! A pool of threads, for those who want their own: a limited number, with names, for jobs that block or
//! compute.
//!
//! [`ThreadPool`] is Python's `ThreadPoolExecutor` and gevent's `ThreadPool`: jobs are submitted and give
//! a [`JobHandle`], which async tasks await, green threads wait for and plain threads join. For closures
//! that just must not hold up the loop there is [`spawn_blocking`](crate::spawn_blocking), with threads
//! of its own; neither takes any from the other.

mod job;
mod map;
mod shutdown;

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    thread::available_parallelism,
    time::Duration,
};

pub use self::{
    job::JobHandle,
    map::{Map, MapUnordered},
    shutdown::Shutdown,
};
use crate::{
    blocking::{KEEP_ALIVE, Settings, Threads},
    event_loop,
};

/// A limited number of threads that do jobs.
///
/// A thread is started when a job finds none idle, until there are as many as the pool may have; then
/// jobs wait in line. A thread that has had nothing to do for ten seconds ends.
///
/// A pool needs no loop, may be used from any thread, and its clones are handles to the same one. When
/// the last of them is dropped it is [closed](Self::close): jobs that were submitted are still done,
/// and nobody waits for them; the end of `main` ends them. After a fork the child has
/// the pool without its jobs and threads.
///
/// # Examples
///
/// ```
/// use greenloop::thread_pool::ThreadPool;
///
/// let pool = ThreadPool::new(3);
/// greenloop::run(async {
///     let jobs: Vec<_> = (1..=5).map(|n| pool.submit(move || n * n)).collect();
///     let mut squares = Vec::new();
///     for job in jobs {
///         squares.push(job.await.unwrap());
///     }
///     assert_eq!(squares, [1, 4, 9, 16, 25]);
///     pool.shutdown().await;
/// });
/// ```
#[derive(Clone)]
#[doc(alias = "ThreadPoolExecutor")]
#[doc(alias = "Executor")]
#[doc(alias = "multiprocessing.Pool")]
#[doc(alias = "multiprocessing.pool.Pool")]
pub struct ThreadPool {
    shared: Arc<ClosedOnDrop>,
}

struct ClosedOnDrop(Arc<Threads>);

impl Drop for ClosedOnDrop {
    fn drop(&mut self) {
        self.0.current().close();
    }
}

impl ThreadPool {
    /// Makes a pool of at most so many threads, without starting any.
    ///
    /// # Panics
    ///
    /// When `threads` is zero.
    #[must_use]
    #[track_caller]
    pub fn new(threads: usize) -> Self {
        Self::builder().threads(threads).build()
    }

    /// Starts to make a pool with other settings.
    pub fn builder() -> Builder {
        Builder { threads: None, name: None, keep_alive: KEEP_ALIVE }
    }

    /// Submits a job: a closure that one of the threads will call.
    ///
    /// Jobs are begun in the order in which they were submitted. A job may submit others; but if it waits
    /// for them, and all threads do that, nobody is left to do them.
    ///
    /// After [`close`](Self::close) the handle gives an error that
    /// [`is_cancelled`](crate::task::JoinError::is_cancelled), and if the system can start no thread
    /// at all, one that says so.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::thread_pool::ThreadPool;
    ///
    /// let pool = ThreadPool::new(1);
    /// let job = pool.submit(|| 6 * 7);
    /// // In a task: `job.await`; in a green thread: `job.wait()`.
    /// assert_eq!(job.join().unwrap(), 42);
    /// ```
    #[doc(alias = "apply_async")]
    #[doc(alias = "run_in_executor")]
    #[doc(alias = "apply")]
    #[doc(alias = "ThreadPool.spawn")]
    pub fn submit<F, T>(&self, job: F) -> JobHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        job::submit(self.threads(), job)
    }

    /// Calls `f` with each item, on the threads, and gives the results in the order of the items.
    ///
    /// It is a stream of `Result`s: a panic is found where its item's result would be, and stops nothing.
    /// Twice as many items as the pool has threads are submitted at once and the next ones as results
    /// are taken, so that neither a long input nor a slow reader takes much memory; see
    /// [`Map::ahead`].
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use greenloop::thread_pool::ThreadPool;
    ///
    /// let pool = ThreadPool::new(4);
    /// greenloop::run(async {
    ///     let squares: Vec<i32> = pool.map(1..=5, |n| n * n).map(Result::unwrap).collect().await;
    ///     assert_eq!(squares, [1, 4, 9, 16, 25]);
    /// });
    /// ```
    ///
    /// In a green thread:
    ///
    #[cfg_attr(feature = "green", doc = "```")]
    #[cfg_attr(not(feature = "green"), doc = "```ignore")]
    /// use greenloop::{green, thread_pool::ThreadPool};
    ///
    /// green::run(|| {
    ///     let pool = ThreadPool::new(4);
    ///     let squares: Result<Vec<i32>, _> = green::iter(pool.map(1..=5, |n| n * n)).collect();
    ///     assert_eq!(squares.unwrap(), [1, 4, 9, 16, 25]);
    /// });
    /// ```
    #[doc(alias = "imap")]
    #[doc(alias = "starmap")]
    #[doc(alias = "map_async")]
    #[doc(alias = "starmap_async")]
    #[doc(alias = "map_cb")]
    pub fn map<I, F, R>(&self, items: I, f: F) -> Map<I::IntoIter, F, R>
    where
        I: IntoIterator<Item: Send + 'static>,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: Send + 'static,
    {
        Map::new(Arc::clone(self.threads()), items.into_iter(), f)
    }

    /// As [`map`](Self::map), but gives the results as they come.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{thread::sleep, time::Duration};
    ///
    /// use futures_util::StreamExt;
    /// use greenloop::thread_pool::ThreadPool;
    ///
    /// let pool = ThreadPool::new(2);
    /// greenloop::run(async {
    ///     let naps = pool.map_unordered([200, 1], |ms| {
    ///         sleep(Duration::from_millis(ms));
    ///         ms
    ///     });
    ///     let ends: Vec<u64> = naps.map(Result::unwrap).collect().await;
    ///     assert_eq!(ends, [1, 200]);
    /// });
    /// ```
    #[doc(alias = "imap_unordered")]
    #[doc(alias = "as_completed")]
    pub fn map_unordered<I, F, R>(&self, items: I, f: F) -> MapUnordered<I::IntoIter, F, R>
    where
        I: IntoIterator<Item: Send + 'static>,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: Send + 'static,
    {
        MapUnordered::new(Arc::clone(self.threads()), items.into_iter(), f)
    }

    /// Takes no more jobs. Those that were submitted are still done, and nobody waits for that; see
    /// [`shutdown`](Self::shutdown).
    pub fn close(&self) {
        self.threads().close();
    }

    /// Cancels the jobs that have not begun, and gives their number.
    ///
    /// Their closures are dropped, and their handles give an error that
    /// [`is_cancelled`](crate::task::JoinError::is_cancelled).
    #[doc(alias = "cancel_futures")]
    #[doc(alias = "terminate")]
    pub fn cancel_waiting(&self) -> usize {
        self.threads().drop_waiting_jobs()
    }

    /// Takes no more jobs, and gives what waits until the last one is done and the threads have ended.
    ///
    /// # Examples
    ///
    /// Python's `shutdown(wait=True, cancel_futures=True)`:
    ///
    /// ```
    /// use greenloop::thread_pool::ThreadPool;
    ///
    /// let pool = ThreadPool::new(2);
    /// let jobs: Vec<_> = (0..100).map(|n| pool.submit(move || n)).collect();
    /// let shutdown = pool.shutdown();
    /// pool.cancel_waiting();
    /// shutdown.join();
    /// assert!(jobs.iter().all(|job| job.is_finished()));
    /// ```
    #[doc(alias = "join")]
    pub fn shutdown(&self) -> Shutdown {
        self.close();
        Shutdown::new(Arc::clone(self.threads()))
    }

    /// Returns how many threads the pool has at present.
    #[doc(alias = "size")]
    #[must_use]
    pub fn thread_count(&self) -> usize {
        self.threads().count().0
    }

    /// Returns how many jobs wait for a thread at present.
    #[doc(alias = "task_queue")]
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        self.threads().count().1
    }

    fn threads(&self) -> &Arc<Threads> {
        self.shared.0.current()
    }
}

impl Default for ThreadPool {
    /// With four threads more than there are processors, and at most 32, as Python has it.
    fn default() -> Self {
        Self::builder().build()
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (threads, waiting) = self.threads().count();
        f.debug_struct("ThreadPool")
            .field("name", &self.threads().settings().name)
            .field("threads", &threads)
            .field("waiting", &waiting)
            .finish()
    }
}

/// Makes a [`ThreadPool`]; from [`ThreadPool::builder`].
///
/// # Examples
///
/// ```
/// use greenloop::thread_pool::ThreadPool;
///
/// let pool = ThreadPool::builder().threads(2).name("crawler").build();
/// let name = pool.submit(|| std::thread::current().name().map(str::to_owned));
/// assert_eq!(name.join().unwrap().as_deref(), Some("crawler-0"));
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    threads: Option<usize>,
    name: Option<String>,
    keep_alive: Duration,
}

impl Builder {
    /// Sets how many threads there are at most.
    #[doc(alias = "max_workers")]
    #[doc(alias = "maxsize")]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Sets the name of the threads, to which each adds its number. Without one it is made up.
    #[doc(alias = "thread_name_prefix")]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets how long a thread that has nothing to do stays; ten seconds unless said. With
    /// [`Duration::MAX`] it stays as long as the pool.
    pub fn keep_alive(mut self, keep_alive: Duration) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    /// Makes the pool.
    ///
    /// # Panics
    ///
    /// When the number of threads was set to zero, or the name has a zero byte in it.
    #[must_use]
    #[track_caller]
    pub fn build(self) -> ThreadPool {
        static POOLS: AtomicUsize = AtomicUsize::new(0);
        let limit = self.threads.unwrap_or_else(default_threads);
        assert!(limit > 0, "a pool of no threads would never do a job");
        let made_up = || format!("pool-{}", POOLS.fetch_add(1, Ordering::Relaxed));
        let name = self.name.unwrap_or_else(made_up);
        assert!(!name.contains('\0'), "the name of a thread has no zero bytes");
        let (name, keep_alive) = (Cow::Owned(name), self.keep_alive);
        let threads = Threads::new(Settings { name, numbered: true, limit, keep_alive });
        ThreadPool { shared: Arc::new(ClosedOnDrop(threads)) }
    }
}

/// What Python takes: enough for jobs that wait, and not too many on large machines.
fn default_threads() -> usize {
    available_parallelism().map_or(4, |cores| cores.get() + 4).min(32)
}

/// Polls, and spends from the budget of the task if there is one; other threads and runtimes have none.
fn spending<R>(cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<R>) -> Poll<R> {
    ready!(event_loop::with(|core| core.executor.poll_budget(cx)).unwrap_or(Poll::Ready(())));
    let polled = poll(cx);
    if polled.is_ready() {
        event_loop::with(|core| core.executor.spend_budget());
    }
    polled
}
