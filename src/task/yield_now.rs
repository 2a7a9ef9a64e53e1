//! Letting the others have a turn.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// Lets every other task that is ready run before this one goes on.
///
/// The task goes to the end of the queue. At most 64 polls later the loop looks at its sockets and
/// timers, whatever is in the queue.
///
/// # Examples
///
/// ```
/// use std::{cell::RefCell, rc::Rc};
///
/// greenloop::run(async {
///     let log = Rc::new(RefCell::new(Vec::new()));
///     let play = |name: &'static str| {
///         let log = Rc::clone(&log);
///         greenloop::spawn(async move {
///             for _ in 0..2 {
///                 log.borrow_mut().push(name);
///                 greenloop::yield_now().await;
///             }
///         })
///     };
///     greenloop::join_all([play("eat"), play("play")]).await;
///     assert_eq!(*log.borrow(), ["eat", "play", "eat", "play"]);
/// });
/// ```
#[doc(alias = "gevent.idle")]
#[doc(alias = "sleep(0)")]
#[doc(alias = "consume_budget")]
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`]. It works on any runtime.
///
/// # Cancel safety
///
/// Dropping it only means not to wait.
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
