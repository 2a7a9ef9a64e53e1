//! UDP.

use std::{fmt, io, net::SocketAddr};

use socket2::SockRef;

use super::{
    addresses::{ToSocketAddrs, no_address, resolve, resolve_first},
    stream_methods::{as_fd, try_from_fd},
    udp_options::udp_options,
};
use crate::io::{Direction, Done, Source};

/// A UDP socket.
///
/// Every send is one datagram, and every receive gives one; what does not fit into the buffer of a
/// receive is lost. A datagram may be empty: a receive of zero bytes is not an end.
///
/// All methods take `&self`: any number of tasks may send and receive at the same time. A datagram
/// goes to one of those who wait for it.
///
/// [`connect`](Self::connect) chooses a peer for [`send`](Self::send) and [`recv`](Self::recv), and
/// has the kernel drop what comes from others. That a datagram could not be delivered
/// (nobody has the port) is told to the next operation of a connected socket, as
/// `ConnectionRefused`, and the socket goes on.
///
/// For options that must be set before the bind, make the socket with another crate, such as
/// socket2, and hand it to [`from_std`](Self::from_std).
///
/// # Examples
///
/// ```
/// use greenloop::net::UdpSocket;
///
/// greenloop::run(async {
///     let server = UdpSocket::bind("127.0.0.1:0").await?;
///     let client = UdpSocket::bind("127.0.0.1:0").await?;
///
///     client.send_to(b"hello", server.local_addr()?).await?;
///     let mut buffer = [0; 1500];
///     let (count, peer) = server.recv_from(&mut buffer).await?;
///     assert_eq!(&buffer[..count], b"hello");
///     assert_eq!(peer, client.local_addr()?);
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[doc(alias = "create_datagram_endpoint")]
#[doc(alias = "DatagramServer")]
#[doc(alias = "DatagramProtocol")]
#[doc(alias = "DatagramTransport")]
pub struct UdpSocket {
    source: Source<std::net::UdpSocket>,
}

impl UdpSocket {
    /// Opens a socket on the first of the addresses that works. Port 0 stands for any free one; see
    /// [`local_addr`](Self::local_addr).
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
        let mut failed = no_address();
        for address in resolve(address).await? {
            match std::net::UdpSocket::bind(address) {
                Ok(socket) => return Self::from_std(socket),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Takes over a socket of the standard library, and puts it into non-blocking mode.
    ///
    /// # Errors
    ///
    /// When the system refuses that.
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { source: Source::new(socket) })
    }

    /// Gives the socket to the standard library. It stays in non-blocking mode.
    ///
    /// # Errors
    ///
    /// On a thread that does not run the loop with which the socket is registered; the socket is
    /// closed then.
    pub fn into_std(self) -> io::Result<std::net::UdpSocket> {
        self.source.into_inner()
    }

    /// Chooses the peer of [`send`](Self::send) and [`recv`](Self::recv): the first of the addresses
    /// that works. Nothing is sent. Another call chooses another.
    ///
    /// # Errors
    ///
    /// The system's error for the last address that was tried; a name that cannot be looked up; a
    /// text that is no `HOST:PORT`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the peer as it was.
    pub async fn connect(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        let mut failed = no_address();
        for address in resolve(address).await? {
            match self.source.get().connect(address) {
                Ok(()) => return Ok(()),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Sends a datagram to the peer, waiting until there is room for it, and gives its length.
    ///
    /// # Errors
    ///
    /// The system's error: for instance that the datagram is too long, or that the socket has no
    /// peer; outside of a loop; in another loop than before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future means that nothing was sent.
    pub async fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.source.operate(Direction::Write, |s| s.send(datagram).map(Done::Fully)).await
    }

    /// Sends a datagram to the first of the addresses; the rest is as for [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); a name that cannot be looked up.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future means that nothing was sent.
    #[doc(alias = "sendto")]
    #[doc(alias = "sock_sendto")]
    pub async fn send_to(&self, datagram: &[u8], target: impl ToSocketAddrs) -> io::Result<usize> {
        let target = resolve_first(target).await?;
        let send = |s: &std::net::UdpSocket| s.send_to(datagram, target).map(Done::Fully);
        self.source.operate(Direction::Write, send).await
    }

    /// Receives a datagram of the peer, or of anybody if the socket has no peer, waiting until there
    /// is one, and gives its length.
    ///
    /// # Errors
    ///
    /// The system's error; outside of a loop; in another loop than before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no datagram.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.operate(Direction::Read, |s| s.recv(buffer).map(Done::Fully)).await
    }

    /// Receives a datagram and the address of its sender; the rest is as for [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no datagram.
    #[doc(alias = "recvfrom")]
    #[doc(alias = "recvfrom_into")]
    #[doc(alias = "sock_recvfrom")]
    #[doc(alias = "sock_recvfrom_into")]
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.source.operate(Direction::Read, |s| s.recv_from(buffer).map(Done::Fully)).await
    }

    /// Receives as [`recv`](Self::recv) does, and leaves the datagram for the next one.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.operate(Direction::Read, |s| s.peek(buffer).map(Done::Fully)).await
    }

    /// Receives as [`recv_from`](Self::recv_from) does, and leaves the datagram for the next one.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.source.operate(Direction::Read, |s| s.peek_from(buffer).map(Done::Fully)).await
    }

    /// Waits until there is a datagram to receive, or an error. Another task may be faster with it.
    ///
    /// # Errors
    ///
    /// Outside of a loop; in another loop than before; when the system cannot watch the socket.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn readable(&self) -> io::Result<()> {
        self.source.readiness(Direction::Read).await
    }

    /// Waits until there is room for a datagram to send.
    ///
    /// # Errors
    ///
    /// As [`readable`](Self::readable).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn writable(&self) -> io::Result<()> {
        self.source.readiness(Direction::Write).await
    }

    /// Sends a datagram to the peer, on any thread.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is no room; otherwise the system's error.
    pub fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.source.try_operation(Direction::Write, |s| s.send(datagram).map(Done::Fully))
    }

    /// Sends a datagram to an address, on any thread.
    ///
    /// # Errors
    ///
    /// As [`try_send`](Self::try_send).
    pub fn try_send_to(&self, datagram: &[u8], target: SocketAddr) -> io::Result<usize> {
        let send = |s: &std::net::UdpSocket| s.send_to(datagram, target).map(Done::Fully);
        self.source.try_operation(Direction::Write, send)
    }

    /// Receives a datagram, on any thread.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none; otherwise the system's error.
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.try_operation(Direction::Read, |s| s.recv(buffer).map(Done::Fully))
    }

    /// Receives a datagram and the address of its sender, on any thread.
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv).
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.source.try_operation(Direction::Read, |s| s.recv_from(buffer).map(Done::Fully))
    }

    /// Receives a datagram and leaves it for the next one, on any thread.
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv).
    pub fn try_peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.try_operation(Direction::Read, |s| s.peek(buffer).map(Done::Fully))
    }

    /// Receives a datagram and the address of its sender, and leaves it for the next one; on any
    /// thread.
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv).
    pub fn try_peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.source.try_operation(Direction::Read, |s| s.peek_from(buffer).map(Done::Fully))
    }

    /// `SO_RCVBUF`: asks for a receive buffer of so many bytes; the kernel rounds and limits it, and
    /// drops datagrams that do not fit into it.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        SockRef::from(self.source.get()).set_recv_buffer_size(bytes)
    }

    /// `SO_SNDBUF`: asks for a send buffer of so many bytes; the kernel rounds and limits it.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        SockRef::from(self.source.get()).set_send_buffer_size(bytes)
    }
}

udp_options!(UdpSocket, self => self.source.get());
as_fd!(UdpSocket);
try_from_fd!(UdpSocket, std::net::UdpSocket);

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket")
            .field("local", &self.local_addr().ok())
            .field("peer", &self.peer_addr().ok())
            .finish()
    }
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync + Unpin>() {}
    is_send_and_sync::<UdpSocket>();
};
