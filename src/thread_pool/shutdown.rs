//! Waiting for the end of a pool.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{blocking::Threads, event_loop};

/// Waits until the threads of a [`ThreadPool`](super::ThreadPool) have done all jobs and ended; from
/// [`shutdown`](super::ThreadPool::shutdown). Works on any runtime; dropping it waits for nothing.
#[must_use = "dropping it waits for nothing; ThreadPool::close says so"]
pub struct Shutdown {
    threads: Arc<Threads>,
}

impl Shutdown {
    pub(super) fn new(threads: Arc<Threads>) -> Self {
        Self { threads }
    }

    /// Blocks the calling thread until the others have ended.
    ///
    /// # Panics
    ///
    /// On a thread that runs an event loop, which it would block, and on one of the pool's own, for which
    /// it would wait for ever.
    #[track_caller]
    pub fn join(self) {
        assert!(
            !event_loop::is_running(),
            "Shutdown::join would block the event loop of this thread: await it instead",
        );
        assert!(
            !self.threads.current().is_own_thread(),
            "a job waits for the end of its own pool, which waits for the end of the job",
        );
        self.threads.current().wait_ended();
    }
}

impl Future for Shutdown {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.threads.current().poll_ended(cx)
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").finish_non_exhaustive()
    }
}
