//! A connection with the API of `std::net::TcpStream`.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    sync::Arc,
    time::Duration,
};

use super::{
    ToSocketAddrs,
    handle::handle,
    limits::{Limited, limits, refuse_zero},
    read_and_write::read_and_write,
    wait_io::wait_io,
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
    shared: Arc<Limited<net::TcpStream>>,
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
        refuse_zero(limit)?;
        let connect = time::timeout(limit, net::TcpStream::connect(*address));
        wait_io(async { connect.await? }).map(Self::from_async)
    }

    /// Reads without taking; see [`net::TcpStream::peek`].
    ///
    /// # Errors
    ///
    /// Those of [`net::TcpStream::read`]; of the kind `WouldBlock` when the time-out is over.
    #[track_caller]
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.shared.read(buffer, net::TcpStream::try_peek, net::TcpStream::peek)
    }

    /// Ends one direction of the connection or both.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shared.socket.shutdown(how)
    }

    /// `TCP_NODELAY`; see [`net::TcpStream::set_nodelay`].
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.shared.socket.set_nodelay(nodelay)
    }

    /// Returns whether small writes are sent at once.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.shared.socket.nodelay()
    }

    /// Sets the hop limit of the packets.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.shared.socket.set_ttl(ttl)
    }

    /// Returns the hop limit of the packets.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn ttl(&self) -> io::Result<u32> {
        self.shared.socket.ttl()
    }

    /// Returns the error that the socket has kept, and clears it.
    ///
    /// # Errors
    ///
    /// When the system cannot tell.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.shared.socket.take_error()
    }

    /// Returns this end's address.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.shared.socket.local_addr()
    }

    /// Returns the other end's address.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.shared.socket.peer_addr()
    }
}

handle!(TcpStream, net::TcpStream, std::net::TcpStream);
limits!(TcpStream);
read_and_write!(TcpStream, net::TcpStream);
