//! The pipes to and from a child.

use std::{
    fmt,
    fs::File,
    io,
    os::fd::OwnedFd,
    pin::Pin,
    process::Stdio,
    task::{Context, Poll},
};

use futures_io::AsyncWrite;
use socket2::SockRef;

use crate::{
    io::{Direction, Source},
    net::stream_methods::{as_fd, async_read, read_methods},
};

/// The pipe to the standard input of a [`Child`](super::Child).
///
/// The child sees the end of its input when this is dropped, or closed by `AsyncWriteExt::close`. A write to a
/// child that is gone, or reads no more, is an error of the kind `BrokenPipe`.
pub struct ChildStdin {
    /// `None` once it is closed.
    source: Option<Source<File>>,
}

/// The pipe from the standard output of a [`Child`](super::Child).
///
/// It ends when all who can write to it have closed it: the child, and the processes that it started and
/// that inherited it.
pub struct ChildStdout {
    source: Source<File>,
}

/// The pipe from the standard error of a [`Child`](super::Child); as [`ChildStdout`].
pub struct ChildStderr {
    source: Source<File>,
}

/// Takes over one end of a pipe.
fn pipe(end: impl Into<OwnedFd>) -> io::Result<Source<File>> {
    let file = File::from(end.into());
    SockRef::from(&file).set_nonblocking(true)?;
    Ok(Source::new(file))
}

/// Gives one end of a pipe to those who expect that it blocks.
fn into_blocking(source: Source<File>) -> io::Result<OwnedFd> {
    let file = source.into_inner()?;
    SockRef::from(&file).set_nonblocking(false)?;
    Ok(file.into())
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the pipe to the child was closed")
}

impl ChildStdin {
    /// Takes over the pipe of the standard library, and puts it into non-blocking mode.
    ///
    /// # Errors
    ///
    /// When the system refuses that.
    pub fn from_std(stdin: std::process::ChildStdin) -> io::Result<Self> {
        Ok(Self { source: Some(pipe(stdin)?) })
    }

    /// Gives the pipe back in blocking mode, for instance as the standard output of another child.
    ///
    /// # Errors
    ///
    /// On a thread that does not run the loop in which it was used, and when it was closed.
    pub fn into_owned_fd(mut self) -> io::Result<OwnedFd> {
        into_blocking(self.source.take().ok_or_else(closed)?)
    }

    /// Writes what the pipe has room for, waiting until it has some, and gives the number of bytes.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when nobody reads any more or it was closed; outside of a loop; in another loop than
    /// before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future writes nothing.
    pub async fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        let source = self.source()?;
        if buffer.is_empty() {
            return source.nothing().await;
        }
        source.write(buffer).await
    }

    /// Writes the whole buffer.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    ///
    /// # Cancel safety
    ///
    /// None: some of it may have been written.
    pub async fn write_all(&self, buffer: &[u8]) -> io::Result<()> {
        self.source()?.write_all(buffer).await
    }

    /// Writes what the pipe has room for, on any thread.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when it has none; otherwise as [`write`](Self::write).
    pub fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.source()?.try_write(buffer)
    }

    /// Waits until there is room to write, or nobody reads any more.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn writable(&self) -> io::Result<()> {
        self.source()?.readiness(Direction::Write).await
    }

    fn source(&self) -> io::Result<&Source<File>> {
        self.source.as_ref().ok_or_else(closed)
    }
}

impl AsyncWrite for ChildStdin {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.source()?.poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.source()?.poll_write_vectored(cx, buffers)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends the child's input, as dropping does.
    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source = None;
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for ChildStdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildStdin").field("closed", &self.source.is_none()).finish()
    }
}

impl TryFrom<ChildStdin> for Stdio {
    type Error = io::Error;

    /// For the output of another child.
    fn try_from(stdin: ChildStdin) -> io::Result<Self> {
        stdin.into_owned_fd().map(Self::from)
    }
}

/// The two pipes that are read differ in their names only.
macro_rules! reads {
    ($name:ident, $what:literal) => {
        impl $name {
            /// Takes over the pipe of the standard library, and puts it into non-blocking mode.
            ///
            /// # Errors
            ///
            /// When the system refuses that.
            pub fn from_std(pipe_of_std: std::process::$name) -> io::Result<Self> {
                Ok(Self { source: pipe(pipe_of_std)? })
            }

            /// Gives the pipe back in blocking mode, for instance as the standard input of another
            /// child.
            ///
            /// # Errors
            ///
            /// On a thread that does not run the loop in which it was used.
            pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
                into_blocking(self.source)
            }
        }

        read_methods!($name, self => self.source);
        async_read!($name);
        async_read!(&$name);
        as_fd!($name);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($what).finish_non_exhaustive()
            }
        }

        impl TryFrom<$name> for Stdio {
            type Error = io::Error;

            /// For the input of another child.
            fn try_from(pipe: $name) -> io::Result<Self> {
                pipe.into_owned_fd().map(Self::from)
            }
        }
    };
}

reads!(ChildStdout, "ChildStdout");
reads!(ChildStderr, "ChildStderr");
