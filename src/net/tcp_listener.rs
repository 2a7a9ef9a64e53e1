//! Accepting TCP connections.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{
    TcpStream,
    accept::{Accepting, try_accept},
    addresses::{ToSocketAddrs, no_address, resolve},
    stream_methods::{as_fd, try_from_fd},
};
use crate::io::Source;

/// How many connections the kernel keeps for us to accept, unless told otherwise. The kernel's own
/// limit (4,096 on Linux, `net.core.somaxconn`) applies on top.
const BACKLOG: u32 = 1024;

/// A socket that accepts TCP connections.
///
/// # Examples
///
/// ```
/// use greenloop::net::{TcpListener, TcpStream};
///
/// greenloop::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (stream, peer) = listener.accept().await?;
///     assert_eq!(peer, client.local_addr()?);
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[doc(alias = "StreamServer")]
#[doc(alias = "start_server")]
#[doc(alias = "create_server")]
pub struct TcpListener {
    source: Source<mio::net::TcpListener>,
}

impl TcpListener {
    /// Opens a socket on the first of the addresses that works, with `SO_REUSEADDR` and a backlog
    /// of 1,024. Port 0 stands for any free one; see [`local_addr`](Self::local_addr).
    ///
    /// It touches no loop, so it may happen before one runs, or before a fork.
    ///
    /// # Errors
    ///
    /// The system's error for the last address that was tried; a name that cannot be looked up; a
    /// text that is no `HOST:PORT`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what it has opened.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::options().bind(address).await
    }

    /// Starts with other options than those of [`bind`](Self::bind).
    #[must_use]
    pub fn options() -> ListenOptions {
        ListenOptions::default()
    }

    /// Takes over a socket of the standard library, and puts it into non-blocking mode.
    ///
    /// # Errors
    ///
    /// When the system refuses that.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { source: Source::new(mio::net::TcpListener::from_std(listener)) })
    }

    /// Gives the socket to the standard library. It stays in non-blocking mode.
    ///
    /// # Errors
    ///
    /// On a thread that does not run the loop with which the socket is registered; the socket is
    /// closed then.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        Ok(self.source.into_inner()?.into())
    }

    /// Waits for the next connection, and gives it with the address of the peer.
    ///
    /// Errors of a connection that has broken off before it was accepted (`ECONNABORTED` and what
    /// else `accept(2)` passes on from the network) are not this socket's, and skipped. When the
    /// process or the system is out of descriptors (`EMFILE`, `ENFILE`) or memory for sockets, it
    /// tries again after a pause, which grows from 10 ms to 1 s: connections wait in the kernel's
    /// queue meanwhile, and none is lost before that is full.
    ///
    /// # Errors
    ///
    /// Any other error of the system; outside of a loop; in another loop than before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no connection.
    #[doc(alias = "sock_accept")]
    pub fn accept(&self) -> Accept<'_> {
        Accept(Accepting::new(&self.source))
    }

    /// Gives the next connection if there is one, with the address of the peer; on any thread.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none. Errors of a connection are skipped as by
    /// [`accept`](Self::accept); the lack of descriptors is an error.
    pub fn try_accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = try_accept(&self.source, mio::net::TcpListener::accept)?;
        Ok((TcpStream::from_mio(stream), peer))
    }

    /// Gives the connections as a stream, which never ends. Errors as for
    /// [`accept`](Self::accept).
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming(self.accept())
    }

    /// Returns the address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get().local_addr()
    }

    /// Returns the error that the socket has kept, and clears it.
    ///
    /// # Errors
    ///
    /// When the system cannot tell.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.source.get().take_error()
    }

    /// Sets the hop limit of the packets that the connections send.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.source.get().set_ttl(ttl)
    }

    /// Returns the hop limit.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn ttl(&self) -> io::Result<u32> {
        self.source.get().ttl()
    }
}

/// The future of [`TcpListener::accept`].
#[must_use = "a future does nothing unless awaited"]
pub struct Accept<'a>(Accepting<'a, mio::net::TcpListener>);

impl Future for Accept<'_> {
    type Output = io::Result<(TcpStream, SocketAddr)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let accepted = ready!(self.0.poll(cx, mio::net::TcpListener::accept));
        Poll::Ready(accepted.map(|(stream, peer)| (TcpStream::from_mio(stream), peer)))
    }
}

impl fmt::Debug for Accept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept").finish_non_exhaustive()
    }
}

/// The stream of [`TcpListener::incoming`].
#[derive(Debug)]
#[must_use = "a stream does nothing unless polled"]
pub struct Incoming<'a>(Accept<'a>);

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // The future starts anew when it has given its output.
        let accepted = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(Some(accepted.map(|(stream, _)| stream)))
    }
}

/// How to open a [`TcpListener`]; from [`TcpListener::options`].
///
/// # Examples
///
/// ```
/// # use greenloop::net::TcpListener;
/// greenloop::run(async {
///     let listener = TcpListener::options().backlog(16).bind("127.0.0.1:0").await?;
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct ListenOptions {
    backlog: u32,
    reuse_address: bool,
    reuse_port: bool,
    only_v6: Option<bool>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self { backlog: BACKLOG, reuse_address: true, reuse_port: false, only_v6: None }
    }
}

impl ListenOptions {
    /// How many connections the kernel keeps for us to accept; 1,024 by default.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// `SO_REUSEADDR`: lets a server start again while connections of its predecessor linger; true
    /// by default.
    #[must_use]
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.reuse_address = reuse;
        self
    }

    /// `SO_REUSEPORT`: lets several sockets share the port, among which the kernel distributes the
    /// connections; false by default. When one of them closes, the connections in its queue
    /// are lost.
    #[must_use]
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// `IPV6_V6ONLY`: whether a socket on an IPv6 address refuses IPv4; as the system has it by
    /// default.
    #[must_use]
    pub fn only_v6(mut self, only: bool) -> Self {
        self.only_v6 = Some(only);
        self
    }

    /// Opens the socket, as [`TcpListener::bind`] does.
    ///
    /// # Errors
    ///
    /// Those of [`TcpListener::bind`].
    pub async fn bind(self, address: impl ToSocketAddrs) -> io::Result<TcpListener> {
        let mut failed = no_address();
        for address in resolve(address).await? {
            match self.listen(address) {
                Ok(listener) => return TcpListener::from_std(listener.into()),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn listen(&self, address: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(self.reuse_address)?;
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if let (Some(only), true) = (self.only_v6, address.is_ipv6()) {
            socket.set_only_v6(only)?;
        }
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(self.backlog).unwrap_or(i32::MAX))?;
        Ok(socket)
    }
}

as_fd!(TcpListener);
try_from_fd!(TcpListener, std::net::TcpListener);

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let socket = SockRef::from(self.source.get());
        let address = socket.local_addr().ok().and_then(|address| address.as_socket());
        f.debug_struct("TcpListener").field("address", &address).finish()
    }
}
