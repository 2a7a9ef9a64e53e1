//! Datagrams between processes of one machine.

use std::{
    fmt, future::poll_fn, io, net::Shutdown, path::Path, pin::pin, task::Poll, time::Duration,
};

use socket2::{Domain, SockRef, Socket, Type};

use super::{
    SocketAddr,
    file::{File, FilePolicy},
};
use crate::{
    io::{Direction, Done, Source},
    net::stream_methods::{as_fd, try_from_fd},
    time::timeout,
};

/// A Unix socket for datagrams.
///
/// Every send is one datagram, and every receive gives one; what does not fit into the buffer of a
/// receive is lost. Unlike UDP it drops nothing: a send waits while the receiver's queue is full.
///
/// All methods take `&self`: any number of tasks may send and receive at the same time.
///
/// The file at its path outlives it, as everywhere, and stands in the way of the next `bind`;
/// [`options`](Self::options) can have it replaced or removed safely.
///
/// # Examples
///
/// ```
/// use greenloop::net::UnixDatagram;
///
/// greenloop::run(async {
///     let (ours, theirs) = UnixDatagram::pair()?;
///     ours.send(b"one").await?;
///     ours.send(b"two").await?;
///     let mut buffer = [0; 100];
///     assert_eq!(theirs.recv(&mut buffer).await?, 3);
///     assert_eq!(theirs.recv(&mut buffer).await?, 3);
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
pub struct UnixDatagram {
    /// What is removed at the end; before the socket is closed, see there.
    file: Option<File>,
    source: Source<Inner>,
}

type Inner = std::os::unix::net::UnixDatagram;

impl UnixDatagram {
    /// Opens a socket at a path where nothing is.
    ///
    /// It touches no loop, so it may happen before one runs, or before a fork.
    ///
    /// # Errors
    ///
    /// The system's error: `AddrInUse` when there is anything at the path.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::options().bind(path)
    }

    /// Opens a socket at an address, which may be one without a path (an *abstract* one, on Linux).
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::from_std(Inner::bind_addr(address)?)
    }

    /// Opens a socket that has no address: it can send, and receive from a peer that it is connected
    /// to through [`pair`](Self::pair) only.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn unbound() -> io::Result<Self> {
        Self::from_std(Inner::unbound()?)
    }

    /// Starts with other options than those of [`bind`](Self::bind).
    #[must_use]
    pub fn options() -> DatagramOptions {
        DatagramOptions::default()
    }

    /// Makes two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// The system's error.
    #[doc(alias = "socketpair")]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = Inner::pair()?;
        Ok((Self::from_std(one)?, Self::from_std(other)?))
    }

    /// Takes over a socket of the standard library, and puts it into non-blocking mode.
    ///
    /// # Errors
    ///
    /// When the system refuses that.
    pub fn from_std(socket: Inner) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { file: None, source: Source::new(socket) })
    }

    /// Gives the socket to the standard library. It stays in non-blocking mode, and its file stays
    /// where it is.
    ///
    /// # Errors
    ///
    /// On a thread that does not run the loop with which the socket is registered; the socket is
    /// closed then.
    pub fn into_std(mut self) -> io::Result<Inner> {
        if let Some(file) = self.file.take() {
            file.keep();
        }
        self.source.into_inner()
    }

    /// Chooses the peer of [`send`](Self::send), and has the kernel refuse what comes from others.
    /// Another call chooses another.
    ///
    /// # Errors
    ///
    /// The system's error: `NotFound` when there is no such path, `ConnectionRefused` when nobody
    /// holds its socket.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.source.get().connect(path)
    }

    /// Chooses the peer by its address; the rest is as for [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn connect_addr(&self, address: &SocketAddr) -> io::Result<()> {
        self.source.get().connect_addr(address)
    }

    /// Sends a datagram to the peer, waiting until there is room for it, and gives its length.
    ///
    /// # Errors
    ///
    /// The system's error: `ConnectionRefused` when the peer is gone, `NotConnected` when there is
    /// none; outside of a loop; in another loop than before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future means that nothing was sent.
    pub async fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.source.operate(Direction::Write, |s| s.send(datagram).map(Done::Fully)).await
    }

    /// Sends a datagram to the socket at a path; the rest is as for
    /// [`send_to_addr`](Self::send_to_addr).
    ///
    /// # Errors
    ///
    /// As [`send_to_addr`](Self::send_to_addr).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future means that nothing was sent.
    #[doc(alias = "sendto")]
    pub async fn send_to(&self, datagram: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        self.send_to_addr(datagram, &SocketAddr::from_pathname(path)?).await
    }

    /// Sends a datagram to an address, waiting until there is room for it, and gives its length.
    ///
    /// The kernel announces room in the queue of a connected peer, and room that our own datagrams
    /// leave, but not that others leave in the queue of any other receiver. So this also
    /// asks again after pauses, which grow from 1 to 100 ms.
    ///
    /// # Errors
    ///
    /// The system's error: `NotFound` when there is no such path, `ConnectionRefused` when nobody
    /// holds its socket; outside of a loop; in another loop than before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future means that nothing was sent.
    pub async fn send_to_addr(&self, datagram: &[u8], address: &SocketAddr) -> io::Result<usize> {
        const SHORTEST: Duration = Duration::from_millis(1);
        const LONGEST: Duration = Duration::from_millis(100);
        let send = |s: &Inner| s.send_to_addr(datagram, address).map(Done::Fully);
        let mut operation = pin!(self.source.operate(Direction::Write, send));
        let first = poll_fn(|cx| Poll::Ready(operation.as_mut().poll(cx))).await;
        if let Poll::Ready(result) = first {
            return result;
        }
        let mut pause = SHORTEST;
        loop {
            if let Ok(result) = timeout(pause, operation.as_mut()).await {
                return result;
            }
            pause = (pause * 2).min(LONGEST);
            match self.try_send_to_addr(datagram, address) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }

    /// Receives a datagram, waiting until there is one, and gives its length.
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

    /// Receives a datagram and the address of its sender, which may have neither path nor name; the
    /// rest is as for [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no datagram.
    #[doc(alias = "recvfrom")]
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.source.operate(Direction::Read, |s| s.recv_from(buffer).map(Done::Fully)).await
    }

    /// Waits until there is a datagram to receive. Another task may be faster with it.
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

    /// Waits until there is room for a datagram to send, in our own queue and in that of a connected
    /// peer.
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

    /// Sends a datagram to the socket at a path, on any thread.
    ///
    /// # Errors
    ///
    /// As [`try_send`](Self::try_send).
    pub fn try_send_to(&self, datagram: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        self.try_send_to_addr(datagram, &SocketAddr::from_pathname(path)?)
    }

    /// Sends a datagram to an address, on any thread.
    ///
    /// # Errors
    ///
    /// As [`try_send`](Self::try_send).
    pub fn try_send_to_addr(&self, datagram: &[u8], address: &SocketAddr) -> io::Result<usize> {
        let send = |s: &Inner| s.send_to_addr(datagram, address).map(Done::Fully);
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

    /// Ends one direction or both. A receive gives zero then, and a send is an error.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.source.get().shutdown(how)
    }

    /// Returns this end's address.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get().local_addr()
    }

    /// Returns the address of the peer.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.source.get().peer_addr()
    }

    /// Returns the error that the socket has kept, and clears it.
    ///
    /// # Errors
    ///
    /// When the system cannot tell.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.source.get().take_error()
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

as_fd!(UnixDatagram);
try_from_fd!(UnixDatagram, Inner);

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixDatagram")
            .field("local", &self.local_addr().ok())
            .field("peer", &self.peer_addr().ok())
            .finish()
    }
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync + Unpin>() {}
    is_send_and_sync::<UnixDatagram>();
};

/// How to open a [`UnixDatagram`]; from [`UnixDatagram::options`].
#[derive(Clone, Debug, Default)]
pub struct DatagramOptions {
    policy: FilePolicy,
}

impl DatagramOptions {
    /// Whether the file of a socket that is dead is replaced; false by default. See
    /// [`ListenOptions::replace_stale`](super::ListenOptions::replace_stale).
    #[must_use]
    pub fn replace_stale(mut self, replace: bool) -> Self {
        self.policy.replace_stale = replace;
        self
    }

    /// Whether the file is removed when the socket is dropped; false by default. See
    /// [`ListenOptions::remove_on_drop`](super::ListenOptions::remove_on_drop).
    #[must_use]
    pub fn remove_on_drop(mut self, remove: bool) -> Self {
        self.policy.remove_on_drop = remove;
        self
    }

    /// Opens the socket at a path, as [`UnixDatagram::bind`] does.
    ///
    /// # Errors
    ///
    /// Those of [`UnixDatagram::bind`]; the system's error when a stale file cannot be replaced.
    pub fn bind(self, path: impl AsRef<Path>) -> io::Result<UnixDatagram> {
        let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
        let file = self.policy.bind(&socket, path.as_ref())?;
        let socket = UnixDatagram::from_std(socket.into())?;
        Ok(UnixDatagram { file, ..socket })
    }
}
