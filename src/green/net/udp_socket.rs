//! A socket with the API of `std::net::UdpSocket`.

use std::{io, net::SocketAddr, sync::Arc};

use super::{
    ToSocketAddrs,
    handle::handle,
    limits::{Limited, limits},
    wait_io::wait_io,
};
use crate::net::{
    self,
    addresses::{known_first, resolve_first},
    udp_options::udp_options,
};

/// A UDP socket; as [`std::net::UdpSocket`], for green threads.
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
/// use greenloop::green::{self, net::UdpSocket};
///
/// green::run(|| {
///     let server = UdpSocket::bind("127.0.0.1:0")?;
///     let client = UdpSocket::bind("127.0.0.1:0")?;
///
///     client.send_to(b"hello", server.local_addr()?)?;
///     let mut buffer = [0; 1500];
///     let (count, peer) = server.recv_from(&mut buffer)?;
///     assert_eq!(&buffer[..count], b"hello");
///     assert_eq!(peer, client.local_addr()?);
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Clone)]
pub struct UdpSocket {
    shared: Arc<Limited<net::UdpSocket>>,
}

impl UdpSocket {
    /// Opens a socket; see [`net::UdpSocket::bind`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UdpSocket::bind`].
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[track_caller]
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        wait_io(net::UdpSocket::bind(address)).map(Self::from_async)
    }

    /// Chooses the peer of [`send`](Self::send) and [`recv`](Self::recv); see
    /// [`net::UdpSocket::connect`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UdpSocket::connect`].
    #[track_caller]
    pub fn connect(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        wait_io(self.shared.socket.connect(address))
    }

    /// Sends a datagram to the peer; see [`net::UdpSocket::send`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UdpSocket::send`]; of the kind `WouldBlock` when the time-out is over.
    #[track_caller]
    pub fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.shared.write(datagram, net::UdpSocket::try_send, net::UdpSocket::send)
    }

    /// Sends a datagram to an address; see [`net::UdpSocket::send_to`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UdpSocket::send_to`]; of the kind `WouldBlock` when the time-out is over.
    #[track_caller]
    pub fn send_to(&self, datagram: &[u8], target: impl ToSocketAddrs) -> io::Result<usize> {
        // Nothing limits how long a look-up takes, as with std.
        let target = match known_first(&target)? {
            Some(address) => address,
            None => wait_io(resolve_first(target))?,
        };
        self.shared.write(
            datagram,
            |socket, datagram| socket.try_send_to(datagram, target),
            |socket, datagram| socket.send_to(datagram, target),
        )
    }

    /// Receives a datagram; see [`net::UdpSocket::recv`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UdpSocket::recv`]; of the kind `WouldBlock` when the time-out is over.
    #[track_caller]
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.shared.read(buffer, net::UdpSocket::try_recv, net::UdpSocket::recv)
    }

    /// Receives a datagram and the address of its sender; see [`net::UdpSocket::recv_from`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UdpSocket::recv`]; of the kind `WouldBlock` when the time-out is over.
    #[track_caller]
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.shared.read(buffer, net::UdpSocket::try_recv_from, net::UdpSocket::recv_from)
    }

    /// Receives a datagram and leaves it for the next one; see [`net::UdpSocket::peek`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UdpSocket::recv`]; of the kind `WouldBlock` when the time-out is over.
    #[track_caller]
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.shared.read(buffer, net::UdpSocket::try_peek, net::UdpSocket::peek)
    }

    /// Receives a datagram and the address of its sender, and leaves it for the next one; see
    /// [`net::UdpSocket::peek_from`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UdpSocket::recv`]; of the kind `WouldBlock` when the time-out is over.
    #[track_caller]
    pub fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.shared.read(buffer, net::UdpSocket::try_peek_from, net::UdpSocket::peek_from)
    }
}

udp_options!(UdpSocket, self => self.shared.socket);
handle!(UdpSocket, net::UdpSocket, std::net::UdpSocket);
limits!(UdpSocket);
