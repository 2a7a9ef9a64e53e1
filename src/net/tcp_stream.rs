//! A TCP connection.

use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    net::{Shutdown, SocketAddr},
    ops::Deref,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_io::{AsyncRead, AsyncWrite};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use super::{
    addresses::{ToSocketAddrs, no_address, resolve},
    tcp_halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf},
};
use crate::io::{Direction, Done, Source, Ticket};

/// A TCP connection.
///
/// All methods take `&self`: any number of tasks may read and write it at the same time, each
/// operation whole but in no particular order among them. It also is a [`futures_io::AsyncRead`]
/// and [`AsyncWrite`], and so is a reference to it.
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
pub struct TcpStream {
    source: Source<std::net::TcpStream>,
}

impl TcpStream {
    /// Connects to the first of the addresses that answers, trying one after the other.
    ///
    /// # Errors
    ///
    /// The system's error for the last address that was tried; a name that cannot be looked up; a
    /// text that is no `HOST:PORT`; outside of a loop, if it would have to wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket; the peer may have seen a connection.
    #[doc(alias = "create_connection")]
    #[doc(alias = "open_connection")]
    pub async fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        let mut failed = no_address();
        for address in resolve(address).await? {
            match Self::connect_to(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    async fn connect_to(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
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
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { source: Source::new(stream) })
    }

    /// A connection that is in non-blocking mode already.
    pub(super) fn from_mio(stream: mio::net::TcpStream) -> Self {
        Self { source: Source::new(stream.into()) }
    }

    /// As `from_mio`, and counted among the open ones until it is closed or given away.
    #[cfg(feature = "launcher")]
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
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.source.into_inner()
    }

    /// Reads what has arrived, waiting until something has, and gives the number of bytes; zero is
    /// the end of the stream (or an empty buffer).
    ///
    /// # Errors
    ///
    /// The system's error; outside of a loop; in another loop than before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no data.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return self.source.nothing().await;
        }
        self.source.operate(Direction::Read, |mut stream| read(&mut stream, buffer)).await
    }

    /// Reads into several buffers, one after the other; the rest is as for [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let asked = asked(buffers);
        if asked == 0 {
            return self.source.nothing().await;
        }
        let read = self.source.operate(Direction::Read, |mut stream| {
            stream.read_vectored(buffers).map(|count| Done::bytes(count, asked))
        });
        read.await
    }

    /// Reads until the buffer is full.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), and `UnexpectedEof` when the stream ends before; what had arrived
    /// is in the buffer.
    ///
    /// # Cancel safety
    ///
    /// None: what has been read is in the buffer, but nobody knows how much it is.
    pub async fn read_exact(&self, buffer: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..]).await? {
                0 => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the stream ended before the buffer was full",
                    ));
                }
                count => filled += count,
            }
        }
        Ok(())
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
        if buffer.is_empty() {
            return self.source.nothing().await;
        }
        self.source.operate(Direction::Read, |stream| stream.peek(buffer).map(Done::Fully)).await
    }

    /// Writes what the socket has room for, waiting until it has some, and gives the number of
    /// bytes.
    ///
    /// # Errors
    ///
    /// The system's error: `BrokenPipe` and `ConnectionReset` when the peer is gone; outside of a
    /// loop; in another loop than before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future means that nothing was written.
    pub async fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.source.operate(Direction::Write, |mut stream| write(&mut stream, buffer)).await
    }

    /// Writes several buffers with one system call; the rest is as for [`write`](Self::write).
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.source
            .operate(Direction::Write, |mut stream| write_vectored(&mut stream, buffers))
            .await
    }

    /// Writes the whole buffer.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); nobody knows then how much was written.
    ///
    /// # Cancel safety
    ///
    /// None: part of the buffer may have been written.
    #[doc(alias = "sendall")]
    pub async fn write_all(&self, mut buffer: &[u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.write(buffer).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => buffer = &buffer[count..],
            }
        }
        Ok(())
    }

    /// Waits until there is something to read, or the stream has ended. Another task may be faster
    /// with reading it.
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

    /// Waits until there is room to write, or the peer is gone.
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

    /// Reads what has arrived, on any thread.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when nothing has; otherwise the system's error.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.try_operation(Direction::Read, |mut stream| read(&mut stream, buffer))
    }

    /// Writes what the socket has room for, on any thread.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when it has none; otherwise the system's error.
    pub fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.source.try_operation(Direction::Write, |mut stream| write(&mut stream, buffer))
    }

    /// Ends one direction of the connection or both. Ending a connection that has ended is fine.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self.source.get().shutdown(how) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }

    /// Splits the stream into a half that reads and one that writes, which borrow it.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf::new(self), WriteHalf::new(self))
    }

    /// Splits the stream into a half that reads and one that writes, which can go to different
    /// tasks.
    ///
    /// Dropping the writing half ends that direction, so that the peer sees the end of the stream.
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        super::tcp_halves::split(self)
    }

    /// Returns this end's address.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get().local_addr()
    }

    /// Returns the other end's address.
    ///
    /// # Errors
    ///
    /// The system's error; `NotConnected` when the connection was reset.
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

    /// `SO_RCVBUF`: asks for a receive buffer of so many bytes; the kernel rounds and limits it.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.socket().set_recv_buffer_size(bytes)
    }

    /// `SO_SNDBUF`: asks for a send buffer of so many bytes; the kernel rounds and limits it.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.socket().set_send_buffer_size(bytes)
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self.source.get())
    }

    fn poll<R>(
        &self,
        direction: Direction,
        cx: &Context<'_>,
        operation: impl FnMut(&std::net::TcpStream) -> io::Result<Done<R>>,
    ) -> Poll<io::Result<R>> {
        self.source.poll_operation(direction, &mut Some(Ticket::SHARED), cx, operation)
    }
}

fn read(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<Done<usize>> {
    stream.read(buffer).map(|count| Done::bytes(count, buffer.len()))
}

fn write(stream: &mut impl Write, buffer: &[u8]) -> io::Result<Done<usize>> {
    stream.write(buffer).map(|count| Done::bytes(count, buffer.len()))
}

fn write_vectored(stream: &mut impl Write, buffers: &[IoSlice<'_>]) -> io::Result<Done<usize>> {
    let asked = asked(buffers);
    stream.write_vectored(buffers).map(|count| Done::bytes(count, asked))
}

/// How many bytes the system is asked for: it takes 1,024 buffers at once (`IOV_MAX`).
fn asked<B: Deref<Target = [u8]>>(buffers: &[B]) -> usize {
    buffers.iter().take(1024).map(|buffer| buffer.len()).sum()
}

// Of the tasks that poll through these traits, one per direction is remembered: the last one.
impl AsyncRead for &TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(Direction::Read, cx, |mut stream| read(&mut stream, buffer))
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let asked = asked(buffers);
        self.poll(Direction::Read, cx, |mut stream| {
            stream.read_vectored(buffers).map(|count| Done::bytes(count, asked))
        })
    }
}

impl AsyncWrite for &TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(Direction::Write, cx, |mut stream| write(&mut stream, buffer))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(Direction::Write, cx, |mut stream| write_vectored(&mut stream, buffers))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shutdown(Shutdown::Write))
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read(cx, buffer)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read_vectored(cx, buffers)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_write_vectored(cx, buffers)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self).poll_close(cx)
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.get().as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.source.get().as_raw_fd()
    }
}

impl TryFrom<OwnedFd> for TcpStream {
    type Error = io::Error;

    /// Takes over a connected socket.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Self::from_std(std::net::TcpStream::from(fd))
    }
}

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
