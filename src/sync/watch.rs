//! A value that others watch: they see the latest, and are told when it changes.
//!
//! # Examples
//!
//! ```
//! use greenloop::sync::watch;
//!
//! greenloop::run(async {
//!     let (settings, mut watched) = watch::channel("slow");
//!     let reader = greenloop::spawn(async move {
//!         watched.changed().await.unwrap();
//!         *watched.borrow()
//!     });
//!     settings.send("fast").unwrap();
//!     assert_eq!(reader.await.unwrap(), "fast");
//! });
//! ```

use std::{
    cell::{self, Cell, RefCell},
    fmt, mem,
    ops::Deref,
    panic::Location,
    rc::Rc,
};

use self::error::{RecvError, SendError};
use super::until::Until;
use crate::wait_queue::{WaitQueue, What};

static CHANGES: What = What::queue("watch::Receiver");
static CLOSED: What = What::queue("watch::Sender::closed");

/// Makes a value that can be watched. The receiver has seen what it is at first.
#[must_use]
#[track_caller]
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(value);
    let receiver = sender.subscribe();
    (sender, receiver)
}

struct Shared<T> {
    value: RefCell<T>,
    /// How often it was changed.
    version: Cell<u64>,
    senders: Cell<usize>,
    receivers: Cell<usize>,
    waits_for_change: WaitQueue,
    waits_for_close: WaitQueue,
}

impl<T> Shared<T> {
    #[track_caller]
    fn borrow(&self) -> cell::Ref<'_, T> {
        match self.value.try_borrow() {
            Ok(value) => value,
            Err(_) => panic!(
                "a watched value was borrowed by the function that changes it: \
                 use what the function is given",
            ),
        }
    }
}

impl<T: fmt::Debug> Shared<T> {
    fn fmt_as(&self, end: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct(end);
        match self.value.try_borrow() {
            Ok(value) => debug.field("value", &*value),
            Err(_) => debug.field("value", &format_args!("<being changed>")),
        };
        debug.finish_non_exhaustive()
    }
}

/// Changes the value; there may be several.
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Makes a value that nobody watches yet.
    #[must_use]
    #[track_caller]
    pub fn new(value: T) -> Self {
        let created = Location::caller();
        let shared = Shared {
            value: RefCell::new(value),
            version: Cell::new(0),
            senders: Cell::new(1),
            receivers: Cell::new(0),
            waits_for_change: WaitQueue::new(&CHANGES, created),
            waits_for_close: WaitQueue::new(&CLOSED, created),
        };
        Self { shared: Rc::new(shared) }
    }

    /// Sets the value, and tells those who watch.
    ///
    /// # Errors
    ///
    /// The value, when nobody watches; it is not set. See [`send_replace`](Self::send_replace).
    ///
    /// # Panics
    ///
    /// When the value is borrowed.
    #[track_caller]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(value));
        }
        drop(self.send_replace(value));
        Ok(())
    }

    /// Sets the value, also if nobody watches, and gives the one before.
    ///
    /// # Panics
    ///
    /// When the value is borrowed.
    #[track_caller]
    pub fn send_replace(&self, mut value: T) -> T {
        self.send_modify(|current| mem::swap(current, &mut value));
        value
    }

    /// Changes the value in place, and tells those who watch. If the function panics they are not told, and
    /// the value is as it left it.
    ///
    /// # Panics
    ///
    /// When the value is borrowed.
    #[track_caller]
    pub fn send_modify(&self, modify: impl FnOnce(&mut T)) {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    /// Changes the value in place, and tells those who watch if the function says `true`.
    ///
    /// # Panics
    ///
    /// When the value is borrowed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::sync::watch;
    /// let (peak, watched) = watch::channel(5);
    /// let raise = |to: u32| peak.send_if_modified(|peak| std::mem::replace(peak, to.max(*peak)) < to);
    /// assert!(!raise(3) && !watched.has_changed().unwrap());
    /// assert!(raise(8) && watched.has_changed().unwrap());
    /// ```
    #[track_caller]
    pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let Ok(mut value) = self.shared.value.try_borrow_mut() else {
            panic!(
                "a watched value was changed while it is borrowed: drop what borrow() gave first"
            );
        };
        let modified = modify(&mut value);
        drop(value);
        if modified {
            self.shared.version.set(self.shared.version.get() + 1);
            self.shared.waits_for_change.tell_all();
        }
        modified
    }

    /// Looks at the value. While what this gives is kept, the value cannot be changed: do not wait meanwhile.
    ///
    /// # Panics
    ///
    /// In the function that changes it.
    #[track_caller]
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref { value: self.shared.borrow(), has_changed: false }
    }

    /// Makes another one who watches, and has seen the value as it is.
    pub fn subscribe(&self) -> Receiver<T> {
        let receivers = &self.shared.receivers;
        receivers.set(receivers.get() + 1);
        Receiver { seen: self.shared.version.get(), shared: Rc::clone(&self.shared) }
    }

    /// Waits until nobody watches.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only means not to wait.
    pub async fn closed(&self) {
        Until::new(&self.shared.waits_for_close, || self.is_closed().then_some(())).await;
    }

    /// Whether nobody watches.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// How many watch.
    #[must_use]
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers.get()
    }

    /// How many senders there are.
    #[must_use]
    pub fn sender_count(&self) -> usize {
        self.shared.senders.get()
    }

    /// Whether both change the same value.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.senders.set(self.shared.senders.get() + 1);
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<T: Default> Default for Sender<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let left = self.shared.senders.get() - 1;
        self.shared.senders.set(left);
        if left == 0 {
            self.shared.waits_for_change.tell_all();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt_as("watch::Sender", f)
    }
}

/// Watches the value.
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
    /// The version of the value that it has seen.
    seen: u64,
}

impl<T> Receiver<T> {
    /// Looks at the value, without having seen it: [`changed`](Self::changed) still tells of it. While what this
    /// gives is kept, the value cannot be changed: do not wait meanwhile.
    ///
    /// # Panics
    ///
    /// In the function that changes it.
    #[track_caller]
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref { value: self.shared.borrow(), has_changed: self.is_unseen() }
    }

    /// Looks at the value, and has seen it. While what this gives is kept, the value cannot be changed: do not
    /// wait meanwhile.
    ///
    /// # Panics
    ///
    /// In the function that changes it.
    #[track_caller]
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let has_changed = self.is_unseen();
        self.mark_unchanged();
        Ref { value: self.shared.borrow(), has_changed }
    }

    /// Waits until there is a value that it has not seen, and counts that as seen.
    ///
    /// # Errors
    ///
    /// When the last value was seen, and all senders are gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        let (shared, seen) = (&self.shared, self.seen);
        let look = || match shared.version.get() {
            version if version != seen => Some(Ok(version)),
            _ => (shared.senders.get() == 0).then_some(Err(RecvError(()))),
        };
        self.seen = Until::new(&shared.waits_for_change, look).await?;
        Ok(())
    }

    /// Waits until the value is as `condition` wants it, which is asked at once, and gives it. What it has seen
    /// meanwhile counts as seen.
    ///
    /// # Errors
    ///
    /// When the last value is not so, and all senders are gone.
    ///
    /// # Panics
    ///
    /// When `condition` does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::sync::watch;
    ///
    /// greenloop::run(async {
    ///     let (sender, mut receiver) = watch::channel(1);
    ///     greenloop::spawn(async move {
    ///         for number in 2..=10 {
    ///             sender.send(number).unwrap();
    ///             greenloop::yield_now().await;
    ///         }
    ///     });
    ///     assert_eq!(*receiver.wait_for(|number| *number > 5).await.unwrap(), 6);
    /// });
    /// ```
    pub async fn wait_for(
        &mut self,
        mut condition: impl FnMut(&T) -> bool,
    ) -> Result<Ref<'_, T>, RecvError> {
        let seen_before = self.seen;
        loop {
            if condition(&self.borrow_and_update()) {
                // Borrowed once more, since a loop cannot give what it borrowed before.
                let has_changed = self.seen != seen_before;
                return Ok(Ref { value: self.shared.borrow(), has_changed });
            }
            self.changed().await?;
        }
    }

    /// Whether there is a value that it has not seen.
    ///
    /// # Errors
    ///
    /// When all senders are gone.
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        if self.is_closed() {
            return Err(RecvError(()));
        }
        Ok(self.is_unseen())
    }

    /// Makes the value count as not seen.
    pub fn mark_changed(&mut self) {
        // A number that no version has.
        self.seen = u64::MAX;
    }

    /// Makes the value count as seen.
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.version.get();
    }

    /// Whether all senders are gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.senders.get() == 0
    }

    /// Whether both watch the same value.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.shared, &other.shared)
    }

    fn is_unseen(&self) -> bool {
        self.seen != self.shared.version.get()
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.receivers.set(self.shared.receivers.get() + 1);
        Self { shared: Rc::clone(&self.shared), seen: self.seen }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let left = self.shared.receivers.get() - 1;
        self.shared.receivers.set(left);
        if left == 0 {
            self.shared.waits_for_close.tell_all();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt_as("watch::Receiver", f)
    }
}

/// A look at the value.
#[derive(Debug)]
#[must_use = "it keeps the value from being changed"]
#[clippy::has_significant_drop]
pub struct Ref<'a, T> {
    value: cell::Ref<'a, T>,
    has_changed: bool,
}

impl<T> Ref<'_, T> {
    /// Whether the receiver that gave this had not seen the value.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// How sending and receiving fails.
pub mod error {
    use std::fmt;

    /// The error of setting a value that nobody watches, with the value.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub struct SendError<T>(pub T);

    impl<T> fmt::Debug for SendError<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("SendError").finish_non_exhaustive()
        }
    }

    impl<T> fmt::Display for SendError<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("nobody watches")
        }
    }

    impl<T> std::error::Error for SendError<T> {}

    /// The error of a wait for a change that will not come: all senders are gone.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct RecvError(pub(super) ());

    impl fmt::Display for RecvError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("nobody will change the value")
        }
    }

    impl std::error::Error for RecvError {}
}
