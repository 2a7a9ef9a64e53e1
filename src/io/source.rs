//! A descriptor and its place in the reactor: the one implementation of "try first, wait later"
//! under all sockets.
//!
//! A source registers with the loop at the first operation that would block, and stays registered
//! with that loop. What it needs for that is plain data, so it can be sent to other threads; used
//! there, it says that it belongs elsewhere.

use std::{
    fmt, io,
    num::NonZeroU64,
    os::fd::AsFd,
    pin::Pin,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker, ready},
};

use crate::{
    event_loop::{self, Core},
    reactor::{Direction, Key, Ticket},
};

/// What an operation achieved.
pub(crate) enum Done<R> {
    /// It may well succeed again.
    Fully(R),
    /// The stream gave or took less than was asked for: the next operation would block.
    Short(R),
}

impl Done<usize> {
    /// For `count` of `asked` bytes of a stream. No byte at all is the end of the stream, which
    /// can be read again and again.
    pub(crate) fn bytes(count: usize, asked: usize) -> Self {
        if 0 < count && count < asked { Self::Short(count) } else { Self::Fully(count) }
    }
}

/// A descriptor of some type that can be waited for.
pub(crate) struct Source<T: AsFd> {
    /// `None` once it was closed or given away.
    io: Option<T>,
    registration: OnceLock<Registration>,
    /// Counts this descriptor among the open ones of its kind, if somebody wants to know.
    open: Option<&'static AtomicU32>,
}

/// Where a source is registered.
#[derive(Clone, Copy, Debug)]
struct Registration {
    loop_id: NonZeroU64,
    key: Key,
}

impl<T: AsFd> Source<T> {
    /// Wraps a descriptor, which is in non-blocking mode.
    pub(crate) fn new(io: T) -> Self {
        Self { io: Some(io), registration: OnceLock::new(), open: None }
    }

    /// Adds one to a counter, and takes it back when the descriptor is closed or given away.
    #[cfg_attr(
        not(all(feature = "launcher", target_os = "linux")),
        allow(dead_code, reason = "only the launcher counts")
    )]
    pub(crate) fn count_in(&mut self, open: &'static AtomicU32) {
        open.fetch_add(1, Ordering::Relaxed);
        self.stop_counting();
        self.open = Some(open);
    }

    fn stop_counting(&mut self) {
        if let Some(open) = self.open.take() {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Stops watching a descriptor that may stay open when it is dropped.
    pub(crate) fn deregister(&mut self) {
        if let Some(Registration { loop_id, key }) = self.registration.take() {
            event_loop::run_or_post(loop_id, move |core| {
                let wakers = core.deregister(key);
                drop(wakers);
            });
        }
    }

    /// Says that an operation that was done elsewhere would have blocked.
    pub(crate) fn would_block(&self, direction: Direction) {
        if let Some(Registration { loop_id, key }) = self.registration.get().copied() {
            event_loop::run_or_post(loop_id, move |core| {
                core.reactor.borrow_mut().would_block(key, direction);
            });
        }
    }

    /// The descriptor, of a kind that is not closed before it is dropped.
    pub(crate) fn get(&self) -> &T {
        self.io.as_ref().expect("the descriptor was closed")
    }

    /// Closes the descriptor early. All operations are errors from then on.
    pub(crate) fn close(&mut self) {
        self.forget();
        self.io = None;
    }

    /// Whether it was closed early.
    pub(crate) fn is_closed(&self) -> bool {
        self.io.is_none()
    }

    fn open(&self) -> io::Result<&T> {
        self.io.as_ref().ok_or_else(|| {
            io::Error::new(io::ErrorKind::BrokenPipe, "this end of the pipe was closed")
        })
    }

    /// Gives the descriptor back, no longer registered; an error when it was closed.
    pub(crate) fn into_inner(mut self) -> io::Result<T> {
        self.open()?;
        if let Some(Registration { loop_id, key }) = self.registration.take() {
            match event_loop::with_loop(loop_id, |core| core.deregister(key)) {
                Some(woken) => drop(woken),
                None if event_loop::is_alive(loop_id) => {
                    // Put back, for the drop of `self` to release.
                    let _ = self.registration.set(Registration { loop_id, key });
                    return Err(event_loop::other_loop("a socket or other descriptor", loop_id));
                }
                None => {}
            }
        }
        Ok(self.io.take().expect("it was there above"))
    }

    /// Whether the loop with which it is registered has ended, so that it is of no use any more.
    pub(crate) fn is_stranded(&self) -> bool {
        let registration = self.registration.get();
        registration.is_some_and(|registration| !event_loop::is_alive(registration.loop_id))
    }

    /// Registers with the loop that this thread is running, if there is one, so that no operation
    /// there has to.
    pub(crate) fn watch(&self) -> io::Result<()> {
        let watched = event_loop::with(|core| match self.registered(core)? {
            Some(_) => Ok(()),
            None => self.register(core, Direction::Read).map(drop),
        });
        watched.unwrap_or(Ok(()))
    }

    /// Tries `operation`, and waits for the descriptor as often as it would block.
    pub(crate) fn operate<R, F>(&self, direction: Direction, operation: F) -> Operate<'_, T, R, F>
    where
        F: FnMut(&T) -> io::Result<Done<R>>,
    {
        Operate { source: self, direction, ticket: None, nothing: None, operation }
    }

    /// Waits until the descriptor is ready, as far as the kernel has told.
    pub(crate) fn readiness(&self, direction: Direction) -> Readiness<'_, T> {
        Readiness { source: self, direction, ticket: None }
    }

    /// Tries `operation` once, on any thread.
    pub(crate) fn try_operation<R>(
        &self,
        direction: Direction,
        operation: impl FnOnce(&T) -> io::Result<Done<R>>,
    ) -> io::Result<R> {
        let result = operation(self.open()?);
        if let Some(Registration { loop_id, key }) = self.registration.get().copied() {
            event_loop::with_loop(loop_id, |core| match &result {
                Ok(Done::Fully(_)) => {}
                Ok(Done::Short(_)) => core.reactor.borrow_mut().came_short(key, direction),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    core.reactor.borrow_mut().would_block(key, direction);
                }
                Err(_) => {}
            });
        }
        result.map(|done| match done {
            Done::Fully(value) | Done::Short(value) => value,
        })
    }

    /// The polling half of `operate`, for traits: `Ticket::SHARED` is the place for the waker.
    pub(crate) fn poll_operation<R>(
        &self,
        direction: Direction,
        ticket: &mut Option<Ticket>,
        cx: &Context<'_>,
        mut operation: impl FnMut(&T) -> io::Result<Done<R>>,
    ) -> Poll<io::Result<R>> {
        let io = self.open()?;
        let polled = event_loop::with(|core| {
            if core.executor.poll_budget(cx).is_pending() {
                return Poll::Pending;
            }
            // Who tries again and again must let others run, too.
            let fail = |error| {
                core.executor.spend_budget();
                Poll::Ready(Err(error))
            };
            let key = match self.registered(core) {
                Ok(key) => key,
                Err(error) => return fail(error),
            };
            if let Some(key) = key {
                if !core.reactor.borrow_mut().is_ready(key, direction) {
                    park(core, key, direction, ticket, cx.waker());
                    return Poll::Pending;
                }
            }
            loop {
                match operation(io) {
                    Ok(done) => {
                        core.executor.spend_budget();
                        // What woke this task took all wakers, so there is none to take back.
                        *ticket = ticket.filter(|ticket| *ticket == Ticket::SHARED);
                        return Poll::Ready(Ok(match (done, key) {
                            (Done::Short(value), Some(key)) => {
                                core.reactor.borrow_mut().came_short(key, direction);
                                value
                            }
                            (Done::Short(value) | Done::Fully(value), _) => value,
                        }));
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        let key = match key {
                            Some(key) => {
                                core.reactor.borrow_mut().would_block(key, direction);
                                key
                            }
                            // The kernel announces what came between the try and this.
                            None => match self.register(core, direction) {
                                Ok(key) => key,
                                Err(error) => return fail(error),
                            },
                        };
                        park(core, key, direction, ticket, cx.waker());
                        return Poll::Pending;
                    }
                    Err(error) => return fail(error),
                }
            }
        });
        polled.unwrap_or_else(|| Poll::Ready(Err(event_loop::no_loop("an I/O operation"))))
    }

    fn poll_readiness(
        &self,
        direction: Direction,
        ticket: &mut Option<Ticket>,
        cx: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = event_loop::with(|core| {
            if core.executor.poll_budget(cx).is_pending() {
                return Poll::Pending;
            }
            let key = match self.registered(core) {
                Ok(Some(key)) => Ok(key),
                Ok(None) => self.register(core, direction),
                Err(error) => Err(error),
            };
            let key = match key {
                Ok(key) => key,
                Err(error) => return Poll::Ready(Err(error)),
            };
            if direction == Direction::Write {
                // The kernel has told nothing before that.
                core.watch_writing(key);
            }
            if core.reactor.borrow_mut().is_ready(key, direction) {
                core.executor.spend_budget();
                *ticket = None;
                return Poll::Ready(Ok(()));
            }
            park(core, key, direction, ticket, cx.waker());
            Poll::Pending
        });
        polled.unwrap_or_else(|| Poll::Ready(Err(event_loop::no_loop("an I/O operation"))))
    }

    /// The key with this loop, if there is one; an error if there is one with another.
    fn registered(&self, core: &Core) -> io::Result<Option<Key>> {
        match self.registration.get() {
            Some(registration) if registration.loop_id == core.id() => Ok(Some(registration.key)),
            Some(registration) => {
                Err(event_loop::other_loop("a socket or other descriptor", registration.loop_id))
            }
            None => Ok(None),
        }
    }

    fn register(&self, core: &Core, direction: Direction) -> io::Result<Key> {
        let key = core.register_for(self.open()?.as_fd(), direction)?;
        match self.registration.set(Registration { loop_id: core.id(), key }) {
            Ok(()) => Ok(key),
            // Another thread's loop was faster.
            Err(_) => {
                core.deregister(key);
                self.registered(core)?.ok_or_else(|| io::ErrorKind::AlreadyExists.into())
            }
        }
    }

    /// Gives up the registration of a descriptor that is closed next: the kernel forgets it by itself
    /// then.
    fn forget(&mut self) {
        self.stop_counting();
        if let Some(Registration { loop_id, key }) = self.registration.take() {
            event_loop::run_or_post(loop_id, move |core| {
                let wakers = core.reactor.borrow_mut().forget(key);
                drop(wakers);
            });
        }
    }

    /// Takes a waker back that `poll_operation` left under this ticket.
    pub(crate) fn cancel_wait(&self, direction: Direction, ticket: Ticket) {
        let Some(Registration { loop_id, key }) = self.registration.get().copied() else {
            return;
        };
        event_loop::run_or_post(loop_id, move |core| {
            let waker = core.reactor.borrow_mut().cancel_wait(key, direction, ticket);
            drop(waker);
        });
    }
}

/// Leaves the waker with the reactor.
fn park(core: &Core, key: Key, direction: Direction, ticket: &mut Option<Ticket>, waker: &Waker) {
    if direction == Direction::Write {
        core.watch_writing(key);
    }
    // A stranger's waker may run anything when it is cloned or dropped: not under the borrow.
    let waker = waker.clone();
    let (place, old) = core.reactor.borrow_mut().wait_for(key, direction, *ticket, waker);
    *ticket = Some(place);
    drop(old);
}

impl<T: AsFd> Drop for Source<T> {
    fn drop(&mut self) {
        self.forget();
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// The future of an operation.
#[must_use = "a future does nothing unless awaited"]
pub(crate) struct Operate<'a, T: AsFd, R, F> {
    source: &'a Source<T>,
    direction: Direction,
    /// Where the waker was left, while it may still be there.
    ticket: Option<Ticket>,
    /// What to answer without asking the descriptor.
    nothing: Option<R>,
    operation: F,
}

impl<T: AsFd, R, F> Operate<'_, T, R, F> {
    /// Answers without asking the descriptor, at the price of an operation, if there is an answer.
    pub(crate) fn or_nothing(mut self, answer: Option<R>) -> Self {
        self.nothing = answer;
        self
    }

    #[cold]
    fn poll_nothing(&mut self, cx: &Context<'_>) -> Poll<io::Result<R>> {
        let budget = event_loop::with(|core| {
            core.executor.poll_budget(cx).map(|()| core.executor.spend_budget())
        });
        ready!(budget.unwrap_or(Poll::Ready(())));
        Poll::Ready(Ok(self.nothing.take().expect("asked for only if there is an answer")))
    }
}

impl<T: AsFd, R, F> Unpin for Operate<'_, T, R, F> {}

impl<T, R, F> Future for Operate<'_, T, R, F>
where
    T: AsFd,
    F: FnMut(&T) -> io::Result<Done<R>>,
{
    type Output = io::Result<R>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.nothing.is_some() {
            return this.poll_nothing(cx);
        }
        this.source.poll_operation(this.direction, &mut this.ticket, cx, &mut this.operation)
    }
}

impl<T: AsFd, R, F> Drop for Operate<'_, T, R, F> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.source.cancel_wait(self.direction, ticket);
        }
    }
}

/// The future that waits for readiness.
#[must_use = "a future does nothing unless awaited"]
pub(crate) struct Readiness<'a, T: AsFd> {
    source: &'a Source<T>,
    direction: Direction,
    ticket: Option<Ticket>,
}

impl<T: AsFd> Future for Readiness<'_, T> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.source.poll_readiness(this.direction, &mut this.ticket, cx)
    }
}

impl<T: AsFd> Drop for Readiness<'_, T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.source.cancel_wait(self.direction, ticket);
        }
    }
}
