//! What several test files need to see what a loop does: counters for wakes and drops, a gate to
//! wait at, the place of a panic, and a `block_on` that is no event loop.
#![allow(dead_code, reason = "every test file is a crate of its own and uses a part of this")]

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

/// Counts how often its wakers were woken.
#[derive(Clone, Default)]
pub(crate) struct Wakes(Arc<WakeCount>);

#[derive(Default)]
struct WakeCount(AtomicUsize);

impl Wakes {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.0.load(SeqCst)
    }

    /// How many wakers (and copies of this counter) there are.
    pub(crate) fn references(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

impl Wake for WakeCount {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Counts how many of its guards were dropped, on whatever thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drops(Arc<AtomicUsize>);

/// Counts itself when it is dropped.
#[derive(Debug)]
pub(crate) struct DropGuard(Arc<AtomicUsize>);

impl Drops {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn guard(&self) -> DropGuard {
        DropGuard(Arc::clone(&self.0))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Calls a closure when it is dropped.
pub(crate) struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> OnDrop<F> {
    pub(crate) fn new(f: F) -> Self {
        Self(Some(f))
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// A future that never ends, and holds something until it is dropped.
pub(crate) async fn hold<T, N>(held: T) -> N {
    let _held = held;
    std::future::pending().await
}

/// A gate that tasks wait at until somebody, on whatever thread, opens it.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<GateState>>);

#[derive(Default)]
struct GateState {
    open: bool,
    waiting: Vec<Waker>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn open(&self) {
        let mut state = self.0.lock().unwrap();
        state.open = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(crate) async fn wait(&self) {
        poll_fn(|cx| self.poll(cx)).await;
    }

    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap();
        if state.open {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|waiting| waiting.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// Gives the waker of the task that awaits this.
pub(crate) async fn own_waker() -> Waker {
    poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
}

/// Polls a future once, with a waker that does nothing.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Returns pending once without asking to be woken.
pub(crate) async fn suspend() {
    let mut suspended = false;
    poll_fn(
        |_| if std::mem::replace(&mut suspended, true) { Poll::Ready(()) } else { Poll::Pending },
    )
    .await;
}

/// Runs a future on this thread without any event loop.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

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

/// A panic as its hook saw it.
#[derive(Clone, Debug)]
pub(crate) struct Caught {
    pub(crate) message: String,
    pub(crate) file: String,
    pub(crate) line: u32,
}

impl Caught {
    /// Asserts that the panic names a line of its caller's: the one of this place, or up to
    /// `lines` before it.
    #[track_caller]
    pub(crate) fn assert_within(&self, lines: u32) {
        let here = Location::caller();
        assert_eq!(self.file, here.file(), "{self:?}");
        let (first, last) = (here.line() - lines, here.line());
        assert!((first..=last).contains(&self.line), "not in lines {first} to {last}: {self:?}");
    }
}

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static CAUGHT: RefCell<Option<Caught>> = const { RefCell::new(None) };
}

/// Runs a closure that must panic on this thread, and tells what was said and at which line.
#[track_caller]
pub(crate) fn panic_of<T>(f: impl FnOnce() -> T) -> Caught {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !CATCHING.get() {
                return before(info);
            }
            let payload = info.payload();
            let text = payload.downcast_ref::<&'static str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let message = text.unwrap_or("(no text)").to_owned();
            let location = info.location().expect("a panic has a place");
            let (file, line) = (location.file().to_owned(), location.line());
            CAUGHT.set(Some(Caught { message, file, line }));
        }));
    });
    let outer = CATCHING.replace(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    CATCHING.set(outer);
    assert!(result.is_err(), "it did not panic");
    CAUGHT.take().expect("the hook was called")
}
