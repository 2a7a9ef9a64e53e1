//! A connection with the API of `std::os::unix::net::UnixStream`.

use std::{io, net::Shutdown, path::Path, sync::Arc};

use super::{
    handle::handle,
    limits::{Limited, limits},
    read_and_write::read_and_write,
    wait_io::wait_io,
};
use crate::net::{
    self,
    unix::{SocketAddr, UCred},
};

/// A connection through a Unix socket; as [`std::os::unix::net::UnixStream`], for green threads.
///
/// Reading and writing waits for the socket, and the other tasks of the loop run meanwhile. While a
/// panic unwinds the green thread it does not wait, and gives an error of the kind `WouldBlock`.
///
/// # Panics
///
/// Whatever has to wait panics outside of a green thread.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
///
/// use greenloop::green::{self, net::UnixStream};
///
/// green::run(|| {
///     let (mut ours, mut theirs) = UnixStream::pair()?;
///     ours.write_all(b"hello")?;
///     drop(ours);
///     let mut text = String::new();
///     theirs.read_to_string(&mut text)?;
///     assert_eq!(text, "hello");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Clone)]
pub struct UnixStream {
    shared: Arc<Limited<net::UnixStream>>,
}

impl UnixStream {
    /// Connects to the socket at a path; see [`net::UnixStream::connect`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UnixStream::connect`].
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[track_caller]
    pub fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        wait_io(net::UnixStream::connect(path)).map(Self::from_async)
    }

    /// Connects to an address; see [`net::UnixStream::connect_addr`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UnixStream::connect`].
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[track_caller]
    pub fn connect_addr(address: &SocketAddr) -> io::Result<Self> {
        wait_io(net::UnixStream::connect_addr(address)).map(Self::from_async)
    }

    /// Makes two streams that are connected to each other.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = net::UnixStream::pair()?;
        Ok((Self::from_async(one), Self::from_async(other)))
    }

    /// Ends one direction of the connection or both.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shared.socket.shutdown(how)
    }

    /// Returns who is at the other end.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn peer_cred(&self) -> io::Result<UCred> {
        self.shared.socket.peer_cred()
    }

    /// Returns the error that the socket has kept, and clears it.
    ///
    /// # Errors
    ///
    /// When the system cannot tell.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.shared.socket.take_error()
    }

    /// Returns this end's address, which mostly has neither path nor name.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.shared.socket.local_addr()
    }

    /// Returns the other end's address.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.shared.socket.peer_addr()
    }
}

handle!(UnixStream, net::UnixStream, std::os::unix::net::UnixStream);
limits!(UnixStream);
read_and_write!(UnixStream, net::UnixStream);
