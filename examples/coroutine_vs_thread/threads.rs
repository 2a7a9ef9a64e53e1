//! Green threads and OS threads behind one trait, so that one source runs on both.
//!
//! It is also the shortest answer to what differs: the names, and nothing else.

use std::{panic, thread, time::Duration};

use greenloop::green::{self, Wait};

/// What threads of either kind can do.
pub trait Threads: 'static {
    /// What a thread is waited for with.
    type Handle<T: Send + 'static>;

    /// Runs a closure on the first thread.
    fn run<T: Send + 'static>(main: impl FnOnce() -> T + Send + 'static) -> T;

    /// Starts a thread.
    fn spawn<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> Self::Handle<T>;

    /// Waits for a thread's end and gives its result.
    fn join<T: Send + 'static>(handle: Self::Handle<T>) -> T;

    /// Waits until `time` has passed.
    fn sleep(time: Duration);

    /// Lets the others run.
    fn yield_now();

    /// Waits for ever.
    fn park();
}

/// greenloop's.
pub enum Green {}

/// The operating system's.
pub enum Os {}

impl Threads for Green {
    type Handle<T: Send + 'static> = green::JoinHandle<T>;

    fn run<T: Send + 'static>(main: impl FnOnce() -> T + Send + 'static) -> T {
        green::run(main)
    }

    fn spawn<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> Self::Handle<T> {
        green::spawn(body)
    }

    fn join<T: Send + 'static>(handle: Self::Handle<T>) -> T {
        handle.wait().expect("nobody aborts it, and its panic is ours")
    }

    fn sleep(time: Duration) {
        green::sleep(time);
    }

    fn yield_now() {
        green::yield_now();
    }

    fn park() {
        std::future::pending::<()>().wait();
    }
}

impl Threads for Os {
    type Handle<T: Send + 'static> = thread::JoinHandle<T>;

    fn run<T: Send + 'static>(main: impl FnOnce() -> T + Send + 'static) -> T {
        main()
    }

    fn spawn<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> Self::Handle<T> {
        thread::spawn(body)
    }

    fn join<T: Send + 'static>(handle: Self::Handle<T>) -> T {
        handle.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
    }

    fn sleep(time: Duration) {
        thread::sleep(time);
    }

    fn yield_now() {
        thread::yield_now();
    }

    fn park() {
        loop {
            thread::park();
        }
    }
}
