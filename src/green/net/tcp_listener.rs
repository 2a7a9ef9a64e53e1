//! A listener with the API of `std::net::TcpListener`.

use std::{
    fmt, io,
    iter::FusedIterator,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use super::{
    TcpStream, ToSocketAddrs,
    wait_io::{Patience, do_io, wait_io},
};
use crate::net;

/// A socket that accepts TCP connections; as [`std::net::TcpListener`], for green threads.
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
///     let address = listener.local_addr()?;
///     green::spawn(move || -> std::io::Result<()> {
///         let (mut stream, _) = listener.accept()?;
///         stream.write_all(b"hello")
///     });
///     let mut text = String::new();
///     TcpStream::connect(address)?.read_to_string(&mut text)?;
///     assert_eq!(text, "hello");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Clone)]
pub struct TcpListener {
    shared: Arc<Shared>,
}

/// What the clones of a listener share, as duplicates of a descriptor do.
struct Shared {
    listener: net::TcpListener,
    nonblocking: AtomicBool,
}

impl TcpListener {
    /// Opens a socket; see [`net::TcpListener::bind`].
    ///
    /// # Errors
    ///
    /// Those of [`net::TcpListener::bind`].
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[track_caller]
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        wait_io(net::TcpListener::bind(address)).map(Self::from_async)
    }

    /// Waits for a connection; see [`net::TcpListener::accept`].
    ///
    /// # Errors
    ///
    /// Those of [`net::TcpListener::accept`]; of the kind `WouldBlock` when no connection is there
    /// and it must [not block](Self::set_nonblocking).
    ///
    /// # Panics
    ///
    /// Outside of a green thread, if it would have to wait.
    #[track_caller]
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let patience = Patience::new(None, self.shared.nonblocking.load(Relaxed));
        let listener = &self.shared.listener;
        let (stream, peer) =
            do_io(patience, (), |()| listener.try_accept(), |()| listener.accept())?;
        Ok((TcpStream::from_async(stream), peer))
    }

    /// Gives another handle to the same socket, for another green thread to accept from. It cannot
    /// fail, and is as std has it.
    ///
    /// # Errors
    ///
    /// None.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(self.clone())
    }

    /// With `true`, [`accept`](Self::accept) gives an error of the kind `WouldBlock` instead of
    /// waiting, and so with the clones of this. The connections that it accepts block as ever.
    ///
    /// The other tasks run before such an error comes, so that trying again and again works, if at the
    /// price of a busy loop. The descriptor itself never blocks, whatever is set here.
    ///
    /// # Errors
    ///
    /// None.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.shared.nonblocking.store(nonblocking, Relaxed);
        Ok(())
    }

    /// Gives the connections, one after the other, for ever.
    #[must_use]
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming(self)
    }

    /// Returns the address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.shared.listener.local_addr()
    }

    /// Returns the error that the socket has kept, and clears it.
    ///
    /// # Errors
    ///
    /// When the system cannot tell.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.shared.listener.take_error()
    }

    /// Sets the hop limit of the packets that the connections send.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.shared.listener.set_ttl(ttl)
    }

    /// Returns the hop limit.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn ttl(&self) -> io::Result<u32> {
        self.shared.listener.ttl()
    }

    /// Wraps a listener of async code.
    #[must_use]
    pub fn from_async(listener: net::TcpListener) -> Self {
        Self { shared: Arc::new(Shared { listener, nonblocking: AtomicBool::new(false) }) }
    }

    /// Returns the listener for async code.
    #[must_use]
    pub fn as_async(&self) -> &net::TcpListener {
        &self.shared.listener
    }

    /// Takes over a socket of the standard library, and puts it into non-blocking mode.
    ///
    /// # Errors
    ///
    /// When the system refuses that.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        net::TcpListener::from_std(listener).map(Self::from_async)
    }

    /// Gives the socket to the standard library; a duplicate if there are other clones. It stays in
    /// non-blocking mode.
    ///
    /// # Errors
    ///
    /// Those of [`net::TcpListener::into_std`]; when there is no descriptor for a duplicate.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        match Arc::try_unwrap(self.shared) {
            Ok(shared) => shared.listener.into_std(),
            Err(shared) => Ok(shared.listener.as_fd().try_clone_to_owned()?.into()),
        }
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.listener.as_fd()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.shared.listener.as_raw_fd()
    }
}

impl TryFrom<OwnedFd> for TcpListener {
    type Error = io::Error;

    /// Takes over a listening socket.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        net::TcpListener::try_from(fd).map(Self::from_async)
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.listener.fmt(f)
    }
}

/// The iterator of [`TcpListener::incoming`].
#[derive(Debug)]
pub struct Incoming<'a>(&'a TcpListener);

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for Incoming<'_> {}
