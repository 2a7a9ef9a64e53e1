//! A connection between processes of one machine.

use std::{fmt, io, path::Path, time::Duration};

use super::{SocketAddr, UCred, halves, peer};
use crate::{
    event_loop,
    io::Source,
    net::stream_methods::{as_fd, stream_socket, try_from_fd},
    time::sleep,
};

/// A connection through a Unix socket.
///
/// All methods take `&self`: any number of tasks may read and write it at the same time, each
/// operation whole but in no particular order among them. It also is a [`futures_io::AsyncRead`]
/// and [`AsyncWrite`](futures_io::AsyncWrite), and so is a reference to it.
///
/// Dropping it closes the connection. A stream may be sent to another thread, but once it has had to
/// wait in a loop it can be used in that loop only.
///
/// # Examples
///
/// ```
/// use greenloop::net::UnixStream;
///
/// greenloop::run(async {
///     let (ours, theirs) = UnixStream::pair()?;
///     ours.write_all(b"hello").await?;
///     let mut buffer = [0; 5];
///     theirs.read_exact(&mut buffer).await?;
///     assert_eq!(&buffer, b"hello");
///     assert_eq!(theirs.peer_cred()?.pid(), Some(std::process::id() as i32));
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[doc(alias = "open_unix_connection")]
#[doc(alias = "create_unix_connection")]
pub struct UnixStream {
    source: Source<std::os::unix::net::UnixStream>,
}

impl UnixStream {
    /// Connects to the socket at a path, waiting while its queue of connections is full.
    ///
    /// The kernel does not tell when there is room in the queue, so it is asked again after pauses
    /// that grow from 1 to 100 ms.
    ///
    /// # Errors
    ///
    /// The system's error: `NotFound` when there is no such path, `ConnectionRefused` when nobody
    /// listens at it; outside of a loop, if it has to wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future while it waits means that there was no connection.
    #[doc(alias = "multiprocessing.connection.Client")]
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::connect_addr(&SocketAddr::from_pathname(path)?).await
    }

    /// Connects to an address, which may be one without a path (an *abstract* one, on Linux); the
    /// rest is as for [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_addr(address: &SocketAddr) -> io::Result<Self> {
        const SHORTEST: Duration = Duration::from_millis(1);
        const LONGEST: Duration = Duration::from_millis(100);
        let mut pause = SHORTEST;
        loop {
            match mio::net::UnixStream::connect_addr(address) {
                // On Linux such a connection is there at once or not at all.
                Ok(stream) => return Self::from_mio(stream).connected().await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if !event_loop::is_running() {
                return Err(event_loop::no_loop("a connect that has to wait"));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Waits until the connection is there, where that may take a while.
    async fn connected(self) -> io::Result<Self> {
        if cfg!(any(target_os = "linux", target_os = "android")) {
            return Ok(self);
        }
        while let Err(error) = self.peer_addr() {
            if error.kind() != io::ErrorKind::NotConnected {
                return Err(error);
            }
            self.writable().await?;
            if let Some(error) = self.take_error()? {
                return Err(error);
            }
        }
        Ok(self)
    }

    /// Makes two streams that are connected to each other.
    ///
    /// It touches no loop, so it may happen before one runs, or before a fork.
    ///
    /// # Errors
    ///
    /// The system's error.
    #[doc(alias = "socketpair")]
    #[doc(alias = "Pipe")]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = mio::net::UnixStream::pair()?;
        Ok((Self::from_mio(one), Self::from_mio(other)))
    }

    /// Takes over a connection of the standard library, and puts it into non-blocking mode.
    ///
    /// # Errors
    ///
    /// When the system refuses that.
    #[doc(alias = "fromfd")]
    pub fn from_std(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { source: Source::new(stream) })
    }

    /// A connection that is in non-blocking mode already.
    pub(super) fn from_mio(stream: mio::net::UnixStream) -> Self {
        Self { source: Source::new(stream.into()) }
    }

    /// As `from_mio`, and counted among the open ones until it is closed or given away.
    #[cfg(all(feature = "launcher", target_os = "linux"))]
    pub(crate) fn from_counted(
        stream: std::os::unix::net::UnixStream,
        open: &'static std::sync::atomic::AtomicU32,
    ) -> Self {
        let mut source = Source::new(stream);
        source.count_in(open);
        Self { source }
    }

    /// Gives the connection to the standard library. It stays in non-blocking mode.
    ///
    /// # Errors
    ///
    /// On a thread that does not run the loop with which the socket is registered; the socket is
    /// closed then.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixStream> {
        self.source.into_inner()
    }

    /// Returns who is at the other end.
    ///
    /// # Errors
    ///
    /// The system's error.
    #[doc(alias = "SO_PEERCRED")]
    pub fn peer_cred(&self) -> io::Result<UCred> {
        peer::credentials(std::os::fd::AsFd::as_fd(self))
    }

    /// Returns this end's address, which mostly has neither path nor name.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get().local_addr()
    }

    /// Returns the other end's address.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.source.get().peer_addr()
    }
}

stream_socket!(UnixStream, halves);
as_fd!(UnixStream);
try_from_fd!(UnixStream, std::os::unix::net::UnixStream);

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixStream")
            .field("local", &self.local_addr().ok())
            .field("peer", &self.peer_addr().ok())
            .finish()
    }
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync + Unpin>() {}
    is_send_and_sync::<UnixStream>();
};
