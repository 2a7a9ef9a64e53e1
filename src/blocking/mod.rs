//! Threads for what blocks: closures of `spawn_blocking`, and the look-up of names.
//!
//! Each of the two has its own, whatever the number of loops: names that nobody answers for must not
//! take the threads from the closures, nor the other way round. A `ThreadPool` has its own, too.

mod threads;

use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

pub(crate) use self::threads::{Refused, Settings, Threads};
use crate::executor::wake;

/// How many threads for closures there are at most; tokio's figure.
const MAX_CLOSURES: usize = 512;

/// How many threads for names there are at most. A name for which no server answers takes one for
/// half a minute.
const MAX_NAMES: usize = 64;

/// How long a thread without work stays; tokio's figure.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Runs a closure on a thread; it is in line when this returns. The future works on any runtime;
/// dropping it takes back a closure that has not started.
///
/// The future panics with the panic of the closure, or when no thread can be started at all.
pub(crate) fn run<F, T>(closure: F) -> impl Future<Output = T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    static THREADS: OnceLock<Arc<Threads>> = OnceLock::new();
    run_on(THREADS.get_or_init(|| threads("greenloop-blocking", MAX_CLOSURES)), closure)
}

/// As `run`, on a thread for the look-up of names.
pub(crate) fn look_up<F, T>(closure: F) -> impl Future<Output = T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    static THREADS: OnceLock<Arc<Threads>> = OnceLock::new();
    run_on(THREADS.get_or_init(|| threads("greenloop-names", MAX_NAMES)), closure)
}

fn threads(name: &'static str, limit: usize) -> Arc<Threads> {
    let name = Cow::Borrowed(name);
    Threads::new(Settings { name, numbered: false, limit, keep_alive: KEEP_ALIVE })
}

fn run_on<F, T>(threads: &Arc<Threads>, closure: F) -> impl Future<Output = T> + use<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let shared = Arc::new(Shared { state: Mutex::new(Outcome { result: None, waiter: None }) });
    let started = threads.current().submit(Box::new({
        let finish = Finish(Some(Arc::clone(&shared)));
        move || finish.with(closure)
    }));
    async move {
        if let Err(Refused::NoThread(error)) = started {
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

#[cfg(test)]
pub(crate) mod tests {
    use std::{pin::pin, sync::Barrier, task::Wake, thread};

    use super::*;

    /// Keeps all threads for names busy, until it is dropped. There is one at a time.
    pub(crate) struct BusyNames {
        looking_up: Vec<Pin<Box<dyn Future<Output = ()>>>>,
        end: Arc<Barrier>,
        _only: MutexGuard<'static, ()>,
    }

    impl BusyNames {
        pub(crate) fn new() -> Self {
            static ONLY: Mutex<()> = Mutex::new(());
            let only = ONLY.lock().unwrap_or_else(PoisonError::into_inner);
            let begun = Arc::new(Barrier::new(MAX_NAMES + 1));
            let end = Arc::new(Barrier::new(MAX_NAMES + 1));
            let look = |_| -> Pin<Box<dyn Future<Output = ()>>> {
                let (begun, end) = (Arc::clone(&begun), Arc::clone(&end));
                Box::pin(look_up(move || {
                    begun.wait();
                    end.wait();
                }))
            };
            let looking_up = (0..MAX_NAMES).map(look).collect();
            begun.wait();
            Self { looking_up, end, _only: only }
        }
    }

    impl Drop for BusyNames {
        fn drop(&mut self) {
            self.end.wait();
            self.looking_up.drain(..).for_each(block_on);
        }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        struct Unpark(thread::Thread);

        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }

        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            thread::park();
        }
    }

    #[test]
    fn names_that_nobody_answers_for_take_no_threads_from_closures() {
        let busy = BusyNames::new();
        let mut in_line = Box::pin(look_up(|| "name"));
        assert_eq!(block_on(run(|| "closure")), "closure");
        let waker = Waker::noop();
        assert!(in_line.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
        drop(busy);
        assert_eq!(block_on(in_line), "name");
    }
}
