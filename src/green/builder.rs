//! Saying more about a green thread than what it runs.

use std::{io, panic::Location, sync::Arc};

use super::{JoinHandle, stacks, thread::GreenThread};
use crate::{event_loop, executor::SpawnOptions, task};

/// Spawns a green thread with a name or another stack.
///
/// # Examples
///
/// ```
/// use greenloop::green::{self, Wait};
///
/// green::run(|| {
///     let thread = green::Builder::new().name("deep").stack_size(4 << 20).spawn(|| 7);
///     assert_eq!(thread.wait().unwrap(), 7);
/// });
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `spawn`"]
pub struct Builder {
    name: Option<Arc<str>>,
    stack_size: Option<usize>,
}

impl Builder {
    /// Starts with a green thread without a name, and a stack of 240 KiB.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the green thread, for its errors and for whoever looks at the loop.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets how many bytes its stack holds at least: 16 KiB or more. What is not touched is not
    /// taken from the system's memory.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Spawns the green thread, as [`spawn`](super::spawn) does.
    ///
    /// # Panics
    ///
    /// Outside of a loop, and when there is no memory for a stack.
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        self.spawn_at(f, Location::caller())
    }

    /// As `spawn`, called from elsewhere.
    #[track_caller]
    pub(super) fn spawn_at<F, T>(self, f: F, location: &'static Location<'static>) -> JoinHandle<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        assert!(event_loop::is_running(), "greenloop::green::spawn {}", event_loop::NEEDS_LOOP);
        match self.try_spawn_at(f, location) {
            Ok(handle) => handle,
            Err(error) => panic!("there is no stack for a green thread: {error}"),
        }
    }

    /// Spawns the green thread, as [`spawn`](super::spawn) does.
    ///
    /// # Errors
    ///
    /// Outside of a loop, and when there is no memory for a stack. On a kernel before Linux 6.13
    /// that is the case from about 32,000 green threads on, by its limit on mappings
    /// (`vm.max_map_count`).
    #[track_caller]
    pub fn try_spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        self.try_spawn_at(f, Location::caller())
    }

    pub(super) fn try_spawn_at<F, T>(
        self,
        f: F,
        location: &'static Location<'static>,
    ) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        if !event_loop::is_running() {
            return Err(event_loop::no_loop("greenloop::green::spawn"));
        }
        let stack = stacks::pool().reserve(self.stack_size.unwrap_or(stacks::DEFAULT_SIZE))?;
        let options = SpawnOptions { id: None, name: self.name, location };
        Ok(task::spawn_with(GreenThread::new(f, stack), options))
    }
}
