//! TCP, UDP and Unix sockets, a server for either, pipes, and any other descriptor.

mod accept;
pub(crate) mod addresses;
mod async_fd;
mod halves;
mod happy_eyeballs;
pub mod pipe;
pub mod server;
pub(crate) mod stream_methods;
mod tcp_halves;
mod tcp_listener;
mod tcp_socket;
mod tcp_stream;
pub(crate) mod udp_options;
mod udp_socket;
pub mod unix;

#[cfg(all(feature = "launcher", target_os = "linux"))]
pub(crate) use self::accept::{Pause, is_exhaustion, is_the_peers};
pub use self::{
    addresses::{ToSocketAddrs, lookup_host},
    async_fd::AsyncFd,
    server::handle::Server,
    tcp_halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf},
    tcp_listener::{Accept, Incoming, ListenOptions, TcpListener},
    tcp_socket::TcpSocket,
    tcp_stream::TcpStream,
    udp_socket::UdpSocket,
    unix::{datagram::UnixDatagram, listener::UnixListener, stream::UnixStream},
};
