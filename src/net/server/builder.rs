//! What is said about a server before it starts.

use std::{fmt, panic::Location, rc::Rc, sync::Arc};

use super::{
    crew::{Connection, Crew, Hire},
    failure::{Audience, Failure, Outcome, Ration},
    handle::Server,
    listener::Listener,
    state::Shared,
};
use crate::{event_loop, executor::SpawnOptions, task};

/// Says how a [`Server`] serves; from [`Server::builder`].
///
/// # Examples
///
/// ```
/// use greenloop::net::{Server, TcpListener};
///
/// # greenloop::run(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let server = Server::builder(listener)
///     .max_connections(100)
///     .on_failure(|failure| eprintln!("{failure}"))
///     .serve(|connection| async move { connection.stream.write_all(b"hello\n").await });
/// # drop(server);
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[must_use = "a builder does nothing until `serve`"]
pub struct Builder<L> {
    listener: L,
    max_connections: usize,
    audience: Audience,
}

impl<L: Listener> Builder<L> {
    pub(super) fn new(listener: L) -> Self {
        let audience = Audience::StandardError(Ration::new());
        Self { listener, max_connections: usize::MAX, audience }
    }

    /// Sets how many connections are served at a time; any number unless set.
    ///
    /// With as many, it stops accepting until one has ended. Those who come meanwhile wait in the kernel's
    /// queue, which is as long as [the backlog](crate::net::ListenOptions::backlog).
    ///
    /// # Panics
    ///
    /// When it is zero: nobody could ever be served.
    #[track_caller]
    pub fn max_connections(mut self, connections: usize) -> Self {
        assert!(connections > 0, "a server of no connections could never serve anybody");
        self.max_connections = connections;
        self
    }

    /// Has a function told of everything that goes wrong: each error and each panic of a handler, and the
    /// error of the listener after which it accepts no more. A panic in it is contained.
    ///
    /// Unless it is set, they go to standard error, ten lines at once and then one per second.
    pub fn on_failure(mut self, hook: impl FnMut(&Failure<'_>) + 'static) -> Self {
        self.audience = Audience::Hook(Box::new(hook));
        self
    }

    /// Starts the server on the loop that this thread is running. For each connection it spawns a task that
    /// calls `handler` and awaits what that gives.
    ///
    /// # Panics
    ///
    /// Outside of a loop.
    #[track_caller]
    pub fn serve<F>(self, handler: impl Fn(Connection<L::Stream, L::Peer>) -> F + 'static) -> Server
    where
        L: 'static,
        F: Future<Output: Outcome> + 'static,
    {
        let location = Location::caller();
        let handler = Rc::new(handler);
        self.start(move |connection| {
            let handler = Rc::clone(&handler);
            // The handler is called in there, so that its panic is that of the task.
            let serve = async move { handler(connection).await.into_result() };
            let options = SpawnOptions { id: None, name: None, location };
            Ok(task::spawn_with(serve, options))
        })
    }

    /// Starts the server, with whatever starts the handler of a connection.
    #[track_caller]
    pub(crate) fn start(self, hire: impl Hire<L::Stream, L::Peer> + 'static) -> Server
    where
        L: 'static,
    {
        assert!(event_loop::is_running(), "net::Server {}", event_loop::NEEDS_LOOP);
        let Self { listener, max_connections, audience } = self;
        let shared = Arc::new(Shared::default());
        let crew = Crew::new(Arc::clone(&shared), max_connections, audience, hire);
        let options =
            SpawnOptions { id: None, name: Some("server".into()), location: Location::caller() };
        drop(task::spawn_with(crew.serve(listener), options));
        Server { shared }
    }
}

impl<L> fmt::Debug for Builder<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}
