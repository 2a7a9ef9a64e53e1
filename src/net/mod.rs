//! TCP.

mod addresses;
mod tcp_halves;
mod tcp_listener;
mod tcp_stream;

#[cfg(feature = "launcher")]
pub(crate) use self::tcp_listener::{Pause, is_exhaustion, is_the_peers};
pub use self::{
    addresses::ToSocketAddrs,
    tcp_halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf},
    tcp_listener::{Accept, Incoming, ListenOptions, TcpListener},
    tcp_stream::TcpStream,
};
