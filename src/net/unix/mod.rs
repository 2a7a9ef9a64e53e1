//! Sockets of the Unix kind: what belongs to [`UnixStream`], [`UnixListener`] and [`UnixDatagram`].

pub(super) mod datagram;
mod file;
mod folder_lock;
mod halves;
pub(super) mod listener;
mod peer;
pub(super) mod stream;

pub use std::os::unix::net::SocketAddr;

pub use self::{
    datagram::DatagramOptions,
    halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf},
    listener::{Accept, Incoming, ListenOptions},
    peer::UCred,
};
#[cfg(doc)]
use super::{UnixDatagram, UnixListener, UnixStream};
