//! A place where tasks wait until all of them are there.

use std::{
    cell::Cell,
    fmt,
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
};

use super::counted::poll_counted;
use crate::wait_queue::{Grants, State, Turn, WaitQueue, What};

static WHAT: What = What::queue("Barrier");

/// Left with a waiter when the barrier was broken, in place of its index.
const BROKEN: u32 = u32::MAX;

/// Lets so many tasks go on together, again and again.
///
/// The last one to come does not wait, and is the leader; the others go on with it. Whoever comes after
/// that belongs to the next round, also if those of the last one did not run yet.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
///
/// use greenloop::{join_all, spawn, sync::Barrier};
///
/// greenloop::run(async {
///     let barrier = Rc::new(Barrier::new(3));
///     let party = |_| {
///         let barrier = Rc::clone(&barrier);
///         spawn(async move { barrier.wait().await.unwrap().is_leader() })
///     };
///     let results = join_all((0..3).map(party)).await;
///     assert_eq!(results.into_iter().filter(|leads| *leads.as_ref().unwrap()).count(), 1);
/// });
/// ```
#[doc(alias = "asyncio.Barrier")]
pub struct Barrier {
    parties: usize,
    broken: Cell<bool>,
    /// How many stand in the line, so that nobody has to count them who arrives.
    arrived: Cell<usize>,
    waiting: WaitQueue,
}

impl Barrier {
    /// Makes a barrier for so many tasks. With 0, as with 1, nobody waits.
    ///
    /// # Panics
    ///
    /// When that are 2^32 - 1 or more.
    #[must_use]
    #[track_caller]
    pub const fn new(parties: usize) -> Self {
        assert!(parties < BROKEN as usize, "a barrier is for less than 2^32 - 1 parties");
        Self {
            parties,
            broken: Cell::new(false),
            arrived: Cell::new(0),
            waiting: WaitQueue::new(&WHAT, Location::caller()),
        }
    }

    /// Waits until so many tasks wait here.
    ///
    /// # Errors
    ///
    /// When the barrier is [aborted](Self::abort), or [reset](Self::reset) meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Whoever is dropped is not counted any more; the others go on waiting.
    pub fn wait(&self) -> BarrierWait<'_> {
        BarrierWait { turn: Turn::new(self, 0) }
    }

    /// Sends those who wait away with an error, and begins anew. It also mends a barrier that was aborted.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::sync::Barrier;
    /// greenloop::run(async {
    ///     let barrier = Barrier::new(1);
    ///     barrier.abort();
    ///     assert!(barrier.wait().await.is_err());
    ///     barrier.reset();
    ///     assert!(barrier.wait().await.is_ok());
    /// });
    /// ```
    pub fn reset(&self) {
        self.broken.set(false);
        self.send_away();
    }

    /// Sends those who wait away with an error, and all who come, until it is [reset](Self::reset).
    pub fn abort(&self) {
        self.broken.set(true);
        self.send_away();
    }

    /// How many tasks it is for.
    #[must_use]
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many tasks wait.
    #[must_use]
    #[doc(alias = "n_waiting")]
    pub fn waiting(&self) -> usize {
        self.arrived.get()
    }

    /// Whether it was aborted.
    #[must_use]
    #[doc(alias = "broken")]
    pub fn is_broken(&self) -> bool {
        self.broken.get()
    }

    fn send_away(&self) {
        self.arrived.set(0);
        self.waiting.tell_all_with(|_| BROKEN);
    }

    /// What is to be said to one who comes, unless he has to wait.
    fn arrive(&self) -> Option<Result<BarrierWaitResult, BrokenBarrier>> {
        if self.broken.get() {
            return Some(Err(BrokenBarrier(())));
        }
        let index = self.arrived.get();
        (index + 1 >= self.parties).then(|| {
            self.arrived.set(0);
            self.waiting.tell_all_with(|index| index);
            Ok(BarrierWaitResult { index, is_leader: true })
        })
    }
}

impl Grants for &Barrier {
    fn take_back(&self, state: State, _: u32) {
        if state == State::Waiting {
            self.arrived.set(self.arrived.get() - 1);
        }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties)
            .field("waiting", &self.waiting())
            .field("is_broken", &self.is_broken())
            .finish()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Barrier::wait`].
    #[derive(Debug)]
    #[must_use = "a future does nothing unless awaited"]
    pub struct BarrierWait<'a> {
        #[pin]
        turn: Turn<&'a Barrier>,
    }
}

impl Future for BarrierWait<'_> {
    type Output = Result<BarrierWaitResult, BrokenBarrier>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let turn = self.into_ref().project_ref().turn;
        let (barrier, waiter) = (*turn.get_ref().grants(), turn.waiter());
        poll_counted(cx, |cx| match waiter.poll(cx.waker()) {
            State::Idle => {
                // Somebody may arrive when a stranger's waker is cloned.
                let waker = cx.waker().clone();
                if let Some(result) = barrier.arrive() {
                    return Poll::Ready(result);
                }
                barrier.waiting.push(waiter, Some(waker));
                barrier.arrived.set(barrier.arrived.get() + 1);
                Poll::Pending
            }
            State::Waiting => Poll::Pending,
            State::Granted | State::Told => Poll::Ready(match waiter.number() {
                BROKEN => Err(BrokenBarrier(())),
                index => Ok(BarrierWaitResult { index: index as usize, is_leader: false }),
            }),
        })
    }
}

/// What a task learns when all are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWaitResult {
    index: usize,
    is_leader: bool,
}

impl BarrierWaitResult {
    /// Whether this task is the one of its round for which the others waited.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.is_leader
    }

    /// The task's place in the order of arrival, from 0; in each round another one for every task.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }
}

/// The error of a wait at a barrier that was aborted or reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "BrokenBarrierError")]
pub struct BrokenBarrier(());

impl fmt::Display for BrokenBarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the barrier is broken")
    }
}

impl std::error::Error for BrokenBarrier {}
