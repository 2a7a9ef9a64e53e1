//! A TCP connection.

use std::{fmt, io, net::SocketAddr, time::Duration};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use super::{
    addresses::{ToSocketAddrs, resolve},
    happy_eyeballs,
    stream_methods::{as_fd, stream_socket, try_from_fd},
    tcp_halves,
};
use crate::io::{Direction, Done, Source};

/// A TCP connection.
///
/// All methods take `&self`: any number of tasks may read and write it at the same time, each
/// operation whole but in no particular order among them. It also is a [`futures_io::AsyncRead`]
/// and [`AsyncWrite`](futures_io::AsyncWrite), and so is a reference to it.
///
/// Dropping it closes the connection. A stream may be sent to another thread, but once it has had to
/// wait in a loop it can be used in that loop only.
///
/// # Examples
///
/// ```
/// use greenloop::net::{TcpListener, TcpStream};
///
/// greenloop::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (server, _) = listener.accept().await?;
///
///     client.write_all(b"hello").await?;
///     let mut buffer = [0; 5];
///     server.read_exact(&mut buffer).await?;
///     assert_eq!(&buffer, b"hello");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[doc(alias = "StreamReader")]
#[doc(alias = "StreamWriter")]
#[doc(alias = "socket")]
#[doc(alias = "Protocol")]
#[doc(alias = "BufferedProtocol")]
#[doc(alias = "Transport")]
pub struct TcpStream {
    source: Source<std::net::TcpStream>,
}

impl TcpStream {
    /// Connects to the first of the addresses that answers.
    ///
    /// They are tried in turn, alternately of one family and the other. The next one begins when one has
    /// failed, or has not answered within 250 ms, and those that are late go on ("happy
    /// eyeballs", RFC 8305): an address that leads nowhere costs a quarter of a second. The
    /// first connection wins, and the others are closed.
    ///
    /// # Errors
    ///
    /// The system's error; if there were several addresses, one that names them all, of the kind of the
    /// last that failed. A name that cannot be looked up; a text that is no `HOST:PORT`; outside of
    /// a loop, if it would have to wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the sockets; the peers may have seen connections.
    #[doc(alias = "create_connection")]
    #[doc(alias = "open_connection")]
    #[doc(alias = "happy eyeballs")]
    #[doc(alias = "connect_ex")]
    pub async fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        let addresses = resolve(address).await?;
        happy_eyeballs::connect(addresses, Self::connect_to).await
    }

    async fn connect_to(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        Self::connect_socket(socket, address).await
    }

    pub(super) async fn connect_socket(socket: Socket, address: SocketAddr) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let stream = Self { source: Source::new(socket.into()) };
        let mut started = false;
        let connected = stream.source.operate(Direction::Write, |socket| {
            if !started {
                started = true;
                return match SockRef::from(socket).connect(&address.into()) {
                    Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {
                        Err(io::ErrorKind::WouldBlock.into())
                    }
                    result => result.map(Done::Fully),
                };
            }
            if let Some(error) = socket.take_error()? {
                return Err(error);
            }
            match socket.peer_addr() {
                Ok(_) => Ok(Done::Fully(())),
                // Woken before the handshake was over.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    Err(io::ErrorKind::WouldBlock.into())
                }
                Err(error) => Err(error),
            }
        });
        connected.await?;
        Ok(stream)
    }

    /// Takes over a connection of the standard library, and puts it into non-blocking mode.
    ///
    /// # Errors
    ///
    /// When the system refuses that.
    #[doc(alias = "connect_accepted_socket")]
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { source: Source::new(stream) })
    }

    /// A connection that is in non-blocking mode already.
    pub(super) fn from_mio(stream: mio::net::TcpStream) -> Self {
        Self { source: Source::new(stream.into()) }
    }

    /// As `from_mio`, and counted among the open ones until it is closed or given away.
    #[cfg(all(feature = "launcher", target_os = "linux"))]
    pub(crate) fn from_counted(
        stream: std::net::TcpStream,
        open: &'static std::sync::atomic::AtomicU32,
    ) -> Self {
        let mut source = Source::new(stream);
        source.count_in(open);
        Self { source }
    }

    /// Gives the connection to the standard library. It stays in non-blocking mode.
    ///
    /// # Errors
    ///
    /// On a thread that does not run the loop with which the socket is registered; the socket is
    /// closed then.
    #[doc(alias = "detach")]
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.source.into_inner()
    }

    /// Reads as [`read`](Self::read) does, and leaves the data for the next read.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let nothing = buffer.is_empty().then_some(0);
        let peek = |stream: &std::net::TcpStream| stream.peek(buffer).map(Done::Fully);
        self.source.operate(Direction::Read, peek).or_nothing(nothing).await
    }

    /// Reads what has arrived and leaves it for the next read, on any thread.
    ///
    /// # Errors
    ///
    /// As [`try_read`](Self::try_read).
    pub fn try_peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.try_operation(Direction::Read, |stream| stream.peek(buffer).map(Done::Fully))
    }

    /// Returns this end's address.
    ///
    /// # Errors
    ///
    /// The system's error.
    #[doc(alias = "getsockname")]
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get().local_addr()
    }

    /// Returns the other end's address.
    ///
    /// # Errors
    ///
    /// The system's error; `NotConnected` when the connection was reset.
    #[doc(alias = "getpeername")]
    #[doc(alias = "get_extra_info")]
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.source.get().peer_addr()
    }

    /// `TCP_NODELAY`: sends small writes at once instead of collecting them (Nagle's algorithm).
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.source.get().set_nodelay(nodelay)
    }

    /// Returns whether small writes are sent at once.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.source.get().nodelay()
    }

    /// `SO_LINGER`: with a duration, what a close does about data not yet sent: zero throws it
    /// away and resets the connection.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.socket().set_linger(linger)
    }

    /// Returns how long a close lingers.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.socket().linger()
    }

    /// `SO_KEEPALIVE`: probes a connection on which nothing was heard for so long; `None` does not.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_keepalive(&self, idle: Option<Duration>) -> io::Result<()> {
        match idle {
            Some(idle) => self.socket().set_tcp_keepalive(&TcpKeepalive::new().with_time(idle)),
            None => self.socket().set_keepalive(false),
        }
    }

    /// Sets the hop limit of the packets.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.source.get().set_ttl(ttl)
    }

    /// Returns the hop limit of the packets.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn ttl(&self) -> io::Result<u32> {
        self.source.get().ttl()
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self.source.get())
    }
}

stream_socket!(TcpStream, tcp_halves);
as_fd!(TcpStream);
try_from_fd!(TcpStream, std::net::TcpStream);

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream")
            .field("local", &self.local_addr().ok())
            .field("peer", &self.peer_addr().ok())
            .finish()
    }
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync + Unpin>() {}
    is_send_and_sync::<TcpStream>();
};
