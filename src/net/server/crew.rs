//! The task of a server: accepts, starts a handler for each connection, and hears of their ends.
//!
//! Invariant: each connection whose handler was started stands in `guests` until its end is counted. When
//! the crew goes, for whatever reason, the report is there.

use std::{
    collections::HashMap,
    fmt,
    future::poll_fn,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::{
    failure::{Audience, Cause, Failure, Problem},
    listener::Listener,
    report::{Cut, Inner, Report},
    state::{Order, Shared},
};
use crate::{
    task::{CancellationToken, Id, JoinError, JoinHandle, JoinSet},
    time::{sleep, sleep_until},
};

/// How many connections are taken out of the listener's queue at the end: the usual length of one.
const LAST_ACCEPTS: u32 = 1024;

/// How long the handlers that were aborted are waited for. They are done at once, unless one resists.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// A connection, as its handler gets it.
#[non_exhaustive]
pub struct Connection<S = crate::net::TcpStream, P = std::net::SocketAddr> {
    /// The socket. It is closed when the handler drops it.
    pub stream: S,
    /// Where it comes from.
    pub peer: P,
    /// Is cancelled when the server is to end: then the handler should come to its end.
    pub shutdown: CancellationToken,
}

impl<S, P: fmt::Debug> fmt::Debug for Connection<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// What a handler gives in the end.
type Finished = Result<(), Box<dyn Problem>>;

/// A handler that was started.
pub(crate) type Hired = io::Result<JoinHandle<Finished>>;

/// Starts the handler of a connection.
pub(crate) trait Hire<S, P>: FnMut(Connection<S, P>) -> Hired {}

impl<S, P, H: FnMut(Connection<S, P>) -> Hired> Hire<S, P> for H {}

/// What the task of a server holds.
pub(super) struct Crew<P: fmt::Debug, H> {
    shared: Arc<Shared>,
    max_connections: usize,
    audience: Audience,
    hire: H,
    handlers: JoinSet<Finished>,
    guests: HashMap<Id, Guest<P>>,
    shutdown: CancellationToken,
    /// Since when it accepts no more.
    draining: Option<Instant>,
    drained: u64,
    cut: Vec<Cut>,
    /// Those that are left were aborted, and go on.
    resisting: bool,
    error: Option<io::Error>,
}

/// A connection that is being served.
struct Guest<P> {
    peer: P,
    since: Instant,
}

/// What happens to a server that accepts.
enum Event<C> {
    Told(Order),
    Accepted(io::Result<Option<C>>),
    Ended(Id, Result<Finished, JoinError>),
}

impl<P: Clone + fmt::Debug, H> Crew<P, H> {
    pub(super) fn new(
        shared: Arc<Shared>,
        max_connections: usize,
        audience: Audience,
        hire: H,
    ) -> Self {
        Self {
            shared,
            max_connections,
            audience,
            hire,
            handlers: JoinSet::new(),
            guests: HashMap::new(),
            shutdown: CancellationToken::new(),
            draining: None,
            drained: 0,
            cut: Vec::new(),
            resisting: false,
            error: None,
        }
    }

    /// Serves to the end.
    pub(super) async fn serve<L>(mut self, listener: L)
    where
        L: Listener<Peer = P>,
        H: Hire<L::Stream, P>,
    {
        let order = self.accept_until_told(&listener).await;
        self.draining = Some(Instant::now());
        self.shutdown.cancel();
        if order.is_some_and(|order| order.deadline.is_none_or(|it| it > Instant::now())) {
            self.accept_the_last(&listener);
        }
        drop(listener);
        self.drain().await;
        self.cut_the_rest().await;
    }

    /// Accepts until the server is told to end, or the listener has no more.
    async fn accept_until_told<L>(&mut self, listener: &L) -> Option<Order>
    where
        L: Listener<Peer = P>,
        H: Hire<L::Stream, P>,
    {
        let mut accept = pin!(listener.accept());
        loop {
            let event = poll_fn(|cx| {
                if let Some(order) = self.shared.poll_order(cx) {
                    return Poll::Ready(Event::Told(order));
                }
                if let Poll::Ready((id, result)) = self.poll_ended(cx) {
                    return Poll::Ready(Event::Ended(id, result));
                }
                // The end of a handler will wake this task.
                if self.is_full() {
                    return Poll::Pending;
                }
                accept.as_mut().poll(cx).map(Event::Accepted)
            });
            match event.await {
                Event::Told(order) => return Some(order),
                Event::Ended(id, result) => self.count_end(id, result),
                Event::Accepted(Ok(Some((stream, peer)))) => {
                    accept.set(listener.accept());
                    self.receive(stream, peer);
                }
                Event::Accepted(Ok(None)) => return None,
                Event::Accepted(Err(error)) => {
                    self.audience.tell(&Failure { peer: None, cause: Cause::Listener(&error) });
                    self.error = Some(error);
                    return None;
                }
            }
        }
    }

    /// Takes what waits in the queue, since it would be broken off with the listener.
    fn accept_the_last<L>(&mut self, listener: &L)
    where
        L: Listener<Peer = P>,
        H: Hire<L::Stream, P>,
    {
        for _ in 0..LAST_ACCEPTS {
            if self.is_full() {
                return;
            }
            let Ok(Some((stream, peer))) = listener.try_accept() else { return };
            self.receive(stream, peer);
        }
    }

    fn is_full(&self) -> bool {
        self.guests.len() >= self.max_connections
    }

    /// Starts the handler of a connection.
    fn receive<S>(&mut self, stream: S, peer: P)
    where
        H: Hire<S, P>,
    {
        let guest = Guest { peer: peer.clone(), since: Instant::now() };
        let connection = Connection { stream, peer, shutdown: self.shutdown.clone() };
        match (self.hire)(connection) {
            Ok(handler) => {
                self.shared.count(|it| {
                    it.accepted += 1;
                    it.active += 1;
                });
                self.guests.insert(handler.id(), guest);
                self.handlers.insert(handler);
            }
            Err(error) => {
                self.shared.count(|it| {
                    it.accepted += 1;
                    it.failed += 1;
                });
                let cause = Cause::Error(&error);
                self.audience.tell(&Failure { peer: Some(&guest.peer), cause });
            }
        }
    }

    /// Waits until no handler is left or the time is over.
    async fn drain(&mut self) {
        let (mut deadline, mut sleep) = (None, pin!(None));
        while !self.guests.is_empty() {
            let ended = poll_fn(|cx| {
                let told = self.shared.poll_order(cx).and_then(|order| order.deadline);
                if told != deadline {
                    deadline = told;
                    sleep.set(deadline.map(sleep_until));
                }
                if let Some(sleep) = sleep.as_mut().as_pin_mut() {
                    if sleep.poll(cx).is_ready() {
                        return Poll::Ready(None);
                    }
                }
                self.poll_ended(cx).map(Some)
            });
            let Some((id, result)) = ended.await else { return };
            self.drained += u64::from(!is_cancelled(&result));
            self.count_end(id, result);
        }
    }

    /// Aborts the handlers that are left.
    async fn cut_the_rest(&mut self) {
        if self.guests.is_empty() {
            return;
        }
        self.handlers.abort_all();
        let mut limit = pin!(sleep(LAST_BREATH));
        while !self.guests.is_empty() {
            let ended = poll_fn(|cx| match self.poll_ended(cx) {
                Poll::Pending => limit.as_mut().poll(cx).map(|()| None),
                ended => ended.map(Some),
            });
            let Some((id, result)) = ended.await else {
                self.resisting = true;
                return;
            };
            if is_cancelled(&result) {
                if let Some(guest) = self.guests.get(&id) {
                    self.cut.push(guest.cut(false));
                }
            } else {
                self.drained += 1;
            }
            self.count_end(id, result);
        }
    }

    /// Polls for the end of a handler. With none it is pending.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<(Id, Result<Finished, JoinError>)> {
        match self.handlers.poll_join_next_with_id(cx) {
            Poll::Ready(Some(ended)) => Poll::Ready(ended),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn count_end(&mut self, id: Id, result: Result<Finished, JoinError>) {
        let guest = self.guests.remove(&id).expect("whoever is in the set is a guest");
        let peer: Option<&dyn fmt::Debug> = Some(&guest.peer);
        self.shared.count(|it| {
            it.active -= 1;
            match &result {
                Ok(Ok(())) => it.served += 1,
                Ok(Err(_)) => it.failed += 1,
                Err(error) if error.is_panic() => it.panicked += 1,
                Err(_) => it.cut += 1,
            }
        });
        match &result {
            Ok(Err(error)) => {
                self.audience.tell(&Failure { peer, cause: Cause::Error(&**error) });
            }
            Err(error) if error.is_panic() => {
                self.audience.tell(&Failure { peer, cause: Cause::Panic(error) });
            }
            _ => {}
        }
        // An error is foreign, and so is what a panic carries.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(move || drop(result))) {
            super::failure::forget_if_it_panics(panic);
        }
    }
}

fn is_cancelled<T>(result: &Result<T, JoinError>) -> bool {
    result.as_ref().is_err_and(JoinError::is_cancelled)
}

impl<P: fmt::Debug> Guest<P> {
    fn cut(&self, resists: bool) -> Cut {
        // An address of a foreign type might panic.
        let peer = catch_unwind(AssertUnwindSafe(|| format!("{:?}", self.peer)));
        Cut { peer: peer.unwrap_or_default(), age: self.since.elapsed(), resists }
    }
}

/// The server is over: as it should be, or with its loop, or by a panic of the listener.
impl<P: fmt::Debug, H> Drop for Crew<P, H> {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.handlers.abort_all();
        self.cut.extend(self.guests.values().map(|guest| guest.cut(self.resisting)));
        let left = self.guests.len() as u64;
        self.shared.count(|it| {
            it.active -= left;
            it.cut += left;
        });
        self.audience.finish();
        self.shared.finish(Report(Arc::new(Inner {
            statistics: self.shared.statistics(),
            drained: self.drained,
            cut: std::mem::take(&mut self.cut),
            took: self.draining.map_or(Duration::ZERO, |since| since.elapsed()),
            error: self.error.take(),
        })));
    }
}
