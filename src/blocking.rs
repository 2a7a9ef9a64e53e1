//! A pool of threads for what blocks: closures of `spawn_blocking`, and the lookup of names.
//!
//! One pool serves the process, whatever the number of loops. A thread is started when a closure
//! finds none idle, up to `MAX_THREADS`; beyond that closures wait in line. An idle thread ends
//! after `KEEP_ALIVE`. Nobody ever waits for a thread: a closure that never returns keeps its own
//! thread and no loop.
//!
//! A forked child has none of its parent's threads, and makes a pool of its own.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use crate::{
    event_loop::{process_generation, set_idle_threads},
    executor::{contain, wake},
};

/// How many threads there are at most; tokio's figure.
const MAX_THREADS: usize = 512;

/// How long a thread without work stays; tokio's figure.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Runs a closure on a thread of the pool; it is in line when this returns. The future works on any
/// runtime; dropping it takes back a closure that has not started.
///
/// The future panics with the panic of the closure, or when no thread can be started at all.
pub(crate) fn run<F, T>(closure: F) -> impl Future<Output = T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let shared = Arc::new(Shared { state: Mutex::new(Outcome { result: None, waiter: None }) });
    let started = Pool::current().submit(Box::new({
        let finish = Finish(Some(Arc::clone(&shared)));
        move || finish.with(closure)
    }));
    async move {
        if let Err(error) = started {
            panic!("no thread can be started for blocking work: {error}");
        }
        match (Waiting { shared }).await {
            Ok(value) => value,
            Err(payload) => resume_unwind(payload),
        }
    }
}

type Payload = Box<dyn std::any::Any + Send>;

/// What a closure's thread and whoever waits for it share.
struct Shared<T> {
    state: Mutex<Outcome<T>>,
}

struct Outcome<T> {
    result: Option<Result<T, Payload>>,
    waiter: Option<Waker>,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Outcome<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread's end. Dropping it unused tells the other end that the closure will not run.
struct Finish<T>(Option<Arc<Shared<T>>>);

impl<T> Finish<T> {
    fn with(mut self, closure: impl FnOnce() -> T) {
        if self.0.as_ref().is_some_and(|shared| Arc::strong_count(shared) == 1) {
            return; // Nobody waits any more.
        }
        let result = catch_unwind(AssertUnwindSafe(closure));
        self.tell(result);
    }

    fn tell(&mut self, result: Result<T, Payload>) {
        let Some(shared) = self.0.take() else { return };
        let mut state = shared.lock();
        state.result = Some(result);
        let waiter = state.waiter.take();
        drop(state);
        if let Some(waiter) = waiter {
            wake(waiter);
        }
    }
}

impl<T> Drop for Finish<T> {
    fn drop(&mut self) {
        self.tell(Err(Box::new("the closure was dropped before it ran")));
    }
}

/// The future's end.
struct Waiting<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        let waiter = self.shared.lock().waiter.take();
        drop(waiter);
    }
}

impl<T> Future for Waiting<T> {
    type Output = Result<T, Payload>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = cx.waker().clone();
        let mut state = self.shared.lock();
        if let Some(result) = state.result.take() {
            return Poll::Ready(result);
        }
        let old = state.waiter.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

type Job = Box<dyn FnOnce() + Send>;

struct Pool {
    /// Of the process that made it; see `event_loop/fork.rs`.
    generation: u32,
    state: Mutex<State>,
    work: Condvar,
    /// That of a forked child.
    next: OnceLock<Box<Pool>>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

impl Pool {
    /// The pool of this process. Made at the first call, and again in a forked child, which finds
    /// its parent's at the front of the chain and its own at the end.
    fn current() -> &'static Self {
        static FIRST: OnceLock<Pool> = OnceLock::new();
        set_idle_threads(|| Self::current().lock().idle);
        let generation = process_generation().unwrap_or_default();
        let new = || Self {
            generation,
            state: Mutex::default(),
            work: Condvar::new(),
            next: OnceLock::new(),
        };
        let mut pool = FIRST.get_or_init(new);
        while pool.generation != generation {
            pool = pool.next.get_or_init(|| Box::new(new()));
        }
        pool
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(&'static self, job: Job) -> std::io::Result<()> {
        let mut state = self.lock();
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() {
            drop(state);
            self.work.notify_one();
            return Ok(());
        }
        if state.threads >= MAX_THREADS {
            return Ok(()); // A thread will come to it.
        }
        state.threads += 1;
        drop(state);
        let started =
            thread::Builder::new().name("greenloop-blocking".to_owned()).spawn(move || self.work());
        match started {
            Ok(_) => Ok(()),
            Err(error) => {
                let mut state = self.lock();
                state.threads -= 1;
                if state.threads > 0 {
                    return Ok(());
                }
                let refused = std::mem::take(&mut state.jobs);
                drop(state);
                drop(refused);
                Err(error)
            }
        }
    }

    /// The life of a thread.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            while let Some(job) = state.jobs.pop_front() {
                drop(state);
                // A closure's panic is caught inside; this one would be a destructor's.
                contain(job);
                state = self.lock();
            }
            state.idle += 1;
            let (woken, timeout) = self
                .work
                .wait_timeout_while(state, KEEP_ALIVE, |state| state.jobs.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if timeout.timed_out() && state.jobs.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}
