//! Green threads as members of sets that take tasks of every kind.

use super::spawn;
use crate::task::{AbortHandle, JoinSet};

impl<T: 'static> JoinSet<T> {
    /// Spawns a green thread into the set; see [`green::spawn`](super::spawn()).
    ///
    /// # Panics
    ///
    /// Outside of a loop, and when there is no memory for a stack.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::{green::{self, Wait}, task::JoinSet};
    ///
    /// green::run(|| {
    ///     let mut set = JoinSet::new();
    ///     set.spawn_green(|| 6);
    ///     set.spawn(async { 7 });
    ///     let product: i32 = green::iter(set).map(Result::unwrap).product();
    ///     assert_eq!(product, 42);
    /// });
    /// ```
    #[track_caller]
    pub fn spawn_green<F>(&mut self, f: F) -> AbortHandle
    where
        F: FnOnce() -> T + 'static,
    {
        self.insert(spawn(f))
    }
}
