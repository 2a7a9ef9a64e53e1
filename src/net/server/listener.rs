//! What a server accepts connections from.

use std::{fmt, io, net::SocketAddr};

use crate::net::{TcpListener, TcpStream, UnixListener, UnixStream, unix};

/// A source of connections for a [`Server`](crate::net::Server).
///
/// The listeners of this crate are ones, and others are a few lines: one that speaks TLS, say.
///
/// # Examples
///
/// Workers of the launcher serve like this, and drain when the launcher says so. Without a limit: a worker
/// that has as many connections as it may goes on to be woken for those that others could take.
///
#[cfg_attr(all(feature = "launcher", target_os = "linux"), doc = "```no_run")]
#[cfg_attr(not(all(feature = "launcher", target_os = "linux")), doc = "```ignore")]
/// use std::io;
///
/// use greenloop::{launcher::Worker, net::Server};
///
/// async fn work(worker: Worker) -> io::Result<()> {
///     let server = Server::serve(worker.listener("http")?, |connection| async move {
///         greenloop::io::copy(&connection.stream, &connection.stream).await
///     });
///     println!("{}", server.ended().await);
///     Ok(())
/// }
/// ```
pub trait Listener {
    /// A connection.
    type Stream: 'static;

    /// Where one comes from.
    type Peer: Clone + fmt::Debug + 'static;

    /// Waits for the next connection; `None` when there will be no more.
    ///
    /// Dropping the future must lose no connection.
    ///
    /// # Errors
    ///
    /// After an error the server accepts no more. So whatever passes, as a lack of descriptors does, must be
    /// waited out in here.
    fn accept(&self) -> impl Future<Output = io::Result<Option<(Self::Stream, Self::Peer)>>>;

    /// Gives a connection that has arrived already, if there is one, without waiting. A server that is to
    /// end takes these before it closes the listener, which would break them off. Without this method
    /// there are none.
    ///
    /// # Errors
    ///
    /// Of any kind; then the server takes no more of them.
    fn try_accept(&self) -> io::Result<Option<(Self::Stream, Self::Peer)>> {
        Ok(None)
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    type Peer = SocketAddr;

    async fn accept(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        self.accept().await.map(Some)
    }

    fn try_accept(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        none_if_it_would_block(self.try_accept())
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;
    type Peer = unix::SocketAddr;

    async fn accept(&self) -> io::Result<Option<(UnixStream, unix::SocketAddr)>> {
        self.accept().await.map(Some)
    }

    fn try_accept(&self) -> io::Result<Option<(UnixStream, unix::SocketAddr)>> {
        none_if_it_would_block(self.try_accept())
    }
}

/// What `try_accept` gives, if a connection that is not there is no error.
pub(crate) fn none_if_it_would_block<C>(accepted: io::Result<C>) -> io::Result<Option<C>> {
    match accepted {
        Ok(connection) => Ok(Some(connection)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
