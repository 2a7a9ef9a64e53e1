//! A worker's end of a listening socket that others share.
//!
//! It accepts one connection for each time that the kernel says there is one, so that a burst is spread
//! over the workers, and stands aside when it has more than the others (`gate.rs`). Standing aside, it is
//! told of arrivals without being counted on, and needs no timer while nothing arrives.
//!
//! The kernel wakes the sleeping worker that has watched for longest. So that this is not always the same
//! one, each begins to watch anew after some connections.
//!
//! Whoever the kernel has woken must accept, since it wakes no other for the same connection. So the
//! gate is looked at after an accept and not before, and a worker that is to accept no more first
//! accepts what is in the queue.

use std::{
    cell::{Cell, RefCell},
    fmt, io,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
    pin::Pin,
    rc::Rc,
    sync::atomic::Ordering::Relaxed,
    task::{Context, Poll, ready},
};

use super::{
    gate::{LOOK_AGAIN, PATIENCE},
    kind::{Kind, Tcp},
    moment::Until,
    sys,
    worker::Inner,
};
use crate::{
    event_loop::{self, Core},
    io::{Direction, Ticket},
    net::{Pause, is_exhaustion, is_the_peers, server},
    reactor::Key,
    time::{Sleep, sleep},
};

/// How many connections a worker that hands over to others takes at most out of a queue that does not
/// get empty.
pub(super) const LAST_ACCEPTS: u32 = 256;

/// After how many connections a worker goes to the end of the queue of those that the kernel wakes. It
/// wakes the first one that sleeps, which would else always be the same.
const TURN: u8 = 250;

/// A socket of the launcher, as one worker sees it; from [`Worker::listener`](super::Worker::listener) or
/// [`Worker::unix_listener`](super::Worker::unix_listener).
pub struct Listener<K: Kind = Tcp> {
    worker: Rc<Inner>,
    name: String,
    /// The supervisor knows that nothing more is taken from it.
    emptied: Cell<bool>,
    /// One, and those of workers that there are no more.
    doors: Vec<Door<K>>,
}

/// What accepting gives.
type Accepted<K> = Option<(<K as Kind>::Stream, <K as Kind>::Peer)>;

/// A socket.
struct Door<K: Kind> {
    socket: K::Socket,
    watch: Cell<Watch>,
    /// When to look again, while standing aside with a connection in the queue.
    look_again: RefCell<Option<Sleep>>,
    /// How often it was looked at then.
    looks: Cell<u8>,
    /// How many connections it has given since it was watched anew.
    turn: Cell<u8>,
    /// A connection has waited for too long: this worker takes it, however many it has.
    impatient: Cell<bool>,
    /// The wait for descriptors.
    pause: RefCell<Pause>,
}

/// How the loop watches a door.
#[derive(Clone, Copy)]
enum Watch {
    Not,
    /// To accept.
    Exclusively(Key),
    /// Standing aside.
    Aside(Key),
}

impl<K: Kind> Listener<K> {
    pub(super) fn new(worker: Rc<Inner>, name: &str, sockets: Vec<OwnedFd>) -> Self {
        let doors = sockets.into_iter().map(|socket| Door {
            socket: K::from_descriptor(socket),
            watch: Cell::new(Watch::Not),
            look_again: RefCell::new(None),
            looks: Cell::new(0),
            turn: Cell::new(0),
            impatient: Cell::new(false),
            pause: RefCell::new(Pause::default()),
        });
        let name = name.to_owned();
        Self { worker, name, emptied: Cell::new(false), doors: doors.collect() }
    }

    /// Waits for the next connection that this worker is to serve. `None` when it is to accept no
    /// more: then it should finish what it has begun, and end.
    ///
    /// When a worker is to stop, it first accepts what waits in the queue, so that no connection is
    /// lost with the socket. The first call tells the launcher that the worker is ready, unless
    /// [`Launcher::manual_ready`](super::Launcher::manual_ready) is set.
    ///
    /// The connection counts as active until the stream is closed, or given away with
    /// [`into_std`](crate::net::TcpStream::into_std). Errors of a connection, and a lack of descriptors, are
    /// dealt with as by [`TcpListener::accept`](crate::net::TcpListener::accept).
    ///
    /// # Errors
    ///
    /// Any other error of the system; outside of the worker's loop.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no connection.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn serve(_: greenloop::net::TcpStream) {}
    /// # async fn example(worker: greenloop::launcher::Worker) -> std::io::Result<()> {
    /// let listener = worker.listener("http")?;
    /// while let Some((stream, _peer)) = listener.accept().await? {
    ///     worker.spawn(serve(stream));
    /// }
    /// worker.drained().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn accept(&self) -> Accepting<'_, K> {
        let first_ticket = None;
        Accepting { listener: self, first_ticket, more: Vec::new(), drain: self.worker.draining() }
    }

    /// Returns the address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn local_addr(&self) -> io::Result<K::Peer> {
        K::address(&self.doors[0].socket)
    }

    fn poll_accept(
        &self,
        door: &Door<K>,
        ticket: &mut Option<Ticket>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Accepted<K>>> {
        loop {
            if let Some(sleep) = &mut door.pause.borrow_mut().sleep {
                ready!(Pin::new(sleep).poll(cx));
            }
            door.pause.borrow_mut().sleep = None;
            let polled = event_loop::with(|core| self.poll_door(core, door, ticket, cx));
            let Some(polled) = polled else {
                return Poll::Ready(Err(event_loop::no_loop("accepting a connection")));
            };
            match ready!(polled) {
                Ok(None) => return Poll::Ready(Ok(None)),
                Ok(Some(accepted)) => {
                    *door.pause.borrow_mut() = Pause::default();
                    door.turn.set(door.turn.get().saturating_add(1));
                    // With more open at a time the gate has them take turns, and better: who begins anew is
                    // awake, and gets what has come meanwhile, which another was woken for.
                    let alone = self.worker.entry().active.load(Relaxed) <= 1;
                    if alone && door.turn.get() >= TURN {
                        // The next call watches it again.
                        event_loop::with(|core| door.unwatch(core));
                        *ticket = None;
                    }
                    self.worker.entry().sums.accepted.fetch_add(1, Relaxed);
                    self.worker.accepted();
                    return Poll::Ready(Ok(Some(accepted)));
                }
                Err(error) if is_the_peers(&error) => {}
                Err(error) if is_exhaustion(&error) => {
                    // Another process may have descriptors left.
                    event_loop::with(|core| door.unwatch(core));
                    *ticket = None;
                    door.pause.borrow_mut().start();
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_door(
        &self,
        core: &Core,
        door: &Door<K>,
        ticket: &mut Option<Ticket>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Accepted<K>>> {
        if core.executor.poll_budget(cx).is_pending() {
            return Poll::Pending;
        }
        if self.worker.is_draining() {
            return Poll::Ready(self.accept_last(core, door));
        }
        loop {
            if self.stands_aside(core, door, cx)? {
                let Watch::Aside(key) = door.watch.get() else {
                    return Poll::Ready(Err(io::Error::other("a door that is not watched")));
                };
                park(core, key, ticket, cx);
                return Poll::Pending;
            }
            let key = door.watch_exclusively(core)?;
            if !core.reactor.borrow_mut().is_ready(key, Direction::Read) && !door.impatient.get() {
                core.reactor.borrow_mut().watch_again(key)?;
                park(core, key, ticket, cx);
                return Poll::Pending;
            }
            // One at a time: the kernel will say if there are more, to this process or to another.
            core.reactor.borrow_mut().would_block(key, Direction::Read);
            door.impatient.set(false);
            match K::accept(&door.socket, &self.worker.entry().active) {
                Ok(accepted) => {
                    core.executor.spend_budget();
                    door.looks.set(0);
                    return Poll::Ready(Ok(Some(accepted)));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // A successor has closed the queue before this worker learns that it is to drain.
                Err(error) if is_closed(&error) => {
                    door.unwatch(core);
                    return Poll::Ready(Ok(None));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Takes what is left in the queue, when this worker is to accept no more.
    fn accept_last(&self, core: &Core, door: &Door<K>) -> io::Result<Accepted<K>> {
        door.unwatch(core);
        if !self.worker.may_accept_another() {
            return Ok(None);
        }
        loop {
            match K::accept(&door.socket, &self.worker.entry().active) {
                Ok(accepted) => {
                    core.executor.spend_budget();
                    return Ok(Some(accepted));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                // All workers have emptied the queue, and the supervisor has closed it.
                Err(error) if is_closed(&error) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether this worker leaves connections to others. If so, it will be woken when there is reason
    /// to think again.
    fn stands_aside(&self, core: &Core, door: &Door<K>, cx: &mut Context<'_>) -> io::Result<bool> {
        loop {
            if door.impatient.get() {
                return Ok(false);
            }
            if self.worker.gate().is_open() {
                door.stop_looking();
                return Ok(false);
            }
            // Woken as the one to accept, before the gate closed: nobody else was.
            if let Watch::Exclusively(key) = door.watch.get() {
                if core.reactor.borrow_mut().is_ready(key, Direction::Read) {
                    return Ok(false);
                }
            }
            let key = door.watch_aside(core)?;
            let mut look_again = door.look_again.borrow_mut();
            if let Some(sleep) = look_again.as_mut() {
                if Pin::new(sleep).poll(cx).is_pending() {
                    return Ok(true);
                }
                *look_again = None;
                if !sys::poll::is_readable(door.socket.as_raw_fd()) {
                    door.looks.set(0);
                    continue;
                }
                door.looks.set(door.looks.get() + 1);
                if door.looks.get() >= PATIENCE {
                    door.looks.set(0);
                    door.impatient.set(true);
                    return Ok(false);
                }
                *look_again = Some(sleep_a_little());
                continue;
            }
            let mut reactor = core.reactor.borrow_mut();
            if !reactor.is_ready(key, Direction::Read) {
                return Ok(true);
            }
            // Something has arrived. The others were told as well.
            reactor.would_block(key, Direction::Read);
            *look_again = Some(sleep_a_little());
        }
    }
}

/// Whether the socket takes connections in no more, since another process has said so.
fn is_closed(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
}

fn sleep_a_little() -> Sleep {
    sleep(LOOK_AGAIN)
}

impl<K: Kind> Door<K> {
    fn watch_exclusively(&self, core: &Core) -> io::Result<Key> {
        if let Watch::Exclusively(key) = self.watch.get() {
            return Ok(key);
        }
        self.unwatch(core);
        let key = core.register_exclusive(self.socket.as_fd())?;
        self.watch.set(Watch::Exclusively(key));
        Ok(key)
    }

    fn watch_aside(&self, core: &Core) -> io::Result<Key> {
        if let Watch::Aside(key) = self.watch.get() {
            return Ok(key);
        }
        self.unwatch(core);
        let key = core.register(self.socket.as_fd())?;
        self.watch.set(Watch::Aside(key));
        Ok(key)
    }

    /// Leaves the kernel's set: it would stay there when the descriptor is closed, because other
    /// processes have the socket open.
    fn unwatch(&self, core: &Core) {
        self.turn.set(0);
        if let Watch::Exclusively(key) | Watch::Aside(key) = self.watch.replace(Watch::Not) {
            for waker in core.deregister(key) {
                waker.wake();
            }
        }
    }

    fn stop_looking(&self) {
        self.looks.set(0);
        let sleep = self.look_again.take();
        drop(sleep);
    }
}

/// Leaves the waker with the reactor.
fn park(core: &Core, key: Key, ticket: &mut Option<Ticket>, cx: &Context<'_>) {
    let waker = cx.waker().clone();
    let (place, old) = core.reactor.borrow_mut().wait_for(key, Direction::Read, *ticket, waker);
    *ticket = Some(place);
    drop(old);
}

/// The future of [`Listener::accept`].
#[must_use = "a future does nothing unless awaited"]
pub struct Accepting<'a, K: Kind = Tcp> {
    listener: &'a Listener<K>,
    first_ticket: Option<Ticket>,
    /// The tickets at the other doors.
    more: Vec<Option<Ticket>>,
    drain: Until,
}

impl<K: Kind> Future for Accepting<'_, K> {
    type Output = io::Result<Accepted<K>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Self { listener, first_ticket, more, drain } = this;
        listener.worker.accepts_first();
        let (first, others) =
            listener.doors.split_first().expect("a listener has a socket at least");
        more.resize_with(others.len(), || None);
        let mut closed = 0;
        let tickets = std::iter::once(first_ticket).chain(more);
        for (door, ticket) in std::iter::once(first).chain(others).zip(tickets) {
            match listener.poll_accept(door, ticket, cx) {
                Poll::Ready(Ok(None)) => closed += 1,
                Poll::Ready(result) => return Poll::Ready(result),
                Poll::Pending => {}
            }
        }
        if closed == listener.doors.len() {
            if !listener.emptied.replace(true) {
                listener.worker.has_emptied(&listener.name);
            }
            return Poll::Ready(Ok(None));
        }
        drain.register(cx);
        Poll::Pending
    }
}

impl<K: Kind> Drop for Accepting<'_, K> {
    fn drop(&mut self) {
        let tickets = std::iter::once(self.first_ticket).chain(self.more.iter().copied());
        for (door, ticket) in self.listener.doors.iter().zip(tickets) {
            let (Some(ticket), Watch::Exclusively(key) | Watch::Aside(key)) =
                (ticket, door.watch.get())
            else {
                continue;
            };
            let waker = event_loop::with(|core| {
                core.reactor.borrow_mut().cancel_wait(key, Direction::Read, ticket)
            });
            drop(waker);
        }
    }
}

/// A server ends with its worker: there are no more connections then, and the handlers are told.
impl<K: Kind> server::Listener for Listener<K> {
    type Stream = K::Stream;
    type Peer = K::Peer;

    async fn accept(&self) -> io::Result<Accepted<K>> {
        self.accept().await
    }
}

impl<K: Kind> Drop for Listener<K> {
    fn drop(&mut self) {
        event_loop::with(|core| self.doors.iter().for_each(|door| door.unwatch(core)));
    }
}

impl<K: Kind> AsFd for Listener<K> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.doors[0].socket.as_fd()
    }
}

impl<K: Kind> fmt::Debug for Accepting<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepting").field("listener", self.listener).finish_non_exhaustive()
    }
}

impl<K: Kind> fmt::Debug for Listener<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("address", &self.local_addr().ok()).finish_non_exhaustive()
    }
}
