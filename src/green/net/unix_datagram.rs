//! A socket with the API of `std::os::unix::net::UnixDatagram`.

use std::{io, net::Shutdown, path::Path, sync::Arc};

use super::{
    handle::handle,
    limits::{Limited, limits},
};
use crate::net::{self, unix::SocketAddr};

/// A Unix socket for datagrams; as [`std::os::unix::net::UnixDatagram`], for green threads.
///
/// Sending and receiving waits for the socket, and the other tasks of the loop run meanwhile. While
/// a panic unwinds the green thread it does not wait, and gives an error of the kind `WouldBlock`.
///
/// # Panics
///
/// Whatever has to wait panics outside of a green thread.
///
/// # Examples
///
/// ```
/// use greenloop::green::{self, net::UnixDatagram};
///
/// green::run(|| {
///     let (ours, theirs) = UnixDatagram::pair()?;
///     ours.send(b"hello")?;
///     assert_eq!(theirs.recv(&mut [0; 100])?, 5);
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Clone)]
pub struct UnixDatagram {
    shared: Arc<Limited<net::UnixDatagram>>,
}

impl UnixDatagram {
    /// Opens a socket at a path; see [`net::UnixDatagram::bind`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UnixDatagram::bind`].
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        net::UnixDatagram::bind(path).map(Self::from_async)
    }

    /// Opens a socket at an address; see [`net::UnixDatagram::bind_addr`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UnixDatagram::bind`].
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        net::UnixDatagram::bind_addr(address).map(Self::from_async)
    }

    /// Opens a socket that has no address; see [`net::UnixDatagram::unbound`].
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn unbound() -> io::Result<Self> {
        net::UnixDatagram::unbound().map(Self::from_async)
    }

    /// Makes two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = net::UnixDatagram::pair()?;
        Ok((Self::from_async(one), Self::from_async(other)))
    }

    /// Chooses the peer of [`send`](Self::send); see [`net::UnixDatagram::connect`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UnixDatagram::connect`].
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.shared.socket.connect(path)
    }

    /// Chooses the peer by its address; see [`net::UnixDatagram::connect_addr`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UnixDatagram::connect`].
    pub fn connect_addr(&self, address: &SocketAddr) -> io::Result<()> {
        self.shared.socket.connect_addr(address)
    }

    /// Sends a datagram to the peer; see [`net::UnixDatagram::send`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UnixDatagram::send`]; of the kind `WouldBlock` when the time-out is over.
    #[track_caller]
    pub fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.shared.write(datagram, net::UnixDatagram::try_send, net::UnixDatagram::send)
    }

    /// Sends a datagram to the socket at a path; see [`net::UnixDatagram::send_to`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UnixDatagram::send_to`]; of the kind `WouldBlock` when the time-out is over.
    #[track_caller]
    pub fn send_to(&self, datagram: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        self.send_to_addr(datagram, &SocketAddr::from_pathname(path)?)
    }

    /// Sends a datagram to an address; see [`net::UnixDatagram::send_to_addr`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UnixDatagram::send_to`]; of the kind `WouldBlock` when the time-out is over.
    #[track_caller]
    pub fn send_to_addr(&self, datagram: &[u8], address: &SocketAddr) -> io::Result<usize> {
        self.shared.write(
            datagram,
            |socket, datagram| socket.try_send_to_addr(datagram, address),
            |socket, datagram| socket.send_to_addr(datagram, address),
        )
    }

    /// Receives a datagram; see [`net::UnixDatagram::recv`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UnixDatagram::recv`]; of the kind `WouldBlock` when the time-out is over.
    #[track_caller]
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.shared.read(buffer, net::UnixDatagram::try_recv, net::UnixDatagram::recv)
    }

    /// Receives a datagram and the address of its sender; see [`net::UnixDatagram::recv_from`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UnixDatagram::recv`]; of the kind `WouldBlock` when the time-out is over.
    #[track_caller]
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.shared.read(buffer, net::UnixDatagram::try_recv_from, net::UnixDatagram::recv_from)
    }

    /// Ends one direction or both.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shared.socket.shutdown(how)
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

    /// Returns the address of the peer.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.shared.socket.peer_addr()
    }
}

handle!(UnixDatagram, net::UnixDatagram, std::os::unix::net::UnixDatagram);
limits!(UnixDatagram);
