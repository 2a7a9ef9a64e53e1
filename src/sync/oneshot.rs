//! A channel for one value.
//!
//! # Examples
//!
//! A task asks another one, and gets the answer:
//!
//! ```
//! use greenloop::sync::{mpsc, oneshot};
//!
//! greenloop::run(async {
//!     let (questions, mut asked) = mpsc::channel::<(u32, oneshot::Sender<u32>)>(8);
//!     greenloop::spawn(async move {
//!         while let Some((number, answer)) = asked.recv().await {
//!             let _ = answer.send(number * number);
//!         }
//!     });
//!     let (sender, answer) = oneshot::channel();
//!     questions.send((7, sender)).await.unwrap();
//!     assert_eq!(answer.await, Ok(49));
//! });
//! ```

use std::{
    cell::{Cell, OnceCell},
    fmt,
    panic::Location,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use self::error::{RecvError, TryRecvError};
use super::{counted::poll_counted, until::Until};
use crate::wait_queue::{WaitQueue, WaitSlot, What};

static RECEIVES: What = What::slot("oneshot::Receiver");
static CLOSED: What = What::queue("oneshot::Sender::closed");

/// Makes a channel for one value.
///
/// # Examples
///
/// ```
/// use greenloop::sync::oneshot;
///
/// greenloop::run(async {
///     let (sender, receiver) = oneshot::channel();
///     greenloop::spawn(async move { sender.send("done") });
///     assert_eq!(receiver.await, Ok("done"));
/// });
/// ```
#[track_caller]
#[doc(alias = "AsyncResult")]
#[doc(alias = "Future")]
#[doc(alias = "create_future")]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let created = Location::caller();
    let shared = Rc::pin(Shared {
        value: Cell::new(None),
        sender_gone: Cell::new(false),
        receiver_closed: Cell::new(false),
        receives: WaitSlot::new(&RECEIVES, created),
        waits_for_close: OnceCell::new(),
        created,
    });
    (Sender { shared: shared.clone() }, Receiver { shared: Some(shared) })
}

pin_project_lite::pin_project! {
    struct Shared<T> {
        value: Cell<Option<T>>,
        sender_gone: Cell<bool>,
        receiver_closed: Cell<bool>,
        #[pin]
        receives: WaitSlot,
        // Few senders wait for the close, so it is made for the first that does.
        waits_for_close: OnceCell<Box<WaitQueue>>,
        created: &'static Location<'static>,
    }
}

impl<T> Shared<T> {
    /// What the receiver gets, if that is settled.
    fn outcome(&self) -> Option<Result<T, RecvError>> {
        match self.value.take() {
            Some(value) => Some(Ok(value)),
            None => self.sender_gone.get().then_some(Err(RecvError(()))),
        }
    }

    fn close(&self) {
        self.receiver_closed.set(true);
        if let Some(waiting) = self.waits_for_close.get() {
            waiting.tell_all();
        }
    }
}

/// Sends the value.
///
/// Dropped without having sent, it makes the receiver's wait an error.
pub struct Sender<T> {
    shared: Pin<Rc<Shared<T>>>,
}

impl<T> Sender<T> {
    /// Sends the value. It does not wait.
    ///
    /// # Errors
    ///
    /// The value, when the receiver was closed or dropped. Without an error the receiver may still be dropped
    /// before it takes the value.
    #[doc(alias = "set_result")]
    #[doc(alias = "set_exception")]
    #[doc(alias = "AsyncResult.set")]
    pub fn send(self, value: T) -> Result<(), T> {
        if self.is_closed() {
            return Err(value);
        }
        self.shared.value.set(Some(value));
        // The end of the sender is what wakes the receiver.
        Ok(())
    }

    /// Waits until the receiver is closed or dropped, so that nobody wants the value any more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only means not to wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::{select, sync::oneshot};
    ///
    /// greenloop::run(async {
    ///     let (mut sender, receiver) = oneshot::channel::<u32>();
    ///     let task = greenloop::spawn(async move {
    ///         select! {
    ///             _ = sender.closed() => "nobody wants it",
    ///             _ = std::future::pending::<()>() => "computed",
    ///         }
    ///     });
    ///     drop(receiver);
    ///     assert_eq!(task.await.unwrap(), "nobody wants it");
    /// });
    /// ```
    pub async fn closed(&mut self) {
        let shared = &*self.shared;
        let queue = || Box::new(WaitQueue::new(&CLOSED, shared.created));
        let look = || shared.receiver_closed.get().then_some(());
        Until::new(shared.waits_for_close.get_or_init(queue), look).await;
    }

    /// Whether the receiver was closed or dropped.
    #[doc(alias = "cancelled")]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.receiver_closed.get()
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.sender_gone.set(true);
        self.shared.receives.wake();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("oneshot::Sender").finish_non_exhaustive()
    }
}

/// Receives the value: a future of `Result<T, RecvError>`.
///
/// # Panics
///
/// When polled after it gave its result.
///
/// # Cancel safety
///
/// It may be polled by reference and given up at any time: the value stays in the channel.
#[must_use = "a future does nothing unless awaited"]
pub struct Receiver<T> {
    /// `None` when it gave its result.
    shared: Option<Pin<Rc<Shared<T>>>>,
}

impl<T> Receiver<T> {
    /// Lets the sender send no more. A value that was sent before is still to be had.
    #[doc(alias = "cancel")]
    pub fn close(&mut self) {
        if let Some(shared) = &self.shared {
            shared.close();
        }
    }

    /// Takes the value if it is there.
    ///
    /// # Errors
    ///
    /// When it is not, which says whether it may still come.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::sync::oneshot::{self, error::TryRecvError};
    /// let (sender, mut receiver) = oneshot::channel();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    #[doc(alias = "result")]
    #[doc(alias = "get_nowait")]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let Some(shared) = &self.shared else { return Err(TryRecvError::Closed) };
        match shared.outcome() {
            Some(result) => {
                self.shared = None;
                result.map_err(|_| TryRecvError::Closed)
            }
            None if shared.receiver_closed.get() => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Whether there is no value to take: it was not sent yet, will not be, or was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Some(shared) = &self.shared else { return true };
        let value = shared.value.take();
        let is_empty = value.is_none();
        shared.value.set(value);
        is_empty
    }

    /// Whether it gave its result, and must not be polled any more.
    #[doc(alias = "ready")]
    #[doc(alias = "done")]
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        self.shared.is_none()
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(shared) = &self.shared else {
            panic!("a oneshot::Receiver was polled after its end")
        };
        let polled = poll_counted(cx, |cx| {
            if let Some(result) = shared.outcome() {
                return Poll::Ready(result);
            }
            if shared.receiver_closed.get() {
                return Poll::Ready(Err(RecvError(())));
            }
            let receives = shared.as_ref().project_ref().receives;
            receives.register();
            receives.put(cx.waker());
            // A stranger's waker may have sent when it was cloned.
            shared.outcome().map_or(Poll::Pending, Poll::Ready)
        });
        if polled.is_ready() {
            self.shared = None;
        }
        polled
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.receives.clear();
            shared.close();
            // With its destructor, which may be the sender's last sight of the channel.
            drop(shared.value.take());
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("oneshot::Receiver").finish_non_exhaustive()
    }
}

/// How receiving fails.
pub mod error {
    use std::fmt;

    /// The error of a wait for a value that will not come: its sender was dropped.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct RecvError(pub(super) ());

    impl fmt::Display for RecvError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the sender was dropped without having sent")
        }
    }

    impl std::error::Error for RecvError {}

    /// Why there is no value.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum TryRecvError {
        /// It was not sent yet.
        Empty,
        /// It will not come: the sender was dropped, the receiver closed, or the value taken.
        Closed,
    }

    impl fmt::Display for TryRecvError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(match self {
                Self::Empty => "the value was not sent yet",
                Self::Closed => "the value will not come",
            })
        }
    }

    impl std::error::Error for TryRecvError {}
}
