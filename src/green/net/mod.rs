//! Sockets for green threads, with the APIs of `std::net` and `std::os::unix::net`.
//!
//! Changing a `use` line ports a threaded server. The streams are `std::io::Read` and `Write`, so
//! that blocking crates that are generic over these work: TLS, WebSockets, HTTP.
//!
//! What differs from std: clones share one descriptor, so that cloning cannot fail; conversions
//! from and to descriptors can ([`TcpStream::into_std`]); the end of a connection that has ended is no
//! error; and a read into no buffer at all does not wait. The Unix sockets stand beside the others, and
//! their addresses are [`net::unix::SocketAddr`](crate::net::unix::SocketAddr), which is std's.

mod accepting;
mod handle;
mod limits;
mod pipe;
mod read_and_write;
mod server;
mod tcp_listener;
mod tcp_stream;
mod udp_socket;
mod unix_datagram;
mod unix_listener;
mod unix_stream;
mod wait_io;

use std::{io, vec};

pub use self::{
    pipe::{PipeReader, PipeWriter, pipe},
    server::{Server, ServerBuilder},
    tcp_listener::{Incoming, TcpListener},
    tcp_stream::TcpStream,
    udp_socket::UdpSocket,
    unix_datagram::UnixDatagram,
    unix_listener::{UnixIncoming, UnixListener},
    unix_stream::UnixStream,
};
pub use std::net::{
    AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6,
};

pub(super) use self::wait_io::wait_io;
pub use crate::net::ToSocketAddrs;

/// Gives the addresses that something stands for; see [`crate::net::lookup_host`].
///
/// # Errors
///
/// Those of [`crate::net::lookup_host`].
///
/// # Panics
///
/// Outside of a green thread.
#[track_caller]
pub fn lookup_host(host: impl ToSocketAddrs) -> io::Result<vec::IntoIter<SocketAddr>> {
    wait_io(crate::net::lookup_host(host))
}
