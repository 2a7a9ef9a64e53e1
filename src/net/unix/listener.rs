//! Accepting connections of other processes of the machine.

use std::{
    fmt, io,
    path::Path,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use socket2::{Domain, Socket, Type};

use super::{
    SocketAddr,
    file::{File, FilePolicy},
    stream::UnixStream,
};
use crate::{
    io::Source,
    net::{
        accept::{Accepting, try_accept},
        stream_methods::{as_fd, try_from_fd},
    },
};

/// How many connections the kernel keeps for us to accept, unless told otherwise. The kernel's own
/// limit (4,096 on Linux, `net.core.somaxconn`) applies on top.
const BACKLOG: u32 = 1024;

/// A Unix socket that accepts connections.
///
/// The file at its path outlives it, as everywhere, and stands in the way of the next `bind`;
/// [`options`](Self::options) can have it replaced or removed safely.
///
/// # Examples
///
/// ```
/// use greenloop::net::{UnixListener, UnixStream};
///
/// # let directory = std::env::temp_dir().join(format!("greenloop-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory).unwrap();
/// let path = directory.join("listener");
/// greenloop::run(async {
///     let options = UnixListener::options().replace_stale(true).remove_on_drop(true);
///     let listener = options.bind(&path)?;
///     let client = UnixStream::connect(&path).await?;
///     let (stream, _) = listener.accept().await?;
///     client.write_all(b"hello").await?;
///     assert_eq!(stream.read(&mut [0; 8]).await?, 5);
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// assert!(!path.exists());
/// # std::fs::remove_dir(directory).unwrap();
/// ```
#[doc(alias = "start_unix_server")]
#[doc(alias = "create_unix_server")]
#[doc(alias = "multiprocessing.connection.Listener")]
pub struct UnixListener {
    /// What is removed at the end; before the socket is closed, see there.
    file: Option<File>,
    source: Source<mio::net::UnixListener>,
}

impl UnixListener {
    /// Opens a socket at a path where nothing is, with a backlog of 1,024.
    ///
    /// It touches no loop, so it may happen before one runs, or before a fork.
    ///
    /// # Errors
    ///
    /// The system's error: `AddrInUse` when there is anything at the path.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::options().bind(path)
    }

    /// Opens a socket at an address, which may be one without a path (an *abstract* one, on Linux);
    /// the rest is as for [`bind`](Self::bind). An abstract address is free again when the
    /// socket is closed.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")]
    /// # fn main() -> std::io::Result<()> {
    /// use std::os::linux::net::SocketAddrExt;
    ///
    /// use greenloop::net::{UnixListener, unix::SocketAddr};
    ///
    /// let address = SocketAddr::from_abstract_name("greenloop's example")?;
    /// let listener = UnixListener::bind_addr(&address)?;
    /// assert_eq!(listener.local_addr()?.as_abstract_name(), address.as_abstract_name());
    /// # Ok(())
    /// # }
    /// # #[cfg(not(target_os = "linux"))]
    /// # fn main() {}
    /// ```
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::from_std(std::os::unix::net::UnixListener::bind_addr(address)?)
    }

    /// Starts with other options than those of [`bind`](Self::bind).
    #[must_use]
    pub fn options() -> ListenOptions {
        ListenOptions::default()
    }

    /// Takes over a socket of the standard library, and puts it into non-blocking mode.
    ///
    /// # Errors
    ///
    /// When the system refuses that.
    pub fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = mio::net::UnixListener::from_std(listener);
        Ok(Self { file: None, source: Source::new(listener) })
    }

    /// Gives the socket to the standard library. It stays in non-blocking mode, and its file stays
    /// where it is.
    ///
    /// # Errors
    ///
    /// On a thread that does not run the loop with which the socket is registered; the socket is
    /// closed then.
    pub fn into_std(mut self) -> io::Result<std::os::unix::net::UnixListener> {
        if let Some(file) = self.file.take() {
            file.keep();
        }
        Ok(self.source.into_inner()?.into())
    }

    /// Waits for the next connection, and gives it with the address of the peer, which mostly has
    /// neither path nor name.
    ///
    /// When the process or the system is out of descriptors (`EMFILE`, `ENFILE`) or memory for
    /// sockets, it tries again after a pause, which grows from 10 ms to 1 s: connections wait in the
    /// kernel's queue meanwhile, and none is lost.
    ///
    /// # Errors
    ///
    /// Any other error of the system; outside of a loop; in another loop than before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no connection.
    pub fn accept(&self) -> Accept<'_> {
        Accept(Accepting::new(&self.source))
    }

    /// Gives the next connection if there is one, with the address of the peer; on any thread.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none. The lack of descriptors is an error.
    pub fn try_accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, peer) = try_accept(&self.source, mio::net::UnixListener::accept)?;
        Ok((UnixStream::from_mio(stream), peer))
    }

    /// Gives the connections as a stream, which never ends. Errors as for
    /// [`accept`](Self::accept).
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming(self.accept())
    }

    /// Returns the address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get().local_addr()
    }

    /// Returns the error that the socket has kept, and clears it.
    ///
    /// # Errors
    ///
    /// When the system cannot tell.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.source.get().take_error()
    }
}

as_fd!(UnixListener);
try_from_fd!(UnixListener, std::os::unix::net::UnixListener);

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixListener").field("address", &self.local_addr().ok()).finish()
    }
}

/// The future of [`UnixListener::accept`].
#[must_use = "a future does nothing unless awaited"]
pub struct Accept<'a>(Accepting<'a, mio::net::UnixListener>);

impl Future for Accept<'_> {
    type Output = io::Result<(UnixStream, SocketAddr)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let accepted = ready!(self.0.poll(cx, mio::net::UnixListener::accept));
        Poll::Ready(accepted.map(|(stream, peer)| (UnixStream::from_mio(stream), peer)))
    }
}

impl fmt::Debug for Accept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept").finish_non_exhaustive()
    }
}

/// The stream of [`UnixListener::incoming`].
#[derive(Debug)]
#[must_use = "a stream does nothing unless polled"]
pub struct Incoming<'a>(Accept<'a>);

impl Stream for Incoming<'_> {
    type Item = io::Result<UnixStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // The future starts anew when it has given its output.
        let accepted = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(Some(accepted.map(|(stream, _)| stream)))
    }
}

/// How to open a [`UnixListener`]; from [`UnixListener::options`].
#[derive(Clone, Debug)]
pub struct ListenOptions {
    backlog: u32,
    policy: FilePolicy,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self { backlog: BACKLOG, policy: FilePolicy::default() }
    }
}

impl ListenOptions {
    /// How many connections the kernel keeps for us to accept; 1,024 by default.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Whether the file of a socket that is dead is replaced; false by default.
    ///
    /// Dead is a socket that the kernel says nobody holds any more: its process has ended, or closed
    /// it, and left the file behind. Nothing else is ever removed: no file that is not a socket, and
    /// no socket that lives, whoever listens at it, and though it does not listen yet.
    ///
    /// To be sure of that, the dead file is moved into a new folder beside it, looked at again, and
    /// only then removed. Should a process that does not ask whether a socket is alive have replaced
    /// the file in the moment between, its socket is moved back, and this is an `AddrInUse`;
    /// for that moment it could not be connected to. Of those who replace a stale file
    /// with this at the same time, one gets its place, and for the others it is an `AddrInUse`.
    ///
    /// The kernel knows of the sockets of its own machine only: where the folder is shared by
    /// several (NFS), do not use this.
    #[must_use]
    pub fn replace_stale(mut self, replace: bool) -> Self {
        self.policy.replace_stale = replace;
        self
    }

    /// Whether the file is removed when the socket is dropped; false by default.
    ///
    /// It is removed only while it is this socket's: what another process has put at the path stays.
    /// A forked child that drops its copy removes nothing.
    #[must_use]
    pub fn remove_on_drop(mut self, remove: bool) -> Self {
        self.policy.remove_on_drop = remove;
        self
    }

    /// Opens the socket at a path, as [`UnixListener::bind`] does.
    ///
    /// # Errors
    ///
    /// Those of [`UnixListener::bind`]; the system's error when a stale file cannot be replaced.
    pub fn bind(self, path: impl AsRef<Path>) -> io::Result<UnixListener> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        let file = self.policy.bind(&socket, path.as_ref())?;
        socket.listen(i32::try_from(self.backlog).unwrap_or(i32::MAX))?;
        let listener = UnixListener::from_std(socket.into())?;
        Ok(UnixListener { file, ..listener })
    }
}
