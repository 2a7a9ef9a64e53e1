//! A TCP socket before it is a connection or a listener.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::{TcpListener, TcpStream};

/// A TCP socket that is neither connected nor listening yet, for options that must be set before.
///
/// [`TcpStream::connect`] and [`TcpListener::options`] do for most programs.
///
/// # Examples
///
/// ```
/// use greenloop::net::TcpSocket;
///
/// greenloop::run(async {
///     let socket = TcpSocket::new_v4()?;
///     socket.set_recv_buffer_size(128 * 1024)?;
///     socket.bind("127.0.0.1:0".parse().unwrap())?;
///     let listener = socket.listen(16)?;
///
///     let socket = TcpSocket::new_v4()?;
///     socket.bind("127.0.0.2:0".parse().unwrap())?; // Where the connection comes from.
/// # #[cfg(target_os = "linux")] {
///     let client = socket.connect(listener.local_addr()?).await?;
///     assert_eq!(client.local_addr()?.ip().to_string(), "127.0.0.2");
/// # }
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Debug)]
pub struct TcpSocket {
    socket: Socket,
}

impl TcpSocket {
    /// Makes a socket for IPv4.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn new_v4() -> io::Result<Self> {
        Self::new(Domain::IPV4)
    }

    /// Makes a socket for IPv6.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn new_v6() -> io::Result<Self> {
        Self::new(Domain::IPV6)
    }

    /// Makes a socket for the family of an address.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn new_for(address: SocketAddr) -> io::Result<Self> {
        Self::new(Domain::for_address(address))
    }

    fn new(domain: Domain) -> io::Result<Self> {
        Ok(Self { socket: Socket::new(domain, Type::STREAM, Some(Protocol::TCP))? })
    }

    /// Binds the socket to an address: that of the listener, or the one that the connection comes from.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.socket.bind(&address.into())
    }

    /// Connects to an address.
    ///
    /// # Errors
    ///
    /// The system's error; outside of a loop, if it would have to wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket; the peer may have seen a connection.
    #[doc(alias = "sock_connect")]
    pub async fn connect(self, address: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect_socket(self.socket, address).await
    }

    /// Makes a listener of the socket, for which the kernel keeps so many connections.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        TcpListener::from_std(self.socket.into())
    }

    /// `SO_REUSEADDR`: lets a server start again while connections of its predecessor linger.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_reuseaddr(&self, reuse: bool) -> io::Result<()> {
        self.socket.set_reuse_address(reuse)
    }

    /// `SO_REUSEPORT`: lets several sockets share the port.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_reuseport(&self, reuse: bool) -> io::Result<()> {
        self.socket.set_reuse_port(reuse)
    }

    /// `IPV6_V6ONLY`: whether a socket for IPv6 refuses IPv4.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_only_v6(&self, only: bool) -> io::Result<()> {
        self.socket.set_only_v6(only)
    }

    /// `SO_RCVBUF`: asks for a receive buffer of so many bytes. For a window beyond 64 KiB it must be
    /// set before the connection is made.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.socket.set_recv_buffer_size(bytes)
    }

    /// Returns the size of the receive buffer.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        self.socket.recv_buffer_size()
    }

    /// `SO_SNDBUF`: asks for a send buffer of so many bytes.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.socket.set_send_buffer_size(bytes)
    }

    /// Returns the size of the send buffer.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        self.socket.send_buffer_size()
    }

    /// `TCP_NODELAY`; see [`TcpStream::set_nodelay`].
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.set_tcp_nodelay(nodelay)
    }

    /// `SO_LINGER`; see [`TcpStream::set_linger`].
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.socket.set_linger(linger)
    }

    /// `SO_KEEPALIVE`; see [`TcpStream::set_keepalive`].
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_keepalive(&self, idle: Option<Duration>) -> io::Result<()> {
        match idle {
            Some(idle) => self.socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle)),
            None => self.socket.set_keepalive(false),
        }
    }

    /// Returns the address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()?.as_socket().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "the socket is not one of IP")
        })
    }
}

impl AsFd for TcpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for TcpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl From<OwnedFd> for TcpSocket {
    /// Takes over a socket that is neither connected nor listening.
    fn from(fd: OwnedFd) -> Self {
        Self { socket: fd.into() }
    }
}
