//! What a loop can tell about itself.

/// A loop's figures at one moment, from [`EventLoop::statistics`](super::EventLoop::statistics)
/// and [`statistics`](super::statistics).
///
/// # Examples
///
/// ```
/// greenloop::run(async {
///     let task = greenloop::spawn(greenloop::yield_now());
///     // This one and the one just spawned.
///     assert_eq!(greenloop::statistics().tasks, 2);
///     task.await.unwrap();
/// });
/// ```
#[doc(alias = "RuntimeMetrics")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Tasks that have not ended.
    pub tasks: usize,
    /// Tasks that have ended by a panic so far, green threads among them.
    pub panicked: u64,
    /// Sockets that are registered with the kernel; one that never had to wait is not.
    pub sockets: usize,
    /// Timers that are armed.
    pub timers: usize,
    /// Turns of the loop so far.
    pub turns: u64,
    /// Polls of tasks so far.
    pub polls: u64,
    /// Wakes of tasks by other threads so far, several in a row counted as one.
    pub foreign_wakes: u64,
}
