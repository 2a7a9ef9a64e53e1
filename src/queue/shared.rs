//! What queues of every order have in common.
//!
//! Items are permits, and so is the room for them: who gets waits for a permit of the items, who puts for one of
//! the room. So the order among those who wait, and what becomes of an item whose getter is dropped,
//! is what it is for every lock.
//!
//! Invariant: there are as many items as permits for them, free ones and granted ones together; except after an
//! immediate shutdown, when a granted getter finds nothing.

use std::{
    cell::{Cell, Ref, RefCell, RefMut},
    marker::PhantomData,
    mem,
    panic::Location,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;

use super::{
    error::{GetError, PutError, ShutDown, TooManyDone},
    order::Order,
};
use crate::{
    sync::{Permits, Refused, Take, Until},
    time::timeout,
    wait_queue::{WaitQueue, What},
};

/// The names of a sort of queue, for the report of who waits for what.
pub(super) struct Names {
    pub(super) get: What,
    pub(super) put: What,
    pub(super) join: What,
}

pub(super) struct Shared<T, O> {
    items: RefCell<O>,
    /// One for each item that nobody was granted.
    gettable: Permits,
    /// One for each item that there is room for. None, and not used, if there is no limit.
    room: Permits,
    maxsize: Option<usize>,
    /// How many items were put, and nobody said of them that they are done.
    unfinished: Cell<usize>,
    waits_for_all: WaitQueue,
    shut_down: Cell<bool>,
    _items: PhantomData<T>,
}

impl<T, O: Order<T>> Shared<T, O> {
    pub(super) const fn new(
        maxsize: Option<usize>,
        names: &'static Names,
        created: &'static Location<'static>,
    ) -> Self {
        let room = match maxsize {
            Some(maxsize) => {
                assert!(maxsize > 0, "a queue has room for at least one item");
                assert!(maxsize <= Permits::MOST, "a queue has room for at most 2^29 - 1 items");
                maxsize
            }
            None => 0,
        };
        Self {
            items: RefCell::new(O::EMPTY),
            gettable: Permits::new(0, &names.get, created),
            room: Permits::new(room, &names.put, created),
            maxsize,
            unfinished: Cell::new(0),
            waits_for_all: WaitQueue::new(&names.join, created),
            shut_down: Cell::new(false),
            _items: PhantomData,
        }
    }

    // --- putting ----------------------------------------------------------------------------------

    pub(super) async fn put(&self, item: T) -> Result<(), ShutDown<T>> {
        match self.make_room().await {
            Ok(()) => self.add(item),
            Err(_) => Err(ShutDown(item)),
        }
    }

    pub(super) fn try_put(&self, item: T) -> Result<(), PutError<T>> {
        if self.maxsize.is_some() {
            match self.room.try_take(1) {
                Ok(()) => {}
                Err(Refused::TooFew) => return Err(PutError::Full(item)),
                Err(Refused::Closed) => return Err(PutError::ShutDown(item)),
            }
        }
        Ok(self.add(item)?)
    }

    pub(super) async fn put_timeout(&self, item: T, duration: Duration) -> Result<(), PutError<T>> {
        match timeout(duration, self.make_room()).await {
            Ok(Ok(())) => Ok(self.add(item)?),
            Ok(Err(_)) => Err(PutError::ShutDown(item)),
            Err(_) => Err(PutError::Full(item)),
        }
    }

    /// Waits for room for one item, and takes it.
    async fn make_room(&self) -> Result<(), ShutDown> {
        if self.maxsize.is_some() {
            self.room.take(1).await.map_err(|_| ShutDown(()))?;
        }
        Ok(())
    }

    /// Puts an item where room was made.
    fn add(&self, item: T) -> Result<(), ShutDown<T>> {
        if self.shut_down.get() {
            return Err(ShutDown(item));
        }
        self.refuse_items(|| self.free_room());
        // Counted also if a comparison panics, since the item is in then.
        let _counted = Counted { shared: self, before: self.len() };
        self.items_mut().push(item);
        Ok(())
    }

    // --- getting ----------------------------------------------------------------------------------

    pub(super) async fn get(&self) -> Result<T, ShutDown> {
        self.reserve().await?;
        self.remove().ok_or(ShutDown(()))
    }

    pub(super) fn try_get(&self) -> Result<T, GetError> {
        if self.is_drained() {
            return Err(GetError::ShutDown);
        }
        self.gettable.try_take(1).map_err(|_| GetError::Empty)?;
        self.remove().ok_or(GetError::ShutDown)
    }

    pub(super) async fn get_timeout(&self, duration: Duration) -> Result<T, GetError> {
        match timeout(duration, self.get()).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(GetError::Empty),
        }
    }

    pub(super) async fn peek(&self) -> Result<T, ShutDown>
    where
        T: Clone,
    {
        self.reserve().await?;
        let _reserved = Reserved(&self.gettable);
        self.items().first().cloned().ok_or(ShutDown(()))
    }

    pub(super) fn try_peek(&self) -> Result<T, GetError>
    where
        T: Clone,
    {
        if self.is_drained() {
            return Err(GetError::ShutDown);
        }
        self.gettable.try_take(1).map_err(|_| GetError::Empty)?;
        let _reserved = Reserved(&self.gettable);
        self.items().first().cloned().ok_or(GetError::ShutDown)
    }

    /// Waits for an item, and keeps it from others.
    async fn reserve(&self) -> Result<(), ShutDown> {
        if self.is_drained() {
            return Err(ShutDown(()));
        }
        self.gettable.take(1).await.map_err(|_| ShutDown(()))
    }

    /// Takes the item out that was reserved; `None` after an immediate shutdown.
    fn remove(&self) -> Option<T> {
        self.refuse_items(|| self.gettable.give(1));
        let _counted = Counted { shared: self, before: self.len() };
        self.items_mut().pop()
    }

    // --- the rest ---------------------------------------------------------------------------------

    pub(super) fn task_done(&self) -> Result<(), TooManyDone> {
        let left = self.unfinished.get().checked_sub(1).ok_or(TooManyDone(()))?;
        self.unfinished.set(left);
        self.notice_all_done();
        Ok(())
    }

    pub(super) async fn join(&self) {
        let look = || (self.unfinished.get() == 0).then_some(());
        Until::new(&self.waits_for_all, look).await;
    }

    pub(super) fn shutdown(&self, immediate: bool) {
        self.refuse_items(|| ());
        self.shut_down.set(true);
        let items = immediate.then(|| mem::replace(&mut *self.items_mut(), O::EMPTY));
        if let Some(items) = &items {
            self.unfinished.set(self.unfinished.get().saturating_sub(items.len()));
            self.gettable.withdraw(usize::MAX);
        }
        self.room.close();
        self.notice_end();
        self.notice_all_done();
        drop(items);
    }

    pub(super) fn is_shut_down(&self) -> bool {
        self.shut_down.get()
    }

    pub(super) fn unfinished(&self) -> usize {
        self.unfinished.get()
    }

    pub(super) fn maxsize(&self) -> Option<usize> {
        self.maxsize
    }

    pub(super) fn len(&self) -> usize {
        self.items().len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.maxsize.is_some_and(|maxsize| self.len() >= maxsize)
    }

    pub(super) fn stream(&self) -> impl Stream<Item = T> {
        Items { shared: self, take: None }
    }

    fn items(&self) -> Ref<'_, O> {
        self.items.try_borrow().unwrap_or_else(|_| panic!("{USES_ITSELF}"))
    }

    fn items_mut(&self) -> RefMut<'_, O> {
        self.items.try_borrow_mut().unwrap_or_else(|_| panic!("{USES_ITSELF}"))
    }

    /// Panics if an item calls this that is being compared or cloned, after it gave back what was taken for
    /// the call: a comparison may catch the panic, and the queue has to be what it was.
    #[inline]
    fn refuse_items(&self, give_back: impl FnOnce()) {
        if self.items.try_borrow_mut().is_err() {
            give_back();
            panic!("{USES_ITSELF}");
        }
    }

    /// Gives the room for one item back.
    fn free_room(&self) {
        if self.maxsize.is_some() {
            self.room.give(1);
        }
    }

    /// Whether nothing is left, nor will come.
    fn is_drained(&self) -> bool {
        self.shut_down.get() && self.len() == 0
    }

    /// Sends those who wait for an item away when none will come.
    fn notice_end(&self) {
        if self.is_drained() {
            self.gettable.send_away();
        }
    }

    fn notice_all_done(&self) {
        if self.unfinished.get() == 0 {
            self.waits_for_all.tell_all();
        }
    }
}

/// Counts what came or went, when it is dropped.
struct Counted<'a, T, O: Order<T>> {
    shared: &'a Shared<T, O>,
    before: usize,
}

impl<T, O: Order<T>> Drop for Counted<'_, T, O> {
    fn drop(&mut self) {
        let (shared, len) = (self.shared, self.shared.len());
        if len > self.before {
            shared.unfinished.set(shared.unfinished.get() + 1);
            shared.gettable.give(1);
        } else if len < self.before {
            shared.free_room();
            shared.notice_end();
        }
    }
}

/// Lets others have an item again that was only looked at.
struct Reserved<'a>(&'a Permits);

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.0.give(1);
    }
}

pin_project_lite::pin_project! {
    /// The items, one after the other, until the queue is shut down and empty.
    struct Items<'a, T, O> {
        shared: &'a Shared<T, O>,
        #[pin]
        take: Option<Take<&'a Permits>>,
    }
}

impl<T, O: Order<T>> Stream for Items<'_, T, O> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut this = self.project();
        let shared = *this.shared;
        if this.take.is_none() {
            if shared.is_drained() {
                return Poll::Ready(None);
            }
            this.take.set(Some(shared.gettable.take(1)));
        }
        let take = this.take.as_mut().as_pin_mut().expect("it was put there");
        let taken = ready!(take.poll(cx));
        this.take.set(None);
        Poll::Ready(taken.ok().and_then(|()| shared.remove()))
    }
}

const USES_ITSELF: &str = "an item's Ord or Clone must not use the queue that it is in";
