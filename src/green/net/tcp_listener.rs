//! A listener with the API of `std::net::TcpListener`.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd},
};

use super::{TcpStream, ToSocketAddrs, wait_io::wait_io};
use crate::net;

/// A socket that accepts TCP connections; as [`std::net::TcpListener`], for green threads.
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
///     let address = listener.local_addr()?;
///     green::spawn(move || -> std::io::Result<()> {
///         let (mut stream, _) = listener.accept()?;
///         stream.write_all(b"hello")
///     });
///     let mut text = String::new();
///     TcpStream::connect(address)?.read_to_string(&mut text)?;
///     assert_eq!(text, "hello");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Debug)]
pub struct TcpListener(net::TcpListener);

impl TcpListener {
    /// Opens a socket; see [`net::TcpListener::bind`].
    ///
    /// # Errors
    ///
    /// Those of [`net::TcpListener::bind`].
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[track_caller]
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        wait_io(None, net::TcpListener::bind(address)).map(Self)
    }

    /// Waits for a connection; see [`net::TcpListener::accept`].
    ///
    /// # Errors
    ///
    /// Those of [`net::TcpListener::accept`].
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[track_caller]
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = wait_io(None, self.0.accept())?;
        Ok((TcpStream::from_async(stream), peer))
    }

    /// Gives the connections, one after the other, for ever.
    #[must_use]
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming(self)
    }

    /// Returns the address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Wraps a listener of async code.
    #[must_use]
    pub fn from_async(listener: net::TcpListener) -> Self {
        Self(listener)
    }

    /// Returns the listener for async code.
    #[must_use]
    pub fn as_async(&self) -> &net::TcpListener {
        &self.0
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The iterator of [`TcpListener::incoming`].
#[derive(Debug)]
pub struct Incoming<'a>(&'a TcpListener);

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.accept().map(|(stream, _)| stream))
    }
}
