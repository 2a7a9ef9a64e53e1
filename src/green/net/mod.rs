//! TCP for green threads, with the API of `std::net`.
//!
//! Changing a `use` line ports a threaded server. The streams are `std::io::Read` and `Write`, so
//! that blocking crates that are generic over these work: TLS, WebSockets, HTTP.
//!
//! What differs from std: clones share one descriptor, so that cloning cannot fail; conversions
//! from and to descriptors can ([`TcpStream::into_std`]); the end of a connection that has ended is no
//! error; and a read into no buffer at all does not wait. `UdpSocket` is not here.

mod tcp_listener;
mod tcp_stream;
mod wait_io;

pub use self::{
    tcp_listener::{Incoming, TcpListener},
    tcp_stream::TcpStream,
};
pub use std::net::{
    AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6,
};

pub(super) use self::wait_io::wait_io;
pub use crate::net::ToSocketAddrs;
