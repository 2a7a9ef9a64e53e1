//! What the tests of green threads share: a log, counters of drops, a gate, and a run that does not
//! wait for ever.
#![allow(
    dead_code,
    unused_imports,
    reason = "every test file is a crate of its own and uses a part"
)]

#[cfg(target_os = "linux")]
pub(crate) mod old_kernel;
#[path = "../support/own_process.rs"]
pub(crate) mod own_process;
#[path = "../support/mod.rs"]
pub(crate) mod support;

use std::{
    any::Any,
    cell::{Cell, RefCell},
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    process::Output,
    rc::Rc,
    sync::mpsc,
    task::{Poll, Waker},
    thread,
    time::Duration,
};

use greenloop::green::{self, Wait};
pub(crate) use support::{Drops, OnDrop, Wakes};

/// When a test counts as hanging. Nothing is expected to be faster than this by any factor.
const ENDLESS: Duration = Duration::from_secs(120);

/// Runs a closure as the first green thread of a loop of its own, and ends the process if that does
/// not come to an end.
#[track_caller]
pub(crate) fn run<T: 'static>(f: impl FnOnce() -> T + 'static) -> T {
    let _watched = watch();
    green::run(f)
}

/// Ends the process, unless it is dropped in time.
pub(crate) fn watch() -> mpsc::Sender<()> {
    let (alive, ended) = mpsc::channel::<()>();
    let name = thread::current().name().unwrap_or_default().to_owned();
    thread::spawn(move || {
        if ended.recv_timeout(ENDLESS) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{name} hangs");
            std::process::abort();
        }
    });
    alive
}

/// Waits for ever, or until it is killed.
#[track_caller]
pub(crate) fn park() {
    pending::<()>().wait();
}

/// Lets all others come as far as they come without time passing.
pub(crate) fn settle() {
    for _ in 0..100 {
        green::yield_now();
    }
}

/// What happened, in its order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(&self, entry: impl Into<String>) {
        self.0.borrow_mut().push(entry.into());
    }

    pub(crate) fn entries(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    /// Adds an entry when it is dropped.
    pub(crate) fn on_drop(&self, entry: &str) -> OnDrop<impl FnOnce() + use<>> {
        let (log, entry) = (self.clone(), entry.to_owned());
        OnDrop::new(move || log.add(entry))
    }
}

impl<const N: usize> PartialEq<[&str; N]> for Log {
    fn eq(&self, other: &[&str; N]) -> bool {
        self.entries() == other
    }
}

/// A gate that green threads and tasks wait at until somebody opens it; a hundred thousand, if need
/// be, so that it does not look who waits already.
#[derive(Clone, Default)]
pub(crate) struct Gate(Rc<GateState>);

#[derive(Default)]
struct GateState {
    open: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn open(&self) {
        self.0.open.set(true);
        self.0.waiting.take().into_iter().for_each(Waker::wake);
    }

    pub(crate) async fn passed(&self) {
        poll_fn(|cx| {
            if self.0.open.get() {
                return Poll::Ready(());
            }
            self.0.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    #[track_caller]
    pub(crate) fn wait(&self) {
        self.passed().wait();
    }
}

/// The text of a panic.
pub(crate) fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)")
}

/// Runs a closure that must panic, and tells what was said.
#[track_caller]
pub(crate) fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("it did not panic"),
        Err(payload) => text_of(&*payload).to_owned(),
    }
}

/// Runs the body of the named test in a process of its own, for what would take the others down with
/// it, and gives what that process said; `None` in that process.
pub(crate) fn in_own_process(test: &str, body: impl FnOnce()) -> Option<Output> {
    if own_process::is_own() {
        body();
        return None;
    }
    Some(own_process::command(test).output().expect("the program runs again"))
}

/// What a process said on standard error.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
