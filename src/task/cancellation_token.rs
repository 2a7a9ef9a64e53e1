//! Asking tasks to stop, and those that they asked in turn.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use super::cancellation_tree::{Node, Tree};
use crate::{event_loop, executor::wake};

/// Tells any number of tasks that they shall stop; tokio-util's `CancellationToken`.
///
/// Nothing happens to a task by it: it is up to the task to look, or to wait for it beside what it does,
/// and to stop where that suits it. Once cancelled it stays so. The clones of a token are the same token.
///
/// A [child](Self::child_token) is cancelled with its parent, and by itself without its parent.
///
/// Tokens may be used from every thread, and outside of loops. That costs an atomic operation for a
/// look and a lock for a wait; nothing of it shows beside the wait itself.
///
/// # Examples
///
/// ```
/// use greenloop::task::CancellationToken;
///
/// greenloop::run(async {
///     let token = CancellationToken::new();
///     let workers: Vec<_> = (0..3).map(|n| {
///         let token = token.child_token();
///         greenloop::spawn(async move {
///             token.cancelled().await;
///             n
///         })
///     }).collect();
///     token.cancel();
///     for (n, worker) in workers.into_iter().enumerate() {
///         assert_eq!(worker.await.unwrap(), n);
///     }
/// });
/// ```
#[doc(alias = "CancelToken")]
#[doc(alias = "CancelScope")]
pub struct CancellationToken {
    state: Arc<State>,
}

/// What the clones of a token share.
pub(super) struct State {
    /// Set under the tree's lock, and never cleared.
    pub(super) is_cancelled: AtomicBool,
    /// How many clones there are. The tree refers to the state as well, so its own count does not tell.
    handles: AtomicUsize,
    tree: Arc<Tree>,
    node: Node,
}

impl CancellationToken {
    /// Makes a token that nobody has cancelled.
    #[must_use]
    pub fn new() -> Self {
        let tree = Arc::new(Tree::new());
        Self::in_tree(tree, None)
    }

    fn in_tree(tree: Arc<Tree>, parent: Option<Node>) -> Self {
        let state = |node, is_cancelled| {
            Arc::new(State {
                is_cancelled: AtomicBool::new(is_cancelled),
                handles: AtomicUsize::new(1),
                tree: Arc::clone(&tree),
                node,
            })
        };
        Self { state: tree.insert(parent, state) }
    }

    /// Makes a token that is cancelled when this one is, at once if it is already, and that can be
    /// cancelled without it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::task::CancellationToken;
    /// let parent = CancellationToken::new();
    /// let (one, two) = (parent.child_token(), parent.child_token());
    /// one.cancel();
    /// assert!(one.is_cancelled() && !two.is_cancelled() && !parent.is_cancelled());
    /// parent.cancel();
    /// assert!(two.is_cancelled() && parent.child_token().is_cancelled());
    /// ```
    #[must_use]
    pub fn child_token(&self) -> Self {
        Self::in_tree(Arc::clone(&self.state.tree), Some(self.state.node))
    }

    /// Cancels the token and its children, and theirs, and wakes all who wait for it. Does nothing the
    /// second time.
    pub fn cancel(&self) {
        if self.is_cancelled() {
            return;
        }
        for waker in self.state.tree.cancel(self.state.node) {
            wake(waker);
        }
    }

    /// Returns whether the token has been cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.state.is_cancelled.load(Ordering::Acquire)
    }

    /// Waits until the token is cancelled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only means not to wait.
    pub fn cancelled(&self) -> Cancelled<'_> {
        Cancelled { token: self, place: None }
    }

    /// As [`cancelled`](Self::cancelled), for a future that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only means not to wait.
    pub async fn cancelled_owned(self) {
        self.cancelled().await;
    }

    /// Runs a future until it is done, or until the token is cancelled: then it is dropped, and the
    /// output is `None`.
    ///
    /// A token that is cancelled at first keeps the future from being polled at all. Later the output of
    /// a future that is done wins.
    ///
    /// # Cancel safety
    ///
    /// That of the future.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::task::CancellationToken;
    /// greenloop::run(async {
    ///     let token = CancellationToken::new();
    ///     assert_eq!(token.run_until_cancelled(async { 7 }).await, Some(7));
    ///     let canceller = token.clone();
    ///     greenloop::spawn(async move { canceller.cancel() });
    ///     let never = std::future::pending::<()>();
    ///     assert_eq!(token.run_until_cancelled(never).await, None);
    /// });
    /// ```
    pub fn run_until_cancelled<F: IntoFuture>(
        &self,
        future: F,
    ) -> RunUntilCancelled<'_, F::IntoFuture> {
        let started = !self.is_cancelled();
        RunUntilCancelled {
            future: started.then(|| future.into_future()),
            cancelled: self.cancelled(),
        }
    }

    /// As [`run_until_cancelled`](Self::run_until_cancelled), for a future that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// That of the future.
    pub async fn run_until_cancelled_owned<F: IntoFuture>(self, future: F) -> Option<F::Output> {
        self.run_until_cancelled(future).await
    }

    /// Makes a guard that cancels the token when it is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::task::CancellationToken;
    /// let token = CancellationToken::new();
    /// drop(token.clone().drop_guard());
    /// assert!(token.is_cancelled());
    /// ```
    #[must_use = "the token is cancelled when the guard is dropped"]
    pub fn drop_guard(self) -> DropGuard {
        DropGuard { token: self, is_armed: true }
    }
}

impl Clone for CancellationToken {
    fn clone(&self) -> Self {
        // Nobody concludes anything from a count that grows.
        self.state.handles.fetch_add(1, Ordering::Relaxed);
        Self { state: Arc::clone(&self.state) }
    }
}

impl Drop for CancellationToken {
    fn drop(&mut self) {
        // The last one sees what the others did.
        if self.state.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            let unused = self.state.tree.remove(self.state.node);
            drop(unused);
        }
    }
}

impl Default for CancellationToken {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for CancellationToken {
    /// Whether both are clones of one token.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }
}

impl Eq for CancellationToken {}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken").field("is_cancelled", &self.is_cancelled()).finish()
    }
}

/// The future of [`CancellationToken::cancelled`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Cancelled<'a> {
    token: &'a CancellationToken,
    /// Where the waker stands in the tree, if it was left there.
    place: Option<usize>,
}

impl Future for Cancelled<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let has_budget = |core: &event_loop::Core| core.executor.poll_budget(cx);
        if event_loop::with(has_budget).is_some_and(|polled| polled.is_pending()) {
            return Poll::Pending;
        }
        let State { tree, node, .. } = &*self.token.state;
        if !self.token.is_cancelled() && !tree.is_listening(*node, self.place, cx.waker()) {
            // A stranger's waker may run anything when it is cloned or dropped: not under the lock.
            let waker = cx.waker().clone();
            let (place, old) = tree.listen(*node, self.place, waker);
            self.place = place;
            drop(old);
        }
        if !self.token.is_cancelled() {
            return Poll::Pending;
        }
        self.place = None;
        event_loop::with(|core| core.executor.spend_budget());
        Poll::Ready(())
    }
}

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = self.token.state.tree.forget(self.token.state.node, place);
            drop(waker);
        }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`CancellationToken::run_until_cancelled`].
    #[derive(Debug)]
    #[must_use = "a future does nothing unless awaited"]
    pub struct RunUntilCancelled<'a, F> {
        // `None` if the token was cancelled before.
        #[pin]
        future: Option<F>,
        cancelled: Cancelled<'a>,
    }
}

impl<F: Future> Future for RunUntilCancelled<'_, F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(future) = this.future.as_pin_mut() else { return Poll::Ready(None) };
        if let Poll::Ready(output) = future.poll(cx) {
            return Poll::Ready(Some(output));
        }
        // The future may have used up the budget; it is to stop all the same.
        let poll = || Pin::new(&mut *this.cancelled).poll(cx);
        event_loop::with_fresh_budget(poll).map(|()| None)
    }
}

/// Cancels a token when it is dropped; from [`CancellationToken::drop_guard`].
#[derive(Debug)]
#[must_use = "the token is cancelled when the guard is dropped"]
pub struct DropGuard {
    token: CancellationToken,
    is_armed: bool,
}

impl DropGuard {
    /// Returns the token, without cancelling it.
    #[must_use]
    pub fn disarm(mut self) -> CancellationToken {
        self.is_armed = false;
        self.token.clone()
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if self.is_armed {
            self.token.cancel();
        }
    }
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<CancellationToken>();
    is_send_and_sync::<Cancelled<'_>>();
};
