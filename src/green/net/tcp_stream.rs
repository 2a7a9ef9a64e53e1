//! A connection with the API of `std::net::TcpStream`.

use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    net::{Shutdown, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
    time::Duration,
};

use super::{
    ToSocketAddrs,
    wait_io::{Patience, do_io, wait_io},
};
use crate::{net, time};

/// A TCP connection; as [`std::net::TcpStream`], for green threads.
///
/// Reading and writing waits for the socket, and the other tasks of the loop run meanwhile. While a
/// panic unwinds the green thread it does not wait, and gives an error of the kind `WouldBlock`.
///
/// # Panics
///
/// Whatever has to wait panics outside of a green thread.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
///
/// use greenloop::green::{self, net::{TcpListener, TcpStream}};
///
/// green::run(|| {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let mut client = TcpStream::connect(listener.local_addr()?)?;
///     let (mut server, _) = listener.accept()?;
///     client.write_all(b"hello")?;
///     let mut buffer = [0; 5];
///     server.read_exact(&mut buffer)?;
///     assert_eq!(&buffer, b"hello");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Clone)]
pub struct TcpStream {
    shared: Arc<Shared>,
}

/// What the clones of a stream share, as duplicates of a descriptor do.
struct Shared {
    stream: net::TcpStream,
    /// Nobody has set a limit yet, so that there is no need to look.
    unlimited: AtomicBool,
    limits: Mutex<Limits>,
}

#[derive(Clone, Copy, Default)]
struct Limits {
    read: Option<Duration>,
    write: Option<Duration>,
    nonblocking: bool,
}

impl TcpStream {
    /// Connects to the first of the addresses that answers; see [`net::TcpStream::connect`].
    ///
    /// # Errors
    ///
    /// Those of [`net::TcpStream::connect`].
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[track_caller]
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        wait_io(net::TcpStream::connect(address)).map(Self::from_async)
    }

    /// Connects to an address, and waits at most for `limit`.
    ///
    /// # Errors
    ///
    /// Of the kind `TimedOut` when the time is over, and of the kind `InvalidInput` for a limit of
    /// zero, as std has it; those of [`net::TcpStream::connect`].
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[track_caller]
    pub fn connect_timeout(address: &SocketAddr, limit: Duration) -> io::Result<Self> {
        refuse_zero(Some(limit))?;
        let connect = time::timeout(limit, net::TcpStream::connect(*address));
        wait_io(async { connect.await? }).map(Self::from_async)
    }

    /// Wraps a connection of async code.
    #[must_use]
    pub fn from_async(stream: net::TcpStream) -> Self {
        let unlimited = AtomicBool::new(true);
        Self { shared: Arc::new(Shared { stream, unlimited, limits: Mutex::default() }) }
    }

    /// Returns the connection for async code.
    #[must_use]
    pub fn as_async(&self) -> &net::TcpStream {
        &self.shared.stream
    }

    /// Takes over a connection of the standard library, and puts it into non-blocking mode. Its
    /// time-outs are not taken over.
    ///
    /// # Errors
    ///
    /// When the system refuses that.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        net::TcpStream::from_std(stream).map(Self::from_async)
    }

    /// Gives the connection to the standard library; a duplicate if there are other clones. It
    /// stays in non-blocking mode.
    ///
    /// # Errors
    ///
    /// Those of [`net::TcpStream::into_std`]; when there is no descriptor for a duplicate.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        match Arc::try_unwrap(self.shared) {
            Ok(shared) => shared.stream.into_std(),
            Err(shared) => Ok(shared.stream.as_fd().try_clone_to_owned()?.into()),
        }
    }

    /// Gives another handle to the same connection, with the same time-outs. It cannot fail, and is
    /// as std has it.
    ///
    /// # Errors
    ///
    /// None.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(self.clone())
    }

    /// Reads without taking; see [`net::TcpStream::peek`].
    ///
    /// # Errors
    ///
    /// Those of [`net::TcpStream::read`]; of the kind `WouldBlock` when the time-out is over.
    #[track_caller]
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let stream = &self.shared.stream;
        do_io(
            self.read_patience(),
            buffer,
            |buffer| stream.try_peek(buffer),
            |buffer| stream.peek(buffer),
        )
    }

    /// Ends one direction of the connection or both.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shared.stream.shutdown(how)
    }

    /// Limits how long a read waits; `None` does not.
    ///
    /// # Errors
    ///
    /// Of the kind `InvalidInput` for a limit of zero, as std has it.
    pub fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        refuse_zero(limit)?;
        self.set_limits(|limits| limits.read = limit);
        Ok(())
    }

    /// Limits how long a write waits; `None` does not.
    ///
    /// # Errors
    ///
    /// Of the kind `InvalidInput` for a limit of zero, as std has it.
    pub fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        refuse_zero(limit)?;
        self.set_limits(|limits| limits.write = limit);
        Ok(())
    }

    /// With `true`, reading and writing gives an error of the kind `WouldBlock` instead of waiting,
    /// and so with the clones of this.
    ///
    /// The other tasks run before such an error comes, so that trying again and again works, if at the
    /// price of a busy loop. The descriptor itself never blocks, whatever is set here.
    ///
    /// # Errors
    ///
    /// None.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.set_limits(|limits| limits.nonblocking = nonblocking);
        Ok(())
    }

    /// Returns how long a read waits.
    ///
    /// # Errors
    ///
    /// None.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.limits().read)
    }

    /// Returns how long a write waits.
    ///
    /// # Errors
    ///
    /// None.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.limits().write)
    }

    /// `TCP_NODELAY`; see [`net::TcpStream::set_nodelay`].
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.shared.stream.set_nodelay(nodelay)
    }

    /// Returns whether small writes are sent at once.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.shared.stream.nodelay()
    }

    /// Sets the hop limit of the packets.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.shared.stream.set_ttl(ttl)
    }

    /// Returns the hop limit of the packets.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn ttl(&self) -> io::Result<u32> {
        self.shared.stream.ttl()
    }

    /// Returns the error that the socket has kept, and clears it.
    ///
    /// # Errors
    ///
    /// When the system cannot tell.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.shared.stream.take_error()
    }

    /// Returns this end's address.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.shared.stream.local_addr()
    }

    /// Returns the other end's address.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.shared.stream.peer_addr()
    }

    fn limits(&self) -> Limits {
        if self.shared.unlimited.load(Acquire) {
            return Limits::default();
        }
        *self.shared.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_limits(&self, set: impl FnOnce(&mut Limits)) {
        set(&mut self.shared.limits.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.unlimited.store(false, Release);
    }

    fn read_patience(&self) -> Patience {
        let limits = self.limits();
        Patience::new(limits.read, limits.nonblocking)
    }

    fn write_patience(&self) -> Patience {
        let limits = self.limits();
        Patience::new(limits.write, limits.nonblocking)
    }
}

fn refuse_zero(limit: Option<Duration>) -> io::Result<()> {
    if limit == Some(Duration::ZERO) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a time-out of zero would never let anything happen: use None for no limit",
        ));
    }
    Ok(())
}

impl Read for &TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stream = &self.shared.stream;
        do_io(
            self.read_patience(),
            buffer,
            |buffer| stream.try_read(buffer),
            |buffer| stream.read(buffer),
        )
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let stream = &self.shared.stream;
        do_io(
            self.read_patience(),
            buffers,
            |buffers| stream.try_read_vectored(buffers),
            |buffers| stream.read_vectored(buffers),
        )
    }
}

impl Write for &TcpStream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let stream = &self.shared.stream;
        do_io(
            self.write_patience(),
            buffer,
            |buffer| stream.try_write(buffer),
            |buffer| stream.write(buffer),
        )
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let stream = &self.shared.stream;
        do_io(
            self.write_patience(),
            buffers,
            |buffers| stream.try_write_vectored(buffers),
            |buffers| stream.write_vectored(buffers),
        )
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(buffers)
    }
}

impl Write for TcpStream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        (&*self).write(buffer)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.stream.as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.shared.stream.as_raw_fd()
    }
}

impl TryFrom<OwnedFd> for TcpStream {
    type Error = io::Error;

    /// Takes over a connected socket.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        net::TcpStream::try_from(fd).map(Self::from_async)
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.stream.fmt(f)
    }
}
