//! A listener with the API of `std::os::unix::net::UnixListener`.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
};

use super::{UnixStream, wait_io::wait_io};
use crate::net::{self, unix::SocketAddr};

/// A Unix socket that accepts connections; as [`std::os::unix::net::UnixListener`], for green
/// threads.
///
/// For a path where there may be a stale file, open it with [`net::UnixListener::options`] and wrap it
/// with [`from_async`](Self::from_async).
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
///
/// use greenloop::green::{self, net::{UnixListener, UnixStream}};
///
/// # let directory = std::env::temp_dir().join(format!("greenloop-doc-g{}", std::process::id()));
/// # std::fs::create_dir_all(&directory).unwrap();
/// # let path = directory.join("listener");
/// green::run(move || {
///     let listener = UnixListener::bind(&path)?;
///     green::spawn(move || -> std::io::Result<()> {
///         let (mut stream, _) = listener.accept()?;
///         stream.write_all(b"hello")
///     });
///     let mut text = String::new();
///     UnixStream::connect(&path)?.read_to_string(&mut text)?;
///     assert_eq!(text, "hello");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// # std::fs::remove_dir_all(directory).unwrap();
/// ```
#[derive(Debug)]
pub struct UnixListener(net::UnixListener);

impl UnixListener {
    /// Opens a socket at a path; see [`net::UnixListener::bind`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UnixListener::bind`].
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        net::UnixListener::bind(path).map(Self)
    }

    /// Opens a socket at an address; see [`net::UnixListener::bind_addr`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UnixListener::bind`].
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        net::UnixListener::bind_addr(address).map(Self)
    }

    /// Waits for a connection; see [`net::UnixListener::accept`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UnixListener::accept`].
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[track_caller]
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, peer) = wait_io(None, self.0.accept())?;
        Ok((UnixStream::from_async(stream), peer))
    }

    /// Gives the connections, one after the other, for ever.
    #[must_use]
    pub fn incoming(&self) -> UnixIncoming<'_> {
        UnixIncoming(self)
    }

    /// Returns the address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Returns the error that the socket has kept, and clears it.
    ///
    /// # Errors
    ///
    /// When the system cannot tell.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.0.take_error()
    }

    /// Wraps a listener of async code.
    #[must_use]
    pub fn from_async(listener: net::UnixListener) -> Self {
        Self(listener)
    }

    /// Returns the listener for async code.
    #[must_use]
    pub fn as_async(&self) -> &net::UnixListener {
        &self.0
    }
}

impl AsFd for UnixListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The iterator of [`UnixListener::incoming`].
#[derive(Debug)]
pub struct UnixIncoming<'a>(&'a UnixListener);

impl Iterator for UnixIncoming<'_> {
    type Item = io::Result<UnixStream>;

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.accept().map(|(stream, _)| stream))
    }
}
