//! Serving connections, each in a green thread; the server itself is that of async code.

use std::{fmt, io, net::SocketAddr, panic::Location, rc::Rc, time::Duration};

use super::{TcpListener, TcpStream, UnixListener, UnixStream};
use crate::{
    green::{Builder, Wait},
    net::{
        self,
        server::{
            Connection, Failure, Listener, Outcome, Report, Statistics, none_if_it_would_block,
        },
        unix,
    },
};

/// Serves the connections of a listener, each in a green thread; as [`net::Server`], for green threads.
///
/// It accepts from the listeners of green threads, whose connections are green threads' too, and from
/// any other [`Listener`].
///
/// # Examples
///
/// ```
/// use std::{io::{Read, Write}, time::Duration};
///
/// use greenloop::green::{self, net::{Server, TcpListener, TcpStream}};
///
/// green::run(|| {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let address = listener.local_addr()?;
///     let server = Server::builder(listener).max_connections(100).serve(|connection| {
///         std::io::copy(&mut &connection.stream, &mut &connection.stream)
///     });
///
///     let mut client = TcpStream::connect(address)?;
///     client.write_all(b"hello")?;
///     let mut echo = [0; 5];
///     client.read_exact(&mut echo)?;
///     assert_eq!(&echo, b"hello");
///     drop(client);
///
///     let report = server.shutdown(Duration::from_secs(10));
///     assert_eq!(report.statistics().served, 1);
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Clone)]
#[doc(alias = "StreamServer")]
pub struct Server(net::Server);

impl Server {
    /// Starts a server; see [`net::Server::serve`].
    ///
    /// # Panics
    ///
    /// Outside of a loop.
    #[track_caller]
    pub fn serve<L, T>(
        listener: L,
        handler: impl Fn(Connection<L::Stream, L::Peer>) -> T + 'static,
    ) -> Self
    where
        L: Listener + 'static,
        T: Outcome + 'static,
    {
        Self::builder(listener).serve(handler)
    }

    /// Begins with other settings than those of [`serve`](Self::serve).
    pub fn builder<L: Listener>(listener: L) -> ServerBuilder<L> {
        ServerBuilder { builder: net::Server::builder(listener), thread: Builder::new() }
    }

    /// Wraps a server of async code.
    #[must_use]
    pub fn from_async(server: net::Server) -> Self {
        Self(server)
    }

    /// Returns the server for async code.
    #[must_use]
    pub fn as_async(&self) -> &net::Server {
        &self.0
    }

    /// Ends the server, and waits until it has ended; see [`net::Server::shutdown`].
    ///
    /// # Panics
    ///
    /// Outside of a green thread, if it has to wait.
    #[doc(alias = "stop")]
    #[track_caller]
    pub fn shutdown(&self, grace: Duration) -> Report {
        self.0.shutdown(grace).wait()
    }

    /// Has the server end, and does not wait.
    pub fn begin_shutdown(&self, grace: Duration) {
        self.0.begin_shutdown(grace);
    }

    /// Waits until the server has ended, without asking it to.
    ///
    /// # Panics
    ///
    /// Outside of a green thread, if it has to wait.
    #[doc(alias = "serve_forever")]
    #[track_caller]
    pub fn wait_ended(&self) -> Report {
        self.0.ended().wait()
    }

    /// Returns whether the server was told to end, or has ended.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.0.is_shutting_down()
    }

    /// Returns what the server has done so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.0.statistics()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Says how a [`Server`] serves; from [`Server::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `serve`"]
pub struct ServerBuilder<L> {
    builder: net::server::Builder<L>,
    thread: Builder,
}

impl<L: Listener> ServerBuilder<L> {
    /// Sets how many connections are served at a time; see
    /// [`max_connections`](net::server::Builder::max_connections).
    ///
    /// # Panics
    ///
    /// When it is zero: nobody could ever be served.
    #[doc(alias = "spawn")]
    #[track_caller]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.builder = self.builder.max_connections(connections);
        self
    }

    /// Has a function told of everything that goes wrong; see
    /// [`on_failure`](net::server::Builder::on_failure). It is not called in a green thread, and cannot wait.
    pub fn on_failure(mut self, hook: impl FnMut(&Failure<'_>) + 'static) -> Self {
        self.builder = self.builder.on_failure(hook);
        self
    }

    /// Sets how many bytes the stacks of the handlers hold at least; see [`Builder::stack_size`].
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.thread = self.thread.stack_size(bytes);
        self
    }

    /// Starts the server on the loop that this thread is running. For each connection it spawns a green
    /// thread that calls `handler`; without memory for its stack, the connection is closed and counts as
    /// failed.
    ///
    /// # Panics
    ///
    /// Outside of a loop.
    #[track_caller]
    pub fn serve<T>(self, handler: impl Fn(Connection<L::Stream, L::Peer>) -> T + 'static) -> Server
    where
        L: 'static,
        T: Outcome + 'static,
    {
        let location = Location::caller();
        let (thread, handler) = (self.thread, Rc::new(handler));
        Server(self.builder.start(move |connection| {
            let handler = Rc::clone(&handler);
            thread.clone().try_spawn_at(move || handler(connection).into_result(), location)
        }))
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    type Peer = SocketAddr;

    async fn accept(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        let (stream, peer) = self.as_async().accept().await?;
        Ok(Some((TcpStream::from_async(stream), peer)))
    }

    fn try_accept(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        let accepted = none_if_it_would_block(self.as_async().try_accept())?;
        Ok(accepted.map(|(stream, peer)| (TcpStream::from_async(stream), peer)))
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;
    type Peer = unix::SocketAddr;

    async fn accept(&self) -> io::Result<Option<(UnixStream, unix::SocketAddr)>> {
        let (stream, peer) = self.as_async().accept().await?;
        Ok(Some((UnixStream::from_async(stream), peer)))
    }

    fn try_accept(&self) -> io::Result<Option<(UnixStream, unix::SocketAddr)>> {
        let accepted = none_if_it_would_block(self.as_async().try_accept())?;
        Ok(accepted.map(|(stream, peer)| (UnixStream::from_async(stream), peer)))
    }
}
