//! The kinds of sockets that workers accept from.

use std::{
    fmt, io,
    net::SocketAddr,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::SocketAddr as UnixAddr,
    },
    sync::atomic::AtomicU32,
};

use crate::net::{TcpStream, UnixStream};

/// A kind of listening socket: [`Tcp`] or [`Unix`].
pub trait Kind: sealed::Sealed {
    /// Its connections.
    type Stream: 'static;
    /// Where they come from.
    type Peer: Clone + fmt::Debug + 'static;
}

/// TCP.
#[derive(Debug)]
pub enum Tcp {}

/// Unix sockets, of streams.
#[derive(Debug)]
pub enum Unix {}

impl Kind for Tcp {
    type Stream = TcpStream;
    type Peer = SocketAddr;
}

impl Kind for Unix {
    type Stream = UnixStream;
    type Peer = UnixAddr;
}

pub(super) mod sealed {
    use super::*;

    /// What the launcher needs of a kind, and nobody else may have.
    pub trait Sealed: Sized {
        /// The listening socket.
        type Socket: AsFd + AsRawFd;
        fn from_descriptor(descriptor: OwnedFd) -> Self::Socket;
        /// Accepts a connection, counts it until it is closed, and says that it did.
        fn accept(
            socket: &Self::Socket,
            open: &'static AtomicU32,
        ) -> io::Result<(<Self as Kind>::Stream, <Self as Kind>::Peer)>
        where
            Self: Kind;
        fn address(socket: &Self::Socket) -> io::Result<<Self as Kind>::Peer>
        where
            Self: Kind;
    }

    impl Sealed for Tcp {
        type Socket = mio::net::TcpListener;

        fn from_descriptor(descriptor: OwnedFd) -> Self::Socket {
            mio::net::TcpListener::from_std(descriptor.into())
        }

        fn accept(
            socket: &Self::Socket,
            open: &'static AtomicU32,
        ) -> io::Result<(TcpStream, SocketAddr)> {
            let (stream, peer) = socket.accept()?;
            Ok((TcpStream::from_counted(stream.into(), open), peer))
        }

        fn address(socket: &Self::Socket) -> io::Result<SocketAddr> {
            socket.local_addr()
        }
    }

    impl Sealed for Unix {
        type Socket = mio::net::UnixListener;

        fn from_descriptor(descriptor: OwnedFd) -> Self::Socket {
            mio::net::UnixListener::from_std(descriptor.into())
        }

        fn accept(
            socket: &Self::Socket,
            open: &'static AtomicU32,
        ) -> io::Result<(UnixStream, UnixAddr)> {
            let (stream, peer) = socket.accept()?;
            Ok((UnixStream::from_counted(stream.into(), open), peer))
        }

        fn address(socket: &Self::Socket) -> io::Result<UnixAddr> {
            socket.local_addr()
        }
    }
}
