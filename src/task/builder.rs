//! Saying more about a task than its future.

use std::{panic::Location, sync::Arc};

use super::{JoinHandle, spawn_with};
use crate::executor::SpawnOptions;

/// Spawns a task with a name.
///
/// # Examples
///
/// ```
/// use greenloop::task;
///
/// greenloop::run(async {
///     let task = task::Builder::new().name("baker").spawn(async { panic!("no flour") });
///     assert_eq!(task.name().as_deref(), Some("baker"));
///     assert!(task.await.unwrap_err().to_string().contains(r#""baker" panicked: no flour"#));
/// });
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `spawn`"]
pub struct Builder {
    name: Option<Arc<str>>,
}

impl Builder {
    /// Starts with a task that has no name.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the task, for its errors and for whoever looks at the loop.
    #[doc(alias = "set_name")]
    #[doc(alias = "setName")]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Spawns the task, as [`spawn`](super::spawn) does.
    ///
    /// # Panics
    ///
    /// Outside of a loop.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        spawn_with(future, SpawnOptions { id: None, name: self.name, location: Location::caller() })
    }
}
